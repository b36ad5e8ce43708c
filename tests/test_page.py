"""The inspector page over HTTP: who gets it, its files, and the headers that keep it to itself."""

import re

import pytest

from kling_mock_server.page import page_files
from support.serving import Mock, new_app

MAX_BYTES = 150_000
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def mock():
    return Mock()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_browser_gets_the_page(mock, method):
    answer = mock.ask(method, "/", token="", accept=BROWSER)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    "headers", [{}, {"accept": "*/*"}, {"accept": "application/json"}], ids=["none", "any", "JSON"]
)
def test_any_other_client_gets_what_the_api_has_there(mock, headers):
    answer = mock.ask("GET", "/", **headers)
    assert (answer.status, answer.code, answer.broken) == (404, 1202, ["path"])


@pytest.mark.parametrize(("method", "path"), [("POST", "/"), ("GET", "/index.html"), ("GET", "/kling")])
def test_a_browser_gets_the_page_nowhere_else(mock, method, path):
    assert mock.ask(method, path, accept=BROWSER).broken == ["path"]


def test_looking_at_the_page_is_no_exchange(mock):
    mock.ask("GET", "/", accept=BROWSER)
    mock.ask("GET", "/_mock/page/index.html")
    assert mock.journal()["entries"] == mock.journal(token="")["entries"] == []


def test_every_file_is_served(mock):
    for name, file in page_files().items():
        answer = mock.ask("GET", f"/_mock/page/{name}", token="")
        assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, file.media_type, file.content)


@pytest.mark.parametrize("name", ["", "..", "../__init__.py", "__init__.py", "app.js/", "%2e%2e", "nothing.js"])
def test_nothing_else_is(mock, name):
    answer = mock.ask("GET", f"/_mock/page/{name}", token="")
    assert (answer.status, answer.json["code"]) == (404, 1202)


def test_its_files_are_only_read(mock):
    answer = mock.ask("POST", "/_mock/page/index.html", token="")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_the_page_is_the_same_behind_flask():
    answer = new_app().test_client().get("/", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.data) == (200, page_files()["index.html"].content)
    assert answer.headers["Vary"] == "Accept"


def test_it_allows_nothing_inline_and_nothing_from_elsewhere(mock):
    policy = mock.ask("GET", "/", accept=BROWSER).headers["Content-Security-Policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives.pop("default-src") == "'none'"
    assert "unsafe" not in policy
    assert set(re.findall(r"[^\s']+:\S*|\*", policy)) == set()
    assert {directives[f"{kind}-src"] for kind in ("script", "style", "img", "media", "connect")} == {"'self'"}


def test_it_is_small():
    assert sum(len(file.content) for file in page_files().values()) < MAX_BYTES


@pytest.mark.parametrize("name", page_files())
def test_a_file_names_no_address(name):
    # It works behind a prefix, and without the internet. Namespaces are names and fetch nothing.
    text = page_files()[name].content.decode().replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"""(?:https?:|["'(=]\s*)//[\w.]+|(?:src|href)=["']/""", text) == []


@pytest.mark.parametrize("name", [name for name in page_files() if name.endswith(".js")])
def test_a_module_writes_no_markup_and_runs_no_text(name):
    text = page_files()[name].content.decode()
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text) == []
