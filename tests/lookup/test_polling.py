"""Waiting as a host sees it: what is asked and reported when, on a clock that jumps ahead."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from starlette.responses import JSONResponse, Response

from headshots_mcp.sandbox.app import FAILED, GALLERY, LIVING, SUCCEEDED, UNKNOWN, Sandbox
from headshots_mcp.sandbox.faults import TRACE_ID, error_answer
from tests.conftest import connected, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mcp_types import CallToolResult

pytestmark = pytest.mark.usefixtures("movable_clock")

RUNNING = JSONResponse({"items": [{"id": UNKNOWN, "response": {"status": "unknown"}}]})
DOWN = error_answer(503)
BUSY = error_answer(429, retry_after="30")
REFUSED = error_answer(401)
DOWN_SAID = "The API is temporarily unavailable."


class Silent(Response):
    """An answer that never comes."""

    async def __call__(self, *_: Any) -> None:
        await anyio.sleep_forever()


class Waited:
    """One call of the tool: its result, how long it took, what was asked and when, what was reported and when."""

    def __init__(self, sandbox: Sandbox | None = None) -> None:
        self.sandbox = sandbox or Sandbox()
        self.reports: list[tuple[float, float | None, str | None]] = []
        self.looks: list[tuple[float, list[str]]] = []
        self.seconds = 0.0

    async def call(self, *ids: str, timeout_seconds: float | None = None) -> CallToolResult:
        begun = anyio.current_time()

        async def report(progress: float, total: float | None, message: str | None) -> None:
            assert anyio.current_time() - begun == pytest.approx(progress)
            self.reports.append((progress, total, message))

        arguments: dict[str, Any] = {"ids": list(ids)}
        if timeout_seconds is not None:
            arguments["timeout_seconds"] = timeout_seconds
        async with connected(self.sandbox, within=20) as client:
            result = await client.call_tool("wait_for_headshot_tasks", arguments, progress_callback=report)
        self.seconds = anyio.current_time() - begun
        return result

    @property
    def asked(self) -> list[list[str]]:
        return [asked.body["ids"] for asked in self.sandbox.requests if asked.body]

    def script(self, task_id: str, answers: Iterable[Response]) -> Waited:
        self.sandbox.script(task_id, answers)
        return self


def states(result: CallToolResult) -> list[str]:
    assert result.structured_content is not None
    return [task["status"] for task in result.structured_content["tasks"]]


async def test_tasks_that_are_all_final_are_answered_at_once() -> None:
    waited = Waited()
    result = await waited.call(SUCCEEDED, FAILED)

    assert states(result) == ["succeeded", "failed"]
    assert (waited.seconds, waited.asked) == (0, [[SUCCEEDED, FAILED]])
    assert waited.reports == [(0, 45, "2 of 2 done")]


async def test_of_five_tasks_only_the_late_one_is_asked_for_again() -> None:
    waited = Waited()
    result = await waited.call(SUCCEEDED, FAILED, LIVING, GALLERY, SUCCEEDED)

    assert states(result) == ["succeeded", "failed", "succeeded", "succeeded"]
    assert waited.asked == [[SUCCEEDED, FAILED, LIVING, GALLERY], *[[LIVING]] * 2]
    assert [round(at, 2) for at, _, _ in waited.reports] == [0, 2, 5]
    assert [message for _, _, message in waited.reports] == ["3 of 4 done"] * 2 + ["4 of 4 done"]
    assert waited.seconds == 5


async def test_a_task_that_never_ends_is_looked_at_ever_more_slowly_until_the_time_is_up() -> None:
    waited = Waited()
    result = await waited.call(UNKNOWN)

    assert (states(result), waited.seconds, result.is_error) == (["processing"], 45, False)
    assert len(waited.asked) == 9
    pauses = [
        later - earlier for (earlier, _, _), (later, _, _) in zip(waited.reports, waited.reports[1:], strict=False)
    ]
    assert all(0 < pause <= 5 for pause in pauses)
    assert {total for _, total, _ in waited.reports} == {45}


@pytest.mark.parametrize(("seconds", "looks"), [(1, 1), (1.5, 1), (3, 2), (60, 11), (300, 41)])
async def test_the_limit_is_kept_to_the_second(seconds: float, looks: int) -> None:
    waited = Waited()
    result = await waited.call(UNKNOWN, timeout_seconds=seconds)

    assert (states(result), waited.seconds, len(waited.asked)) == (["processing"], seconds, looks)


async def test_an_api_that_is_down_in_the_middle_is_borne() -> None:
    waited = Waited().script(LIVING, repeat(DOWN, 3))
    result = await waited.call(LIVING)

    assert states(result) == ["succeeded"]
    assert text_of(result).count("\n") == 2


async def test_a_fault_is_not_asked_for_again_before_the_next_look() -> None:
    """More than one look a second is what brings 429."""
    times: list[float] = []

    def answers() -> Iterator[Response]:
        while True:
            times.append(anyio.current_time())
            yield DOWN

    began = anyio.current_time()
    await Waited().script(UNKNOWN, answers()).call(UNKNOWN, timeout_seconds=12)

    assert [at - began for at in times] == [0, 2, 5, 10.5]


async def test_a_wait_right_after_a_look_takes_what_was_found() -> None:
    sandbox = Sandbox()
    async with connected(sandbox) as client:
        for _ in range(3):
            await client.call_tool("wait_for_headshot_tasks", {"ids": [UNKNOWN], "timeout_seconds": 1.5})
            await client.call_tool("get_headshot_tasks", {"ids": [UNKNOWN]})

    assert len(sandbox.requests) == 4


async def test_an_api_that_stays_down_is_told_with_what_is_known() -> None:
    both = [{"id": SUCCEEDED, "response": {}}, {"id": UNKNOWN, "response": {"status": "x"}}]
    waited = Waited().script(UNKNOWN, chain([JSONResponse({"items": both})], repeat(DOWN)))
    result = await waited.call(SUCCEEDED, UNKNOWN)

    assert states(result) == ["pending", "processing"]
    assert (result.is_error, waited.seconds) == (False, 45)
    assert f"The latest check of 2 failed: {DOWN_SAID}" in text_of(result)
    assert "wait_for" not in text_of(result)


async def test_an_api_that_is_down_all_the_time_is_one_error() -> None:
    result = await Waited().script("t", repeat(DOWN)).call("t", "u", timeout_seconds=30)

    assert (result.is_error, result.structured_content) == (True, None)
    assert text_of(result).startswith(DOWN_SAID)
    assert TRACE_ID in text_of(result)


async def test_a_rate_limit_that_ends_in_time_is_waited_for() -> None:
    waited = Waited().script(LIVING, [BUSY])
    result = await waited.call(LIVING)

    assert states(result) == ["succeeded"]
    assert len(waited.asked) == 3
    assert waited.seconds == 40.25


async def test_a_rate_limit_that_lasts_longer_than_the_wait_ends_it_at_once() -> None:
    waited = Waited().script(UNKNOWN, [RUNNING, BUSY])
    result = await waited.call(UNKNOWN, timeout_seconds=20)

    assert (states(result), waited.seconds) == (["processing"], 2)
    assert "The latest check failed: The API is rate limiting this token. Try again in 30 seconds." in text_of(result)
    assert "wait_for" not in text_of(result)


async def test_a_refused_token_is_an_error_at_once() -> None:
    waited = Waited().script("t", repeat(REFUSED))
    result = await waited.call("t")

    assert (result.is_error, waited.seconds, len(waited.asked)) == (True, 0, 1)
    assert text_of(result).startswith("The API rejected the token")


async def test_an_unknown_id_counts_as_final_only_after_a_short_grace() -> None:
    waited = Waited()
    result = await waited.call("none", SUCCEEDED)

    assert (states(result), waited.seconds) == (["not_found", "succeeded"], 9.5)
    assert waited.asked == [["none", SUCCEEDED], ["none"], ["none"], ["none"]]


async def test_a_task_only_seconds_old_is_found_within_its_grace() -> None:
    unknown = JSONResponse({"items": []})
    result = await Waited().script(SUCCEEDED, [unknown, unknown]).call(SUCCEEDED)

    assert states(result) == ["succeeded"]


async def test_a_thousand_tasks_cost_one_request_for_fifty_a_round() -> None:
    ids = [UNKNOWN, *(f"none-{number}" for number in range(999))]
    waited = Waited()
    result = await waited.call(*ids, timeout_seconds=12)

    assert len(states(result)) == 1000
    assert [len(ids) for ids in waited.asked] == [50] * 80
    assert waited.seconds == 12


async def test_a_part_that_is_refused_is_given_up_and_reported() -> None:
    ids = [f"t{number}" for number in range(50)]
    waited = Waited().script("t0", repeat(REFUSED))
    result = await waited.call(*ids, UNKNOWN, timeout_seconds=12)

    assert states(result) == ["unavailable"] * 50 + ["processing"]
    assert "Unavailable (50): The API rejected the token" in text_of(result)
    assert sorted(len(ids) for ids in waited.asked) == [1, 1, 1, 1, 50]


async def test_a_part_that_is_rate_limited_is_left_alone_as_long_as_the_api_asks() -> None:
    ids = [f"t{number}" for number in range(50)]
    waited = Waited().script("t0", [BUSY])
    result = await waited.call(*ids, UNKNOWN, timeout_seconds=40)

    assert states(result)[0] == "not_found"
    assert sorted(len(ids) for ids in waited.asked) == [*[1] * 8, 50, 50]


async def test_a_part_that_is_limited_for_longer_keeps_no_other_from_being_waited_for() -> None:
    ids = [f"t{number}" for number in range(50)]
    waited = Waited().script("t0", repeat(error_answer(429, retry_after="60")))
    result = await waited.call(*ids, LIVING)

    assert states(result) == ["unavailable"] * 50 + ["succeeded"]
    assert waited.seconds == 5
    assert "Unavailable (50): The API is rate limiting this token. Try again in 1 minute." in text_of(result)
    assert "wait_for" not in text_of(result)


async def test_a_task_that_ended_just_before_the_limit_is_told_as_it_is() -> None:
    waited = Waited()
    result = await waited.call(LIVING, timeout_seconds=6.2)

    assert (states(result), waited.seconds) == (["succeeded"], 4.7)


async def test_what_was_known_is_not_forgotten_because_a_later_look_at_it_fails() -> None:
    ids = [f"t{number}" for number in range(50)]
    running = JSONResponse({"items": [{"id": "t0", "response": {"status": "unknown"}}]})
    waited = Waited().script("t0", chain([running], repeat(DOWN)))
    result = await waited.call(*ids, UNKNOWN, timeout_seconds=8)

    assert states(result)[0] == "processing"
    assert f"The latest check of 50 failed: {DOWN_SAID}" in text_of(result)


async def test_an_api_that_is_silent_until_the_time_is_up_is_said_to_be_so() -> None:
    result = await Waited().script("t", [Silent()]).call("t", timeout_seconds=1)

    assert result.is_error
    assert text_of(result).startswith("The API did not answer in time.")


async def test_what_the_api_said_before_it_fell_silent_is_told() -> None:
    result = await Waited().script("t", [DOWN, Silent()]).call("t", timeout_seconds=5)

    assert result.is_error
    assert text_of(result).startswith(DOWN_SAID)
    assert TRACE_ID in text_of(result)


async def test_a_part_that_is_silent_keeps_no_other_from_being_told() -> None:
    ids = [f"t{number}" for number in range(50)]
    waited = Waited().script("t0", [Silent()])
    result = await waited.call(*ids, LIVING, timeout_seconds=15)

    assert states(result) == ["unavailable"] * 50 + ["succeeded"]
    assert "Unavailable (50): The API did not answer in time." in text_of(result)


async def test_a_caller_that_gives_up_ends_the_asking_at_once() -> None:
    sandbox = Sandbox()
    async with connected(sandbox) as client:
        with anyio.move_on_after(6):
            await client.call_tool("wait_for_headshot_tasks", {"ids": [UNKNOWN], "timeout_seconds": 300})
        await anyio.sleep(60)

    assert len(sandbox.requests) == 3


async def test_what_is_remembered_is_not_asked_for() -> None:
    sandbox = Sandbox()
    async with connected(sandbox) as client:
        await client.call_tool("get_headshot_task", {"id": SUCCEEDED})
        result = await client.call_tool("wait_for_headshot_tasks", {"ids": [SUCCEEDED], "timeout_seconds": None})

    assert states(result) == ["succeeded"]
    assert len(sandbox.requests) == 1
