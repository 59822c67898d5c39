"""What is measured: one function for each row of the table, every server by turns, with the target it is held to."""

from __future__ import annotations

import asyncio
import json
import ssl
import statistics
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import bpe_openai

from bench import EMPTY, OURS, SHARED, SOCKET, Row
from floors.bare_socket import BareSocket
from peers import INITIALIZE, HttpServer, read_response
from upstream import DOCUMENTED, UNFINISHED, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench import Bench
    from subjects import Subject


def start(bench: Bench) -> list[Row]:
    """Time from the spawn to the list of tools."""
    row = Row("spawn → `tools/list` over stdio", "s", "≤ 0.95 × empty")
    computed = Row("the same, of it computing", "s", "≤ 0.95 × empty")

    def measure(subject: Subject) -> None:
        with bench.peer(subject) as peer:
            row.add(subject, peer.started)
            computed.add(subject, peer.processor_seconds())

    subjects = bench.some("ours", "floor", "comparable", without=SHARED)
    bench.by_turns(bench.rounds(25, 4), subjects, row, measure, few=1 if bench.quick else 5)
    return [row.judge(0.95, of=EMPTY), computed.judge(0.95, of=EMPTY)]


def memory(bench: Bench) -> list[Row]:
    """Peak memory once the first call, over https, is answered."""
    row = Row("peak memory after the first call (https)", "MB", "≤ empty + 5 MB")

    def measure(subject: Subject) -> None:
        with bench.after_first_call(subject) as peer:
            row.add(subject, peer.memory("VmHWM"))

    bench.by_turns(bench.rounds(3, 1), bench.subjects, row, measure, few=1)
    return [row.judge(0, of=EMPTY, plus=5)]


def warm(bench: Bench) -> list[Row]:
    """What a lookup costs beyond a bare socket that asks the same, call by call by turns."""
    typical = Row("warm lookup, overhead over the upstream, https, p50", "ms", "≤ 1.15 × shared client")
    slow = Row("the same, p99", "ms", "≤ 1.15 × shared client")
    with ExitStack() as stack:
        peers = bench.together(stack, bench.with_upstream, "https", typical)
        bare = BareSocket(bench.upstream.ports["https"], ssl.create_default_context(cafile=bench.upstream.certificates))
        stack.callback(bare.close)
        for number in bench.rounds(30, 3):
            taken: dict[str, list[float]] = {peer.subject.name: [] for peer in peers} | {SOCKET: []}
            for call in range(100):
                for peer in peers:
                    if peer.subject.kind == "comparable" and (call % 10 or number >= 3):
                        continue
                    peer.look_up(bench.id())
                    taken[peer.subject.name].append(1000 * peer.seconds)
                began = time.perf_counter()
                bare.ask(bench.id())
                taken[SOCKET].append(1000 * (time.perf_counter() - began))
            upstream = statistics.median(taken[SOCKET])
            for name, times in taken.items():
                less = 0 if name == SOCKET else upstream
                if times:
                    typical.add(name, statistics.median(times) - less)
                    slow.add(name, sorted(times)[int(0.99 * len(times))] - less)
    slow.said = typical.said
    return [typical.judge(1.15, of=SHARED), slow.judge(1.15, of=SHARED)]


def first(bench: Bench) -> list[Row]:
    """The first lookup of a process, asked one second after the tools were listed."""
    row = Row("first lookup, 1 s after `tools/list`, https", "ms", "≤ 10 ms")

    def measure(subject: Subject) -> None:
        with bench.after_first_call(subject) as peer:
            row.add(subject, 1000 * peer.seconds)
        began = time.perf_counter()
        bare = BareSocket(bench.upstream.ports["https"], tls)
        bare.ask(bench.id())
        row.add(SOCKET, 1000 * (time.perf_counter() - began))
        bare.close()

    tls = ssl.create_default_context(cafile=bench.upstream.certificates)
    bench.by_turns(bench.rounds(11, 2), bench.with_upstream, row, measure, few=1 if bench.quick else 2)
    return [row.judge(10)]


def connections(bench: Bench) -> list[Row]:
    """Connections opened by lookups one after the other, and by lookups after pauses."""
    many = Row("connections opened per 100 lookups, after the first", "", "0")
    later = Row("connections opened after pauses of 6 s and 16 s", "", "0")
    with ExitStack() as stack:
        peers = bench.together(stack, bench.with_upstream, "https", many)
        bench.upstream.reset()
        for peer in peers:
            for _ in range(100):
                peer.look_up(bench.id())
        for peer in peers:
            many.add(peer.subject, bench.upstream.counts(peer.subject)["connections"])
        bench.upstream.reset()
        for pause in (6,) if bench.quick else (6, 16):
            time.sleep(pause)
            for peer in peers:
                peer.look_up(bench.id())
        for peer in peers:
            later.add(peer.subject, bench.upstream.counts(peer.subject)["connections"])
    return [many.judge(0), later.judge(0)]


