"""Who may come in over HTTP and who may read the answer, as browsers and hosts ask."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from headshots_mcp.sandbox.app import SUCCEEDED
from headshots_mcp.server.http.app import application
from headshots_mcp.settings import Settings
from tests.servers import NEW, OLD, post, serving, tool_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Message

    from tests.servers import Server

NAMED = (
    "https://app.example.com",
    "chrome-extension://abcdefghijklmnop",
    "moz-extension://2c0b5b4e-7c0f-4a3e-9b1a-000000000000",
    "vscode-webview://1u2f3h4k",
    "tauri://localhost",
    "file://",
    "null",
)
PAGE = "http://localhost:6274"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that lets in pages of some origins, and containers that call it by name."""
    origins = [flag for origin in NAMED for flag in ("--allowed-origin", origin)]
    with serving("--transport", "http", "--sandbox", *origins, "--allowed-host", "my_container:8000") as server:
        yield server


def ask(server: Server, method: str, path: str, **kwargs: Any) -> httpx2.Response:
    headers = {"authorization": "Bearer sandbox-caller"} | kwargs.pop("headers", {})
    return httpx2.request(method, server.origin + path, headers=headers, **kwargs)


@pytest.mark.parametrize("origin", [*NAMED, PAGE, "http://127.0.0.1:1", "https://[::1]"])
def test_pages_of_named_origins_may_ask_and_read_the_answer(server: Server, origin: str) -> None:
    answer = ask(server, "GET", "/health", headers={"origin": origin})

    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://app.example.com:444",
        "chrome-extension://zzz",
        "chrome-extension://localhost",
        "http://localhost.evil.example",
        "http://127.0.0.1:1@evil.example",
        "file:///home/page.html",
        "",
    ],
)
@pytest.mark.parametrize("path", ["/health", "/mcp", "/sse"])
def test_pages_of_other_origins_are_refused_by_a_sentence_that_names_the_flag(
    server: Server, path: str, origin: str
) -> None:
    answer = ask(server, "GET", path, headers={"origin": origin})

    assert answer.status_code == 403
    assert "--allowed-origin ORIGIN, or set HEADSHOTS_ALLOWED_ORIGINS" in answer.json()["error"]["message"]
    assert "access-control-allow-origin" not in answer.headers


def test_without_being_named_an_opaque_origin_is_refused() -> None:
    with serving("--transport", "http", "--sandbox") as server:
        assert ask(server, "GET", "/health", headers={"origin": "null"}).status_code == 403


@pytest.mark.parametrize(
    ("host", "status"), [("my_container:8000", 405), ("my_container", 421), ("my_other:8000", 421)]
)
def test_a_container_may_be_called_by_its_name(server: Server, host: str, status: int) -> None:
    assert ask(server, "GET", "/mcp", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/mcp", 405),
        ("DELETE", "/mcp", 405),
        ("POST", "/mcp", 415),
        ("POST", "/sse", 405),
        ("GET", "/nowhere", 404),
    ],
)
def test_a_page_may_read_why_it_was_refused(server: Server, method: str, path: str, status: int) -> None:
    answer = ask(server, method, path, headers={"origin": PAGE})

    assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (status, PAGE)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_browser_asks_first_whether_a_page_may_reach_into_the_local_network(server: Server, method: str) -> None:
    headers = {
        "origin": "https://app.example.com",
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,mcp-protocol-version",
        "access-control-request-private-network": "true",
    }
    answer = ask(server, "OPTIONS", "/mcp", headers=headers)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert answer.headers["access-control-allow-headers"] == "authorization,mcp-protocol-version"


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200), (None, 200)]
)
def test_pages_of_other_sites_cannot_open_a_stream(server: Server, site: str | None, status: int) -> None:
    """Not even where the browser sends no origin, as for an image."""
    headers = {"sec-fetch-site": site} if site else {}
    with httpx2.stream("GET", f"{server.origin}/sse", headers=headers) as answer:
        assert answer.status_code == status


ACCEPTED = {
    "application/json, text/event-stream": None,
    "text/event-stream, application/json;q=0.5": None,
    "application/json": "application/json",
    "application/json; charset=utf-8": "application/json",
    "application/*": "application/json",
    "text/event-stream": None,
    "*/*": None,
    "": None,
}


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize("accept", ACCEPTED)
def test_whatever_types_a_client_accepts_it_gets_an_answer_it_can_read(
    server: Server, version: str, accept: str
) -> None:
    headers = {"accept": accept, "authorization": "Bearer sandbox-x"}
    request = tool_call(server.port, "get_headshot_task", {"id": SUCCEEDED}, version=version, **headers)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request.replace(b"accept: \r\n", b"") if not accept else request)
        received = b""
        while b'"structuredContent"' not in received:
            received += connection.recv(65536)

    assert received.startswith(b"HTTP/1.1 200 OK")
    (media_type,) = re.findall(rb"(?i)content-type: ([^;\r]*)", received)
    assert media_type.decode() == ACCEPTED[accept] or not ACCEPTED[accept]


