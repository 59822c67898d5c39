"""The server as a process, and how to speak to it over its pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ACEDATA", "HEADSHOTS"))}
    return inherited | settings


@contextmanager
def started(command: Sequence[str], *, pipes: int, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive the block; `pipes` is what its stdin and its stdout are."""
    with subprocess.Popen(
        command,
        env=environment(**settings),
        stdin=pipes,
        stdout=pipes,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def running(*flags: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A server over stdio."""
    with started([*COMMAND, *flags], pipes=subprocess.PIPE, **settings) as process:
        yield process


def ask(process: subprocess.Popen[str], request: dict[str, Any]) -> Any:
    """Send one request and read the one line that answers it."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, **request}) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def look_up(task_id: str) -> dict[str, Any]:
    """The request for one task."""
    return {"method": "tools/call", "params": {"name": "get_headshot_task", "arguments": {"id": task_id}}}
