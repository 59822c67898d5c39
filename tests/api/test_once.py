"""What takes its time is made once, in a thread, while everything else goes on."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import anyio
import pytest

from headshots_mcp.api.once import Once
from headshots_mcp.sandbox.app import UNKNOWN, Sandbox
from headshots_mcp.sandbox.outcomes import throwaway_certificate
from tests.conftest import look_up, reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Slow:
    """A maker that takes until it may end."""

    def __init__(self) -> None:
        self.made, self.may_end = 0, threading.Event()

    def __call__(self) -> str:
        self.made += 1
        assert self.may_end.wait(timeout=10)
        return "made"


async def test_many_who_come_at_once_get_the_same() -> None:
    slow, got = Slow(), list[str]()
    once = Once(slow)

    async def get() -> None:
        got.append(await once.get())

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(get)
        await anyio.wait_all_tasks_blocked()
        slow.may_end.set()

    assert (got, slow.made) == (["made"] * 100, 1)


async def test_who_goes_away_does_so_at_once_and_spoils_nothing_for_the_others() -> None:
    slow = Slow()
    once = Once(slow)
    with anyio.move_on_after(0.05) as first:
        await once.get()
    with anyio.move_on_after(0.05) as second:
        await once.get()
    slow.may_end.set()

    assert (first.cancelled_caught, second.cancelled_caught) == (True, True)
    assert await once.get() == "made"
    assert slow.made == 1


async def test_what_could_not_be_made_is_tried_again() -> None:
    outcomes: Iterator[str | FileNotFoundError] = iter([FileNotFoundError(), "made"])

    def make() -> str:
        outcome = next(outcomes)
        if isinstance(outcome, FileNotFoundError):
            raise outcome
        return outcome

    once = Once(make)
    with pytest.raises(FileNotFoundError):
        await once.get()

    assert await once.get() == "made"


@pytest.mark.skipif(sys.platform == "win32", reason="has no FIFO in its file system")
async def test_a_slow_disk_holds_up_neither_the_event_loop_nor_a_call_beyond_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform == "win32":  # for mypy
        return
    certificate, slow = tmp_path / "certificate.pem", tmp_path / "slow.pem"
    certificate.write_bytes(throwaway_certificate(days=1))
    os.mkfifo(slow)
    monkeypatch.setenv("SSL_CERT_FILE", str(slow))
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        last = anyio.current_time()
        while True:
            await anyio.lowlevel.checkpoint()
            now = anyio.current_time()
            longest, last = max(longest, now - last), now

    with Sandbox().serve(certificate) as base_url:
        async with reading(base_url) as reader, anyio.create_task_group() as group:
            group.start_soon(tick)
            began = anyio.current_time()
            with anyio.move_on_after(0.5):
                await look_up(reader, UNKNOWN)
            took = anyio.current_time() - began
            await anyio.to_thread.run_sync(slow.write_bytes, certificate.read_bytes())
            task = await look_up(reader, UNKNOWN)
            group.cancel_scope.cancel()

    assert 0.5 <= took < 3
    assert task.status == "processing"
    assert longest < 0.3
