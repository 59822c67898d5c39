"""Admits calls over HTTP: complete ones, from callers who are still there, and no more at once than can be served.

A call that there is no room for is refused at once instead of queued, because a caller who waits too long hangs up,
and the queue would be worked off for nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio.lowlevel import checkpoint
from mcp_types import CallToolResult, TextContent

from headshots_mcp.server.http.bodies import Bodies
from headshots_mcp.server.http.exchange import Exchange
from headshots_mcp.server.http.refusals import BUSY, CallerGone, Refused, busy, shutting_down
from headshots_mcp.server.http.validation import route_of
from headshots_mcp.server.scope import UNTIL_ANSWERED, UntilAnswered, caller_of, is_of_sse
from headshots_mcp.server.slots import Slots
from headshots_mcp.server.turns import Turns

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from starlette.types import ASGIApp, Receive, Scope, Send

    from headshots_mcp.server.http.shutdown import Shutdown

# A call takes one slot, and one more for each of so many bytes: the more ids, the more work.
BYTES_PER_SLOT = 16 * 1024
CALLS = 2048
STREAMS = 2048
# Turns of the event loop after which it knows of a caller who hung up before the call was read.
TURNS = 4
# Where a request's scope keeps the number of slots its call takes.
_SLOTS = "headshots_mcp.slots"


class Admission:
    """Reads a call's body and passes the call on, unless its caller has gone or there is no room for it.

    Args:
        app: Takes the calls.
        calls: Has the slots of calls in progress.
        shutdown: Ends what is in progress.
    """

    def __init__(self, app: ASGIApp, calls: Slots, shutdown: Shutdown) -> None:
        self._app = app
        self._calls = calls
        self._shutdown = shutdown
        self._bodies = Bodies()
        self._sse_messages = Slots(CALLS)
        self._streams = Slots(STREAMS)
        self._turns = Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            if self._shutdown.begun:
                raise shutting_down()
            await self._let_in(scope, receive, send)
        except CallerGone:
            pass
        except Refused as refused:
            await refused.response(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await self._call(scope, receive, send)
        elif route_of(scope) == "/sse":
            await self._stream(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._bodies.read(scope, receive)
        scope[_SLOTS] = 1 + len(body) // BYTES_PER_SLOT
        with self._shutdown.call():
            await Exchange(receive, send, body).run(self._begin, scope, self._shutdown)

    async def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Begin a call, unless its caller turns out to have gone."""
        for _ in range(TURNS):
            await checkpoint()
        calls = self._sse_messages if is_of_sse(scope) else self._calls
        with calls.hold(caller_of(scope), scope[_SLOTS]) as room:
            if not room:
                await busy().response(scope, receive, send)
                return
            if scope[_SLOTS] > 1:
                await self._turns.take()
            scope[UNTIL_ANSWERED] = held = UntilAnswered()
            try:
                await self._app(scope, receive, send)
            finally:
                await held.end()

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.hold(caller_of(scope)) as room:
            if not room:
                raise busy()
            await Exchange(receive, send).run(self._app, scope, self._shutdown)


class SseAdmission:
    """Holds the slots of calls over the older SSE transport, whose requests end before the calls they carry.

    Args:
        calls: Has the slots of calls in progress.
        shutdown: Waits for calls in progress.
    """

    def __init__(self, calls: Slots, shutdown: Shutdown) -> None:
        self._calls = calls
        self._shutdown = shutdown

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Let a message in, or answer with the sentence that there is no room for it."""
        if not (ctx.request and is_of_sse(ctx.request.scope)):
            return await call_next(ctx)
        with (
            self._shutdown.call(),
            self._calls.hold(caller_of(ctx.request.scope), ctx.request.scope[_SLOTS]) as room,
        ):
            return await call_next(ctx) if room else CallToolResult(content=[TextContent(text=BUSY)], is_error=True)
