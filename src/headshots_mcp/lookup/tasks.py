"""A headshot task condensed to what a model acts on, made from the API's record; nothing here does I/O."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from headshots_mcp.api.errors import LookupFailed, failure_for
from headshots_mcp.api.requests import bare_schema
from headshots_mcp.api.responses import code_of
from headshots_mcp.api.wording import clean, named, quoted
from headshots_mcp.lookup.links import usable_links
from headshots_mcp.lookup.states import NOT_FOUND, Status, state_of

if TYPE_CHECKING:
    from headshots_mcp.api.records import TaskRecord

# A generation takes one to two minutes; one that has been running for this long has probably stopped.
STUCK_SECONDS = 600


class Answer(BaseModel):
    """Part of a tool's answer: immutable, and described in the tool's output schema."""

    model_config = ConfigDict(frozen=True, json_schema_extra=bare_schema, hide_input_in_errors=True)


class TaskError(Answer):
    """Why a task failed, in the API's words; or why it could not be looked up, in ours."""

    code: str | SkipJsonSchema[None] = None
    message: str | SkipJsonSchema[None] = None
    trace_id: str | SkipJsonSchema[None] = None

    def in_words(self, *more: str) -> str:
        """Return the message, in quotes as foreign words are, then in parentheses the code, trace id and `more`."""
        known = [self.code and named(self.code), self.trace_id and f"trace id {named(self.trace_id)}", *more]
        told, details = quoted(self.message) if self.message else "", ", ".join(filter(None, known))
        return f"{told} ({details})" if told and details else told or details


class HeadshotTask(Answer):
    """One headshot task, condensed to what a model acts on.

    The last four fields help to word an answer and are never sent: whether the task can no longer change, how many of
    its links are unusable, whether it ended with neither a result nor an error, and whether it may have been another
    server than the API that does not know it.
    """

    id: str
    status: Status
    image_urls: Annotated[list[str], Field(description="http(s) links of the finished pictures")]
    template: str | SkipJsonSchema[None] = None
    created_at: Annotated[
        datetime | SkipJsonSchema[None], Field(description="When an unfinished or failed task was created")
    ] = None
    error: TaskError | SkipJsonSchema[None] = None
    next_step: Annotated[str | SkipJsonSchema[None], Field(description="Suggested next action")] = None
    is_final: SkipJsonSchema[Annotated[bool, Field(exclude=True)]] = False
    links_left_out: SkipJsonSchema[Annotated[int, Field(exclude=True)]] = 0
    ended_without_result: SkipJsonSchema[Annotated[bool, Field(exclude=True)]] = False
    base_url_in_doubt: SkipJsonSchema[Annotated[bool, Field(exclude=True)]] = False

    @property
    def is_unfinished(self) -> bool:
        """Whether the API says that the task has not ended yet."""
        return self.status in ("pending", "processing")

    def age(self, now: float) -> float | None:
        """Return the seconds from the task's creation to a Unix time; None if it is unknown when that was."""
        return None if self.created_at is None else max(0.0, now - self.created_at.timestamp())

    def is_stuck(self, now: float) -> bool:
        """Whether the task, at a Unix time, has been unfinished for so long that it will probably never end."""
        return self.is_unfinished and (self.age(now) or 0.0) > STUCK_SECONDS

    @classmethod
    def from_record(cls, task_id: str, record: TaskRecord | None) -> HeadshotTask:
        """Condense a record; never raises, whatever the record holds.

        Args:
            task_id: The id that was asked for.
            record: The API's record; None if the API does not know the id, an empty one if that is not certain.
        """
        state = state_of(record)
        if record is None or state is NOT_FOUND:
            return cls(id=task_id, status="not_found", image_urls=[], base_url_in_doubt=record is not None)
        links = usable_links(record.response.links if record.response else [])
        is_open = state.status == "failed" or not state.is_final
        return cls(
            id=task_id,
            status=state.status,
            image_urls=links.usable,
            template=clean(record.request.template if record.request else None, 64),
            created_at=record.created_at.replace(microsecond=0) if record.created_at and is_open else None,
            error=_reason(record) if state.status == "failed" else None,
            is_final=state.is_final,
            links_left_out=links.left_out,
            ended_without_result=state.ended_without_result,
        )


class HeadshotTasks(Answer):
    """Several headshot tasks, in the order they were asked for."""

    summary: Annotated[str | SkipJsonSchema[None], Field(description="How many are in which state")] = None
    next_step: Annotated[str | SkipJsonSchema[None], Field(description="Suggested next action")] = None
    tasks: list[HeadshotTask]


Outcome = HeadshotTask | LookupFailed
"""The result of looking up one id: the task, or the reason why there is none."""


def outcome_of(task_id: str, record: TaskRecord | None) -> Outcome:
    """Return the task a record is about, or the failure if the record is an error of the API instead."""
    if record is not None and record.is_error_body:
        return failure_for(200, code=code_of(record.error), trace_id=record.trace_id)
    return HeadshotTask.from_record(task_id, record)


def as_task(task_id: str, outcome: Outcome) -> HeadshotTask:
    """Return a task as it is shown; one that could not be looked up is `unavailable`, with the reason."""
    if isinstance(outcome, HeadshotTask):
        return outcome
    error = TaskError(code=outcome.code, message=outcome.message, trace_id=outcome.trace_id)
    return HeadshotTask(id=task_id, status="unavailable", image_urls=[], error=error)


def _reason(record: TaskRecord) -> TaskError | None:
    """Return what the API says about a failure; None if it says nothing."""
    error = record.failure
    trace_id = record.response.trace_id if record.response else None
    reason = TaskError(
        code=clean(error.code, 64) if error else None,
        message=clean(error.message, 300) if error else None,
        trace_id=clean(trace_id, 64) or clean(record.trace_id, 64),
    )
    return None if reason == TaskError() else reason
