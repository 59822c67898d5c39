"""Turns an HTTP response into the documented answer, or into the error that its status and code stand for."""

from __future__ import annotations

import json
import re
from contextlib import aclosing
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from headshots_mcp.api.errors import KNOWN_CODES, AnswerNotUnderstood, NoSuchApi, NotFound, failure_for
from headshots_mcp.api.records import TaskRecord, TaskRecords

if TYPE_CHECKING:
    import httpx2

    from headshots_mcp.api.errors import LookupFailed
    from headshots_mcp.api.records import ReceivedError

A = TypeVar("A", TaskRecord, TaskRecords)

MAX_RESPONSE_BYTES = 10 * 1024 * 1024
# Smaller, because several parts of a batch are in progress at once.
MAX_BATCH_RESPONSE_BYTES = 5 * 1024 * 1024
# A few bytes of JSON can become a kilobyte of objects; the commas tell how many, before any object is made.
MAX_COMMAS = 100_000
# Once there are many chunks, each has to have this many bytes on average, because each takes time of its own.
MANY_CHUNKS, MIN_CHUNK_BYTES = 1_000, 64

# How JSON writes half of a character outside the Basic Multilingual Plane, such as an emoji (RFC 8259, section 7).
_SURROGATE = rb"\ud"

_LATER = ConfigDict(defer_build=True)
TASK: TypeAdapter[TaskRecord | None] = TypeAdapter(TaskRecord | None, config=_LATER)
TASKS: TypeAdapter[TaskRecords | None] = TypeAdapter(TaskRecords | None, config=_LATER)


def is_trickle(chunks: int, size: int) -> bool:
    """Return whether so many tiny chunks have arrived, of `size` bytes in all, that they only keep a lookup busy."""
    return chunks > MANY_CHUNKS and size < MIN_CHUNK_BYTES * chunks


async def read_body(response: httpx2.Response, limit: int) -> bytearray:
    """Read the body as it arrives, at most `limit` bytes.

    Raises:
        AnswerNotUnderstood: If it is encoded, too long, or only trickles in.
    """
    if response.headers.get("content-encoding", "identity") != "identity":
        raise AnswerNotUnderstood(status=response.status_code)
    body, chunks = bytearray(), 0
    async with aclosing(response.aiter_raw()) as received:
        async for chunk in received:
            body += chunk
            chunks += 1
            if len(body) > limit or is_trickle(chunks, len(body)):
                break
    if is_trickle(chunks, len(body)):
        raise AnswerNotUnderstood(status=response.status_code)
    if len(body) > limit or body.count(b",") > MAX_COMMAS:
        raise AnswerNotUnderstood("The API's response was too large to be an answer.", status=response.status_code)
    return body


def parse_response(response: httpx2.Response, body: bytearray, answer: TypeAdapter[A | None], token: str) -> A | None:
    """Find the documented answer in a response.

    Returns:
        The answer, or None for an empty one: `null` or `{}`.

    Raises:
        LookupFailed: The error that the API's code, or else the HTTP status, stands for.
    """
    if response.status_code == 200 and _is_empty(body):
        return None
    try:
        received = _read_json(body, answer)
    except (ValueError, RecursionError) as error:
        raise _failure(response, body, None, token) from error
    if response.status_code == 200 and received and not received.is_error_body:
        return received
    raise _failure(response, body, received, token)


def _read_json(body: bytearray, answer: TypeAdapter[A | None]) -> A | None:
    """Read an answer, even if it holds a text that was cut in the middle of a character."""
    try:
        return answer.validate_json(body)
    except ValidationError:
        if _SURROGATE not in body.lower():
            raise
    return answer.validate_python(json.loads(body))  # unlike pydantic's parser, this one reads half a character


def _failure(
    response: httpx2.Response, body: bytearray, received: TaskRecord | TaskRecords | None, token: str
) -> LookupFailed:
    """Make the error that a response stands for; a code or trace id that repeats the token is dropped."""
    code = code_of(received.error) if received else None
    trace_id = received.trace_id if received else None
    code, trace_id = (None if text and token in text else text for text in (code, trace_id))
    retry_after = _seconds(response.headers.get("retry-after", ""))
    failure = failure_for(response.status_code, code=code, trace_id=trace_id, retry_after=retry_after)
    if isinstance(failure, NotFound) and body and not (_is_empty(body) or _is_of_the_api(received)):
        return NoSuchApi(status=response.status_code)
    return failure


def code_of(error: ReceivedError | None) -> str | None:
    """Return the code of an error; a bare string may be the code."""
    if error is None:
        return None
    return error.code or (error.message if error.message in KNOWN_CODES else None)


def _is_of_the_api(received: TaskRecord | TaskRecords | None) -> bool:
    """Whether an error has the shape of the API's, and not that of some other server."""
    return received is not None and bool(received.model_fields_set & {"error", "success", "trace_id"})


def _is_empty(body: bytearray) -> bool:
    """Whether a body is `{}` or `null`; once parsed, `{}` looks like an object with unknown fields only."""
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
