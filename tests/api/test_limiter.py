"""Slots are shared fairly, whichever callers come, wait or leave."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headshots_mcp.api.errors import ServerBusy
from headshots_mcp.api.limiter import FairLimiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import TaskGroup


class Crowd:
    """Requests of several callers, each of which holds its slot until it is told to end."""

    def __init__(self, slots: int, group: TaskGroup) -> None:
        self.slots, self.limiter, self.group = slots, FairLimiter(slots), group
        self.holding: list[tuple[str, int]] = []
        self.refused: list[int] = []
        self.scopes: dict[int, anyio.CancelScope] = {}
        self.ends: dict[int, anyio.Event] = {}
        self.count = 0

    @property
    def held(self) -> Counter[str]:
        return Counter(caller for caller, _ in self.holding)

    async def add(self, caller: str, *, within: float = 3600) -> int:
        """Let a caller ask for a slot, and return the number of its request."""
        number = self.count = self.count + 1
        self.scopes[number], self.ends[number] = anyio.CancelScope(), anyio.Event()
        self.group.start_soon(self._request, caller, number, within)
        await anyio.wait_all_tasks_blocked()
        return number

    async def end(self, number: int) -> None:
        self.ends[number].set()
        await anyio.wait_all_tasks_blocked()

    async def _request(self, caller: str, number: int, within: float) -> None:
        with self.scopes[number]:
            try:
                async with self.limiter.slot(caller, within=within):
                    self.holding.append((caller, number))
                    try:
                        await self.ends[number].wait()
                    finally:
                        self.holding.remove((caller, number))
            except ServerBusy:
                self.refused.append(number)


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    async with anyio.create_task_group() as group:
        yield Crowd(8, group)
        group.cancel_scope.cancel()


async def test_one_caller_gets_half_of_the_places_and_the_next_one_begins_at_once(crowd: Crowd) -> None:
    for _ in range(20):
        await crowd.add("greedy")
    await crowd.add("modest")

    assert crowd.held == {"greedy": 4, "modest": 1}


async def test_two_callers_who_want_all_get_the_same(crowd: Crowd) -> None:
    first = [await crowd.add("a") for _ in range(20)]
    for _ in range(20):
        await crowd.add("b")
    for number in first[:2]:
        await crowd.end(number)

    assert crowd.held == {"a": 3, "b": 3}


async def test_within_a_caller_whoever_came_first_goes_first(crowd: Crowd) -> None:
    numbers = [await crowd.add("a") for _ in range(8)]
    for number in numbers[:3]:
        await crowd.end(number)

    assert [number for _, number in crowd.holding] == numbers[3:7]


async def test_a_slot_goes_to_whoever_holds_the_fewest(crowd: Crowd) -> None:
    for caller in "aaaabbcd":
        last = await crowd.add(caller)
    await crowd.add("a")
    await crowd.add("b")
    newcomer = await crowd.add("e")
    await crowd.end(last)

    assert crowd.held["e"] == 1, newcomer


@pytest.mark.usefixtures("movable_clock")
async def test_who_waits_too_long_is_told_that_the_server_is_busy(crowd: Crowd) -> None:
    held = await crowd.add("a")
    for _ in range(3):
        await crowd.add("a")
    late = await crowd.add("a", within=5)
    patient = await crowd.add("a", within=7)
    await anyio.sleep(6)
    await crowd.end(held)

    assert crowd.refused == [late]
    assert crowd.holding[-1] == ("a", patient)


ACTIONS = st.lists(st.tuples(st.sampled_from(["add", "add", "add", "end", "cancel", "both"]), st.integers(0, 99)))


@given(slots=st.integers(1, 6), actions=ACTIONS)
def test_no_slot_is_lost_or_given_twice_whatever_happens(slots: int, actions: list[tuple[str, int]]) -> None:
    async def run() -> None:
        async with anyio.create_task_group() as group:
            crowd = Crowd(slots, group)
            for action, number in actions:
                if action == "add":
                    await crowd.add("abc"[number % 3])
                elif crowd.count:
                    chosen = number % crowd.count + 1
                    # Both at once: the slot of the one may be handed to another that goes away in the same moment.
                    if action in ("end", "both"):
                        crowd.ends[chosen].set()
                    if action in ("cancel", "both"):
                        crowd.scopes[crowd.count - number % crowd.count].cancel()
                    await anyio.wait_all_tasks_blocked()
                check(crowd)
            for number in range(1, crowd.count + 1):
                crowd.ends[number].set()
        assert (crowd.limiter._free, crowd.limiter._held, crowd.limiter._waiting) == (slots, {}, {})

    def check(crowd: Crowd) -> None:
        free = crowd.slots - len(crowd.holding)
        assert free >= 0
        assert crowd.limiter._free == free
        assert all(crowd.held[str(caller)] >= free for caller in crowd.limiter._waiting), "one waits that need not"

    anyio.run(run)
