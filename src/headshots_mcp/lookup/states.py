"""Tells the state of a task from its record, by one table (docs/api.md, "States")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from headshots_mcp.api.records import ReceivedResponse

if TYPE_CHECKING:
    from headshots_mcp.api.records import TaskRecord

Status = Literal["pending", "processing", "succeeded", "failed", "not_found", "unavailable"]

_FAILING = {"failed", "failure", "error", "cancelled", "canceled", "rejected", "timeout", "expired"}
_ENDING = {"succeed", "succeeded", "success", "completed", "complete", "finished", "done"}


class State(NamedTuple):
    """The state of a task; a final one never changes again."""

    status: Status
    is_final: bool = False
    ended_without_result: bool = False


NOT_FOUND = State("not_found")
PENDING = State("pending")
PROCESSING = State("processing")
SUCCEEDED = State("succeeded", is_final=True)
WITHOUT_PICTURES = State("succeeded")
FAILED = State("failed", is_final=True)
PERHAPS_FAILED = State("failed")
WITHOUT_RESULT = State("failed", ended_without_result=True)


def state_of(record: TaskRecord | None) -> State:
    """Return the state of a record's task: the first row that applies decides."""
    if record is None:
        return NOT_FOUND
    response = record.response or ReceivedResponse()
    words = set(response.words or record.words)
    links = bool(response.links)
    is_over = bool(record.finished_at or response.finished_at)
    is_certain = is_over or bool(record.failure and record.failure.code)
    table = (
        (not record.model_fields_set, NOT_FOUND),
        (words & _FAILING, FAILED),
        (words & _ENDING and links, SUCCEEDED),
        (words & _ENDING, WITHOUT_PICTURES),
        (words, PROCESSING),
        (response.success is False and is_certain, FAILED),
        (response.success is False, PERHAPS_FAILED),
        (links, SUCCEEDED),
        (response.success and is_over, WITHOUT_PICTURES),
        (response.success, PROCESSING),
        (response.has_error and is_certain, FAILED),
        (record.failure or record.success is False, PERHAPS_FAILED),
        (is_over, WITHOUT_RESULT),
        (response.model_fields_set, PROCESSING),
    )
    return next((state for applies, state in table if applies), PENDING)
