"""Sends logs to stderr, and keeps out of them what does not belong there."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headshots_mcp.settings import LogLevel


def log_to_stderr(level: LogLevel) -> None:
    """Send logs to stderr: our own from `level` on, those of other packages only from WARNING on.

    Below that, other packages log what they carry: headers, addresses, what callers sent.
    """
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger().setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("headshots_mcp").setLevel(level)
    logging.getLogger("mcp").setLevel(logging.ERROR)
    # It logs a body that is not JSON with a traceback, though it rightly answers 400.
    logging.getLogger("mcp.server.sse").setLevel(logging.CRITICAL)
    for name in ("uvicorn.error", "mcp.server.streamable_http"):
        logging.getLogger(name).addFilter(_is_a_fault)
    logging.getLogger("asyncio").addFilter(_TooManyFiles())
    # pydantic puts a link with its version into errors, which the SDK passes on to callers.
    os.environ["PYDANTIC_ERRORS_INCLUDE_URL"] = "0"


class _TooManyFiles(logging.Filter):
    """Says in one line, once a minute, that no file is left for a connection; asyncio would print tracebacks."""

    def __init__(self) -> None:
        super().__init__()
        self._said = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        """Let other messages pass."""
        if not record.getMessage().startswith("socket.accept() out of system resource"):
            return True
        if time.monotonic() - self._said < 60:
            return False
        self._said = time.monotonic()
        record.msg, record.args, record.exc_info = _TOO_MANY_FILES, None, None
        return True


_TOO_MANY_FILES = "No connection can be accepted: too many open files. Raise the limit (LimitNOFILE or ulimit -n)."


# What uvicorn logs about calls that are cut short, by their client or by a shutdown, and about clients that ask for a
# websocket.
_NO_FAULTS = (
    "timeout graceful shutdown",
    "without completing response",
    "Unsupported upgrade request",
    "No supported WebSocket library",
)


def _is_a_fault(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, asyncio.CancelledError) or type(error).__name__ == "ClientDisconnect":
        return False
    message = record.getMessage()
    return not any(each in message for each in _NO_FAULTS)
