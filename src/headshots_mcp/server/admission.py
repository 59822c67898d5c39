"""Lets calls over HTTP begin: complete, from callers who are still there, and no more at once than can be served.

What there is no room for is refused at once instead of queued, because a caller who waits too long hangs up, and the
queue would be worked off for nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
from anyio.lowlevel import checkpoint
from mcp_types import CallToolResult, TextContent
from starlette.datastructures import Headers

from headshots_mcp.server.places import Places, caller_of
from headshots_mcp.server.refusals import refusal

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Enough for 1,000 ids of 128 characters, each written as two escapes of six bytes.
MAX_BODY = 1536 * 1024
BODY_SECONDS = 30.0
# A call takes one place, and one more for each of so many bytes: the more ids, the more work.
BYTES_PER_PLACE = 16 * 1024
CALLS = 2048
STREAMS = 2048
# Bytes of bodies that are still arriving. One that is there at once, as most are, needs no room.
ARRIVING_BYTES = 64 * 1024 * 1024
RETRY_AFTER_SECONDS = 2
BUSY = f"This server is handling too many lookups right now. Try again in {RETRY_AFTER_SECONDS} seconds."
# Turns of the event loop within which it learns that a caller hung up before its call was read.
TURNS = 4
# Where a request's scope keeps the number of places its call takes.
_PLACES = "headshots_mcp.places"


class Admission:
    """Reads a call's body and passes the call on, unless its caller has gone or there is no room for it.

    A call in progress is cancelled as soon as its caller goes.

    Args:
        app: Takes the calls.
        calls: Has the places of calls in progress.
    """

    def __init__(self, app: ASGIApp, calls: Places) -> None:
        self._app = app
        self._calls = calls
        self._sse_messages = Places(CALLS)
        self._streams = Places(STREAMS)
        self._arriving = Places(ARRIVING_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "POST":
            body = await self._read(scope, receive)
            if isinstance(body, bytes):
                await self._serve(body, scope, receive, send)
            elif body:
                await body(scope, receive, send)
        else:
            with self._streams.hold(caller_of(scope)) as room:
                await (self._app if room else busy())(scope, receive, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | Response | None:
        """Read the body; gives a refusal if that cannot be done, None if the caller goes."""
        declared = Headers(scope=scope).get("content-length", "")
        size = int(declared) if declared.isdecimal() else MAX_BODY
        if size > MAX_BODY:
            return _too_large()
        body = bytearray()
        with anyio.move_on_after(BODY_SECONDS):
            message = await receive()
            with self._arriving.hold(caller_of(scope), size if message.get("more_body") else 0) as room:
                if not room:
                    return busy()
                while message["type"] != "http.disconnect":
                    body += message.get("body", b"")
                    if len(body) > MAX_BODY:
                        return _too_large()
                    if not message.get("more_body"):
                        return bytes(body)
                    message = await receive()
                return None
        return refusal(408, "The request took too long to arrive.", connection="close")

    async def _serve(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        call = _Call(body, receive, send)
        places = scope[_PLACES] = 1 + len(body) // BYTES_PER_PLACE
        calls = self._sse_messages if _is_of_sse(scope) else self._calls
        async with anyio.create_task_group() as group:
            group.start_soon(call.cancel_when_caller_goes, group.cancel_scope)
            for _ in range(TURNS):
                await checkpoint()
            with calls.hold(caller_of(scope), places) as room:
                await (self._app if room else busy())(scope, call.receive, call.send)
            group.cancel_scope.cancel()


class SseAdmission:
    """Holds the places of calls over the older SSE transport, whose requests end before the calls they bring.

    Args:
        calls: Has the places of calls in progress.
    """

    def __init__(self, calls: Places) -> None:
        self._calls = calls

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Let a message in, or answer in words that there is no room for it."""
        if not (ctx.request and _is_of_sse(ctx.request.scope)):
            return await call_next(ctx)
        with self._calls.hold(caller_of(ctx.request.scope), ctx.request.scope[_PLACES]) as room:
            return await call_next(ctx) if room else CallToolResult(content=[TextContent(text=BUSY)], is_error=True)


class _Call:
    """A call whose body has been read: the messages of its connection as the application gets them."""

    def __init__(self, body: bytes, receive: Receive, send: Send) -> None:
        self._unread = [body]
        self._receive = receive
        self._send = send
        self._gone = anyio.Event()
        self._answered = False

    async def receive(self) -> Message:
        if self._unread:
            return {"type": "http.request", "body": self._unread.pop(), "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self._answered = message["type"] == "http.response.body" and not message.get("more_body")
        await self._send(message)

    async def cancel_when_caller_goes(self, scope: anyio.CancelScope) -> None:
        """Wait for the end of the connection; what the application does after its answer goes on."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone.set()
        if not self._answered:
            scope.cancel()


def _is_of_sse(scope: Scope) -> bool:
    return str(scope["path"]).endswith("/messages/")


def busy() -> Response:
    """Refuse what there is no room for."""
    return refusal(503, BUSY, retry_after=str(RETRY_AFTER_SECONDS))


def _too_large() -> Response:
    return refusal(413, "The request is too large: 1.5 MiB is enough for 1,000 task ids.")
