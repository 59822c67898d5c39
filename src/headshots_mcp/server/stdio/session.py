"""One session over stdio: from the first message to the end of the input."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio

from headshots_mcp.api.client import HeadshotsClient
from headshots_mcp.api.errors import SettingUnusable
from headshots_mcp.ending import end_soon
from headshots_mcp.lookup.reader import Reader
from headshots_mcp.server.sdk import serve_streams
from headshots_mcp.server.stdio.pipes import open_pipes
from headshots_mcp.server.tools import create_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headshots_mcp.server.lookups import TokenOf
    from headshots_mcp.settings import Settings

WARM_UP_AFTER_SECONDS = 0.3
# How much longer an answer may take than its lookup.
FINISH_SECONDS = 1.0
# How long calls in progress may take after SIGTERM. Hosts kill a server two seconds after it.
DRAIN_SECONDS = 1.5


class Session:
    """Everything that serves the host, made before the event loop runs.

    Args:
        settings: The settings, with defaults in place of invalid ones.
        refused: The invalid settings, each with a sentence that names it: every call is answered with these.
    """

    def __init__(self, settings: Settings, refused: Mapping[str, str]) -> None:
        self._finish_seconds = settings.timeout + FINISH_SECONDS
        self._client = HeadshotsClient(settings.base_url, silence_timeout=settings.silence_timeout)
        self._ending = anyio.Event()
        self._server = create_server(
            Reader(self._client, timeout=settings.timeout),
            _token_source(settings, refused),
            image_hosts=settings.image_hosts,
            save_dir=settings.save_dir,
            ending=self._ending,
        )

    def run(self) -> None:
        """Serve until the host closes the input, stops reading or ends this process."""
        anyio.run(self._run)

    async def _run(self) -> None:
        pipes = open_pipes(self._ending, self._finish_seconds)
        async with self._client, pipes as (incoming, outgoing), anyio.create_task_group() as group:
            group.start_soon(self._warm_up)
            group.start_soon(_stop_at_sigterm, self._ending, group.cancel_scope)
            try:
                await serve_streams(self._server, incoming, outgoing)
            finally:
                end_soon(0)
            group.cancel_scope.cancel()

    async def _warm_up(self) -> None:
        """Make the client ready for its first call, once hosts have listed the tools."""
        await anyio.sleep(WARM_UP_AFTER_SECONDS)
        await self._client.warm_up()


def _token_source(settings: Settings, refused: Mapping[str, str]) -> TokenOf:
    def token_of(_headers: Mapping[str, str] | None) -> str | None:
        if refused:
            sentences = " ".join(refused.values())
            raise SettingUnusable(f"{sentences} Correct it in this server's configuration, then restart the server.")
        return settings.token

    return token_of


async def _stop_at_sigterm(ending: anyio.Event, serving: anyio.CancelScope) -> None:
    """End at SIGTERM: calls in progress get a moment to be answered, then an error, and no new ones begin."""
    # Windows has no such signal.
    with suppress(NotImplementedError), anyio.open_signal_receiver(signal.SIGTERM) as received:
        async for _ in received:
            end_soon(0)
            # A host that closed the input before is leaving, and waits for no answers.
            if not ending.is_set():
                ending.set()
                await anyio.sleep(DRAIN_SECONDS)
            serving.cancel()
