"""Our cases as Schemathesis' cases: made, sent into their worlds, and judged."""

import json
from collections import OrderedDict
from typing import Any, Final
from urllib.parse import quote, unquote, urljoin, urlsplit

import requests
import schemathesis
import werkzeug.test
from requests.structures import CaseInsensitiveDict
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.generation import meta as metadata

from kling_contracts import Operation, Request, Response, World
from kling_contracts.cases.case import PATH_CHARACTERS, Case
from kling_contracts.cases.requests import HEADERS
from kling_contracts.cases.requests import TOKEN as OWN_TOKEN
from kling_contracts.http import JSON_TYPE
from kling_contracts.jsonio import strict_json
from kling_contracts.judging.request_rules import Routed
from kling_mock_server.protocol.names import CONTROL_PREFIX
from kling_mock_server.testing.schemathesis_hooks.bench import KEY, TOKEN, Bench
from kling_mock_server.testing.schemathesis_hooks.verdict import ContractVerdict

MAX_KEPT: Final = 10_000
"""Cases whose labels are kept: an answer comes soon after its case was made."""

_BODY: Final = ParameterLocation.BODY
_QUERY: Final = ParameterLocation.QUERY
_POSITIVE: Final = GenerationMode.POSITIVE
_LABELS: Final[OrderedDict[str, Case]] = OrderedDict()
"""The case that a Schemathesis case carries, by its id."""
_BENCHES: Final[dict[int, tuple[Any, Bench]]] = {}
"""By the identity of a document, which is kept so that no other can have it."""
_SESSION: Final = requests.Session()
_WORLD: Final = f"{CONTROL_PREFIX}/world"


def keep_bench(document: Any, bench: Bench) -> None:
    """Use a bench for all operations of a document."""
    _BENCHES[id(document)] = document, bench


def bench_of(operation: schemathesis.APIOperation) -> Bench:
    """Return what an operation is tested with."""
    return _BENCHES[id(operation.schema.raw_schema)][1]


def ours(operation: schemathesis.APIOperation) -> Operation:
    """Return the operation of the contract that Schemathesis calls an operation."""
    methods, _ = bench_of(operation).contract.request_rules.routes.find(operation.path)
    return (methods or {})[operation.method.upper()]


def has_own_world(case: schemathesis.Case) -> bool:
    """Return whether a request is sent into a world of its own.

    A look-up that follows another call is not: its world would make forgotten what that call has made.
    """
    follows = case.meta is not None and case.meta.phase.name == metadata.TestPhase.STATEFUL
    return not follows or bool(ours(case.operation).media_types)


def carry(operation: schemathesis.APIOperation, phase: metadata.TestPhase, labelled: Case) -> schemathesis.Case:
    """Return one of our cases as Schemathesis would have made it."""
    method: Any = labelled.request.method
    location = _BODY if ours(operation).media_types else _QUERY
    meta = _meta(phase, labelled.why, location)
    content: dict[str, Any] = (
        {"body": _decoded(labelled.request.body), "media_type": JSON_TYPE}
        if location is _BODY
        else {"query": _parameters(operation, labelled.request)}
    )
    case = operation.Case(method=method, headers=_headers(labelled.request), _meta=meta, **content)
    case.path = quote(labelled.request.path, safe=PATH_CHARACTERS)
    # Else Schemathesis takes the header for one that it made up, which must not be welcome.
    case._has_explicit_auth = True
    # Whether the schema alone tells that the payload is wrong, it finds out itself.
    meta.mark_dirty(location)
    _LABELS[case.id] = labelled
    if len(_LABELS) > MAX_KEPT:
        _LABELS.popitem(last=False)
    return case


def _parameters(operation: schemathesis.APIOperation, request: Request) -> dict[str, Any]:
    """Return the parameters of a query, as the contract reads them."""
    routes = bench_of(operation).contract.request_rules
    return dict(routes.payload(request, Routed(ours(operation), {})))


def _meta(phase: metadata.TestPhase, why: str, location: ParameterLocation) -> metadata.CaseMetadata:
    return metadata.CaseMetadata(
        generation=metadata.GenerationInfo(time=0.0, mode=_POSITIVE),
        components={location: metadata.ComponentInfo(mode=_POSITIVE)},
        phase=metadata.PhaseInfo(phase, metadata.build_phase_data(phase, why, parameter_location=location)),
    )


def _headers(request: Request) -> CaseInsensitiveDict[str]:
    # HTTP drops the blanks around a value, and Schemathesis refuses to send them.
    headers = CaseInsensitiveDict({name: value.strip() for name, value in request.headers.items()})
    if headers.get("authorization") == HEADERS["authorization"]:
        headers["authorization"] = KEY
    return headers


def _decoded(sent: bytes) -> Any:
    try:
        return strict_json.decode(sent)
    except strict_json.BodyError:
        return sent


def prepare(case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Make the world that a case is sent into, and send ours to the byte."""
    labelled = _LABELS.get(case.id)
    _put_world(case.operation, labelled.world if labelled else bench_of(case.operation).world)
    for token, world in labelled.others.items() if labelled else ():
        # A server that welcomes no other account does not know it either: the label holds all the same.
        _put(case.operation, world, f"Bearer {token.replace(OWN_TOKEN, TOKEN)}")
    if labelled and labelled.request.body:
        kwargs["data"] = labelled.request.body


def _put_world(operation: schemathesis.APIOperation, world: World) -> None:
    status = _put(operation, world, KEY)
    if status != 200:
        raise RuntimeError(f"PUT {_WORLD} answers {status}: is the server `klingkit serve --token {TOKEN}`?")


def _put(operation: schemathesis.APIOperation, world: World, key: str) -> int:
    """Load a world into the account of a key; return the status of the answer."""
    data, headers = json.dumps(world.to_json()), {"Authorization": key}
    if operation.app is not None:
        return werkzeug.test.Client(operation.app).put(_WORLD, data=data, headers=headers).status_code
    return _SESSION.put(urljoin(str(operation.base_url), _WORLD), data=data, headers=headers).status_code


def verdict_on(case: schemathesis.Case, response: schemathesis.Response) -> ContractVerdict:
    """Judge the request behind a response."""
    headers = {name.lower(): ", ".join(values) for name, values in response.headers.items()}
    answer = Response(response.status_code, headers, response.content)
    return ContractVerdict.on(_sent(response.request), answer, _LABELS.get(case.id), bench_of(case.operation))


def _sent(request: requests.PreparedRequest) -> Request:
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    url = urlsplit(str(request.url))
    return Request(str(request.method), unquote(url.path), headers, _bytes(request.body), url.query)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