@pytest.mark.parametrize("version", [OLD, NEW])
def test_a_client_that_accepts_neither_type_is_told(server: Server, version: str) -> None:
    headers = {"accept": "text/html", "mcp-protocol-version": version, "content-type": "application/json"}
    answer = ask(server, "POST", "/mcp", headers=headers, content=b"{}")

    assert (answer.status_code, "text/event-stream" in answer.text) == (406, True)


def open_stream(server: Server, token: str | None) -> tuple[socket.socket, str]:
    """Open an SSE session, and give its stream and the path of its messages."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    line = f"authorization: Bearer {token}\r\n" if token else ""
    connection.sendall(f"GET /sse HTTP/1.1\r\nhost: 127.0.0.1\r\n{line}\r\n".encode())
    received = b""
    while not (found := re.search(rb"data: (\S+)\r\n", received)):
        received += connection.recv(4096)
    return connection, found[1].decode()


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def sends(server: Server, path: str, token: str | None) -> int:
    """Send a message to an SSE session, and return the status."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx2.post(server.origin + path, json=PING, headers=headers).status_code


OWNER, STRANGER = "sandbox-owner", "sandbox-stranger"


@pytest.mark.parametrize("stranger", [STRANGER, None])
@pytest.mark.parametrize("form", ["{}", "{{{}}}", "urn:uuid:{}"])
def test_a_session_takes_messages_only_with_the_token_that_opened_it(
    server: Server, stranger: str | None, form: str
) -> None:
    """However its id is written."""
    stream, path = open_stream(server, OWNER)
    path, session_id = path.split("=")
    path = f"{path}={form.format(session_id)}"
    with stream:
        found = [sends(server, path, token) for token in (stranger, OWNER)]

    assert found == [404, 202]


def test_a_session_opened_without_a_token_belongs_to_that_of_its_first_message(server: Server) -> None:
    """Older clients, and EventSource of browsers, send their headers with messages only."""
    stream, path = open_stream(server, None)
    with stream:
        found = [sends(server, path, token) for token in (OWNER, STRANGER, None, OWNER)]

    assert found == [202, 404, 404, 202]


def test_a_session_without_any_token_takes_messages_without_one(server: Server) -> None:
    stream, path = open_stream(server, None)
    with stream:
        assert sends(server, path, None) == 202


def test_a_refused_upgrade_to_a_websocket_is_not_worth_a_line() -> None:
    with serving("--transport", "http", "--sandbox") as server:
        headers = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-key": "AAAA"}
        answer = ask(server, "GET", "/mcp", headers=headers)
        errors = list(server.errors)

    assert answer.status_code == 405
    assert errors == []


@pytest.mark.parametrize("path", ["/mcp", "/sse", "/messages/", "/nowhere"])
async def test_a_websocket_is_refused_by_a_server_that_has_them(path: str) -> None:
    """As uvicorn does with one of the libraries for them installed beside it."""
    sent = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message["type"])

    await application(Settings())({"type": "websocket", "path": path, "headers": []}, receive, send)

    assert sent == ["websocket.close"]


LARGEST = 1536 * 1024


@pytest.mark.parametrize(
    ("size", "token", "status"),
    [
        pytest.param(LARGEST, True, 400, id="largest"),
        pytest.param(LARGEST + 1, True, 413, id="too large"),
        pytest.param(4 * LARGEST, True, 413, id="far too large"),
        pytest.param(64 * 1024, False, 400, id="without a token"),
        pytest.param(64 * 1024 + 1, False, 401, id="too large without a token"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_are_limited_to_what_a_thousand_ids_need(
    server: Server, size: int, token: bool, status: int, chunked: bool
) -> None:
    headers = {"content-type": "application/json"} | ({"authorization": "Bearer sandbox-x"} if token else {})
    body = b"x" * size
    content: Any = iter([body[:1000], body[1000:]]) if chunked else body

    assert httpx2.post(f"{server.origin}/mcp", content=content, headers=headers).status_code == status


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(b'{"ids":[' + b"1," * 10_000 + b"1]}", id="numbers"),
        pytest.param(b'{"ids":' + b"[" * 10_001 + b"]" * 10_001 + b"}", id="depth"),
        pytest.param(b"{" + b'"a":{' * 10_001 + b"}" * 10_002, id="objects"),
        pytest.param(b"{" + b",".join(b'"%d":1' % number for number in range(10_002)) + b"}", id="names"),
    ],
)
@pytest.mark.parametrize("path", ["/mcp", "/messages/"])
def test_more_values_than_a_thousand_ids_need_are_refused_unread(server: Server, path: str, arguments: bytes) -> None:
    content = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":' + arguments + b"}}"
    answer = ask(server, "POST", path, content=content, headers={"content-type": "application/json"})

    assert (answer.status_code, "too many values" in answer.text) == (413, True)


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(server: Server) -> None:
    request = post(server.port, "x" * 5_000_000, authorization="Bearer sandbox-x")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")

        assert connection.recv(12) == b"HTTP/1.1 413"
