"""Lets callers who ask the same thing at the same time share one request and its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import anyio

from headshots_mcp.api.errors import LookupFailed, TimedOut

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

T = TypeVar("T")


class SingleFlight:
    """Requests in progress, by what they ask for.

    The first caller, the leader, asks; others who want the same meanwhile share its answer or failure. The next caller
    asks again only if the leader was cancelled, or had less time than the next one still has.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, InFlight[Any]] = {}

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, or wait for the leader's answer.

        Raises:
            LookupFailed: What the leader raised; `TimedOut` if it ran out of time.
        """
        while flight := self._flights.get(key):
            await flight.landed.wait()
            if flight.answered:
                return flight.answer  # type: ignore[no-any-return]
            if flight.failure:
                raise flight.failure
            if flight.timed_out and _seconds_left() <= flight.seconds:
                raise TimedOut
        own = self._flights[key] = InFlight[T]()
        try:
            own.answer = await ask()
            own.answered = True
        except LookupFailed as error:
            own.failure = error
            raise
        finally:
            del self._flights[key]
            own.timed_out = anyio.current_time() >= own.deadline
            own.landed.set()
        return own.answer


class InFlight(Generic[T]):
    """A request in progress: once landed, it has an answer, a failure, or neither if its leader was cancelled.

    `seconds` is how long the leader was allowed to take, `timed_out` whether it was cancelled for taking longer.
    """

    answer: T

    def __init__(self) -> None:
        self.landed = anyio.Event()
        self.answered = False
        self.failure: LookupFailed | None = None
        self.deadline = anyio.current_effective_deadline()
        self.seconds = _seconds_left()
        self.timed_out = False


def _seconds_left() -> float:
    return anyio.current_effective_deadline() - anyio.current_time()
