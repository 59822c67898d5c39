"""One HTTP exchange in progress: what the application learns about its caller, and how its answer ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from headshots_mcp.server.http.refusals import shutting_down

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from headshots_mcp.server.http.shutdown import Shutdown

# A caller that does not read for this long is treated as gone.
SEND_SECONDS = 60.0
# Bytes from which a part of an answer is large: what asyncio lets pile up before it makes a sender wait.
LARGE = 64 * 1024


class Exchange:
    """Hands an application a body that has been read, and the rest of the exchange as it comes.

    Args:
        receive: Receives from the caller.
        send: Sends to the caller.
        body: The body of a call, which is cancelled as soon as its caller hangs up; None for a stream, whose
            application ends by itself.
    """

    def __init__(self, receive: Receive, send: Send, body: bytes | None = None) -> None:
        self._receive = receive
        self._send = send
        self._is_call = body is not None
        self._unread: bytes | None = body or b""
        self._gone = anyio.Event()
        self._started = self._ended = False
        self._scope = anyio.CancelScope()

    async def run(self, app: ASGIApp, scope: Scope, shutdown: Shutdown) -> None:
        """Run the application until it has answered, its caller hangs up or the server shuts down."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch)
            with self._scope, shutdown.ends(self._scope):
                await app(scope, self.receive, self.send)
            group.cancel_scope.cancel()
        if self._scope.cancelled_caught and not self._gone.is_set():
            await self._cut_short(scope)

    async def receive(self) -> Message:
        """Return the body, then nothing until the caller hangs up."""
        if self._unread is not None:
            body, self._unread = self._unread, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send a part of the answer; a large last one is followed by an empty one, which waits until it has been read.

        Otherwise the answer would have ended, with all that is held for it, and still be in memory.
        """
        if len(message.get("body", b"")) > LARGE and not message.get("more_body"):
            await self._send_part({**message, "more_body": True})
            message = {"type": "http.response.body", "body": b""}
        await self._send_part(message)

    async def _send_part(self, message: Message) -> None:
        self._started = True
        self._ended = message["type"] == "http.response.body" and not message.get("more_body")
        with anyio.move_on_after(SEND_SECONDS) as sending:
            await self._send(message)
        if sending.cancelled_caught:
            self._leave()

    async def _watch(self) -> None:
        """Wait for the end of the connection; work that goes on after the answer is left alone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._ended:
            self._leave()

    def _leave(self) -> None:
        self._gone.set()
        if self._is_call:
            self._scope.cancel()

    async def _cut_short(self, scope: Scope) -> None:
        if not self._started:
            await shutting_down().response(scope, self._receive, self._send)
        elif not self._ended:
            await self._send({"type": "http.response.body", "body": b""})
