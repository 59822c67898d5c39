"""The connections to the API, kept apart by caller.

An API or a gateway may send more than was asked for, and what is left over on a connection looks like the answer to
the next request. Therefore a connection carries requests of one caller only, and is closed after anything that was
not the answer to what was asked.
"""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Hashable

    import httpx2

# Through the pauses of somebody who polls; httpx2's own 5 s would mean a new connection for most looks.
KEEPALIVE_SECONDS = 90.0
# Of all callers together, so that those who are gone do not use up this process's open files.
MAX_IDLE = 512


class Idle(NamedTuple):
    """A connection that waits for the next request of its caller."""

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
        """Give a connection for one request; it is kept for another one of this caller unless the block raises."""
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
        """Close the connections that are idle for too long, and the longest idle of too many."""
        expired = anyio.current_time() - KEEPALIVE_SECONDS
        with anyio.CancelScope(shield=True):
            while self._idle and (len(self._idle) > MAX_IDLE or self._idle[0].since < expired):
                await self._idle.popleft().connection.aclose()

    async def aclose(self) -> None:
        """Close all that are idle."""
        with anyio.CancelScope(shield=True):
            while self._idle:
                await self._idle.popleft().connection.aclose()
