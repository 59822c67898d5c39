"""What the API answers, read leniently: any field may be absent, null or of another type."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, OnErrorOmit
from pydantic_core import core_schema

T = TypeVar("T")

# A time outside these years is a mistake.
_FIRST_YEAR, _LAST_YEAR = 2000, 2100


class _NoneOnError:
    """Marks a field of a record that becomes None where the API sends another type."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_default_schema(handler(source), default=None, on_error="default")


Lenient = Annotated[T | None, _NoneOnError()]


def _in_utc(moment: datetime) -> datetime:
    """Convert a time to UTC, which is assumed if it has no zone; refuse one that must be a mistake."""
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


Timestamp = Lenient[Annotated[datetime, AfterValidator(_in_utc)]]
"""A time as Unix seconds or as ISO 8601."""


class _Received(BaseModel):
    """A part of the API's answer: any field may be absent, null or of another type; others are ignored.

    Validators are built by the client's warm-up: building them is slow, and no start depends on it.
    """

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, defer_build=True)


class ReceivedError(_Received):
    """`error` of an answer, of a record or of its response; a bare string counts as its message."""

    code: Lenient[str] = None
    message: Lenient[str] = None

    @property
    def says_something(self) -> bool:
        """Whether it holds any error at all."""
        return bool(self.code or self.message)


def _as_error(received: Any) -> Any:
    return {"message": received} if isinstance(received, str) else received


AnyError = Annotated[Lenient[ReceivedError], BeforeValidator(_as_error)]


class ReceivedImage(_Received):
    """One entry of `response.data`."""

    image_url: Lenient[str] = None


class _StateFields(_Received):
    """What both a record and its response can say about the state of the task."""

    success: Lenient[bool] = None
    status: Lenient[str] = None
    state: Lenient[str] = None
    finished_at: Timestamp = None
    error: AnyError = None

    @property
    def words(self) -> list[str]:
        """The words for the task's state, in lower case."""
        words = [(word or "").strip().lower() for word in (self.status, self.state)]
        return [word for word in words if word]

    @property
    def has_error(self) -> bool:
        """Whether there is an error, and not just an empty field for one."""
        return self.error is not None and self.error.says_something


class ReceivedResponse(_StateFields):
    """`response` of a record: what the generation came to."""

    task_id: Lenient[str] = None
    trace_id: Lenient[str] = None
    data: Lenient[Annotated[list[OnErrorOmit[ReceivedImage]], Field(max_length=10_000)]] = None

    @property
    def links(self) -> list[str]:
        """The picture links as received, usable or not."""
        urls = (image.image_url for image in self.data or [])
        return [url for url in urls if url and not url.isspace()]

    @property
    def says_something(self) -> bool:
        """Whether it says anything about the task."""
        return self.success is not None or self.has_error or bool(self.words or self.finished_at or self.links)


class ReceivedRequest(_Received):
    """`request` of a record: what was asked for."""

    template: Lenient[str] = None


class TaskRecord(_StateFields):
    """One task as the API reports it, or the API's error body."""

    id: Lenient[str] = None
    trace_id: Lenient[str] = None
    created_at: Timestamp = None
    request: Lenient[ReceivedRequest] = None
    response: Lenient[ReceivedResponse] = None

    @property
    def task_id(self) -> str | None:
        """The id the record is about, wherever the API put it."""
        return self.id or (self.response.task_id if self.response is not None else None)

    @property
    def failure(self) -> ReceivedError | None:
        """Why the task failed, wherever the API put it."""
        if self.response is not None and self.response.has_error:
            return self.response.error
        return self.error if self.has_error else None

    @property
    def is_error_body(self) -> bool:
        """Whether it reports an error and says nothing about a task."""
        told = self.response is not None and self.response.says_something
        told = told or self.request is not None or bool(self.words or self.finished_at)
        return not told and (self.has_error or self.success is False)

    @property
    def is_record(self) -> bool:
        """Whether it says anything about a task, and does not just hold unknown fields."""
        return bool(self.task_id) or self.response is not None or self.request is not None


class TaskRecords(_Received):
    """The answer to a batch; neither order nor completeness of `items` is promised."""

    items: Lenient[Annotated[list[OnErrorOmit[TaskRecord]], Field(max_length=1_000)]] = None
    trace_id: Lenient[str] = None
    success: Lenient[bool] = None
    error: AnyError = None

    @property
    def is_error_body(self) -> bool:
        """Whether this is the API's error body instead of a batch."""
        has_error = self.error is not None and self.error.says_something
        return not self.items and (has_error or self.success is False)
