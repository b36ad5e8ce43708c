"""The respx adapter answers httpx as the application answers WSGI."""

import asyncio
import json

import httpx
import pytest
import respx

from kling_mock_server.adapters.handle import InProcess
from kling_mock_server.adapters.live_server import live
from kling_mock_server.adapters.respx_router import mount
from support.case_rows import ROWS
from support.interpreter import loaded_by
from support.serving import PATH, SHORT_PATH, documented, new_app, payload


class Pieces:
    """A body that httpx sends in chunks, as often as it is asked to."""

    def __iter__(self):
        body = json.dumps(payload()).encode()
        yield from (body[:100], body[100:])


PIECES = Pieces()
BASE = "https://gateway.example"
HEADERS = {"Authorization": "Bearer key"}
# What an answer has from its moment, and not from the request.
PASSING = {"request_id", "task_id", "created_at", "updated_at"}
SERVERS_OWN = {"date", "server", "connection"}


@pytest.fixture
def router():
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture
def kling(router):
    return mount(router, BASE, contract=documented())


@pytest.fixture(scope="module")
def client():
    # One for all: what a client costs is its TLS context, which no test here uses.
    with httpx.Client(base_url=BASE) as client:
        yield client


def lasting(value):
    if isinstance(value, dict):
        return {name: lasting(member) for name, member in value.items() if name not in PASSING}
    return value


def seen(answer):
    """What of an answer is the same however it came."""
    headers = {name: value for name, value in answer.headers.items() if name not in SERVERS_OWN}
    return answer.status_code, headers, lasting(answer.json()) if answer.content else None


def test_the_vendors_own_example_is_accepted(kling):
    assert httpx.post(BASE + PATH, json=payload(), headers=HEADERS).json()["code"] == 0


def test_an_async_client_is_answered_too(kling):
    async def post():
        async with httpx.AsyncClient(base_url=BASE, headers=HEADERS) as client:
            return await client.post(PATH, json=payload())

    assert asyncio.run(post()).json()["code"] == 0


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS])
def test_every_case_is_answered_with_the_rules_that_it_breaks(router, client, row):
    kling = mount(router, BASE, contract=row.contract, fetch="none")
    kling.world.put(row.world)
    answer = client.post(PATH, content=json.dumps(row.payload), headers=HEADERS)
    assert answer.headers.get("X-Contract-Violations", "") == ", ".join(row.breaks)


REQUESTS = {
    "a body that is accepted": ("POST", PATH, {"json": payload()}),
    "a body that is refused": ("POST", PATH, {"json": payload(sound_end_time=1000)}),
    "a body that is not JSON": ("POST", PATH, {"content": b"{"}),
    "no body": ("POST", PATH, {}),
    "a body that comes in pieces": ("POST", PATH, {"content": PIECES}),
    "a body larger than any payload": ("POST", PATH, {"content": b" " * 9_000_000}),
    "another content type": ("POST", PATH, {"data": {"a": "b"}}),
    "no token": ("POST", PATH, {"json": payload(), "headers": {}}),
    "another scheme": ("POST", PATH, {"json": payload(), "headers": {"Authorization": "Basic key"}}),
    "the other documented path": ("POST", SHORT_PATH, {"json": payload()}),
    "a query": ("POST", PATH + "?a=b", {"json": payload()}),
    "a slash too many": ("POST", PATH + "/", {"json": payload()}),
    "an escaped path": ("POST", PATH.replace("-", "%2D"), {"json": payload()}),
    "a path that is not UTF-8": ("GET", "/%ff", {}),
    "a path in Chinese": ("GET", "/对口型", {}),
    "the root": ("GET", "/", {}),
    "the control surface": ("GET", "/_mock/rules/clip-too-short", {}),
    "a page of tasks": ("GET", f"{PATH}?pageNum=1000&pageSize=1", {}),
    "a page that there is not": ("GET", f"{PATH}?pageNum=0", {}),
    **{f"the method {method}": (method, PATH, {}) for method in ("HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")},
}


@pytest.fixture(scope="module")
def server():
    with live(contract=documented()) as server:
        yield server


@pytest.mark.parametrize(("method", "path", "rest"), REQUESTS.values(), ids=REQUESTS)
def test_it_answers_as_a_server_does(server, client, method, path, rest):
    rest = {"headers": HEADERS, **rest}
    with respx.mock() as router:
        mount(router, BASE, contract=documented())
        mocked = client.request(method, path, **rest)
    assert seen(mocked) == seen(client.request(method, server.url + path, **rest))


