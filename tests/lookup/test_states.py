"""The table of states, row by row, over the wire through both tools; and what it never does, for any record."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import pytest
from hypothesis import example, given
from starlette.responses import JSONResponse

from headshots_mcp.api.records import TaskRecord
from headshots_mcp.lookup.states import state_of
from headshots_mcp.sandbox.app import Sandbox
from tests.conftest import connected
from tests.lookup.strategies import records

LINKS = {"data": [{"image_url": "https://cdn.acedata.cloud/a.png"}]}
CODE = {"code": "face_not_found", "message": "No face was found."}
ENDED = {"finished_at": 1730636500.5}
FAILING = ["failed", "failure", "error", "cancelled", "canceled", "rejected", "timeout", "expired", " FAILED\n"]
ENDING = ["succeed", "succeeded", "success", "completed", "complete", "finished", "done", "Done "]
OTHER = ["unknown", "queued", "processing", "new_in_2027"]


def response(**fields: Any) -> dict[str, Any]:
    return {"response": fields}


def in_each_place(words: list[str], **also: Any) -> list[dict[str, Any]]:
    """Say each word in each place there is for it: `status` or `state`, of the response or of the record."""
    return [
        record
        for word in words
        for field in ("status", "state")
        for record in ({"response": {field: word, **also}}, {field: word, "response": also or None})
    ]


# what a record says beside its id, the state, and whether it is final
ROWS: list[tuple[dict[str, Any], str, bool]] = [
    *((record, "failed", True) for record in in_each_place(FAILING)),
    *((record, "failed", True) for record in in_each_place(FAILING[:2], success=True, **LINKS)),
    (response(status="failed", state="completed", **LINKS), "failed", True),
    *((record, "succeeded", True) for record in in_each_place(ENDING, **LINKS)),
    (response(status="completed", success=False, **LINKS), "succeeded", True),
    *((record, "succeeded", False) for record in in_each_place(ENDING)),
    *((record, "succeeded", False) for record in in_each_place(ENDING[:2], success=True, data=[])),
    *((record, "processing", False) for record in in_each_place(OTHER)),
    *((record, "processing", False) for record in in_each_place(OTHER[:2], success=True, **LINKS)),
    ({"status": "failed", **response(status="unknown", data=[])}, "processing", False),
    (response(status="processing", error=CODE), "processing", False),
    (response(success=False, error=CODE), "failed", True),
    ({"error": CODE, **response(success=False)}, "failed", True),
    ({**ENDED, **response(success=False)}, "failed", True),
    ({**ENDED, **response(success=False, error="temporary")}, "failed", True),
    (response(success=False, **ENDED), "failed", True),
    (response(success=False, error=CODE, **LINKS), "failed", True),
    (response(success=False), "failed", False),
    (response(success=False, error="temporary"), "failed", False),
    (response(success=False, error={"message": "temporary"}), "failed", False),
    ({"finished_at": "soon", **response(success=False)}, "failed", False),
    (response(**LINKS), "succeeded", True),
    (response(success=True, **LINKS), "succeeded", True),
    (response(success="perhaps", **LINKS), "succeeded", True),
    ({**ENDED, **response(success=True, data=[])}, "succeeded", False),
    (response(success=True), "processing", False),
    (response(success=True, data=[]), "processing", False),
    (response(success=True, data=[{}, {"image_url": None}, {"image_url": " "}]), "processing", False),
    (response(error=CODE), "failed", True),
    ({**ENDED, **response(error="temporary")}, "failed", True),
    (response(error="temporary"), "failed", False),
    ({}, "pending", False),
    ({"response": None}, "pending", False),
    ({"response": {}}, "pending", False),
    ({"response": "soon"}, "pending", False),
    ({"finished_at": 0}, "pending", False),
    (ENDED, "failed", False),
    ({**ENDED, "response": {}}, "failed", False),
    # what no row names: a response that says nothing yet, an error beside a record that has none
    (response(task_id="t"), "processing", False),
    (response(success=None, status=None, error="", data=[]), "processing", False),
    (response(status="unknown", error={"code": None}), "processing", False),
    ({"request": {"template": "wedding"}, "error": CODE}, "failed", False),
    ({"request": {"template": "wedding"}, "success": False}, "failed", False),
]


@pytest.mark.parametrize("tool", ["get_headshot_task", "get_headshot_tasks"])
@pytest.mark.parametrize(("record", "status", "is_final"), ROWS, ids=[str(record) for record, _, _ in ROWS])
@pytest.mark.usefixtures("movable_clock")
async def test_a_record_is_told_as_the_table_says_and_remembered_only_if_it_is_final(
    tool: str, record: dict[str, Any], status: str, is_final: bool
) -> None:
    sandbox, record = Sandbox(), {"id": "t"} | record
    batch = tool == "get_headshot_tasks"
    sandbox.script("t", repeat(JSONResponse({"items": [record]} if batch else record)))
    async with connected(sandbox) as client:
        for _ in range(2):
            result = await client.call_tool(tool, {"ids": ["t"]} if batch else {"id": "t"})

    assert result.structured_content is not None
    task = result.structured_content["tasks"][0] if batch else result.structured_content
    assert task["status"] == status
    assert len(sandbox.requests) == (1 if is_final else 2)


@pytest.mark.parametrize("items", [[], [None], [{}], ["t"]], ids=str)
@pytest.mark.usefixtures("movable_clock")
async def test_what_is_not_among_the_items_is_not_found_and_asked_for_again(items: list[Any]) -> None:
    sandbox = Sandbox()
    sandbox.script("t", repeat(JSONResponse({"items": items, "count": 1})))
    async with connected(sandbox) as client:
        for _ in range(2):
            result = await client.call_tool("get_headshot_tasks", {"ids": ["t"]})

    assert result.structured_content is not None
    assert [task["status"] for task in result.structured_content["tasks"]] == ["not_found"]
    assert len(sandbox.requests) == 2


@given(records)
@example({"response": {"status": "error", "success": True}})
def test_no_record_is_told_as_more_than_it_says(received: Any) -> None:
    record = TaskRecord.model_validate(received) if isinstance(received, dict) else None
    state = state_of(record)
    if record is None:
        assert state == ("not_found", False, False)
        return
    responses = [record.response] if record.response else []
    words = {word for part in (record, *responses) for word in part.words}
    links = [link for part in responses for link in part.links]
    codes = [part.error.code for part in (record, *responses) if part.error and part.error.code]
    is_over = any(part.finished_at for part in (record, *responses))
    success = [part.success for part in (record, *responses)]

    if state.status == "succeeded":
        assert links or True in success or words & {word.strip().lower() for word in ENDING}
        assert links or not state.is_final
    elif state.status == "failed":
        is_word = bool(words & {word.strip().lower() for word in FAILING})
        assert is_word or False in success or record.failure or is_over
        assert is_word or codes or is_over or not state.is_final
    else:
        assert not state.is_final
    assert not (state.ended_without_result and (links or record.failure or not is_over))
    assert not (words and not words & {word.strip().lower() for word in FAILING + ENDING}) or not state.is_final
