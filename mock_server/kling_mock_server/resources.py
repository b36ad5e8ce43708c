"""What all requests to one mock share, beside the accounts."""

from typing import Final, NamedTuple

from kling_contracts import Contract
from kling_contracts.facts import Fetch, unfetched
from kling_mock_server.accounts import Accounts
from kling_mock_server.courier import Courier
from kling_mock_server.downloads import Downloads
from kling_mock_server.fetch import Download, downloader
from kling_mock_server.ids import Ids
from kling_mock_server.library import Library
from kling_mock_server.renderer import Renderer
from kling_mock_server.webhooks import Targets

NO_DOWNLOAD: Final = downloader("none")
THIS_MACHINE: Final = Targets()


class Resources(NamedTuple):
    """The contract, and what reaches beyond one request."""

    contract: Contract
    library: Library
    downloads: Downloads
    courier: Courier
    renderer: Renderer
    ids: Ids


def resources_of(
    contract: Contract,
    accounts: Accounts,
    *,
    fetch: Fetch = unfetched,
    download: Download = NO_DOWNLOAD,
    targets: Targets = THIS_MACHINE,
    secrets: tuple[str, ...] = (),
) -> Resources:
    """Return the resources of a mock.

    `fetch` resolves URLs of audio, `download` those of videos; `targets` is whom callbacks may go to, and `secrets`
    sign them.
    """
    library = Library(accounts, contract)
    largest_video = contract.limit_on("identify", "facts.file.size_bytes")
    return Resources(
        contract=contract,
        library=library,
        downloads=Downloads(library, fetch, download, contract.largest_file, largest_video),
        courier=Courier(accounts, targets, secrets),
        renderer=Renderer(),
        ids=Ids(),
    )
