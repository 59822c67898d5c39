"""The server as hosts run it: a process, spoken to over its pipes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp import MCPError, StdioServerParameters
from mcp.client import Client

from headshots_mcp.sandbox.app import SUCCEEDED, TOKEN, UNKNOWN, Sandbox
from tests.conftest import text_of
from tests.faults import misbehave
from tests.processes import COMMAND, INITIALIZE, ask, environment, look_up, running

if TYPE_CHECKING:
    from tests.conftest import Served


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_host_lists_the_tools_and_calls_them(served: Served, mode: str) -> None:
    settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url, "ACEDATACLOUD_API_TOKEN": TOKEN}
    server = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=settings)
    async with Client(server, mode=mode) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        one = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})
        many = await client.call_tool("get_headshot_tasks", {"ids": [SUCCEEDED, UNKNOWN]})

    assert names == ["get_headshot_task", "get_headshot_tasks", "wait_for_headshot_tasks"]
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

    assert len(tools) == 3
    assert result.is_error
    assert "ACEDATACLOUD_API_TOKEN" in text_of(result)


def test_only_json_rpc_is_written_to_stdout_and_end_of_input_ends_it(served: Served) -> None:
    settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url, "ACEDATACLOUD_API_TOKEN": TOKEN}
    with running(**settings, HEADSHOTS_LOG_LEVEL="DEBUG") as process:
        answers = [ask(process, INITIALIZE), ask(process, {"method": "tools/list"}), ask(process, look_up(SUCCEEDED))]
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
        ask(process, look_up(UNKNOWN))
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
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        line = json.dumps({"jsonrpc": "2.0", "id": 1, **INITIALIZE}) + "\n"
        ended = subprocess.run(
            COMMAND,
            input=line,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=environment(),
            timeout=20,
            check=False,
        )

    assert ended.returncode == 1
    assert "No space left on device" in ended.stderr


def test_a_day_of_faults_leaves_one_line_each_and_no_secret_on_stderr() -> None:
    faults = (
        "500",
        "401",
        "reset",
        "html",
        "error-long",
        "busy-for-an-hour",
        "wrong-types",
        "hostile-words",
        "bad-links",
    )
    sandbox = misbehave(Sandbox())
    with (
        sandbox.serve() as base_url,
        running(ACEDATACLOUD_API_BASE_URL=base_url, ACEDATACLOUD_API_TOKEN=TOKEN) as process,
    ):
        ask(process, INITIALIZE)
        answers = []
        for fault in faults:
            for name, arguments in (
                ("get_headshot_task", {"id": f"fault-{fault}"}),
                ("get_headshot_tasks", {"ids": [f"fault-{fault}"]}),
                ("get_headshot_task", {"id": ""}),
            ):
                call = {"method": "tools/call", "params": {"name": name, "arguments": arguments}}
                answers.append(json.dumps(ask(process, call)))
        rest, errors = process.communicate(timeout=10)

    lines = errors.splitlines()
    assert len(lines) == 2 * 6
    assert all(line.startswith("WARNING headshots_mcp.lookup.reader: lookup failed: The ") for line in lines)
    assert sum("code api_error, trace id 2cf86e86-22a4-46e1-ac2f-032c0f2a4e89" in line for line in lines) == 2
    assert rest == ""
    for said in (errors, *answers):
        assert TOKEN not in said
        assert "Traceback" not in said
    assert "https://" not in errors


def test_the_log_level_decides_how_much_is_said(served: Served) -> None:
    said = {}
    for level in ("INFO", "WARNING", "CRITICAL"):
        with running(
            ACEDATACLOUD_API_BASE_URL=served.base_url, ACEDATACLOUD_API_TOKEN=TOKEN, HEADSHOTS_LOG_LEVEL=level
        ) as process:
            ask(process, INITIALIZE)
            for task_id in ("fault-flaky", "fault-400"):
                ask(process, look_up(task_id))
            said[level] = [line.partition(":")[0] for line in process.communicate(timeout=10)[1].splitlines()]

    retry, failure = "INFO headshots_mcp.api.retry", "WARNING headshots_mcp.lookup.reader"
    assert said == {"INFO": [retry, retry, failure], "WARNING": [failure], "CRITICAL": []}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell a process's peak memory")
def test_an_answer_of_two_hundred_megabytes_never_reaches_memory() -> None:
    def peak(process: subprocess.Popen[str]) -> int:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) // 1024

    sandbox = misbehave(Sandbox())
    with (
        sandbox.serve() as base_url,
        running(ACEDATACLOUD_API_BASE_URL=base_url, ACEDATACLOUD_API_TOKEN=TOKEN) as process,
    ):
        ask(process, INITIALIZE)
        peaks = {}
        for task_id in ("idle", "fault-huge", "fault-bomb", "fault-dense"):
            ask(process, look_up(task_id))
            peaks[task_id] = peak(process)

    assert max(peaks.values()) - peaks["idle"] < 40


@pytest.mark.parametrize("after", [0.05, 0.2, 0.4, 0.6])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal to send to another process")
def test_ctrl_c_while_it_starts_ends_it_without_a_traceback(after: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python itself cannot be interrupted in silence before it runs our first line; that takes a moment."""
    # While it is loaded, coverage swallows the interrupt.
    monkeypatch.delenv("COVERAGE_PROCESS_START", raising=False)
    with running() as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=after)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)

    assert process.returncode != 0
    assert "headshots_mcp/server" not in errors


