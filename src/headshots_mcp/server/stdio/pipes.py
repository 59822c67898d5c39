"""Reads messages from stdin and writes answers to stdout; every request is answered before this ends.

The SDK's transport for stdio cancels calls in progress when the input ends
(https://github.com/modelcontextprotocol/python-sdk/issues/2678), and waits for input when nobody reads the output.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

import anyio
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCResponse

from headshots_mcp.ending import is_broken_pipe
from headshots_mcp.server.stdio.jsonrpc import read_messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

# The SDK's streams may also carry what could not be read; ours never do.
Incoming: TypeAlias = "SessionMessage | Exception"


@asynccontextmanager
async def open_pipes(
    ending: anyio.Event, finish_seconds: float
) -> AsyncIterator[tuple[MemoryObjectReceiveStream[Incoming], MemoryObjectSendStream[SessionMessage]]]:
    """Open a stream of the messages from stdin, and one for the messages to stdout.

    From now on, anything else that this process prints goes to stderr. Leaving the block waits until all messages are
    written.

    Args:
        ending: Set when the input ends. Setting it ends the input.
        finish_seconds: How long requests in progress may take from then on.
    """
    to_server, incoming = anyio.create_memory_object_stream[Incoming]()
    outgoing, to_host = anyio.create_memory_object_stream[SessionMessage]()
    unanswered = Unanswered()
    reading_scope = anyio.CancelScope()

    async def read() -> None:
        # The receiver of the messages may stop before the input ends.
        with suppress(anyio.BrokenResourceError):
            async with to_server, outgoing.clone() as to_host_too:
                with reading_scope:
                    await _read(to_server, to_host_too, unanswered)
                ending.set()
                with anyio.move_on_after(finish_seconds):
                    await unanswered.wait_until_none()

    async def end_input() -> None:
        await ending.wait()
        reading_scope.cancel()

    async with anyio.create_task_group() as writing:
        writing.start_soon(_write, to_host, unanswered, writing.cancel_scope)
        async with anyio.create_task_group() as reading:
            reading.start_soon(read)
            reading.start_soon(end_input)
            yield incoming, outgoing
            reading.cancel_scope.cancel()


class Unanswered:
    """Counts the answers that the host is still waiting for."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = anyio.Event()

    def expect(self) -> None:
        """Note that one more answer is due."""
        self._count += 1

    async def settle(self) -> None:
        """Note that an answer was written, or that there will be none because the host cancelled its request."""
        self._count -= 1
        self._changed.set()

    async def wait_until_none(self) -> None:
        """Wait until no answer is due."""
        while self._count > 0:
            self._changed = anyio.Event()
            await self._changed.wait()


async def _read(
    to_server: MemoryObjectSendStream[Incoming],
    to_host: MemoryObjectSendStream[SessionMessage],
    unanswered: Unanswered,
) -> None:
    """Pass messages on to the server, and answer what is not a message."""
    metadata = ServerMessageMetadata(on_request_unanswered=unanswered.settle)
    async for line in _lines():
        for message in read_messages(line):
            if not isinstance(message, JSONRPCNotification):
                unanswered.expect()
            taker = to_host if isinstance(message, JSONRPCError) else to_server
            await taker.send(SessionMessage(message, metadata))


async def _write(
    to_host: MemoryObjectReceiveStream[SessionMessage], unanswered: Unanswered, serving: anyio.CancelScope
) -> None:
    """Write messages to stdout, and stop serving when nobody reads them any more."""
    stdout = _take_stdout()
    async with to_host:
        async for item in to_host:
            text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
            try:
                await anyio.to_thread.run_sync(_write_all, stdout, f"{text}\n".encode())
            except OSError as error:
                if not is_broken_pipe(error):
                    raise
                serving.cancel()
                return
            if isinstance(item.message, JSONRPCResponse | JSONRPCError):
                await unanswered.settle()


def _write_all(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


async def _lines() -> AsyncIterator[bytes]:
    """Yield the lines of stdin, which are read in a thread that never keeps this process from ending."""
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    room = threading.Semaphore()
    threading.Thread(target=_read_lines, args=(asyncio.get_running_loop(), lines, room), daemon=True).start()
    while line := await lines.get():
        yield line
        room.release()


def _read_lines(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[bytes], room: threading.Semaphore) -> None:
    """Put each line into the queue once the one before has been handled, and an empty one at the end of the input."""

    def put(them: Iterable[bytes]) -> None:
        for line in them:
            room.acquire()
            loop.call_soon_threadsafe(lines.put_nowait, line)

    # The event loop may have ended meanwhile.
    with suppress(RuntimeError):
        # Not through sys.stdin: Python would wait for its lock at the end.
        with suppress(OSError), open(sys.stdin.fileno(), "rb", closefd=False) as pipe:
            put(pipe)
        put([b""])


def _take_stdout() -> int:
    """Return a file descriptor for stdout that nothing else writes to."""
    if sys.stderr is None:
        # Its number has to be taken, or the copy would get it.
        os.open(os.devnull, os.O_WRONLY)
    stdout = os.dup(sys.stdout.fileno())
    os.dup2(2, sys.stdout.fileno())
    return stdout
