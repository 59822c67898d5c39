"""Shuts down gracefully: calls in progress get time to be answered, idle streams end, and nothing new begins."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import anyio
from uvicorn.server import HANDLED_SIGNALS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import FrameType

# How long calls in progress may take.
DRAIN_SECONDS = 3.0
# Between the answer to a call and the end of the stream that carries it.
SENDING_SECONDS = 0.2


class Shutdown:
    """Notices when the process is told to end, and then ends what is in progress.

    Servers such as uvicorn tell an application only once all connections are closed.

    Args:
        finally_: Called last.

    Attributes:
        ending: Set as soon as the process is told to end.
    """

    def __init__(self, finally_: Callable[[], object]) -> None:
        self._finally = finally_
        self.ending = anyio.Event()
        self._idle = anyio.Event()
        self._calls = 0
        self._scopes = set[anyio.CancelScope]()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch for signals until the block is left."""
        loop = asyncio.get_running_loop()
        with _noticing_signals(lambda: loop.call_soon_threadsafe(self.begin)):
            async with anyio.create_task_group() as group:
                group.start_soon(self._finish)
                yield
                group.cancel_scope.cancel()

    def begin(self) -> None:
        """Begin to shut down."""
        self.ending.set()
        self._note_if_idle()

    @property
    def begun(self) -> bool:
        """Whether nothing new may begin."""
        return self.ending.is_set()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count the block as a call in progress, which the shutdown waits for."""
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            self._note_if_idle()

    @contextmanager
    def ends(self, scope: anyio.CancelScope) -> Iterator[None]:
        """Cancel the scope, if the block is still running, once all calls are answered or their time is up."""
        self._scopes.add(scope)
        try:
            yield
        finally:
            self._scopes.discard(scope)

    def _note_if_idle(self) -> None:
        if self.begun and not self._calls:
            self._idle.set()

    async def _finish(self) -> None:
        await self.ending.wait()
        with anyio.move_on_after(DRAIN_SECONDS):
            await self._idle.wait()
            await anyio.sleep(SENDING_SECONDS)
        for scope in list(self._scopes):
            scope.cancel()
        self._finally()


@contextmanager
def _noticing_signals(notice: Callable[[], object]) -> Iterator[None]:
    """Notice the signals that end a process, and pass them on to their previous handlers."""
    with ExitStack() as stack:
        # In other threads, Python does not let us handle signals.
        if threading.current_thread() is threading.main_thread():
            for number in HANDLED_SIGNALS:
                before = signal.getsignal(number)
                if callable(before):
                    stack.enter_context(_noticing(number, before, notice))
        yield


@contextmanager
def _noticing(
    number: int, before: Callable[[int, FrameType | None], object], notice: Callable[[], object]
) -> Iterator[None]:
    def handle(received: int, frame: FrameType | None) -> None:
        notice()
        before(received, frame)

    signal.signal(number, handle)
    try:
        yield
    finally:
        if signal.getsignal(number) is handle:
            signal.signal(number, before)
