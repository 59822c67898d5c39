"""Shares limited room among callers, so that none of them can take it all."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Slots:
    """A number of slots; what a caller holds in all may not exceed what was free when it asked."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._held = Counter[bytes]()

    @contextmanager
    def hold(self, caller: bytes, number: int = 1) -> Iterator[bool]:
        """Hold slots until the block is left; yields False, and holds none, if too few are left for this caller."""
        if self._held[caller] + number > self._free:
            yield False
            return
        self._move(caller, number)
        try:
            yield True
        finally:
            self._move(caller, -number)

    def _move(self, caller: bytes, number: int) -> None:
        self._free -= number
        self._held[caller] += number
        if not self._held[caller]:
            del self._held[caller]
