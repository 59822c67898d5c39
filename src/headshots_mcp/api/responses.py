"""From an HTTP response to the documented answer in it, or to the error that its status and code stand for."""

from __future__ import annotations

import re
from contextlib import aclosing
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from headshots_mcp.api.errors import KNOWN_CODES, AnswerNotUnderstood, NoSuchApi, NotFound, refusal
from headshots_mcp.api.records import TaskRecord, TaskRecords

if TYPE_CHECKING:
    import httpx2

    from headshots_mcp.api.errors import LookupFailed
    from headshots_mcp.api.records import ReceivedError

A = TypeVar("A", TaskRecord, TaskRecords)

MAX_BODY = 10 * 1024 * 1024
# Several parts of a batch are under way at once.
MAX_BATCH_BODY = 5 * 1024 * 1024
# A few bytes of JSON can become a kilobyte of objects; commas tell how many there are before any is made.
MAX_COMMAS = 100_000
# Parts that must be of some size, in bytes on average, once there are many: each costs time of its own.
MANY_PARTS, SMALL_PART = 1_000, 64

_LATER = ConfigDict(defer_build=True)
TASK: TypeAdapter[TaskRecord | None] = TypeAdapter(TaskRecord | None, config=_LATER)
TASKS: TypeAdapter[TaskRecords | None] = TypeAdapter(TaskRecords | None, config=_LATER)


def is_dust(parts: int, size: int) -> bool:
    """Tell whether so many small parts have come, with so little in all, that they only keep a lookup busy."""
    return parts > MANY_PARTS and size < SMALL_PART * parts


async def read_body(response: httpx2.Response, limit: int) -> bytearray:
    """Read the body as it comes, and no more of it than an answer can have."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise AnswerNotUnderstood(status=response.status_code)
    body, parts = bytearray(), 0
    async with aclosing(response.aiter_raw()) as received:
        async for part in received:
            body += part
            parts += 1
            if len(body) > limit or is_dust(parts, len(body)):
                break
    if is_dust(parts, len(body)):
        raise AnswerNotUnderstood(status=response.status_code)
    if len(body) > limit or body.count(b",") > MAX_COMMAS:
        raise AnswerNotUnderstood("The API's answer was too long to be one.", status=response.status_code)
    return body


def parse_response(response: httpx2.Response, body: bytearray, answer: TypeAdapter[A | None], token: str) -> A | None:
    """Find the documented answer in a response.

    Returns:
        None where it holds nothing: `null` or `{}`.

    Raises:
        LookupFailed: What an error's code, or else the HTTP status, means.
    """
    if response.status_code == 200 and _is_empty(body):
        return None
    try:
        received = answer.validate_json(body)
    except ValidationError as error:
        raise _refusal(response, body, None, token) from error
    if response.status_code == 200 and received and not received.is_error_body:
        return received
    raise _refusal(response, body, received, token)


def _refusal(
    response: httpx2.Response, body: bytearray, received: TaskRecord | TaskRecords | None, token: str
) -> LookupFailed:
    """Give the error that an answer stands for; whoever answers may repeat the token where a code should be."""
    code = code_of(received.error) if received else None
    trace_id = received.trace_id if received else None
    code, trace_id = (None if text and token in text else text for text in (code, trace_id))
    retry_after = _seconds(response.headers.get("retry-after", ""))
    failure = refusal(response.status_code, code=code, trace_id=trace_id, retry_after=retry_after)
    if isinstance(failure, NotFound) and body and not (_is_empty(body) or _is_of_the_api(received)):
        return NoSuchApi(status=response.status_code)
    return failure


def code_of(error: ReceivedError | None) -> str | None:
    """Give the code of an error, which may be all there is of it."""
    if error is None:
        return None
    return error.code or (error.message if error.message in KNOWN_CODES else None)


def _is_of_the_api(received: TaskRecord | TaskRecords | None) -> bool:
    """Whether an error has the shape of the API's, and not that of some other server."""
    return received is not None and bool(received.model_fields_set & {"error", "success", "trace_id"})


def _is_empty(body: bytearray) -> bool:
    return bytes(body.translate(None, b" \t\r\n")) in (b"{}", b"null")


def _seconds(retry_after: str) -> float | None:
    """Read `Retry-After`, a number of seconds or a date (RFC 9110, section 10.2.3); None if it is neither."""
    if re.fullmatch("[0-9]+", retry_after):
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
        date = date if date.tzinfo else date.replace(tzinfo=timezone.utc)
        return max(0.0, (date - datetime.now(timezone.utc)).total_seconds())
    except (ValueError, OverflowError):
        return None
