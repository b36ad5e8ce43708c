"""A short seeded run of what `make soak` does by the thousand."""

import pytest

from hostile.callbacks import MAX_LATE_S, CallbackLoad, CallbackOutcome, run
from kling_mock_server.outgoing.webhooks import TIMEOUT_S

SHORT = CallbackLoad(callbacks=200, accounts=10, over_s=1.0, lead_s=1.0)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_callbacks_beside_receivers_that_hang_arrive_in_order_and_in_time(kind, tmp_path):
    url = "memory:" if kind == "memory" else f"sqlite:///{tmp_path}/mock.db"
    # A receiver that hangs would delay others by its timeout; a machine that runs other tests, too, by less.
    assert run(url, SHORT) == CallbackOutcome(0, [], pytest.approx(0, abs=0.9 * TIMEOUT_S))


@pytest.mark.parametrize(
    "outcome",
    [CallbackOutcome(1, [], 0.1), CallbackOutcome(0, ["1"], 0.1), CallbackOutcome(0, [], MAX_LATE_S + 0.001)],
    ids=str,
)
def test_a_run_is_bad_where_one_is_missing_out_of_order_or_late(outcome):
    assert not outcome.is_good
    assert CallbackOutcome(0, [], MAX_LATE_S).is_good
