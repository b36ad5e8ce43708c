"""The whole workflow as tests walk it in process; whatever is answered must fit the effective document."""

import json
from functools import cache
from urllib.parse import unquote, urlencode, urlsplit

import jsonschema_rs

from kling_contracts import Request
from support.serving import Answer, Mock, documented, encoded, payload

ORIGIN = "http://mock.example"
VIDEO_URL = "https://example.com/talk.mp4"
SECOND_MS = 1000
DAY_MS = 24 * 60 * 60 * SECOND_MS

CREATE, LIST, QUERY, IDENTIFY, TTS = (
    documented().by_name[name].paths[0] for name in ("create", "list", "query", "identify", "tts")
)


def task_path(name):
    """Return the decoded path of a query."""
    return QUERY.replace("{task_id}", name)


def said(text="Hello, and welcome to the show.", **changes):
    """Return the payload of a TTS call with some members changed; None takes one out."""
    body = {"text": text, "voice_id": "oversea_male1", "voice_language": "en", **changes}
    return {name: value for name, value in body.items() if value is not None}


class Caller(Mock):
    """A mock in process that is reached at `ORIGIN`. An answer that the document does not declare fails the test."""

    def ask(self, method, path, body=b"", token="key", query="", **headers):
        bearer = {"authorization": f"Bearer {token}"} if token else {}
        request = Request(method, path, {**bearer, **headers}, encoded(body), query, ORIGIN)
        answer = self.responder.respond(request)
        must_fit(request, answer)
        return Answer(answer.status, answer.headers, answer.body)

    def identify(self, video_url=VIDEO_URL, token="key", **members):
        given = members or {"video_url": video_url}
        return self.ask("POST", IDENTIFY, given, token)

    def speak(self, text="Hello, and welcome to the show.", token="key", **changes):
        return self.ask("POST", TTS, said(text, **changes), token)

    def create(self, token="key", external_task_id="", callback_url="", **changes):
        body = {**payload(**changes), "external_task_id": external_task_id, "callback_url": callback_url}
        return self.ask("POST", CREATE, body, token)

    def query(self, name, token="key"):
        return self.ask("GET", task_path(name), token=token)

    def status(self, name, token="key"):
        return self.query(name, token).data["task_status"]

    def list(self, token="key", **parameters):
        return self.ask("GET", LIST, token=token, query=urlencode(parameters))

    def download(self, url, method="GET", **headers):
        """Ask for a file of the mock as its URL says, without a token."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}" == ORIGIN, url
        answer = self.responder.respond(Request(method, unquote(parts.path), headers, b"", parts.query, ORIGIN))
        return Answer(answer.status, answer.headers, answer.body)


def must_fit(request, answer):
    """Hold an answer against the schema that the document declares for its operation and status."""
    methods, _ = documented().request_rules.routes.find(request.path)
    operation = (methods or {}).get(request.method)
    if operation:
        schema_of(operation.name, answer.status).validate(json.loads(answer.body))


@cache
def schema_of(name, status):
    """Return the validator of an operation's answers; a member that is not declared is not valid either."""
    operation = documented().by_name[name]
    declared = documented().document["paths"][operation.paths[0]][operation.method.lower()]["responses"]
    return validator(resolved(declared[str(status)])["content"]["application/json"]["schema"])


def resolved(node):
    """Follow a reference within the effective document."""
    while "$ref" in node:
        steps = node["$ref"].removeprefix("#/").split("/")
        node = documented().document
        for step in steps:
            node = node[step]
    return node


def validator(schema):
    """Return the validator of a schema of the effective document."""
    schemas = documented().document["components"]["schemas"]
    return jsonschema_rs.Draft202012Validator(shut({**schema, "components": {"schemas": schemas}}))


def shut(node, *, part=False):
    """Return a schema that allows no member which is not declared; `part`: others are declared beside it."""
    if isinstance(node, list):
        return [shut(entry, part=part) for entry in node]
    if not isinstance(node, dict):
        return node
    inner = {key: shut(member, part=key in ("allOf", "oneOf")) for key, member in node.items()}
    declares = not part and ("properties" in node or "allOf" in node)
    return {**inner, "unevaluatedProperties": False} if declares else inner
