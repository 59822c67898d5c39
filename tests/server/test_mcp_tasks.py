"""Headshot tasks as MCP Tasks: for clients that declare the extension, in the one revision that has it."""

from __future__ import annotations

import base64
import json
import time
import zlib
from base64 import urlsafe_b64encode
from itertools import count, repeat
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import httpx2
import pytest
from mcp.client import Client
from mcp.client.extension import ClientExtension
from mcp_types import HEADER_MISMATCH, Request, RequestParams, Result
from pydantic import ConfigDict, Field
from starlette.responses import JSONResponse

from headshots_mcp.sandbox.app import FAILED, SUCCEEDED, TOKEN, UNKNOWN, Sandbox
from headshots_mcp.sandbox.faults import error_answer
from headshots_mcp.server.mcp_tasks import MAX_ID_LENGTH
from headshots_mcp.server.tools import create_server
from tests.conftest import CDN, reading
from tests.server.http.test_http import JSON
from tests.servers import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTENSION = "io.modelcontextprotocol/tasks"
TOOL = "wait_for_headshot_tasks"
RUNNING = {"response": {"status": "processing"}}
CALLER = {"authorization": "Bearer sandbox-caller"}


def ask_modern(
    origin: str, method: str, params: dict[str, Any], *, declared: bool = True, headers: dict[str, str] = CALLER
) -> Any:
    """Send one request of the modern protocol, and return its result or its error."""
    version = "2026-07-28"
    capabilities: dict[str, Any] = {"extensions": {EXTENSION: {}}} if declared else {}
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    name = params.get("name") or params.get("taskId", "")
    routing = {"mcp-protocol-version": version, "mcp-method": method, "mcp-name": name}
    answer = httpx2.post(f"{origin}/mcp", json=body, headers={**JSON, **routing, **headers}, timeout=30)
    text = answer.text
    if answer.headers["content-type"].startswith("text/event-stream"):
        text = text.split("data: ", 1)[1].split("\n")[0]
    document = json.loads(text)
    return document.get("result") or document["error"]


class Served(NamedTuple):
    """A server process that shares no token, and the sandbox it asks."""

    sandbox: Sandbox
    server: Server

    def ask(self, method: str, params: dict[str, Any], **options: Any) -> Any:
        return ask_modern(self.server.origin, method, params, **options)

    def begin(self, *ids: str, **options: Any) -> Any:
        return self.ask("tools/call", {"name": TOOL, "arguments": {"ids": list(ids)}}, **options)

    def get(self, task_id: str, **options: Any) -> Any:
        return self.ask("tasks/get", {"taskId": task_id}, **options)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    sandbox = Sandbox(image_origin=CDN)
    flags = ("--transport", "http", "--host", "0.0.0.0", "--allowed-host", "mcp.example.com")
    with sandbox.serve() as base_url, serving(*flags, ACEDATACLOUD_API_BASE_URL=base_url) as server:
        yield Served(sandbox, server)


def running(served: Served, task_id: str) -> None:
    """Make a headshot task go on for ever."""
    served.sandbox.script(task_id, repeat(answer({"id": task_id, **RUNNING})))


def answer(*records: dict[str, Any]) -> JSONResponse:
    return JSONResponse({"items": records})


def test_the_extension_is_advertised(served: Served) -> None:
    assert served.ask("server/discover", {})["capabilities"]["extensions"][EXTENSION] == {}


def test_a_waiting_call_looks_once_and_becomes_a_task(served: Served) -> None:
    running(served, "endless")
    before = len(served.sandbox.requests)
    task = served.begin("endless")

    assert (task["resultType"], task["status"], task["statusMessage"]) == ("task", "working", "0 of 1 done.")
    assert (task["ttlMs"], task["pollIntervalMs"]) == (3_600_000, pytest.approx(2000, abs=1900))
    assert len(served.sandbox.requests) == before + 1


def test_what_a_host_adds_to_the_arguments_makes_no_difference(served: Served) -> None:
    task = served.ask("tools/call", {"name": TOOL, "arguments": {"ids": [UNKNOWN], "_sessionID": "1"}})

    assert task["resultType"] == "task"


def test_what_has_ended_already_is_answered_without_a_task(served: Served) -> None:
    found = served.begin(SUCCEEDED, FAILED)

    assert (found["resultType"], found["isError"]) == ("complete", False)
    assert [task["status"] for task in found["structuredContent"]["tasks"]] == ["succeeded", "failed"]
    assert "taskId" not in found


