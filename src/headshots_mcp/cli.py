"""The command `headshots-mcp`: what its flags and its environment say, and what is run then."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from contextlib import ExitStack
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from headshots_mcp import NAME, __version__
from headshots_mcp.ending import end_soon, is_broken_pipe
from headshots_mcp.logs import log_to_stderr
from headshots_mcp.sandbox.outcomes import OUTCOMES, simulate
from headshots_mcp.server.http.listening import Listening, serve_http
from headshots_mcp.server.stdio.serving import serve_stdio
from headshots_mcp.settings import (
    Settings,
    SettingsRefused,
    allowed_host,
    allowed_origin,
    one_line,
    read_settings,
    root_path,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DESCRIPTION = "Lets an AI assistant look up AI headshot (ID photo) tasks of Ace Data Cloud, over MCP."

EPILOG = """\
environment:
  ACEDATACLOUD_API_TOKEN     your Ace Data Cloud token; without it the tools are listed, but calls return an error
  ACEDATACLOUD_API_BASE_URL  API base URL (default: https://api.acedata.cloud)
  HEADSHOTS_TIMEOUT          time limit per lookup in seconds, including retries, 1 to 300 (default: 20)
  HEADSHOTS_LOG_LEVEL        DEBUG, INFO, WARNING (default), ERROR or CRITICAL; logs go to stderr
  HEADSHOTS_ALLOWED_HOSTS    like --allowed-host, comma-separated
  HEADSHOTS_ALLOWED_ORIGINS  like --allowed-origin, comma-separated
  HEADSHOTS_IMAGE_HOSTS      more hosts whose pictures may be shown and saved, comma-separated
  HEADSHOTS_SAVE_DIR         like --save-dir

data flow:
  Task ids and the token are sent to the API and nowhere else; its answers go to the app that asked. Over HTTP, each
  caller's "Authorization: Bearer" is forwarded to the API with that call only. The token in the environment is used for
  callers without one only with --share-token.

examples:
  ACEDATACLOUD_API_TOKEN=... headshots-mcp
  headshots-mcp --sandbox    run with sample data, no account needed
  headshots-mcp check        diagnose configuration problems
"""

GET = """\
Looks up tasks and prints a line for each, with its picture links or where the pictures were saved.
"""

GET_EPILOG = """\
exit code:
  0  all tasks succeeded, and their pictures are saved if that was asked for
  1  a task failed, is unfinished or unknown, or a picture could not be saved
  2  a setting or an argument is invalid

example:
  headshots-mcp get 16f96e95-d95c-46ef-b183-139b9bd1aebd --wait --save ~/Pictures
"""

CHECK = """\
Makes one test request with your settings, reports whether the URL, certificate and token work, and says what to do if
not. Takes no longer than HEADSHOTS_TIMEOUT, and shows at most the last four characters of the token.
"""

CHECK_EPILOG = """\
exit code:
  0  everything works
  1  something does not work
  2  a setting is invalid; no request was sent

keys of the JSON object:
  exit_code                    as above
  version, mcp                 of this package, and of the MCP SDK
  python, executable, system   what it runs on
  base_url                     null if the one that is set is invalid
  base_url_is_default          true or false
  token_set, token_ends_in     true or false; its last four characters, null if it is short
  proxy                        host:port of the proxy in between, or null
  trust_store                  whose certificates are trusted, null without TLS
  address, certificate, token  each "good", "bad", "unknown", "not set" or "not used"
  seconds                      how long the test request took, null if none was sent
  cause                        why there was no answer, or null
  advice                       what to do, a list of sentences; empty if everything works

outcomes to simulate with --sandbox:
"""


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that refuses in one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with exit code 2."""
        self.exit(2, f"{NAME}: {one_line(message)} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; leaves with exit code 2 if flags or environment cannot work."""
    _end_at_once_when_told()
    parser = _parser()
    flags = parser.parse_args(arguments)
    flags.transport = {"streamable-http": "http"}.get(flags.transport, flags.transport)
    if flags.save_dir and flags.transport != "stdio":
        parser.error("--save-dir works over stdio only")
    with ExitStack() as stack:
        try:
            if flags.command:
                sys.exit(_run_until_nobody_reads(flags.run, flags))
            environment = _environment(flags, stack)
            if flags.transport == "stdio":
                serve_stdio(*read_settings(environment))
            else:
                settings = _with_flags(Settings.from_environment(environment), flags)
                log_to_stderr(settings.log_level)
                names = (field.name for field in fields(Listening))
                serve_http(settings, Listening(**{name: getattr(flags, name) for name in names}))
        except SettingsRefused as refused:
            parser.exit(2, f"{NAME}: {refused}\n")


def _end_at_once_when_told() -> None:
    """End at Ctrl-C without Python's traceback, and as process 1 of a container too, for which the system does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if os.getpid() == 1:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _frame: os._exit(128 + number))


def _run_until_nobody_reads(command: Callable[[argparse.Namespace], int], flags: argparse.Namespace) -> int:
    try:
        code = command(flags)
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        if not is_broken_pipe(error):
            raise
        # Python would complain again when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _demo(flags: argparse.Namespace) -> int:
    from headshots_mcp.demo import run_demo  # noqa: PLC0415 -- what serving does not need is not loaded

    return run_demo(flags.save, show=flags.open)


def _check(flags: argparse.Namespace) -> int:
    import anyio  # noqa: PLC0415 -- as above

    from headshots_mcp.check import MADE_UP_ID, check  # noqa: PLC0415

    outcome = flags.outcome or ("good" if flags.sandbox else None)

    async def run() -> int:
        with ExitStack() as stack:
            environment: Mapping[str, str] = os.environ
            if outcome:
                environment = stack.enter_context(simulate(outcome, MADE_UP_ID))
                # httpx2 reads its own part of it.
                os.environ.update(environment)
            report = await check(environment)
        text = report.as_text(marks=_can_print("\N{CHECK MARK}\N{BALLOT X}"), colour=_has_colour())
        _print(report.as_json() if flags.json else text)
        end_soon(report.exit_code)
        return report.exit_code

    return anyio.run(run)


def _get(flags: argparse.Namespace) -> int:
    import asyncio  # noqa: PLC0415 -- as above

    import anyio  # noqa: PLC0415

    from headshots_mcp.get import get, ids_and_wait  # noqa: PLC0415

    ids, wait_seconds = ids_and_wait(flags.ids, flags.wait)
    # Ctrl-C has to leave no half pictures behind.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with ExitStack() as stack:
        settings = Settings.from_environment(_environment(flags, stack))
        log_to_stderr(settings.log_level)
        logging.getLogger("headshots_mcp").setLevel(logging.ERROR)
        try:
            found = anyio.run(partial(get, settings, ids, wait_seconds=wait_seconds, folder=flags.save))
        except (KeyboardInterrupt, asyncio.CancelledError):  # the latter on Python 3.10
            return 130
    _print(found.as_json() if flags.json else found.as_text())
    return found.exit_code


def _print(text: str) -> None:
    """Print what the console has no letters for as escapes."""
    encoding = _encoding()
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)  # noqa: T201


def _encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "ascii"


def _can_print(text: str) -> bool:
    try:
        text.encode(_encoding())
    except UnicodeEncodeError:
        return False
    return True


def _has_colour() -> bool:
    """Tell whether stdout is a terminal that shows colours; a plain Windows console shows their codes instead."""
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return False
    return "WT_SESSION" in os.environ if sys.platform == "win32" else os.environ.get("TERM") not in (None, "dumb")


def _environment(flags: argparse.Namespace, stack: ExitStack) -> Mapping[str, str]:
    """Give the environment; with --sandbox, what it says about the real API does not count."""
    environment = dict(os.environ)
    if flags.save_dir:
        environment["HEADSHOTS_SAVE_DIR"] = str(flags.save_dir.absolute())
    if not (flags.sandbox or getattr(flags, "sandbox_of_get", False)):
        return environment
    from headshots_mcp.sandbox.app import TOKEN, Sandbox  # noqa: PLC0415 -- only --sandbox needs it

    base_url = stack.enter_context(Sandbox().serve())
    return environment | {
        "ACEDATACLOUD_API_BASE_URL": base_url,
        "ACEDATACLOUD_API_TOKEN": TOKEN,
        "HEADSHOTS_IMAGE_HOSTS": f"{environment.get('HEADSHOTS_IMAGE_HOSTS', '')} {base_url}",
    }


def _with_flags(settings: Settings, flags: argparse.Namespace) -> Settings:
    """Add what is said by flags to what the environment says."""
    return replace(
        settings,
        allowed_hosts=(*settings.allowed_hosts, *flags.allowed_host),
        allowed_origins=(*settings.allowed_origins, *flags.allowed_origin),
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
        help="how apps connect to the server (default: stdio)",
    )
    parser.add_argument(
        "--sandbox", action="store_true", help="use sample data, simulated on this machine, instead of the API"
    )
    parser.add_argument(
        "--save-dir",
        type=Path,
        metavar="FOLDER",
        help="let the assistant save pictures into this folder (stdio only); without it there is no such tool",
    )
    http = parser.add_argument_group("with --transport sse or http")
    http.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    http.add_argument("--port", type=_port, default=8000, help="port to listen on (default: 8000)")
    http.add_argument(
        "--allowed-host",
        type=_checked(allowed_host),
        action="append",
        default=[],
        metavar="NAME",
        help="a host name clients use, such as mcp.example.com; repeatable, and required for any address but loopback",
    )
    http.add_argument(
        "--allowed-origin",
        type=_checked(allowed_origin),
        action="append",
        default=[],
        metavar="ORIGIN",
        help="the origin of a web page that may use this server, such as https://app.example.com; repeatable",
    )
    http.add_argument(
        "--root-path",
        type=_checked(root_path),
        default="",
        metavar="PATH",
        help="the prefix under which a proxy serves this server, such as /headshots",
    )
    http.add_argument(
        "--share-token",
        action="store_true",
        help="let everyone who can reach the port use the token in ACEDATACLOUD_API_TOKEN; "
        "only on a loopback address, and not with --allowed-host",
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {__version__}")
    return parser


def _add_commands(parser: OneLineParser) -> None:
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands (default: run the server)")
    demo = commands.add_parser("demo", help="run a self-contained demo", allow_abbrev=False)
    demo.set_defaults(run=_demo)
    demo.add_argument(
        "--save", type=Path, metavar="FOLDER", help="save the pictures there, with a page that shows them"
    )
    demo.add_argument("--open", action="store_true", help="show the pictures in your browser at the end")
    get = commands.add_parser(
        "get",
        help="look up tasks, wait for them and save their pictures",
        description=GET,
        epilog=GET_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    get.set_defaults(run=_get)
    get.add_argument("ids", nargs="*", metavar="ID", help="a task id")
    get.add_argument(
        "--wait",
        nargs="?",
        const="",
        metavar="SECONDS",
        help="wait until all tasks are done, at most this many seconds (default: 600)",
    )
    get.add_argument("--save", type=Path, metavar="FOLDER", help="save the pictures there; nothing is overwritten")
    get.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    get.add_argument("--sandbox", action="store_true", dest="sandbox_of_get", help="use sample tasks on this machine")
    check = commands.add_parser(
        "check",
        help="diagnose configuration problems",
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
        help="simulate an outcome locally (default: good)",
    )


def _checked(parse: Callable[[str], str]) -> Callable[[str], str]:
    """Let argparse say why a value was refused, after the name of its flag."""

    def parse_flag(text: str) -> str:
        try:
            return parse(text)
        except SettingsRefused as refused:
            raise argparse.ArgumentTypeError(str(refused).rstrip(".")) from None

    return parse_flag


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError("must be a number from 0 to 65535")
    return int(text)
