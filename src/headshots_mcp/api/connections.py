"""Keeps connections to the API open between requests, each for one caller.

An API or a gateway may send more than was asked for, and what is left on a connection looks like the answer to the
next request. So a connection only ever carries one caller's requests, and is closed after anything but the expected
answer.
"""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Hashable

    import httpx2

# Longer than the pauses between polls; with httpx2's default of 5 s, most polls would need a new connection.
MAX_IDLE_SECONDS = 90.0
# Of all callers together, so that callers who have left do not use up this process's open files.
MAX_IDLE_CONNECTIONS = 512


class Idle(NamedTuple):
    """An open connection that waits for its caller's next request."""

    caller: Hashable
    since: float
    connection: httpx2.AsyncBaseTransport


class Connections:
    """Lends connections, and keeps them open between the requests of the same caller."""

    def __init__(self, connect: Callable[[], Awaitable[httpx2.AsyncBaseTransport]]) -> None:
        self._connect = connect
        self._idle: deque[Idle] = deque()

    @asynccontextmanager
    async def lend(self, caller: Hashable) -> AsyncIterator[httpx2.AsyncBaseTransport]:
        """Lend a connection for one request; unless the block raises, it is kept for this caller's next one."""
        connection = self._take(caller) or await self._connect()
        try:
            yield connection
        except BaseException:
            with anyio.CancelScope(shield=True):
                await connection.aclose()
            raise
        self._idle.append(Idle(caller, anyio.current_time(), connection))
        await self._close_surplus()

    def _take(self, caller: Hashable) -> httpx2.AsyncBaseTransport | None:
        """Take the connection this caller used last, if there is one."""
        for idle in reversed(self._idle):
            if idle.caller == caller:
                self._idle.remove(idle)
                return idle.connection
        return None

    async def _close_surplus(self) -> None:
        """Close connections that have been idle for too long, and the longest idle ones if there are too many."""
        expired = anyio.current_time() - MAX_IDLE_SECONDS
        with anyio.CancelScope(shield=True):
            while self._idle and (len(self._idle) > MAX_IDLE_CONNECTIONS or self._idle[0].since < expired):
                await self._idle.popleft().connection.aclose()

    async def aclose(self) -> None:
        """Close all idle connections."""
        with anyio.CancelScope(shield=True):
            while self._idle:
                await self._idle.popleft().connection.aclose()
