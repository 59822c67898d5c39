"""Makes something in a thread, once, while the event loop goes on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Once(Generic[T]):
    """What is made at the first call; whoever comes meanwhile waits, and may go away without harm to the others."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None
        self._one_thread = anyio.CapacityLimiter(1)
        self._making = threading.Lock()

    async def get(self) -> T:
        """Give what is made.

        Raises:
            Exception: What making it raised; the next call tries again.
        """
        if self._made is not None:
            return self._made
        return await anyio.to_thread.run_sync(self._make_once, abandon_on_cancel=True, limiter=self._one_thread)

    def _make_once(self) -> T:
        with self._making:  # held by a thread whose caller went away, if at all
            if self._made is None:
                self._made = self._make()
            return self._made
