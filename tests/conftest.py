"""What all tests share: the sandbox on loopback, and a client of a server that asks it."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import socket
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import hypothesis
import pytest
from mcp.client import Client
from mcp_types import CallToolResult, TextContent
from trio.testing import MockClock

from headshots_mcp import ending
from headshots_mcp.api.client import HeadshotsClient
from headshots_mcp.api.errors import LookupFailed
from headshots_mcp.lookup.reader import Reader
from headshots_mcp.sandbox.app import TOKEN, Sandbox
from headshots_mcp.server.tools import create_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.types import Receive, Scope, Send

    from headshots_mcp.lookup.tasks import HeadshotTask

REPOSITORY = Path(__file__).parent.parent
CDN = "https://platform.cdn.acedata.cloud"

# CI tries more: `--hypothesis-profile thorough`.
hypothesis.settings.register_profile("quick", max_examples=100, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=1000, deadline=None)
hypothesis.settings.load_profile("quick")


class Served(NamedTuple):
    """A sandbox and where it listens."""

    sandbox: Sandbox
    base_url: str

    @property
    def bodies(self) -> list[dict[str, Any] | None]:
        return [asked.body for asked in self.sandbox.requests]


@pytest.fixture
def movable_clock() -> None:
    """Run the test on trio's test clock, which jumps ahead as soon as all tasks wait, so that none really sleeps.

    Only for tests without sockets: a clock that jumps does not wait for those.
    """


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> str | tuple[str, dict[str, Any]]:
    if "movable_clock" in request.fixturenames:
        return "trio", {"clock": MockClock(autojump_threshold=0)}
    return "asyncio"


class Front:
    """An app that hands each request to the sandbox of the test that runs."""

    sandbox: Sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.sandbox.app(scope, receive, send)


@pytest.fixture(scope="session")
def front() -> Iterator[tuple[Front, str]]:
    """One server for the sandboxes of all tests, which would take longer to start and stop than most tests last."""
    front, sandbox = Front(), Sandbox()
    sandbox.app = front
    with sandbox.serve() as base_url:
        yield front, base_url


@pytest.fixture
def served(front: tuple[Front, str]) -> Served:
    """A sandbox of the test's own, with the image addresses that the API's own examples have."""
    sandbox = front[0].sandbox = Sandbox(image_origin=CDN)
    return Served(sandbox, front[1])


@pytest.fixture
def process_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take back what a command does to this process: how signals are handled, what is logged, when garbage is sought.

    And this process does not end because the command does.
    """
    ended = threading.Lock()
    ended.acquire()
    monkeypatch.setattr(ending, "_begun", ended)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.Logger.manager.loggerDict))]
    before = [(logger, logger.level, logger.filters[:]) for logger in loggers]
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    for logger, level, filters in before:
        logger.setLevel(level)
        logger.filters = filters


def documented(name: str) -> dict[str, Any]:
    """One of the bodies that the API's page shows (docs/api.md)."""
    document: dict[str, Any] = json.loads((Path(__file__).parent / "documented" / f"{name}.json").read_bytes())
    return document


@asynccontextmanager
async def reading(api: str | Sandbox, *, within: float = 5.0) -> AsyncIterator[Reader]:
    """A reader that asks the API at an address over a real socket, or a sandbox in this event loop."""
    transport = httpx2.ASGITransport(api.app) if isinstance(api, Sandbox) else None
    base_url = "http://sandbox" if isinstance(api, Sandbox) else api
    async with HeadshotsClient(base_url, silence_timeout=within / 2, transport=transport) as client:
        yield Reader(client, timeout=within)


@asynccontextmanager
async def connected(
    api: str | Sandbox, *, token: str | None = TOKEN, within: float = 5.0, mode: str = "auto", **options: Any
) -> AsyncIterator[Client]:
    """An MCP client of our server, in this process; the options are those of `create_server`."""
    async with (
        reading(api, within=within) as reader,
        Client(create_server(reader, lambda _headers: token, **options), mode=mode) as client,
    ):
        yield client


async def look_up(reader: Reader, task_id: str, token: str = TOKEN) -> HeadshotTask:
    """Look one task up, and raise what stands in the way."""
    outcome = await reader.look_up_one(task_id, token)
    if isinstance(outcome, LookupFailed):
        raise outcome
    return outcome


def text_of(result: CallToolResult) -> str:
    """What a client that shows only text gives its model."""
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


@pytest.fixture
def unused_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A loopback port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run all tests side by side, because most wait for processes; run files that are named in this process."""
    return 3 * (os.cpu_count() or 1) if config.args_source is config.ArgsSource.TESTPATHS else 0