def test_a_task_that_ends_later_has_its_result_inlined(served: Served) -> None:
    record = {"id": "t", "response": {"success": True, "data": [{"image_url": f"{CDN}/t.png"}]}}
    served.sandbox.script("t", [answer({"id": "t", **RUNNING}), answer(record)])
    task = served.begin("t")
    found = served.get(task["taskId"], headers={"authorization": "Bearer sandbox-another"})

    assert (found["resultType"], found["status"], found["taskId"]) == ("complete", "completed", task["taskId"])
    assert (found["createdAt"], found["ttlMs"]) == (task["createdAt"], task["ttlMs"])
    assert found["result"]["structuredContent"]["tasks"][0]["image_urls"] == [f"{CDN}/t.png"]
    assert found["result"]["content"][0]["text"] == f"t succeeded\n{CDN}/t.png"


def test_several_tasks_are_one_task_that_ends_with_the_last(served: Served) -> None:
    task = served.begin(SUCCEEDED, UNKNOWN, FAILED, SUCCEEDED)
    found = served.get(task["taskId"])

    assert task["statusMessage"] == "2 of 3 done."
    assert (found["status"], found["statusMessage"]) == ("working", "2 of 3 done.")
    assert "result" not in found


@pytest.mark.parametrize(("given", "milliseconds"), [(None, 3_600_000), (300, 300_000), ("7.5", 7500)])
def test_the_limit_of_the_call_is_the_limit_of_its_task(served: Served, given: Any, milliseconds: int) -> None:
    arguments = {"ids": [UNKNOWN], "timeout_seconds": given}
    task = served.ask("tools/call", {"name": TOOL, "arguments": arguments})

    assert task["ttlMs"] == milliseconds
    assert served.get(task["taskId"])["ttlMs"] == milliseconds


def test_at_its_limit_a_task_is_completed_with_what_is_known_and_what_to_do(served: Served) -> None:
    running(served, "endless")
    found = served.get(made("endless", ago=3600))

    assert found["status"] == "completed"
    assert found["result"]["structuredContent"]["tasks"][0]["status"] == "processing"
    assert found["result"]["structuredContent"]["next_step"] == (
        "It has been running for 1 hour and is probably stuck: tell the user, don't wait."
    )


@pytest.mark.parametrize("ago", [3601, 86_400, 10 * 365 * 86_400])
def test_a_task_past_its_time_is_still_answered(served: Served, ago: float) -> None:
    found = served.get(made(SUCCEEDED, ago=ago))

    assert (found["status"], found["result"]["isError"]) == ("completed", False)


def test_the_older_a_task_the_more_seldom_it_is_to_be_asked_for(served: Served) -> None:
    running(served, "endless")
    pauses = [served.get(made("endless", ago=ago))["pollIntervalMs"] for ago in (0, 8, 100, 1000, 3000)]

    assert pauses == pytest.approx([2000, 6000, 8000, 25_000, 75_000], rel=0.1, abs=1900)
    assert served.get(made("endless", ago=3590))["pollIntervalMs"] == pytest.approx(10_000, rel=0.2)


@pytest.mark.parametrize("ahead", [60, 600])
def test_a_replica_whose_clock_is_behind_takes_a_task_for_new(served: Served, ahead: float) -> None:
    running(served, "endless")
    found = served.get(made("endless", ago=-ahead))

    assert (found["status"], found["pollIntervalMs"]) == ("working", pytest.approx(2000, abs=1900))
    assert found["lastUpdatedAt"] == found["createdAt"]


def test_any_replica_can_answer_with_one_lookup_and_the_token_of_the_call(served: Served) -> None:
    task_id = made(SUCCEEDED, ago=1)
    with Sandbox(image_origin=CDN).serve() as base_url:
        flags = ("--transport", "http", "--host", "0.0.0.0", "--allowed-host", "mcp.example.com")
        with serving(*flags, ACEDATACLOUD_API_BASE_URL=base_url) as server:
            replica = Served(served.sandbox, server)
            found = replica.get(task_id, headers={"authorization": "Bearer sandbox-another"})
            stranger = replica.get(task_id, headers={"authorization": "Bearer stranger"})
            nobody = replica.get(task_id, headers={})

    assert found["status"] == "completed"
    assert found["result"]["isError"] is False
    for refused, words in ((stranger, "The API rejected the token"), (nobody, "No API token was sent")):
        assert (refused["status"], refused["result"]["isError"]) == ("completed", True)
        assert refused["result"]["content"][0]["text"].startswith(words)


def test_an_api_that_is_down_leaves_the_task_working_until_its_limit(served: Served) -> None:
    served.sandbox.script("down", (error_answer(503) for _ in count()))
    task = served.begin("down")
    found, at_its_limit = served.get(task["taskId"]), served.get(made("down", ago=3600))

    assert (task["status"], found["status"]) == ("working", "working")
    assert found["statusMessage"].startswith("0 of 1 done. The API")
    assert (at_its_limit["status"], at_its_limit["result"]["isError"]) == ("completed", True)


