import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest

from kling_contracts.facts.task import Task
from kling_mock_server.state import accounts
from kling_mock_server.state.accounts import MAX_ACCOUNTS
from kling_mock_server.state.journal import digest_of
from kling_mock_server.state.tables import MAX_TASKS
from support.serving import AUDIO, NOW_MS, SESSION, Mock, payload

SECRET = "the secret of this account, 32 bytes"
NOW_S = NOW_MS // 1000
MINE = {**payload(), "external_task_id": "mine"}


@pytest.fixture
def mock():
    return Mock()


def with_claims(claims):
    """Return a token with the good signature over these bytes as its claims."""
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b'{"alg":"HS256"}', claims))
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    return f"{signed.decode()}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def signed(secret=SECRET, algorithm="HS256", **claims):
    return jwt.encode({"iss": "issuer", **claims}, secret, algorithm)


def unsigned(**claims):
    parts = ({"alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def test_a_fresh_account_knows_the_ids_of_the_vendors_own_example(mock):
    assert mock.control("GET", "/world") == {
        "sessions": {SESSION: {"video_ms": 10_000, "faces": {"-1": [0, 10_000], "0": [2000, 7000]}}},
        "audios": {AUDIO: {"duration_ms": 8000, "flagged": False}},
        "external_task_ids": [],
    }


def test_accounts_do_not_share_external_ids(mock):
    assert [mock.post(MINE, token).status for token in ("a", "b")] == [200, 200]
    assert mock.control("GET", "/world", token="b")["external_task_ids"] == ["mine"]


def test_accounts_do_not_share_a_world(mock):
    mock.put_world("a", sessions={})
    assert mock.post(payload(), "a").broken == ["session-unknown"]
    assert mock.post(payload(), "b").status == 200


def test_accounts_do_not_share_a_clock(mock):
    mock.advance(10**9, "a")
    assert mock.control("GET", "/clock", token="a")["advanced_ms"] == 10**9
    assert mock.control("GET", "/clock", token="b")["advanced_ms"] == 0


def test_accounts_do_not_share_a_journal(mock):
    mock.post(payload(), "a")
    assert [len(mock.journal(token)["entries"]) for token in ("a", "b")] == [1, 0]


def test_a_reset_touches_no_other_account(mock):
    for token in ("a", "b"):
        mock.post(MINE, token)
    mock.control("POST", "/reset", token="a")
    assert mock.post(MINE, "b").broken == ["external-task-id-duplicate"]


def test_tokens_differ_by_case(mock):
    mock.post(MINE, "key")
    assert mock.post(MINE, "KEY").status == 200


def test_two_jwts_of_one_issuer_are_one_account(mock):
    first, second = signed(exp=2**33), signed(exp=2**34)
    assert first != second
    assert mock.post(MINE, first).status == 200
    assert mock.post(MINE, second).broken == ["external-task-id-duplicate"]


def test_jwts_of_two_issuers_are_two_accounts(mock):
    assert [mock.post(MINE, signed(iss=issuer)).status for issuer in ("a", "b")] == [200, 200]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(unsigned(sub="a"), unsigned(sub="b"), id="JWTs without an issuer"),
        pytest.param(unsigned(iss="", jti="a"), unsigned(iss="", jti="b"), id="JWTs of an empty issuer"),
        pytest.param("a.b.c", "a.b.d", id="garbage with two dots"),
        pytest.param("a..", "b..", id="nothing but dots"),
        pytest.param("W10.W10.", "W10.W10.W10", id="parts that are no objects"),
    ],
)
def test_what_is_no_jwt_with_an_issuer_is_a_token_of_its_own(mock, first, second):
    assert [mock.post(MINE, token).status for token in (first, second)] == [200, 200]
    assert mock.post(MINE, first).broken == ["external-task-id-duplicate"]


@pytest.mark.parametrize(
    ("advanced_ms", "refusal"),
    [(9_999, []), (10_000, ["authorization-expired"])],
    ids=["just before", "at that very moment"],
)
def test_a_jwt_expires_by_the_clock_of_its_account_where_that_is_asked_for(advanced_ms, refusal):
    mock = Mock(jwt_clock="account")
    mock.put_world(signed())
    mock.advance(advanced_ms, signed())
    assert mock.post(payload(), signed(exp=NOW_S + 10)).broken == refusal


