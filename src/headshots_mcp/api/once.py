"""Makes a value once, in a thread, while the event loop keeps running."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Once(Generic[T]):
    """A value made on first use. Callers wait for it meanwhile, and any of them can be cancelled without harm."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: T | None = None
        self._one_thread = anyio.CapacityLimiter(1)
        self._making = threading.Lock()

    async def get(self) -> T:
        """Return the value, and make it if that has not been done.

        Raises:
            Exception: Whatever making it raised; the next call tries again.
        """
        if self._made is not None:
            return self._made
        return await anyio.to_thread.run_sync(self._make_once, abandon_on_cancel=True, limiter=self._one_thread)

    def _make_once(self) -> T:
        with self._making:  # taken already only by a thread whose caller was cancelled
            if self._made is None:
                self._made = self._make()
            return self._made
