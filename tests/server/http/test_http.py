"""The HTTP transports as hosts and browsers meet them: a process, spoken to over real sockets."""

from __future__ import annotations

import re
import socket
import subprocess
from collections import defaultdict
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
from mcp import MCPError
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from headshots_mcp import __version__
from headshots_mcp.sandbox.app import FAILED, SUCCEEDED, UNKNOWN
from headshots_mcp.sandbox.faults import TRACE_ID
from headshots_mcp.server.http.connections import allow_many_connections
from tests.conftest import text_of
from tests.processes import COMMAND, environment
from tests.servers import Server, serving, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.conftest import Served

JSON = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def local() -> Iterator[Server]:
    """One server on loopback, with everything, against its own sandbox."""
    with serving("--transport", "http", "--sandbox") as server:
        yield server


@asynccontextmanager
async def connect(server: Server, transport: str, token: str | None = None) -> AsyncIterator[Client]:
    """An MCP client over one of the three: "sse", "old" and "new" Streamable HTTP."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        if transport == "sse":
            over = sse_client(f"{server.origin}/sse", headers=headers)
        else:
            over = streamable_http_client(f"{server.origin}/mcp", http_client=http)
        async with Client(over, mode="auto" if transport == "new" else "legacy") as client:
            yield client


TRANSPORTS = ("sse", "old", "new")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_host_lists_the_tools_and_calls_them(local: Server, transport: str) -> None:
    async with connect(local, transport) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        one = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})
        many = await client.call_tool("get_headshot_tasks", {"ids": [SUCCEEDED, UNKNOWN]})

    assert names == ["get_headshot_task", "get_headshot_tasks", "wait_for_headshot_tasks"]
    assert text_of(one).startswith(f"{SUCCEEDED} succeeded")
    assert f"{UNKNOWN} processing" in text_of(many)


@pytest.mark.parametrize(
    ("flag", "paths"),
    [
        ("http", {"/mcp": 405, "/sse": 405, "/messages/": 400, "/health": 200}),
        ("streamable-http", {"/mcp": 405, "/sse": 405, "/health": 200}),
        ("sse", {"/mcp": 404, "/sse": 405, "/messages/": 400, "/health": 200}),
    ],
)
def test_each_transport_serves_its_paths(flag: str, paths: dict[str, int]) -> None:
    with serving("--transport", flag, "--sandbox") as server:
        found = {
            path: httpx2.request(
                "GET" if path in ("/mcp", "/health") else "POST", server.origin + path, json={}
            ).status_code
            for path in paths
        }

    assert found == paths


def test_no_answer_waits_until_the_client_has_acknowledged_its_first_half(local: Server) -> None:
    with httpx2.Client() as http:
        seconds = [http.get(f"{local.origin}/health").elapsed.total_seconds() for _ in range(60)]

    # Systems put acknowledging off for 40 ms, though not at the beginning of a connection.
    assert min(seconds[30:]) < 0.03


def test_health_answers_with_the_version_and_no_name_of_what_it_runs_on(local: Server) -> None:
    answer = httpx2.get(f"{local.origin}/health")

    assert answer.json() == {"status": "ok", "version": __version__}
    assert "server" not in answer.headers


@pytest.mark.parametrize("host", ["127.0.0.1:{}", "localhost:{}", "LOCALHOST", "[::1]:{}", "127.0.0.1"])
@pytest.mark.parametrize("path", ["/health", "/nowhere"])
def test_this_machine_may_be_called_by_its_own_names(local: Server, host: str, path: str) -> None:
    answer = httpx2.get(local.origin + path, headers={"host": host.format(local.port)})

    assert answer.status_code == (200 if path == "/health" else 404)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1:1@evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1:8000@evil",
        "localhost:x",
        "",
        "127.0.0.1:",
        "user@localhost",
        "localhost:80:80",
        "[::1",
        "127.0.0.1/evil",
        "127.0.0.2",
    ],
)
@pytest.mark.parametrize("path", ["/mcp", "/sse", "/messages/", "/nowhere"])
def test_any_other_host_is_refused_by_a_sentence_that_names_the_flag(local: Server, host: str, path: str) -> None:
    answer = httpx2.get(local.origin + path, headers={"host": host})

    assert answer.status_code == 421
    assert "--allowed-host NAME, or set HEADSHOTS_ALLOWED_HOSTS" in answer.json()["error"]["message"]


def test_a_call_that_names_no_host_is_refused_too(local: Server) -> None:
    with socket.create_connection(("127.0.0.1", local.port), timeout=10) as connection:
        connection.sendall(b"GET /mcp HTTP/1.0\r\n\r\n")

        assert connection.recv(12) == b"HTTP/1.1 421"


@pytest.mark.parametrize("path", ["/health", "/"])
@pytest.mark.parametrize(
    "head", ["GET {} HTTP/1.1\r\nhost: 10.0.0.7:8000", "GET {} HTTP/1.1\r\nhost: x@y", "GET {} HTTP/1.0"]
)
def test_probes_are_answered_by_any_name_and_by_none(local: Server, path: str, head: str) -> None:
    with socket.create_connection(("127.0.0.1", local.port), timeout=10) as connection:
        connection.sendall(f"{head.format(path)}\r\n\r\n".encode())

        assert connection.recv(15) == b"HTTP/1.1 200 OK"


def test_the_root_says_in_two_lines_what_this_is_and_where_it_is_documented(local: Server) -> None:
    lines = httpx2.get(f"{local.origin}/").text.splitlines()

    assert len(lines) == 2
    assert "MCP server" in lines[0]
    assert lines[1].startswith("https://")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:6274", 200),
        ("http://127.0.0.1:1", 200),
        ("https://[::1]", 200),
        ("https://evil.example", 403),
        ("http://localhost:6274.evil.example", 403),
        ("http://127.0.0.1:1@evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("null", 403),
        ("file://", 403),
        ("chrome-extension://localhost", 403),
    ],
)
def test_only_pages_of_this_machine_may_ask(local: Server, origin: str, status: int) -> None:
    answer = httpx2.get(f"{local.origin}/health", headers={"origin": origin})

    assert answer.status_code == status
    assert answer.headers.get("access-control-allow-origin") == (origin if status == 200 else None)


def test_a_browser_is_told_beforehand_that_it_may_ask(local: Server) -> None:
    asks = {
        "origin": "http://localhost:6274",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,mcp-protocol-version",
    }
    answer = httpx2.options(f"{local.origin}/mcp", headers=asks)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type,mcp-protocol-version"


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
LOOKUP = {**PING, "method": "tools/call", "params": {"name": "get_headshot_task", "arguments": {"id": SUCCEEDED}}}


@pytest.mark.parametrize(
    ("method", "path", "request_", "status"),
    [
        pytest.param("POST", "/mcp", {"json": PING, "headers": JSON}, 200, id="as it should be"),
        pytest.param("GET", "/mcp", {"headers": JSON}, 405, id="no stream without a call"),
        pytest.param("DELETE", "/mcp", {}, 405, id="no session to end"),
        pytest.param("PUT", "/mcp", {"json": PING}, 405, id="another method"),
        pytest.param("POST", "/sse", {"json": PING}, 405, id="a message to the stream"),
        pytest.param("GET", "/messages/", {}, 405, id="a stream from the messages"),
        pytest.param("POST", "/health", {"json": {}}, 405, id="posting health"),
        pytest.param("HEAD", "/health", {}, 200, id="a probe that wants no body"),
        pytest.param("HEAD", "/sse", {}, 405, id="a stream without a body"),
        pytest.param("POST", "/mcp", {"content": b"x", "headers": {"content-type": "text/plain"}}, 415, id="text"),
        pytest.param("POST", "/mcp", {"content": b"x"}, 415, id="no type"),
        pytest.param("POST", "/mcp", {"json": PING, "headers": {"accept": "text/html"}}, 406, id="wants HTML"),
        pytest.param("POST", "/mcp", {"content": b'{"jsonrpc":', "headers": JSON}, 400, id="half JSON"),
        pytest.param("POST", "/mcp", {"content": b"[]", "headers": JSON}, 400, id="an empty batch"),
        pytest.param("POST", "/mcp", {"content": b"x" * 4_194_305, "headers": JSON}, 413, id="over 4 MiB"),
        pytest.param("POST", "/messages/", {"json": PING}, 400, id="no session"),
        pytest.param("POST", "/messages/?session_id=x", {"json": PING}, 400, id="no session id"),
        pytest.param("POST", f"/messages/?session_id={'0' * 32}", {"json": PING}, 404, id="a session long gone"),
        pytest.param("POST", "/messages/?session_id=x", {"content": b"x" * 4_194_305, "headers": JSON}, 413, id="big"),
        pytest.param("GET", "/mcp/../etc/passwd", {}, 404, id="a path outside"),
    ],
)
def test_what_does_not_fit_gets_the_status_that_says_so(
    local: Server, method: str, path: str, request_: dict[str, Any], status: int
) -> None:
    answer = httpx2.request(method, local.origin + path, **request_)

    assert answer.status_code == status
    assert not re.search(r"Traceback|site-packages|uvicorn|starlette|pydantic|\.py", answer.text)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_eight_callers_at_once_are_never_mixed_up(asking: Server, served: Served, transport: str) -> None:
    """Each asks twenty times for the same finished task and for one of its own, with a token of its own."""

    async def call(caller: int) -> None:
        async with connect(asking, transport, f"sandbox-{transport}-{caller}") as client:
            for number in range(20):
                await client.call_tool("get_headshot_tasks", {"ids": [SUCCEEDED, f"of-{caller}-{number}"]})

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for caller in range(8):
                group.start_soon(call, caller)

    seen = defaultdict[str, list[list[str]]](list)
    for asked in served.sandbox.requests:
        assert asked.body is not None
        token = asked.headers["authorization"].removeprefix("Bearer ")
        seen[token].append(asked.body["ids"])
    assert seen == {
        f"sandbox-{transport}-{caller}": [
            [*([SUCCEEDED] if number == 0 else []), f"of-{caller}-{number}"] for number in range(20)
        ]
        for caller in range(8)
    }


async def test_twenty_sse_sessions_share_one_upstream_client(served: Served) -> None:
    settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url, "ACEDATACLOUD_API_TOKEN": "sandbox-token"}
    with serving("--transport", "sse", **settings) as server:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connect(server, "sse", "sandbox-x")) for _ in range(20)]
            for client in clients:
                await client.call_tool("get_headshot_task", {"id": UNKNOWN})

    assert (len(served.bodies), served.sandbox.connections) == (20, 1)


async def test_a_shared_token_is_for_callers_without_one(served: Served) -> None:
    settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url, "ACEDATACLOUD_API_TOKEN": "sandbox-operator"}
    with serving("--transport", "http", "--share-token", **settings) as server:
        for transport in TRANSPORTS:
            for token in (None, "sandbox-caller"):
                async with connect(server, transport, token) as client:
                    await client.call_tool("get_headshot_task", {"id": f"over-{transport}"})
        warning = "".join(server.errors)

    sent = [asked.headers["authorization"] for asked in served.sandbox.requests]
    assert sent == ["Bearer sandbox-operator", "Bearer sandbox-caller"] * len(TRANSPORTS)
    assert warning == "Everyone who can reach this port uses the token in ACEDATACLOUD_API_TOKEN (--share-token).\n"


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({}, id="on loopback"),
        pytest.param({"x-forwarded-for": "192.0.2.1"}, id="through a proxy"),
        pytest.param({"host": "localhost"}, id="as localhost"),
    ],
)
def test_a_token_that_is_not_shared_is_for_nobody(asking: Server, header: dict[str, str]) -> None:
    answer = httpx2.post(f"{asking.origin}/mcp", json=LOOKUP, headers={**JSON, **header})

    assert "No API token was sent with this request" in answer.text
    assert "--share-token" in answer.text


async def test_elsewhere_a_caller_has_to_bring_a_token(served: Served) -> None:
    settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url, "ACEDATACLOUD_API_TOKEN": "sandbox-operator"}
    flags = ("--transport", "http", "--host", "0.0.0.0", "--allowed-host", "mcp.example.com")
    results = []
    with serving(*flags, **settings) as server:
        for transport in TRANSPORTS:
            async with connect(server, transport) as client:
                results.append(await client.call_tool("get_headshot_task", {"id": SUCCEEDED}))
        async with httpx2.AsyncClient() as http:
            name = {"host": "mcp.example.com"}
            named = await http.get(f"{server.origin}/mcp", headers=name)
            called = await http.post(f"{server.origin}/mcp", json=LOOKUP, headers={**JSON, **name})

    for said in (*map(text_of, results), called.text):
        assert "No API token was sent with this request. Set the header `Authorization: Bearer`" in said
    assert [result.is_error for result in results] == [True] * len(TRANSPORTS)
    assert named.status_code == 405
    assert served.sandbox.requests == []


def test_an_exposed_server_lets_in_the_hosts_and_origins_it_was_told() -> None:
    flags = ["--host", "0.0.0.0", "--allowed-host", "mcp.example.com", "--allowed-host", "other.example:8443"]
    flags += ["--allowed-origin", "https://app.example.com"]
    found = {}
    with serving("--transport", "http", *flags, HEADSHOTS_ALLOWED_HOSTS="a.example, b.example") as server:
        for host in ("mcp.example.com", "mcp.example.com:1", "other.example:8443", "other.example", "b.example"):
            found[host] = httpx2.get(f"{server.origin}/mcp", headers={"host": host}).status_code
        for origin in ("https://app.example.com", "https://app.example.com:444", "https://mcp.example.com"):
            found[origin] = httpx2.get(f"{server.origin}/health", headers={"origin": origin}).status_code

    assert found == {
        "mcp.example.com": 405,
        "mcp.example.com:1": 405,
        "other.example:8443": 405,
        "other.example": 421,
        "b.example": 405,
        "https://app.example.com": 200,
        "https://app.example.com:444": 403,
        "https://mcp.example.com": 403,
    }


@pytest.mark.parametrize(
    "header",
    [
        "Basic dXNlcjpwYXNz",
        "Bearer",
        "Bearer two words",
        "Bearer ä",
        "sandbox-token",
        'Bearer "sandbox-token"',
        "Bearer ${ACEDATACLOUD_API_TOKEN}",
        "Bearer Bearer",
        "",
    ],
)
def test_what_is_not_a_bearer_token_is_not_passed_on_and_not_repeated(local: Server, header: str) -> None:
    headers = {**JSON, "authorization": header.encode()}
    answer = httpx2.post(f"{local.origin}/mcp", json=LOOKUP, headers=headers)  # type: ignore[arg-type]

    assert "is not an API token; it may be a placeholder that was never filled in" in answer.text
    assert header == "Bearer Bearer" or not header[7:] or header[7:] not in answer.text


@pytest.mark.parametrize("header", ["Bearer sandbox-once", "bearer  sandbox-small", "Bearer Bearer sandbox-twice"])
def test_a_bearer_token_may_be_announced_twice(asking: Server, served: Served, header: str) -> None:
    httpx2.post(f"{asking.origin}/mcp", json=LOOKUP, headers={**JSON, "authorization": header})

    token = header.rpartition(" ")[2]
    assert [asked.headers["authorization"] for asked in served.sandbox.requests] == [f"Bearer {token}"]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--host", "0.0.0.0"], "headshots-mcp: --host 0.0.0.0 can be reached from elsewhere: add --allowed-host"),
        (["--host", "::"], "headshots-mcp: --host :: can be reached from elsewhere"),
        (["--host", "nowhere.invalid"], "headshots-mcp: --host must be an IP address"),
        (["--host", ""], "headshots-mcp: --host must be an IP address"),
        (
            ["--host", "192.0.2.1", "--allowed-host", "a"],
            "headshots-mcp: cannot listen on 192.0.2.1 port 8000: this machine does not have",
        ),
        (
            ["--port", "{used}"],
            "headshots-mcp: cannot listen on 127.0.0.1 port {used}: port already in use\n",
        ),
        (["--port", "65536"], "headshots-mcp: argument --port: must be a number from 0 to 65535"),
        (["--port", "http"], "headshots-mcp: argument --port: must be a number from 0 to 65535"),
        (
            ["--allowed-host", "https://a"],
            "headshots-mcp: argument --allowed-host: must be a host name",
        ),
        (["--allowed-origin", "a.example"], "headshots-mcp: argument --allowed-origin: must be"),
        (["--root-path", "headshots"], "headshots-mcp: argument --root-path: must be a path such as /headshots"),
        (["--share-token"], "headshots-mcp: --share-token needs a token to share: set ACEDATACLOUD_API_TOKEN"),
        (["--share-token", "--allowed-host", "a"], "headshots-mcp: --share-token lets everyone"),
        (["--share-token", "--host", "0.0.0.0", "--allowed-host", "a"], "headshots-mcp: --share-token lets everyone"),
    ],
)
def test_where_it_cannot_serve_it_says_so_in_one_line(flags: list[str], line: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        used = taken.getsockname()[1]
        ended = subprocess.run(
            [*COMMAND, "--transport", "http", *(flag.format(used=used) for flag in flags)],
            env=environment(),
            capture_output=True,
            encoding="utf-8",
            timeout=10,
            check=False,
        )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(line.format(used=used))
    assert ended.stderr.count("\n") == 1


async def wait_until_asked(server: Server) -> None:
    """Wait until calls sent before have reached their handlers: later ones are answered."""
    async with connect(server, "new", "sandbox-later") as client:
        await client.call_tool("get_headshot_task", {"id": UNKNOWN})


async def test_crowds_of_slow_idle_and_broken_connections_do_not_stop_others(local: Server) -> None:
    allow_many_connections()
    with ExitStack() as stack:
        for number in range(3000):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", local.port), timeout=10))
            if number % 3 == 1:
                sock.sendall(b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n{")
            if number % 3 == 2:
                sock.sendall(b"GET /sse HTTP/1.1\r\nho")
        with anyio.fail_after(20):
            async with connect(local, "new") as client:
                result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert not result.is_error


FAILED_TRACE_ID = "0b7bb1b6-4c1c-4d0a-8e35-5a86c1f2d7e9"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_team_gets_one_line_of_the_log_for_each_call(served: Served, transport: str) -> None:
    calls: dict[str, dict[str, Any]] = {
        "get_headshot_task": {"id": SUCCEEDED},
        "get_headshot_tasks": {"ids": [SUCCEEDED, UNKNOWN, FAILED]},
        "wait_for_headshot_tasks": {"ids": ["fault-403"]},
        "secret-tool": {"ids": "secret-id"},
    }
    settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url, "HEADSHOTS_LOG_LEVEL": "INFO"}
    with serving("--transport", "http", **settings) as server:
        async with connect(server, transport, "sandbox-secret") as client:
            for tool, arguments in calls.items():
                with suppress(MCPError):
                    await client.call_tool(tool, arguments)
        await until(lambda: len(server.errors) >= 5)
        lines = [line for line in server.errors if "call_log" in line]

    assert [re.sub(r"\d+ ms", "7 ms", line.partition(": ")[2].strip()) for line in lines] == [
        "get_headshot_task: 1 id, 1 succeeded, 7 ms",
        f"get_headshot_tasks: 3 ids, 1 failed, 1 processing, 1 succeeded, trace id {FAILED_TRACE_ID}, 7 ms",
        f"wait_for_headshot_tasks: 1 id, error, trace id {TRACE_ID}, 7 ms",
        "unknown tool: 1 id, error, 7 ms",
    ]
    assert not re.search("secret|16f96e95", "".join(server.errors))
