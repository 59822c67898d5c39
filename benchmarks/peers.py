"""How servers are spoken to: bare JSON-RPC over pipes and sockets, so that what is measured is the server."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from subjects import Subject

LIFETIME_SECONDS = 300
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}


class CallFailed(Exception):
    """A server answered with an error, or not at all."""


class Process:
    """A server process that does not outlive its block, nor a limit of time."""

    def __init__(self, command: list[str], environment: dict[str, str], *, pipes: bool) -> None:
        stream = subprocess.PIPE if pipes else subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, env=environment, stdin=stream, stdout=stream, stderr=subprocess.DEVNULL
        )
        self._limit = threading.Timer(LIFETIME_SECONDS, self._process.kill)
        self._limit.daemon = True
        self._limit.start()

    def memory(self, what: str) -> float:
        """Return a figure of the process's memory in MB: VmRSS is its size now, VmHWM the largest so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("utf-8").splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith(what)) / 1024

    def processor_seconds(self) -> float:
        """Return how long the process's main thread has been computing, which other processes hardly change."""
        return int(Path(f"/proc/{self._process.pid}/schedstat").read_text("utf-8").split()[0]) / 1e9

    def __enter__(self):
        return self

    def __exit__(self, *_error: object) -> None:
        self._limit.cancel()
        if self._process.stdin:
            with suppress(OSError):
                self._process.stdin.close()
        else:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


class StdioPeer(Process):
    """A host on the other end of the pipes; `started` is how long it took from the spawn to the list of tools."""

    def __init__(self, subject: Subject, environment: dict[str, str]) -> None:
        began = time.perf_counter()
        super().__init__(subject.command, environment, pipes=True)
        self.subject = subject
        self._next_id = 0
        try:
            self.request("initialize", INITIALIZE)
            self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})
            self.tools = self.request("tools/list", {})["tools"]
        except CallFailed:
            self.__exit__()
            raise
        self.started = time.perf_counter() - began

    def look_up(self, task_id: str) -> dict[str, Any]:
        """Ask for one task."""
        return self.request("tools/call", self._one(task_id))

    def look_up_many(self, ids: list[str]) -> dict[str, Any]:
        """Ask for several in one call."""
        arguments = {self.subject.many_argument: ids}
        return self.request("tools/call", {"name": self.subject.many, "arguments": arguments})

    def look_up_at_once(self, ids: list[str]) -> None:
        """Ask for each by a call of its own, all written before any answer is read."""
        for task_id in ids:
            self._next_id += 1
            self._write({"jsonrpc": "2.0", "id": self._next_id, "method": "tools/call", "params": self._one(task_id)})
        for _ in ids:
            self._answer()

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send a request and give its result; `seconds` and `size` tell of the answer."""
        self._next_id += 1
        request = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params}
        began = time.perf_counter()
        self._write(request)
        return self._answer(began)

    def _one(self, task_id: str) -> dict[str, Any]:
        return {"name": self.subject.one, "arguments": {self.subject.one_argument: task_id}}

    def _write(self, message: dict[str, Any]) -> None:
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise CallFailed("the server is gone") from error

    def _answer(self, began: float = 0.0) -> dict[str, Any]:
        while line := self._process.stdout.readline():
            self.seconds, self.size = time.perf_counter() - began, len(line)
            message = json.loads(line)
            if "id" in message:
                return checked(message)
        raise CallFailed("the server ended or took too long")


def checked(message: dict[str, Any]) -> dict[str, Any]:
    """Return the result in a JSON-RPC answer, or raise the error in it."""
    result = message.get("result")
    if result is None or result.get("isError"):
        raise CallFailed(json.dumps(message)[:300])
    return result


class HttpServer(Process):
    """A server that listens on a free loopback port, ready as soon as it is made."""

    def __init__(self, subject: Subject, environment: dict[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        super().__init__([*subject.http_command, str(self.port)], environment, pipes=False)
        self.subject = subject
        for _ in range(300):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        self.__exit__()
        raise CallFailed("the server does not listen")

    def post(self, body: dict[str, Any], path: str = "/mcp", token: str = "") -> bytes:
        """Make the bytes of one keep-alive POST, as the caller with a token of its own or with the server's."""
        content = json.dumps({"jsonrpc": "2.0", **body}).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\ncontent-type: application/json\r\n"
            f"accept: application/json, text/event-stream\r\nauthorization: Bearer {token or self.subject.token}\r\n"
            f"mcp-protocol-version: 2025-06-18\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content

    def call(self, task_id: str, token: str = "") -> bytes:
        """Make the bytes of a lookup."""
        return self._tool(self.subject.one, {self.subject.one_argument: task_id}, token)

    def calls(self, ids: list[str]) -> bytes:
        """Make the bytes of a lookup of several."""
        return self._tool(self.subject.many, {self.subject.many_argument: ids}, "")

    def _tool(self, name: str, arguments: dict[str, Any], token: str) -> bytes:
        params = {"name": name, "arguments": arguments}
        return self.post({"id": 1, "method": "tools/call", "params": params}, token=token)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)


async def read_response(reader: asyncio.StreamReader) -> bytes:
    """Read one HTTP response to its end, and give its body, chunks and all."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b" 200 " not in head[:20] and b" 202 " not in head[:20]:
        raise CallFailed(head.decode("latin-1")[:200])
    if b"content-length:" in head:
        return await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
    return await reader.readuntil(b"\r\n0\r\n\r\n")


def processor() -> str:
    """Say what this machine computes with, without naming it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown processor"
