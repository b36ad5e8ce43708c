import base64
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_contracts import Contract
from kling_contracts.media import silent_audio
from kling_mock_server import create_app
from kling_mock_server.adapters import flask_app
from support.serving import PATH, SESSION, new_app, payload

KEY = {"Authorization": "Bearer key"}


@pytest.fixture(scope="module")
def app():
    app = new_app(fetch="none")
    # What goes wrong inside is then raised here, and not hidden in a 500.
    app.testing = True
    return app


@pytest.fixture(scope="module")
def client(app):
    return app.test_client()


def post(client, body, *, path=PATH, **environ):
    """Send a body as it is; a member of the WSGI environment that is None is left out."""
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"HTTP_AUTHORIZATION": "Bearer key", "CONTENT_TYPE": "application/json", **environ}
    overrides = {name: value for name, value in given.items() if value is not None}
    return client.post(path, data=encoded, environ_overrides=overrides)


def is_envelope(answer):
    return answer.json.keys() - {"data"} == {"code", "message", "request_id"}


def first_broken(answer):
    return answer.headers["X-Contract-Violations"].split(", ")[0]


def with_text(old, new):
    return json.dumps(payload()).replace(old, new).encode()


NUMBER = '"sound_start_time": 0'

NOT_JSON = {
    "half an object": b'{"session_id": "1"',
    "two values": b"{} {}",
    "single quotes": b"{'session_id': '1'}",
    "a comma too many": b'{"session_id": "1",}',
    "NaN": with_text(NUMBER, '"sound_start_time": NaN'),
    "Infinity": with_text(NUMBER, '"sound_start_time": -Infinity'),
    "a float beyond all floats": with_text(NUMBER, '"sound_start_time": 1e999'),
    "a key twice": b'{"session_id": "1", "session_id": "1"}',
    "half a surrogate pair": with_text(SESSION, "\\ud83d"),
    "half a surrogate pair as a key": b'{"\\ud83d": 1}',
    "a number of 5,000 digits": with_text(NUMBER, '"sound_start_time": ' + "1" * 5000),
    "arrays nested 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "objects nested 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "nothing but opening brackets": b"[" * 100_000,
    "another encoding": '{"session_id": "é"}'.encode("latin-1"),
    "UTF-16": json.dumps(payload()).encode("utf-16"),
    "a control character": b'{"session_id": "\x00"}',
    "nothing but spaces": b"   ",
    "form data": b"session_id=1",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_json_is_refused_as_such(client, body):
    answer = post(client, body)
    assert (answer.status_code, answer.json["code"], first_broken(answer)) == (400, 1200, "body-json")


def test_a_refusal_says_what_is_not_json(client):
    answer = post(client, with_text(NUMBER, '"sound_start_time": NaN'))
    assert answer.json["message"] == "The request body is not valid JSON: NaN is not JSON"


def test_no_body_is_refused_as_such(client):
    assert first_broken(post(client, b"")) == "body.required"


@pytest.mark.parametrize("digits", [20, 400, 4299, 4300])
@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("name", ["sound_start_time", "sound_end_time", "sound_insert_time", "sound_volume"])
def test_a_number_of_any_size_is_judged(client, name, sign, digits):
    body = json.dumps(payload(**{name: "?"})).replace('"?"', sign + "9" * digits).encode()
    answer = post(client, body)
    assert (answer.status_code, answer.json["code"]) == (400, 1201)
    assert is_envelope(answer)


@pytest.mark.parametrize("body", [1, "a", None, True, [], 0.5, [[]], {"face_choose": [[]]}], ids=repr)
def test_json_of_any_shape_is_judged(client, body):
    answer = post(client, body)
    assert (answer.status_code, answer.json["code"]) == (400, 1201)


def test_an_array_of_twenty_thousand_faces_is_judged(client):
    answer = post(client, {**payload(), "face_choose": [{}] * 20_000})
    assert first_broken(answer) == "face_choose.maxItems"
    assert len(answer.data) < 10_000


def test_twenty_thousand_unknown_fields_are_judged(client):
    assert post(client, payload() | {f"f{number}": number for number in range(20_000)}).status_code == 200


@pytest.mark.parametrize("key", ["", "é", "\u0000", "/", "~", "\u202e", "x" * 10_000], ids=ascii)
def test_an_unknown_field_may_have_any_name(client, key):
    assert post(client, payload() | {key: key}).status_code == 200


def test_a_byte_order_mark_is_no_mistake(client):
    assert post(client, b"\xef\xbb\xbf" + json.dumps(payload()).encode()).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [None, "", "application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;"],
)
def test_json_may_be_named_in_any_way_or_not_at_all(client, content_type):
    assert post(client, payload(), CONTENT_TYPE=content_type).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/json, text/plain",
        ";",
        "é",
        "json",
        "x" * 10_000,
    ],
    ids=lambda name: name[:20],
)
def test_any_other_content_type_is_refused(client, content_type):
    answer = post(client, payload(), CONTENT_TYPE=content_type)
    if content_type == ";":
        # No type before the parameters: none was named.
        assert answer.status_code == 200
    else:
        assert (answer.status_code, first_broken(answer)) == (400, "content-type")


