"""The operations of the document are the ones that the mock can do."""

from dataclasses import replace

import pytest

from kling_contracts import Contract, DocumentError
from kling_contracts.documents.loading import COMPANIONS
from kling_contracts.judging.request_rules import Routes
from kling_mock_server.core.operations import FILES, OPERATIONS
from kling_mock_server.protocol.file_urls import EXTENSIONS
from support.contract_folder import OVERLAY, changed, copy_of_documents
from support.serving import Mock, documented, payload
from support.tasks import ENDS_MS
from support.workflow import CREATE, IDENTIFY, ORIGIN, VIDEO_URL, said, task_path

pytest_plugins = ["support.task_fixtures"]


# The operations of the document are the ones that the mock can do.


def test_every_operation_has_its_work():
    assert set(OPERATIONS) == {operation.name for operation in documented().operations}


def test_every_kind_of_file_is_that_of_one_operation():
    assert sorted(kind for entry in OPERATIONS.values() for kind in entry.files) == sorted(EXTENSIONS)
    assert FILES.keys() == EXTENSIONS.keys()


@pytest.mark.parametrize(
    ("method", "path", "body", "operation"),
    [
        ("POST", CREATE, payload(), "create"),
        ("GET", CREATE, b"", "list"),
        ("GET", task_path("1"), b"", "query"),
        ("POST", IDENTIFY, {"video_url": VIDEO_URL}, "identify"),
        ("POST", "/kling/v1/audio/tts", said(), "tts"),
        ("POST", f"{ORIGIN}/nowhere", b"", ""),
        ("DELETE", CREATE, b"", ""),
    ],
)
def test_the_journal_names_the_operation(mock, method, path, body, operation):
    mock.ask(method, path, body)
    assert mock.journal()["entries"][-1]["operation"] == operation


def test_a_request_without_a_key_is_an_operation_all_the_same(mock):
    mock.ask("GET", task_path("1"), token="")
    assert mock.control("GET", "/journal", token="")["entries"][-1]["operation"] == "query"


@pytest.mark.parametrize(
    ("price", "members"),
    [
        ("x-price: {units: '0.7', per_ms: 4000}", {"final_unit_deduction": "2.1"}),
        ("x-price: {units: '3'}", {"final_unit_deduction": "3"}),
        ("x-apifox-price: unknown", {}),
    ],
)
def test_what_a_task_costs_is_what_the_documents_say_and_nothing_where_they_do_not(tmp_path, price, members):
    folder = copy_of_documents(tmp_path)
    changed(folder, OVERLAY, "x-price: {units: '0.5', per_ms: 5000, evidence: observed}", price)
    mock = Mock(contract=Contract.load(folder=folder), pace="manual")
    task_id = mock.post(payload()).data["task_id"]
    mock.advance(ENDS_MS)

    data = mock.ask("GET", task_path(task_id)).data
    assert {name: data[name] for name in data if name == "final_unit_deduction"} == members


def test_the_limit_on_tasks_refuses_by_the_rule_of_the_documents(tmp_path):
    folder = copy_of_documents(tmp_path)
    changed(folder, COMPANIONS, "{id: tasks-in-parallel, code: 1303,", "{id: too-many, code: 1302,")
    mock = Mock(contract=Contract.load(folder=folder), concurrency=0)

    answer = mock.post(payload())

    assert (answer.status, answer.code, answer.broken) == (429, 1302, ["too-many"])


# Contracts of one's own.


def with_unknown_operation(**changes):
    """The contract with `tts` under another name."""
    (tts,) = (operation for operation in documented().operations if operation.name == "tts")
    others = [operation for operation in documented().operations if operation is not tts]
    operations = (*others, replace(tts, name="speak", **changes))
    rules = documented().request_rules._replace(routes=Routes(operations))
    return replace(documented(), operations=operations, request_rules=rules)


def test_an_operation_that_the_mock_does_not_know_is_answered_with_the_documents_example():
    contract = with_unknown_operation()
    answer = Mock(contract=contract).ask("POST", "/kling/v1/audio/tts", said())
    assert (answer.status, answer.data) == (200, contract.by_name["speak"].answer_example["data"])


def test_an_operation_that_the_mock_neither_knows_nor_has_an_example_of_is_refused_by_name():
    with pytest.raises(DocumentError) as refused:
        Mock(contract=with_unknown_operation(answer_example=None))

    assert str(refused.value) == (
        "the mock cannot answer the operation 'speak': it is none of create, query, list, identify, tts, and the "
        "document has no example of a good answer to it (content, application/json, example)"
    )


def test_a_contract_without_a_rule_on_it_lets_an_unknown_task_pass_with_nothing_to_tell(tmp_path):
    folder = copy_of_documents(tmp_path)
    changed(folder, "companions.openapi.yaml", "rule: has(facts.task)", "rule: has(facts.task) || !has(facts.task)")
    answer = Mock(contract=Contract.load(folder=folder)).ask("GET", task_path("unknown"))
    assert (answer.status, "data" in answer.json) == (200, False)
