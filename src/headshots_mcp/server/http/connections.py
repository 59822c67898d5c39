"""Limits the connections of the uvicorn that serves us: how many there may be, and how long a request may take."""

from __future__ import annotations

import gc
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from headshots_mcp.server.http.shutdown import DRAIN_SECONDS

if TYPE_CHECKING:
    import asyncio

    import uvicorn

KEEPALIVE_SECONDS = 75
# How often to check a connection; one that has been waiting for a request's head since the last check is closed.
HEAD_SECONDS = 20.0
MAX_OPEN_FILES = 65_536
# New objects after which Python looks for garbage. With its default of 700 and hundreds of calls in progress, half of
# the time goes into looking at objects that are still needed.
GARBAGE = 50_000
# Read from a connection at once. asyncio takes 256 KiB, which may be 40,000 chunks of one byte, parsed in one go.
READ_BYTES = 32 * 1024
# Files reserved for connections to the API.
RESERVED_FILES = 256
_UVICORNS_KEEPALIVE_SECONDS = 5
# One object is one connection; with HTTP/2 it would not be.
_PROTOCOLS = ("H11Protocol", "HttpToolsProtocol", "ZttpProtocol")


def set_up_uvicorn() -> None:
    """Set up the uvicorn that runs this process, whether started by `headshots-mcp` or as `uvicorn --factory`.

    What its own flags say is left as it is.
    """
    gc.freeze()  # what has been loaded stays, so looking for garbage in it would be a waste
    gc.set_threshold(GARBAGE)
    files = allow_many_connections()
    server = _running_uvicorn()
    if server is None:
        return
    config = server.config
    if config.timeout_keep_alive == _UVICORNS_KEEPALIVE_SECONDS:
        config.timeout_keep_alive = KEEPALIVE_SECONDS
    if config.timeout_graceful_shutdown is None:
        config.timeout_graceful_shutdown = int(DRAIN_SECONDS) + 1
    config.encoded_headers = [header for header in config.encoded_headers if header != (b"server", b"uvicorn")]
    if config.http_protocol_class.__name__ in _PROTOCOLS:
        config.http_protocol_class = _guarded(config.http_protocol_class, max(files - RESERVED_FILES, files // 2))


def _running_uvicorn() -> uvicorn.Server | None:
    """Find the server by the signal handler that it has set."""
    if threading.current_thread() is not threading.main_thread():
        return None
    found = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return found if hasattr(found, "server_state") else None


def allow_many_connections() -> int:
    """Raise the limit on open files as far as the system allows, so that idle connections do not use it up.

    Returns:
        The limit that is in force now.
    """
    if sys.platform == "win32":  # it has no such limit
        return MAX_OPEN_FILES
    import resource  # noqa: PLC0415 -- not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS calls the limit infinite and refuses more than its kernel's own, which is 10,240 or more.
    for wanted in (MAX_OPEN_FILES, 10_240):
        limit = max(soft, wanted if hard == resource.RLIM_INFINITY else min(hard, wanted))
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            return limit
    return soft


def _send_at_once(connection: Any) -> None:
    """Send an answer without waiting for its first half to be acknowledged, which systems put off for 40 ms.

    asyncio sets this itself only if it has made the listening socket.
    """
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _guarded(protocol: Any, most: int) -> Any:
    """Extend uvicorn's protocol so that it closes connections that are too many or too slow."""

    class Guarded(protocol):  # type: ignore[misc]
        _was_waiting = False
        _check: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            with suppress(AttributeError):  # uvloop's transports have no such setting
                transport.max_size = READ_BYTES  # type: ignore[attr-defined]
            _send_at_once(transport.get_extra_info("socket"))
            if len(self.connections) > most:
                transport.abort()
            else:
                self._look_after()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._check:
                self._check.cancel()
            super().connection_lost(exc)

        def _look_after(self) -> None:
            """Close a connection if a request's head does not arrive, or if what was sent is not read."""
            if self.transport.get_protocol() is not self:
                return  # it has become a websocket of the application that ours is mounted in
            # uvicorn itself times connections that wait for the first byte of a further request.
            waiting = self.timeout_keep_alive_task is None and (self.cycle is None or self.cycle.response_complete)
            if self.transport.is_closing() or (waiting and self._was_waiting):
                self.transport.abort()
                return
            self._was_waiting = waiting
            self._check = self.loop.call_later(HEAD_SECONDS, self._look_after)

    return Guarded
