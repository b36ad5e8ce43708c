"""The objects that all requests to one mock share, beside the accounts."""

from typing import NamedTuple

from kling_contracts import Contract
from kling_contracts.rules.price import Price
from kling_mock_server.assets.downloads import Downloads
from kling_mock_server.assets.library import Library
from kling_mock_server.assets.renderer import Renderer
from kling_mock_server.core.control_access import ControlAccess
from kling_mock_server.core.cors import PageOrigins
from kling_mock_server.outgoing.callback_worker import CallbackWorker
from kling_mock_server.state.ids import Ids


class Resources(NamedTuple):
    """The contract, and what reaches beyond one request."""

    contract: Contract
    library: Library
    downloads: Downloads
    callback_worker: CallbackWorker
    renderer: Renderer
    ids: Ids
    control_access: ControlAccess
    page_origins: PageOrigins = PageOrigins()
    """The pages that may read answers in a browser."""
    public_url: str = ""
    """The beginning of the URLs of the mock's files; empty: the origin at which a caller reaches the mock."""
    task_price: Price | None = None
    """The price of creating a task; None where the documents do not say it."""