@pytest.mark.parametrize("form", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_form_is_read_as_any_other_body(client, form):
    body = b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n' + b"c" * 600_000 + b"\r\n--x--"
    assert first_broken(post(client, body, CONTENT_TYPE=form)) == "content-type"


@pytest.mark.parametrize("length", ["abc", "-1", "", "1, 2", "0x10", "1e3", "１", "²", "+1", " 1", "1" * 5000])
def test_a_content_length_that_is_none_is_no_failure(client, length):
    answer = post(client, payload(), CONTENT_LENGTH=length, **{"wsgi.input": io.BytesIO(b"{}")})
    assert answer.status_code in (400, 413)
    assert is_envelope(answer)


def test_a_body_that_ends_early_is_no_json(client):
    body = json.dumps(payload()).encode()
    answer = post(client, b"", CONTENT_LENGTH=str(len(body)), **{"wsgi.input": io.BytesIO(body[:-1])})
    assert (answer.status_code, first_broken(answer)) == (400, "body-json")


def test_a_chunked_body_is_read_where_the_server_can(client):
    body = json.dumps(payload()).encode()
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(body)}
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": PATH, "HTTP_AUTHORIZATION": "Bearer key", **chunked}
    assert client.open(environ_overrides=environ).status_code == 200


class Unread(io.BytesIO):
    def read(self, size=-1):
        raise AssertionError("a body that is too large was read")


def largest_body(app):
    return app.config["MAX_CONTENT_LENGTH"]


def test_a_body_beyond_the_limit_is_a_413_that_is_not_read(app, client):
    answer = post(client, b"", CONTENT_LENGTH=str(largest_body(app) + 1), **{"wsgi.input": Unread()})
    assert (answer.status_code, answer.json["code"], first_broken(answer)) == (413, 1200, "body-too-large")
    assert is_envelope(answer)


def test_a_body_at_the_limit_is_read(app, client):
    answer = post(client, b" " * largest_body(app))
    assert first_broken(answer) == "body-json"


def test_the_largest_audio_file_there_may_be_fits_into_a_body(client):
    for size, refusal in ((5 * 1024 * 1024, None), (5 * 1024 * 1024 + 1, "sound-file-too-large")):
        audio = base64.b64encode(silent_audio.make("mp3", 5000, size)).decode()
        answer = post(client, payload(audio_id="", sound_file=audio))
        assert answer.headers.get("X-Contract-Violations") == refusal


@pytest.mark.parametrize(
    "path",
    [
        "/kling//v1/videos/advanced-lip-sync",
        "/kling/v1/videos/advanced-lip-sync/",
        "/KLING/v1/videos/advanced-lip-sync",
        "/kling/v1/videos/advanced-lip-sync ",
        "/kling/v1/../v1/videos/advanced-lip-sync",
        "/",
        "/\0",
        "/\xff\xfe",
        "/\r\nX-Injected: yes",
        "/" + "a" * 10_000,
        "/static/x",
        "/favicon.ico",
        "",
        "\xff",
        "kling",
        "*",
    ],
    ids=lambda path: ascii(path)[:40],
)
def test_a_path_that_is_not_documented_to_the_letter_is_refused(client, path):
    answer = post(client, payload(), PATH_INFO=path)
    assert (answer.status_code, answer.json["code"], first_broken(answer)) == (404, 1202, "path")
    assert "X-Injected" not in answer.headers


def test_a_query_changes_nothing(client):
    assert client.post(f"{PATH}?a=b&a=%ff", json=payload(), headers=KEY).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW", "post"])
def test_a_method_that_is_not_documented_is_refused(client, method):
    answer = client.open(PATH, method="POST", environ_overrides={"REQUEST_METHOD": method}, headers=KEY)
    assert (answer.status_code, answer.json["code"], first_broken(answer)) == (404, 1202, "method")
    assert answer.headers["Allow"] == "POST, GET"


def test_a_head_is_refused_without_a_body(client):
    answer = client.head(PATH, headers=KEY)
    assert (answer.status_code, first_broken(answer), answer.data) == (404, "method", b"")


@pytest.mark.parametrize(
    ("header", "rule_id"),
    [
        (None, "authorization-missing"),
        ("", "authorization-missing"),
        ("\t ", "authorization-missing"),
        ("Bearer", "authorization-invalid"),
        ("Bearer ", "authorization-invalid"),
        ("key", "authorization-invalid"),
        ("Basic a2V5", "authorization-invalid"),
        ("Bearer a b", "authorization-invalid"),
        ("Bearer \xff\xfe", "authorization-invalid"),
        ("Bearer a, Bearer b", "authorization-invalid"),
    ],
)
def test_an_authorization_that_is_none_is_refused(client, header, rule_id):
    answer = post(client, payload(), HTTP_AUTHORIZATION=header)
    assert (answer.status_code, first_broken(answer)) == (401, rule_id)


