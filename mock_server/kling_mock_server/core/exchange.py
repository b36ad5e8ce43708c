"""One request on its way to an answer: whose it is, and what is played on it, become known as it is judged."""

from kling_contracts import Note, Request
from kling_mock_server.failures.playback import PlayedStep
from kling_mock_server.protocol.envelope import new_request_id
from kling_mock_server.state.account import Account


class Exchange:
    """What the parts of an answer share."""

    account: Account

    def __init__(self, request: Request) -> None:
        self.request = request
        self.request_id = new_request_id()
        self.token = ""
        """Digest of the bearer token; empty where there was none."""
        self.operation = ""
        """Short name of the operation; empty where the request reached none."""
        self.played: PlayedStep | None = None
        """The step of a scenario that is played on it."""
        self.notes: tuple[Note, ...] = ()
        """What its payload says that is hardly meant, as only this mock can tell."""

    def enter(self, account: Account) -> None:
        """Take the account whose exchange it is. Its state is read once: every part sees the same instant."""
        self.account = account
        self.state = account.state.read()
        self.now_ms = self.state.now_ms()
