"""Many tasks in few requests: split, once each, in order, and no part takes the others down."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

import pytest
from starlette.responses import JSONResponse

from headshots_mcp.sandbox import SUCCEEDED, UNKNOWN, error_answer
from tests.conftest import connected, text_of

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
        {"id": "b", "response": {"success": True}},
        {},
        None,
        {"id": "a"},
        {"id": "a"},
    ]
    served.sandbox.script("a", [JSONResponse({"items": items, "count": -1})])
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_tasks", {"ids": ["a", "b", "c"]})

    assert result.structured_content is not None
    assert [(task["id"], task["status"]) for task in result.structured_content["tasks"]] == [
        ("a", "pending"),
        ("b", "succeeded"),
        ("c", "not_found"),
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
        "error": {
            "code": "used_up",
            "message": "The API denied access: the account is out of credit or switched off. "
            "Top it up, or ask Ace Data Cloud's support.",
            "trace_id": "2cf86e86-22a4-46e1-ac2f-032c0f2a4e89",
        },
    }
    assert last["status"] == "succeeded"
    assert text_of(result).splitlines()[-1] == "Ask again in a minute for the unavailable ones."


async def test_if_every_part_fails_the_call_is_one_error(served: Served) -> None:
    served.sandbox.script("t0", repeat(error_answer(403, "used_up")))
    served.sandbox.script("t50", repeat(error_answer(403, "used_up")))
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_tasks", {"ids": [f"t{number}" for number in range(60)]})

    assert result.is_error
    assert text_of(result).startswith("The API denied access")
