"""The benchmark's own API: answers every `/…/tasks` on loopback, http and https, and counts who asked how.

It is a process of its own, so that what it costs is the same for every server that is measured. The first line it
prints is JSON with its two ports; `GET /counts`, `POST /delay` and `POST /reset` are for the benchmark itself.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

UNFINISHED = "unfinished"
DOCUMENTED = "16f96e95-d95c-46ef-b183-139b9bd1aebd"
_DOCUMENTED = Path(__file__).parent.parent / "tests" / "documented" / "single.json"


def record(task_id: str) -> dict[str, Any]:
    """Return the documented record for any id, with a second link of its own, except in the documented task."""
    document = json.loads(_DOCUMENTED.read_text("utf-8").replace(DOCUMENTED, task_id))
    if task_id != DOCUMENTED:
        picture = document["response"]["data"][1]
        picture["image_url"] = picture["image_url"].replace(".png", "-2.png")
    return document


def unfinished_record(task_id: str) -> dict[str, Any]:
    """Return what the API documents for a task without pictures."""
    return record(task_id) | {"response": {"task_id": task_id, "status": "unknown", "data": []}}


_FINISHED_JSON = json.dumps(record("@"), ensure_ascii=False)
_UNFINISHED_JSON = json.dumps(unfinished_record("@"), ensure_ascii=False)


def answer(body: dict[str, Any]) -> bytes:
    """Answer a single or a batch request with records made from a template, which costs next to nothing."""
    if "ids" in body:
        items = ", ".join(map(_record_json, body["ids"]))
        return f'{{"items": [{items}], "count": {len(body["ids"])}}}'.encode()
    return _record_json(body["id"]).encode()


def _record_json(task_id: str) -> str:
    if task_id == DOCUMENTED:
        return json.dumps(record(task_id), ensure_ascii=False)
    return (_UNFINISHED_JSON if task_id.startswith(UNFINISHED) else _FINISHED_JSON).replace("@", task_id)


@dataclass
class Counts:
    """What one token asked for since the last reset."""

    requests: int = 0
    connections: int = 0
    open: int = 0
    most_at_once: int = 0


class Upstream:
    """The counts by token, and the delay before each answer."""

    def __init__(self) -> None:
        self.delay = 0.0
        self.counts: defaultdict[str, Counts] = defaultdict(Counts)

    def control(self, path: str, body: dict[str, Any]) -> bytes:
        """Do what the benchmark asks for."""
        if path == "/reset":
            self.counts.clear()
        elif path == "/delay":
            self.delay = body["seconds"]
        return json.dumps({token: asdict(counts) for token, counts in self.counts.items()}).encode()


class Connection(asyncio.Protocol):
    """One kept-open connection that sends one request after the other."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._received = b""
        self._tokens: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        line, *headers = head.decode("latin-1").split("\r\n")
        named = {name.lower(): value.strip() for name, _, value in (header.partition(":") for header in headers)}
        length = int(named.get("content-length", 0))
        if len(rest) < length:
            return
        self._received = rest[length:]
        self._request(line.split(" ")[1], named, json.loads(rest[:length] or b"{}"))

    def _request(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> None:
        if not path.endswith("/tasks"):
            self._send(self._upstream.control(path, body))
            return
        token = headers.get("authorization", "").removeprefix("Bearer ")
        counts = self._upstream.counts[token]
        counts.requests += 1
        counts.connections += token not in self._tokens
        self._tokens.add(token)
        counts.open += 1
        counts.most_at_once = max(counts.most_at_once, counts.open)
        if self._upstream.delay:
            asyncio.get_running_loop().call_later(self._upstream.delay, self._finish, counts, body)
        else:
            self._finish(counts, body)

    def _finish(self, counts: Counts, body: dict[str, Any]) -> None:
        counts.open -= 1
        self._send(answer(body))

    def _send(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def serve(certificate: str) -> None:
    """Serve both until stdin ends."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    loop, upstream = asyncio.get_running_loop(), Upstream()
    plain = await loop.create_server(lambda: Connection(upstream), "127.0.0.1", 0, backlog=1024)
    secure = await loop.create_server(lambda: Connection(upstream), "127.0.0.1", 0, backlog=1024, ssl=tls)
    ports = {"http": plain.sockets[0].getsockname()[1], "https": secure.sockets[0].getsockname()[1]}
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
