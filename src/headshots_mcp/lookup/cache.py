"""Caches finished tasks, which never change again, for an hour, and every other outcome for a second.

Callers who poll get a rate limit from the cache until the API may be asked again.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import anyio
from cachetools import TLRUCache, TTLCache

from headshots_mcp.api.errors import LookupFailed
from headshots_mcp.lookup.tasks import HeadshotTask

if TYPE_CHECKING:
    from headshots_mcp.lookup.tasks import Outcome

REMEMBER_SECONDS, RECENT_SECONDS = 3600, 1.0
MAX_BYTES, MAX_RECENT_BYTES = 16 * 1024 * 1024, 4 * 1024 * 1024

MAX_LIMITED = 10_000


class Limited(NamedTuple):
    """A failure, and the time before which the API does not want to be asked again."""

    failure: LookupFailed
    until: float


class TaskCache:
    """Outcomes by caller and id, up to a few megabytes.

    Callers are told apart by a digest of their token: none is answered with another's task, and no token is kept.
    """

    def __init__(self) -> None:
        self._finished = _store(REMEMBER_SECONDS, MAX_BYTES)
        self._recent = _store(RECENT_SECONDS, MAX_RECENT_BYTES)
        self._limited: TLRUCache[tuple[bytes, str], Limited] = TLRUCache(
            maxsize=MAX_LIMITED,
            ttu=lambda _key, limited, now: min(limited.until, now + REMEMBER_SECONDS),
            timer=anyio.current_time,
        )

    def get(self, token: str, task_id: str) -> Outcome | None:
        """Return a task that this caller has already seen finished, else None."""
        return self._finished.get(_key(token, task_id))

    def recent(self, token: str, task_id: str) -> Outcome | None:
        """Return a finished task, or the outcome of this caller's lookup within the last second; None if unknown.

        A rate limit counts until the API may be asked again.
        """
        key = _key(token, task_id)
        return self._finished.get(key) or self._recent.get(key) or self._still_limited(key)

    def _still_limited(self, key: tuple[bytes, str]) -> LookupFailed | None:
        limited = self._limited.get(key)
        if limited is None:
            return None
        failure = limited.failure
        return type(failure)(
            status=failure.status,
            code=failure.code,
            trace_id=failure.trace_id,
            retry_after=limited.until - anyio.current_time(),
        )

    def remember(self, token: str, task_id: str, outcome: Outcome) -> None:
        """Cache an outcome, for an hour if it is a task that is final and has only usable links."""
        is_whole = isinstance(outcome, HeadshotTask) and outcome.is_final and not outcome.links_left_out
        store = self._finished if is_whole else self._recent
        store[_key(token, task_id)] = outcome
        if isinstance(outcome, LookupFailed) and outcome.retry_after:
            until = anyio.current_time() + outcome.retry_after
            self._limited[_key(token, task_id)] = Limited(outcome, until)


def _store(seconds: float, size: int) -> TTLCache[tuple[bytes, str], Outcome]:
    return TTLCache(maxsize=size, ttl=seconds, timer=anyio.current_time, getsizeof=_size)


def _key(token: str, task_id: str) -> tuple[bytes, str]:
    return sha256(token.encode()).digest(), task_id


def _size(outcome: Outcome) -> int:
    """Estimate the bytes an outcome takes in memory: its objects, then its longest texts."""
    if not isinstance(outcome, HeadshotTask):
        return 1000
    message = outcome.error.message if outcome.error else None
    return 3500 + sum(map(sys.getsizeof, [*outcome.image_urls, message or ""]))
