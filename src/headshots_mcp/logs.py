"""Where logs go, and what stays out of them."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headshots_mcp.settings import LogLevel


def log_to_stderr(level: LogLevel) -> None:
    """Send logs to stderr, ours from `level` on, those of other packages only if they are serious.

    Below that others write out what they carry: headers, addresses, what callers sent.
    """
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger().setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("headshots_mcp").setLevel(level)
    logging.getLogger("mcp").setLevel(logging.ERROR)
    # It answers a body that is no JSON with 400, and prints it with a traceback.
    logging.getLogger("mcp.server.sse").setLevel(logging.CRITICAL)
    for name in ("uvicorn.error", "mcp.server.streamable_http"):
        logging.getLogger(name).addFilter(_is_a_fault)
    # pydantic's errors name its version in a link, and the SDK passes them on to callers.
    os.environ["PYDANTIC_ERRORS_INCLUDE_URL"] = "0"


def _is_a_fault(record: logging.LogRecord) -> bool:
    """Tell a fault from calls that are cut short: by their client, or because the server was told to end."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, asyncio.CancelledError) or type(error).__name__ == "ClientDisconnect":
        return False
    message = record.getMessage()
    return "timeout graceful shutdown" not in message and "without completing response" not in message
