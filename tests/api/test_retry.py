"""Faults that pass are retried within the time of a lookup, here on a clock that jumps ahead."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from itertools import chain, repeat
from typing import TYPE_CHECKING

import anyio
import httpx2
import pytest
from starlette.responses import JSONResponse, Response

from headshots_mcp.api.errors import LookupFailed, RateLimited, ServerFault, TimedOut
from headshots_mcp.lookup.tasks import HeadshotTask
from headshots_mcp.sandbox.app import TOKEN, Sandbox
from headshots_mcp.sandbox.faults import error_answer
from tests.conftest import look_up, reading
from tests.late import Late

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


pytestmark = pytest.mark.usefixtures("movable_clock")


class Broken(Response):
    """A connection that breaks."""

    async def __call__(self, *_: object) -> None:
        raise httpx2.ReadError("")


def timed(answers: Iterable[Response], times: list[float]) -> Iterator[Response]:
    """Note when each answer was asked for."""
    for answer in answers:
        times.append(anyio.current_time())
        yield answer


async def look(answers: Iterable[Response], *, within: float = 20.0) -> tuple[LookupFailed | None, list[float], float]:
    """Look task t up, and return the failure, the seconds of its requests, and how long it all took."""
    sandbox, times, failure = Sandbox(), list[float](), None
    sandbox.script("t", timed(chain(answers, repeat(JSONResponse({}))), times))
    begun = anyio.current_time()
    async with reading(sandbox, within=within) as reader:
        try:
            await look_up(reader, "t")
        except LookupFailed as error:
            failure = error
    return failure, [time - begun for time in times], anyio.current_time() - begun


@pytest.mark.parametrize(
    ("status", "pause"), [(408, 0.2), (409, 0.2), (429, 1), (500, 0.2), (502, 0.2), (503, 0.2), (504, 0.2), (522, 0.2)]
)
async def test_a_fault_that_passes_is_waited_out(status: int, pause: float) -> None:
    failure, times, _ = await look([error_answer(status), error_answer(status)])

    first, second, third = times
    assert failure is None
    assert first == 0
    assert pause <= second <= pause + 0.3
    assert 2 * pause <= third - second <= 2 * pause + 0.3


async def test_a_fault_that_stays_is_given_up_after_four_attempts_and_three_seconds() -> None:
    failure, times, seconds = await look(repeat(error_answer(500)))

    assert isinstance(failure, ServerFault)
    assert len(times) == 4
    assert seconds < 3


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 301, 418, 501, 507])
async def test_a_refusal_is_not_repeated(status: int) -> None:
    _, times, seconds = await look(repeat(error_answer(status, "new_in_2027")))

    assert (len(times), seconds) == (1, 0)


@pytest.mark.parametrize(
    ("header", "waited"),
    [
        ("7", 7.0),
        (lambda: format_datetime(datetime.now(timezone.utc) + timedelta(seconds=9), usegmt=True), 9.0),
        (
            lambda: (datetime.now(timezone.utc) + timedelta(seconds=9)).strftime("%a, %d %b %Y %H:%M:%S -0000"),
            9.0,
        ),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_waited_for_if_it_fits(status: int, header: object, waited: float) -> None:
    value = header() if callable(header) else header
    failure, times, _ = await look([JSONResponse({}, status, {"retry-after": str(value)})])

    assert failure is None
    assert times == [0, pytest.approx(waited, abs=1.1)]


@pytest.mark.parametrize(
    "header",
    ["soon", "", "nan", "-5", "0", "1e3", "1_0", "Sat, 01 Jan 2000 00:00:00 GMT", f"Mon, 01 Jan {9**30} 00:00:00 GMT"],
)
async def test_retry_after_that_says_nothing_is_an_ordinary_pause(header: str) -> None:
    failure, times, _ = await look([JSONResponse({}, 429, {"retry-after": header})])

    assert failure is None
    assert 1 <= times[1] <= 1.3


async def test_retry_after_that_does_not_fit_is_passed_on_at_once() -> None:
    failure, times, seconds = await look(repeat(error_answer(429, retry_after="21")))

    assert isinstance(failure, RateLimited)
    assert str(failure).startswith("The API is rate limiting this token. Try again in 21 seconds. (HTTP 429")
    assert (len(times), seconds) == (1, 0)


async def test_any_fault_says_when_to_come_back_if_the_api_does() -> None:
    failure, _, _ = await look(repeat(error_answer(503, retry_after="3600")))

    assert str(failure).startswith("The API is temporarily unavailable. Try again in 1 hour. (HTTP 503")


async def test_attempts_and_waits_together_stay_within_the_limit() -> None:
    failure, times, seconds = await look([Late(19, error_answer(500)), Late(99, JSONResponse({}))])

    assert failure is not None
    assert len(times) == 2
    assert seconds == 20


@pytest.mark.parametrize("end", [Late(99, JSONResponse({})), Broken()])
async def test_what_ends_without_an_answer_does_not_hide_what_the_api_said_before(end: Response) -> None:
    failure, times, _ = await look([error_answer(503), error_answer(500), end, end])

    assert isinstance(failure, ServerFault)
    assert str(failure).endswith("(HTTP 500, code api_error, trace id 2cf86e86-22a4-46e1-ac2f-032c0f2a4e89)")
    assert len(times) == (3 if isinstance(end, Late) else 4)


async def test_an_answer_that_comes_late_but_in_time_is_an_answer() -> None:
    failure, _, seconds = await look([Late(19, JSONResponse({}))])

    assert (failure, seconds) == (None, 19)


async def test_a_thousand_ids_share_the_limit_of_one_lookup() -> None:
    """Twenty requests of six seconds, four at a time: three rounds fit into twenty seconds."""
    ids = [f"t{number}" for number in range(1000)]
    sandbox = Sandbox()
    for number in range(0, 1000, 50):
        sandbox.script(f"t{number}", [Late(6, JSONResponse({"items": []}))])
    begun = anyio.current_time()
    async with reading(sandbox, within=20) as reader:
        outcomes = await reader.look_up(ids, TOKEN)

    assert anyio.current_time() - begun == 20
    assert list(outcomes) == ids
    assert Counter(map(type, outcomes.values())) == {HeadshotTask: 600, TimedOut: 400}
