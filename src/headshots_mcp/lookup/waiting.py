"""Waits for tasks: looks again, ever more slowly, until all have ended or the time is up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import anyio
from pydantic import BeforeValidator, Field

from headshots_mcp.api.errors import LookupFailed, TimedOut, Transient
from headshots_mcp.api.requests import MAX_IDS, Request, RetrieveTasks, TaskId
from headshots_mcp.lookup.tasks import HeadshotTask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headshots_mcp.lookup.reader import Reader

FIRST_PAUSE, LONGEST_PAUSE, SLOWER = 2.0, 8.0, 1.5
REPORT_EVERY = 5.0

DEFAULT_WAIT = 45


class WaitForTasks(Request):
    """The arguments of `wait_for_headshot_tasks`; the API has no such request, it is asked again and again."""

    ids: Annotated[list[TaskId], Field(min_length=1, max_length=MAX_IDS, description="Task ids")]
    timeout_seconds: Annotated[
        float,
        Field(ge=1, le=300, description="When to stop waiting"),  # first, or the schema says `ge`, not `minimum`
        BeforeValidator(lambda given: DEFAULT_WAIT if given is None else given),
    ] = DEFAULT_WAIT


async def wait(
    reader: Reader,
    request: WaitForTasks,
    token: str,
    report: Callable[[float, str], Awaitable[None]],
) -> Wait:
    """Look until every task is final or `timeout_seconds` are over; only what is not final is asked for.

    Args:
        reader: Looks the tasks up.
        request: The ids, and how many seconds to wait at most.
        token: With whose token to ask.
        report: Called at every round and every five seconds with the seconds gone by and how far it is.

    Raises:
        LookupFailed: If nothing is known of any task and asking again would not help.
    """
    waiting = Wait(list(dict.fromkeys(request.ids)), anyio.current_time())
    with anyio.move_on_after(request.timeout_seconds):
        async with anyio.create_task_group() as group:
            group.start_soon(waiting.keep_reporting, report)
            await waiting.look_until_final(reader, token, report)
            group.cancel_scope.cancel()
    if waiting.failure and not waiting.known and not waiting.unfinished:
        raise waiting.failure
    return waiting


@dataclass
class Wait:
    """What is known so far of the tasks somebody waits for.

    `failures` are those of the last look, by id; `age` is how many seconds after the first look it was.
    """

    ids: list[str]
    began: float
    known: dict[str, HeadshotTask] = field(default_factory=dict)
    failures: dict[str, LookupFailed] = field(default_factory=dict)
    age: float = 0.0
    reported: float | None = None

    @property
    def tasks(self) -> list[HeadshotTask]:
        """The tasks in the order of first mention; one that never could be looked up is `unavailable`."""
        return [
            self.known.get(id_) or HeadshotTask.unavailable(id_, self.failures.get(id_, TimedOut())) for id_ in self.ids
        ]

    @property
    def failure(self) -> LookupFailed | None:
        """Why the last look failed, in part at least."""
        return next(iter(self.failures.values()), None)

    @property
    def unfinished(self) -> list[str]:
        """The ids that are worth another look."""
        return [id_ for id_ in self.ids if not self._is_over(id_)]

    async def look_until_final(
        self, reader: Reader, token: str, report: Callable[[float, str], Awaitable[None]]
    ) -> None:
        """Look at what is unfinished, pause, and look again, until nothing is or the time would be up before."""
        pause = FIRST_PAUSE
        while True:
            await self._look(reader, token)
            await self.report(report)
            wanted = max((getattr(each, "retry_after", None) or 0.0 for each in self.failures.values()), default=0.0)
            until = anyio.current_time() + max(pause, wanted)
            if not self.unfinished or (wanted and until >= anyio.current_effective_deadline()):
                return
            await anyio.sleep_until(until)
            pause = min(pause * SLOWER, LONGEST_PAUSE)

    async def keep_reporting(self, report: Callable[[float, str], Awaitable[None]]) -> None:
        """Report every few seconds, however long a look or a pause takes."""
        while True:
            reported = self.reported
            await anyio.sleep_until(self.began + (reported or 0.0) + REPORT_EVERY)
            if reported == self.reported:
                await self.report(report)

    async def report(self, report: Callable[[float, str], Awaitable[None]]) -> None:
        """Say how far it is, unless that moment was reported already: progress has to rise."""
        elapsed = anyio.current_time() - self.began
        if self.reported is None or elapsed > self.reported:
            self.reported = elapsed
            done = len(self.ids) - len(self.unfinished)
            await report(elapsed, f"{done} of {len(self.ids)} finished")

    async def _look(self, reader: Reader, token: str) -> None:
        asked = self.unfinished
        try:
            tasks, failures = await reader.tasks(RetrieveTasks(ids=asked), token)
        except LookupFailed as error:
            self.failures |= dict.fromkeys(asked, error)
            return
        self.age = anyio.current_time() - self.began
        self.known.update((task.id, task) for task in tasks if task.id not in failures)
        self.failures = {id_: error for id_, error in self.failures.items() if id_ not in asked} | failures

    def _is_over(self, id_: str) -> bool:
        if not isinstance(self.failures.get(id_), (Transient, type(None))):
            return True
        return id_ in self.known and self.known[id_].is_over(self.age)
