"""Ends this process: quietly if nobody reads its output any more, and in time even if a thread never returns."""

from __future__ import annotations

import errno
import os
import sys
import threading

# Enough for what is left to do, such as sending the last traces; hosts kill a server after two to five.
ENDING_SECONDS = 3.0
_begun = threading.Lock()


def end_soon(code: int) -> None:
    """End this process with `code` in a few seconds, unless it ends by itself before; only the first call counts.

    Before it ends, Python waits for its threads, and one that asks a name server may hang for minutes.
    """
    if not _begun.acquire(blocking=False):
        return
    watchdog = threading.Timer(ENDING_SECONDS, os._exit, [code])
    watchdog.daemon = True
    watchdog.start()


def is_broken_pipe(error: OSError) -> bool:
    """Whether an error only means that nobody reads stdout any more; Windows reports that as EINVAL."""
    return error.errno == errno.EPIPE or (sys.platform == "win32" and error.errno == errno.EINVAL)
