"""The command `headshots-mcp`: flags, environment, who owns the client, which transport."""

from __future__ import annotations

import argparse
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
  HEADSHOTS_LOG_LEVEL        DEBUG, INFO, WARNING (default), ERROR or CRITICAL; logs go to stderr

example:
  ACEDATACLOUD_API_TOKEN=... headshots-mcp
  headshots-mcp --sandbox    no account needed: a made-up API on this machine
"""


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that refuses in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with exit code 2."""
        self.exit(2, f"{NAME}: {message} (see {NAME} --help)\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; leaves with exit code 2 if flags or environment cannot work."""
    parser = _parser()
    flags = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsRefused as refused:
        parser.exit(2, f"{NAME}: {refused}\n")
    _log_to_stderr(settings)
    if flags.command == "demo":
        from headshots_mcp.demo import run_demo  # noqa: PLC0415 -- what serving does not need is not loaded

        sys.exit(run_demo())
    if flags.transport != "stdio":
        parser.error(f"--transport {flags.transport} is not there yet; use stdio")
    with ExitStack() as stack:
        if flags.sandbox:
            settings = _sandboxed(settings, stack)
        _serve_stdio(settings)


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
    """Send logs to stderr; other packages stay at WARNING, for below that they write out what they carry."""
    logging.basicConfig(stream=sys.stderr, level="WARNING", format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("headshots_mcp").setLevel(settings.log_level)


def _sandboxed(settings: Settings, stack: ExitStack) -> Settings:
    from headshots_mcp.sandbox import TOKEN, Sandbox  # noqa: PLC0415 -- only --sandbox needs it

    return replace(settings, base_url=stack.enter_context(Sandbox().serve()), token=TOKEN)


def _serve_stdio(settings: Settings) -> None:
    import anyio  # noqa: PLC0415 -- a refusal need not wait for these imports

    from headshots_mcp.client import HeadshotsClient  # noqa: PLC0415
    from headshots_mcp.reader import Reader  # noqa: PLC0415
    from headshots_mcp.server import create_server  # noqa: PLC0415

    async def serve() -> None:
        async with HeadshotsClient(settings.base_url) as client:
            await create_server(Reader(client), lambda _headers: settings.token).run_stdio_async()

    # Python's own handler would wait for the thread that reads stdin.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        anyio.run(serve)
    except Exception as error:
        if not _host_has_gone(error):
            raise


def _host_has_gone(error: BaseException) -> bool:
    """Tell whether an error, or each one of a group, is only that nobody reads stdout any more."""
    inner = getattr(error, "exceptions", ())
    return all(map(_host_has_gone, inner)) if inner else isinstance(error, BrokenPipeError)
