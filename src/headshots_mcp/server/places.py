"""Shares among callers how much may be under way at once, so that none of them can take it all."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Scope

# Where a request's scope has a stack of what is held until its answer is sent.
UNTIL_ANSWERED = "headshots_mcp.until_answered"


class Places:
    """A number of places, of which each caller may take as many as are free."""

    def __init__(self, total: int) -> None:
        self._free = total
        self._taken = Counter[bytes]()

    @contextmanager
    def hold(self, caller: bytes, number: int = 1) -> Iterator[bool]:
        """Hold places until the block is left; gives False, and holds none, if there are too few for this caller."""
        if self._taken[caller] + number > self._free:
            yield False
            return
        self._move(caller, number)
        try:
            yield True
        finally:
            self._move(caller, -number)

    def _move(self, caller: bytes, number: int) -> None:
        self._free -= number
        self._taken[caller] += number
        if not self._taken[caller]:
            del self._taken[caller]


def caller_of(scope: Scope) -> bytes:
    """Tell callers apart by a digest of their token, which is not kept, or by address if they sent none."""
    token = dict(scope["headers"]).get(b"authorization")
    return sha256(token).digest() if token else str(scope.get("client")).encode()


def is_of_sse(scope: Scope) -> bool:
    """Whether a request brings a message over the older SSE transport, and ends before its answer is sent."""
    return str(scope["path"]).endswith("/messages/")
