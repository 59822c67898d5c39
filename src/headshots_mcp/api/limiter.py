"""Shares a limited number of simultaneous requests among callers, so that none of them crowds out the others."""

from __future__ import annotations

from collections import Counter, OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from headshots_mcp.api.errors import ServerBusy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable

# How long a caller who got no slot is told to wait.
BUSY_SECONDS = 5.0


class FairLimiter:
    """A number of slots, each held by one request at a time.

    A caller gets another slot only while more slots are free than it already holds: one caller alone gets half of
    them, two get a third each, and the next caller still finds one. A slot that becomes free goes to the waiting
    caller that holds the fewest, and to its oldest request.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._held: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, OrderedDict[anyio.Event, None]] = {}

    @asynccontextmanager
    async def slot(self, caller: Hashable, *, within: float) -> AsyncIterator[None]:
        """Hold a slot for as long as the block takes.

        Args:
            caller: Whose request it is.
            within: Maximum seconds to wait for a slot.

        Raises:
            ServerBusy: If none became free in time.
        """
        turn = self._queue(caller)
        try:
            if not turn.is_set():
                with anyio.move_on_after(within):
                    await turn.wait()
            if not turn.is_set():
                raise ServerBusy(retry_after=BUSY_SECONDS)
            yield
        finally:
            self._leave(caller, turn)

    def _queue(self, caller: Hashable) -> anyio.Event:
        """Join the caller's queue; the event returned is set once a slot is held."""
        turn = anyio.Event()
        self._waiting.setdefault(caller, OrderedDict())[turn] = None
        self._admit()
        return turn

    def _leave(self, caller: Hashable, turn: anyio.Event) -> None:
        """Release the slot, or leave the queue if none was held."""
        if turn.is_set():
            self._free += 1
            self._held[caller] -= 1
            if not self._held[caller]:
                del self._held[caller]
            self._admit()
        else:
            self._dequeue(caller, turn)

    def _admit(self) -> None:
        """Hand out slots until none is free, or no waiting caller may have another."""
        while self._waiting:
            caller = min(self._waiting, key=self._held.__getitem__)
            if self._held[caller] >= self._free:
                return
            turn = next(iter(self._waiting[caller]))
            self._dequeue(caller, turn)
            self._free -= 1
            self._held[caller] += 1
            turn.set()

    def _dequeue(self, caller: Hashable, turn: anyio.Event) -> None:
        queue = self._waiting[caller]
        del queue[turn]
        if not queue:
            del self._waiting[caller]
