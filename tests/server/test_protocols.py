"""Every revision of the protocol is spoken on every transport, as bytes on the wire and with the SDK's client."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from headshots_mcp import NAME, __version__
from headshots_mcp.sandbox.app import FAILED, UNKNOWN
from tests.conftest import text_of
from tests.processes import COMMAND, running
from tests.processes import ask as ask_over_stdio
from tests.servers import serving

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    Ask = Callable[[dict[str, Any]], Any]

HANDSHAKE = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
NEWEST = "2026-07-28"
TRANSPORTS = ("stdio", "sse", "http")
ACCEPT = {"accept": "application/json, text/event-stream"}
TOOLS = ["get_headshot_task", "get_headshot_tasks", "wait_for_headshot_tasks"]
UNFINISHED = {"id": UNKNOWN, "status": "processing", "image_urls": [], "template": "male_portrait"}
FAILURE = {
    "id": FAILED,
    "status": "failed",
    "image_urls": [],
    "template": "wedding",
    "error": {
        "code": "face_not_found",
        "message": "No face was found in the photo.",
        "trace_id": "0b7bb1b6-4c1c-4d0a-8e35-5a86c1f2d7e9",
    },
}


def known(task: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on when the sandbox began."""
    return {name: value for name, value in task.items() if name not in ("created_at", "next_step")}


class Servers(NamedTuple):
    """One over HTTP, and two over stdio: where a client has shaken hands, the newest revision is not spoken."""

    origin: str
    with_handshake: subprocess.Popen[str]
    without: subprocess.Popen[str]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with serving("--transport", "http", "--sandbox") as http, running("--sandbox") as old, running("--sandbox") as new:
        yield Servers(http.origin, old, new)
        assert not http.errors


@contextmanager
def speaking(transport: str, servers: Servers, revision: str) -> Iterator[Ask]:
    """A way to send one message and to get its answer, with nothing between us and the wire."""
    if transport == "stdio":
        process = servers.with_handshake if revision < NEWEST else servers.without
        yield lambda message: ask_over_stdio(process, message)
    elif transport == "http":
        with httpx2.Client(timeout=20) as http:
            yield lambda message: post(http, f"{servers.origin}/mcp", message, revision)
    else:
        with httpx2.Client(timeout=20) as http, http.stream("GET", f"{servers.origin}/sse") as stream:
            events = (line.partition(": ")[2] for line in stream.iter_lines() if line.startswith("data: "))
            messages = servers.origin + next(events)

            def ask(message: dict[str, Any]) -> Any:
                assert http.post(messages, json={"jsonrpc": "2.0", "id": 1, **message}).status_code == 202
                return json.loads(next(events))

            yield ask


def post(http: httpx2.Client, url: str, message: dict[str, Any], revision: str) -> Any:
    """Send a message with the headers which its revision asks for; the answer is JSON, or one event of a stream."""
    headers = dict(ACCEPT)
    if revision >= "2025-06-18" and message["method"] != "initialize":
        headers["mcp-protocol-version"] = revision
    if revision >= NEWEST:
        headers["mcp-method"] = message["method"]
        if name := message["params"].get("name"):
            headers["mcp-name"] = name
    answer = http.post(url, headers=headers, json={"jsonrpc": "2.0", "id": 1, **message})
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    return json.loads(events[0] if events else answer.text)


