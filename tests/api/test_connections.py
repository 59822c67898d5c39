"""Connections: kept open between requests, never shared by two callers, and given up when they only keep one busy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import httpx2
import pytest
from starlette.responses import JSONResponse

from headshots_mcp.api.client import HeadshotsClient
from headshots_mcp.api.connections import MAX_IDLE_CONNECTIONS, Connections
from headshots_mcp.api.errors import AnswerNotUnderstood
from headshots_mcp.api.requests import RetrieveTask
from headshots_mcp.sandbox.app import TOKEN, UNKNOWN
from headshots_mcp.sandbox.outcomes import throwaway_certificate
from tests.api.raw_api import Asked, raw_api, response

if TYPE_CHECKING:
    from pathlib import Path

    from anyio.abc import ByteStream

    from tests.conftest import Served


@pytest.fixture(params=["plain", "TLS"])
def certificate(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path | None:
    if request.param == "plain":
        return None
    path = tmp_path / "certificate.pem"
    path.write_bytes(throwaway_certificate(days=1))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


def record(task_id: str, template: str) -> dict[str, object]:
    return {"id": task_id, "request": {"template": template}, "response": {"status": "completed"}}


@pytest.mark.parametrize(
    "surplus",
    [
        pytest.param(response(record("t", "of somebody else")), id="the same task"),
        pytest.param(response(record("u", "of somebody else")), id="another task"),
        pytest.param(response({"response": {"status": "completed"}}), id="a record without an id"),
        pytest.param(response({}), id="an unknown task"),
        pytest.param(response({"error": {"code": "invalid_token"}}, 401), id="a refusal"),
        pytest.param(response(record("t", "of somebody else"))[:40], id="half a response"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False], ids=["in one go", "in two"])
async def test_what_is_left_over_on_a_connection_is_nobodys_answer(
    certificate: Path | None, surplus: bytes, at_once: bool
) -> None:
    async def answer(asked: Asked, client: ByteStream) -> None:
        answer = response(record("t", asked.token))
        for part in [answer + surplus] if at_once else [answer, surplus]:
            await client.send(part)

    async with raw_api(answer, certificate) as base_url, HeadshotsClient(base_url) as client:
        answers = [await client.retrieve(RetrieveTask(id="t"), token) for token in ("first", "second", "first")]

    assert [each and each.request and each.request.template for each in answers] == ["first", "second", "first"]


@pytest.mark.parametrize("size", [1, 20, 90], ids=["a byte", "half of the head", "half of the body"])
async def test_what_began_before_a_request_is_not_its_answer_once_the_rest_has_come(
    certificate: Path | None, size: int
) -> None:
    left_over = response(record("t", "left over"))

    async def answer(asked: Asked, client: ByteStream) -> None:
        rest = left_over[size:] if asked.on_connection > 1 else b""
        await client.send(rest + response(record("t", asked.token)) + left_over[:size])

    async with raw_api(answer, certificate) as base_url, HeadshotsClient(base_url) as client:
        answers = [await client.retrieve(RetrieveTask(id="t"), "token") for _ in range(3)]

    assert [each and each.request and each.request.template for each in answers] == ["token"] * 3


async def test_a_connection_on_which_nothing_is_left_over_is_used_again(certificate: Path | None) -> None:
    numbers = []

    async def answer(asked: Asked, client: ByteStream) -> None:
        numbers.append(asked.on_connection)
        await client.send(response(record("t", asked.token)))

    async with raw_api(answer, certificate) as base_url, HeadshotsClient(base_url) as client:
        for _ in range(3):
            await client.retrieve(RetrieveTask(id="t"), "token")

    assert numbers == [1, 2, 3]


async def test_a_connection_is_not_used_again_after_an_answer_to_something_else(served: Served) -> None:
    served.sandbox.script("t", [JSONResponse({"id": "u", "response": {"status": "completed"}})])
    async with HeadshotsClient(served.base_url) as client:
        with pytest.raises(AnswerNotUnderstood):
            await client.retrieve(RetrieveTask(id="t"), TOKEN)
        await client.retrieve(RetrieveTask(id=UNKNOWN), TOKEN)

    assert served.sandbox.connections == 2


async def test_every_caller_has_connections_of_its_own(served: Served) -> None:
    async with HeadshotsClient(served.base_url) as client:
        for token in (TOKEN, "sandbox-another") * 3:
            await client.retrieve(RetrieveTask(id=UNKNOWN), token)

    assert served.sandbox.connections == 2


async def test_connections_closed_by_the_api_meanwhile_are_replaced() -> None:
    async def answer(asked: Asked, client: ByteStream) -> None:
        await client.send(response(record("t", asked.token)))
        await client.aclose()

    async with raw_api(answer) as base_url, HeadshotsClient(base_url, attempts=1) as client:
        for _ in range(3):
            assert await client.retrieve(RetrieveTask(id="t"), "token")
            await anyio.wait_all_tasks_blocked()


class Counted(httpx2.AsyncBaseTransport):
    """A connection of which is known whether it is open."""

    opened: list[Counted]

    def __init__(self) -> None:
        self.is_open = True

    async def aclose(self) -> None:
        self.is_open = False


@pytest.mark.usefixtures("movable_clock")
async def test_an_idle_connection_is_kept_through_pauses_and_closed_after_ninety_seconds() -> None:
    opened: list[Counted] = []

    async def connect() -> Counted:
        opened.append(Counted())
        return opened[-1]

    connections = Connections(connect)
    for caller, pause in (("a", 89), ("a", 91), ("b", 0), ("a", 0)):
        async with connections.lend(caller):
            pass
        await anyio.sleep(pause)

    assert [each.is_open for each in opened] == [False, True, True]


async def test_there_is_a_limit_to_idle_connections_and_those_idle_longest_go_first() -> None:
    opened: list[Counted] = []

    async def connect() -> Counted:
        opened.append(Counted())
        return opened[-1]

    connections = Connections(connect)
    for caller in range(MAX_IDLE_CONNECTIONS + 3):
        async with connections.lend(caller):
            pass

    assert [each.is_open for each in opened] == [False] * 3 + [True] * MAX_IDLE_CONNECTIONS
    await connections.aclose()
    assert not any(each.is_open for each in opened)


async def test_a_cancelled_request_leaves_no_connection_open_not_even_one_in_the_middle_of_its_handshake() -> None:
    closed = anyio.Semaphore(0)

    async def serve(client: ByteStream) -> None:
        async with client:
            try:
                while True:
                    await client.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                closed.release()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 -- not Django's
        async with HeadshotsClient(f"https://127.0.0.1:{port}") as client:
            await client.warm_up()
            for _ in range(3):
                with anyio.move_on_after(0.1):
                    await client.retrieve(RetrieveTask(id="t"), "token")
            with anyio.fail_after(5):
                for _ in range(3):
                    await closed.acquire()
        group.cancel_scope.cancel()


BODY = json.dumps(record("t", "x")).encode()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("beginning", "again"),
    [
        pytest.param(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100, id="informational responses"),
        pytest.param(HEAD, b"x: y\r\n", id="headers without end"),
        pytest.param(CHUNKED, b"1\r\n \r\n" * 1000, id="chunks of one byte"),
        pytest.param(CHUNKED + b"%x\r\n" % 10**9, b" ", id="segments of one byte"),
        pytest.param(CHUNKED, b"1;" + b"x" * 20_000 + b"\r\n \r\n", id="chunks with long extensions"),
    ],
)
async def test_a_response_that_only_keeps_the_lookup_busy_is_given_up_early(beginning: bytes, again: bytes) -> None:
    sent = 0

    async def answer(_asked: Asked, client: ByteStream) -> None:
        nonlocal sent
        await client.send(beginning)
        while True:
            await client.send(again)
            sent += 1
            await anyio.lowlevel.checkpoint()

    async with raw_api(answer) as base_url, HeadshotsClient(base_url) as client:
        with anyio.fail_after(10), pytest.raises(AnswerNotUnderstood):
            await client.retrieve(RetrieveTask(id="t"), "token")

    assert sent < 30_000


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 20 + response(record("t", "x")), id="hints"),
        pytest.param(
            CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n", id="a short body in dust"
        ),
        pytest.param(
            HEAD + b"x: " + b"y" * 30_000 + b"\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY, id="headers"
        ),
    ],
)
async def test_a_response_that_is_only_odd_is_an_answer(whole: bytes) -> None:
    async def answer(_asked: Asked, client: ByteStream) -> None:
        await client.send(whole)

    async with raw_api(answer) as base_url, HeadshotsClient(base_url) as client:
        found = await client.retrieve(RetrieveTask(id="t"), "token")

    assert found is not None
    assert found.id == "t"
