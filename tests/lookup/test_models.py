"""From the API's record to the condensed answer, whatever the record holds."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from headshots_mcp.api.records import TaskRecord
from headshots_mcp.api.requests import RetrieveTask, RetrieveTasks
from headshots_mcp.lookup.tasks import HeadshotTask, TaskError
from tests.conftest import documented

ID = "16f96e95-d95c-46ef-b183-139b9bd1aebd"
PICTURE = "https://cdn.acedata.cloud/a.png"


def condense(record: dict[str, Any] | None) -> HeadshotTask:
    return HeadshotTask.from_record("t", None if record is None else TaskRecord.model_validate(record))


def test_the_documented_success_is_condensed_to_one_link() -> None:
    record = TaskRecord.model_validate(documented("single"))

    assert HeadshotTask.from_record(ID, record) == HeadshotTask(
        id=ID,
        status="succeeded",
        image_urls=[f"https://platform.cdn.acedata.cloud/headshots/{ID}.png"],
        template="male_portrait",
    )


def test_the_documented_batch_holds_a_success_and_one_under_way() -> None:
    items = documented("batch")["items"]
    tasks = [HeadshotTask.from_record(item["id"], TaskRecord.model_validate(item)) for item in items]

    assert [(task.id, task.status, len(task.image_urls)) for task in tasks] == [
        (ID, "succeeded", 1),
        ("5213468b-6b96-4ad4-9c6a-657bd438d299", "processing", 0),
    ]


@pytest.mark.parametrize(
    ("response", "status"),
    [
        pytest.param(..., "pending", id="no response"),
        pytest.param(None, "pending", id="null response"),
        pytest.param({}, "pending", id="empty response"),
        pytest.param("soon", "pending", id="a response of another type"),
        pytest.param({"status": "unknown", "data": []}, "processing", id="the documented unknown"),
        pytest.param({"success": True, "data": []}, "succeeded", id="success"),
        pytest.param({"success": False}, "failed", id="failure"),
        pytest.param({"data": [{"image_url": PICTURE}]}, "succeeded", id="pictures and no word"),
        pytest.param({"status": "Completed"}, "succeeded", id="a word for success"),
        pytest.param({"status": " cancelled "}, "failed", id="a word for failure"),
        pytest.param({"status": "queued"}, "processing", id="any other word"),
        pytest.param({"error": {"code": "x"}}, "failed", id="an error and no word"),
        pytest.param({"status": "processing", "error": {"code": "x"}}, "processing", id="an error and a word"),
        pytest.param({"status": "unknown", "error": "", "data": []}, "processing", id="an empty error"),
        pytest.param({"error": {"code": None, "message": None}}, "processing", id="an error without words"),
        pytest.param({"success": None, "task_id": "t"}, "processing", id="a response that says nothing yet"),
        pytest.param({"success": "perhaps", "status": "unknown"}, "processing", id="success of another type"),
    ],
)
def test_the_state_of_a_task_follows_the_table_of_the_api_notes(response: Any, status: str) -> None:
    record = {"id": "t"} if response is ... else {"id": "t", "response": response}

    assert condense(record).status == status


def test_a_task_the_api_does_not_know_is_not_found() -> None:
    assert condense(None) == HeadshotTask(id="t", status="not_found", image_urls=[])


@pytest.mark.parametrize(
    ("response", "error"),
    [
        pytest.param(
            {"success": False, "error": {"code": "no_face", "message": "No face."}, "trace_id": "inner"},
            TaskError(code="no_face", message="No face.", trace_id="inner"),
            id="as documented",
        ),
        pytest.param(
            {"success": False, "error": "No face."},
            TaskError(message="No face.", trace_id="outer"),
            id="a bare string, and the trace id of the record",
        ),
        pytest.param({"success": False}, TaskError(trace_id="outer"), id="no error at all"),
        pytest.param(
            {"success": False, "error": {"code": 7, "message": ["x"]}, "trace_id": 8},
            TaskError(trace_id="outer"),
            id="other types",
        ),
        pytest.param(
            {"success": False, "error": {"code": "", "message": "a\r\n\x1b[31mb\u202ec  d"}},
            TaskError(message="a [31mb c d", trace_id="outer"),
            id="control characters and direction marks",
        ),
        pytest.param(
            {"success": False, "error": {"message": "x" * 1_000_000}},
            TaskError(message="x" * 299 + "…", trace_id="outer"),
            id="a megabyte of text",
        ),
    ],
)
def test_a_failed_task_says_why_in_one_short_line(response: dict[str, Any], error: TaskError) -> None:
    assert condense({"id": "t", "trace_id": "outer", "response": response}).error == error


@pytest.mark.parametrize(
    ("urls", "kept"),
    [
        pytest.param(["https://a/2", "http://a/1", "https://a/2"], ["https://a/2", "http://a/1"], id="in order, once"),
        pytest.param(["javascript:alert(1)", "data:image/png;base64,x", "ftp://a/b", "/x.png"], [], id="not http(s)"),
        pytest.param(["https://", "https:///x", "https://[x/", "", None, 5], [], id="not an address"),
        pytest.param(["https://a/b\nc", "https://a/b c", "https://a/\u202eb"], [], id="would break a line"),
        pytest.param(["https://a/" + "b" * 2048], [], id="longer than any browser takes"),
        pytest.param([f"https://a/{n}" for n in range(10_000)], [f"https://a/{n}" for n in range(100)], id="too many"),
    ],
)
def test_only_links_a_host_can_show_are_kept(urls: list[Any], kept: list[str]) -> None:
    data = [*({"image_url": url} for url in urls), "no entry", None]

    assert condense({"id": "t", "response": {"success": True, "data": data}}).image_urls == kept


@pytest.mark.parametrize(
    ("request_", "template"),
    [
        pytest.param({"template": "female_portrait"}, "female_portrait", id="a known template"),
        pytest.param({"template": "new in 2027"}, "new in 2027", id="a new template"),
        pytest.param({"template": 5}, None, id="another type"),
        pytest.param({"template": "\u200b\n"}, None, id="nothing visible"),
        pytest.param("x", None, id="no request"),
    ],
)
def test_the_template_is_the_requested_one(request_: Any, template: str | None) -> None:
    assert condense({"id": "t", "request": request_}).template == template


@pytest.mark.parametrize(("status", "final"), [("succeeded", True), ("failed", True), ("pending", False)])
def test_only_an_ended_task_is_final(status: Any, final: bool) -> None:
    assert HeadshotTask(id="t", status=status, image_urls=[]).is_final is final


def test_the_documented_bodies_are_the_requests() -> None:
    one = {"id": ID, "action": "retrieve"}
    many = {"ids": [ID, "5213468b-6b96-4ad4-9c6a-657bd438d299"], "action": "retrieve_batch"}

    assert RetrieveTask.model_validate(one).model_dump() == one
    assert RetrieveTasks.model_validate(many).model_dump() == many


# Whole JSON documents, and records whose known fields hold whatever JSON can hold.
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
links = st.text() | st.from_regex(r"https?://[a-z./?#@:\\[\\]%-]*", fullmatch=True) | anything
errors = anything | st.fixed_dictionaries({}, optional={"code": anything, "message": anything | st.text()})
responses = anything | st.fixed_dictionaries(
    {},
    optional={
        "success": anything,
        "status": st.sampled_from(["unknown", "failed", "done"]) | anything,
        "task_id": anything,
        "trace_id": anything,
        "error": errors,
        "data": st.lists(st.fixed_dictionaries({"image_url": links}) | anything, max_size=4) | anything,
    },
)
records = anything | st.fixed_dictionaries(
    {},
    optional={
        "id": anything,
        "trace_id": anything,
        "request": st.fixed_dictionaries({"template": anything}) | anything,
        "response": responses,
    },
)
SCHEMA = jsonschema.Draft202012Validator(HeadshotTask.model_json_schema())
RECORD: TypeAdapter[TaskRecord | None] = TypeAdapter(TaskRecord | None)


@settings(max_examples=1000, deadline=None)
@given(records)
def test_any_json_becomes_an_answer_that_obeys_the_schema_or_is_no_record(received: Any) -> None:
    try:
        record = RECORD.validate_json(json.dumps(received, allow_nan=True))
    except ValidationError:
        assert not isinstance(received, dict) or not json.dumps(received).isascii() or "\\ud" in json.dumps(received)
        return
    task = HeadshotTask.from_record("t", record)

    SCHEMA.validate(task.model_dump(mode="json", exclude_none=True))
    for text in (
        task.template,
        *((task.error.code, task.error.message, task.error.trace_id) if task.error else ()),
    ):
        assert text is None or (text.isprintable() and 0 < len(text) <= 300)
    assert all(url.startswith(("http://", "https://")) and url.isprintable() for url in task.image_urls)
