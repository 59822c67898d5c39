"""Below a prefix: that of another application ours is mounted in, or one that a proxy strips or leaves in the path."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import uvicorn
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse
from starlette.routing import Route

from headshots_mcp.sandbox.app import SUCCEEDED, Sandbox
from tests.conftest import text_of
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request
    from starlette.responses import Response
PREFIX = "/headshots"
MOUNTED = """\
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from headshots_mcp.server.http import create_app

uvicorn.run(Starlette(routes=[Mount("/headshots", create_app())]), port=0, access_log=False, root_path=sys.argv[1])
"""
FACTORY = ["-m", "uvicorn", "--factory", "headshots_mcp.server.http:create_app", "--port", "0"]
OURS = ["-m", "headshots_mcp", "--transport", "http", "--port", "0"]
HEADERS = {"authorization": "Bearer sandbox-caller"}
# How the server is started, what the proxy strips, and what it says about that.
WAYS = {
    "our flag": ([*OURS, "--root-path", PREFIX], PREFIX, {}),
    "our flag, prefix left in the path": ([*OURS, "--root-path", PREFIX], "", {}),
    "uvicorn's flag": ([*FACTORY, "--root-path", PREFIX], PREFIX, {}),
    "a header of the proxy": (FACTORY, PREFIX, {"x-forwarded-prefix": PREFIX}),
    "mounted": (["-c", MOUNTED, ""], "", {}),
    "mounted, below what a proxy strips": (["-c", MOUNTED, "/outer"], "/outer", {}),
}


@pytest.fixture(scope="module", params=WAYS)
def base(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL below which clients find the server."""
    arguments, stripped, said = WAYS[request.param]
    listening = r"(?:running on|serves) (http://\S+?:\d+)"
    with (
        Sandbox().serve() as api,
        serving(command=[sys.executable, *arguments], listening=listening, ACEDATACLOUD_API_BASE_URL=api) as server,
        proxying(server.origin, stripped, said) as origin,
    ):
        yield origin + (stripped if stripped == PREFIX else stripped + PREFIX)


@contextmanager
def proxying(target: str, stripped: str, said: dict[str, str]) -> Iterator[str]:
    """A proxy that strips a prefix; gives its origin."""

    async def forward(request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name != "host"} | said
        url = target + request.url.path.removeprefix(stripped) + f"?{request.url.query}"
        stack = AsyncExitStack()
        client = await stack.enter_async_context(httpx2.AsyncClient(timeout=30))
        asked = client.stream(request.method, url, headers=headers, content=await request.body())
        answer = await stack.enter_async_context(asked)
        ended = BackgroundTask(stack.aclose)
        return StreamingResponse(answer.aiter_raw(), answer.status_code, dict(answer.headers), background=ended)

    app = Starlette(routes=[Route("/{path:path}", forward, methods=["GET", "POST"])])
    proxy = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=proxy.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            proxy.should_exit = proxy.force_exit = True
            thread.join(timeout=5)


@asynccontextmanager
async def connect(base: str, path: str) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers=HEADERS, timeout=30) as http:
        if "sse" in path:
            over: Any = sse_client(base + path, headers=HEADERS)
        else:
            over = streamable_http_client(base + path, http_client=http)
        async with Client(over, mode="legacy" if "sse" in path else "auto") as client:
            yield client


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/sse", "/sse/"])
async def test_a_host_calls_a_tool(base: str, path: str) -> None:
    async with connect(base, path) as client:
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert text_of(result).startswith(f"{SUCCEEDED} succeeded")


@pytest.mark.parametrize("path", ["/health", "/health/", "/"])
def test_a_probe_is_answered(base: str, path: str) -> None:
    assert httpx2.get(base + path).status_code == 200
