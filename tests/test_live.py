"""A live server is there from the beginning of a block to its end, and leaves nothing behind."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from kling_mock_server.adapters.live_server import LiveServer, live
from kling_mock_server.adapters.servers import Servers
from support.serving import PATH, PATIENCE_S, connect, documented, loopback, payload, response


@pytest.fixture(scope="module")
def server():
    with LiveServer(contract=documented()) as server:
        yield server


def post(kling, body=None, **options):
    headers = {"Authorization": f"Bearer {kling.token}"}
    return httpx.post(kling.url + PATH, json=body or payload(), headers=headers, timeout=PATIENCE_S, **options)


def port_of(kling):
    return int(kling.url.rpartition(":")[2])


def test_the_vendors_own_example_is_accepted(server):
    assert post(server.new_handle()).json()["code"] == 0


def test_the_handle_and_the_control_surface_are_one(server):
    kling = server.new_handle()
    kling.world.put({"audios": {"a": {"duration_ms": 3000}}})
    got = httpx.get(kling.url + "/_mock/world", headers={"Authorization": f"Bearer {kling.token}"}, timeout=PATIENCE_S)
    assert got.json()["data"] == kling.world.get()


def test_the_journal_is_complete_when_the_answer_is_there(server):
    kling = server.new_handle()
    assert [post(kling).json()["request_id"] for _ in range(5)] == [entry.request_id for entry in kling.journal]


def test_handles_have_accounts_of_their_own(server):
    one, other = server.new_handle(), server.new_handle()
    one.world.put({})
    assert post(other).status_code == 200
    assert len(one.journal) == 0


def test_the_handles_of_a_closed_list_share_its_first_account_one_after_another():
    with LiveServer(contract=documented(), tokens=("mine",)) as server:
        server.new_handle().world.put({})
        assert post(server.new_handle()).status_code == 200


def test_without_pytest():
    with live() as kling:
        answer = httpx.post(
            f"{kling.url}/kling/v1/videos/advanced-lip-sync",
            json=kling.contract.operation.example,
            headers={"Authorization": f"Bearer {kling.token}"},
        )
    assert answer.json()["code"] == 0


def test_the_options_are_those_of_the_application():
    with live(profile="upstream") as kling:
        assert post(kling, payload(sound_volume=0.5)).status_code == 200


def test_two_servers_listen_on_two_ports():
    with live(contract=documented()) as one, live(contract=documented()) as other:
        assert post(one).status_code == post(other).status_code == 200
        assert one.url != other.url


def test_after_the_block_nobody_listens_and_no_thread_is_left():
    threads = threading.active_count()
    with live(contract=documented()) as kling:
        post(kling)
    with pytest.raises(ConnectionRefusedError):
        connect(port_of(kling))
    assert threading.active_count() == threads


def leave_early(kling):
    raise KeyError(kling.url)


def test_a_block_that_fails_stops_the_server_too():
    with pytest.raises(KeyError) as caught, live(contract=documented()) as kling:
        leave_early(kling)
    with pytest.raises(ConnectionRefusedError):
        connect(int(caught.value.args[0].rpartition(":")[2]))


def is_hung_up(connection):
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_idle_connections_do_not_hold_up_the_end():
    with live(contract=documented()) as kling:
        connection = connect(port_of(kling))
        connection.sendall(b"POST / HTTP/1.1\r\n")
    with connection:
        connection.settimeout(PATIENCE_S)
        assert is_hung_up(connection)


def test_what_is_being_answered_at_the_end_is_answered():
    asked, go_on = threading.Event(), threading.Event()

    def dawdle(connection: socket.socket, _):
        asked.set()
        go_on.wait(PATIENCE_S)
        connection.sendall(response(b"no audio"))

    with loopback(dawdle) as port, ThreadPoolExecutor(2) as threads:
        server = LiveServer(contract=documented())
        with server:
            slow = payload(audio_id="", sound_file=f"http://127.0.0.1:{port}/")
            answer = threads.submit(post, server.new_handle(), slow)
            assert asked.wait(PATIENCE_S)
            threads.submit(go_on.set)
        assert answer.result(PATIENCE_S).headers["X-Contract-Violations"] == "sound-file-format"


def test_a_session_has_one_server_for_each_choice_of_options():
    with Servers() as servers:
        with servers.account({"contract": documented()}) as one:
            pass
        with servers.account({"contract": documented()}) as two, servers.account({"profile": "upstream"}) as three:
            assert one.url == two.url != three.url
            assert len({one.token, two.token}) == 2


def test_what_comes_from_a_test_that_is_over_is_late():
    with Servers() as servers:
        seen = []
        with servers.account({"contract": documented()}) as over:
            over.responder.watch = seen.append
        with servers.account({"contract": documented()}) as running:
            post(over)
            post(running)
            httpx.get(running.url, timeout=PATIENCE_S)
            assert [servers.is_late(entry) for entry in seen] == [True, False, False]
    assert json.loads(seen[0].body) == payload()