@pytest.mark.parametrize(("method", "path", "rest"), REQUESTS.values(), ids=REQUESTS)
def test_so_does_the_client_of_a_handle(server, client, method, path, rest):
    rest = {"headers": HEADERS, **rest}
    own = InProcess(new_app(), BASE, "key").client()
    assert seen(own.request(method, path, **rest)) == seen(client.request(method, server.url + path, **rest))


@pytest.mark.parametrize("base", ["gateway.example", "/ai", "", "ftp://gateway.example", "https://"])
def test_a_base_url_that_no_client_could_call_is_refused(router, base):
    with pytest.raises(ValueError, match=r"not an http\(s\) URL"):
        mount(router, base)


@pytest.mark.parametrize(("path", "status"), [("/api", 404), ("/api/", 404), (f"/api{PATH}", 200)])
def test_a_path_below_the_base_is_answered(router, path, status):
    mount(router, BASE + "/api", contract=documented())
    assert httpx.post(BASE + path, json=payload(), headers=HEADERS).status_code == status


@pytest.mark.parametrize("path", ["/apiary", f"/apiary{PATH}", f"/v2/api{PATH}"])
def test_a_path_that_only_begins_like_the_base_is_none_of_ours(router, path):
    mount(router, BASE + "/api", contract=documented())
    with pytest.raises(respx.models.AllMockedAssertionError):
        httpx.post(BASE + path, json=payload(), headers=HEADERS)


@pytest.mark.parametrize(("beyond", "status", "rule"), [(0, 400, "body-json"), (1, 413, "body-too-large")])
def test_a_body_is_too_large_from_one_byte_beyond_the_largest(beyond, status, rule):
    kling = InProcess(new_app(), BASE, "key")
    body = b" " * (kling.responder.largest_body + beyond)
    answer = kling.client().post(PATH, content=body, headers=HEADERS)
    assert (answer.status_code, answer.headers["X-Contract-Violations"]) == (status, rule)


def test_a_router_with_a_base_url_of_its_own_is_no_obstacle():
    with respx.mock(base_url=BASE) as router:
        mount(router, BASE + "/ai", contract=documented())
        assert httpx.post(f"{BASE}/ai{PATH}", json=payload(), headers=HEADERS).status_code == 200


def test_the_options_are_those_of_the_application(router):
    mount(router, BASE, profile="upstream")
    assert httpx.post(BASE + PATH, json=payload(sound_volume=0.5), headers=HEADERS).status_code == 200


def test_the_handle_has_the_account_of_its_token(kling):
    httpx.post(BASE + PATH, json=payload(), headers={"Authorization": "Bearer another"})
    httpx.post(BASE + PATH, json=payload(), headers={"Authorization": f"Bearer {kling.token}"})
    assert [entry.status for entry in kling.journal] == [200]


def test_the_handle_of_a_closed_list_has_its_first_token(router):
    kling = mount(router, BASE, contract=documented(), tokens=("mine", "theirs"))
    httpx.post(BASE + PATH, json=payload(), headers={"Authorization": "Bearer mine"})
    assert [entry.status for entry in kling.journal] == [200]


def test_two_mocks_know_nothing_of_each_other(router, kling):
    other = mount(router, "https://other.example", contract=documented())
    other.world.put({})
    assert httpx.post(BASE + PATH, json=payload(), headers=HEADERS).status_code == 200
    assert len(other.journal) == 0


def test_it_does_without_flask():
    assert "flask" not in loaded_by("import kling_mock_server.adapters.respx_router")


SIGNED = {"webhook-id": "msg_1", "webhook-timestamp": "1750000000", "webhook-signature": "v1,c2lnbmF0dXJl"}


def keeps_signature(client, base):
    """Post a signed callback to the mock's own inbox and return the headers that it kept."""
    client.post(f"{base}/_mock/inbox/mine", json={"task_id": "1"}, headers={**HEADERS, **SIGNED})
    [post] = client.get(f"{base}/_mock/inbox/mine", headers=HEADERS).json()["data"]
    return post["headers"]


def test_the_inbox_keeps_the_signature_of_a_callback_over_every_adapter(server, client):
    with respx.mock() as router:
        mount(router, BASE, contract=documented())
        mocked = keeps_signature(client, BASE)
    handled = keeps_signature(InProcess(new_app(), BASE, "key").client(), BASE)
    assert mocked == handled == keeps_signature(client, server.url) == SIGNED
