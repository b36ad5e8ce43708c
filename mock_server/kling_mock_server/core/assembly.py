"""Puts together the objects that all requests to one mock share."""

from typing import Final

from kling_contracts import Contract
from kling_contracts.facts.sources import Fetch, unfetched
from kling_mock_server.assets.downloads import Downloads
from kling_mock_server.assets.library import Library
from kling_mock_server.assets.renderer import Renderer
from kling_mock_server.core.control_access import ControlAccess
from kling_mock_server.core.cors import PageOrigins
from kling_mock_server.core.operations import FILES
from kling_mock_server.core.resources import Resources
from kling_mock_server.outgoing.callback_attempt import CallbackSender
from kling_mock_server.outgoing.callback_worker import CallbackWorker
from kling_mock_server.outgoing.fetch import Download, downloader
from kling_mock_server.outgoing.webhooks import Targets
from kling_mock_server.protocol.names import CREATE
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.ids import Ids

NO_DOWNLOAD: Final = downloader("none")
THIS_MACHINE: Final = Targets()
LOCAL_ACCESS: Final = ControlAccess()
LOCAL_PAGES: Final = PageOrigins()


def resources_of(
    contract: Contract,
    accounts: Accounts,
    *,
    fetch: Fetch = unfetched,
    download: Download = NO_DOWNLOAD,
    targets: Targets = THIS_MACHINE,
    secrets: tuple[str, ...] = (),
    control_access: ControlAccess = LOCAL_ACCESS,
    page_origins: PageOrigins = LOCAL_PAGES,
    public_url: str = "",
) -> Resources:
    """Return the resources of a mock.

    `fetch` resolves URLs of audio, `download` those of videos; `targets` is whom callbacks may go to, and `secrets`
    sign them; `control_access` says who may call the control surface over sockets, pages of `page_origins` read
    answers; `public_url` begins the URLs of files.
    """
    library = Library(accounts, contract, FILES)
    task_price = contract.prices.get(CREATE)
    return Resources(
        contract=contract,
        library=library,
        downloads=Downloads(library, fetch, download, contract.largest),
        callback_worker=CallbackWorker(accounts, CallbackSender(targets, secrets, price=task_price)),
        renderer=Renderer(),
        ids=Ids(),
        control_access=control_access,
        page_origins=page_origins,
        public_url=public_url,
        task_price=task_price,
    )
