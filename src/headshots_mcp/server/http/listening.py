"""Listens for HTTP: the socket, and uvicorn, which runs the application of `app.py`."""

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
    """How and where to serve, as set by flags.

    Args:
        transport: "http" for Streamable HTTP and SSE, "sse" for the latter only.
        host: The IP address to listen on, or localhost.
        port: The port, 0 for any that is free.
        root_path: The prefix that a proxy puts before the paths of this server, such as /headshots.
        share_token: Whether callers without a token use the one in the settings.
        sandbox: Whether that token is the sandbox's, which is no secret: on loopback, it is shared without a flag.
    """

    transport: Literal["sse", "http"]
    host: str
    port: int
    root_path: str = ""
    share_token: bool = False
    sandbox: bool = False


def serve_http(settings: Settings, flags: Listening) -> None:
    """Serve over HTTP until this process is told to end.

    Raises:
        SettingsRefused: If it cannot listen there, or may not.
    """
    address = _address(flags.host)
    is_private = address.is_loopback and not settings.allowed_hosts
    _check_who_comes(settings, flags, is_loopback=address.is_loopback)
    with _listen(address, flags.port) as listener:
        name = f"[{address}]" if address.version == 6 else str(address)
        with garbage_collection_held():
            import uvicorn  # noqa: PLC0415 -- stdio does not need these, and a refusal should not wait for them

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
    """Parse an address without asking a name server, which could take long."""
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
    except ValueError:
        raise SettingsRefused("--host must be an IP address such as 127.0.0.1 or 0.0.0.0, or localhost") from None


def _listen(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> socket.socket:
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        return socket.create_server((str(address), port), family=family, backlog=1024)
    except OSError as error:
        # The system's own words may be in another language, and Windows has none for these numbers.
        code = error.errno or 0
        reason = _CANNOT_LISTEN.get(code, f"the system says {errno.errorcode.get(code, code)}")
        raise SettingsRefused(f"cannot listen on {address} port {port}: {reason}") from None


_CANNOT_LISTEN = {
    errno.EACCES: "permission denied",
    errno.EADDRINUSE: "port already in use",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
}