@pytest.mark.parametrize(
    ("advanced_ms", "refusal"),
    [(9_999, ["authorization-not-yet-valid"]), (10_000, [])],
    ids=["just before", "at that very moment"],
)
def test_a_jwt_becomes_valid_by_the_clock_of_its_account_where_that_is_asked_for(advanced_ms, refusal):
    mock = Mock(jwt_clock="account")
    mock.put_world(signed())
    mock.advance(advanced_ms, signed())
    assert mock.post(payload(), signed(nbf=NOW_S + 10)).broken == refusal


@pytest.mark.parametrize(
    ("claims", "status", "code"),
    [
        pytest.param({"exp": NOW_S - 1}, 401, 1004, id="expired"),
        pytest.param({"nbf": NOW_S + 1}, 401, 1003, id="not yet valid"),
        pytest.param({"exp": NOW_S + 1, "nbf": NOW_S - 5}, 200, 0, id="valid, as the vendor's sample signs it"),
        pytest.param({"exp": NOW_S + 0.5, "nbf": NOW_S - 0.5}, 200, 0, id="fractions of a second"),
        pytest.param({}, 200, 0, id="without either"),
    ],
)
def test_the_times_of_a_jwt_decide(monkeypatch, mock, claims, status, code):
    monkeypatch.setattr(accounts, "real_ms", lambda: NOW_MS)
    answer = mock.post(payload(), signed(**claims))
    assert (answer.status, answer.code) == (status, code)


def fresh():
    """Return a JWT as the vendor's sample signs it, at real time."""
    now_s = int(time.time())
    return signed(exp=now_s + 1800, nbf=now_s - 5)


MOVES = {
    "advanced by 25 hours": ("POST", "/clock", {"advance_ms": 25 * 3_600_000}),
    "standing still, long ago": ("PUT", "/world", {"now_ms": 1, "sessions": {}, "audios": {}}),
    "standing still, far ahead": ("PUT", "/world", {"now_ms": 2**52, "sessions": {}, "audios": {}}),
}


@pytest.mark.parametrize("pace", ["fast", "manual"])
@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_a_moved_clock_locks_no_client_out(move, pace):
    mock = Mock(pace=pace)
    mock.control(*move, token=fresh())
    assert mock.post(payload(), fresh()).code == 1201
    mock.control("POST", "/reset", token=fresh())
    assert mock.post(payload(), fresh()).status == 200


@pytest.mark.parametrize("clock", ["real", "account"])
@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_the_control_surface_never_refuses_for_time(move, clock):
    mock = Mock(jwt_clock=clock)
    for token in (fresh(), signed(exp=1), signed(nbf=2**40)):
        mock.control(*move, token=token)
        mock.control("POST", "/reset", token=token)


def test_another_jwt_clock_is_refused():
    with pytest.raises(ValueError, match="unknown JWT clock 'world'; there are: real, account"):
        Mock(jwt_clock="world")


@pytest.mark.parametrize("at", ["soon", [], {}], ids=repr)
@pytest.mark.parametrize("claim", ["exp", "nbf"])
def test_a_jwt_whose_times_are_no_numbers_is_invalid(mock, claim, at):
    answer = mock.post(payload(), unsigned(iss="issuer", **{claim: at}))
    assert (answer.status, answer.code) == (401, 1002)


@pytest.mark.parametrize("at", ["9" * 4000, "-1e999", "NaN"])
@pytest.mark.parametrize("claim", ["exp", "nbf"])
def test_no_number_in_a_jwt_is_too_wild_to_be_judged(mock, claim, at):
    head, _, tail = unsigned(iss="issuer").partition(".")
    claims = base64.urlsafe_b64encode(f'{{"iss": "issuer", "{claim}": {at}}}'.encode()).decode().rstrip("=")
    assert mock.post(payload(), f"{head}.{claims}.{tail.partition('.')[2]}").status in (200, 401)


def test_a_jwt_that_nests_without_end_is_no_jwt(mock):
    deep = base64.urlsafe_b64encode(b'{"iss":"issuer","a":' + b"[" * 50_000 + b"]" * 50_000 + b"}").decode()
    assert mock.post(payload(), f"{unsigned().partition('.')[0]}.{deep.rstrip('=')}.").status == 200


@pytest.mark.parametrize(
    "token", [signed("another secret, of 32 bytes or so"), unsigned(iss="issuer")], ids=["signed", "alg none"]
)
def test_without_a_secret_no_signature_is_judged(mock, token):
    assert mock.post(payload(), token).status == 200


