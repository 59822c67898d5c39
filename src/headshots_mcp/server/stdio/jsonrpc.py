"""Reads one line of JSON-RPC: the messages on it, or the errors that answer what is not a message.

The SDK's transport for stdio silently drops the latter, and the sender waits for ever
(https://github.com/modelcontextprotocol/python-sdk/issues/2751).
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any

from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
)
from pydantic import ValidationError
from pydantic_core import from_json

if TYPE_CHECKING:
    from mcp_types import RequestId

# Parts of a line that cannot be parsed: an id and what must follow it, other strings, and brackets, to know the depth.
_PARTS = re.compile(
    rb"""
    "id"\s*:\s*(?P<id> -?\d+ | "(?:[^"\\]|\\.)*")(?=\s*[,}])
    | "(?:[^"\\]|\\.)*(?:"|\\?$)
    | (?P<opens>[\[{]) | (?P<closes>[\]}])
    """,
    re.DOTALL | re.VERBOSE,
)


def read_messages(line: bytes) -> list[JSONRPCRequest | JSONRPCNotification | JSONRPCError]:
    """Read a line: requests and notifications to be served, and errors to be sent back.

    A byte order mark is skipped. A batch, which only one revision of MCP has (2025-03-26), is read as its messages one
    by one. Responses are left out, because this server never asks its host for anything.
    """
    text = line.removeprefix(codecs.BOM_UTF8).strip()
    if not text:
        return []
    try:
        found = from_json(text)
    except ValueError:
        return [_error(_find_id(text), PARSE_ERROR, "Parse error: the line is not valid JSON.")]
    items = found if isinstance(found, list) and found else [found]
    return [message for item in items if (message := _read_message(item))]


def _read_message(item: Any) -> JSONRPCRequest | JSONRPCNotification | JSONRPCError | None:
    if not isinstance(item, dict):
        return _error(None, INVALID_REQUEST, "Invalid request: a message must be a JSON object.")
    if "method" not in item and ("result" in item or "error" in item):
        return None
    try:
        return (JSONRPCRequest if "id" in item else JSONRPCNotification).model_validate(item)
    except ValidationError as error:
        wrong = {str(detail["loc"][0]) for detail in error.errors()}
    if wrong == {"params"}:
        # The sender of a notification expects no answer.
        return _error(item["id"], INVALID_PARAMS, "Invalid params: must be an object.") if "id" in item else None
    request_id = None if "id" in wrong else item.get("id")
    return _error(request_id, INVALID_REQUEST, f"Invalid request: {', '.join(sorted(wrong))} missing or wrong.")


def _find_id(text: bytes) -> RequestId | None:
    """Find the id of a request that cannot be parsed as a whole, for example because a string is not UTF-8."""
    depth = 0
    for part in _PARTS.finditer(text):
        if part["id"] and depth == 1:
            try:
                return from_json(part["id"])  # type: ignore[no-any-return]
            except ValueError:
                return None
        if part["opens"]:
            depth += 1
        elif part["closes"]:
            depth -= 1
    return None


def _error(request_id: RequestId | None, code: int, message: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=message))
