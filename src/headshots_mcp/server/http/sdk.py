"""The HTTP transports of the MCP SDK, with what hosts need and the SDK lacks (docs/design.md)."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse
from sse_starlette.sse import AppStatus
from starlette.datastructures import QueryParams

from headshots_mcp.server.http.refusals import refusal
from headshots_mcp.server.http.validation import accepted_types
from headshots_mcp.server.scope import caller_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp.server.mcpserver import MCPServer
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# validation.py checks hosts and origins more strictly.
_NO_CHECKS = TransportSecuritySettings(enable_dns_rebinding_protection=False)
# In the first event of a session, by which its client learns where to send messages.
_SESSION_ID = re.compile(rb"\?session_id=([0-9a-f]{32})")


def keep_streams_at_signals() -> None:
    """Keep sse_starlette from cutting all streams at the first signal; shutdown.py ends ours gracefully."""
    AppStatus.enable_automatic_graceful_drain = False


def end_streams() -> None:
    """Let sse_starlette end the streams of any other application in this process."""
    AppStatus.should_exit = True


class StreamableApp:
    """Streamable HTTP: answers with an event stream, or with JSON to clients that accept nothing else.

    The SDK refuses clients that do not name both types.
    """

    def __init__(self, server: MCPServer[Any]) -> None:
        self._with_events = _manager(server, json_response=False)
        self._json_only = _manager(server, json_response=True)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve until the block is left."""
        async with self._with_events.run(), self._json_only.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call."""
        takes_json, takes_events = accepted_types(scope)
        if not (takes_json or takes_events):
            await refusal(406, "Accept application/json and text/event-stream.")(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"accept"]
        headers.append((b"accept", b"application/json, text/event-stream"))
        manager = self._with_events if takes_events else self._json_only
        await manager.handle_request({**scope, "headers": headers}, receive, send)


def _manager(server: MCPServer[Any], *, json_response: bool) -> StreamableHTTPSessionManager:
    server.streamable_http_app(stateless_http=True, json_response=json_response, transport_security=_NO_CHECKS)
    return server.session_manager


# The SSE transport renders every message for its debug log, even if that is off, which takes 0.1 s for a large one.
for _message in (SessionMessage, JSONRPCRequest, JSONRPCNotification, JSONRPCResponse, JSONRPCError):
    _message.__repr__ = _message.__str__ = object.__repr__  # type: ignore[method-assign]


class SseApp:
    """The older SSE transport; each session belongs to one token.

    That is the token that opened it. If the client opened it without one, because it sends headers with messages only
    (as older clients and a browser's EventSource do), it is the token of the first message that has one. The SDK binds
    sessions only to users it knows from OAuth.
    """

    def __init__(self, server: MCPServer[Any]) -> None:
        self._app = server.sse_app(transport_security=_NO_CHECKS)
        self._owners: dict[str, bytes | None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open a session, or take a message for one."""
        if scope["method"] != "POST":
            await self._open(scope, receive, send)
        elif self._may_send(scope):
            await self._app(scope, receive, send)
        else:
            await refusal(404, "This session does not exist, or belongs to another token.")(scope, receive, send)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        session_id = ""

        async def send_and_note(message: Message) -> None:
            nonlocal session_id
            if not session_id and (found := _SESSION_ID.search(message.get("body", b""))):
                session_id = found[1].decode()
                self._owners[session_id] = _owner(scope)
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            self._owners.pop(session_id, None)

    def _may_send(self, scope: Scope) -> bool:
        """Return whether a message may go to its session; one for an unknown session is left for the SDK to refuse."""
        session_id, owner = _session_id(scope), _owner(scope)
        if session_id not in self._owners:
            return True
        if self._owners[session_id] is None:
            self._owners[session_id] = owner
        return self._owners[session_id] == owner


def _owner(scope: Scope) -> bytes | None:
    has_token = any(name == b"authorization" for name, _ in scope["headers"])
    return caller_of(scope) if has_token else None


def _session_id(scope: Scope) -> str | None:
    """Read a session's id as the SDK does, which accepts several forms of it."""
    with suppress(ValueError):
        return UUID(hex=QueryParams(scope["query_string"]).get("session_id", "")).hex
    return None


class SingleResponse:
    """Ends a response where the SDK starts a second one, as it does when an SSE stream was cut short."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its first response back."""
        started = ended = False

        async def send_first(message: Message) -> None:
            nonlocal started, ended
            if ended:
                return
            if message["type"] == "http.response.start" and started:
                message = {"type": "http.response.body", "body": b""}
            started = True
            ended = message["type"] == "http.response.body" and not message.get("more_body")
            await send(message)

        await self._app(scope, receive, send_first)
