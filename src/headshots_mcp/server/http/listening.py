"""Listens for HTTP: the socket, and uvicorn around the application of `http.py`."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from headshots_mcp import NAME, __version__
from headshots_mcp.server.loading import garbage_collection_held
from headshots_mcp.settings import SettingsRefused

if TYPE_CHECKING:
    from headshots_mcp.settings import Settings

SHARED = "Everyone who can reach this port uses the token in ACEDATACLOUD_API_TOKEN (--share-token)."


@dataclass(frozen=True)
class Listening:
    """How and where to serve, as flags say it.

    Args:
        transport: "http" for Streamable HTTP with SSE beside it, "sse" for the latter alone.
        host: The IP address to listen on, or localhost.
        port: The port, 0 for any that is free.
        root_path: What a proxy has before the paths of this server, as in /headshots.
        share_token: Whether callers without a token use that of the settings.
        sandbox: Whether that token is the sandbox's, which is no secret: it is shared where it may be.
    """

    transport: Literal["sse", "http"]
    host: str
    port: int
    root_path: str = ""
    share_token: bool = False
    sandbox: bool = False


def serve_http(settings: Settings, flags: Listening) -> None:
    """Serve whoever calls, over HTTP, until this process is told to end.

    Raises:
        SettingsRefused: If it cannot listen there, or may not.
    """
    address = _address(flags.host)
    is_private = address.is_loopback and not settings.allowed_hosts
    _check_who_comes(settings, flags, is_loopback=address.is_loopback)
    with _listen(address, flags.port) as listener:
        name = f"[{address}]" if address.version == 6 else str(address)
        with garbage_collection_held():
            import uvicorn  # noqa: PLC0415 -- stdio does not need these, and a refusal need not wait for them

            from headshots_mcp.server.http.app import application  # noqa: PLC0415

            app = application(
                settings,
                transport=flags.transport,
                address=name if address.is_loopback else None,
                shared_token=settings.token if flags.share_token or (flags.sandbox and is_private) else None,
            )
        called = name if address.is_loopback else settings.allowed_hosts[0].partition(":")[0]
        base = f"http://{called}:{listener.getsockname()[1]}{flags.root_path}"
        older = f"{base}/sse" if flags.transport == "sse" else f"{base}/mcp, and for older clients {base}/sse"
        said = f"{NAME} {__version__} serves {older}"
        print(f"{said}\n{SHARED}" if flags.share_token else said, file=sys.stderr, flush=True)  # noqa: T201
        config = uvicorn.Config(
            app, log_config=None, access_log=False, proxy_headers=False, ws="none", root_path=flags.root_path
        )
        uvicorn.Server(config).run(sockets=[listener])


def _check_who_comes(settings: Settings, flags: Listening, *, is_loopback: bool) -> None:
    if not is_loopback and not settings.allowed_hosts:
        raise SettingsRefused(
            f"--host {flags.host} can be reached from elsewhere: add --allowed-host NAME with the host name clients "
            "use, as in --allowed-host mcp.example.com"
        )
    if flags.share_token and (settings.allowed_hosts or not is_loopback):
        raise SettingsRefused(
            "--share-token lets everyone who can reach the port use your token, so it cannot be combined with "
            "--allowed-host, nor with a --host other than a loopback address"
        )
    if flags.share_token and not settings.token:
        raise SettingsRefused("--share-token needs a token to share: set ACEDATACLOUD_API_TOKEN")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read an address without asking any name server, which might take its time."""
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
    except ValueError:
        raise SettingsRefused("--host must be an IP address such as 127.0.0.1 or 0.0.0.0, or localhost") from None


def _listen(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> socket.socket:
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        listener = socket.create_server((str(address), port), family=family, backlog=1024)
    except OSError as error:
        # The system's own words are in other languages, and on Windows not to be had for a number.
        code = error.errno or 0
        reason = _CANNOT_LISTEN.get(code, f"the system says {errno.errorcode.get(code, code)}")
        raise SettingsRefused(f"cannot listen on {address} port {port}: {reason}") from None
    # For what is accepted, too: asyncio sets it on its own sockets only, and without it answers take 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


_CANNOT_LISTEN = {
    errno.EACCES: "permission denied",
    errno.EADDRINUSE: "port already in use",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
}