def test_a_limit_that_lasts_longer_than_the_task_ends_it(served: Served) -> None:
    served.sandbox.script("busy", (error_answer(429, retry_after="3600") for _ in count()))
    found = served.get(made("busy", ago=60))

    assert (found["status"], found["result"]["isError"]) == ("completed", True)
    assert "in 1 hour." in found["result"]["content"][0]["text"]


def test_a_limit_that_ends_in_time_is_waited_for(served: Served) -> None:
    served.sandbox.script("busy for a minute", (error_answer(429, retry_after="60") for _ in count()))

    assert served.get(made("busy for a minute", ago=0))["pollIntervalMs"] == pytest.approx(60_000, rel=0.1)


def test_a_client_that_polls_too_fast_costs_one_look_a_second(served: Served) -> None:
    """As FastMCP's client does at first."""
    running(served, "impatient")
    task_id = made("impatient", ago=1)
    before = len(served.sandbox.requests)
    found = [served.get(task_id) for _ in range(10)]

    assert {each["status"] for each in found} == {"working"}
    assert len(served.sandbox.requests) - before <= 3


def test_an_unknown_id_is_given_a_short_grace(served: Served) -> None:
    found = served.get(served.begin("none")["taskId"])
    later = served.get(made("none", ago=10))

    assert (found["status"], found["statusMessage"]) == ("working", "0 of 1 done.")
    assert (later["status"], later["result"]["structuredContent"]["tasks"][0]["status"]) == ("completed", "not_found")


def test_cancelling_is_acknowledged_and_changes_nothing_upstream(served: Served) -> None:
    """A generation cannot be cancelled, so the task keeps reporting its real state."""
    task_id = served.begin(UNKNOWN)["taskId"]
    before = len(served.sandbox.requests)

    assert served.ask("tasks/cancel", {"taskId": task_id})["resultType"] == "complete"
    assert served.ask("tasks/update", {"taskId": task_id, "inputResponses": {}})["resultType"] == "complete"
    assert len(served.sandbox.requests) == before
    assert served.get(task_id)["status"] == "working"


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel", "tasks/update"])
@pytest.mark.parametrize(
    "task_id",
    ["", "none", SUCCEEDED, "headshots.", "headshots.AAAA", "headshots.eNqLjgUAARUAuQ", "headshots.ä", "headshots.%00"],
)
def test_a_task_of_somebody_else_is_a_wrong_parameter(served: Served, method: str, task_id: str) -> None:
    error = served.ask(
        method, {"taskId": task_id, "inputResponses": {}}, headers=CALLER | {"mcp-name": encoded(task_id)}
    )

    assert error["code"] == -32602


def packed(text: str, level: int = 9) -> str:
    return "headshots." + urlsafe_b64encode(zlib.compress(text.encode(), level)).decode().rstrip("=")


def made(*ids: str, ago: float, seconds: float = 3600) -> str:
    """The id of an MCP task that was made so many seconds ago."""
    created = round((time.time() - ago) * 1000)
    return packed(json.dumps([created, round(seconds * 1000), *ids], separators=(",", ":")))


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel"])
@pytest.mark.parametrize(
    "text",
    [
        '[Infinity,1,"a"]',
        '[1,Infinity,"a"]',
        '[1000000000000000000000000000000,1,"a"]',
        '[99999999999999,1,"a"]',
        '[-1,1,"a"]',
        '[1,0,"a"]',
        '[1,-1,"a"]',
        '[1,3600001,"a"]',
        '[true,1,"a"]',
        '[1,true,"a"]',
        '[1.5,1,"a"]',
        '[1, 1,"a"]',
        '[1,"a"]',
        "[1,1]",
        "[1]",
        "[]",
        '[1,1,""]',
        '{"1":"a"}',
        pytest.param('[1,1,"a"' + " " * 10_000_000 + "]", id="a bomb"),
    ],
)
def test_a_task_that_was_tampered_with_is_a_wrong_parameter(served: Served, method: str, text: str) -> None:
    assert served.ask(method, {"taskId": packed(text)})["code"] == -32602


def test_a_replica_that_packs_otherwise_makes_ids_as_good(served: Served) -> None:
    assert served.get(packed(f'[1,1,"{SUCCEEDED}"]', level=1))["status"] == "completed"


def test_a_part_that_is_refused_ends_the_task_and_says_why(served: Served) -> None:
    served.get(made(SUCCEEDED, ago=1))
    served.sandbox.script("refused", (error_answer(401) for _ in count()))
    found = served.get(made(SUCCEEDED, "refused", ago=1))

    assert found["status"] == "completed"
    assert [task["status"] for task in found["result"]["structuredContent"]["tasks"]] == ["succeeded", "unavailable"]


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel", "tasks/update"])
def test_a_client_that_did_not_declare_the_extension_is_told_to(served: Served, method: str) -> None:
    error = served.ask(method, {"taskId": made(SUCCEEDED, ago=1)}, declared=False)

    assert error["code"] == -32021
    assert error["data"] == {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}


