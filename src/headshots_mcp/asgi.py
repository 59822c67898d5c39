"""The HTTP application: /mcp, /sse and /health, who may reach them, and with whose token a call is made."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import anyio
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from headshots_mcp import __version__
from headshots_mcp.client import HeadshotsClient, assume_asyncio
from headshots_mcp.errors import TokenMissing
from headshots_mcp.logs import log_to_stderr
from headshots_mcp.reader import Reader
from headshots_mcp.server import create_server
from headshots_mcp.settings import LOOPBACK, Settings, bearer_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HOST = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_LEFT_BY_PROXIES = ("forwarded", "via", "x-forwarded-", "x-real-ip", "x-client-ip", "true-client-ip", "cf-")
_NO_CHECKS_OF_THE_SDK = TransportSecuritySettings(enable_dns_rebinding_protection=False)


def create_app() -> Starlette:
    """Make the application from the environment, for `uvicorn --factory headshots_mcp.asgi:create_app`.

    Where it is bound is not known here, so every caller has to bring a token.

    Raises:
        SettingsRefused: If a setting cannot work.
    """
    settings = Settings.from_environment()
    log_to_stderr(settings.log_level)
    assume_asyncio()
    return application(settings)


def application(
    settings: Settings, *, transport: Literal["http", "sse"] = "http", loopback: str | None = None
) -> Starlette:
    """Make the application; it opens the one upstream client with its lifespan and closes it again.

    Args:
        settings: How to reach the API, and which hosts and origins are let in besides those of this machine.
        transport: "http" for /mcp with /sse beside it, "sse" for the latter alone.
        loopback: The address it is bound to, if that is of this machine alone: unless other hosts are let in
            too, a caller without a token uses that of the settings.
    """
    client = HeadshotsClient(settings.base_url, silence_timeout=settings.silence_timeout)
    reader = Reader(client, timeout=settings.timeout)
    server = create_server(reader, _token_of_the_caller, image_hosts=settings.image_hosts)
    routes = server.sse_app(transport_security=_NO_CHECKS_OF_THE_SDK).routes
    methods = {"/health": "GET", "/sse": "GET", "/messages/": "POST"}
    if transport == "http":
        methods["/mcp"] = "POST"
        streamable = server.streamable_http_app(stateless_http=True, transport_security=_NO_CHECKS_OF_THE_SDK)
        routes = [*streamable.routes, *routes]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with client, anyio.create_task_group() as group:
            group.start_soon(client.warm_up)
            if transport == "sse":
                yield
            else:
                async with server.session_manager.run():
                    yield

    shared = settings.token if loopback and not settings.allowed_hosts else None
    hosts = (*settings.allowed_hosts, *([loopback] if loopback else []))
    return Starlette(
        routes=[Route("/health", _health), *routes],
        middleware=[
            Middleware(OneAnswer),
            Middleware(Gate, methods=methods, hosts=hosts, origins=settings.allowed_origins),
            # Whoever passed the gate may also read the answer.
            Middleware(
                CORSMiddleware,
                allow_origin_regex=".*",
                allow_methods=["GET", "POST"],
                allow_headers=["*"],
                expose_headers=["mcp-session-id"],
            ),
            *([Middleware(SharedToken, token=shared)] if shared else []),
        ],
        lifespan=lifespan,
    )


async def _health(_request: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__})


def _token_of_the_caller(headers: Mapping[str, str] | None) -> str:
    """Take the token of the very request that carries the call."""
    given = (headers or {}).get("authorization", "")
    token = bearer_token(given) if given[:7].lower() == "bearer " else None
    if token is None:
        raise TokenMissing(TokenMissing.says_over_http)
    return token


class SharedToken:
    """Gives a call from this very machine that brings no token the one of the settings."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._header = (b"authorization", f"Bearer {token}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with the token if it may have it."""
        if scope["type"] == "http" and _is_local(scope):
            scope = {**scope, "headers": [*scope["headers"], self._header]}
        await self._app(scope, receive, send)


def _is_local(scope: Scope) -> bool:
    """Tell whether a request without a token was meant for this machine and shows no trace of a proxy."""
    headers = Headers(scope=scope)
    match = _HOST.fullmatch(headers.get("host", "").lower())
    return (
        "authorization" not in headers
        and scope["http_version"] != "1.0"
        and match is not None
        and match[1] in LOOPBACK
        and not any(name.startswith(_LEFT_BY_PROXIES) for name in headers)
    )


class OneAnswer:
    """Ends a response where the SDK begins a second one, which it does when an SSE stream was cut short."""

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


class Gate:
    """Lets a request in only if it names a host of ours, comes from no foreign page, and fits its path.

    The SDK checks hosts by prefix and only on loopback (`127.0.0.1:1@evil` passes); here names are compared
    whole, on every path and every bind.
    """

    def __init__(
        self, app: ASGIApp, methods: Mapping[str, str], hosts: tuple[str, ...], origins: tuple[str, ...]
    ) -> None:
        self._app = app
        self._methods = methods
        self._hosts = {*LOOPBACK, *hosts}
        self._origins = set(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer what is wrong with it."""
        refused = self._refuse(scope) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    def _refuse(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self._is_ours(headers.getlist("host")):
            return PlainTextResponse("This server does not answer to that host name.", 421)
        if not all(map(self._is_welcome, headers.getlist("origin"))):
            return PlainTextResponse("Pages of that origin may not use this server.", 403)
        method = self._methods.get(scope["path"])
        if scope["method"] not in (method, "OPTIONS") and not (method == "GET" and scope["method"] == "HEAD"):
            if method is None:
                return PlainTextResponse("Not found.", 404)
            return PlainTextResponse("Method not allowed.", 405, {"allow": method})
        if scope["method"] == "POST" and _media_type(headers) != "application/json":
            return PlainTextResponse("Send application/json.", 415)
        return None

    def _is_ours(self, hosts: list[str]) -> bool:
        if len(hosts) != 1:
            return False
        host = hosts[0].lower()
        match = _HOST.fullmatch(host)
        return match is not None and (match[1] in self._hosts or host in self._hosts)

    def _is_welcome(self, origin: str) -> bool:
        scheme, _, host = origin.partition("://")
        match = _HOST.fullmatch(host)
        local = scheme in ("http", "https") and match is not None and match[1] in LOOPBACK
        return local or origin in self._origins


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()
