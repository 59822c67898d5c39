"""The command `headshots-mcp`: flags, environment, who owns the client, which transport."""

from __future__ import annotations

import argparse
import errno
import gc
import ipaddress
import os
import signal
import socket
import sys
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from headshots_mcp import NAME, __version__
from headshots_mcp.logs import log_to_stderr
from headshots_mcp.outcomes import OUTCOMES, made_up
from headshots_mcp.settings import Settings, SettingsRefused, allowed_hosts, allowed_origins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from anyio import Event
    from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext

    from headshots_mcp.client import HeadshotsClient

DESCRIPTION = "Lets an AI assistant look up AI headshot (ID photo) tasks of Ace Data Cloud, over MCP."

EPILOG = """\
environment:
  ACEDATACLOUD_API_TOKEN     your Ace Data Cloud token; without it the tools are listed, but a call is refused
  ACEDATACLOUD_API_BASE_URL  where the API lives (default: https://api.acedata.cloud)
  HEADSHOTS_TIMEOUT          seconds a lookup may take in all, 1 to 300 (default: 20)
  HEADSHOTS_LOG_LEVEL        DEBUG, INFO, WARNING (default), ERROR or CRITICAL; logs go to stderr
  HEADSHOTS_ALLOWED_HOSTS    like --allowed-host, with commas between
  HEADSHOTS_ALLOWED_ORIGINS  like --allowed-origin, with commas between
  HEADSHOTS_IMAGE_HOSTS      more hosts whose pictures the gallery may show, with commas between

what goes where:
  Task ids and the token go to the API and to nobody else; its answers go to the host that asked. Over HTTP every
  caller's own "Authorization: Bearer" is passed on to the API as the token of that call. The token of the environment
  serves callers without one on this machine only: not where --allowed-host lets others in, nor for calls in which
  a proxy shows. Behind a proxy that hides itself that cannot be told: set no token there.

example:
  ACEDATACLOUD_API_TOKEN=... headshots-mcp
  headshots-mcp --sandbox    no account needed: a made-up API on this machine
  headshots-mcp check        says what is wrong, if something is
"""

CHECK = """\
Shows what is set, asks the API for a task that does not exist, and says whether address, certificate and token are
good, and if not what to do. It asks once, and takes no longer than HEADSHOTS_TIMEOUT.
"""

CHECK_EPILOG = """\
exit code:
  0  all is well
  1  something is wrong
  2  a setting cannot work; nothing was sent

keys of the JSON object:
  exit_code                    as above
  version, mcp                 of this package, and of the MCP SDK
  python, executable, system   what it runs on
  base_url                     null if the one that is set cannot work
  base_url_is_default          true or false
  token_set, token_ends_in     true or false; its last four characters, null if it is short
  proxy                        host:port the API was reached through, or null
  ssl_cert_file, ssl_cert_dir  trusted certificates, where the environment names some, or null
  address, certificate, token  each "good", "bad", "not known" or "not used"
  seconds                      how long the lookup took, null if nothing was sent
  cause                        what stood in the way of an answer, or null
  advice                       what to do, a list of sentences; empty if all is well

outcomes to try with --sandbox:
"""


KEEPALIVE = 75
GRACE = 3
MAX_OPEN_FILES = 65_536
# Seconds between the list of tools and the warm-up.
MOMENT = 0.1


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that refuses in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with exit code 2."""
        line = "".join(character if character.isprintable() else "?" for character in message)
        self.exit(2, f"{NAME}: {line} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; leaves with exit code 2 if flags or environment cannot work."""
    # Python's own handler would print a traceback, or wait for the thread that reads stdin.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parser = _parser()
    flags = parser.parse_args(arguments)
    flags.transport = {"streamable-http": "http"}.get(flags.transport, flags.transport)
    if flags.command:
        sys.exit(_run_until_nobody_reads(flags.run, flags))
    with ExitStack() as stack:
        try:
            settings = _settings(flags, stack)
            log_to_stderr(settings.log_level)
            # httpcore looks for it a dozen times a request, on the disk where it is not installed; it tells trio from
            # asyncio, and here there is only asyncio.
            sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]
            if flags.transport == "stdio":
                _serve_stdio(settings)
            else:
                _serve_http(settings, flags)
        except SettingsRefused as refused:
            parser.exit(2, f"{NAME}: {refused}\n")


def _run_until_nobody_reads(command: Callable[[argparse.Namespace], int], flags: argparse.Namespace) -> int:
    try:
        return command(flags)
    except OSError as error:
        if not _reader_has_gone(error):
            raise
        # Python would complain again when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _demo(_flags: argparse.Namespace) -> int:
    from headshots_mcp.demo import run_demo  # noqa: PLC0415 -- what serving does not need is not loaded

    return run_demo()


def _check(flags: argparse.Namespace) -> int:
    import anyio  # noqa: PLC0415 -- as above

    from headshots_mcp.check import MADE_UP_ID, check  # noqa: PLC0415

    outcome = flags.outcome or ("good" if flags.sandbox else None)

    async def run() -> int:
        with ExitStack() as stack:
            environment: Mapping[str, str] = os.environ
            if outcome:
                environment = stack.enter_context(made_up(outcome, MADE_UP_ID))
                # HTTPX reads its own part of it.
                os.environ.update(environment)
            report = await check(environment)
        _print(report.as_json() if flags.json else report.as_text())
        # A name server that does not answer holds a thread nobody can end.
        os._exit(report.exit_code)

    return anyio.run(run)


