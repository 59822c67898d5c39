"""From the API's record to the condensed answer, whatever the record holds."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
from hypothesis import given
from pydantic import TypeAdapter, ValidationError

from headshots_mcp.api.errors import AnswerNotUnderstood, LookupFailed, UsedUp
from headshots_mcp.api.records import TaskRecord
from headshots_mcp.api.requests import RetrieveTask, RetrieveTasks
from headshots_mcp.lookup.tasks import HeadshotTask, TaskError, outcome_of
from tests.conftest import documented
from tests.lookup.strategies import records

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
        is_final=True,
    )


def test_the_documented_batch_holds_a_success_and_one_under_way() -> None:
    items = documented("batch")["items"]
    tasks = [HeadshotTask.from_record(item["id"], TaskRecord.model_validate(item)) for item in items]

    assert [(task.id, task.status, len(task.image_urls)) for task in tasks] == [
        (ID, "succeeded", 1),
        ("5213468b-6b96-4ad4-9c6a-657bd438d299", "processing", 0),
    ]


def test_a_task_the_api_does_not_know_is_not_found() -> None:
    assert condense(None) == HeadshotTask(id="t", status="not_found", image_urls=[])


@pytest.mark.parametrize(
    ("record", "error"),
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
def test_a_failed_task_says_why_in_one_short_line(record: dict[str, Any], error: TaskError) -> None:
    assert condense({"id": "t", "trace_id": "outer", "response": record}).error == error


@pytest.mark.parametrize("response", [{"success": False}, {"success": False, "error": ""}, {"status": "failed"}])
def test_an_error_at_the_top_of_a_failed_record_is_why_it_failed(response: dict[str, Any]) -> None:
    record = {"id": "t", "trace_id": "outer", "error": {"code": "no_face", "message": "No face."}}

    assert condense(record | {"response": response}).error == TaskError(
        code="no_face", message="No face.", trace_id="outer"
    )


def test_a_failed_task_about_which_nothing_is_said_has_no_error() -> None:
    assert condense({"id": "t", "response": {"success": False}}).error is None


@pytest.mark.parametrize(
    ("record", "ended"),
    [({"finished_at": 1730636500}, True), ({"response": {"success": False}}, False), ({}, False)],
)
def test_a_task_that_ended_without_a_result_is_told_from_one_that_failed(record: dict[str, Any], ended: bool) -> None:
    assert condense({"id": "t"} | record).ended_without_result is ended


@pytest.mark.parametrize(
    ("error", "message"),
    [({"code": "used_up", "message": "x"}, UsedUp.message), ("gone", AnswerNotUnderstood.message)],
)
def test_a_record_that_is_an_error_is_why_the_task_could_not_be_looked_up(error: Any, message: str) -> None:
    outcome = outcome_of("t", TaskRecord.model_validate({"id": "t", "error": error, "trace_id": "outer"}))

    assert isinstance(outcome, LookupFailed)
    assert (outcome.message, outcome.trace_id) == (message, "outer")


@pytest.mark.parametrize(
    ("urls", "kept", "left_out"),
    [
        pytest.param(["https://a/2", "http://a/1", "https://a/2"], ["https://a/2", "http://a/1"], 0, id="once"),
        pytest.param(["https://a/1?x=%20&y=[1]#z"], ["https://a/1?x=%20&y=[1]#z"], 0, id="as it came"),
        pytest.param(["HTTPS://A/1"], ["HTTPS://A/1"], 0, id="capital letters"),
        pytest.param([" https://a/1\r\n", "\u3000https://a/2\u00a0"], ["https://a/1", "https://a/2"], 0, id="blanks"),
        pytest.param(["https://a/b c", "https://a/b%20c"], ["https://a/b%20c"], 0, id="a space in it"),
        pytest.param(["https://a/照"], ["https://a/%E7%85%A7"], 0, id="letters that are not ASCII"),
        pytest.param(["https://bücher.tw:80/a"], ["https://xn--bcher-kva.tw:80/a"], 0, id="a host that is not ASCII"),
        pytest.param(['https://a/"<b>\\'], ["https://a/%22%3Cb%3E%5C"], 0, id="quotes and brackets"),
        pytest.param(["javascript:alert(1)", "data:image/png;base64,x", "ftp://a/b", "/x.png"], [], 4, id="not http"),
        pytest.param(["https://", "https:///x", "https://[x/", "https://a\\@b/"], [], 4, id="not an address"),
        pytest.param(["", " ", None, 5], [], 0, id="no link"),
        pytest.param(["https://a/b\nc", "https://a/\u202eb", "https://a b/"], [], 3, id="would break a line"),
        pytest.param(["https://a/" + "b" * 2048, "https://a/" + "照" * 300], [], 2, id="longer than browsers take"),
        pytest.param(
            [f"https://a/{n}" for n in range(9_000)], [f"https://a/{n}" for n in range(100)], 8_900, id="too many"
        ),
    ],
)
def test_links_that_can_be_used_are_kept_and_the_others_counted(
    urls: list[Any], kept: list[str], left_out: int
) -> None:
    data = [*({"image_url": url} for url in urls), "no entry", None]
    task = condense({"id": "t", "response": {"success": True, "data": data}})

    assert (task.image_urls, task.links_left_out) == (kept, left_out)


NONSENSE: list[Any] = [None, True, 0, -1, 1e18, 10**400, float("nan"), "soon", "", [], {}]
NONSENSE += ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", 20_000_000_000]


@pytest.mark.parametrize(
    ("created_at", "told"),
    [
        (1730636470.402, "2024-11-03T12:21:10Z"),
        (1730636470, "2024-11-03T12:21:10Z"),
        ("1730636470.402", "2024-11-03T12:21:10Z"),
        ("2024-11-03T12:21:10.999Z", "2024-11-03T12:21:10Z"),
        ("2024-11-03T20:21:10+08:00", "2024-11-03T12:21:10Z"),
        ("2024-11-03 12:21:10", "2024-11-03T12:21:10Z"),
        *[(nonsense, None) for nonsense in NONSENSE],
    ],
)
def test_when_a_task_was_created_is_told_in_utc_to_the_second(created_at: Any, told: str | None) -> None:
    task = condense({"id": "t", "created_at": created_at})

    assert task.model_dump(mode="json").get("created_at") == told


@pytest.mark.parametrize(
    ("response", "is_told"),
    [
        ({}, True),
        ({"status": "unknown"}, True),
        ({"success": False, "error": {"code": "no_face"}}, True),
        ({"success": False}, True),
        ({"status": "completed"}, True),
        ({"success": True, "data": [{"image_url": PICTURE}]}, False),
    ],
)
def test_when_a_task_was_created_is_told_unless_it_has_succeeded(response: dict[str, Any], is_told: bool) -> None:
    task = condense({"id": "t", "created_at": 1730636470.402, "response": response})

    assert (task.created_at is not None) is is_told


CREATED = 1730636470


@pytest.mark.parametrize(
    ("record", "now", "age", "is_stuck"),
    [
        pytest.param({}, CREATED, 0, False, id="new"),
        pytest.param({}, CREATED - 90, 0, False, id="the clock of the API is ahead"),
        pytest.param({}, CREATED + 600, 600, False, id="ten minutes"),
        pytest.param({}, CREATED + 601, 601, True, id="pending for longer"),
        pytest.param({"response": {"status": "unknown"}}, CREATED + 601, 601, True, id="processing for longer"),
        pytest.param({"response": {"success": False}}, CREATED + 601, 601, False, id="failed"),
        pytest.param({"created_at": None}, CREATED + 601, None, False, id="nobody knows since when"),
    ],
)
def test_a_task_is_stuck_if_it_is_unfinished_after_ten_minutes(
    record: dict[str, Any], now: float, age: float | None, is_stuck: bool
) -> None:
    task = condense({"id": "t", "created_at": CREATED} | record)

    assert (task.age(now), task.is_stuck(now)) == (age, is_stuck)


def test_what_only_answers_are_made_of_is_not_sent() -> None:
    task = condense({"id": "t", "response": {"success": True, "data": [{"image_url": "ftp://a/b"}]}})

    assert task.is_final
    assert task.model_dump(mode="json", exclude_none=True) == {"id": "t", "status": "succeeded", "image_urls": []}
    assert (
        not {"is_final", "links_left_out", "ended_without_result"}
        & HeadshotTask.model_json_schema()["properties"].keys()
    )


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


def test_the_documented_bodies_are_the_requests() -> None:
    one = {"id": ID, "action": "retrieve"}
    many = {"ids": [ID, "5213468b-6b96-4ad4-9c6a-657bd438d299"], "action": "retrieve_batch"}

    assert RetrieveTask.model_validate(one).model_dump() == one
    assert RetrieveTasks.model_validate(many).model_dump() == many


SCHEMA = jsonschema.Draft202012Validator(HeadshotTask.model_json_schema())
RECORD: TypeAdapter[TaskRecord | None] = TypeAdapter(TaskRecord | None)


@given(records)
def test_any_json_becomes_an_answer_that_obeys_the_schema_and_says_nothing_of_its_own(received: Any) -> None:
    try:
        record = RECORD.validate_json(json.dumps(received, allow_nan=True))
    except ValidationError:
        assert not isinstance(received, dict) or not json.dumps(received).isascii() or "\\ud" in json.dumps(received)
        return
    task = HeadshotTask.from_record("t", record)
    told = task.model_dump(mode="json", exclude_none=True)

    SCHEMA.validate(told)
    assert (record is None) <= (told == {"id": "t", "status": "not_found", "image_urls": []})
    for text in (task.template, *(task.error.model_dump().values() if task.error else ())):
        assert text is None or (text.isprintable() and 0 < len(text) <= 300)
    given_links = {link.strip() for link in record.response.links} if record and record.response else set()
    for url in task.image_urls:
        assert url.lower().startswith(("http://", "https://"))
        assert url.isascii()
        assert " " not in url
        assert urlsplit(url).netloc.startswith("xn--") or unquote(url) in map(unquote, given_links)
    assert task.created_at is None or (record and record.created_at)
    assert task.created_at is None or task.status != "succeeded" or not task.is_final
