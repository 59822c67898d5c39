"""The command `headshots-mcp`: runs what its flags and its environment ask for."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import ExitStack
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from headshots_mcp import NAME
from headshots_mcp.ending import end_soon, is_broken_pipe
from headshots_mcp.flags import parser
from headshots_mcp.logs import log_to_stderr
from headshots_mcp.sandbox.outcomes import simulate
from headshots_mcp.server.http.listening import Listening, serve_http
from headshots_mcp.server.stdio.serving import serve_stdio
from headshots_mcp.settings import Settings, SettingsRefused, read_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

INTERRUPTED = 130  # by Ctrl-C, as shells say it


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; exits with code 2 if flags or environment are invalid."""
    _end_at_once_when_told()
    flags_parser = parser()
    flags = flags_parser.parse_args(arguments)
    if flags.save_dir and flags.transport != "stdio":
        flags_parser.error("--save-dir works over stdio only")
    with ExitStack() as stack:
        try:
            if flags.command:
                sys.exit(_run_until_nobody_reads(_COMMANDS[flags.command], flags))
            _serve(flags, _environment(flags, stack))
        except SettingsRefused as refused:
            flags_parser.exit(2, f"{NAME}: {refused}\n")


def _end_at_once_when_told() -> None:
    """End at Ctrl-C without Python's traceback, and even as process 1 of a container, which signals do not end."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if os.getpid() == 1:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _frame: os._exit(128 + number))


def _serve(flags: argparse.Namespace, environment: Mapping[str, str]) -> None:
    if flags.transport == "stdio":
        serve_stdio(*read_settings(environment))
        return
    settings = _with_flags(Settings.from_environment(environment), flags)
    log_to_stderr(settings.log_level)
    listening = {field.name: getattr(flags, field.name) for field in fields(Listening)}
    listening["transport"] = "sse" if flags.transport == "sse" else "http"
    serve_http(settings, Listening(**listening))


def _with_flags(settings: Settings, flags: argparse.Namespace) -> Settings:
    """Add what the flags allow to what the environment allows."""
    return replace(
        settings,
        allowed_hosts=(*settings.allowed_hosts, *flags.allowed_host),
        allowed_origins=(*settings.allowed_origins, *flags.allowed_origin),
    )


def _environment(flags: argparse.Namespace, stack: ExitStack) -> Mapping[str, str]:
    """Return the environment; with --sandbox, what it says about the API is replaced."""
    environment = dict(os.environ)
    if flags.save_dir:
        environment["HEADSHOTS_SAVE_DIR"] = str(flags.save_dir)
    if not (flags.sandbox or getattr(flags, "sandbox_of_get", False)):
        return environment
    from headshots_mcp.sandbox.app import TOKEN, Sandbox  # noqa: PLC0415 -- only --sandbox needs it

    base_url = stack.enter_context(Sandbox().serve())
    return environment | {
        "ACEDATACLOUD_API_BASE_URL": base_url,
        "ACEDATACLOUD_API_TOKEN": TOKEN,
        "HEADSHOTS_IMAGE_HOSTS": f"{environment.get('HEADSHOTS_IMAGE_HOSTS', '')} {base_url}",
    }


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
                # Proxy variables are read from the process's own environment.
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

    async def run(settings: Settings) -> int:
        try:
            found = await get(settings, ids, wait_seconds=wait_seconds, folder=flags.save)
        except anyio.get_cancelled_exc_class():
            end_soon(INTERRUPTED)
            raise
        _print(found.as_json() if flags.json else found.as_text())
        end_soon(found.exit_code)
        return found.exit_code

    with ExitStack() as stack:
        settings = Settings.from_environment(_environment(flags, stack))
        log_to_stderr(settings.log_level)
        logging.getLogger("headshots_mcp").setLevel(logging.ERROR)
        try:
            return anyio.run(run, settings)
        except (KeyboardInterrupt, asyncio.CancelledError):  # the latter on Python 3.10
            return INTERRUPTED


_COMMANDS = {"demo": _demo, "get": _get, "check": _check}


def _print(text: str) -> None:
    """Print text, with escapes for what the console has no letters for."""
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
    """Whether stdout is a terminal that shows colours; a plain Windows console shows their codes instead."""
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return False
    return "WT_SESSION" in os.environ if sys.platform == "win32" else os.environ.get("TERM") not in (None, "dumb")
