"""The HTTP application: /mcp, /sse and /health, who may reach them, and with whose token a call is made."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import anyio
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from headshots_mcp import __version__
from headshots_mcp.api.client import HeadshotsClient
from headshots_mcp.api.errors import TokenMissing
from headshots_mcp.logs import log_to_stderr
from headshots_mcp.lookup.reader import Reader
from headshots_mcp.server.admission import CALLS, Admission, SseAdmission
from headshots_mcp.server.door import HostOriginMiddleware, SharedToken
from headshots_mcp.server.places import Places
from headshots_mcp.server.sdk import SingleResponse
from headshots_mcp.server.tools import create_server
from headshots_mcp.settings import Settings, bearer_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

_NO_CHECKS_OF_THE_SDK = TransportSecuritySettings(enable_dns_rebinding_protection=False)


def create_app() -> Starlette:
    """Make the application from the environment, for `uvicorn --factory headshots_mcp.server.http:create_app`.

    Where it is bound is not known here, so every caller has to bring a token.

    Raises:
        SettingsRefused: If a setting cannot work.
    """
    settings = Settings.from_environment()
    log_to_stderr(settings.log_level)
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
    calls = Places(CALLS)
    server.middleware.append(SseAdmission(calls))
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
            Middleware(HostOriginMiddleware, methods=methods, hosts=hosts, origins=settings.allowed_origins),
            # Whoever passed the gate may also read the answer.
            Middleware(
                CORSMiddleware,
                allow_origin_regex=".*",
                allow_methods=["GET", "POST"],
                allow_headers=["*"],
                expose_headers=["mcp-session-id"],
            ),
            *([Middleware(SharedToken, token=shared)] if shared else []),
            Middleware(Admission, calls=calls),
            Middleware(SingleResponse),
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
        raise TokenMissing(TokenMissing.message_over_http)
    return token
