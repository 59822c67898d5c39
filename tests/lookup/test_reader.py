"""Many tasks in few requests: split, once each, in order, and no part takes the others down."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

import anyio
import pytest
from starlette.responses import JSONResponse

from headshots_mcp.api.errors import ServerFault, TokenRejected, UsedUp
from headshots_mcp.sandbox.app import FAILED, LIVING, SUCCEEDED, TOKEN, UNKNOWN, Sandbox
from headshots_mcp.sandbox.faults import TRACE_ID, error_answer
from tests.conftest import connected, look_up, reading, text_of

if TYPE_CHECKING:
    from tests.conftest import Served


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (50, [50]), (51, [50, 1]), (1000, [50] * 20)])
async def test_ids_are_asked_for_in_parts_of_fifty(served: Served, count: int, sizes: list[int]) -> None:
    ids = [f"t{number}" for number in range(count)]
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_tasks", {"ids": ids})

    assert result.structured_content is not None
    assert [task["id"] for task in result.structured_content["tasks"]] == ids
    assert sorted((len(body["ids"]) for body in served.bodies if body), reverse=True) == sizes
    assert served.sandbox.connections <= 4


async def test_repeats_are_asked_once_and_answered_once_in_the_order_of_first_mention(served: Served) -> None:
    ids = [UNKNOWN, "x", SUCCEEDED, f" {UNKNOWN} ", "x"]
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_tasks", {"ids": ids})

    assert result.structured_content is not None
    assert [task["id"] for task in result.structured_content["tasks"]] == [UNKNOWN, "x", SUCCEEDED]
    assert served.bodies == [{"ids": [UNKNOWN, "x", SUCCEEDED], "action": "retrieve_batch"}]


async def test_items_out_of_order_repeated_or_not_asked_for_do_no_harm(served: Served) -> None:
    items = [
        {"id": "stranger"},
        {"id": "b", "response": {"status": "completed"}},
        {},
        None,
        {"id": "a"},
        {"id": "b"},
        {"id": "d", "error": "gone"},
    ]
    served.sandbox.script("a", [JSONResponse({"items": items, "count": -1})])
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_tasks", {"ids": ["a", "b", "c", "d"]})

    assert result.structured_content is not None
    assert [(task["id"], task["status"]) for task in result.structured_content["tasks"]] == [
        ("a", "pending"),
        ("b", "succeeded"),
        ("c", "not_found"),
        ("d", "unavailable"),
    ]


async def test_a_part_that_fails_leaves_the_others_answered(served: Served) -> None:
    ids = [*(f"t{number}" for number in range(50)), SUCCEEDED]
    served.sandbox.script("t0", repeat(error_answer(403, "used_up")))
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_tasks", {"ids": ids})

    assert not result.is_error
    assert result.structured_content is not None
    first, *_, last = result.structured_content["tasks"]
    assert first == {
        "id": "t0",
        "status": "unavailable",
        "image_urls": [],
        "error": {"code": "used_up", "message": UsedUp.message, "trace_id": TRACE_ID},
    }
    assert last["status"] == "succeeded"
    assert text_of(result).count(UsedUp.message) == text_of(result).count(TRACE_ID) == 1


async def test_if_every_part_fails_the_call_is_one_error(served: Served) -> None:
    served.sandbox.script("t0", repeat(error_answer(403, "used_up")))
    served.sandbox.script("t50", repeat(error_answer(403, "used_up")))
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_tasks", {"ids": [f"t{number}" for number in range(60)]})

    assert result.is_error
    assert text_of(result).startswith("The account's quota or balance is used up")


async def test_finished_tasks_are_asked_for_once(served: Served) -> None:
    async with connected(served.base_url) as client:
        for _ in range(3):
            await client.call_tool("get_headshot_task", {"id": SUCCEEDED})
            await client.call_tool("get_headshot_tasks", {"ids": [FAILED, SUCCEEDED]})
            last = await client.call_tool("get_headshot_tasks", {"ids": [UNKNOWN, FAILED, SUCCEEDED]})

    assert served.bodies == [
        {"id": SUCCEEDED, "action": "retrieve"},
        {"ids": [FAILED], "action": "retrieve_batch"},
        *[{"ids": [UNKNOWN], "action": "retrieve_batch"}] * 3,
    ]
    assert last.structured_content is not None
    assert [task["status"] for task in last.structured_content["tasks"]] == [
        "processing",
        "failed",
        "succeeded",
    ]


@pytest.mark.parametrize("task_id", [UNKNOWN, LIVING, "none"])
async def test_what_may_still_change_is_asked_for_again(served: Served, task_id: str) -> None:
    async with connected(served.base_url) as client:
        for _ in range(3):
            await client.call_tool("get_headshot_task", {"id": task_id})

    assert len(served.bodies) == 3


async def test_with_the_api_down_remembered_tasks_are_still_answered(served: Served) -> None:
    async with connected(served.base_url) as client:
        await client.call_tool("get_headshot_task", {"id": SUCCEEDED})
        served.sandbox.script(UNKNOWN, repeat(error_answer(403)))
        one = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})
        many = await client.call_tool("get_headshot_tasks", {"ids": [UNKNOWN, SUCCEEDED]})

    assert not one.is_error
    assert many.structured_content is not None
    assert [task["status"] for task in many.structured_content["tasks"]] == ["unavailable", "succeeded"]


async def test_one_caller_is_not_answered_with_what_another_may_see(served: Served) -> None:
    async with reading(served.base_url) as reader:
        await look_up(reader, SUCCEEDED)
        await look_up(reader, SUCCEEDED, "sandbox-another")
        with pytest.raises(TokenRejected):
            await look_up(reader, SUCCEEDED, "stranger")

    assert len(served.bodies) == 3


@pytest.mark.usefixtures("movable_clock")
async def test_a_finished_task_is_remembered_for_an_hour() -> None:
    sandbox = Sandbox()
    async with reading(sandbox) as reader:
        for pause in (3599, 2, 0):
            await look_up(reader, SUCCEEDED)
            await anyio.sleep(pause)
        await look_up(reader, SUCCEEDED)

    assert len(sandbox.requests) == 2


@pytest.mark.usefixtures("movable_clock")
async def test_what_is_remembered_is_bounded() -> None:
    """Tasks with a hundred links of two thousand characters each: about eighty of them are kept."""
    sandbox = Sandbox()
    links = [{"image_url": f"https://a/{number}/{'x' * 1990}"} for number in range(100)]
    for number in range(100):
        record = {"id": f"t{number}", "response": {"success": True, "data": links}}
        sandbox.script(f"t{number}", repeat(JSONResponse(record)))
    async with reading(sandbox) as reader:
        for number in [*range(100), 0, 99]:
            await look_up(reader, f"t{number}")

    assert len(sandbox.requests) == 101


@pytest.mark.usefixtures("movable_clock")
async def test_who_polls_leaves_a_limited_part_alone_for_as_long_as_the_api_asks() -> None:
    sandbox = Sandbox()
    sandbox.script("t", repeat(error_answer(429, retry_after="60")))
    waits: list[float | None] = []
    told: list[str] = []
    async with reading(sandbox) as reader:
        for pause in (5.5, 53.7, 2):
            outcome = (await reader.look_up(["t"], TOKEN, polling=True))["t"]
            waits.append(getattr(outcome, "retry_after", None))
            told.append(str(outcome).partition(" (")[0].partition(". ")[2])
            await anyio.sleep(pause)
        await reader.look_up(["t"], TOKEN, polling=True)

    assert waits == [60, pytest.approx(54.5), pytest.approx(0.8)]
    assert told == ["Try again in 1 minute.", "Try again in 1 minute.", "Try again in 1 second."]
    assert len(sandbox.requests) == 2


async def test_a_failed_lookup_is_one_line_of_the_log_with_code_and_trace_id(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.sandbox.script("t", repeat(error_answer(400, "token_mismatched")))
    async with connected(served.base_url) as client:
        await client.call_tool("get_headshot_task", {"id": "t"})

    (line,) = caplog.messages
    assert line.startswith("lookup failed: The token is not valid for the AI headshots service.")
    assert line.endswith("(HTTP 400, code token_mismatched, trace id 2cf86e86-22a4-46e1-ac2f-032c0f2a4e89)")


async def test_a_batch_in_which_every_item_is_the_same_error_is_one(served: Served) -> None:
    error = {"code": "api_error", "message": "x"}
    served.sandbox.script("a", [JSONResponse({"items": [{"id": "a", "error": error}]})])
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_tasks", {"ids": ["a"]})

    assert result.is_error
    assert text_of(result) == f"{ServerFault.message} (HTTP 200, code api_error)"
