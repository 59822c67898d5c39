"""One connection to the API, for one request at a time, that does not let itself be kept busy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpcore2
import httpx2
from socksio.exceptions import SOCKSError

from headshots_mcp.api.connections import KEEPALIVE_SECONDS
from headshots_mcp.api.errors import AnswerNotUnderstood, Unreachable
from headshots_mcp.api.responses import is_dust

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from headshots_mcp.api.route import Route

# Bytes before an answer proper begins: its headers, and what comes before them ("103 Early Hints").
MAX_HEAD = 64 * 1024


class Connection(httpx2.AsyncHTTPTransport):
    """HTTPX2's transport over a pool of one connection, whose network stream is watched.

    HTTPX2 has no argument for a network backend. To set `_pool` in its place is what other transports do, too.
    """

    def __init__(self, route: Route) -> None:
        self._network = WatchedNetwork()
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=route.tls,
            proxy=route.proxy,
            max_connections=1,
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=self._network,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; gives the response once its headers are there.

        Raises:
            AnswerNotUnderstood: If too much came before them.
            Unreachable: If they were there before the request was sent, left over from an earlier response.
        """
        self._network.begin()
        try:
            response = await super().handle_async_request(request)
        except (AssertionError, SOCKSError) as error:
            raise httpx2.ProxyError("not a SOCKS proxy") from error  # HTTPCore2 expects that it is one
        self._network.end_head()
        return response

    async def aclose(self) -> None:
        """Close the connection, also one that was not ready yet."""
        await super().aclose()
        await self._network.aclose()


class WatchedNetwork(httpcore2.AsyncNetworkBackend):
    """Opens the stream of one connection, and counts what is read since the last request began."""

    def __init__(self) -> None:
        self._backend = httpcore2.AnyIOBackend()
        self._stream: httpcore2.AsyncNetworkStream | None = None
        self._reads = self._bytes = 0
        self._in_head = True

    def begin(self) -> None:
        """Note that a request is about to be sent."""
        self._reads = self._bytes = 0
        self._in_head = True

    def end_head(self) -> None:
        """Note that the headers of its response are there.

        Raises:
            Unreachable: If nothing was read since the request began.
        """
        self._in_head = False
        if not self._reads:
            raise Unreachable

    def note_read(self, size: int) -> None:
        """Count what was read.

        Raises:
            AnswerNotUnderstood: If it only keeps the request busy.
        """
        self._reads += 1
        self._bytes += size
        if is_dust(self._reads, self._bytes) or (self._in_head and self._bytes > MAX_HEAD):
            raise AnswerNotUnderstood

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect, as HTTPCore2 wants it."""
        self._stream = await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        return WatchedStream(self._stream, self)

    async def aclose(self) -> None:
        """Close the stream; HTTPCore2 forgets one whose TLS handshake was cancelled."""
        if self._stream:
            await self._stream.aclose()


class WatchedStream(httpcore2.AsyncNetworkStream):
    """A network stream whose reads are noted."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream, network: WatchedNetwork) -> None:
        self._stream = stream
        self._network = network

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read, and note how much it was."""
        data = await self._stream.read(max_bytes, timeout)
        self._network.note_read(len(data))
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
        """Go on in TLS."""
        return WatchedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._network)

    def get_extra_info(self, info: str) -> Any:
        """Tell about the socket below."""
        return self._stream.get_extra_info(info)