def initialize(revision: str) -> dict[str, Any]:
    """The first message of a client before 2026-07-28."""
    about = {"capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    return {"method": "initialize", "params": {"protocolVersion": revision, **about}}


def request(method: str, revision: str, **params: Any) -> dict[str, Any]:
    """A request, which since 2026-07-28 says itself what a handshake said before."""
    if revision >= NEWEST:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": revision,
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    return {"method": method, "params": params}


def look_up(revision: str, *ids: str) -> dict[str, Any]:
    """The call for one task, or for several."""
    if len(ids) == 1:
        return request("tools/call", revision, name=TOOLS[0], arguments={"id": ids[0]})
    return request("tools/call", revision, name=TOOLS[1], arguments={"ids": list(ids)})


def list_and_call(ask: Ask, revision: str) -> list[Any]:
    """List the tools and call both; checks what is the same in all revisions, and gives the results."""
    tools, one, many = (
        ask(message)["result"]
        for message in (request("tools/list", revision), look_up(revision, FAILED), look_up(revision, FAILED, UNKNOWN))
    )
    assert [tool["name"] for tool in tools["tools"]] == TOOLS
    assert known(one["structuredContent"]) == FAILURE
    assert one["content"][0]["text"].startswith(f"{FAILED} failed (wedding): “No face was found in the photo.”")
    assert [known(task) for task in many["structuredContent"]["tasks"]] == [FAILURE, UNFINISHED]
    assert not one["isError"]
    return [tools, one, many]


@pytest.mark.parametrize("revision", HANDSHAKE)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_that_shakes_hands_is_answered_in_its_revision(
    servers: Servers, transport: str, revision: str
) -> None:
    with speaking(transport, servers, revision) as ask:
        welcome = ask(initialize(revision))["result"]
        results = list_and_call(ask, revision)

    assert welcome["protocolVersion"] == revision
    assert (welcome["serverInfo"]["name"], welcome["serverInfo"]["version"]) == (NAME, __version__)
    assert not [result for result in (welcome, *results) if {"resultType", "_meta", "ttlMs"} & set(result)]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_of_the_newest_revision_needs_no_handshake(servers: Servers, transport: str) -> None:
    with speaking(transport, servers, NEWEST) as ask:
        welcome = ask(request("server/discover", NEWEST))["result"]
        results = list_and_call(ask, NEWEST)

    assert welcome["supportedVersions"] == [NEWEST]
    for result in (welcome, *results):
        assert result["resultType"] == "complete"
        about = result["_meta"]["io.modelcontextprotocol/serverInfo"]
        assert (about["name"], about["version"]) == (NAME, __version__)


@pytest.mark.parametrize("revision", HANDSHAKE)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_handshake_says_that_there_is_a_page_to_show(servers: Servers, transport: str, revision: str) -> None:
    with speaking(transport, servers, revision) as ask:
        capabilities = ask(initialize(revision))["result"]["capabilities"]

    assert capabilities["extensions"] == {"io.modelcontextprotocol/ui": {}}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_host_of_any_revision_finds_the_page_of_each_tool_by_the_nested_key_and_the_flat_one(
    servers: Servers, transport: str
) -> None:
    with speaking(transport, servers, NEWEST) as ask:
        tools = ask(request("tools/list", NEWEST))["result"]["tools"]

    uri = "ui://headshots/gallery.html"
    keys = {"ui": {"resourceUri": uri}, "ui/resourceUri": uri}
    assert [keys.items() <= tool["_meta"].items() for tool in tools] == [True] * len(TOOLS)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_ping_is_answered_in_the_newest_revision_too(servers: Servers, transport: str) -> None:
    with speaking(transport, servers, NEWEST) as ask:
        answer = ask(request("ping", NEWEST))

    about = {"name": NAME, "version": __version__}
    assert answer["result"] == {"resultType": "complete", "_meta": {"io.modelcontextprotocol/serverInfo": about}}


def test_a_ping_over_http_has_status_200_in_the_newest_revision(servers: Servers) -> None:
    headers = ACCEPT | {"mcp-protocol-version": NEWEST, "mcp-method": "ping"}
    with httpx2.Client() as http:
        answer = http.post(
            f"{servers.origin}/mcp", headers=headers, json={"jsonrpc": "2.0", "id": 1, **request("ping", NEWEST)}
        )

    assert answer.status_code == 200


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_handshake_for_an_unknown_revision_offers_the_newest_that_has_one(servers: Servers, transport: str) -> None:
    with speaking(transport, servers, HANDSHAKE[0]) as ask:
        assert ask(initialize("2099-01-01"))["result"]["protocolVersion"] == HANDSHAKE[-1]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_request_in_an_unknown_revision_is_told_which_is_spoken(servers: Servers, transport: str) -> None:
    with speaking(transport, servers, "2099-01-01") as ask:
        error = ask(look_up("2099-01-01", FAILED))["error"]

    assert error["data"] == {"supported": [NEWEST], "requested": "2099-01-01"}


def test_a_header_that_names_an_unknown_revision_is_refused(servers: Servers) -> None:
    with httpx2.Client() as http:
        answer = http.post(
            f"{servers.origin}/mcp",
            headers=ACCEPT | {"mcp-protocol-version": "1999-01-01"},
            json={"jsonrpc": "2.0", "id": 1, **request("tools/list", "2025-11-25")},
        )

    assert answer.status_code == 400


@pytest.mark.parametrize(("mode", "spoken"), [("legacy", HANDSHAKE[-1]), ("auto", NEWEST), (NEWEST, NEWEST)])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_client_of_the_sdk_speaks_it_in_each_mode(
    servers: Servers, transport: str, mode: str, spoken: str
) -> None:
    over: dict[str, Any] = {
        "stdio": StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], "--sandbox"]),
        "sse": sse_client(f"{servers.origin}/sse"),
        "http": streamable_http_client(f"{servers.origin}/mcp"),
    }
    async with Client(over[transport], mode=mode) as client:
        assert client.protocol_version == spoken
        names = [tool.name for tool in (await client.list_tools()).tools]
        one = await client.call_tool("get_headshot_task", {"id": FAILED})
        many = await client.call_tool("get_headshot_tasks", {"ids": [FAILED, UNKNOWN]})

    assert names == TOOLS
    assert known(one.structured_content or {}) == FAILURE
    assert f"{UNKNOWN} processing" in text_of(many)
