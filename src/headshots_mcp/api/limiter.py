"""Shares the requests that may be under way at once among callers, so that none of them crowds out the others."""

from __future__ import annotations

from collections import Counter, OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from headshots_mcp.api.errors import ServerBusy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable

# When somebody who was told that there is no place may try again.
BUSY_SECONDS = 5.0


class FairLimiter:
    """A number of places, each held by one request at a time.

    A caller gets another place only while more places are free than it holds already: one caller alone gets half of
    them, two get a third each, and whoever comes next still finds one. A place that becomes free goes to the waiting
    caller that holds the fewest, and within a caller to whoever came first.
    """

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._held: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, OrderedDict[anyio.Event, None]] = {}

    @asynccontextmanager
    async def slot(self, caller: Hashable, *, within: float) -> AsyncIterator[None]:
        """Hold a place for as long as the block takes.

        Args:
            caller: Whose request it is.
            within: Seconds to wait for a place at most.

        Raises:
            ServerBusy: If there was none in time.
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
        """Join the caller's queue; what comes back is set once a place is held."""
        turn = anyio.Event()
        self._waiting.setdefault(caller, OrderedDict())[turn] = None
        self._admit()
        return turn

    def _leave(self, caller: Hashable, turn: anyio.Event) -> None:
        """Give the place back, or leave the queue if it was never reached."""
        if turn.is_set():
            self._free += 1
            self._held[caller] -= 1
            if not self._held[caller]:
                del self._held[caller]
            self._admit()
        else:
            self._dequeue(caller, turn)

    def _admit(self) -> None:
        """Hand places out until none is free, or nobody who waits may have another."""
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
