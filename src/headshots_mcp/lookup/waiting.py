"""Decides when to poll which tasks, and when waiting is over: a state machine without I/O and without a clock."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from headshots_mcp.api.errors import LookupFailed, TimedOut, Transient

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from headshots_mcp.lookup.tasks import HeadshotTask, Outcome

# Polling one task more often than this is rate limited (docs/api.md, "Pace").
MIN_PAUSE_SECONDS = 1.0
FIRST_PAUSE_SECONDS, LONG_PAUSE_SECONDS = 2.0, 8.0
# Before the end: when to poll for the last time, so that there is time for an answer, and when it is too late to.
LAST_POLL_SECONDS, TOO_LATE_SECONDS = 1.5, 0.5
# For this long an unknown id may be a new task, and a failure without a code may pass.
GRACE_SECONDS = 9.0


class Poll(NamedTuple):
    """Poll these ids at that time; without ids, only wait until then for answers."""

    at: float
    ids: list[str]


class Waiting:
    """What is known about the tasks to wait for, and so which of them to poll, and when.

    Its driver asks for the `next_poll`, calls `begin` when that starts and `learn` when there are answers, in any
    order, until there is no next poll. All times are seconds on the driver's own clock.
    """

    def __init__(self, ids: Iterable[str], began: float, seconds: float) -> None:
        """Wait for some tasks from the time `began`, for at most `seconds`."""
        self.began = began
        self.deadline = began + seconds
        self._is_ending = False
        self._times = [began + age for age in poll_ages(seconds)]
        self._known = {id_: _Known(running_at=began, may_ask_at=began) for id_ in ids}

    def next_poll(self, now: float) -> Poll | None:
        """Return the next poll; None if waiting is over.

        Waiting ends early only if no unfinished task can be polled again in time.
        """
        due = {id_: at for id_, known in self._known.items() if (at := self._due(known)) is not None}
        if now >= self.deadline or not due:
            return None
        at = max(now, min(due.values()))
        return Poll(at, [id_ for id_, when in due.items() if when <= at < self.deadline])

    def hurry(self) -> None:
        """End as soon as there is an answer about each task, because the server is shutting down."""
        self._is_ending = True

    def begin(self, ids: Iterable[str]) -> None:
        """Note that a poll of these ids has started."""
        for id_ in ids:
            self._known[id_].is_asked = True

    def learn(self, outcomes: Mapping[str, Outcome], now: float) -> None:
        """Take in the outcomes of a poll."""
        for id_, outcome in outcomes.items():
            self._known[id_].learn(outcome, now)

    @property
    def total(self) -> int:
        """How many tasks are waited for."""
        return len(self._known)

    @property
    def done(self) -> int:
        """How many tasks need not be polled again."""
        return sum(known.is_over for known in self._known.values())

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """What is known of each task, in the order of the ids; a failure only if nothing else is known."""
        return {id_: known.task or known.failure or TimedOut() for id_, known in self._known.items()}

    @property
    def failures(self) -> dict[str, LookupFailed]:
        """Why the latest poll of a task failed, where it did."""
        return {id_: known.failure for id_, known in self._known.items() if known.failure}

    def _due(self, known: _Known) -> float | None:
        """Return when to poll a task again: at the deadline if there is nothing to do until then, None if never.

        All tasks share a few times, so that many of them need few requests. A task that may not be polled by the last
        of these times, because its answer was late or the API asks for a pause, is polled as soon as it may be.
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
    """What is known of one task: the latest answer, why the poll after it failed, and when to ask at the earliest."""

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
        self.may_ask_at = now + max(MIN_PAUSE_SECONDS, self._retry_after)

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
    """Return how many seconds to pause at an age of a wait: two, soon eight, after an hour a minute and a half."""
    return max(min(FIRST_PAUSE_SECONDS + age / 2, LONG_PAUSE_SECONDS), age / 40)


def poll_ages(seconds: float) -> Iterator[float]:
    """Yield the ages at which to poll in a wait of `seconds`: at once, ever less often, and just before its end."""
    yield 0.0
    age, last = pause_at(0.0), seconds - LAST_POLL_SECONDS
    while age <= last - LAST_POLL_SECONDS:
        yield age
        age += pause_at(age)
    if last >= MIN_PAUSE_SECONDS:
        yield last
