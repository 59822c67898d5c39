"""When to look at which tasks again, and when waiting for them is over: a state machine without I/O or clock."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import BeforeValidator, Field

from headshots_mcp.api.errors import LookupFailed, TimedOut, Transient
from headshots_mcp.api.requests import MAX_IDS, Request, TaskId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from headshots_mcp.lookup.tasks import HeadshotTask, Outcome

# A generation takes one to two minutes, and some hosts give a call up after 60 s.
DEFAULT_SECONDS = 45
# A look more often than that at one task is what brings 429 (docs/api.md, "Pace").
LEAST_PAUSE_SECONDS = 1.0
FIRST_PAUSE_SECONDS, LONG_PAUSE_SECONDS = 2.0, 8.0
# The last look needs time for its answer; later than so long before the end it is not worth one.
LAST_LOOK_SECONDS, TOO_LATE_SECONDS = 1.5, 0.5
# For so long an unknown id may be a new task, and a failure without a code a hiccup.
GRACE_SECONDS = 9.0


class WaitForTasks(Request):
    """The arguments of `wait_for_headshot_tasks`; the API has no such request, it is asked again and again."""

    ids: Annotated[list[TaskId], Field(min_length=1, max_length=MAX_IDS, description="Task ids")]
    timeout_seconds: Annotated[
        float,
        Field(
            ge=1, le=300, description="Maximum seconds to wait; some hosts stop a call after 60"
        ),  # first, or the schema says `ge`, not `minimum`
        BeforeValidator(lambda given: DEFAULT_SECONDS if given is None else given),
    ] = DEFAULT_SECONDS


class Look(NamedTuple):
    """Look at these ids at that time; at none of them means: there are answers to come until then."""

    at: float
    ids: list[str]


class Waiting:
    """What is known of tasks somebody waits for, and so at which to look again, and when.

    Whoever drives it asks for the `next_look`, says `begin` when it is under way and `learn` when there are answers,
    in any order, until `next_look` says that waiting is over. All times are seconds on the driver's own clock.
    """

    def __init__(self, ids: Iterable[str], began: float, seconds: float) -> None:
        """Wait for some tasks from the time `began`, for so many seconds at most."""
        self.began = began
        self.deadline = began + seconds
        self._is_ending = False
        self._times = [began + age for age in look_ages(seconds)]
        self._known = {id_: _Known(running_at=began, may_ask_at=began) for id_ in ids}

    def next_look(self, now: float) -> Look | None:
        """Say at which tasks to look next, and when, or None if waiting is over.

        It ends before its time only if nothing unfinished may be asked for again within it.
        """
        due = {id_: at for id_, known in self._known.items() if (at := self._due(known)) is not None}
        if now >= self.deadline or not due:
            return None
        at = max(now, min(due.values()))
        return Look(at, [id_ for id_, when in due.items() if when <= at < self.deadline])

    def hurry(self) -> None:
        """End as soon as something is known of each task, because whoever waits is leaving."""
        self._is_ending = True

    def begin(self, ids: Iterable[str]) -> None:
        """Note that a look at these ids is under way."""
        for id_ in ids:
            self._known[id_].is_asked = True

    def learn(self, outcomes: Mapping[str, Outcome], now: float) -> None:
        """Take in what a look has found."""
        for id_, outcome in outcomes.items():
            self._known[id_].learn(outcome, now)

    @property
    def total(self) -> int:
        """How many tasks are waited for."""
        return len(self._known)

    @property
    def done(self) -> int:
        """How many tasks need no further look."""
        return sum(known.is_over for known in self._known.values())

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """The latest known of each task, in the order they were named; a failure only if nothing else is known."""
        return {id_: known.task or known.failure or TimedOut() for id_, known in self._known.items()}

    @property
    def failures(self) -> dict[str, LookupFailed]:
        """Why the latest look at a task failed, where it did."""
        return {id_: known.failure for id_, known in self._known.items() if known.failure}

    def _due(self, known: _Known) -> float | None:
        """Say when to look at a task again, at the deadline if there is nothing to do until then, None if never.

        There are a few times for all tasks, so that many need few requests. One that may not be asked for by the last
        of them, because its answer came late or the API wants to be left alone, is looked at as soon as it may be.
        """
        if known.is_over or (self._is_ending and known.has_answer):
            return None
        if known.is_asked:
            return self.deadline
        later = bisect_left(self._times, known.may_ask_at)
        if later < len(self._times):
            return self._times[later]
        if known.is_limited:
            return known.may_ask_at if known.may_ask_at < self.deadline else None
        return known.may_ask_at if known.may_ask_at < self.deadline - TOO_LATE_SECONDS else self.deadline


@dataclass
class _Known:
    """What is known of one task: the latest answer, why the look after it failed, and when to ask at the earliest."""

    running_at: float
    may_ask_at: float
    task: HeadshotTask | None = None
    failure: LookupFailed | None = None
    is_asked: bool = False
    is_over: bool = False

    def learn(self, outcome: Outcome, now: float) -> None:
        self.is_asked = False
        if isinstance(outcome, LookupFailed):
            self.failure = outcome
            self.is_over = not isinstance(outcome, Transient)
        else:
            self.task, self.failure = outcome, None
            if outcome.is_unfinished:
                self.running_at = now
            self.is_over = outcome.is_final or now - self.running_at >= GRACE_SECONDS
        self.may_ask_at = now + max(LEAST_PAUSE_SECONDS, self._retry_after)

    @property
    def has_answer(self) -> bool:
        return self.task is not None or self.failure is not None

    @property
    def is_limited(self) -> bool:
        return self._retry_after > 0

    @property
    def _retry_after(self) -> float:
        return (self.failure.retry_after or 0.0) if self.failure else 0.0


def pause_at(age: float) -> float:
    """Say for how many seconds to pause at an age of a wait: two, soon eight, after an hour a minute and a half."""
    return max(min(FIRST_PAUSE_SECONDS + age / 2, LONG_PAUSE_SECONDS), age / 40)


def look_ages(seconds: float) -> Iterator[float]:
    """Say at which ages of a wait of so many seconds to look: at once, ever more seldom, and just before its end."""
    yield 0.0
    age, last = pause_at(0.0), seconds - LAST_LOOK_SECONDS
    while age <= last - LAST_LOOK_SECONDS:
        yield age
        age += pause_at(age)
    if last >= LEAST_PAUSE_SECONDS:
        yield last
