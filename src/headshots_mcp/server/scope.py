"""Reads from an HTTP request's ASGI scope whose request it is, and which transport it belongs to."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Scope

# Where a scope has a stack of what is held until the request is answered.
UNTIL_ANSWERED = "headshots_mcp.until_answered"


def caller_of(scope: Scope) -> bytes:
    """Identify a caller by a digest of its token, which is not kept, or by its address if it sent none."""
    token = next((value for name, value in scope["headers"] if name == b"authorization"), None)
    return sha256(token).digest() if token else str(scope.get("client")).encode()


def is_of_sse(scope: Scope) -> bool:
    """Whether a request carries a message of the older SSE transport, and so ends before its answer is sent."""
    return str(scope["path"]).endswith("/messages/")
