"""Connections of clients that are many, slow or silent, to the server as `uvicorn --factory` runs it."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
import sys
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from headshots_mcp.sandbox.app import SUCCEEDED
from headshots_mcp.server.http.app import application
from headshots_mcp.server.http.connections import allow_many_connections
from headshots_mcp.settings import Settings
from tests.conftest import text_of
from tests.processes import environment
from tests.server.http.test_http import connect
from tests.servers import post, serving, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.conftest import Served
    from tests.servers import Server

pytestmark = pytest.mark.usefixtures("process_as_before")

# Clients need not be waited for as long as elsewhere.
IMPATIENT = """\
import uvicorn
from headshots_mcp.server.http import bodies, connections, exchange

connections.HEAD_SECONDS = bodies.BODY_SECONDS = exchange.SEND_SECONDS = 0.3
uvicorn.run("headshots_mcp.server.http:create_app", factory=True, port=0, timeout_keep_alive=1)
"""
RUNNING = r"running on (http://\S+?:\d+)"
# Ours beside another application in one process, which has websockets.
MOUNTED = """\
import asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from headshots_mcp.server.http import connections, create_app

connections.HEAD_SECONDS = 0.1

class Websocket(asyncio.Protocol):
    def __init__(self, **_): pass
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(b"websocket")

app = Starlette(routes=[Mount("/headshots", create_app())])
uvicorn.run(app, port=0, ws=Websocket, timeout_keep_alive=1)
"""
# Tells how many bytes uvicorn parses in one go.
MEASURED = """\
import sys
import uvicorn
from uvicorn.protocols.http import h11_impl

class H11Protocol(h11_impl.H11Protocol):
    def data_received(self, data):
        print("parses", len(data), file=sys.stderr, flush=True)
        super().data_received(data)

uvicorn.run("headshots_mcp.server.http:create_app", factory=True, port=0, http=H11Protocol)
"""
# Room for two streams only.
CROWDED = """\
import uvicorn
from headshots_mcp.server.http import admission

