"""A headshot task condensed to what a model acts on, made of the API's record; nothing here does I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from headshots_mcp.api.records import ReceivedError, ReceivedResponse
from headshots_mcp.api.requests import bare_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headshots_mcp.api.errors import LookupFailed
    from headshots_mcp.api.records import ReceivedImage, TaskRecord

MAX_IMAGES = 100
# Seconds for which an unknown id may still be one so new that the API does not know it yet.
GRACE = 9.0

Status = Literal["pending", "processing", "succeeded", "failed", "not_found", "unavailable"]

# Words the vendor's own SDK reads as the end of a task.
_SUCCEEDED = {"succeeded", "success", "completed", "complete", "finished", "done"}
_FAILED = {"failed", "failure", "error", "cancelled", "canceled", "rejected", "timeout", "expired"}


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, json_schema_extra=bare_schema, hide_input_in_errors=True)


class TaskError(_Answer):
    """Why a task failed, or why it could not be looked up."""

    code: str | SkipJsonSchema[None] = None
    message: str | SkipJsonSchema[None] = None
    trace_id: str | SkipJsonSchema[None] = None


class HeadshotTask(_Answer):
    """One headshot task, condensed to what a model acts on."""

    id: str
    status: Status
    image_urls: Annotated[list[str], Field(description="http(s) links of the finished pictures")]
    template: str | SkipJsonSchema[None] = None
    error: TaskError | SkipJsonSchema[None] = None
    next_step: Annotated[str | SkipJsonSchema[None], Field(description="What to do now, if anything")] = None

    @property
    def is_final(self) -> bool:
        """Whether the API will say the same for ever."""
        return self.status in ("succeeded", "failed")

    def is_over(self, age: float) -> bool:
        """Whether waiting makes no sense any more, given the seconds for which it has been asked about."""
        return self.is_final or (self.status == "not_found" and age >= GRACE)

    @classmethod
    def unavailable(cls, task_id: str, error: LookupFailed | None) -> HeadshotTask:
        """Say that a task could not be looked up, and why if that is known."""
        reason = TaskError(code=error.code, message=error.message) if error else None
        return cls(id=task_id, status="unavailable", image_urls=[], error=reason)

    @classmethod
    def from_record(cls, task_id: str, record: TaskRecord | None) -> HeadshotTask:
        """Condense a record; never raises, whatever the record holds.

        Args:
            task_id: The id that was asked for.
            record: What the API knows about it, None for nothing.
        """
        if record is None:
            return cls(id=task_id, status="not_found", image_urls=[])
        if record.is_error_body:
            error = _failure(record.error, record.trace_id)
            return cls(id=task_id, status="unavailable", image_urls=[], error=error)
        response = record.response or ReceivedResponse()
        urls = _image_urls(response.data or [])
        status = _status(response, has_images=bool(urls))
        return cls(
            id=task_id,
            status=status,
            image_urls=urls,
            template=_clean(record.request.template if record.request else None, 64),
            error=_failure(response.error, response.trace_id or record.trace_id) if status == "failed" else None,
        )


class HeadshotTasks(_Answer):
    """Several headshot tasks, in the order they were asked for."""

    tasks: list[HeadshotTask]
    next_step: Annotated[str | SkipJsonSchema[None], Field(description="What to do now, if anything")] = None


def _status(response: ReceivedResponse, *, has_images: bool) -> Status:
    """Say what state a record's `response` tells of (API notes, "State of a task")."""
    if response.success is not None:
        return "succeeded" if response.success else "failed"
    if has_images:
        return "succeeded"
    word = (response.status or "").strip().lower()
    if word in _SUCCEEDED:
        return "succeeded"
    if word in _FAILED or (not word and response.error and response.error.says_something):
        return "failed"
    return "processing" if response.model_fields_set else "pending"


def _failure(error: ReceivedError | None, trace_id: str | None) -> TaskError:
    error = error or ReceivedError()
    return TaskError(code=_clean(error.code, 64), message=_clean(error.message, 300), trace_id=_clean(trace_id, 64))


def _image_urls(images: Iterable[ReceivedImage]) -> list[str]:
    """Keep what a host can show: http(s) only, in the API's order, each once."""
    urls = (image.image_url for image in images)
    return list(dict.fromkeys(url for url in urls if url and _is_web_address(url)))[:MAX_IMAGES]


def _is_web_address(url: str) -> bool:
    if len(url) > 2048 or " " in url or not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _clean(text: str | None, limit: int) -> str | None:
    """Make foreign text one printable line of at most `limit` characters, or None if nothing is left."""
    if not text:
        return None
    printable = "".join(character if character.isprintable() else " " for character in text[: 4 * limit])
    line = " ".join(printable.split())
    return (line if len(line) <= limit else line[: limit - 1] + "…") or None
