"""Pages of other origins, and the URL at which others reach the mock."""

import pytest
from click.testing import CliRunner

from kling_mock_server import create_app
from kling_mock_server.cli.main import cli
from support.serving import PATH, new_app, payload

KEY = {"Authorization": "Bearer key"}
APP = "https://app.example.com"


def client(**options):
    return new_app(**options).test_client()


def allowed(answer):
    return answer.headers.get("Access-Control-Allow-Origin")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("origin", [APP, "http://localhost:3000"])
def test_a_page_of_a_named_origin_reads_answers_and_files(origin, method):
    page = client(cors=(APP,))
    path = f"{PATH}?pageNum=1&pageSize=1"
    for asked in (path, "/_mock/files/x/videos/1.mp4"):
        answer = page.open(asked, method=method, headers={**KEY, "Origin": origin})
        assert allowed(answer) == origin
        assert answer.headers["Vary"] == "Origin"
        assert "Content-Range" in answer.headers["Access-Control-Expose-Headers"]


def test_a_range_of_a_file_may_be_asked_for_from_a_named_origin():
    headers = {"Origin": APP, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
    answer = client(cors=(APP,)).options("/_mock/files/x/videos/1.mp4", headers=headers)
    assert (answer.status_code, allowed(answer)) == (204, APP)
    assert answer.headers["Access-Control-Allow-Headers"] == "range"


@pytest.mark.parametrize(
    "origin", ["http://app.example.com", f"{APP}:8443", "https://example.com", f"{APP}.evil.example", "null"]
)
def test_a_page_of_any_other_origin_reads_nothing(origin):
    page = client(cors=(APP,))
    assert allowed(page.post(PATH, json=payload(), headers={**KEY, "Origin": origin})) is None
    assert allowed(page.get("/_mock/files/x/videos/1.mp4", headers={"Origin": origin})) is None


def test_a_refusal_can_be_read_by_the_page_too():
    answer = client(cors=(APP,)).post(PATH, json=payload(sound_volume=3), headers={**KEY, "Origin": APP})
    assert (answer.status_code, allowed(answer)) == (400, APP)
    assert "X-Contract-Violations" in answer.headers["Access-Control-Expose-Headers"]


def test_a_named_origin_gets_nothing_of_the_control_surface():
    answer = client(cors=(APP, "*")).get("/_mock/journal", headers={**KEY, "Origin": APP})
    assert (answer.status_code, allowed(answer)) == (403, None)


def test_a_star_names_every_origin():
    assert allowed(client(cors=("*",)).get("/_mock/files/x", headers={"Origin": "null"})) == "null"


@pytest.mark.parametrize("given", ["HTTPS://App.Example.com", f"{APP}:443"])
def test_an_origin_may_be_written_in_another_way(given):
    assert allowed(client(cors=(given,)).get("/_mock/files/x", headers={"Origin": APP})) == APP


@pytest.mark.parametrize(
    "origin",
    ["app.example.com", f"{APP}/", f"{APP}/path", f"{APP}?a", "https://", "https://u@app.example.com", "http://["],
)
def test_what_is_no_origin_is_misuse(origin):
    with pytest.raises(ValueError, match="is no origin"):
        create_app(cors=(origin,))
    result = CliRunner().invoke(cli, ["serve", "--port", "0", "--cors", origin])
    assert result.exit_code == 2
    assert f"{origin!r} is no origin" in result.stderr


def urls(public_url=""):
    """Return the URLs that the answer to a creation, once it has succeeded, gives to a caller by another name."""
    app = new_app(public_url=public_url, pace="manual")
    page, headers = app.test_client(), {**KEY, "Host": "inner:8080"}
    task = page.post(PATH, json=payload(), headers=headers).json["data"]["task_id"]
    page.post("/_mock/clock", json={"advance_ms": 600_000}, headers=KEY)
    data = page.get(f"{PATH}/{task}", headers=headers).json["data"]
    return [data["task_result"]["videos"][0]["url"], data["task_info"]["parent_video"]["url"]]


def test_urls_of_files_begin_with_the_name_by_which_the_mock_was_called():
    assert all(url.startswith("http://inner:8080/_mock/files/") for url in urls())


@pytest.mark.parametrize("public_url", ["https://mock.example.com/kling", "https://mock.example.com/kling/"])
def test_urls_of_files_begin_with_the_public_url(public_url):
    assert all(url.startswith("https://mock.example.com/kling/_mock/files/") for url in urls(public_url))


def test_the_control_surface_answers_by_the_public_name():
    page = client(public_url="https://mock.example.com:8443")
    headers = {**KEY, "Host": "mock.example.com", "Origin": "https://mock.example.com:8443"}
    assert page.get("/_mock/clock", headers=headers).status_code == 200
    assert page.get("/_mock/clock", headers={**KEY, "Host": "other.example.com"}).status_code == 421


@pytest.mark.parametrize(
    "url", ["mock.example.com", "ftp://a", "https://", "https://a?b", "https://a#b", "https://a:x"]
)
def test_what_is_no_public_url_is_misuse(url):
    result = CliRunner().invoke(cli, ["serve", "--port", "0", "--public-url", url])
    assert result.exit_code == 2
    assert f"the public URL {url!r} is none" in result.stderr
