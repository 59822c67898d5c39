"""One connection to the API, for one request at a time, that gives up on responses that only trickle in."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import httpcore2
import httpx2
from socksio.exceptions import SOCKSError

from headshots_mcp.api.connections import MAX_IDLE_SECONDS
from headshots_mcp.api.errors import AnswerNotUnderstood
from headshots_mcp.api.responses import is_trickle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headshots_mcp.api.route import Route

# Bytes before a response's body: its headers, and any informational responses ("103 Early Hints") before them.
MAX_HEAD = 64 * 1024


class Connection(httpx2.AsyncHTTPTransport):
    """httpx2's transport over a pool of one connection, whose network stream is watched.

    httpx2 takes no network backend, so this sets `_pool`, as other transports do (docs/design.md).
    """

    def __init__(self, route: Route) -> None:
        self._network = WatchedNetwork()
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=route.tls,
            proxy=route.proxy,
            max_connections=1,
            keepalive_expiry=MAX_IDLE_SECONDS,
            network_backend=self._network,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and return the response once its headers have arrived.

        If anything is left from an earlier response, the connection is replaced: it could be taken for this one.

        Raises:
            AnswerNotUnderstood: If too much arrived before the headers were complete.
            httpx2.RequestError: If the connection fails.
        """
        if self._has_left_over() or self._network.has_data():
            await self.aclose()
        self._network.begin()
        try:
            response = await super().handle_async_request(request)
        except (AssertionError, SOCKSError) as error:
            raise httpx2.ProxyError("not a SOCKS proxy") from error  # httpcore2 only asserts that it is one
        self._network.in_head = False
        return response

    def _has_left_over(self) -> bool:
        """Return whether more was read than the earlier response, even if it is only the beginning of another."""
        return any(map(_unparsed, self._pool.connections))

    async def aclose(self) -> None:
        """Close the connection, even one that is still being opened."""
        await super().aclose()
        await self._network.aclose()


def _unparsed(connection: object) -> bytes:
    """Return what a connection has read but not parsed; one through a proxy has another inside (docs/design.md)."""
    while inner := getattr(connection, "_connection", None):
        connection = inner
    parser = getattr(connection, "_h11_state", None)
    return parser.trailing_data[0] if parser else b""


class WatchedNetwork(httpcore2.AsyncNetworkBackend):
    """Opens the stream of one connection, and counts what has been read since the last request began."""

    def __init__(self) -> None:
        self.stream: httpcore2.AsyncNetworkStream | None = None
        self.begin()

    def begin(self) -> None:
        """Start counting, because a request is about to be sent."""
        self.reads = self._bytes = 0
        self.in_head = True

    def count(self, size: int) -> None:
        """Count a read.

        Raises:
            AnswerNotUnderstood: If the response only trickles in, or too much came before its body.
        """
        self.reads += 1
        self._bytes += size
        if is_trickle(self.reads, self._bytes) or (self.in_head and self._bytes > MAX_HEAD):
            raise AnswerNotUnderstood

    def has_data(self) -> bool:
        """Return whether TLS holds data that was never read; httpcore2 only checks the socket."""
        tls = self.stream and self.stream.get_extra_info("ssl_object")
        try:
            return bool(tls and tls.read(1))
        except ssl.SSLError:
            return False

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Open the connection's stream."""
        backend = httpcore2.AnyIOBackend()
        return self.watch(await backend.connect_tcp(host, port, timeout, local_address, socket_options))

    def watch(self, stream: httpcore2.AsyncNetworkStream) -> httpcore2.AsyncNetworkStream:
        """Keep a stream as the connection's own, and return it with its reads counted."""
        self.stream = stream
        return WatchedStream(stream, self)

    async def aclose(self) -> None:
        """Close the stream; httpcore2 forgets one whose TLS handshake was cancelled."""
        if self.stream:
            await self.stream.aclose()


class WatchedStream(httpcore2.AsyncNetworkStream):
    """A network stream whose reads are counted."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream, network: WatchedNetwork) -> None:
        self._stream = stream
        self._network = network

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read, and count what came."""
        data = await self._stream.read(max_bytes, timeout)
        self._network.count(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Continue over TLS."""
        return self._network.watch(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """Return what the stream knows about its socket."""
        return self._stream.get_extra_info(info)
