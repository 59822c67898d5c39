"""What may come on stdin, how input and output may end, and how the process then ends itself."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from headshots_mcp.sandbox.app import SUCCEEDED, TOKEN, UNKNOWN
from tests.processes import COMMAND, INITIALIZE, ask, environment, look_up, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Answers(NamedTuple):
    """What one line on stdin is answered with: by id an error code, or None for a result."""

    line: bytes
    codes: dict[Any, int | None]


def request(**members: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": "ping", **members}).encode()


LINES = {
    "no JSON": Answers(b"hello", {None: -32700}),
    "JSON cut short behind the id": Answers(b'{"jsonrpc": "2.0", "id": 7, "method"', {7: -32700}),
    "JSON cut short in the id": Answers(b'{"jsonrpc": "2.0", "id": 7', {None: -32700}),
    "an empty line": Answers(b"", {}),
    "ten megabytes of nothing": Answers(b" " * 10_000_000, {}),
    "CRLF": Answers(request() + b"\r", {7: None}),
    "a byte order mark": Answers(b"\xef\xbb\xbf" + request(), {7: None}),
    "invalid UTF-8": Answers(b'{"jsonrpc": "2.0", "id": 7, "method": "\xff\xfe"}', {7: -32700}),
    "an id of invalid UTF-8": Answers(b'{"jsonrpc": "2.0", "id": "\xff\xfe", "method": "ping"}', {None: -32700}),
    "UTF-16": Answers(request().decode().encode("utf-16"), {None: -32700}),
    "a lone surrogate": Answers(request(method="tools/call", params={"name": "\ud800"}), {7: -32700}),
    "a lone surrogate before the id": Answers(
        b'{"method": "ping", "params": {"id": 5, "x": "\\ud800 \\", \\"id\\": 6, "}, "id": "a\\"b", "jsonrpc": "2.0"}',
        {'a"b': -32700},
    ),
    "an id that is a lone surrogate": Answers(request(id="\ud800"), {None: -32700}),
    "a number of 5,000 digits": Answers(request(params={}).replace(b"{}", b'{"x": ' + b"1" * 5000 + b"}"), {7: -32700}),
    "an id of 5,000 digits": Answers(request().replace(b"7", b"1" * 5000), {None: -32700}),
    "an id of 40 digits": Answers(request(id=10**40), {10**40: None}),
    "a number beyond all floats": Answers(request().replace(b"7", b"1e999"), {None: -32600}),
    "ten megabytes": Answers(request(params={"x": "x" * 10_000_000}), {7: None}),
    "deep nesting": Answers(b"[" * 100_000, {None: -32700}),
    "deep parameters": Answers(request(params={}).replace(b"{}", b'{"a":' * 5000 + b"1" + b"}" * 5000), {7: -32700}),
    "a batch": Answers(b"[" + request() + b", " + request(id=8) + b"]", {7: None, 8: None}),
    "a batch in which not all is right": Answers(b"[" + request() + b", 1]", {7: None, None: -32600}),
    "an empty batch": Answers(b"[]", {None: -32600}),
    "a batch in a batch": Answers(b"[[" + request() + b"]]", {None: -32600}),
    "a string": Answers(b'"ping"', {None: -32600}),
    "an unknown method": Answers(request(method="tools/destroy"), {7: -32601}),
    "a method that is a number": Answers(request(method=1), {7: -32600}),
    "no method": Answers(b'{"jsonrpc": "2.0", "id": 7}', {7: -32600}),
    "no parameters where some are needed": Answers(request(method="tools/call"), {7: -32602}),
    "parameters in a list": Answers(request(method="tools/call", params=[1]), {7: -32602}),
    "parameters in a string": Answers(request(method="tools/call", params="x"), {7: -32602}),
    "parameters of null": Answers(request(params=None), {7: None}),
    "arguments in a string": Answers(
        request(method="tools/call", params={"name": "get_headshot_task", "arguments": "x"}), {7: -32602}
    ),
    "an unknown tool": Answers(request(method="tools/call", params={"name": "destroy"}), {7: None}),
    "another version": Answers(request(jsonrpc="1.0"), {7: -32600}),
    "no version": Answers(b'{"id": 7, "method": "ping"}', {7: -32600}),
    "an id that is an object": Answers(request(id={}), {None: -32600}),
    "an id of null": Answers(request(id=None), {None: -32600}),
    "an id that is true": Answers(request(id=True), {None: -32600}),
    "a notification with parameters in a list": Answers(b'{"jsonrpc": "2.0", "method": "x", "params": []}', {}),
    "an answer to nothing": Answers(b'{"jsonrpc": "2.0", "id": 7, "result": {}}', {}),
    "an error that answers nothing": Answers(b'{"jsonrpc": "2.0", "id": 7, "error": 1}', {}),
    "a cancellation of nothing": Answers(
        b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}', {}
    ),
    "initialize again": Answers(request(method="initialize", params={}), {7: -32602}),
}


@pytest.fixture(scope="module")
def besieged() -> Iterator[subprocess.Popen[str]]:
    """One server that has to bear all these lines."""
    with running("--sandbox") as process:
        ask(process, INITIALIZE)
        yield process
        rest, errors = process.communicate(timeout=10)
        assert (rest, process.returncode) == ("", 0)
        assert "Traceback" not in errors


@pytest.mark.parametrize(("line", "codes"), LINES.values(), ids=list(LINES))
def test_each_line_is_answered_and_the_next_call_works(
    besieged: subprocess.Popen[str], line: bytes, codes: dict[Any, int | None]
) -> None:
    assert besieged.stdin is not None
    assert besieged.stdout is not None
    besieged.stdin.buffer.write(line + b"\n")  # type: ignore[attr-defined]
    answers = [ask(besieged, {"id": "good", **look_up("t")})]
    while len(answers) <= len(codes):
        answers.append(json.loads(besieged.stdout.readline()))

    by_id = {answer["id"]: answer for answer in answers}
    assert by_id.pop("good")["result"]["content"][0]["text"].startswith("t not_found")
    assert {id_: answer.get("error", {}).get("code") for id_, answer in by_id.items()} == codes


def test_the_first_line_may_begin_with_a_byte_order_mark_and_lines_may_end_in_crlf() -> None:
    """As some hosts on Windows write."""
    lines = [b"\xef\xbb\xbf" + request(**INITIALIZE), request(id=8, method="tools/list")]
    ended = piped(b"\r\n".join(lines))

    assert [json.loads(line)["id"] for line in ended.stdout.splitlines()] == [7, 8]


def piped(lines: bytes, *flags: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """A server that got these lines at once, and then the end of its input."""
    return subprocess.run(
        [*COMMAND, *flags], input=lines, env=environment(**settings), capture_output=True, timeout=30, check=False
    )


def test_each_call_is_answered_before_the_end_of_input_ends_the_process() -> None:
    """`printf '…' | headshots-mcp` is the first thing that many a developer tries."""
    calls = [request(**INITIALIZE, id=0), *(request(id=id_, **look_up(f"task-{id_}")) for id_ in range(1, 21))]
    ended = piped(b"\n".join(calls), "--sandbox")

    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    assert sorted(answer["id"] for answer in answers) == list(range(21))
    assert all("result" in answer for answer in answers)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_at_the_end_of_input_a_lookup_has_the_time_of_a_lookup(silent_port: int) -> None:
    settings = {"ACEDATACLOUD_API_BASE_URL": f"http://127.0.0.1:{silent_port}", "ACEDATACLOUD_API_TOKEN": TOKEN}
    begun = time.monotonic()
    ended = piped(request(**INITIALIZE) + b"\n" + request(**look_up("t"), id=8), HEADSHOTS_TIMEOUT="1.5", **settings)

    answer = json.loads(ended.stdout.splitlines()[1])
    assert (answer["id"], answer["result"]["isError"], ended.returncode) == (8, True, 0)
    assert time.monotonic() - begun > 1.5


def test_at_the_end_of_input_a_call_that_waits_tells_what_is_known() -> None:
    """A host that has closed its end is usually going, and must not leave a process behind for minutes."""
    wait = {"method": "tools/call", "params": {"name": "wait_for_headshot_tasks", "arguments": {"ids": [UNKNOWN]}}}
    begun = time.monotonic()
    ended = piped(request(**INITIALIZE) + b"\n" + request(**wait, id=8), "--sandbox")

    answer = json.loads(ended.stdout.splitlines()[1])
    (task,) = answer["result"]["structuredContent"]["tasks"]
    assert (answer["id"], task["id"], task["status"], ended.returncode) == (8, UNKNOWN, "processing", 0)
    assert time.monotonic() - begun < 10


def test_a_call_that_was_cancelled_does_not_hold_up_the_end(silent_port: int) -> None:
    settings = {"ACEDATACLOUD_API_BASE_URL": f"http://127.0.0.1:{silent_port}", "ACEDATACLOUD_API_TOKEN": TOKEN}
    cancel = b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 8}}'
    begun = time.monotonic()
    ended = piped(b"\n".join([request(**INITIALIZE), request(**look_up("t"), id=8), cancel]), **settings)

    assert [json.loads(line)["id"] for line in ended.stdout.splitlines()] == [7]
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert time.monotonic() - begun < 10


def test_the_input_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "calls").write_bytes(request(**INITIALIZE) + b"\n" + request(**look_up(SUCCEEDED), id=8))
    with (tmp_path / "calls").open("rb") as calls:
        ended = subprocess.run([*COMMAND, "--sandbox"], stdin=calls, capture_output=True, timeout=30, check=False)

    assert [json.loads(line)["id"] for line in ended.stdout.splitlines()] == [7, 8]


def test_it_ends_when_nobody_reads_any_more_though_its_input_is_open() -> None:
    with running() as process:
        ask(process, INITIALIZE)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 2, "method": "ping"}) + "\n")
        process.stdin.flush()
        assert process.wait(timeout=10) == 0
        assert process.stderr.read() == ""
