"""An API in bytes, for what no HTTP server would send."""

from __future__ import annotations

import json
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.tls import TLSListener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from anyio.abc import ByteStream

MAX_HEAD = 65_536


class Asked(NamedTuple):
    """A request, and which of its connection and which of all it is, from 1."""

    token: str
    body: dict[str, Any]
    on_connection: int
    number: int


Answer = "Callable[[Asked, ByteStream], Awaitable[None]]"


@asynccontextmanager
async def raw_api(
    answer: Callable[[Asked, ByteStream], Awaitable[None]], certificate: Path | None = None
) -> AsyncIterator[str]:
    """Serve on loopback, with TLS if there is a certificate; yields the base URL."""
    count = 0

    async def serve(client: ByteStream) -> None:
        nonlocal count
        on_connection = 0
        received = BufferedByteReceiveStream(client)
        async with client:
            while True:
                head = (await received.receive_until(b"\r\n\r\n", MAX_HEAD)).decode().lower()
                headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
                body = await received.receive_exactly(int(headers["content-length"]))
                on_connection, count = on_connection + 1, count + 1
                token = headers["authorization"].removeprefix("bearer ")
                await answer(Asked(token, json.loads(body), on_connection, count), client)

    async def serve_quietly(client: ByteStream) -> None:
        try:
            await serve(client)
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as tcp, anyio.create_task_group() as group:
        listener: Any = tcp
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            listener = TLSListener(tcp, context, standard_compatible=False)
        group.start_soon(listener.serve, serve_quietly)
        port = tcp.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 -- not Django's
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
        group.cancel_scope.cancel()


def response(body: object, status: int = 200) -> bytes:
    """A whole response."""
    content = json.dumps(body).encode()
    return (
        b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        % (
            status,
            len(content),
        )
        + content
    )
