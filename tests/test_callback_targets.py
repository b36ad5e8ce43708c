"""Callbacks go to this machine and to hosts that are allowed, and nowhere else."""

import socket

import pytest

from support.callbacks import GAPS_MS, HOUR_MS, mocked
from support.receivers import receiving

pytest_plugins = ["support.callback_fixtures"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_takes_nothing(kling, receiver, status):
    with receiving() as elsewhere:
        receiver.answer((status, {"Location": elsewhere.url}))
        kling.create(receiver.url)
        kling.deliver()
        assert (kling.attempts, elsewhere.received) == ([(status, "")], [])
        kling.deliver(GAPS_MS[0])
    assert receiver.statuses == ["submitted", "submitted"]


@pytest.fixture
def packets(monkeypatch):
    """Every name that is looked up and every address that is connected to from now on."""
    seen = []

    def looked_up(host, *_, **__):
        seen.append(host)
        raise OSError("no network")

    def connected(_, address):
        seen.append(address)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    monkeypatch.setattr(socket.socket, "connect", connected)
    return seen


@pytest.mark.parametrize("host", ["192.0.2.1", "kling.example", "[2001:db8::1]", "127.0.0.1.nip.example"])
def test_a_target_outside_this_machine_is_refused_without_a_packet(kling, packets, host):
    kling.create(f"http://{host}/callback")
    kling.deliver(HOUR_MS)
    reason = (
        f"callbacks to {host.strip('[]')} are not allowed: start the mock with --allow-callbacks {host.strip('[]')}"
    )
    assert (kling.attempts, packets) == ([(0, reason)] * 3, [])


@pytest.mark.parametrize("url", ["not a URL", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "http://127.0.0.1:99999/"])
def test_a_url_that_nothing_can_be_sent_to_is_refused_without_a_packet(kling, packets, url):
    kling.create(url)
    kling.deliver()
    [(status, reason)] = kling.attempts
    assert (status, packets) == (0, [])
    assert reason.startswith("the callback URL ")


def test_a_host_that_is_allowed_is_called(receiver, monkeypatch):
    looked_up = socket.getaddrinfo

    def names(host, *rest, **options):
        return looked_up("127.0.0.1" if host == "hooks.example" else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", names)
    with mocked(callback_hosts=("hooks.example",)) as kling:
        kling.create(receiver.url.replace("127.0.0.1", "hooks.example"))
        kling.create(receiver.url.replace("127.0.0.1", "other.example"))
        kling.deliver()
        assert sorted(status for status, _ in kling.attempts) == [0, 200]
    assert len(receiver.received) == 1