def test_the_sandbox_minds_no_settings_of_the_real_api() -> None:
    with running("--sandbox", ACEDATACLOUD_API_TOKEN="${NOT_SET}", ACEDATACLOUD_API_BASE_URL="?") as process:
        assert "result" in ask(process, INITIALIZE)


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell closes stdout")
def test_without_stdout_it_says_so_in_one_line() -> None:
    line = f"{sys.executable} -m headshots_mcp >&-"
    ended = subprocess.run(
        ["sh", "-c", line],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        timeout=20,
        check=False,
    )

    assert ended.returncode != 0
    assert ended.stderr == "headshots-mcp: stdin or stdout is closed; a server over stdio needs both\n"


def test_in_a_terminal_it_says_what_it_waits_for_and_what_to_run_instead() -> None:
    pty: Any = pytest.importorskip("pty", reason="Windows has no pseudo-terminals")
    ours, its_own = pty.openpty()
    pipe = subprocess.PIPE
    with subprocess.Popen(COMMAND, stdin=its_own, stdout=pipe, stderr=pipe, encoding="utf-8") as process:
        os.close(its_own)
        os.write(ours, json.dumps({"jsonrpc": "2.0", "id": 1, **INITIALIZE}).encode() + b"\n")
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        os.close(ours)
        rest, errors = process.communicate(timeout=10)

    assert (answer["id"], rest, process.returncode) == (1, "", 0)
    assert errors.startswith("headshots-mcp is waiting for MCP messages on stdin")
    for instead in ("headshots-mcp demo ", "headshots-mcp check ", "headshots-mcp --help "):
        assert f"\n  {instead}" in errors


BAD_SETTINGS = {
    "a token that was never filled in": ("ACEDATACLOUD_API_TOKEN", "${SECRET}"),
    "a token of two lines": ("ACEDATACLOUD_API_TOKEN", "SECRET\nSECRET"),
    "a token that is a sentence": ("ACEDATACLOUD_API_TOKEN", "SECRET, 權杖"),
    "a base URL without a host": ("ACEDATACLOUD_API_BASE_URL", "http://"),
    "a base URL without a scheme": ("ACEDATACLOUD_API_BASE_URL", "SECRET.example"),
    "a timeout that is not a number": ("HEADSHOTS_TIMEOUT", "SECRET"),
    "a timeout of nothing": ("HEADSHOTS_TIMEOUT", "0"),
    "an unknown log level": ("HEADSHOTS_LOG_LEVEL", "SECRET"),
    "image hosts with a path": ("HEADSHOTS_IMAGE_HOSTS", "https://SECRET.example/path"),
    "allowed hosts that are not names": ("HEADSHOTS_ALLOWED_HOSTS", "mcp.example.com, SECRET!"),
    "allowed origins with a path": ("HEADSHOTS_ALLOWED_ORIGINS", "https://SECRET.example/path"),
}


