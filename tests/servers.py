"""Server processes over HTTP, for the tests that need real ones."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import anyio.to_thread
import uvicorn
from starlette.responses import Response

from tests.processes import COMMAND, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send


OLD, NEW = "2025-11-25", "2026-07-28"


class Server(NamedTuple):
    """A server process, the origin it serves, and what it has written to stderr since."""

    process: subprocess.Popen[str]
    origin: str
    errors: deque[str]

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    @property
    def address(self) -> str:
        return self.origin.removeprefix("http://")


@contextmanager
def serving(
    *flags: str,
    command: Sequence[str] = (*COMMAND, "--port", "0"),
    listening: str = r"serves (http://\S+?:\d+)/",
    **settings: str,
) -> Iterator[Server]:
    """A server process on a free port, which does not outlive the block."""
    with started([*command, *flags], pipes=subprocess.DEVNULL, **settings) as process:
        assert process.stderr is not None
        errors = deque[str](maxlen=1000)
        reader = threading.Thread(target=errors.extend, args=(process.stderr,), daemon=True)
        try:
            seen = ""
            while not (match := re.search(listening, seen)):
                line = process.stderr.readline()
                assert line, seen
                seen += line
            reader.start()
            yield Server(process, re.sub("//[^:[]*[a-z][^:]*:|//0.0.0.0:", "//127.0.0.1:", match[1]), errors)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)  # killed earlier, it would not say which lines it has run
            process.kill()
            if reader.ident:
                reader.join(timeout=5)


@contextmanager
def hosting(app: ASGIApp, **options: Any) -> Iterator[int]:
    """An application in a thread of this process, which starts much faster than a process; yields its port."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", **options))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(timeout=5)


def tool_call(
    port: int, tool: str, arguments: dict[str, Any], *, version: str = NEW, path: str = "/mcp", **headers: str
) -> bytes:
    """A call as bytes on the wire: a whole HTTP request."""
    params = {"name": tool, "arguments": arguments}
    head = {"accept": "application/json, text/event-stream", "mcp-protocol-version": version} | headers
    if version == NEW:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": NEW,
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        head |= {"mcp-method": "tools/call", "mcp-name": tool}
    return post(port, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, path, **head)


def post(port: int, message: Any, path: str = "/mcp", **headers: str) -> bytes:
    """A JSON-RPC message as bytes on the wire."""
    body = json.dumps(message).encode()
    head = {"host": f"127.0.0.1:{port}", "content-type": "application/json", "content-length": str(len(body))} | headers
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in head.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread or process does, for at most 20 seconds."""
    with anyio.fail_after(20):
        while not condition():  # noqa: ASYNC110 -- a thread of another loop or another process makes it true
            await anyio.sleep(0.01)


class Held(Response):
    """An answer that waits until a test lets it go."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__(b"{}", media_type="application/json")
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.to_thread.run_sync(self._gate.wait, 30)
        await super().__call__(scope, receive, send)
