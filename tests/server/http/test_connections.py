"""Connections of clients that are many, slow or silent, to the server as `uvicorn --factory` runs it."""

from __future__ import annotations

import shlex
import socket
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from headshots_mcp.sandbox.app import SUCCEEDED
from headshots_mcp.server.http.connections import allow_many_connections
from tests.conftest import text_of
from tests.server.http.test_http import connect
from tests.servers import post, serving, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Served
    from tests.servers import Server

# Clients need not be waited for as long as elsewhere.
IMPATIENT = """\
import uvicorn
from headshots_mcp.server.http import bodies, connections, exchange

connections.HEAD_SECONDS = bodies.BODY_SECONDS = exchange.SEND_SECONDS = 0.3
uvicorn.run("headshots_mcp.server.http:create_app", factory=True, port=0, timeout_keep_alive=1)
"""
RUNNING = r"running on (http://\S+?:\d+)"


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
