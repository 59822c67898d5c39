"""When waiting looks at which tasks, and when it ends: outcomes and times as data, without sockets or a clock."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headshots_mcp.api.errors import LookupFailed, RateLimited, ServerFault, TokenRejected, UsedUp
from headshots_mcp.lookup.tasks import HeadshotTask
from headshots_mcp.lookup.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headshots_mcp.lookup.tasks import Outcome

BEGAN = 1000.0
Api = dict[str, dict[float, "Outcome"]]
"""What the API says of each id: from which second of the wait on, what."""

PENDING = HeadshotTask(id="", status="pending", image_urls=[])
RUNNING = HeadshotTask(id="", status="processing", image_urls=[])
DONE = HeadshotTask(id="", status="succeeded", image_urls=["https://a/1.png"], is_final=True)
FAILED = HeadshotTask(id="", status="failed", image_urls=[], is_final=True)
HICCUP = HeadshotTask(id="", status="failed", image_urls=[])
EMPTY = HeadshotTask(id="", status="succeeded", image_urls=[])
UNKNOWN = HeadshotTask(id="", status="not_found", image_urls=[])
DOWN = ServerFault(status=503)
REFUSED = TokenRejected(status=401)


def limited(seconds: float) -> RateLimited:
    return RateLimited(status=429, retry_after=seconds)


class Played(NamedTuple):
    """A wait that is over: when each id was polled and answered, and when it ended, in seconds from its beginning."""

    looks: dict[str, list[float]]
    answers: dict[str, list[tuple[float, Outcome]]]
    waiting: Waiting
    ended: float = 0.0

    @property
    def said(self) -> dict[str, str]:
        return {id_: named(outcome) for id_, outcome in self.waiting.outcomes.items()}


def named(outcome: Outcome) -> str:
    return type(outcome).__name__ if isinstance(outcome, LookupFailed) else outcome.status


def play(api: Mapping[str, Mapping[float, Outcome]], seconds: float, slow: Mapping[str, float] | None = None) -> Played:
    """Wait for what `api` says, each answer as many seconds late as `slow` says of its id."""
    waiting, now = Waiting(api, BEGAN, seconds), BEGAN
    played = Played({id_: [] for id_ in api}, {id_: [] for id_ in api}, waiting)
    coming: list[tuple[float, str, Outcome]] = []
    while look := waiting.next_poll(now):
        assert now <= look.at <= waiting.deadline
        if coming and coming[0][0] <= look.at:
            now, id_, outcome = heappop(coming)
            waiting.learn({id_: outcome}, now)
            played.answers[id_].append((now - BEGAN, outcome))
            continue
        now = look.at
        waiting.begin(look.ids)
        for id_ in look.ids:
            played.looks[id_].append(round(now - BEGAN, 2))
            since = max(begin for begin in api[id_] if begin <= now - BEGAN)
            heappush(coming, (now + (slow or {}).get(id_, 0.0), id_, api[id_][since]))
    return played._replace(ended=round(now - BEGAN, 2))


@pytest.mark.parametrize(
    ("api", "seconds", "looks", "ended", "said"),
    [
        pytest.param({"a": {0: DONE}, "b": {0: FAILED}}, 45, {"a": [0], "b": [0]}, 0, None, id="all final at once"),
        pytest.param(
            {"a": {0: PENDING, 2: RUNNING, 9: DONE}, "b": {0: DONE}},
            45,
            {"a": [0, 2, 5, 9.5], "b": [0]},
            9.5,
            None,
            id="only the unfinished one is looked at again",
        ),
        pytest.param(
            {"a": {0: RUNNING}},
            45,
            {"a": [0, 2, 5, 9.5, 16.25, 24.25, 32.25, 40.25, 43.5]},
            45,
            None,
            id="ever more slowly, and once just before the end",
        ),
        pytest.param({"a": {0: RUNNING, 10: DONE}}, 12, {"a": [0, 2, 5, 10.5]}, 10.5, None, id="ends 2 s before"),
        pytest.param({"a": {0: RUNNING, 41: DONE}}, 45, None, 43.5, {"a": "succeeded"}, id="ends 4 s before"),
        pytest.param({"a": {0: RUNNING}}, 1, {"a": [0]}, 1, None, id="one second is one look"),
        pytest.param({"a": {0: RUNNING}}, 2.5, {"a": [0, 1]}, 2.5, None, id="never more than one look a second"),
        pytest.param({"a": {0: RUNNING}}, 13, {"a": [0, 2, 5, 9.5, 11.5]}, 13, None, id="the last two seconds later"),
        pytest.param({"a": {0: RUNNING}}, 11.9, {"a": [0, 2, 5, 10.4]}, 11.9, None, id="no look just before the last"),
        pytest.param({"a": {0: UNKNOWN}}, 45, {"a": [0, 2, 5, 9.5]}, 9.5, {"a": "not_found"}, id="unknown"),
        pytest.param({"a": {0: UNKNOWN, 4: RUNNING, 20: DONE}}, 45, None, 24.25, {"a": "succeeded"}, id="known later"),
        pytest.param({"a": {0: UNKNOWN}}, 5, {"a": [0, 2, 3.5]}, 5, {"a": "not_found"}, id="less time than the grace"),
        pytest.param({"a": {0: HICCUP}}, 45, {"a": [0, 2, 5, 9.5]}, 9.5, {"a": "failed"}, id="perhaps failed"),
        pytest.param(
            {"a": {0: HICCUP, 4: RUNNING, 20: DONE}}, 45, None, 24.25, {"a": "succeeded"}, id="a hiccup at first"
        ),
        pytest.param(
            {"a": {0: RUNNING, 20: HICCUP, 30: DONE}}, 45, None, 32.25, {"a": "succeeded"}, id="a hiccup later"
        ),
        pytest.param({"a": {0: RUNNING, 20: HICCUP}}, 45, None, 32.25, {"a": "failed"}, id="perhaps failed later"),
        pytest.param(
            {"a": {0: EMPTY, 6: DONE}}, 45, {"a": [0, 2, 5, 9.5]}, 9.5, {"a": "succeeded"}, id="pictures later"
        ),
        pytest.param({"a": {0: DOWN, 20: DONE}}, 45, None, 24.25, {"a": "succeeded"}, id="a fault that passes"),
        pytest.param({"a": {0: DOWN}}, 12, {"a": [0, 2, 5, 10.5]}, 12, {"a": "ServerFault"}, id="one that stays"),
        pytest.param({"a": {0: RUNNING, 3: DOWN}}, 12, None, 12, {"a": "processing"}, id="what was known is kept"),
        pytest.param({"a": {0: REFUSED}}, 45, {"a": [0]}, 0, {"a": "TokenRejected"}, id="refused for good"),
        pytest.param({"a": {0: RUNNING, 4: REFUSED}}, 45, {"a": [0, 2, 5]}, 5, {"a": "processing"}, id="refused later"),
        pytest.param(
            {"a": {0: UsedUp()}, "b": {0: RUNNING, 3: DONE}},
            45,
            {"a": [0], "b": [0, 2, 5]},
            5,
            {"a": "UsedUp", "b": "succeeded"},
            id="a part refused for good ends for itself",
        ),
        pytest.param(
            {"a": {0: limited(60)}, "b": {0: RUNNING, 4: DONE}},
            45,
            {"a": [0], "b": [0, 2, 5]},
            5,
            {"a": "RateLimited", "b": "succeeded"},
            id="a part limited for longer keeps no other from being waited for",
        ),
        pytest.param({"a": {0: limited(60)}}, 45, {"a": [0]}, 0, {"a": "RateLimited"}, id="none can be asked"),
        pytest.param({"a": {0: limited(30), 30: DONE}}, 45, {"a": [0, 32.25]}, 32.25, None, id="limited, but in time"),
        pytest.param({"a": {0: limited(44), 44: DONE}}, 45, {"a": [0, 44]}, 44, None, id="limited until just before"),
        pytest.param({"a": {0: limited(45)}}, 45, {"a": [0]}, 0, None, id="limited until the very end"),
    ],
)
def test_a_wait(
    api: Api,
    seconds: float,
    looks: dict[str, list[float]] | None,
    ended: float,
    said: dict[str, str] | None,
) -> None:
    played = play(api, seconds)

    assert played.ended == ended
    assert looks is None or played.looks == looks
    assert said is None or played.said == said


@pytest.mark.parametrize("seconds_late", [0.02, 0.3, 0.9])
def test_the_last_look_is_made_although_each_answer_takes_a_while(seconds_late: float) -> None:
    played = play({"a": {0: RUNNING, 10: DONE}}, 12, slow={"a": seconds_late})

    assert played.said == {"a": "succeeded"}
    assert played.ended < 12


def test_a_part_that_is_slow_keeps_no_other_from_being_looked_at() -> None:
    played = play({"a": {0: RUNNING}, "b": {0: RUNNING, 4: DONE}}, 20, slow={"a": 12})

    assert played.looks == {"a": [0, 16.25], "b": [0, 2, 5]}
    assert played.ended == 20
    assert played.said == {"a": "processing", "b": "succeeded"}


def test_what_was_never_answered_is_said_to_have_timed_out() -> None:
    assert play({"a": {0: DONE}}, 5, slow={"a": 6}).said == {"a": "TimedOut"}


def test_a_failure_is_told_beside_what_was_known_before() -> None:
    waiting = play({"a": {0: RUNNING, 3: DOWN}, "b": {0: DOWN}}, 12).waiting

    assert waiting.failures == {"a": DOWN, "b": DOWN}
    assert waiting.outcomes == {"a": RUNNING, "b": DOWN}
    assert (waiting.done, waiting.total) == (0, 2)


MOMENTS = st.floats(0, 400)
OUTCOMES = st.one_of(
    st.sampled_from([PENDING, RUNNING, DONE, FAILED, HICCUP, EMPTY, UNKNOWN, DOWN, REFUSED]),
    st.floats(0, 1000).map(limited),
)
HISTORIES = st.dictionaries(MOMENTS, OUTCOMES, max_size=8).map(lambda history: {0: RUNNING, **history})
LIVES = st.dictionaries(st.sampled_from("abcde"), HISTORIES, min_size=1)


@given(LIVES, st.floats(1, 300), st.dictionaries(st.sampled_from("abcde"), st.floats(0, 60)))
def test_whatever_the_api_says_and_when_waiting_ends_and_keeps_its_pace(
    api: Api, seconds: float, slow: dict[str, float]
) -> None:
    played = play(api, seconds, slow)

    assert played.ended <= round(seconds, 2)
    for id_, looks in played.looks.items():
        assert all(later - earlier >= 0.98 for earlier, later in pairwise(looks))
        assert looks[0] == 0
        for at, outcome in played.answers[id_]:
            assert not is_final(outcome) or at + 0.01 >= looks[-1]
            assert all(look + 0.01 >= at + retry_after(outcome) for look in looks if look > at + 0.01)
    if played.ended < round(seconds, 2):
        unfinished = [id_ for id_, said in played.said.items() if said in ("pending", "processing")]
        assert all(id_ in played.waiting.failures for id_ in unfinished)


def is_final(outcome: Outcome) -> bool:
    return isinstance(outcome, TokenRejected) if isinstance(outcome, LookupFailed) else outcome.is_final


def retry_after(outcome: Outcome) -> float:
    return getattr(outcome, "retry_after", None) or 0.0


@pytest.mark.parametrize("early", [False, True], ids=["after the last answer", "before it"])
def test_one_that_hurries_ends_with_one_answer_about_each(early: bool) -> None:
    """As when the server shuts down: every task is polled, but none twice."""
    waiting = Waiting(["a", "b"], BEGAN, 45)
    waiting.begin(["a", "b"])
    waiting.learn({"a": RUNNING}, BEGAN + 0.5)
    if early:
        waiting.hurry()
        assert waiting.next_poll(BEGAN + 1) == (waiting.deadline, [])
    waiting.learn({"b": DOWN}, BEGAN + 3)
    waiting.hurry()

    assert waiting.next_poll(BEGAN + 3) is None
    assert {id_: named(outcome) for id_, outcome in waiting.outcomes.items()} == {"a": "processing", "b": "ServerFault"}
