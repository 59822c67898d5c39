"""The HTTP application: its paths, and what a request passes through before it reaches one."""

from __future__ import annotations

from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

import anyio
from opentelemetry.trace import get_tracer_provider
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

from headshots_mcp import NAME, __version__
from headshots_mcp.api.client import HeadshotsClient
from headshots_mcp.lookup.reader import Reader
from headshots_mcp.server.call_log import log_calls
from headshots_mcp.server.http.admission import CALLS, Admission, SseAdmission
from headshots_mcp.server.http.connections import set_up_uvicorn
from headshots_mcp.server.http.lifetime import Lifetime, LifetimeMiddleware
from headshots_mcp.server.http.sdk import SingleResponse, SseApp, StreamableApp, end_streams, keep_streams_at_signals
from headshots_mcp.server.http.shutdown import Shutdown
from headshots_mcp.server.http.tokens import SharedToken, token_of
from headshots_mcp.server.http.validation import HostOriginMiddleware, MethodMiddleware, PathMiddleware
from headshots_mcp.server.slots import Slots
from headshots_mcp.server.tools import create_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from headshots_mcp.settings import Settings

TRACES_SECONDS = 1.0
WEBSITE = "https://github.com/headshots-mcp/headshots-mcp"


def application(
    settings: Settings,
    *,
    transport: Literal["http", "sse"] = "http",
    address: str | None = None,
    shared_token: str | None = None,
) -> Starlette:
    """Make the application; its lifespan opens and closes the one upstream client.

    Args:
        settings: How to reach the API, and which hosts and origins are allowed in addition to this machine's own.
        transport: "http" for /mcp and /sse, "sse" for the latter only.
        address: Another host name under which it may be called, in the form it has in a URL.
        shared_token: The token for callers that send none; None to refuse their calls.
    """
    client = HeadshotsClient(settings.base_url, silence_timeout=settings.silence_timeout)
    reader = Reader(client, timeout=settings.timeout)
    calls, shutdown = Slots(CALLS), Shutdown(end_streams)
    server = create_server(reader, token_of, image_hosts=settings.image_hosts, ending=shutdown.ending)
    server.middleware.extend([log_calls, SseAdmission(calls, shutdown)])
    streamable = StreamableApp(server) if transport == "http" else None

    @asynccontextmanager
    async def opened() -> AsyncIterator[None]:
        set_up_uvicorn()
        keep_streams_at_signals()
        async with (
            client,
            streamable.running() if streamable else nullcontext(),
            anyio.create_task_group() as group,
            shutdown.watching(),
        ):
            group.start_soon(client.warm_up)
            yield
            await _send_traces()

    lifetime = Lifetime(opened)
    routes = [Route("/", _welcome), Route("/health", _health), Mount("", SseApp(server))]
    methods = {"/": ("GET", "HEAD"), "/health": ("GET", "HEAD"), "/sse": ("GET",), "/messages/": ("POST",)}
    if streamable:
        routes.insert(0, Route("/mcp", streamable))
        methods["/mcp"] = ("POST",)
    middleware = [*_checks(settings, address, methods), Middleware(LifetimeMiddleware, lifetime=lifetime)]
    if shared_token:
        middleware.append(Middleware(SharedToken, token=shared_token))
    middleware += [Middleware(Admission, calls=calls, shutdown=shutdown), Middleware(SingleResponse)]
    return Starlette(routes=routes, middleware=middleware, lifespan=lifetime.lifespan)


def _checks(settings: Settings, address: str | None, methods: Mapping[str, Sequence[str]]) -> list[Middleware]:
    """List what a request has to pass before it touches anything of the application, from the outside in."""
    hosts = (*settings.allowed_hosts, address) if address else settings.allowed_hosts
    return [
        Middleware(PathMiddleware),
        Middleware(HostOriginMiddleware, hosts=hosts, origins=settings.allowed_origins),
        # An origin that was let in may also read the answer, even if that is a refusal.
        Middleware(
            CORSMiddleware,
            allow_origin_regex=".*",
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            allow_private_network=True,
            expose_headers=["mcp-session-id", "retry-after"],
        ),
        Middleware(MethodMiddleware, methods=methods),
    ]


async def _send_traces() -> None:
    """Send the remaining traces, because uvicorn ends this process by a signal, without Python's usual clean-up."""
    if flush := getattr(get_tracer_provider(), "force_flush", None):
        with anyio.move_on_after(TRACES_SECONDS):
            await anyio.to_thread.run_sync(flush, int(TRACES_SECONDS * 1000), abandon_on_cancel=True)


async def _welcome(_request: Request) -> Response:
    return PlainTextResponse(f"{NAME}: an MCP server that looks up AI headshot tasks of Ace Data Cloud.\n{WEBSITE}\n")


async def _health(_request: Request) -> Response:
    return JSONResponse({"status": "ok", "version": __version__})
