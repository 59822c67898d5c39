"""Remembers finished tasks, which never change again, so that nobody asks for them twice."""

from __future__ import annotations

import sys
from hashlib import sha256
from typing import TYPE_CHECKING

import anyio
from cachetools import TTLCache

if TYPE_CHECKING:
    from headshots_mcp.lookup.tasks import HeadshotTask

REMEMBER_SECONDS = 3600
MAX_BYTES = 16 * 1024 * 1024


class TaskCache:
    """Finished tasks by caller and id, for an hour, and no more of them than some megabytes hold.

    A caller is known by a digest of the token, so that nobody is answered with another's task and no token
    is kept.
    """

    def __init__(self) -> None:
        self._tasks: TTLCache[tuple[bytes, str], HeadshotTask] = TTLCache(
            maxsize=MAX_BYTES, ttl=REMEMBER_SECONDS, timer=anyio.current_time, getsizeof=_size
        )

    def get(self, token: str, task_id: str) -> HeadshotTask | None:
        """Give a task that was finished when this caller last asked, None if none is known."""
        return self._tasks.get(_key(token, task_id))

    def remember(self, token: str, task: HeadshotTask) -> None:
        """Keep a task if the API will say the same for ever, and all of it can be used."""
        if task.is_final and not task.links_left_out:
            self._tasks[_key(token, task.id)] = task


def _key(token: str, task_id: str) -> tuple[bytes, str]:
    return sha256(token.encode()).digest(), task_id


def _size(task: HeadshotTask) -> int:
    """Estimate the bytes a task takes in memory: its objects, then its longest texts."""
    texts = [*task.image_urls, *((task.error.message or "",) if task.error else ())]
    return 3500 + sum(map(sys.getsizeof, texts))
