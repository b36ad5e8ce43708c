import socket

import pytest

from kling_mock_server.outgoing.hosts import is_loopback, leads_to_loopback


def leading_to(*addresses):
    return lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in addresses]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "files.localhost"])
def test_this_machine_is_known_by_its_name(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "127.1", "2130706433", "10.0.0.1", "evillocalhost", "a.b"])
def test_any_other_host_is_not_this_machine(host):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("addresses", "home"),
    [(["127.0.0.1", "::1"], True), (["192.0.2.1"], False), (["127.0.0.1", "192.0.2.1"], False)],
    ids=["here", "elsewhere", "here and elsewhere"],
)
def test_a_name_is_judged_by_all_its_addresses(monkeypatch, addresses, home):
    monkeypatch.setattr(socket, "getaddrinfo", leading_to(*addresses))
    assert leads_to_loopback("files.localhost") is home


def test_a_name_that_is_not_this_machine_is_not_looked_up(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", leading_to("127.0.0.1"))
    assert not leads_to_loopback("files.example")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_is_not_looked_up(monkeypatch, host):
    monkeypatch.setattr(socket, "getaddrinfo", leading_to("192.0.2.1"))
    assert leads_to_loopback(host)


def test_a_name_that_nobody_knows_is_an_error(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(OSError, match="not known"):
        leads_to_loopback("files.localhost")
