"""Server processes over HTTP, for the tests that need real ones."""

from __future__ import annotations

import re
import subprocess
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tests.server.test_stdio import COMMAND, environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Server(NamedTuple):
    """A server process, the origin it serves, and what it has written to stderr since."""

    process: subprocess.Popen[str]
    origin: str
    errors: deque[str]

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    @property
    def address(self) -> str:
        return self.origin.removeprefix("http://")


@contextmanager
def serving(
    *flags: str,
    command: Sequence[str] = (*COMMAND, "--port", "0"),
    listening: str = r"serves (http://\S+?:\d+)/",
    **settings: str,
) -> Iterator[Server]:
    """A server process on a free port, which does not outlive the block."""
    with subprocess.Popen(
        [*command, *flags],
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stderr is not None
        errors = deque[str](maxlen=1000)
        reader = threading.Thread(target=errors.extend, args=(process.stderr,), daemon=True)
        try:
            seen = ""
            while not (match := re.search(listening, seen)):
                line = process.stderr.readline()
                assert line, seen
                seen += line
            reader.start()
            yield Server(process, re.sub("//[^:[]*[a-z][^:]*:|//0.0.0.0:", "//127.0.0.1:", match[1]), errors)
        finally:
            process.kill()
            if reader.ident:
                reader.join(timeout=5)
