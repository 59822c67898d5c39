"""Starts to serve over stdio: what is said on stderr, and what is refused, before anything slow is loaded."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from headshots_mcp import NAME
from headshots_mcp.logs import log_to_stderr
from headshots_mcp.server.loading import garbage_collection_held
from headshots_mcp.settings import SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headshots_mcp.settings import Settings

_log = logging.getLogger(__name__)

_IN_A_TERMINAL = f"""\
{NAME} is waiting for MCP messages on stdin: AI applications start it and send them. You may want one of these instead:
  {NAME} demo    run a self-contained demo with sample data, no account needed
  {NAME} check   diagnose configuration problems
  {NAME} --help  show all commands and options
Press Ctrl-C to stop."""


def serve_stdio(settings: Settings, refused: Mapping[str, str]) -> None:
    """Serve the host that started this process, over its pipes, until it closes them.

    An invalid setting does not keep it from starting: hosts hide stderr and only say "failed to connect", while the
    answer to a call reaches the user.

    Args:
        settings: The settings, with defaults in place of invalid ones.
        refused: The invalid settings, each with a sentence that names it: every call is answered with these.

    Raises:
        SettingsRefused: If there are no pipes.
    """
    if sys.stdin is None or sys.stdout is None:
        raise SettingsRefused("stdin or stdout is closed; a server over stdio needs both")
    if sys.stdin.isatty() and sys.stderr:
        print(_IN_A_TERMINAL, file=sys.stderr, flush=True)  # noqa: T201
    log_to_stderr(settings.log_level)
    for sentence in refused.values():
        _log.error(sentence)
    with garbage_collection_held():
        from headshots_mcp.server.stdio.session import Session  # noqa: PLC0415 -- a refusal should not wait for this

        session = Session(settings, refused)
    session.run()
