"""The flags of the command `headshots-mcp`, and its help."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn, TypeVar

from headshots_mcp import NAME, __version__
from headshots_mcp.sandbox.outcomes import OUTCOMES
from headshots_mcp.settings import SettingsRefused, allowed_host, allowed_origin, folder, one_line, root_path

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

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
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit with code 2."""
        self.exit(2, f"{NAME}: {one_line(message)} (see {self.prog} --help)\n")


def parser() -> OneLineParser:
    """Make the parser for all flags; `command` is None where the command is to serve."""
    parser = OneLineParser(
        prog=NAME,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands (default: run the server)")
    _add_demo(commands)
    _add_get(commands)
    _add_check(commands)
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
        type=_checked(folder),
        metavar="FOLDER",
        help="let the assistant save pictures into this folder (stdio only); without it there is no such tool",
    )
    _add_http(parser)
    parser.add_argument("--version", action="version", version=f"{NAME} {__version__}")
    return parser


def _add_http(parser: OneLineParser) -> None:
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


def _add_demo(commands: argparse._SubParsersAction[OneLineParser]) -> None:
    demo = commands.add_parser("demo", help="run a self-contained demo", allow_abbrev=False)
    demo.add_argument(
        "--save", type=_checked(folder), metavar="FOLDER", help="save the pictures there, with a page that shows them"
    )
    demo.add_argument("--open", action="store_true", help="show the pictures in your browser at the end")


def _add_get(commands: argparse._SubParsersAction[OneLineParser]) -> None:
    get = commands.add_parser(
        "get",
        help="look up tasks, wait for them and save their pictures",
        description=GET,
        epilog=GET_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    get.add_argument("ids", nargs="*", metavar="ID", help="a task id")
    get.add_argument(
        "--wait",
        nargs="?",
        const="",
        metavar="SECONDS",
        help="wait until all tasks are done, at most this many seconds (default: 600)",
    )
    get.add_argument(
        "--save", type=_checked(folder), metavar="FOLDER", help="save the pictures there; nothing is overwritten"
    )
    get.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    get.add_argument("--sandbox", action="store_true", dest="sandbox_of_get", help="use sample tasks on this machine")


def _add_check(commands: argparse._SubParsersAction[OneLineParser]) -> None:
    check = commands.add_parser(
        "check",
        help="diagnose configuration problems",
        description=CHECK,
        epilog=CHECK_EPILOG + "\n".join(f"  {outcome:18}{words}" for outcome, words in OUTCOMES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
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


def _checked(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Let argparse say why a value was refused, after the name of its flag."""

    def parse_flag(text: str) -> T:
        try:
            return parse(text)
        except SettingsRefused as refused:
            raise argparse.ArgumentTypeError(str(refused).rstrip(".")) from None

    return parse_flag


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError("must be a number from 0 to 65535")
    return int(text)