admission.STREAMS = 2
uvicorn.run("headshots_mcp.server.http:create_app", factory=True, port=0)
"""


@pytest.fixture(scope="module")
def impatient() -> Iterator[Server]:
    with serving(command=[sys.executable, "-c", IMPATIENT], listening=RUNNING) as server:
        yield server


def opened(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


HALF_A_BODY = post(8000, "x" * 1000, authorization="Bearer t")[:-500]


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"GET /heal", b"", id="half a line"),
        pytest.param(b"GET /health HTTP/1.1\r\nhost: x\r\nx-", b"", id="half the headers"),
        pytest.param(HALF_A_BODY, b"HTTP/1.1 408", id="half a body"),
        pytest.param(HALF_A_BODY.replace(b"POST /mcp", b"GET /health"), b"HTTP/1.1 200", id="half a body nobody reads"),
        pytest.param(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n", b"HTTP/1.1 200", id="no second request"),
        pytest.param(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\nGET /", b"HTTP/1.1 200", id="half a second request"),
    ],
)
def test_a_connection_that_brings_no_whole_request_is_closed(impatient: Server, sent: bytes, answer: bytes) -> None:
    with opened(impatient) as connection:
        connection.sendall(sent)
        received = b""
        while chunk := connection.recv(4096):
            received += chunk

    assert received[: len(answer)] == answer


def test_a_stream_stays_open(impatient: Server) -> None:
    with opened(impatient) as stream, opened(impatient) as other:
        stream.sendall(b"GET /sse HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        while b"session_id=" not in stream.recv(4096):
            pass
        assert other.recv(1) == b""
        stream.settimeout(0.1)
        with pytest.raises(TimeoutError):
            stream.recv(1)


def test_a_websocket_of_another_application_in_the_process_stays_open() -> None:
    with serving(command=[sys.executable, "-c", MOUNTED], listening=RUNNING) as server:
        assert httpx2.get(f"{server.origin}/headshots/health").is_success
        with opened(server) as websocket, opened(server) as other:
            upgrade = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
            websocket.sendall(upgrade.encode())
            assert websocket.recv(9) == b"websocket"
            assert other.recv(1) == b""
            websocket.sendall(b"still there?")
            assert websocket.recv(9) == b"websocket"


def test_no_more_is_parsed_in_one_go_than_others_can_wait_for() -> None:
    """A quarter of a megabyte may be 40,000 chunks of a byte each."""
    with serving(command=[sys.executable, "-c", MEASURED], listening=RUNNING) as server, opened(server) as connection:
        dust = b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
        call = post(server.port, None, authorization="Bearer t", transfer_encoding="chunked", content_length="")
        connection.sendall(call.replace(b"content-length: \r\n", b"").removesuffix(b"null") + dust)
        assert connection.recv(12) == b"HTTP/1.1 400"
        sizes = [int(size) for size in re.findall(r"parses (\d+)", "".join(server.errors))]

    assert sum(sizes) > len(dust)
    assert max(sizes) <= 32 * 1024


def test_probes_are_answered_though_there_is_no_room_for_a_stream() -> None:
    with serving(command=[sys.executable, "-c", CROWDED], listening=RUNNING) as server, ExitStack() as stack:
        streams = [stack.enter_context(httpx2.stream("GET", f"{server.origin}/sse")) for _ in range(3)]
        statuses = [stream.status_code for stream in streams]
        probe = httpx2.get(f"{server.origin}/health")

    assert (statuses, probe.status_code) == ([200, 200, 503], 200)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_a_caller_who_does_not_read_its_answers_is_cut_off(impatient: Server) -> None:
    """More answers than fit into any buffer."""
    before = open_files(impatient)
    with socket.socket() as connection, suppress(ConnectionError):
        connection.settimeout(20)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", impatient.port))
        ping = {"jsonrpc": "2.0", "id": "x" * 1_500_000, "method": "ping"}
        connection.sendall(post(impatient.port, ping, accept="*/*", authorization="Bearer t") * 9)
        await until(lambda: open_files(impatient) <= before)


def test_a_setting_that_cannot_work_is_refused_in_one_line() -> None:
    command = [sys.executable, "-m", "uvicorn", "--factory", "headshots_mcp.server.http:create_app", "--port", "0"]
    settings = environment(HEADSHOTS_TIMEOUT="soon")
    ended = subprocess.run(command, env=settings, capture_output=True, encoding="utf-8", timeout=30, check=False)

    lines = [line for line in ended.stderr.splitlines() if not line.startswith("INFO")]
    assert lines == ["headshots-mcp: HEADSHOTS_TIMEOUT must be a number of seconds from 1 to 300."]
    assert ended.returncode == 2


def open_files(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize(("limits", "count"), [("-Sn 1024", 1100), ("-n 300", 400)])
async def test_a_crowd_of_idle_connections_keeps_nobody_out(served: Served, limits: str, count: int) -> None:
    """Where the system allows no more files, those are closed that are too many, and the others are served."""
    allow_many_connections()
    factory = ["-m", "uvicorn", "--factory", "headshots_mcp.server.http:create_app", "--port", "0"]
    shell = f"ulimit {limits} && exec {shlex.join([sys.executable, *factory])}"
    settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url}
    with serving(command=["sh", "-c", shell], listening=RUNNING, **settings) as server, ExitStack() as stack:
        crowd = [stack.enter_context(opened(server)) for _ in range(count)]
        if count == 400:
            for connection in crowd[-10:]:
                assert connection.recv(1) == b""
            for connection in crowd[:50]:
                connection.close()
        with anyio.fail_after(20):
            async with connect(server, "new", "sandbox-caller") as client:
                result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})
        errors = "".join(server.errors)

    assert text_of(result).startswith(f"{SUCCEEDED} succeeded")
    assert "Traceback" not in errors


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize(("most", "limit"), [(10_240, 10_240), (10_000, 256)], ids=["macOS", "no more than there are"])
def test_where_the_limit_is_called_infinite_as_many_files_are_asked_for_as_there_may_be(
    most: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As macOS calls it, whose kernel has another one."""
    resource: Any = pytest.importorskip("resource")
    granted = [256]

    def set_limit(_which: int, limits: tuple[int, int]) -> None:
        if limits[0] > most:
            raise ValueError("current limit exceeds maximum limit")
        granted.append(limits[0])

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (granted[-1], resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", set_limit)

    assert (allow_many_connections(), granted[-1]) == (limit, limit)


class OtherProtocol(H11Protocol):
    """A protocol of which we know nothing."""


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        pytest.param({}, {"timeout_keep_alive": 75, "timeout_graceful_shutdown": 4}, id="none"),
        pytest.param({"timeout_keep_alive": 9}, {"timeout_keep_alive": 9, "timeout_graceful_shutdown": 4}, id="one"),
        pytest.param(*[{"timeout_graceful_shutdown": 9}] * 2, id="another"),
        pytest.param({"http": OtherProtocol}, {"http_protocol_class": OtherProtocol}, id="a protocol"),
    ],
)
async def test_what_flags_of_uvicorn_say_stays(served: Served, flags: dict[str, Any], found: dict[str, Any]) -> None:
    config = uvicorn.Config(application(Settings(base_url=served.base_url)), port=0, log_config=None, **flags)
    async with running(config):
        during = {name: getattr(config, name) for name in found}

    assert during == found


@asynccontextmanager
async def running(config: uvicorn.Config) -> AsyncIterator[None]:
    """Serve in this thread until the block is left."""
    server = uvicorn.Server(config)
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve)
        await until(lambda: server.started)
        yield
        server.should_exit = True


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such sockets")
async def test_it_may_listen_on_a_unix_socket(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # some systems take short paths only
    config = uvicorn.Config(application(Settings(base_url=served.base_url)), uds="socket", log_config=None)
    transport = httpx2.AsyncHTTPTransport(uds="socket")
    async with running(config), httpx2.AsyncClient(transport=transport, base_url="http://x") as http:
        answer = await http.get("/health")

    assert answer.status_code == 200
