"""What a host sees of the tools: their contract, their answers, their refusals."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from mcp import MCPError
from mcp.client import Client
from mcp_types import INVALID_PARAMS, TextResourceContents
from starlette.responses import JSONResponse

from headshots_mcp.api.client import HeadshotsClient
from headshots_mcp.api.requests import RetrieveTask, RetrieveTasks
from headshots_mcp.lookup.reader import Reader
from headshots_mcp.sandbox.app import FAILED, GALLERY, LIVING, SUCCEEDED, UNKNOWN
from headshots_mcp.server.tools import create_server
from tests.conftest import CDN, REPOSITORY, connected, documented, text_of
from tests.faults import misbehave

if TYPE_CHECKING:
    from mcp_types import CallToolResult, Tool

    from tests.conftest import Served

TRACE = "trace id 0b7bb1b6-4c1c-4d0a-8e35-5a86c1f2d7e9"
NO_FACE = "“No face was found in the photo.”"
PICTURE = f"{CDN}/headshots/{SUCCEEDED}.png"


async def tools_of(client: Client) -> dict[str, Tool]:
    return {tool.name: tool for tool in (await client.list_tools()).tools}


async def test_the_input_schemas_are_the_bodies_of_the_api(served: Served) -> None:
    async with connected(served.base_url) as client:
        tools = await tools_of(client)

    assert tools["get_headshot_task"].input_schema == RetrieveTask.model_json_schema()
    assert tools["get_headshot_tasks"].input_schema == RetrieveTasks.model_json_schema()


async def test_what_a_model_reads_of_a_tool_says_enough_and_no_more(served: Served) -> None:
    async with connected(served.base_url) as client:
        tools = await tools_of(client)

    assert all(200 <= len(tool.description or "") <= 500 for tool in tools.values())


async def test_the_documented_success_is_answered_in_both_forms(served: Served) -> None:
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED, "action": "retrieve"})

    assert result.structured_content == {
        "id": SUCCEEDED,
        "status": "succeeded",
        "image_urls": [PICTURE],
        "template": "male_portrait",
    }
    assert text_of(result) == f"{SUCCEEDED} succeeded (male_portrait)\n{PICTURE}"


async def test_the_documented_batch_is_answered_in_both_forms(served: Served) -> None:
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_tasks", {"ids": [SUCCEEDED, UNKNOWN], "action": "retrieve_batch"})

    assert result.structured_content == {
        "summary": "1 of 2 succeeded, 1 not finished",
        "next_step": stuck("1", result),
        "tasks": [
            {"id": SUCCEEDED, "status": "succeeded", "image_urls": [PICTURE], "template": "male_portrait"},
            {
                "id": UNKNOWN,
                "status": "processing",
                "image_urls": [],
                "template": "male_portrait",
                "created_at": "2024-11-03T12:28:02Z",
            },
        ],
    }
    assert text_of(result).splitlines() == [
        f"1 of 2 succeeded, 1 not finished. {stuck('1', result)}",
        "",
        f"{SUCCEEDED} succeeded (male_portrait)",
        PICTURE,
        f"{UNKNOWN} processing (male_portrait): created 2024-11-03T12:28:02Z",
    ]


def stuck(which: str, result: CallToolResult) -> str:
    """What is said of one task that has been running for years, with the days as they are."""
    days = re.search(r"\d+ days", text_of(result))
    return f"{which} has been running for {days and days[0]} and is probably stuck: tell the user, don't wait."


@pytest.mark.parametrize(
    ("task_id", "text"),
    [
        (LIVING, f"{LIVING} pending (business_photo): created TIME\nNot finished: call wait_for_headshot_tasks."),
        (
            FAILED,
            "\n".join(
                [
                    f"{FAILED} failed (wedding): {NO_FACE} (face_not_found, {TRACE}, created TIME)",
                    "Failed: tell the user why; this server can't start a new generation.",
                ]
            ),
        ),
        ("none", "none not_found\nNot found: check the id; new tasks can take a few seconds to appear."),
        (
            GALLERY,
            "\n".join(
                [
                    f"{GALLERY} succeeded (female_portrait)",
                    *(f"{CDN}/headshots/gallery-{n}.png" for n in range(1, 5)),
                ]
            ),
        ),
    ],
)
async def test_the_text_of_each_state_is_enough_alone(served: Served, task_id: str, text: str) -> None:
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_task", {"id": task_id})

    assert re.sub(r"created \S+Z", "created TIME", text_of(result)) == text


async def test_a_failed_task_without_words_is_still_a_failed_task(served: Served) -> None:
    served.sandbox.script("t", [JSONResponse({"id": "t", "response": {"success": False}})])
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_task", {"id": "t"})

    assert text_of(result).splitlines()[0] == "t failed"


async def test_every_structured_answer_obeys_its_published_schema(served: Served) -> None:
    ids = [SUCCEEDED, UNKNOWN, LIVING, GALLERY, FAILED, "none"]
    async with connected(served.base_url) as client:
        tools = await tools_of(client)
        answers = [("get_headshot_task", await client.call_tool("get_headshot_task", {"id": id_})) for id_ in ids]
        answers.append(("get_headshot_tasks", await client.call_tool("get_headshot_tasks", {"ids": ids})))

    for name, answer in answers:
        jsonschema.validate(answer.structured_content, tools[name].output_schema or False)


async def test_nothing_private_to_the_account_reaches_the_model(served: Served) -> None:
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_tasks", {"ids": [SUCCEEDED, UNKNOWN, FAILED]})

    for private in ("67276ab6", "53bcc3f7", "1af53f80", "3c253880", "ad7afe47", "webhook.site", "zhishuyun"):
        assert private not in result.model_dump_json()


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        pytest.param({"id": f" {SUCCEEDED}\r\n"}, SUCCEEDED, id="blanks around it are cut"),
        pytest.param({"id": SUCCEEDED, "action": None}, SUCCEEDED, id="null counts as left out"),
        pytest.param({"id": "證件照 1"}, "證件照 1", id="any printable text is an id"),
        pytest.param({"id": " " + "x" * 128}, "x" * 128, id="128 characters without the blanks"),
    ],
)
async def test_an_id_is_taken_as_people_paste_it(served: Served, arguments: dict[str, Any], asked: str) -> None:
    async with connected(served.base_url) as client:
        await client.call_tool("get_headshot_task", arguments)

    assert served.bodies == [{"id": asked, "action": "retrieve"}]


async def test_a_list_sent_as_a_json_string_is_still_a_list(served: Served) -> None:
    async with connected(served.base_url) as client:
        await client.call_tool("get_headshot_tasks", {"ids": '["a","b"]'})

    assert served.bodies == [{"ids": ["a", "b"], "action": "retrieve_batch"}]


UNPRINTABLE = "must not contain control or invisible characters"
REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("get_headshot_task", {}, "id: is missing; pass one task id, and ask the user for it if need be"),
    ("get_headshot_task", {"id": ""}, "id: must not be empty"),
    ("get_headshot_task", {"id": " \n\t"}, "id: must not be empty"),
    ("get_headshot_task", {"id": "x" * 10_000}, "id: must be at most 128 characters long"),
    ("get_headshot_task", {"id": "a\x00b"}, f"id: {UNPRINTABLE}"),
    ("get_headshot_task", {"id": "a\r\nHost: b"}, f"id: {UNPRINTABLE}"),
    ("get_headshot_task", {"id": "a\u202eb"}, f"id: {UNPRINTABLE}"),
    ("get_headshot_task", {"id": "\ud800"}, "id: must not contain lone surrogates"),
    ("get_headshot_task", {"id": 5}, "id: must be a string"),
    ("get_headshot_task", {"id": None}, "id: must be a string"),
    ("get_headshot_task", {"id": True}, "id: must be a string"),
    ("get_headshot_task", {"id": ["a"]}, "id: must be a string"),
    ("get_headshot_task", {"id": {"id": "a"}}, "id: must be a string"),
    ("get_headshot_task", {"id": "a", "action": "delete"}, "action: must be 'retrieve'"),
    ("get_headshot_task", {"id": "a", "ids": ["b"]}, "unknown argument `ids`; did you mean get_headshot_tasks?"),
    ("get_headshot_task", {"taskIds": ["b"]}, "unknown argument `taskIds`; did you mean get_headshot_tasks?"),
    ("get_headshot_task", {"ID": "a"}, "unknown argument `ID`; did you mean id?"),
    ("get_headshot_task", {"task_id": "a"}, "unknown argument `task_id`; did you mean id?"),
    ("get_headshot_task", {"id": "a", "url": "b"}, "unknown argument `url`; this tool takes id and action"),
    ("get_headshot_task", {"id": "a", "evil\nfield": 1}, "unknown argument; this tool takes id and action"),
    ("get_headshot_task", {"id": "a", "\ud800": 1}, "unknown argument; this tool takes id and action"),
    ("get_headshot_task", {"id": "a", "b" * 500: 1}, "unknown argument; this tool takes id and action"),
    ("get_headshot_task", {"": 1, "id": "a"}, "unknown argument; this tool takes id and action"),
    ("get_headshot_tasks", {"id": "a"}, "unknown argument `id`; did you mean ids?"),
    ("get_headshot_tasks", {}, "ids: is missing; pass a list of task ids, and ask the user for them if need be"),
    ("get_headshot_tasks", {"ids": ["", "", ""]}, "ids.0: must not be empty (also wrong: ids.1, ids.2)"),
    ("get_headshot_tasks", {"ids": [""] * 9}, "ids.0: must not be empty (also wrong: ids.1, ids.2, ids.3 and 5 more)"),
    ("get_headshot_tasks", {"ids": []}, "ids: must name at least one task id"),
    ("get_headshot_tasks", {"ids": [str(n) for n in range(1001)]}, "ids: must name at most 1,000 task ids"),
    ("get_headshot_tasks", {"ids": ["a", "", "b"]}, "ids.1: must not be empty"),
    ("get_headshot_tasks", {"ids": ["a", 7, None]}, "ids.1: must be a string (also wrong: ids.2)"),
    ("get_headshot_tasks", {"ids": "a,b"}, "ids: must be a list of task ids"),
    ("get_headshot_tasks", {"ids": '"a"'}, "ids: must be a list of task ids"),
    ("get_headshot_tasks", {"ids": '{"a": 1}'}, "ids: must be a list of task ids"),
    ("get_headshot_tasks", {"ids": '["a", ""]'}, "ids.1: must not be empty"),
    ("get_headshot_tasks", {"ids": None}, "ids: must be a list of task ids"),
    ("get_headshot_tasks", {"ids": {"0": "a"}}, "ids: must be a list of task ids"),
    ("wait_for_headshot_tasks", {"ids": []}, "ids: must name at least one task id"),
    ("wait_for_headshot_tasks", {"ids": ["a"], "timeout_seconds": 0}, "timeout_seconds: must be at least 1"),
    ("wait_for_headshot_tasks", {"ids": ["a"], "timeout_seconds": 301}, "timeout_seconds: must be at most 300"),
    ("wait_for_headshot_tasks", {"ids": ["a"], "timeout_seconds": "soon"}, "timeout_seconds: must be a number"),
    ("wait_for_headshot_tasks", {"ids": ["a"], "timeout_seconds": []}, "timeout_seconds: must be a number"),
    ("wait_for_headshot_tasks", {"ids": ["a"], "action": "wait"}, "unknown argument `action`; this tool takes"),
    (
        "wait_for_headshot_tasks",
        {"ids": ["a"], "timeout": 9},
        "unknown argument `timeout`; did you mean timeout_seconds",
    ),
    ("get_headshot_tasks", {"ids": ["a"], "action": "retrieve"}, "action: must be 'retrieve_batch'"),
]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_bad_input_is_answered_by_one_line_that_names_the_field(served: Served, mode: str) -> None:
    async with connected(served.base_url, mode=mode) as client:
        for tool, arguments, line in REFUSALS:
            result = await client.call_tool(tool, arguments)
            assert result.is_error, arguments
            assert text_of(result).startswith(line), arguments
            assert "\n" not in text_of(result)
            assert len(text_of(result)) < 160
        good = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert not good.is_error
    assert len(served.bodies) == 1


@pytest.mark.parametrize(
    "added",
    [
        pytest.param({"toolCallId": "call_1"}, id="n8n"),
        pytest.param({"sessionId": "1", "action": "sendMessage", "chatInput": "Hi", "toolCallId": "1"}, id="n8n chat"),
        pytest.param({"tool": {"name": "x"}}, id="n8n agent"),
        pytest.param({"_sessionID": "1"}, id="SiYuan"),
        pytest.param({"_meta": {}, "__internal": None}, id="underscores"),
        pytest.param({"task_progress": "- [x] Look up"}, id="Cline"),
        pytest.param({"wait_for_previous": True}, id="Gemini CLI"),
    ],
)
async def test_what_a_host_adds_by_itself_is_dropped(served: Served, added: dict[str, Any]) -> None:
    async with connected(served.base_url) as client:
        one = await client.call_tool("get_headshot_task", {"id": SUCCEEDED, **added})
        many = await client.call_tool("wait_for_headshot_tasks", {"ids": [SUCCEEDED], **added})

    assert (one.is_error, many.is_error) == (False, False)
    assert served.bodies == [{"id": SUCCEEDED, "action": "retrieve"}]


URI = "headshots://tasks/"


async def test_the_whole_record_is_a_resource(served: Served) -> None:
    async with connected(served.base_url) as client:
        template, *_ = (await client.list_resource_templates()).resource_templates
        (contents,) = (await client.read_resource(URI + SUCCEEDED)).contents

    assert (template.uri_template, template.mime_type) == (URI + "{id}", "application/json")
    assert isinstance(contents, TextResourceContents)
    assert (contents.uri, contents.mime_type) == (URI + SUCCEEDED, "application/json")
    assert json.loads(contents.text) == documented("single")


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        (URI + "none", -32602),
        (URI + "fault-null", -32602),
        (URI, -32602),
        (URI + "%20", -32602),
        (URI + "a%0Ab", -32602),
        (URI + "x" * 129, -32602),
        (URI + "a/b", -32602),
        (URI + "..%2F..%2Fetc%2Fpasswd", -32602),
        ("headshots://elsewhere/a", -32602),
        (URI + "fault-401", -32603),
        (URI + "fault-html", -32603),
    ],
)
async def test_a_record_there_is_not_is_an_error_with_its_uri(served: Served, uri: str, code: int) -> None:
    misbehave(served.sandbox)
    async with connected(served.base_url) as client:
        with pytest.raises(MCPError) as error:
            await client.read_resource(uri)

    assert error.value.error.code == code
    assert error.value.error.data == {"uri": uri}
    assert "\n" not in error.value.error.message


async def test_a_crash_of_our_own_shows_nothing_of_its_inside(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    async with HeadshotsClient(served.base_url) as upstream:
        server = create_server(Reader(upstream), lambda _headers: 1 / 0)  # type: ignore[arg-type, return-value]
        async with Client(server) as client:
            result = await client.call_tool("get_headshot_task", {"id": "t"})

    assert text_of(result) == "Error executing tool get_headshot_task"


async def test_lists_and_the_page_may_be_kept_for_an_hour_and_a_record_may_not(served: Served) -> None:
    async with connected(served.base_url) as client:
        lists: list[Any] = [
            await client.list_tools(),
            await client.list_resources(),
            await client.list_resource_templates(),
            await client.read_resource("ui://headshots/gallery.html"),
        ]
        record = await client.read_resource(URI + SUCCEEDED)

    assert {(each.ttl_ms, each.cache_scope) for each in lists} == {(3_600_000, "public")}
    assert (record.ttl_ms, record.cache_scope) == (0, "private")


async def test_hosts_see_one_icon_which_the_registry_entry_names_too(served: Served) -> None:
    registered = json.loads((REPOSITORY / "server.json").read_bytes())["icons"]
    async with connected(served.base_url) as client:
        assert client.server_info is not None
        shown = [
            client.server_info.icons,
            *(tool.icons for tool in (await client.list_tools()).tools),
            *(resource.icons for resource in (await client.list_resources()).resources),
            *(template.icons for template in (await client.list_resource_templates()).resource_templates),
        ]

    assert len(shown) == 7
    for icons in shown:
        (icon,) = icons or []
        assert icon.model_dump(by_alias=True, exclude_none=True) in registered


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_no_prompts_are_announced_and_a_host_that_asks_all_the_same_gets_none(served: Served, mode: str) -> None:
    async with connected(served.base_url, mode=mode) as client:
        assert client.server_capabilities is not None
        assert client.server_capabilities.prompts is None
        assert (await client.list_prompts()).prompts == []


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_prompt_nobody_has_is_a_wrong_parameter_and_leaves_no_traceback(
    served: Served, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(served.base_url, mode=mode) as client:
        with pytest.raises(MCPError) as refused:
            await client.get_prompt("a-secret-name")

    assert (refused.value.code, refused.value.message) == (INVALID_PARAMS, "Unknown prompt: this server has none.")
    assert not caplog.records
