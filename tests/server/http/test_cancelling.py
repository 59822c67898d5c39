"""Progress and cancelling as they travel over each transport, from a real client to a real process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import StdioServerParameters
from mcp.client import Client

from headshots_mcp.sandbox.app import TOKEN, UNKNOWN
from tests.processes import COMMAND, INITIALIZE, ask, environment, running
from tests.server.http.test_http import connect

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tests.conftest import Served
    from tests.servers import Server

TOOL = "wait_for_headshot_tasks"


def call(task_id: str, seconds: float, request_id: int = 1) -> dict[str, Any]:
    params = {"name": TOOL, "arguments": {"ids": [task_id], "timeout_seconds": seconds}}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def settings(served: Served) -> dict[str, str]:
    return {"ACEDATACLOUD_API_BASE_URL": served.base_url, "ACEDATACLOUD_API_TOKEN": TOKEN}


def looks(served: Served, task_id: str) -> int:
    return sum(body is not None and body.get("ids") == [task_id] for body in served.bodies)


async def until_looked_at(served: Served, task_id: str) -> None:
    with anyio.fail_after(10):
        while not looks(served, task_id):
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("transport", ["stdio", "stdio legacy", "sse", "old", "new"])
async def test_progress_comes_over_every_transport(asking: Server, served: Served, transport: str) -> None:
    reports = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        reports.append(progress)
        assert (total, message) == (3, "0 of 1 done")

    async def wait(connection: AbstractAsyncContextManager[Client]) -> None:
        async with connection as client:
            await client.call_tool(TOOL, {"ids": [UNKNOWN], "timeout_seconds": 3}, progress_callback=report)

    if transport.startswith("stdio"):
        server = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=environment(**settings(served)))
        await wait(Client(server, mode="legacy" if "legacy" in transport else "auto"))
    else:
        await wait(connect(asking, transport, f"sandbox-{transport}"))

    assert len(reports) == 2
    assert 0 <= reports[0] < reports[1] < 3


def test_a_client_that_asks_for_no_progress_gets_none(served: Served) -> None:
    with running(**settings(served)) as process:
        ask(process, INITIALIZE)
        answer = ask(process, call(UNKNOWN, 3, request_id=7))

    assert answer["id"] == 7


async def test_a_cancelled_call_is_not_looked_at_again(served: Served) -> None:
    """Over stdio, by a notification; a call on another task shows how time goes by."""
    with running(**settings(served)) as process:
        ask(process, INITIALIZE)
        assert process.stdin is not None
        process.stdin.write(json.dumps(call("given-up", 60, request_id=5)) + "\n")
        process.stdin.flush()
        await until_looked_at(served, "given-up")
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}}
        process.stdin.write(json.dumps(cancelled) + "\n")
        answer = ask(process, call(UNKNOWN, 4, request_id=6))

    assert answer["id"] == 6
    assert (looks(served, "given-up"), looks(served, UNKNOWN)) == (1, 2)


async def test_the_end_of_input_ends_the_asking(served: Served) -> None:
    with running(**settings(served)) as process:
        ask(process, INITIALIZE)
        assert process.stdin is not None
        process.stdin.write(json.dumps(call("given-up", 60)) + "\n")
        process.stdin.flush()
        await until_looked_at(served, "given-up")
        process.stdin.close()
        assert process.wait(timeout=5) == 0

    assert looks(served, "given-up") == 1


@pytest.mark.parametrize("transport", ["sse", "old", "new"])
async def test_a_closed_stream_ends_the_asking(asking: Server, served: Served, transport: str) -> None:
    token = f"sandbox-{transport}-closed"
    async with anyio.create_task_group() as group:

        async def give_up() -> None:
            async with connect(asking, transport, token) as client:
                await client.call_tool(TOOL, {"ids": ["given-up"], "timeout_seconds": 60})

        group.start_soon(give_up)
        await until_looked_at(served, "given-up")
        group.cancel_scope.cancel()
    async with connect(asking, "new", token) as client:
        await client.call_tool(TOOL, {"ids": [UNKNOWN], "timeout_seconds": 4})

    assert (looks(served, "given-up"), looks(served, UNKNOWN)) == (1, 2)