@pytest.mark.parametrize(
    ("variable", "value"),
    [BAD_SETTINGS["a token that was never filled in"], BAD_SETTINGS["allowed hosts that are not names"]],
)
async def test_a_setting_that_cannot_work_is_named_by_every_call(variable: str, value: str) -> None:
    """It does not hide the server: hosts show their users what a call answers, and nothing of stderr."""
    settings = environment(ACEDATACLOUD_API_TOKEN=TOKEN, ACEDATACLOUD_API_BASE_URL="http://127.0.0.1:9")
    server = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env={**settings, variable: value})
    answers = []
    async with Client(server) as client:
        tools = (await client.list_tools()).tools
        for name, arguments in (
            ("get_headshot_task", {"id": SUCCEEDED}),
            ("get_headshot_tasks", {"ids": [SUCCEEDED, UNKNOWN]}),
            ("wait_for_headshot_tasks", {"ids": [SUCCEEDED]}),
        ):
            result = await client.call_tool(name, arguments)
            assert result.is_error
            answers.append(text_of(result))
        with pytest.raises(MCPError) as unread:
            await client.read_resource(f"headshots://tasks/{SUCCEEDED}")
        answers.append(unread.value.error.message)

    assert len(tools) == 3
    assert len(set(answers)) == 1
    assert answers[0].startswith(f"{variable} ")
    assert answers[0].endswith(" Correct it in this server's configuration, then restart the server.")
    assert "SECRET" not in answers[0]
    assert "\n" not in answers[0]


def test_a_setting_that_cannot_work_is_answered_in_place_of_an_mcp_task() -> None:
    modern = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
    }
    with running(HEADSHOTS_TIMEOUT="abc") as process:
        waiting = {"name": "wait_for_headshot_tasks", "arguments": {"ids": [SUCCEEDED]}, "_meta": modern}
        found = ask(process, {"method": "tools/call", "params": waiting})["result"]

    assert (found["resultType"], found["isError"]) == ("complete", True)
    assert found["content"][0]["text"].startswith("HEADSHOTS_TIMEOUT must be a number of seconds")


def test_all_settings_that_cannot_work_are_named_at_once() -> None:
    with running(HEADSHOTS_TIMEOUT="abc", ACEDATACLOUD_API_TOKEN="${SECRET}", HEADSHOTS_LOG_LEVEL="loud") as process:
        ask(process, INITIALIZE)
        answer = ask(process, look_up(SUCCEEDED))["result"]["content"][0]["text"]
        rest, errors = process.communicate(timeout=10)

    for said in (answer, errors):
        assert all(name in said for name in ("HEADSHOTS_TIMEOUT", "ACEDATACLOUD_API_TOKEN", "HEADSHOTS_LOG_LEVEL"))
        assert "SECRET" not in said
    assert (rest, process.returncode) == ("", 0)
    assert [line.partition(":")[0] for line in errors.splitlines()] == ["ERROR headshots_mcp.server.stdio.serving"] * 3


@pytest.mark.parametrize(("variable", "value"), BAD_SETTINGS.values(), ids=list(BAD_SETTINGS))
def test_over_http_a_setting_that_cannot_work_is_refused_at_the_start(variable: str, value: str) -> None:
    ended = subprocess.run(
        [*COMMAND, "--transport", "http", "--port", "0"],
        env=environment(**{variable: value}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=20,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"headshots-mcp: {variable} ")
    assert ended.stderr.count("\n") == 1
    assert "SECRET" not in ended.stderr


def test_listing_the_tools_warms_up_in_silence_and_does_not_hold_up_the_end(tmp_path: Path) -> None:
    settings = {"ACEDATACLOUD_API_BASE_URL": "https://127.0.0.1:9", "SSL_CERT_FILE": str(tmp_path / "none.pem")}
    with running(**settings) as process:
        ask(process, INITIALIZE)
        ask(process, {"method": "tools/list"})
        rest, errors = process.communicate(timeout=10)

    assert (rest, errors, process.returncode) == ("", "", 0)


def test_stdio_loads_nothing_of_ours_that_only_http_or_the_sandbox_needs() -> None:
    code = "import sys; from headshots_mcp.cli import main; main([]); print(*sys.modules, file=sys.stderr)"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        ask(process, INITIALIZE)
        ask(process, {"method": "tools/list"})
        _, errors = process.communicate(timeout=10)

    loaded = {name for name in errors.split() if name.startswith("headshots_mcp.")}
    assert "headshots_mcp.server.tools" in loaded
    assert not loaded & {f"headshots_mcp.{name}" for name in ("server.http.app", "sandbox.app", "demo")}
