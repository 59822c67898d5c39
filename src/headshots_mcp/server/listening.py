"""Listens for HTTP: the socket, the number of open files, and uvicorn around the application of `http.py`."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from headshots_mcp import NAME, __version__
from headshots_mcp.server.loading import garbage_collection_held
from headshots_mcp.settings import SettingsRefused

if TYPE_CHECKING:
    from headshots_mcp.settings import Settings

KEEPALIVE = 75
GRACE = 3
MAX_OPEN_FILES = 65_536


def serve_http(settings: Settings, *, transport: Literal["sse", "http"], host: str, port: int) -> None:
    """Serve whoever calls, over HTTP, until this process is told to end.

    Raises:
        SettingsRefused: If it cannot listen there, or may not.
    """
    address = _address(host)
    if not address.is_loopback and not settings.allowed_hosts:
        raise SettingsRefused(
            f"--host {host} can be reached from elsewhere: say by --allowed-host under which name, "
            "as in --allowed-host mcp.example.com"
        )
    _allow_many_connections()
    with _listen(address, port) as listener:
        name = f"[{address}]" if address.version == 6 else str(address)
        with garbage_collection_held():
            import uvicorn  # noqa: PLC0415 -- stdio does not need these, and a refusal need not wait for them

            from headshots_mcp.server.http import application  # noqa: PLC0415

            app = application(settings, transport=transport, loopback=name if address.is_loopback else None)
        called = name if address.is_loopback else settings.allowed_hosts[0].partition(":")[0]
        origin = f"http://{called}:{listener.getsockname()[1]}"
        older = f"{origin}/sse" if transport == "sse" else f"{origin}/mcp, and for older clients {origin}/sse"
        print(f"{NAME} {__version__} serves {older}", file=sys.stderr, flush=True)  # noqa: T201
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_keep_alive=KEEPALIVE,
            timeout_graceful_shutdown=GRACE,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Read an address without asking any name server, which might take its time."""
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
    except ValueError:
        raise SettingsRefused("--host must be an IP address such as 127.0.0.1 or 0.0.0.0, or localhost") from None


def _listen(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> socket.socket:
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        return socket.create_server((str(address), port), family=family, backlog=1024)
    except OSError as error:
        # The system's own words are in other languages, and on Windows not to be had for a number.
        code = error.errno or 0
        reason = _CANNOT_LISTEN.get(code, f"the system says {errno.errorcode.get(code, code)}")
        raise SettingsRefused(f"cannot listen on {address} port {port}: {reason}") from None


_CANNOT_LISTEN = {
    errno.EACCES: "the system does not let this user have that port",
    errno.EADDRINUSE: "another program listens there",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
}


def _allow_many_connections() -> None:
    """Raise the number of open files to what the system allows, so that idle connections do not use it up."""
    if sys.platform == "win32":  # it has no such limit
        return
    import resource  # noqa: PLC0415 -- not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS calls the limit infinite and refuses more than its kernel's own, which is 10,240 or more.
    for wanted in (MAX_OPEN_FILES, 10_240):
        limit = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))
            return