@pytest.mark.parametrize(
    "header", ["bearer key", "BEARER  key ", "Bearer " + "x" * 100_000, "Bearer a.b.c", "Bearer ..."]
)
def test_any_bearer_token_is_welcome(client, header):
    assert post(client, payload(), HTTP_AUTHORIZATION=header).status_code == 200


@pytest.mark.parametrize("host", ["", "\xff\xfe", "a b", "[::1", "x" * 300, "::", "%zz", "a:b", ".."])
def test_the_host_does_not_matter(client, host):
    assert post(client, payload(), HTTP_HOST=host).status_code == 200


def test_headers_that_name_files_and_forwards_do_not_matter(client):
    odd = {"HTTP_X_FORWARDED_FOR": "\xff", "HTTP_COOKIE": "a=\xff; =", "HTTP_RANGE": "bytes=9-1", "HTTP_ACCEPT": "é"}
    assert post(client, payload(), **odd).status_code == 200


def test_two_mocks_share_nothing():
    first, second = (new_app().test_client() for _ in range(2))
    body = {**payload(), "external_task_id": "mine"}
    assert [post(client, body).status_code for client in (first, second)] == [200, 200]


@pytest.mark.parametrize(
    ("options", "said"),
    [({"profile": "strict"}, "unknown profile 'strict'"), ({"fetch": "all"}, "unknown fetch policy 'all'")],
)
def test_an_unknown_option_is_refused_at_once(options, said):
    with pytest.raises(ValueError, match=said):
        create_app(**options)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
# Values that lie where rules begin to differ, beside arbitrary ones.
VALUE = JSON | st.sampled_from(["", "-1", "0", SESSION, 0, 2, 2000, 5000, 10_000, 1.0, -0.0, 2**63, 10**400])
FACES = st.lists(st.dictionaries(st.sampled_from([*payload()["face_choose"][0], "x"]), VALUE) | VALUE, max_size=3)
CHANGED = st.dictionaries(st.sampled_from([*payload(), "x"]), VALUE) | st.fixed_dictionaries({"face_choose": FACES})
CHANGED_FACE = st.dictionaries(st.sampled_from([*payload()["face_choose"][0], "x"]), VALUE)


def assert_answered(answer):
    assert answer.status_code < 500
    assert is_envelope(answer)
    assert (answer.json["code"] == 0) == (answer.status_code == 200)


@given(body=st.binary() | st.text().map(str.encode) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_answered_in_the_envelope(client, body):
    assert_answered(post(client, body))


@given(changes=CHANGED)
def test_any_request_like_the_example_is_answered_in_the_envelope(client, changes):
    assert_answered(post(client, {**payload(), **changes}))


@given(changes=CHANGED_FACE)
def test_any_face_like_the_examples_is_answered_in_the_envelope(client, changes):
    example = payload()
    assert_answered(post(client, {**example, "face_choose": [{**example["face_choose"][0], **changes}]}))


HEADER = st.text(st.characters(max_codepoint=0xFF, exclude_characters="\r\n"))


@given(
    method=st.sampled_from(["POST", "GET", "HEAD", "PUT", ""]),
    path=st.sampled_from([PATH, "/_mock/world", "/_mock/clock", "/_mock/sessions/a", "/_mock/rules/b"]) | HEADER,
    authorization=HEADER | HEADER.map("Bearer {}".format),
    content_type=HEADER | st.just("application/json"),
    body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_any_request_at_all_is_answered_in_the_envelope(client, method, path, authorization, content_type, body):
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "HTTP_AUTHORIZATION": authorization,
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    answer = client.open(environ_overrides=environ)
    assert answer.status_code < 500
    assert method == "HEAD" or is_envelope(answer)


def warnings_of(app, caplog, *, processes):
    for _ in range(2):
        app.test_client().get("/_mock/health", environ_overrides={"wsgi.multiprocess": processes})
    return [record.message for record in caplog.records if "several processes" in record.message]


def test_several_processes_on_a_memory_each_are_warned_about_once(caplog):
    (warning,) = warnings_of(new_app(), caplog, processes=True)
    assert "create_app(store='sqlite:///mock.db')" in warning


def test_one_process_or_a_store_that_is_shared_needs_no_warning(caplog, tmp_path):
    assert warnings_of(new_app(), caplog, processes=False) == []
    assert warnings_of(new_app(store=f"sqlite:///{tmp_path}/mock.db"), caplog, processes=True) == []


@pytest.mark.parametrize(
    ("length", "is_kept"), [(flask_app.MAX_NAME_LENGTH, True), (flask_app.MAX_NAME_LENGTH + 1, False)]
)
def test_a_long_name_of_a_header_is_not_remembered(app, length, is_kept):
    name = "HTTP_".ljust(length, "X")
    app.test_client().get("/_mock/health", environ_overrides={name: "1"})
    assert (name in flask_app._NAMES) == is_kept


def test_the_first_create_compiles_the_rules_of_no_other_operation():
    contract = Contract.load()

    answer = post(create_app(contract=contract).test_client(), contract.operation.example)

    assert answer.status_code == 200
    assert [one.name for one in contract.operations if "tree" in vars(one)] == ["create"]
