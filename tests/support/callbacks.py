"""A mock that sends callbacks, its client, and what receives them."""

import threading
from contextlib import closing, contextmanager

import pytest

from kling_mock_server.adapters.handle import Handle
from kling_mock_server.core.assembly import resources_of
from kling_mock_server.core.responder import Responder
from kling_mock_server.failures.scenarios import scenario_from_json
from kling_mock_server.outgoing.callback_attempt import CallbackSender
from kling_mock_server.outgoing.callback_worker import CallbackWorker
from kling_mock_server.outgoing.webhooks import Targets
from kling_mock_server.state import outbox
from kling_mock_server.state.account_state import InitialState
from kling_mock_server.state.accounts import Accounts
from kling_mock_server.state.pace import PACES
from support.serving import PATH, PATIENCE_S, Mock, documented, new_app, payload

BEGINS_MS, ENDS_MS = PACES["manual"].begins_after_ms, PACES["manual"].ends_after_ms
HOUR_MS = 3_600_000
GAPS_MS = (1_000, 2_000, 4_000, 8_000)
EACH_CHANGE = ["submitted", "processing", "succeed"]
SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
NEW_SECRET = "whsec_YW5vdGhlciBzZWNyZXQsIGZvciBhIGNoYW5nZQ=="


class CallbackClient(Handle):
    """An account whose clock stands still, and its client."""

    def post(self, url, **changes):
        return Mock(self.responder).post({**payload(), "callback_url": url, **changes}, self.token)

    def create(self, url, **changes):
        answer = self.post(url, **changes)
        assert answer.status == 200, answer.body
        return answer.data["task_id"]

    def query(self, task_id):
        return Mock(self.responder).ask("GET", f"{PATH}/{task_id}", token=self.token).data

    def deliver(self, by_ms=0):
        """Advance the clock, and wait until what is due was tried."""
        self.clock.advance(by_ms)
        assert self.wait_for_callbacks(PATIENCE_S)

    @property
    def attempts(self):
        """Status and reason of every attempt in the journal."""
        return [(entry.status, entry.answer) for entry in self.journal if entry.operation == "callback"]


@contextmanager
def mocked(**options):
    """Yield a client of a new mock."""
    with closing(new_app(pace="manual", **options).responder) as responder:
        yield CallbackClient(responder, "", "key")


BEGINNING = InitialState(documented().operation.example_world, PACES["manual"])


class ObservedWorker(CallbackWorker):
    """Counts the replies that have begun to wait."""

    def __init__(self, *arguments):
        self.begun = threading.Semaphore(0)
        super().__init__(*arguments)

    def wait_until_idle(self, account, timeout_s):
        self.begun.release()
        return super().wait_until_idle(account, timeout_s)


@contextmanager
def patient():
    """Yield a client of a new mock that waits for its receivers for as long as a test does."""
    accounts = Accounts(documented(), BEGINNING)
    waits = ObservedWorker(accounts, CallbackSender(Targets(), timeout_s=PATIENCE_S))
    resources = resources_of(documented(), accounts)._replace(callback_worker=waits)
    with pytest.MonkeyPatch.context() as patch:
        # An attempt ends with its lease.
        patch.setattr(outbox, "LEASE_MS", PATIENCE_S * 1000)
        with closing(Responder(documented(), accounts, resources=resources)) as responder:
            yield CallbackClient(responder, "", "key")


@contextmanager
def responder_on(store):
    """Yield a mock on a store that others use too."""
    with closing(Responder(documented(), Accounts(documented(), BEGINNING, store=store))) as responder:
        yield responder


def play(kling, *callbacks, **step):
    """Play a scenario of creations."""
    step |= {"callbacks": list(callbacks)} if callbacks else {}
    kling.play(scenario_from_json({"name": "mine", "steps": [{"call": "create", "times": "always", **step}]}))
