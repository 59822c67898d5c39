"""Told to end, with calls in progress: they are answered, nothing new begins, and the process is gone in seconds."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from anyio.lowlevel import checkpoint
from mcp import MCPError

from headshots_mcp.sandbox.app import UNKNOWN
from headshots_mcp.server.http.admission import Admission
from headshots_mcp.server.http.app import application
from headshots_mcp.server.http.shutdown import Shutdown
from headshots_mcp.server.slots import Slots
from headshots_mcp.settings import Settings
from tests.conftest import text_of
from tests.processes import COMMAND
from tests.server.http.test_http import TRANSPORTS, connect
from tests.servers import NEW, OLD, Held, serving, tool_call, until

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from tests.conftest import Served
    from tests.servers import Server

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal to send to another process")

COMMANDS = {
    "our command": [*COMMAND, "--transport", "http", "--port", "0"],
    "uvicorn without flags": [
        *(sys.executable, "-m", "uvicorn", "--factory", "headshots_mcp.server.http:create_app"),
        *("--port", "0"),
    ],
}
LISTENING = r"(?:running on|serves) (http://\S+?:\d+)"


def is_refused(server: Server) -> bool:
    try:
        return httpx2.get(f"{server.origin}/health").status_code == 503
    except httpx2.TransportError:
        return True


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_calls_in_progress_are_answered_and_new_ones_refused(
    served: Served, transport: str, command: str
) -> None:
    gate = threading.Event()
    answers = []
    served.sandbox.script("held", [Held(gate)])
    settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url}
    with serving(command=COMMANDS[command], listening=LISTENING, **settings) as server:

        async def call() -> None:
            async with connect(server, transport, "sandbox-caller") as client:
                await client.list_tools()  # or it would ask for them afterwards
                answers.append(await client.call_tool("get_headshot_task", {"id": "held"}))
                await anyio.sleep_forever()

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(call)
                await until(lambda: len(served.bodies) == 1)
                server.process.send_signal(signal.SIGTERM)
                await until(lambda: is_refused(server))
                gate.set()
                await until(lambda: len(answers) == 1)
                group.cancel_scope.cancel()
        assert await anyio.to_thread.run_sync(server.process.wait, 5) == -signal.SIGTERM

    assert text_of(answers[0]).startswith("held not_found")
    assert "Traceback" not in "".join(server.errors)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_call_that_waits_tells_what_is_known(served: Served, transport: str) -> None:
    answers = []
    with serving("--transport", "http", ACEDATACLOUD_API_BASE_URL=served.base_url) as server:

        async def call() -> None:
            async with connect(server, transport, "sandbox-caller") as client:
                await client.list_tools()
                answers.append(await client.call_tool("wait_for_headshot_tasks", {"ids": [UNKNOWN]}))
                await anyio.sleep_forever()

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(call)
                await until(lambda: len(served.bodies) == 1)
                server.process.send_signal(signal.SIGTERM)
                await until(lambda: len(answers) == 1)
                group.cancel_scope.cancel()
        assert await anyio.to_thread.run_sync(server.process.wait, 5) == -signal.SIGTERM

    assert f"\n{UNKNOWN} processing" in text_of(answers[0])


@pytest.mark.usefixtures("process_as_before")
@pytest.mark.parametrize(("method", "path"), [("GET", "/health"), ("GET", "/sse"), ("POST", "/mcp")])
async def test_a_probe_that_still_gets_through_is_told_to_send_nobody_here(method: str, path: str) -> None:
    """The application itself refuses them, because a server may accept connections for another moment."""
    received: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: received.append(number))
    app = application(Settings())
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost")
    async with app.router.lifespan_context(app), client as http:
        before = await http.get("/health")
        signal.raise_signal(signal.SIGTERM)
        await checkpoint()
        after = await http.request(method, path, headers={"content-type": "application/json"})

    assert (before.status_code, received) == (200, [signal.SIGTERM])
    assert (after.status_code, after.headers["retry-after"]) == (503, "1")
    assert "shutting down" in after.json()["error"]["message"]


@pytest.mark.parametrize("command", COMMANDS)
async def test_an_idle_stream_ends_at_once(command: str, served: Served) -> None:
    settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url}
    with serving(command=COMMANDS[command], listening=LISTENING, **settings) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=2) as stream:
            stream.sendall(b"GET /sse HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            opened = b""
            while b"session_id=" not in opened:
                received = stream.recv(4096)
                assert received, opened
                opened += received
            server.process.send_signal(signal.SIGTERM)
            rest = b""
            while received := stream.recv(4096):
                rest += received
        assert server.process.wait(2) == -signal.SIGTERM

    assert rest.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", COMMANDS)
async def test_what_never_ends_is_cut_short_in_time_and_without_a_word(
    command: str, number: signal.Signals, served: Served
) -> None:
    """With calls in progress over all transports, an idle stream and an idle connection."""
    settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url}
    silent = {"id": "fault-silent"}
    with serving(command=COMMANDS[command], listening=LISTENING, **settings) as server, ExitStack() as stack:
        for request in (
            b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
            b"GET /sse HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
            tool_call(server.port, "get_headshot_task", silent, version=OLD, authorization="Bearer sandbox-1"),
            tool_call(server.port, "get_headshot_task", silent, version=NEW, authorization="Bearer sandbox-2"),
        ):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port))).sendall(request)
        async with anyio.create_task_group() as group:

            async def call_over_sse() -> None:
                async with connect(server, "sse", "sandbox-3") as client:
                    with suppress(MCPError):
                        await client.call_tool("get_headshot_task", silent)
                    await anyio.sleep_forever()

            group.start_soon(call_over_sse)
            await until(lambda: len(served.bodies) == 3)
            server.process.send_signal(number)
            await anyio.to_thread.run_sync(server.process.wait, 5)
            group.cancel_scope.cancel()

    assert [line for line in server.errors if not line.startswith("INFO")] == []


START: Message = {"type": "http.response.start", "status": 200, "headers": []}
PART: Message = {"type": "http.response.body", "body": b"x", "more_body": True}
LAST: Message = {"type": "http.response.body", "body": b"x"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param([], [503, False], id="not begun"),
        pytest.param([START, PART], [200, True, False], id="begun"),
        pytest.param([START, LAST], [200, False], id="whole"),
    ],
)
async def test_an_answer_that_is_cut_short_is_ended_once(before: list[Message], after: list[int | bool]) -> None:
    """Its status, and whether more is to come after each part of it."""
    sent: list[Message] = []
    shutdown = Shutdown(lambda: None)

    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in before:
            await send(message)
        shutdown.begin()
        await anyio.sleep_forever()

    async def receive() -> Message:
        await anyio.sleep_forever()
        return {}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/sse", "headers": []}
    with anyio.fail_after(10):
        async with shutdown.watching():
            await Admission(answer, Slots(1), shutdown)(scope, receive, send)

    assert [message.get("status", message.get("more_body", False)) for message in sent] == after


def mine(*_: Any) -> None:
    """A handler of signals."""


def another(*_: Any) -> None:
    """Another one."""


@pytest.mark.usefixtures("process_as_before")
@pytest.mark.parametrize(
    ("before", "meanwhile", "after"),
    [
        pytest.param(signal.SIG_DFL, None, signal.SIG_DFL, id="nobody"),
        pytest.param(mine, None, mine, id="one before"),
        pytest.param(mine, another, another, id="another meanwhile"),
    ],
)
async def test_whoever_handles_signals_still_does_so_afterwards(
    served: Served, before: Any, meanwhile: Any, after: Any
) -> None:
    app = application(Settings(base_url=served.base_url))
    signal.signal(signal.SIGTERM, before)
    async with app.router.lifespan_context(app):
        if meanwhile:
            signal.signal(signal.SIGTERM, meanwhile)

    assert signal.getsignal(signal.SIGTERM) is after
