"""How the process ends: by itself, quietly, in time, and when it is told to, also as process 1 of a container."""

from __future__ import annotations

import json
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import httpx2
import pytest

from headshots_mcp.sandbox.app import LIVING, TOKEN
from tests.processes import COMMAND, INITIALIZE, ask, environment, look_up, running
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HUNG = """\
import socket, sys, threading
socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
from headshots_mcp.cli import main
main(sys.argv[1:])
"""
STRAY = """\
import atexit, sys
from headshots_mcp.cli import main
atexit.register(print, "stray")
main(sys.argv[1:])
"""

TRACED = """\
import sys
from opentelemetry import trace
from headshots_mcp.cli import main

class Provider(trace.NoOpTracerProvider):
    def force_flush(self, milliseconds):
        print("sent in", milliseconds, file=sys.stderr, flush=True)

trace.set_tracer_provider(Provider())
main(sys.argv[1:])
"""

signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal to send to another process")


def run(code: str, *flags: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *flags],
        input=stdin,
        env=environment(**settings),
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )


def lines(*requests: Mapping[str, object]) -> str:
    return "".join(json.dumps({"jsonrpc": "2.0", "id": id_, **asked}) + "\n" for id_, asked in enumerate(requests))


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["check"], 1), (["get", "t"], 1)], ids=["stdio", "check", "get"])
def test_a_name_server_that_does_not_answer_holds_up_the_end_for_a_moment_only(flags: list[str], code: int) -> None:
    settings = {"ACEDATACLOUD_API_BASE_URL": "http://api.invalid", "ACEDATACLOUD_API_TOKEN": TOKEN}
    stdin = lines(INITIALIZE, look_up("t"))
    begun = time.monotonic()
    ended = run(HUNG, *flags, stdin=stdin, HEADSHOTS_TIMEOUT="1", **settings)

    assert (ended.returncode, ended.stderr.count("Traceback")) == (code, 0)
    assert "did not answer in time" in ended.stdout
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(("stdin", "answered"), [(lines(INITIALIZE), [0]), ("", [])], ids=["served", "nothing asked"])
def test_it_ends_as_any_program_and_what_else_is_printed_stays_out_of_stdout(stdin: str, answered: list[int]) -> None:
    """What other packages have to do at the end is done, such as sending the last traces."""
    ended = run(STRAY, stdin=stdin)

    assert ended.returncode == 0
    assert [json.loads(line)["id"] for line in ended.stdout.splitlines()] == answered
    assert ended.stderr == "stray\n"


def told_to_end(call: Mapping[str, object], *flags: str, **settings: str) -> dict[str, Any]:
    """Send a call, and SIGTERM once it is in progress; return the answer."""
    with running(*flags, **settings) as process:
        ask(process, INITIALIZE)
        assert process.stdin is not None
        process.stdin.write(lines(call, {"method": "ping"}))
        process.stdin.flush()
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["id"] == 1
        begun = time.monotonic()
        process.terminate()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - begun < 2.5
        assert process.stdout.read() == ""
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    return answer


@signals
def test_at_sigterm_a_call_that_waits_tells_what_is_known() -> None:
    waiting = {"name": "wait_for_headshot_tasks", "arguments": {"ids": [LIVING]}}
    answer = told_to_end({"method": "tools/call", "params": waiting}, "--sandbox")

    (task,) = answer["result"]["structuredContent"]["tasks"]
    assert (answer["id"], task["id"], task["status"]) == (0, LIVING, "pending")


@signals
def test_at_sigterm_a_lookup_has_a_moment_to_be_answered(silent_port: int) -> None:
    settings = {"ACEDATACLOUD_API_BASE_URL": f"http://127.0.0.1:{silent_port}", "ACEDATACLOUD_API_TOKEN": TOKEN}
    in_time = told_to_end(look_up("t"), HEADSHOTS_TIMEOUT="1", **settings)
    too_late = told_to_end(look_up("t"), **settings)

    assert "did not answer in time" in in_time["result"]["content"][0]["text"]
    assert too_late["error"]["code"] == -32000


@signals
def test_sigterm_ends_it_at_once_if_the_host_has_closed_the_input() -> None:
    """As hosts do: first they close the input, then they send SIGTERM, then they kill."""
    with running("--sandbox") as process:
        ask(process, INITIALIZE)
        assert process.stdin is not None
        waiting = {"name": "wait_for_headshot_tasks", "arguments": {"ids": [LIVING]}}
        process.stdin.write(lines(look_up("fault-silent"), {"method": "tools/call", "params": waiting}))
        process.stdin.close()
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["id"] == 1
        begun = time.monotonic()
        process.terminate()
        assert json.loads(process.stdout.readline())["error"]["code"] == -32000
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - begun < 1.2


@signals
def test_sigterm_ends_it_though_the_host_does_not_read() -> None:
    """The pipe is full, and the thread that writes to it cannot be interrupted."""
    with running() as process:
        ask(process, INITIALIZE)
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(10):
            process.stdin.write(lines(*[{"method": "tools/list"}] * 10))
        process.stdin.flush()
        wait_until_full(process.stdout)
        begun = time.monotonic()
        process.terminate()
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - begun > 1


def wait_until_full(pipe: IO[str]) -> None:
    """Wait until a pipe holds so much that nothing more is put into it."""
    fcntl: Any = pytest.importorskip("fcntl", reason="Windows does not tell how full a pipe is")
    termios: Any = pytest.importorskip("termios")

    def waiting() -> int:
        return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)

    before = -1
    deadline = time.monotonic() + 10
    while (now := waiting()) != before or now < 32_768:
        assert time.monotonic() < deadline
        before = now
        select.select([], [], [], 0.2)


@signals
def test_over_http_what_is_left_of_traces_is_sent_before_the_signal_ends_the_process() -> None:
    with serving(command=[sys.executable, "-c", TRACED, "--transport", "http", "--port", "0"]) as server:
        assert httpx2.get(f"{server.origin}/health").is_success
        server.process.terminate()
        assert server.process.wait(timeout=10) == -signal.SIGTERM

    assert "sent in 1000\n" in server.errors


@contextmanager
def process_1(*flags: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server that is process 1, as in a container, and its number outside."""
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "--pid", "--fork", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system or user cannot make a namespace of processes")
    command = [unshare, "--pid", "--fork", "--kill-child", *COMMAND, *flags]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            ask(process, INITIALIZE)
            yield process, int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("utf-8"))
        finally:
            process.kill()


@signals
@pytest.mark.parametrize(("name", "code"), [("TERM", 0), ("INT", 130)])
def test_process_1_of_a_container_ends_when_it_is_told_to(name: str, code: int) -> None:
    """The system does nothing to that one by default."""
    with process_1() as (process, pid):
        subprocess.run(["kill", "-s", name, str(pid)], check=True)
        assert process.wait(timeout=10) == code


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell closes stderr")
def test_it_serves_without_stderr() -> None:
    line = f"{sys.executable} -m headshots_mcp 2>&-"
    ended = subprocess.run(
        ["sh", "-c", line],
        input=lines(INITIALIZE),
        env=environment(HEADSHOTS_TIMEOUT="abc"),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=20,
        check=False,
    )

    assert ended.returncode == 0
    assert json.loads(ended.stdout)["id"] == 0