def _print(text: str) -> None:
    """Print what the console has no letters for as escapes."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)  # noqa: T201


def _settings(flags: argparse.Namespace, stack: ExitStack) -> Settings:
    """Read the settings, flags added; in the sandbox, those about the real API do not count."""
    environment = dict(os.environ)
    if flags.sandbox:
        from headshots_mcp.sandbox import TOKEN, Sandbox  # noqa: PLC0415 -- only --sandbox needs it

        environment["ACEDATACLOUD_API_BASE_URL"] = base_url = stack.enter_context(Sandbox().serve())
        environment["ACEDATACLOUD_API_TOKEN"] = TOKEN
        environment["HEADSHOTS_IMAGE_HOSTS"] = f"{environment.get('HEADSHOTS_IMAGE_HOSTS', '')} {base_url}"
    settings = Settings.from_environment(environment)
    return replace(
        settings,
        allowed_hosts=settings.allowed_hosts + allowed_hosts(flags.allowed_host),
        allowed_origins=settings.allowed_origins + allowed_origins(flags.allowed_origin),
    )


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog=NAME,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_commands(parser)
    parser.add_argument(
        "--transport",
        choices=["stdio", "sse", "http", "streamable-http"],
        default="stdio",
        help="how the host talks to the server (default: stdio)",
    )
    parser.add_argument(
        "--sandbox", action="store_true", help="serve against a built-in made-up API instead of the real one"
    )
    http = parser.add_argument_group("with --transport sse or http")
    http.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    http.add_argument("--port", type=_port, default=8000, help="port to listen on (default: 8000)")
    http.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which others call this server, as in mcp.example.com; repeatable, "
        "and needed wherever it listens beyond this machine",
    )
    http.add_argument(
        "--allowed-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a web page's origin that may use this server, as in https://app.example.com; repeatable",
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {__version__}")
    return parser


def _add_commands(parser: OneLineParser) -> None:
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands (without one it serves)")
    demo = commands.add_parser("demo", help="show the main job, without an account", allow_abbrev=False)
    demo.set_defaults(run=_demo)
    check = commands.add_parser(
        "check",
        help="say whether address, certificate and token are good",
        description=CHECK,
        epilog=CHECK_EPILOG + "\n".join(f"  {outcome:18}{words}" for outcome, words in OUTCOMES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    check.set_defaults(run=_check)
    check.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    check.add_argument(
        "--sandbox",
        nargs="?",
        const="good",
        choices=OUTCOMES,
        metavar="OUTCOME",
        dest="outcome",
        help="try an outcome made up on this machine (default: good)",
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError("must be a number from 0 to 65535")
    return int(text)


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Collect no garbage while modules are loaded, nor ever look for any in what they made, for that stays."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _serve_stdio(settings: Settings) -> None:
    if sys.stdin is None or sys.stdout is None:
        raise SettingsRefused("stdio needs stdin and stdout, and one of them is closed")
    with _no_collecting():
        import anyio  # noqa: PLC0415 -- a refusal need not wait for these imports

        from headshots_mcp.client import HeadshotsClient  # noqa: PLC0415
        from headshots_mcp.reader import Reader  # noqa: PLC0415
        from headshots_mcp.server import create_server  # noqa: PLC0415

        client = HeadshotsClient(settings.base_url, silence_timeout=settings.timeout / 2)
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
        if not _reader_has_gone(error):
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


def _reader_has_gone(error: BaseException) -> bool:
    """Tell whether an error, or each one of a group, is only that nobody reads stdout any more."""
    if inner := getattr(error, "exceptions", ()):
        return all(map(_reader_has_gone, inner))
    # Windows says EINVAL.
    return isinstance(error, OSError) and error.errno in (errno.EPIPE, errno.EINVAL)


def _serve_http(settings: Settings, flags: argparse.Namespace) -> None:
    address = _address(flags.host)
    if not address.is_loopback and not settings.allowed_hosts:
        raise SettingsRefused(
            f"--host {flags.host} can be reached from elsewhere: say by --allowed-host under which name, "
            "as in --allowed-host mcp.example.com"
        )
    _allow_many_connections()
    with _listen(address, flags.port) as listener:
        name = f"[{address}]" if address.version == 6 else str(address)
        with _no_collecting():
            import uvicorn  # noqa: PLC0415 -- stdio does not need these, and a refusal need not wait for them

            from headshots_mcp.asgi import application  # noqa: PLC0415

            app = application(settings, transport=flags.transport, loopback=name if address.is_loopback else None)
        called = name if address.is_loopback else settings.allowed_hosts[0].partition(":")[0]
        origin = f"http://{called}:{listener.getsockname()[1]}"
        older = f"{origin}/sse" if flags.transport == "sse" else f"{origin}/mcp, and for older clients {origin}/sse"
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
