"""Looks tasks up on behalf of calls, each with the call's own token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from headshots_mcp.api.errors import TokenMissing
from headshots_mcp.lookup.polling import poll
from headshots_mcp.server.turns import Turns

if TYPE_CHECKING:
    import anyio

    from headshots_mcp.api.requests import RetrieveTask
    from headshots_mcp.lookup.polling import Report
    from headshots_mcp.lookup.reader import Reader
    from headshots_mcp.lookup.tasks import Outcome
    from headshots_mcp.lookup.waiting import Waiting

Headers = Mapping[str, str] | None
"""The headers a call came with, None on stdio."""

TokenOf = Callable[[Headers], str | None]
"""Finds a call's token in its headers; returns None if there is no token."""


class Lookups:
    """All that tools and resources ask of the one reader."""

    def __init__(self, reader: Reader, token_of: TokenOf, ending: anyio.Event) -> None:
        """Look tasks up through a reader; `ending` is set when the server shuts down."""
        self._reader = reader
        self._token_of = token_of
        self._ending = ending
        self._turns = Turns()

    async def one(self, task_id: str, headers: Headers) -> Outcome:
        """Look one task up.

        Raises:
            LookupFailed: If the call has no token; the other methods raise it, too.
        """
        return await self._reader.look_up_one(task_id, self._token(headers))

    async def several(self, ids: list[str], headers: Headers, *, polling: bool = False) -> dict[str, Outcome]:
        """Look tasks up; `polling` means that the caller will ask again."""
        outcomes = await self._reader.look_up(ids, self._token(headers), polling=polling)
        await self._turns.take()  # making a large answer takes a while
        return outcomes

    async def wait(self, waiting: Waiting, headers: Headers, report: Report) -> None:
        """Poll until waiting is over or the server shuts down."""
        await poll(self._reader, waiting, self._token(headers), report, self._ending)
        await self._turns.take()

    async def record(self, request: RetrieveTask, headers: Headers) -> bytearray | None:
        """Return one task's record, as JSON; None if the API does not know the task."""
        return await self._reader.raw(request, self._token(headers))

    def _token(self, headers: Headers) -> str:
        found = self._token_of(headers)
        if found is None:
            raise TokenMissing
        return found
