"""More calls than the server can handle: refused at once, dropped once their caller has gone, no harm to others."""

from __future__ import annotations

import re
import select
import signal
import socket
import sys
import threading
from contextlib import AsyncExitStack, ExitStack, contextmanager
from typing import TYPE_CHECKING

import anyio
import httpx2
import pytest

from headshots_mcp.server.http import admission, bodies
from headshots_mcp.server.http.app import application
from headshots_mcp.settings import Settings
from tests.conftest import text_of
from tests.server.http.test_http import connect, wait_until_asked
from tests.servers import NEW, OLD, Held, hosting, post, serving, tool_call, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp.client import Client

    from tests.conftest import Served
    from tests.servers import Server

pytestmark = pytest.mark.usefixtures("process_as_before")

MANY = {"ids": [f"many-{number:031}" for number in range(1000)]}
# As many bytes as a call may have: one caller may have about ten such calls in progress.
LARGE = {"ids": [f"{number:04}" + "\N{SMILING FACE WITH SMILING EYES}" * 124 for number in range(1000)]}
VERSIONS = pytest.mark.parametrize("version", [OLD, NEW])


@contextmanager
def asking(served: Served) -> Iterator[Server]:
    with serving("--transport", "http", ACEDATACLOUD_API_BASE_URL=served.base_url) as server:
        yield server


def token(name: str) -> str:
    return f"Bearer sandbox-{name}"


def read_head(connection: socket.socket) -> tuple[int, dict[str, str]]:
    """The status and the headers of a response."""
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(1)
        assert received, head
        head += received
    line, *lines = head.decode().strip().split("\r\n")
    return int(line.split()[1]), dict(each.lower().split(": ", 1) for each in lines)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that halts a process")
@VERSIONS
async def test_calls_whose_callers_have_gone_are_not_looked_up(served: Served, version: str) -> None:
    if sys.platform == "win32":  # for mypy
        return
    with asking(served) as server:
        await wait_until_asked(server)
        server.process.send_signal(signal.SIGSTOP)
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
                connection.sendall(
                    tool_call(server.port, "get_headshot_tasks", MANY, version=version, authorization=token("gone"))
                )
        server.process.send_signal(signal.SIGCONT)
        async with connect(server, "new", "sandbox-here") as client:
            result = await client.call_tool("get_headshot_task", {"id": "wanted"})

    assert not result.is_error
    assert [body for body in served.bodies if body and "id" in body and body["id"] == "wanted"]
    assert not [body for body in served.bodies if body and "ids" in body]


@VERSIONS
async def test_what_there_is_no_room_for_is_refused_at_once_and_others_are_answered(
    served: Served, version: str
) -> None:
    gate = threading.Event()
    served.sandbox.script(LARGE["ids"][0], [Held(gate)])
    with asking(served) as server, ExitStack() as stack:
        call = tool_call(server.port, "get_headshot_tasks", LARGE, version=version, authorization=token("greedy"))
        sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 20)) for _ in range(16)]
        for each in sockets:
            each.sendall(call)
        async with connect(server, "new", "sandbox-modest") as client:
            result = await client.call_tool("get_headshot_task", {"id": "one"})
        await until(lambda: len(select.select(sockets, [], [], 0)[0]) >= 5)
        early = select.select(sockets, [], [], 0)[0]
        heads = {each: read_head(each) for each in early}
        gate.set()
        heads |= {each: read_head(each) for each in sockets if each not in early}

    assert not result.is_error
    refused = [each for each, (status, _) in heads.items() if status == 503]
    assert 4 <= len(refused) <= 8
    assert {heads[each][1]["retry-after"] for each in refused} == {"2"}
    assert set(refused) <= set(early)
    assert {heads[each][0] for each in sockets if each not in refused} == {200}


async def test_over_sse_what_there_is_no_room_for_is_refused_in_words(served: Served) -> None:
    gate = threading.Event()
    ids = LARGE["ids"][:700]
    for first_of_a_request in ids[::50]:
        served.sandbox.script(first_of_a_request, [Held(gate)] * 2)
    with asking(served) as server:
        refused: list[bool] = []

        async def call(client: Client) -> None:
            result = await client.call_tool("get_headshot_tasks", {"ids": ids})
            refused.append("handling too many lookups" in text_of(result))

        async with connect(server, "sse", "sandbox-greedy") as client, anyio.create_task_group() as group:
            for _ in range(60):
                group.start_soon(call, client)
            await until(lambda: len(refused) >= 8)
            early = list(refused)
            async with connect(server, "sse", "sandbox-modest") as other:
                result = await other.call_tool("get_headshot_task", {"id": "one"})
            gate.set()

    assert not result.is_error
    assert all(early)
    assert 8 <= sum(refused) <= 20


