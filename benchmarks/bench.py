"""What every row is measured with: the row itself, the servers by turns, and ids that are the same in every run."""

from __future__ import annotations

import statistics
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from peers import CallFailed, StdioPeer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

    from subjects import Subject

OURS, EMPTY, SHARED, SOCKET = "headshots-mcp", "empty", "shared client", "socket"


@dataclass
class Row:
    """A line of the table: what each server needed, and whether ours reached its target."""

    title: str
    unit: str
    target: str
    samples: dict[str, list[float]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    met: bool | None = None
    finding: str = ""

    def add(self, subject: Subject | str, *samples: float) -> None:
        """Keep what was measured of a server."""
        self.samples.setdefault(getattr(subject, "name", subject), []).extend(samples)

    def median(self, name: str) -> float:
        """Return the median of what was measured of a server."""
        return statistics.median(self.samples[name])

    def judge(self, limit: float, *, of: str | None = None, plus: float | None = None, least: bool = False) -> Row:
        """Hold ours to a limit: absolute, a multiple `of` another server, or that server `plus` so much."""
        if OURS not in self.samples or of not in (None, *self.samples):
            self.met, self.finding = False, "not measured"
        elif of is None:
            value = self.median(OURS)
            self.met = value >= limit if least else value <= limit
        elif plus is None:
            ratio = self.median(OURS) / self.median(of)
            self.met, self.finding = ratio >= limit if least else ratio <= limit, f"{ratio:.2f} ×"
        else:
            more = self.median(OURS) - self.median(of)
            self.met, self.finding = more <= plus, f"{more:+.1f} {self.unit}"
        return self


class Bench:
    """What a row is measured with: the servers, the upstream, and ids of its own, the same in every run."""

    def __init__(self, row: str, subjects: list[Subject], upstream: Any, *, quick: bool) -> None:
        self.subjects = subjects
        self.upstream = upstream
        self.quick = quick
        self._random = Random(row)

    def some(self, *kinds: str, without: str = "") -> list[Subject]:
        """Return the servers of some kinds."""
        return [subject for subject in self.subjects if subject.kind in kinds and subject.name != without]

    @property
    def with_upstream(self) -> list[Subject]:
        """Those that ask the upstream at all."""
        return self.some("ours", "floor", "comparable", without=EMPTY)

    def rounds(self, full: int, quick: int) -> range:
        """Say how often to go round."""
        return range(quick if self.quick else full)

    def seconds(self, full: float, quick: float) -> float:
        """Say how long to measure."""
        return quick if self.quick else full

    def ids(self, count: int) -> list[str]:
        """Make new task ids."""
        return [str(uuid.UUID(int=self._random.getrandbits(128), version=4)) for _ in range(count)]

    def id(self) -> str:
        """Make a new task id."""
        return self.ids(1)[0]

    def environment(self, subject: Subject, scheme: str) -> dict[str, str]:
        """Say to a server where the upstream is."""
        return subject.environment(self.upstream.origin(scheme), self.upstream.certificates)

    def peer(self, subject: Subject, scheme: str = "http") -> StdioPeer:
        """Start a server on pipes."""
        return StdioPeer(subject, self.environment(subject, scheme))

    def by_turns(
        self, rounds: range, subjects: list[Subject], row: Row, measure: Callable[[Subject], None], *, few: int = 3
    ) -> None:
        """Measure round and round, each time from another server on; one that fails is left out from then on.

        Comparable servers take part in the first few rounds only, for they differ by more than noise.
        """
        for number in rounds:
            taking_part = [
                it for it in subjects if it.name not in row.said and (it.kind != "comparable" or number < few)
            ]
            start = number % max(1, len(taking_part))
            for subject in taking_part[start:] + taking_part[:start]:
                try:
                    measure(subject)
                except CallFailed as error:
                    row.said[subject.name] = f"failed: {error}"

    @contextmanager
    def after_first_call(self, subject: Subject) -> Iterator[StdioPeer]:
        """Start a server that asks over https, and give it with its first call behind it, made a second later."""
        with self.peer(subject, "https") as peer:
            time.sleep(1)
            peer.look_up(self.id())
            yield peer

    def together(self, stack: ExitStack, subjects: list[Subject], scheme: str, row: Row) -> list[StdioPeer]:
        """Start several servers that stay for the whole row, each with its first call behind it."""
        peers = []
        for subject in subjects:
            try:
                peer = stack.enter_context(self.peer(subject, scheme))
                peer.look_up(self.id())
                peers.append(peer)
            except CallFailed as error:
                row.said[subject.name] = f"failed: {error}"
        return peers
