"""The command `headshots-mcp`: flags, environment, who owns the client, which transport."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from headshots_mcp import NAME, __version__
from headshots_mcp.settings import Settings, SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

DESCRIPTION = "Lets an AI assistant look up AI headshot (ID photo) tasks of Ace Data Cloud, over MCP."

EPILOG = """\
environment:
  ACEDATACLOUD_API_TOKEN     your Ace Data Cloud token; without it the tools are listed, but a call is refused
  ACEDATACLOUD_API_BASE_URL  where the API lives (default: https://api.acedata.cloud)
  HEADSHOTS_TIMEOUT          seconds a lookup may take in all, 1 to 300 (default: 20)
  HEADSHOTS_LOG_LEVEL        DEBUG, INFO, WARNING (default), ERROR or CRITICAL; logs go to stderr

example:
  ACEDATACLOUD_API_TOKEN=... headshots-mcp
  headshots-mcp --sandbox    no account needed: a made-up API on this machine
"""


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that refuses in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with exit code 2."""
        line = "".join(character if character.isprintable() else "?" for character in message)
        self.exit(2, f"{NAME}: {line} (see {NAME} --help)\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; leaves with exit code 2 if flags or environment cannot work."""
    # Python's own handler would print a traceback, or wait for the thread that reads stdin.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parser = _parser()
    flags = parser.parse_args(arguments)
    if flags.command == "demo":
        sys.exit(_demo())
    if flags.transport != "stdio":
        parser.error(f"--transport {flags.transport} is not there yet; use stdio")
    with ExitStack() as stack:
        try:
            settings = _settings(stack, sandbox=flags.sandbox)
        except SettingsRefused as refused:
            parser.exit(2, f"{NAME}: {refused}\n")
        _log_to_stderr(settings)
        _serve_stdio(settings)


def _demo() -> int:
    from headshots_mcp.demo import run_demo  # noqa: PLC0415 -- what serving does not need is not loaded

    try:
        return run_demo()
    except BrokenPipeError:
        # Whoever read the transcript has gone; Python would complain again when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _settings(stack: ExitStack, *, sandbox: bool) -> Settings:
    """Read the settings; in the sandbox, those about the real API do not count."""
    if not sandbox:
        return Settings.from_environment(os.environ)
    from headshots_mcp.sandbox import TOKEN, Sandbox  # noqa: PLC0415 -- only --sandbox needs it

    environment = {name: value for name, value in os.environ.items() if not name.startswith("ACEDATACLOUD_")}
    base_url = stack.enter_context(Sandbox().serve())
    return replace(Settings.from_environment(environment), base_url=base_url, token=TOKEN)


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog=NAME,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("command", nargs="?", choices=["demo"], help="show the main job, without an account")
    parser.add_argument(
        "--transport",
        choices=["stdio", "sse", "http", "streamable-http"],
        default="stdio",
        help="how the host talks to the server (default: stdio)",
    )
    parser.add_argument(
        "--sandbox", action="store_true", help="serve against a built-in made-up API instead of the real one"
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {__version__}")
    return parser


def _log_to_stderr(settings: Settings) -> None:
    """Send logs to stderr; other packages say no more than warnings, for below they write what they carry."""
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger().setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
    logging.getLogger("headshots_mcp").setLevel(settings.log_level)


def _serve_stdio(settings: Settings) -> None:
    if sys.stdin is None or sys.stdout is None:
        sys.exit("headshots-mcp: stdio needs stdin and stdout, and one of them is closed")
    import anyio  # noqa: PLC0415 -- a refusal need not wait for these imports

    from headshots_mcp.client import HeadshotsClient  # noqa: PLC0415
    from headshots_mcp.reader import Reader  # noqa: PLC0415
    from headshots_mcp.server import create_server  # noqa: PLC0415

    async def serve() -> None:
        async with HeadshotsClient(settings.base_url, silence_timeout=settings.timeout / 2) as client:
            reader = Reader(client, timeout=settings.timeout)
            await create_server(reader, lambda _headers: settings.token).run_stdio_async()

    try:
        anyio.run(serve)
    except Exception as error:
        if not _host_has_gone(error):
            raise


def _host_has_gone(error: BaseException) -> bool:
    """Tell whether an error, or each one of a group, is only that nobody reads stdout any more."""
    if inner := getattr(error, "exceptions", ()):
        return all(map(_host_has_gone, inner))
    # Windows says EINVAL.
    return isinstance(error, OSError) and error.errno in (errno.EPIPE, errno.EINVAL)
