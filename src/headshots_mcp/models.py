"""What goes to the API, what comes back, and the condensed answer made of it; nothing here does I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    OnErrorOmit,
    StringConstraints,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError, core_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headshots_mcp.errors import LookupFailed

T = TypeVar("T")

MAX_IDS = 1000
MAX_IMAGES = 100
DEFAULT_WAIT = 45
# Seconds for which an unknown id may still be one so new that the API does not know it yet.
GRACE = 9.0

Status = Literal["pending", "processing", "succeeded", "failed", "not_found", "unavailable"]

# Words the vendor's own SDK reads as the end of a task.
_SUCCEEDED = {"succeeded", "success", "completed", "complete", "finished", "done"}
_FAILED = {"failed", "failure", "error", "cancelled", "canceled", "rejected", "timeout", "expired"}


def _bare_schema(schema: dict[str, Any]) -> None:
    """Drop from a JSON schema what costs a model tokens and tells it nothing."""
    schema.pop("title", None)
    schema.pop("description", None)
    for field in schema.get("properties", {}).values():
        field.pop("title", None)
        if field.get("default", ...) is None:
            del field["default"]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("unprintable", "must not contain control or invisible characters")
    return text


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_bare_schema)


TaskId = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=128),
    AfterValidator(_printable),
]


class RetrieveTask(_Request):
    """Body of the request for one task (seed, 請求示例), and the arguments of `get_headshot_task`."""

    id: Annotated[TaskId, Field(description="Task id, e.g. 16f96e95-d95c-46ef-b183-139b9bd1aebd")]
    action: Annotated[
        Literal["retrieve"],
        BeforeValidator(lambda given: "retrieve" if given is None else given),
        Field(description="May be left out"),
    ] = "retrieve"


class RetrieveTasks(_Request):
    """Body of the request for several (seed, 批量查詢操作), and the arguments of `get_headshot_tasks`."""

    ids: Annotated[list[TaskId], Field(min_length=1, max_length=MAX_IDS, description="Task ids")]
    action: Annotated[
        Literal["retrieve_batch"],
        BeforeValidator(lambda given: "retrieve_batch" if given is None else given),
        Field(description="May be left out"),
    ] = "retrieve_batch"


class WaitForTasks(_Request):
    """The arguments of `wait_for_headshot_tasks`; the API has no such request, it is asked again and again."""

    ids: Annotated[list[TaskId], Field(min_length=1, max_length=MAX_IDS, description="Task ids")]
    timeout_seconds: Annotated[
        float,
        Field(ge=1, le=300, description="When to stop waiting"),  # first, or the schema says `ge`, not `minimum`
        BeforeValidator(lambda given: DEFAULT_WAIT if given is None else given),
    ] = DEFAULT_WAIT


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


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, json_schema_extra=_bare_schema, hide_input_in_errors=True)


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
        reason = TaskError(code=error.code, message=error.sentence) if error else None
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