def test_with_a_secret_its_own_signature_is_good():
    assert Mock(secret=SECRET).post(payload(), signed()).status == 200


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(signed("another secret, of 32 bytes or so"), id="another secret"),
        pytest.param(signed() + "x", id="a signature changed"),
        pytest.param(signed().rpartition(".")[0] + ".", id="a signature taken off"),
        pytest.param(unsigned(iss="issuer"), id="alg none"),
        pytest.param(signed(SECRET * 2, "HS512"), id="another algorithm"),
        pytest.param("key", id="no JWT"),
        pytest.param("a.b.c", id="no JWT in three parts"),
        pytest.param(signed(iss=""), id="an empty iss"),
        pytest.param(jwt.encode({"exp": 2**33}, SECRET, "HS256"), id="no iss"),
        pytest.param(with_claims(b'{"iss": 7}'), id="an iss that is no text"),
        pytest.param(with_claims(b'{"iss": "issuer", "iss": "issuer"}'), id="a claim given twice"),
        pytest.param(with_claims(b'{"iss": "issuer", "exp": Infinity}'), id="an endless time"),
        pytest.param(with_claims(b'{"iss": "issuer", "exp": 1e999}'), id="a time that is too large"),
        pytest.param(with_claims(b'{"iss": "issuer", "exp": true}'), id="a time that is no number"),
    ],
)
@pytest.mark.parametrize("tokens", [(), ("key", "issuer", "7")], ids=["any issuer", "a closed list"])
def test_with_a_secret_any_other_token_is_refused(token, tokens):
    answer = Mock(secret=SECRET, tokens=tokens).post(payload(), token)
    assert (answer.status, answer.code, answer.broken) == (401, 1002, ["authorization-invalid"])


# The one makes PyJWT warn, the other makes it raise.
@pytest.mark.parametrize("secret", ["short", "-----BEGIN PUBLIC KEY-----"])
def test_any_text_will_do_as_a_secret(secret):
    assert Mock(secret=secret).post(payload(), signed()).broken == ["authorization-invalid"]


def test_with_a_secret_the_control_surface_wants_a_signature_too():
    assert Mock(secret=SECRET).ask("GET", "/_mock/journal", token="key").code == 1002


@pytest.mark.parametrize("token", ["a", "b", signed(iss="a")], ids=["the first", "the second", "a JWT of the first"])
def test_a_closed_list_lets_in_whom_it_names(token):
    assert Mock(tokens=("a", "b")).post(payload(), token).status == 200


STRANGERS = [
    pytest.param("c", id="another token"),
    pytest.param("A", id="another case"),
    pytest.param("é", id="another alphabet"),
    pytest.param("a.b.c", id="garbage"),
    pytest.param(signed(iss="c"), id="another issuer"),
    pytest.param(unsigned(iss=["a"]), id="an issuer that is no text"),
    pytest.param(unsigned(iss="\ud800"), id="an issuer that is half a character"),
]


@pytest.mark.parametrize("token", STRANGERS)
def test_a_closed_list_refuses_everyone_else(token):
    answer = Mock(tokens=("a", "b")).post(payload(), token)
    assert (answer.status, answer.code, answer.broken) == (401, 1002, ["authorization-invalid"])


@pytest.mark.parametrize("token", STRANGERS)
def test_a_closed_list_closes_the_control_surface_too(token):
    assert Mock(tokens=("a", "b")).ask("GET", "/_mock/world", token=token).status == 401


def test_the_account_longest_unused_is_forgotten_first(mock):
    for token in ("first", "second"):
        mock.post(MINE, token)
    mock.control("GET", "/clock", token="first")
    for number in range(MAX_ACCOUNTS - 1):
        mock.control("GET", "/clock", token=f"other-{number}")
    assert mock.post(MINE, "first").broken == ["external-task-id-duplicate"]
    assert mock.post(MINE, "second").status == 200


def numbered(number):
    return Task(str(number), f"id-{number}", NOW_MS, NOW_MS, NOW_MS, True, "", "", "", 10_000, SESSION, "")


def test_an_account_keeps_so_many_tasks_and_forgets_the_oldest_with_its_external_id(mock):
    mock.put_world()
    tasks = mock.responder.accounts.of(digest_of("key")).tasks
    for number in range(MAX_TASKS):
        tasks.create(numbered(number))
    assert mock.post({**payload(), "external_task_id": "id-0"}).broken == ["external-task-id-duplicate"]
    tasks.create(numbered(MAX_TASKS))
    assert len(tasks) == MAX_TASKS
    assert mock.post({**payload(), "external_task_id": "id-0"}).status == 200


def test_a_token_that_holds_what_no_token_may_is_refused(mock):
    # Half a character in process only: no header that arrives over HTTP holds one.
    assert [mock.post(MINE, token).broken for token in ("\ud800", "e30.WzFd.é")] == [["authorization-invalid"]] * 2
