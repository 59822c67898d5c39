"""Waits for tasks: polls them when `Waiting` says so, and reports progress."""

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
MIN_REPORT_SECONDS, MAX_REPORT_SECONDS = 1.0, 5.0


async def poll(reader: Reader, waiting: Waiting, token: str, report: Report, ending: anyio.Event) -> None:
    """Poll until waiting is over.

    Args:
        reader: Looks the tasks up.
        waiting: Begun at `anyio.current_time()`; holds the outcomes afterwards.
        token: The caller's token.
        report: Called after each poll, and at least every five seconds, with the elapsed seconds and the progress.
        ending: Set when the server shuts down: from then on, one answer about each task is enough.
    """
    poller = _Poller(reader, waiting, token, report)
    with anyio.CancelScope(deadline=waiting.deadline):
        async with anyio.create_task_group() as group:
            group.start_soon(poller.keep_reporting)
            group.start_soon(poller.hurry_at, ending)
            await poller.poll_until_over(group)
            group.cancel_scope.cancel()
        await poller.report()


class _Poller:
    """Polls each part by itself, and reports independently of that, so that nothing slow holds up the rest."""

    def __init__(self, reader: Reader, waiting: Waiting, token: str, report: Report) -> None:
        self._reader = reader
        self._waiting = waiting
        self._token = token
        self._report = report
        self._news, self._unreported = anyio.Event(), anyio.Event()
        self._reported = -1.0

    async def poll_until_over(self, group: TaskGroup) -> None:
        """Start each poll at its time; an answer may change which one is next."""
        while due := self._waiting.next_poll(anyio.current_time()):
            with anyio.CancelScope(deadline=due.at):
                await self._news.wait()
            if self._news.is_set():
                self._news = anyio.Event()
                continue
            self._waiting.begin(due.ids)
            for part in in_parts(due.ids):
                group.start_soon(self._poll, part)

    async def _poll(self, part: list[str]) -> None:
        outcomes = await self._reader.look_up(part, self._token, polling=True)
        self._waiting.learn(outcomes, anyio.current_time())
        self._news.set()
        self._unreported.set()

    async def hurry_at(self, ending: anyio.Event) -> None:
        """Once the server is shutting down, poll no task that has been answered."""
        await ending.wait()
        self._waiting.hurry()
        self._news.set()

    async def keep_reporting(self) -> None:
        """Report what is new, and now and then that nothing is."""
        while True:
            with anyio.CancelScope(deadline=anyio.current_time() + MAX_REPORT_SECONDS - MIN_REPORT_SECONDS):
                await self._unreported.wait()
            self._unreported = anyio.Event()
            await self.report()
            await anyio.sleep(MIN_REPORT_SECONDS)

    async def report(self) -> None:
        """Report the progress, unless this moment was reported already: progress has to increase."""
        elapsed = anyio.current_time() - self._waiting.began
        if elapsed > self._reported:
            self._reported = elapsed
            await self._report(elapsed, f"{self._waiting.done} of {self._waiting.total} done")
