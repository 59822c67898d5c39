"""From an HTTP response to the documented answer in it, or to the error that its status and code stand for."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from headshots_mcp.api.errors import AnswerNotUnderstood, NoSuchApi, refusal
from headshots_mcp.api.records import TaskRecord, TaskRecords

if TYPE_CHECKING:
    import httpx2

A = TypeVar("A", TaskRecord, TaskRecords)

MAX_BODY = 10 * 1024 * 1024
# Several parts of a batch are under way at once.
MAX_BATCH_BODY = 5 * 1024 * 1024
# A few bytes of JSON can become a kilobyte of objects; commas tell how many there are before any is made.
MAX_COMMAS = 100_000


TASK: TypeAdapter[TaskRecord | None] = TypeAdapter(TaskRecord | None)
TASKS: TypeAdapter[TaskRecords | None] = TypeAdapter(TaskRecords | None)


async def read_body(response: httpx2.Response, limit: int) -> bytearray:
    """Read the body as it comes, and no more of it than an answer can have."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise AnswerNotUnderstood(status=response.status_code)
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > limit:
            break
    if len(body) > limit or body.count(b",") > MAX_COMMAS:
        raise AnswerNotUnderstood("The API's answer was too long to be one.", status=response.status_code)
    return body


def parse_response(response: httpx2.Response, body: bytearray, answer: TypeAdapter[A | None], token: str) -> A | None:
    """Find the documented answer in a response, or raise what its status or error code means.

    Whoever answers may repeat the token, also where a code or a trace id should be.
    """
    status = response.status_code
    if status == 404 and "html" in response.headers.get("content-type", ""):
        raise NoSuchApi(status=status)
    retry_after = _seconds(response.headers.get("retry-after", ""))
    if status == 200 and len(body) < 100 and body.translate(None, b" \t\r\n") == b"{}":
        return None
    try:
        received = answer.validate_json(body)
    except ValidationError as error:
        if status == 200:
            raise AnswerNotUnderstood from error
        raise refusal(status, retry_after=retry_after) from error
    if status == 200 and not (received and received.is_error_body):
        return received
    code = received.error.code if received and received.error else None
    trace_id = received.trace_id if received else None
    code, trace_id = (None if text and token in text else text for text in (code, trace_id))
    raise refusal(status, code=code, trace_id=trace_id, retry_after=retry_after)


def _seconds(retry_after: str) -> float | None:
    """Read `Retry-After`, a number of seconds or a date (RFC 9110, section 10.2.3); None if it is neither."""
    if re.fullmatch("[0-9]{1,9}", retry_after):
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
        date = date if date.tzinfo else date.replace(tzinfo=timezone.utc)
        return max(0.0, (date - datetime.now(timezone.utc)).total_seconds())
    except (ValueError, OverflowError):
        return None
