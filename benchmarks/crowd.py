"""What is measured over Streamable HTTP with many callers at once: how fast, how fair, and what an outage leaves."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import ExitStack, suppress
from random import Random
from typing import TYPE_CHECKING

import anyio

from bench import EMPTY, OURS, SHARED, Row
from peers import CallFailed, HttpServer, read_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench import Bench
    from subjects import Subject

CROWDS = (20, 50, 200, 500)
OUTAGE_ROUNDS, OUTAGE_CALLERS = 16, 160
NEIGHBOUR = "bench-neighbour"


def fifty(bench: Bench) -> list[Row]:
    """Calls per second of fifty clients with kept-open connections, and how long the slow ones take."""
    rate = Row("Streamable HTTP, 50 keep-alive clients", "calls/s", "≥ 0.85 × shared client")
    slow = Row("the same, p95", "ms", "≤ 1.3 × shared client")
    apart = Row("the same, beside the best comparable server", "calls/s", "≥ 8 ×")
    with ExitStack() as stack:
        servers = _servers(bench, bench.subjects, stack, rate)

        def measure(subject: Subject) -> None:
            taken = asyncio.run(_load(bench, servers[subject.name], bench.seconds(3, 1), 50))
            rate.add(subject, taken.rate)
            slow.add(subject, taken.slow)

        bench.by_turns(bench.rounds(6, 3), bench.subjects, rate, measure, few=1 if bench.quick else 2)
    best = max((rate.median(it.name) for it in bench.some("comparable") if it.name in rate.samples), default=0.0)
    apart.samples = {OURS: rate.samples.get(OURS, []), "best comparable": [best]}
    slow.samples.pop(EMPTY, None)
    return [
        rate.judge(0.85, of=SHARED, least=True),
        slow.judge(1.3, of=SHARED),
        apart.judge(8, of="best comparable", least=True),
    ]


def crowd(bench: Bench) -> list[Row]:
    """Calls per second of ever more clients, with an API that takes 50 ms."""
    rows = {count: Row(f"calls/s of {count} clients, upstream 50 ms", "calls/s", "") for count in CROWDS}
    kept = Row("what is left of that, at the least, as clients grow", "×", "≥ 0.8")
    subjects = bench.some("ours", "floor", without=EMPTY)
    with ExitStack() as stack:
        servers = _servers(bench, subjects, stack, rows[CROWDS[0]])
        bench.upstream.delay(0.05)
        stack.callback(bench.upstream.delay, 0)
        for count in CROWDS:

            def measure(subject: Subject, count: int = count) -> None:
                taken = asyncio.run(_load(bench, servers[subject.name], bench.seconds(4, 2), count))
                rows[count].add(subject, taken.rate)

            bench.by_turns(bench.rounds(3, 1), subjects, rows[count], measure)
    for subject in subjects:
        rates = [row.median(subject.name) for row in rows.values() if subject.name in row.samples]
        # Twenty clients are bound by the upstream: what counts is whether more of them get less.
        kept.add(subject, min(rate / max(rates[: number + 1]) for number, rate in enumerate(rates)))
    kept.met = kept.median(OURS) >= 0.8
    return [*rows.values(), kept]


def outage(bench: Bench) -> list[Row]:
    """Ten lookups after an outage in which many have asked in vain."""
    row = Row(f"answered of 10 after an outage ({OUTAGE_ROUNDS} rounds of {OUTAGE_CALLERS})", "", "10")
    for subject in bench.some("ours", "floor", without=EMPTY):
        with HttpServer(subject, bench.environment(subject, "http") | {"HEADSHOTS_TIMEOUT": "1"}) as server:
            bench.upstream.delay(60)
            try:
                for _ in range(4 if bench.quick else OUTAGE_ROUNDS):
                    asyncio.run(_all_in_vain(bench, server))
            finally:
                bench.upstream.delay(0)
            row.add(subject, asyncio.run(_answered(bench, server)))
    return [row.judge(10, least=True)]


def neighbour(bench: Bench) -> list[Row]:
    """A caller's lookup while another caller asks for a hundred times a thousand ids, of an API that takes a second."""
    row = Row("another caller's lookup while one asks for 100 × 1,000 ids, upstream 1 s", "ms", "≤ 2,000")
    for subject in bench.some("ours", "floor", without=EMPTY):
        with HttpServer(subject, bench.environment(subject, "http")) as server:
            bench.upstream.delay(1)
            try:
                row.add(subject, *asyncio.run(_beside_a_greedy_one(bench, server)))
            finally:
                bench.upstream.delay(0)
    return [row.judge(2000)]


def tls(bench: Bench) -> list[Row]:
    """Connections that sixty clients cost."""
    row = Row("connections per request, 60 clients, https, upstream 100 ms", "", "≤ 0.1")
    subjects = bench.some("ours", "floor", without=EMPTY)
    for subject in subjects:
        with HttpServer(subject, bench.environment(subject, "https")) as server:
            bench.upstream.delay(0.1)
            try:
                asyncio.run(_load(bench, server, 0.5, 60))
                bench.upstream.reset()
                asyncio.run(_load(bench, server, bench.seconds(6, 2), 60))
            finally:
                bench.upstream.delay(0)
            counts = bench.upstream.counts(subject)
            row.add(subject, counts["connections"] / max(1, counts["requests"]))
    return [row.judge(0.1)]


