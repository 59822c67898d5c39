"""What the API answers, read leniently: any field may be absent, null or of another type."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, OnErrorOmit
from pydantic_core import core_schema

T = TypeVar("T")


class _NoneOnError:
    """Marks a field of a record that becomes None where the API sends another type."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_default_schema(handler(source), default=None, on_error="default")


Lenient = Annotated[T | None, _NoneOnError()]


class _Received(BaseModel):
    """A part of the API's answer: any field may be absent, null or of another type; others are ignored."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class ReceivedError(_Received):
    """`error` of an answer or of a failed task (seed, 錯誤響應示例)."""

    code: Lenient[str] = None
    message: Lenient[str] = None

    @property
    def says_something(self) -> bool:
        """Whether there is an error in it at all."""
        return bool(self.code or self.message)


def _as_error(received: Any) -> Any:
    return {"message": received} if isinstance(received, str) else received


AnyError = Annotated[Lenient[ReceivedError], BeforeValidator(_as_error)]


class ReceivedImage(_Received):
    """One entry of `response.data`."""

    image_url: Lenient[str] = None


class ReceivedResponse(_Received):
    """`response` of a record: what the generation came to."""

    success: Lenient[bool] = None
    status: Lenient[str] = None
    task_id: Lenient[str] = None
    trace_id: Lenient[str] = None
    error: AnyError = None
    data: Lenient[Annotated[list[OnErrorOmit[ReceivedImage]], Field(max_length=10_000)]] = None


class ReceivedRequest(_Received):
    """`request` of a record: what was asked for."""

    template: Lenient[str] = None


class TaskRecord(_Received):
    """One task as the API reports it (seed, 響應示例), or the API's error body (seed, 錯誤響應示例)."""

    id: Lenient[str] = None
    trace_id: Lenient[str] = None
    request: Lenient[ReceivedRequest] = None
    response: Lenient[ReceivedResponse] = None
    success: Lenient[bool] = None
    error: AnyError = None

    @property
    def task_id(self) -> str | None:
        """The id the record is about, wherever the API put it."""
        return self.id or (self.response.task_id if self.response else None)

    @property
    def is_error_body(self) -> bool:
        """Whether the API tells of an error instead of a task."""
        return self.response is None and (self.error is not None or self.success is False)

    @property
    def is_record(self) -> bool:
        """Whether there is anything of a task in it, and not only fields this knows nothing of."""
        return bool(self.task_id or self.response or self.request)


class TaskRecords(_Received):
    """The answer to a batch (seed, 批量查詢操作); neither order nor completeness of `items` is promised."""

    items: Lenient[Annotated[list[OnErrorOmit[TaskRecord]], Field(max_length=1_000)]] = None
    trace_id: Lenient[str] = None
    success: Lenient[bool] = None
    error: AnyError = None

    @property
    def is_error_body(self) -> bool:
        """Whether this is no batch but the API's error body."""
        return self.items is None and (self.error is not None or self.success is False)