def at_once(bench: Bench) -> list[Row]:
    """A hundred lookups at once on one connection."""
    row = Row("100 lookups at once over stdio, upstream 50 ms", "s", "≤ 1.1 × shared client, no error")
    with ExitStack() as stack:
        peers = {peer.subject.name: peer for peer in bench.together(stack, bench.with_upstream, "http", row)}
        bench.upstream.delay(0.05)
        stack.callback(bench.upstream.delay, 0)

        def measure(subject: Subject) -> None:
            began = time.perf_counter()
            peers[subject.name].look_up_at_once(bench.ids(100))
            row.add(subject, time.perf_counter() - began)

        bench.by_turns(bench.rounds(12, 4), bench.with_upstream, row, measure, few=1 if bench.quick else 2)
    return [row.judge(1.1, of=SHARED)]


def batch(bench: Bench) -> list[Row]:
    """A thousand finished tasks in one call."""
    spent = Row("batch of 1,000 ids", "ms", "≤ 1.5 × shared client")
    size = Row("the same, bytes of the answer", "kB", "≤ 0.6 × shared client")
    asked = Row("the same, requests", "", "20")
    most = Row("the same, requests at a time", "", "≤ 4")
    with ExitStack() as stack:
        peers = {peer.subject.name: peer for peer in bench.together(stack, bench.with_upstream, "http", spent)}

        def measure(subject: Subject) -> None:
            bench.upstream.reset()
            peer = peers[subject.name]
            peer.look_up_many(bench.ids(1000))
            counts = bench.upstream.counts(subject)
            spent.add(subject, 1000 * peer.seconds)
            size.add(subject, peer.size / 1000)
            asked.add(subject, counts["requests"])
            most.add(subject, counts["most_at_once"])

        bench.by_turns(bench.rounds(12, 4), bench.with_upstream, spent, measure)
    return [spent.judge(1.5, of=SHARED), size.judge(0.6, of=SHARED), asked.judge(20), most.judge(4)]


def repeat(bench: Bench) -> list[Row]:
    """Requests for a task that was seen finished."""
    row = Row("requests for 10 repeats of a finished task", "", "0")
    with ExitStack() as stack:
        for peer in bench.together(stack, bench.with_upstream, "http", row):
            task_id = bench.id()
            peer.look_up(task_id)
            bench.upstream.reset()
            for _ in range(10):
                peer.look_up(task_id)
            row.add(peer.subject, bench.upstream.counts(peer.subject)["requests"])
    return [row.judge(0)]


def unfinished(bench: Bench) -> list[Row]:
    """How long a lookup of an unfinished task takes."""
    row = Row("lookup of an unfinished task", "ms", "no sleep (≤ 100 ms)")
    with ExitStack() as stack:
        for peer in bench.together(stack, bench.with_upstream, "http", row):
            for _ in range(1 if peer.subject.kind == "comparable" else 5):
                peer.look_up(f"{UNFINISHED}-{bench.id()}")
                row.add(peer.subject, 1000 * peer.seconds)
    return [row.judge(100)]


def tokens(what: Any) -> int:
    """Count what a model reads (o200k_base) of a text, or of JSON as clients write it."""
    text = what if isinstance(what, str) else json.dumps(what, ensure_ascii=False)
    return len(bpe_openai.get_encoding("o200k_base").encode(text))


def tool_tokens(bench: Bench) -> list[Row]:
    """What a model reads of the tools: names, descriptions, input schemas."""
    row = Row("tokens of the tools (ours: three; others: the two comparable)", "tokens", "≤ 620")
    with ExitStack() as stack:
        for peer in bench.together(stack, bench.with_upstream, "http", row):
            kept = [tool for tool in peer.tools if peer.subject.kind == "ours" or "task" in tool["name"]]
            read = [[tool["name"], tool.get("description"), tool["inputSchema"]] for tool in kept]
            compact = [json.dumps(tool, ensure_ascii=False, separators=(",", ":")) for tool in read]
            row.add(peer.subject, sum(map(tokens, compact)))
    return [row.judge(620)]


def answer_tokens(bench: Bench) -> list[Row]:
    """What a model reads of the documented task."""
    structured = Row("tokens of the documented task, structured", "tokens", "≤ 90")
    text = Row("the same, text", "tokens", "≤ 85")
    structured.add("raw record", tokens(record(DOCUMENTED)))
    text.add("raw record", tokens(record(DOCUMENTED)))
    with ExitStack() as stack:
        for peer in bench.together(stack, bench.with_upstream, "http", structured):
            _read(peer.subject, peer.look_up(DOCUMENTED), structured, text)
    return [structured.judge(90), text.judge(85)]


