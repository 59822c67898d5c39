"""Waits for tasks: looks at them when `Waiting` says so, and reports how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from headshots_mcp.lookup.reader import in_parts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from headshots_mcp.lookup.reader import Reader
    from headshots_mcp.lookup.waiting import Waiting

    Report = Callable[[float, str], Awaitable[None]]

# Between two reports: many parts may be answered at nearly the same time, and some hosts give up on silence.
LEAST_SECONDS, MOST_SECONDS = 1.0, 5.0


async def poll(reader: Reader, waiting: Waiting, token: str, report: Report, ending: anyio.Event) -> None:
    """Look until waiting is over.

    Args:
        reader: Looks the tasks up.
        waiting: Begun at `anyio.current_time()`; knows afterwards all there is to know.
        token: With whose token to ask.
        report: Called after each look, and every five seconds, with the seconds gone by and how far it is.
        ending: Set when the server ends: then one answer about each task has to do.
    """
    poller = _Poller(reader, waiting, token, report)
    with anyio.CancelScope(deadline=waiting.deadline):
        async with anyio.create_task_group() as group:
            group.start_soon(poller.keep_reporting)
            group.start_soon(poller.hurry_at, ending)
            await poller.look_until_over(group)
            group.cancel_scope.cancel()
        await poller.report()


class _Poller:
    """Looks at each part on its own, and reports on its own, so that nothing slow keeps the rest waiting."""

    def __init__(self, reader: Reader, waiting: Waiting, token: str, report: Report) -> None:
        self._reader = reader
        self._waiting = waiting
        self._token = token
        self._report = report
        self._news, self._unreported = anyio.Event(), anyio.Event()
        self._reported = -1.0

    async def look_until_over(self, group: TaskGroup) -> None:
        """Start each look at its time; an answer may change which is next."""
        while look := self._waiting.next_look(anyio.current_time()):
            with anyio.CancelScope(deadline=look.at):
                await self._news.wait()
            if self._news.is_set():
                self._news = anyio.Event()
                continue
            self._waiting.begin(look.ids)
            for part in in_parts(look.ids):
                group.start_soon(self._look, part)

    async def _look(self, part: list[str]) -> None:
        outcomes = await self._reader.look_up(part, self._token, polling=True)
        self._waiting.learn(outcomes, anyio.current_time())
        self._news.set()
        self._unreported.set()

    async def hurry_at(self, ending: anyio.Event) -> None:
        """Look at nothing twice any more once the server ends."""
        await ending.wait()
        self._waiting.hurry()
        self._news.set()

    async def keep_reporting(self) -> None:
        """Report what is new, and that this is still alive where nothing is."""
        while True:
            with anyio.CancelScope(deadline=anyio.current_time() + MOST_SECONDS - LEAST_SECONDS):
                await self._unreported.wait()
            self._unreported = anyio.Event()
            await self.report()
            await anyio.sleep(LEAST_SECONDS)

    async def report(self) -> None:
        """Say how far it is, unless that moment was reported already: progress has to rise."""
        elapsed = anyio.current_time() - self._waiting.began
        if elapsed > self._reported:
            self._reported = elapsed
            await self._report(elapsed, f"{self._waiting.done} of {self._waiting.total} done")
