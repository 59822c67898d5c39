"""Refusals over HTTP, as JSON-RPC errors, because MCP clients show the sentence in those to their users."""

from __future__ import annotations

from mcp_types import INVALID_REQUEST
from starlette.responses import JSONResponse


def refusal(status: int, sentence: str, **headers: str) -> JSONResponse:
    """Answer with one sentence; without the id of the call, which nobody has read yet."""
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": INVALID_REQUEST, "message": sentence}}
    return JSONResponse(body, status, {name.replace("_", "-"): value for name, value in headers.items()})