def batch_tokens(bench: Bench) -> list[Row]:
    """What a model reads of fifty finished tasks with two pictures each, and whether it could show them all."""
    structured = Row("tokens of 50 finished tasks with 2 pictures each, structured", "tokens", "≤ 6,200")
    text = Row("the same, text", "tokens", "fewer than structured")
    lost = Row("the same, picture links lost (structured and text)", "", "0")
    with ExitStack() as stack:
        peers = bench.together(stack, bench.with_upstream, "http", structured)
        # How many tokens an id takes depends on the id.
        for _ in bench.rounds(40, 3):
            ids = bench.ids(50)
            pictures = [image["image_url"] for task_id in ids for image in record(task_id)["response"]["data"]]
            raw = tokens({"items": [record(task_id) for task_id in ids], "count": 50})
            structured.add("raw record", raw)
            text.add("raw record", raw)
            for peer in peers:
                both = _read(peer.subject, peer.look_up_many(ids), structured, text)
                lost.add(peer.subject, sum(url not in form for form in both for url in pictures))
    structured.judge(6200)
    text.judge(1, of=OURS)
    if OURS in structured.samples:
        text.met, text.finding = text.median(OURS) < structured.median(OURS), ""
    return [structured, text, lost.judge(0)]


def _read(subject: Subject, result: dict[str, Any], structured: Row, text: Row) -> list[str]:
    """Count both forms of an answer, and give those there are."""
    forms = []
    if "structuredContent" in result:
        forms.append(json.dumps(result["structuredContent"], ensure_ascii=False))
        structured.add(subject, tokens(forms[-1]))
    forms.append("\n".join(block["text"] for block in result["content"]))
    text.add(subject, tokens(forms[-1]))
    return forms


def growth(bench: Bench) -> list[Row]:
    """Memory of our server over 10,000 calls, and 1,000 sessions of both kinds opened and left."""
    calls = Row("memory gained over 10,000 calls (Streamable HTTP)", "MB", "does not grow (≤ 2 MB)")
    streamable = Row("memory gained over 1,000 Streamable HTTP sessions left", "MB", "does not grow (≤ 2 MB)")
    sse = Row("memory gained over 1,000 SSE sessions left", "MB", "does not grow (≤ 2 MB)")
    scale = 10 if bench.quick else 1
    for subject in bench.some("ours"):
        with HttpServer(subject, bench.environment(subject, "http")) as server:
            # The first ones fill caches and pools, and the allocator takes its time to settle.
            for _ in range(2):
                asyncio.run(_fill(server, 10_000 // scale, 500 // scale))
            for row, one, count in (
                (calls, _call, 10_000),
                (streamable, _streamable_session, 1_000),
                (sse, _sse_session, 1_000),
            ):
                before = server.memory("VmRSS")
                asyncio.run(_often(server, one, count // scale))
                row.add(subject, server.memory("VmRSS") - before)
    return [row.judge(2) for row in (calls, streamable, sse)]


async def _fill(server: HttpServer, calls: int, sessions: int) -> None:
    await _often(server, _call, calls)
    await _often(server, _streamable_session, sessions)
    await _often(server, _sse_session, sessions)


async def _often(server: HttpServer, one: Callable[..., Any], count: int, at_once: int = 20) -> None:
    """Do something many times, some at a time, each worker on a connection of its own."""
    numbers = iter(range(count))

    async def worker() -> None:
        connection = await server.open()
        for number in numbers:
            await one(server, number, *connection)
        connection[1].close()

    await asyncio.wait_for(asyncio.gather(*(worker() for _ in range(at_once))), 120)


async def _call(server: HttpServer, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # Finished tasks are remembered, up to a limit: that is what memory is for.
    writer.write(server.call(f"{UNFINISHED}-{number}"))
    await read_response(reader)


async def _streamable_session(server: HttpServer, number: int, *_connection: object) -> None:
    reader, writer = await server.open()
    writer.write(server.post({"id": number, "method": "initialize", "params": INITIALIZE}))
    await read_response(reader)
    writer.close()


async def _sse_session(server: HttpServer, number: int, *_connection: object) -> None:
    reader, writer = await server.open()
    token = server.subject.token  # a session belongs to the token that opened it
    head = f"GET /sse HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\nauthorization: Bearer {token}\r\n\r\n"
    writer.write(head.encode())
    event = await reader.readuntil(b"\r\n\r\n") + await reader.readuntil(b"\r\n\r\n")
    path = event.split(b"data: ")[1].split(b"\r\n")[0].decode()
    post_reader, post_writer = await server.open()
    post_writer.write(server.post({"id": number, "method": "initialize", "params": INITIALIZE}, path))
    await read_response(post_reader)
    await reader.readuntil(b'"serverInfo"')
    post_writer.close()
    writer.close()


ROWS: dict[str, Callable[[Bench], list[Row]]] = {
    function.__name__: function
    for function in (
        start,
        memory,
        warm,
        first,
        connections,
        at_once,
        batch,
        repeat,
        unfinished,
        tool_tokens,
        answer_tokens,
        batch_tokens,
        growth,
    )
}
