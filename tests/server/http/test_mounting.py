"""Serving below a prefix: that of an application around ours, or one that a proxy strips or leaves in the path."""

from __future__ import annotations

import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse
from starlette.routing import Route

from headshots_mcp.sandbox.app import SUCCEEDED, Sandbox
from headshots_mcp.server.http.app import application
from headshots_mcp.settings import Settings
from tests.conftest import text_of
from tests.servers import hosting, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from tests.conftest import Served

pytestmark = pytest.mark.usefixtures("process_as_before")

PREFIX = "/headshots"
MOUNTED = """\
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from headshots_mcp.server.http import create_app

outer = Starlette(routes=[Mount("/headshots", create_app())])

async def app(scope, receive, send):
    # As FastAPI(root_path="/outer") does.
    await outer(scope | ({"root_path": sys.argv[2]} if sys.argv[2] else {}), receive, send)

uvicorn.run(app, port=0, access_log=False, root_path=sys.argv[1])
"""
FACTORY = ["-m", "uvicorn", "--factory", "headshots_mcp.server.http:create_app", "--port", "0"]
OURS = ["-m", "headshots_mcp", "--transport", "http", "--port", "0"]
HEADERS = {"authorization": "Bearer sandbox-caller"}
# How the server is started, what the proxy strips, and what it says about that.
WAYS = {
    "our flag": ([*OURS, "--root-path", PREFIX], PREFIX, {}),
    "our flag, prefix left in the path": ([*OURS, "--root-path", PREFIX], "", {}),
    "uvicorn's flag": ([*FACTORY, "--root-path", PREFIX], PREFIX, {}),
    "uvicorn's flag, with a slash at its end": ([*FACTORY, "--root-path", f"{PREFIX}/"], PREFIX, {}),
    "a header of the proxy": (FACTORY, PREFIX, {"x-forwarded-prefix": PREFIX}),
    "mounted": (["-c", MOUNTED, "", ""], "", {}),
    "mounted, below what a proxy strips": (["-c", MOUNTED, "/outer", ""], "/outer", {}),
    "mounted in an application that knows what a proxy strips": (["-c", MOUNTED, "", "/outer"], "/outer", {}),
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
    """A proxy that strips a prefix; yields its origin."""

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
    with hosting(app, lifespan="off", timeout_graceful_shutdown=0) as port:
        yield f"http://127.0.0.1:{port}"


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


def test_the_prefix_is_not_taken_off_any_number_of_times(base: str) -> None:
    assert httpx2.get(f"{base}{PREFIX}{PREFIX}/health").status_code == 404


@pytest.mark.parametrize("path", ["/health", "/health/", "/"])
def test_a_probe_is_answered(base: str, path: str) -> None:
    assert httpx2.get(base + path).status_code == 200


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
async def test_in_a_thread_of_another_program_it_serves_and_leaves_signals_alone(served: Served, path: str) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    with hosting(application(Settings(base_url=served.base_url))) as port:
        async with connect(f"http://127.0.0.1:{port}", path) as client:
            result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})
        during = [signal.getsignal(number) for number in numbers]

    assert text_of(result).startswith(f"{SUCCEEDED} succeeded")
    assert during == before
