"""Remembers finished tasks, which never change again, for an hour, and whatever else was found for a second."""

from __future__ import annotations

import sys
from hashlib import sha256
from typing import TYPE_CHECKING

import anyio
from cachetools import TTLCache

from headshots_mcp.lookup.tasks import HeadshotTask

if TYPE_CHECKING:
    from headshots_mcp.lookup.tasks import Outcome

REMEMBER_SECONDS, RECENT_SECONDS = 3600, 1.0
MAX_BYTES, MAX_RECENT_BYTES = 16 * 1024 * 1024, 4 * 1024 * 1024


class TaskCache:
    """What is known by caller and id, and no more of it than some megabytes hold.

    A caller is known by a digest of the token, so that nobody is answered with another's task and no token
    is kept.
    """

    def __init__(self) -> None:
        self._finished = _store(REMEMBER_SECONDS, MAX_BYTES)
        self._recent = _store(RECENT_SECONDS, MAX_RECENT_BYTES)

    def get(self, token: str, task_id: str) -> Outcome | None:
        """Give a task that was finished when this caller last asked, None if none is known."""
        return self._finished.get(_key(token, task_id))

    def recent(self, token: str, task_id: str) -> Outcome | None:
        """Give what came of this caller's lookup within the last second, or a finished task; None if there is none."""
        key = _key(token, task_id)
        return self._finished.get(key) or self._recent.get(key)

    def remember(self, token: str, task_id: str, outcome: Outcome) -> None:
        """Keep a task for long if the API will say the same for ever, and all of it can be used."""
        is_whole = isinstance(outcome, HeadshotTask) and outcome.is_final and not outcome.links_left_out
        store = self._finished if is_whole else self._recent
        store[_key(token, task_id)] = outcome


def _store(seconds: float, size: int) -> TTLCache[tuple[bytes, str], Outcome]:
    return TTLCache(maxsize=size, ttl=seconds, timer=anyio.current_time, getsizeof=_size)


def _key(token: str, task_id: str) -> tuple[bytes, str]:
    return sha256(token.encode()).digest(), task_id


def _size(outcome: Outcome) -> int:
    """Estimate the bytes an outcome takes in memory: its objects, then its longest texts."""
    if not isinstance(outcome, HeadshotTask):
        return 1000
    texts = [*outcome.image_urls, *((outcome.error.message or "",) if outcome.error else ())]
    return 3500 + sum(map(sys.getsizeof, texts))
