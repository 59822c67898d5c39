"""Serves the host that started this process, over stdio."""

from __future__ import annotations

import logging
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from headshots_mcp import NAME
from headshots_mcp.api.errors import SettingUnusable
from headshots_mcp.ending import end_soon
from headshots_mcp.logs import log_to_stderr
from headshots_mcp.server.loading import garbage_collection_held
from headshots_mcp.settings import SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    import anyio

    from headshots_mcp.api.client import HeadshotsClient
    from headshots_mcp.server.lookups import TokenOf
    from headshots_mcp.settings import Settings

_log = logging.getLogger(__name__)

_IN_A_TERMINAL = f"""\
{NAME} is waiting for MCP messages on stdin: AI applications start it and send them. You may want one of these instead:
  {NAME} demo    run a self-contained demo with sample data, no account needed
  {NAME} check   diagnose configuration problems
  {NAME} --help  show all commands and options
Press Ctrl-C to stop."""
WARM_UP_AFTER_SECONDS = 0.3
# How much longer an answer may take than its lookup.
FINISH_SECONDS = 1.0
# What calls in progress get after SIGTERM. Hosts kill a server two seconds later.
GRACE_SECONDS = 1.5


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
        import anyio  # noqa: PLC0415 -- a refusal should not wait for these imports

        from headshots_mcp.api.client import HeadshotsClient  # noqa: PLC0415
        from headshots_mcp.lookup.reader import Reader  # noqa: PLC0415
        from headshots_mcp.server.sdk import serve_streams  # noqa: PLC0415
        from headshots_mcp.server.stdio.pipes import open_pipes  # noqa: PLC0415
        from headshots_mcp.server.tools import create_server  # noqa: PLC0415

        client = HeadshotsClient(settings.base_url, silence_timeout=settings.silence_timeout)
        reader = Reader(client, timeout=settings.timeout)
        ending = anyio.Event()
        server = create_server(
            reader,
            _token_source(settings, refused),
            image_hosts=settings.image_hosts,
            save_dir=settings.save_dir,
            ending=ending,
        )

    async def serve() -> None:
        pipes = open_pipes(ending, settings.timeout + FINISH_SECONDS)
        async with client, pipes as (incoming, outgoing), anyio.create_task_group() as group:
            group.start_soon(_warm_up, client)
            group.start_soon(_stop_at_sigterm, ending, group.cancel_scope)
            try:
                await serve_streams(server, incoming, outgoing)
            finally:
                end_soon(0)
            group.cancel_scope.cancel()

    anyio.run(serve)


def _token_source(settings: Settings, refused: Mapping[str, str]) -> TokenOf:
    def token_of(_headers: Mapping[str, str] | None) -> str | None:
        if refused:
            sentences = " ".join(refused.values())
            raise SettingUnusable(f"{sentences} Correct it in this server's configuration, then restart the server.")
        return settings.token

    return token_of


async def _warm_up(client: HeadshotsClient) -> None:
    """Make the client ready for its first call, once hosts have listed the tools."""
    import anyio  # noqa: PLC0415

    await anyio.sleep(WARM_UP_AFTER_SECONDS)
    await client.warm_up()


async def _stop_at_sigterm(ending: anyio.Event, serving: anyio.CancelScope) -> None:
    """End when told to: calls in progress get a moment to be answered, then an error; nothing new begins."""
    import anyio  # noqa: PLC0415

    # Windows has no such signal.
    with suppress(NotImplementedError), anyio.open_signal_receiver(signal.SIGTERM) as received:
        async for _ in received:
            end_soon(0)
            ending.set()
            await anyio.sleep(GRACE_SECONDS)
            serving.cancel()