@pytest.fixture
def small(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server with room for eight streams, and for two megabytes of bodies that arrive, and a bit."""
    monkeypatch.setattr(admission, "STREAMS", 8)
    monkeypatch.setattr(bodies, "ARRIVING_BYTES", 3_200_000)
    with hosting(application(Settings(base_url=served.base_url))) as port:
        yield port


def test_of_streams_one_caller_gets_half_and_others_the_rest(small: int) -> None:
    with ExitStack() as stack:

        def open_stream(name: str) -> tuple[int, dict[str, str]]:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", small), timeout=10))
            head = f"GET /sse HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {token(name)}\r\n\r\n"
            connection.sendall(head.encode())
            return read_head(connection)

        greedy = [open_stream("greedy") for _ in range(5)]
        modest, _ = open_stream("modest")

    assert [status for status, _ in greedy] == [200, 200, 200, 200, 503]
    assert greedy[4][1]["retry-after"] == "2"
    assert modest == 200


async def test_of_room_for_bodies_that_arrive_one_caller_gets_half_until_it_goes(small: int) -> None:
    megabyte = "x" * 1_000_000

    async def send_all(name: str) -> bool:
        async with httpx2.AsyncClient(timeout=10) as http:
            headers = {"authorization": token(name)}
            answer = await http.post(f"http://127.0.0.1:{small}/mcp", json=megabyte, headers=headers)
        assert answer.status_code in (400, 503)
        return bool(answer.status_code == 400)  # it was read: a string is no call

    beginning = post(small, megabyte, authorization=token("greedy"))[:-999_999]
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", small), timeout=10)) for _ in range(3)]
        for each in sockets:
            each.sendall(beginning)
        (refused,), _, _ = select.select(sockets, [], [], 10)
        status, headers = read_head(refused)
        assert await send_all("modest")

    assert (status, headers["retry-after"]) == (503, "2")
    with anyio.fail_after(10):
        while not await send_all("greedy"):  # until the server has learnt that the three have gone
            pass


@pytest.mark.load
async def test_a_greedy_caller_does_not_keep_others_waiting(served: Served) -> None:
    """One asks a hundred times for a thousand tasks; the others are as fast as the API, which is not what is slow."""
    with asking(served) as server:

        async def ask_for_many(number: int) -> None:
            async with connect(server, "old" if number % 2 else "new", "sandbox-greedy") as client:
                await client.call_tool("get_headshot_tasks", {"ids": [f"{number}-{each}" for each in range(1000)]})

        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(ask_for_many, number)
            await until(lambda: len(served.bodies) > 20)
            for number in range(5):
                with anyio.fail_after(10):
                    async with connect(server, "new", "sandbox-other") as client:
                        await client.call_tool("get_headshot_task", {"id": f"mine-{number}"})
            group.cancel_scope.cancel()


@pytest.mark.load
@pytest.mark.parametrize("transport", ["old", "new", "sse"])
@pytest.mark.parametrize("name", ["sandbox-flood", "rejected"])
async def test_soon_after_a_flood_others_are_answered_as_before(served: Served, transport: str, name: str) -> None:
    """Forty callers ask for a thousand tasks each and hang up at once, again and again, for five seconds."""
    with asking(served) as server:
        call = tool_call(
            server.port,
            "get_headshot_tasks",
            MANY,
            version=NEW if transport == "new" else OLD,
            authorization=f"Bearer {name}",
        )
        async with anyio.create_task_group() as group:
            for number in range(40):
                patience = 0.05 + 0.005 * number
                group.start_soon(hang_up_again_and_again, server, call, patience, transport == "sse")
        for number in range(10):
            with anyio.fail_after(5):
                async with connect(server, transport, "sandbox-other") as client:
                    result = await client.call_tool("get_headshot_task", {"id": f"mine-{number}"})
            assert not result.is_error


async def hang_up_again_and_again(server: Server, call: bytes, patience: float, over_sse: bool) -> None:
    ends = anyio.current_time() + 5
    while anyio.current_time() < ends:
        with anyio.move_on_after(patience):
            async with AsyncExitStack() as stack:
                sent = await open_session(server, call, stack) if over_sse else call
                stream = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", server.port))
                await stream.send(sent)
                await anyio.sleep_forever()


async def open_session(server: Server, call: bytes, stack: AsyncExitStack) -> bytes:
    """Open an SSE session of the older transport, and give the call as its session takes it."""
    stream = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", server.port))
    await stream.send(f"GET /sse HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: {token('x')}\r\n\r\n".encode())
    received = b""
    while not (found := re.search(rb"data: (\S+)\r\n", received)):
        received += await stream.receive()
    return call.replace(b"POST /mcp ", b"POST " + found[1] + b" ")