def test_a_client_that_did_not_declare_the_extension_simply_waits(served: Served) -> None:
    result = served.begin(SUCCEEDED, declared=False)

    assert result["resultType"] == "complete"
    assert result["structuredContent"]["tasks"][0]["status"] == "succeeded"


def test_a_client_of_an_older_revision_sees_no_difference(served: Served) -> None:
    meta: dict[str, Any] = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}}}
    params = {"name": TOOL, "arguments": {"ids": [SUCCEEDED]}, "_meta": meta}
    answers = {}
    for method, parameters in (("tools/call", params), ("tasks/get", {"taskId": "none"})):
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        headers = {**JSON, **CALLER, "mcp-protocol-version": "2025-11-25"}
        answers[method] = httpx2.post(f"{served.server.origin}/mcp", json=body, headers=headers).text

    assert '"structuredContent"' in answers["tools/call"]
    assert '"resultType":"task"' not in answers["tools/call"]
    assert "-32601" in answers["tasks/get"]


def test_the_other_tools_are_never_tasks(served: Served) -> None:
    result = served.ask("tools/call", {"name": "get_headshot_task", "arguments": {"id": SUCCEEDED}})

    assert result["resultType"] == "complete"


def test_wrong_arguments_are_explained_by_the_tool(served: Served) -> None:
    result = served.begin("")

    assert (result["isError"], result["content"][0]["text"]) == (True, "ids.0: must not be empty")


def test_more_ids_than_a_header_can_carry_are_waited_for_in_the_call(served: Served) -> None:
    ids = [f"{number:032x}" for number in range(10**36, 10**36 + 300 * 7919**3, 7919**3)]
    few = served.begin(*ids[:40])
    arguments = {"ids": [*ids, SUCCEEDED], "timeout_seconds": 1}
    many = served.ask("tools/call", {"name": TOOL, "arguments": arguments})

    assert (few["resultType"], len(few["taskId"]) < MAX_ID_LENGTH) == ("task", True)
    assert (many["resultType"], len(many["structuredContent"]["tasks"])) == ("complete", 301)


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel", "tasks/update"])
def test_a_header_that_names_another_task_is_refused(served: Served, method: str) -> None:
    task_id = served.begin(UNKNOWN)["taskId"]
    error = served.ask(method, {"taskId": task_id}, headers=CALLER | {"mcp-name": "another"})

    assert error["code"] == HEADER_MISMATCH
    agreed = served.ask(method, {"taskId": task_id}, headers=CALLER | {"mcp-name": encoded(task_id)})
    assert agreed["resultType"] == "complete"


def encoded(value: str) -> str:
    """A header's value as SEP-2243 lets a client write it."""
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


class Declares(ClientExtension):
    """A client that knows of MCP Tasks."""

    identifier = EXTENSION


class TaskParams(RequestParams):
    task_id: str = Field(serialization_alias="taskId")


class GetTask(Request[TaskParams, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"


class Found(Result):
    """What `tasks/get` answers, as far as these tests need it."""

    model_config = ConfigDict(extra="allow")
    status: str
    status_message: str | None = Field(default=None, alias="statusMessage")
    result: dict[str, Any] | None = None


@pytest.mark.usefixtures("movable_clock")
@pytest.mark.parametrize(
    ("ids", "status", "words"),
    [
        ([SUCCEEDED, FAILED], "completed", "1 of 2 succeeded, 1 failed. "),
        ([SUCCEEDED, UNKNOWN], "working", "1 of 2 done."),
        (["none"], "completed", "Not found: check the id"),
        (["fault-503"], "working", "0 of 1 done. The API is temp"),
        (["fault-401"], "completed", "The API rejected the token"),
        ([*(f"t{number}" for number in range(49)), "fault-503", "none"], "working", "1 of 51 done. The API is"),
        (
            [*(f"t{number}" for number in range(49)), "fault-401", "none"],
            "completed",
            "0 of 51 succeeded, 1 not found, 50",
        ),
    ],
)
async def test_one_look_tells_how_the_task_is(ids: list[str], status: str, words: str) -> None:
    """The same in one process; these tasks were begun a minute ago, so no unknown id is in its grace."""
    task_id = made(*ids, ago=60)
    async with reading(Sandbox()) as reader:
        server = create_server(reader, lambda _headers: TOKEN)
        async with Client(server, extensions=[Declares()]) as client:
            found = await client.session.send_request(GetTask(params=TaskParams(task_id=task_id)), Found)

    said = found.status_message or (found.result or {})["content"][0]["text"]
    assert found.status == status
    assert said.startswith(words)
