"""Serves over stdio the host that started this process."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from headshots_mcp.api.errors import SettingUnusable
from headshots_mcp.ending import is_broken_pipe
from headshots_mcp.logs import log_to_stderr
from headshots_mcp.server.loading import garbage_collection_held
from headshots_mcp.settings import SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio import Event
    from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext

    from headshots_mcp.api.client import HeadshotsClient
    from headshots_mcp.server.tools import TokenOf
    from headshots_mcp.settings import Settings

_log = logging.getLogger(__name__)

# Seconds between the list of tools and the warm-up.
MOMENT = 0.1


def serve_stdio(settings: Settings, refused: Mapping[str, str]) -> None:
    """Serve the host that started this process, over its pipes, until it closes them.

    A setting that cannot work does not keep it from starting: hosts hide stderr and say no more than "failed to
    connect", while the answer to a call reaches the user.

    Args:
        settings: How to reach the API, and so on.
        refused: The settings that cannot work, each with a sentence that names it: every call is answered with these.

    Raises:
        SettingsRefused: If there are no pipes.
    """
    if sys.stdin is None or sys.stdout is None:
        raise SettingsRefused("stdio needs stdin and stdout, and one of them is closed")
    log_to_stderr(settings.log_level)
    for sentence in refused.values():
        _log.error(sentence)
    with garbage_collection_held():
        import anyio  # noqa: PLC0415 -- a refusal need not wait for these imports

        from headshots_mcp.api.client import HeadshotsClient  # noqa: PLC0415
        from headshots_mcp.lookup.reader import Reader  # noqa: PLC0415
        from headshots_mcp.server.tools import create_server  # noqa: PLC0415

        client = HeadshotsClient(settings.base_url, silence_timeout=settings.silence_timeout)
        reader = Reader(client, timeout=settings.timeout)
        server = create_server(reader, _token_source(settings, refused), image_hosts=settings.image_hosts)

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
        if not is_broken_pipe(error):
            raise


def _token_source(settings: Settings, refused: Mapping[str, str]) -> TokenOf:
    def token_of(_headers: Mapping[str, str] | None) -> str | None:
        if refused:
            sentences = " ".join(refused.values())
            raise SettingUnusable(f"{sentences} Correct it in this server's configuration, then restart the server.")
        return settings.token

    return token_of


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
