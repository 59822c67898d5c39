"""Refusals over HTTP, as JSON-RPC errors, because MCP clients show the sentence in these to their users."""

from __future__ import annotations

from mcp_types import INVALID_REQUEST
from starlette.responses import JSONResponse

from headshots_mcp.api.errors import ServerBusy

RETRY_AFTER_SECONDS = 2
BUSY = str(ServerBusy(retry_after=RETRY_AFTER_SECONDS))


class Refused(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, sentence: str, **headers: str) -> None:
        super().__init__(sentence)
        self.response = refusal(status, sentence, **headers)


class CallerGone(Exception):
    """The caller has hung up, so there is nobody to answer."""


def refusal(status: int, sentence: str, **headers: str) -> JSONResponse:
    """Answer with one sentence, and without the id of the call, which has not been read."""
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": INVALID_REQUEST, "message": sentence}}
    return JSONResponse(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def busy() -> Refused:
    """Refuse a request that there is no room for."""
    return Refused(503, BUSY, retry_after=str(RETRY_AFTER_SECONDS))


def shutting_down() -> Refused:
    """Refuse a request that comes during a shutdown."""
    return Refused(503, "This server is shutting down. Try again.", retry_after="1", connection="close")
