"""How the server runs: over stdio for the host that started it, or over HTTP for whoever calls."""

from __future__ import annotations

import errno
import gc
import ipaddress
import os
import socket
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

from headshots_mcp import NAME, __version__
from headshots_mcp.settings import Settings, SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio import Event
    from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext

    from headshots_mcp.client import HeadshotsClient

KEEPALIVE = 75
GRACE = 3
MAX_OPEN_FILES = 65_536
# Seconds between the list of tools and the warm-up.
MOMENT = 0.1


def serve_stdio(settings: Settings) -> None:
    """Serve the host that started this process, over its pipes, until it closes them.

    Raises:
        SettingsRefused: If there are no pipes.
    """
    if sys.stdin is None or sys.stdout is None:
        raise SettingsRefused("stdio needs stdin and stdout, and one of them is closed")
    with _no_collecting():
        import anyio  # noqa: PLC0415 -- a refusal need not wait for these imports

        from headshots_mcp.client import HeadshotsClient, assume_asyncio  # noqa: PLC0415
        from headshots_mcp.reader import Reader  # noqa: PLC0415
        from headshots_mcp.server import create_server  # noqa: PLC0415

        assume_asyncio()
        client = HeadshotsClient(settings.base_url, silence_timeout=settings.silence_timeout)
        reader = Reader(client, timeout=settings.timeout)
        server = create_server(reader, lambda _headers: settings.token, image_hosts=settings.image_hosts)

    async def serve() -> None:
        listed = anyio.Event()
        server.middleware.append(_noting("tools/list", listed))
        async with client, anyio.create_task_group() as group:
            group.start_soon(_warm_up, client, listed)
            await server.run_stdio_async()
            group.cancel_scope.cancel()
        # A name server that does not answer holds a thread nobody can end; there is nothing left to do anyway.
        os._exit(0)

    try:
        anyio.run(serve)
    except Exception as error:
        if not reader_has_gone(error):
            raise


def _noting(method: str, answered: Event) -> ServerMiddleware[Any]:
    """Note when a method was answered."""

    async def middleware(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        result = await call_next(ctx)
        if ctx.method == method:
            answered.set()
        return result

    return middleware


async def _warm_up(client: HeadshotsClient, listed: Event) -> None:
    """Make the client ready for its first call, once that delays neither the list of tools nor what follows at once."""
    import anyio  # noqa: PLC0415

    await listed.wait()
    await anyio.sleep(MOMENT)
    await client.warm_up()


def reader_has_gone(error: BaseException) -> bool:
    """Tell whether an error, or each one of a group, is only that nobody reads stdout any more."""
    if inner := getattr(error, "exceptions", ()):
        return all(map(reader_has_gone, inner))
    # Windows says EINVAL.
    return isinstance(error, OSError) and error.errno in (errno.EPIPE, errno.EINVAL)


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
        with _no_collecting():
            import uvicorn  # noqa: PLC0415 -- stdio does not need these, and a refusal need not wait for them

            from headshots_mcp.asgi import application  # noqa: PLC0415
            from headshots_mcp.client import assume_asyncio  # noqa: PLC0415

            assume_asyncio()
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


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Collect no garbage while modules are loaded, nor ever look for any in what they made, for that stays."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
