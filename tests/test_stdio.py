"""The server as hosts run it: a process, spoken to over its pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from mcp import StdioServerParameters
from mcp.client import Client

from headshots_mcp.sandbox import SUCCEEDED, TOKEN, UNKNOWN
from tests.conftest import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Served

COMMAND = [sys.executable, "-m", "headshots_mcp"]
INITIALIZE = {
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}


def environment(**settings: str) -> dict[str, str]:
    """This environment, without what it may say to the server itself."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("ACEDATA", "HEADSHOTS"))
    }
    return inherited | settings


@contextmanager
def running(*flags: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A server process that does not outlive the block."""
    with subprocess.Popen(
        [*COMMAND, *flags],
        env=environment(**settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(process: subprocess.Popen[str], request: dict[str, Any]) -> Any:
    """Send one request and read the one line that answers it."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, **request}) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_host_lists_the_tools_and_calls_them(served: Served, mode: str) -> None:
    settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url, "ACEDATACLOUD_API_TOKEN": TOKEN}
    server = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=settings)
    async with Client(server, mode=mode) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        one = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})
        many = await client.call_tool("get_headshot_tasks", {"ids": [SUCCEEDED, UNKNOWN]})

    assert names == ["get_headshot_task", "get_headshot_tasks"]
    assert text_of(one).startswith(f"{SUCCEEDED} succeeded (male_portrait)\nhttps://")
    assert f"{UNKNOWN} processing (male_portrait)" in text_of(many)
    assert (len(served.bodies), served.sandbox.connections) == (2, 1)


async def test_the_sandbox_flag_needs_no_account() -> None:
    server = StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], "--sandbox"])
    async with Client(server) as client:
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert text_of(result).startswith(f"{SUCCEEDED} succeeded (male_portrait)\nhttp://127.0.0.1:")


async def test_without_a_token_the_tools_are_listed_and_a_call_says_how_to_set_it() -> None:
    server = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=environment())
    async with Client(server) as client:
        tools = (await client.list_tools()).tools
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert len(tools) == 2
    assert result.is_error
    assert "ACEDATACLOUD_API_TOKEN" in text_of(result)


def test_only_json_rpc_is_written_to_stdout_and_end_of_input_ends_it(served: Served) -> None:
    call = {"method": "tools/call", "params": {"name": "get_headshot_task", "arguments": {"id": SUCCEEDED}}}
    settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url, "ACEDATACLOUD_API_TOKEN": TOKEN}
    with running(**settings, HEADSHOTS_LOG_LEVEL="DEBUG") as process:
        answers = [ask(process, INITIALIZE), ask(process, {"method": "tools/list"}), ask(process, call)]
        rest, errors = process.communicate(timeout=10)

    assert [answer["jsonrpc"] for answer in answers] == ["2.0"] * 3
    assert "result" in answers[2]
    assert (rest, process.returncode) == ("", 0)
    assert TOKEN not in errors
    assert "https://" not in errors
    assert "Traceback" not in errors


def test_a_quiet_day_leaves_stderr_empty(served: Served) -> None:
    with running(ACEDATACLOUD_API_BASE_URL=served.base_url, ACEDATACLOUD_API_TOKEN=TOKEN) as process:
        ask(process, INITIALIZE)
        ask(
            process,
            {"method": "tools/call", "params": {"name": "get_headshot_task", "arguments": {"id": UNKNOWN}}},
        )
        assert process.communicate(timeout=10) == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal to send to another process")
def test_ctrl_c_ends_it_at_once_although_stdin_is_open() -> None:
    with running() as process:
        ask(process, INITIALIZE)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=5) == -signal.SIGINT
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_host_that_stops_reading_gets_no_traceback() -> None:
    with running() as process:
        ask(process, INITIALIZE)
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}) + "\n")
        process.stdin.close()
        assert process.wait(timeout=10) == 0
        assert process.stderr.read() == ""


def test_another_failure_of_stdout_is_not_hidden() -> None:
    """A full disk behind stdout, for one, is nothing to keep quiet about."""
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:  # noqa: PTH123
        line = json.dumps({"jsonrpc": "2.0", "id": 1, **INITIALIZE}) + "\n"
        ended = subprocess.run(
            COMMAND,
            input=line,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            timeout=20,
            check=False,
        )

    assert ended.returncode == 1
    assert "No space left on device" in ended.stderr


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"ACEDATACLOUD_API_TOKEN": "two words"}, "headshots-mcp: ACEDATACLOUD_API_TOKEN is not a token"),
        (
            {"ACEDATACLOUD_API_BASE_URL": "nowhere"},
            "headshots-mcp: ACEDATACLOUD_API_BASE_URL is not an address",
        ),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_once_in_one_line(
    settings: dict[str, str], line: str
) -> None:
    ended = subprocess.run(
        COMMAND,
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(line)
    assert ended.stderr.count("\n") == 1
