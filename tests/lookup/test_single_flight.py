"""Callers who ask the same at the same moment share one request, its answer and its failure."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

import anyio
import pytest
from starlette.responses import JSONResponse, Response

from headshots_mcp.api.errors import LookupFailed
from headshots_mcp.sandbox.app import TOKEN, Sandbox
from headshots_mcp.sandbox.faults import error_answer
from tests.conftest import look_up, reading
from tests.late import Late

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from headshots_mcp.lookup.reader import Reader


class Held(Response):
    """An answer that waits until the test lets it go."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer, self.asked, self.let_go = answer, anyio.Event(), anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.set()
        await self.let_go.wait()
        await self.answer(scope, receive, send)


@pytest.mark.usefixtures("movable_clock")
@pytest.mark.parametrize("answer", [JSONResponse({}), error_answer(403)])
async def test_the_same_question_asked_ten_times_at_once_is_one_request(answer: Response) -> None:
    sandbox, outcomes = Sandbox(), list[str]()
    held = Held(answer)
    sandbox.script("t", [held])

    async def ask(reader: Reader) -> None:
        try:
            outcomes.append((await look_up(reader, "t")).status)
        except LookupFailed as error:
            outcomes.append(type(error).__name__)

    async with reading(sandbox) as reader, anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(ask, reader)
        await held.asked.wait()
        await anyio.sleep(1)
        held.let_go.set()

    assert outcomes == ["not_found" if answer.status_code == 200 else "UsedUp"] * 10
    assert len(sandbox.requests) == 1


@pytest.mark.usefixtures("movable_clock")
async def test_a_caller_that_goes_away_does_not_take_the_answer_of_the_others_with_it() -> None:
    sandbox, statuses = Sandbox(), list[str]()
    held, again = Held(JSONResponse({})), Held(JSONResponse({}))
    sandbox.script("t", [held, again])

    async def ask(reader: Reader, scope: anyio.CancelScope) -> None:
        with scope:
            statuses.append((await look_up(reader, "t")).status)

    async with reading(sandbox) as reader, anyio.create_task_group() as group:
        first = anyio.CancelScope()
        group.start_soon(ask, reader, first)
        await held.asked.wait()
        for _ in range(3):
            group.start_soon(ask, reader, anyio.CancelScope())
        await anyio.sleep(1)
        first.cancel()
        await again.asked.wait()
        await anyio.sleep(1)
        again.let_go.set()

    assert statuses == ["not_found"] * 3
    assert len(sandbox.requests) == 2


@pytest.mark.usefixtures("movable_clock")
async def test_a_caller_alone_that_goes_away_leaves_nothing_behind() -> None:
    sandbox = Sandbox()
    sandbox.script("t", repeat(error_answer(500)))
    async with reading(sandbox) as reader:
        async with anyio.create_task_group() as group:
            group.start_soon(look_up, reader, "t")
            await anyio.sleep(0.1)
            group.cancel_scope.cancel()
        await anyio.sleep(60)

        assert len(sandbox.requests) == 1
        assert reader._shared._flights == {}


@pytest.mark.usefixtures("movable_clock")
@pytest.mark.parametrize("batch", [False, True])
async def test_two_callers_who_ask_the_same_at_once_do_not_share_an_answer(batch: bool) -> None:
    sandbox = Sandbox()
    held = Held(JSONResponse({"items": []} if batch else {}))
    sandbox.script("t", [held])

    async def ask(reader: Reader, token: str) -> None:
        if batch:
            await reader.look_up(["t"], token)
        else:
            await reader.look_up_one("t", token)

    async with reading(sandbox) as reader, anyio.create_task_group() as group:
        group.start_soon(ask, reader, TOKEN)
        await held.asked.wait()
        group.start_soon(ask, reader, "sandbox-another")
        await anyio.sleep(1)
        held.let_go.set()

    tokens = [asked.headers["authorization"] for asked in sandbox.requests]
    assert tokens == [f"Bearer {TOKEN}", "Bearer sandbox-another"]


@pytest.mark.usefixtures("movable_clock")
@pytest.mark.parametrize(
    ("answer", "failure", "seconds", "requests"),
    [
        pytest.param(Late(2, error_answer(500)), "ServerFault", (8, 11), 4, id="a fault that may pass"),
        pytest.param(Late(5, error_answer(403)), "UsedUp", (5, 5), 1, id="a refusal"),
        pytest.param(Late(3600, Response()), "TimedOut", (20, 20), 1, id="no answer"),
    ],
)
async def test_whoever_waited_for_a_request_that_failed_does_not_send_it_again(
    answer: Response, failure: str, seconds: tuple[float, float], requests: int
) -> None:
    sandbox, outcomes = Sandbox(), list[str]()
    sandbox.script("t", repeat(answer))

    async def ask(reader: Reader) -> None:
        try:
            await look_up(reader, "t")
        except LookupFailed as error:
            outcomes.append(type(error).__name__)

    began = anyio.current_time()
    async with reading(sandbox, within=20) as reader, anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(ask, reader)
            await anyio.sleep(1.1)

    assert outcomes == [failure] * 4
    assert len(sandbox.requests) == requests
    assert seconds[0] <= anyio.current_time() - began <= seconds[1]


@pytest.mark.usefixtures("movable_clock")
async def test_a_caller_with_more_time_does_not_fail_with_one_who_has_less() -> None:
    sandbox, statuses = Sandbox(), list[str]()
    sandbox.script("t", [Late(3, Response()), JSONResponse({})])

    async def ask(reader: Reader, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            statuses.append((await look_up(reader, "t")).status)

    async with reading(sandbox) as reader, anyio.create_task_group() as group:
        for seconds in (1, 4):
            group.start_soon(ask, reader, seconds)
            await anyio.lowlevel.checkpoint()

    assert statuses == ["not_found"]
    assert len(sandbox.requests) == 2
