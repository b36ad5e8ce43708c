"""`klingkit` whose callbacks have short leases and follow fast: a process that is stopped outlives its lease.

Run as `python short_leases.py serve …`. Results are not rendered: that takes longer than the rest.
"""

from kling_mock_server.assets import renderer
from kling_mock_server.cli import main as cli
from kling_mock_server.outgoing import callback_attempt
from kling_mock_server.state import outbox

LEASE_MS = 400

if __name__ == "__main__":
    outbox.LEASE_MS, callback_attempt.GAPS_MS = LEASE_MS, (50, 50, 100, 100)
    renderer._can_render = lambda: False
    cli.main()
