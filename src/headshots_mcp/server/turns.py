"""Does large pieces of work one per turn of the event loop, so that other callers are served in between."""

from __future__ import annotations

import anyio
from anyio.lowlevel import checkpoint


class Turns:
    """Hands out turns in the order they are asked for."""

    def __init__(self) -> None:
        self._lock = anyio.Lock()

    async def take(self) -> None:
        """Wait for a turn, which lasts until the caller next waits for something."""
        async with self._lock:
            await checkpoint()
