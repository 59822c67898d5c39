"""Keeps open what the application needs: for its lifespan, or, if it is mounted in another, until the process ends."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.types import ASGIApp, Receive, Scope, Send


class Lifetime:
    """Opens what the application needs with its lifespan, or else with its first request.

    An application that is mounted in another one does not learn when that starts and ends.

    Args:
        opened: Keeps open what is needed; entered once.
    """

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self._opened = opened
        self._ready: asyncio.Event | None = None
        self._holder: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Keep it open until the block is left."""
        self._ready = asyncio.Event()
        async with self._opened():
            self._ready.set()
            yield

    async def ensure(self) -> None:
        """Open it, unless that has been done."""
        if self._ready is None:
            self._ready = asyncio.Event()
            self._holder = asyncio.create_task(self._hold(self._ready))
        await self._ready.wait()

    async def _hold(self, ready: asyncio.Event) -> None:
        async with self._opened():
            ready.set()
            # The event loop cancels this when it ends.
            await asyncio.Event().wait()


class LifetimeMiddleware:
    """Makes sure that what the application needs is open before the first request."""

    def __init__(self, app: ASGIApp, lifetime: Lifetime) -> None:
        self._app = app
        self._lifetime = lifetime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "lifespan":
            await self._lifetime.ensure()
        await self._app(scope, receive, send)
