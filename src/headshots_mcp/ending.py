"""How this process ends: without complaint where nobody reads any more, and in time though a thread never returns."""

from __future__ import annotations

import errno
import os
import sys
import threading

# Enough for what is left to do, such as sending the last traces; hosts kill a server after two to five.
ENDING_SECONDS = 3.0
_begun = threading.Lock()


def end_soon(code: int) -> None:
    """End this process with `code` in a few seconds, unless it has ended by itself by then; the first call counts.

    At its end Python waits for threads, and one that asks a name server may hang for minutes.
    """
    if not _begun.acquire(blocking=False):
        return
    watchdog = threading.Timer(ENDING_SECONDS, os._exit, [code])
    watchdog.daemon = True
    watchdog.start()


def is_broken_pipe(error: OSError) -> bool:
    """Tell whether an error is only that nobody reads stdout any more."""
    return error.errno == errno.EPIPE or (sys.platform == "win32" and error.errno == errno.EINVAL)