def flood(bench: Bench) -> list[Row]:
    """How soon after a flood of calls that hang up an ordinary caller is answered."""
    row = Row("from the end of a flood (40 connections, 12 s, 1,000 ids a call) to an ordinary answer", "s", "≤ 5")
    for subject in bench.some("ours", "floor", without=EMPTY):
        with HttpServer(subject, bench.environment(subject, "http")) as server:
            row.add(subject, asyncio.run(_after_a_flood(bench, server, bench.seconds(12, 4))))
    return [row.judge(5)]


class _Taken:
    """How long calls took, in ms, and how many there were in a second."""

    def __init__(self, times: list[float], seconds: float) -> None:
        self.rate = len(times) / seconds
        self.slow = 1000 * statistics.quantiles(times, n=20)[-1]


def _servers(bench: Bench, subjects: list[Subject], stack: ExitStack, row: Row) -> dict[str, HttpServer]:
    """Start servers that stay for the whole row, each with some calls behind it."""
    servers: dict[str, HttpServer] = {}
    for subject in subjects:
        try:
            server = HttpServer(subject, bench.environment(subject, "http"))
            servers[subject.name] = stack.enter_context(server)
            asyncio.run(_load(bench, server, 0.5, 50))
        except CallFailed as error:
            row.said[subject.name] = f"failed: {error}"
    return servers


async def _load(bench: Bench, server: HttpServer, seconds: float, clients: int) -> _Taken:
    """Let clients ask one lookup after the other, each on a connection of its own."""
    began, times = time.perf_counter(), list[float]()

    async def client() -> None:
        reader, writer = await server.open()
        while time.perf_counter() - began < seconds:
            sent = time.perf_counter()
            await _ask(server.call(bench.id()), reader, writer)
            times.append(time.perf_counter() - sent)
        writer.close()

    try:
        await asyncio.wait_for(asyncio.gather(*(client() for _ in range(clients))), seconds + 40)
    except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
        raise CallFailed(type(error).__name__) from error
    return _Taken(times, time.perf_counter() - began)


async def _ask(call: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(call)
    body = await read_response(reader)
    if b'"result"' not in body or b'"isError":true' in body:
        raise CallFailed(body[:200].decode("utf-8", "replace"))


async def _in_time(server: HttpServer, call: bytes, seconds: float) -> float | None:
    """Ask once over a new connection, and return the seconds until the answer, None if there was none in time."""
    began, writer = time.perf_counter(), None
    try:
        with anyio.fail_after(seconds):
            reader, writer = await server.open()
            await _ask(call, reader, writer)
            return time.perf_counter() - began
    except (CallFailed, OSError, TimeoutError, asyncio.IncompleteReadError):
        return None
    finally:
        if writer:
            writer.close()


async def _all_in_vain(bench: Bench, server: HttpServer) -> None:
    await asyncio.gather(*(_in_time(server, server.call(bench.id()), 1.5) for _ in range(OUTAGE_CALLERS)))


async def _answered(bench: Bench, server: HttpServer) -> int:
    times = [await _in_time(server, server.call(bench.id()), 5) for _ in range(10)]
    return sum(taken is not None for taken in times)


async def _beside_a_greedy_one(bench: Bench, server: HttpServer) -> list[float]:
    """Ask five times, in ms, beside a hundred calls of another caller; one that is not answered counts 30 s."""
    greedy = [asyncio.create_task(_in_time(server, server.calls(bench.ids(1000)), 30)) for _ in range(100)]
    await asyncio.sleep(0.5)
    taken = [await _in_time(server, server.call(bench.id(), NEIGHBOUR), 30) for _ in range(2 if bench.quick else 5)]
    for task in greedy:
        task.cancel()
    await asyncio.gather(*greedy, return_exceptions=True)
    return [1000 * (seconds or 30) for seconds in taken]


async def _after_a_flood(bench: Bench, server: HttpServer, seconds: float) -> float:
    """Flood a server, ask ten times as another caller, and return the seconds until the first answer, 40 if none."""
    began, random, call = time.perf_counter(), Random(1), server.calls(bench.ids(1000))

    async def hang_up_again_and_again() -> None:
        while time.perf_counter() - began < seconds:
            with suppress(OSError, TimeoutError):
                with anyio.fail_after(1):
                    _, writer = await server.open()
                writer.write(call)
                await asyncio.sleep(random.uniform(0.05, 0.25))
                writer.close()

    await asyncio.gather(*(hang_up_again_and_again() for _ in range(40)))
    ended = time.perf_counter()
    while time.perf_counter() - ended < 40:
        if await _in_time(server, server.call(bench.id(), NEIGHBOUR), 10) is not None:
            return time.perf_counter() - ended
    return 40


ROWS: dict[str, Callable[[Bench], list[Row]]] = {
    function.__name__: function for function in (fifty, crowd, outage, neighbour, tls, flood)
}
