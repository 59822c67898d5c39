"""Where logs go, and what stays out of them."""

from __future__ import annotations

import logging
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
