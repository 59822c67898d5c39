"""Pictures for hosts that show none: the tool that saves them, and each one as a resource."""

from __future__ import annotations

import base64
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from itertools import repeat
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import jsonschema
import pytest
from mcp import MCPError
from mcp_types import INVALID_PARAMS, BlobResourceContents, ResourceLink
from starlette.responses import JSONResponse

from headshots_mcp.lookup.saving import OUT_OF_TIME
from headshots_mcp.sandbox.app import FAILED, GALLERY, SUCCEEDED, TOKEN, UNKNOWN, Sandbox
from headshots_mcp.sandbox.portraits import portrait
from headshots_mcp.server.resources import MAX_RESOURCE_BYTES, PICTURES_AT_ONCE, ROOM_SECONDS
from headshots_mcp.server.saving import SAVE_SECONDS
from tests.conftest import connected, text_of
from tests.lookup.picture_site import PNG, file_names, picture_site
from tests.server.http.test_http import connect
from tests.servers import NEW, post, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from mcp.client import Client
    from starlette.types import Receive, Scope, Send

    from tests.conftest import Served
    from tests.lookup.picture_site import PictureSite


@asynccontextmanager
async def offering(save_dir: Path | None = None) -> AsyncIterator[Client]:
    """A client of a server that asks the sandbox, and may fetch its pictures."""
    with Sandbox().serve() as origin:
        async with connected(origin, image_hosts=[origin], save_dir=save_dir) as client:
            yield client


@pytest.fixture(scope="module")
def site() -> Iterator[PictureSite]:
    with picture_site() as site:
        yield site


async def save(client: Client, *ids: str, **kwargs: Any) -> Any:
    return await client.call_tool("save_headshots", {"ids": list(ids)}, **kwargs)


async def test_the_tool_is_there_only_with_a_folder_and_says_that_it_writes(tmp_path: Path) -> None:
    async with offering() as without, offering(tmp_path) as with_folder:
        fewer = (await without.list_tools()).tools
        more = (await with_folder.list_tools()).tools

    *same, added = more
    assert [tool.model_dump() for tool in same] == [tool.model_dump() for tool in fewer]
    assert added.name == "save_headshots"
    assert added.annotations is not None
    assert added.annotations.model_dump(exclude_none=True) == {
        "read_only_hint": False,
        "destructive_hint": False,
        "idempotent_hint": True,
        "open_world_hint": True,
    }


async def test_pictures_are_saved_and_said_where_with_a_link_to_each(tmp_path: Path) -> None:
    async with offering(tmp_path) as client:
        schema = (await client.list_tools()).tools[-1].output_schema
        result = await save(client, GALLERY)

    paths = [tmp_path / f"{GALLERY}-{n}.png" for n in range(1, 5)]
    sizes = [len(portrait(f"gallery-{n}")) for n in range(1, 5)]
    assert [path.read_bytes() for path in paths] == [portrait(f"gallery-{n}") for n in range(1, 5)]
    assert text_of(result).splitlines() == [
        "4 of 4 pictures saved.",
        *(f"{path} (image/png, {size:,} bytes)" for path, size in zip(paths, sizes, strict=True)),
    ]
    assert result.structured_content["pictures"][0] == {
        "id": GALLERY,
        "number": 1,
        "path": str(paths[0]),
        "bytes": sizes[0],
        "type": "image/png",
    }
    links = [block for block in result.content if isinstance(block, ResourceLink)]
    assert [(link.uri, link.name, link.size) for link in links] == [
        (path.as_uri(), path.name, size) for path, size in zip(paths, sizes, strict=True)
    ]
    assert schema is not None
    jsonschema.validate(result.structured_content, schema)


async def test_progress_is_reported_picture_by_picture(tmp_path: Path) -> None:
    reports: list[tuple[float, float | None, str | None]] = []

    async def report(*progress: Any) -> None:
        reports.append(progress)

    async with offering(tmp_path) as client:
        await save(client, GALLERY, progress_callback=report)

    assert reports == [(n, 4, f"{n} of 4 pictures done") for n in range(1, 5)]


async def test_a_reason_is_given_for_each_task_without_pictures(tmp_path: Path) -> None:
    async with offering(tmp_path) as client:
        result = await save(client, UNKNOWN, FAILED, "none", SUCCEEDED)

    assert [(one["id"], one.get("reason")) for one in result.structured_content["pictures"]] == [
        (UNKNOWN, "This task is not finished yet."),
        (FAILED, "This task failed."),
        ("none", "The API does not know this task id. Check it."),
        (SUCCEEDED, None),
    ]
    assert text_of(result).startswith("1 of 1 pictures saved.\n")


async def test_a_task_that_could_not_be_looked_up_says_why(tmp_path: Path) -> None:
    sandbox = Sandbox()
    refused = {"id": "t", "success": False, "error": {"code": "used_up"}, "trace_id": "trace"}
    sandbox.script("t", [JSONResponse({"items": [refused]})])
    with sandbox.serve() as origin:
        async with connected(origin, save_dir=tmp_path) as client:
            result = await save(client, "t", "none")

    told, _ = result.structured_content["pictures"]
    assert text_of(result).startswith("There are no pictures to save.\n")
    assert told["reason"].endswith("(HTTP 200, code used_up, trace id trace)")


async def test_what_stands_in_the_way_of_every_task_is_an_error_as_of_the_other_tools(tmp_path: Path) -> None:
    async with offering(tmp_path) as client:
        result = await save(client, "fault-403")

    assert result.is_error
    assert text_of(result).endswith("(HTTP 403, code used_up, trace id 2cf86e86-22a4-46e1-ac2f-032c0f2a4e89)")


class Late(JSONResponse):
    """An answer that comes when most of the time for a call is over."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(SAVE_SECONDS)
        await super().__call__(scope, receive, send)


@pytest.mark.usefixtures("movable_clock")
async def test_a_call_ends_in_time_however_long_looking_up_took(tmp_path: Path) -> None:
    sandbox = Sandbox()
    sandbox.script("t", [Late({"items": [{"id": "t", "response": {"data": [{"image_url": "https://x.invalid/1"}]}}]})])
    async with connected(sandbox, save_dir=tmp_path, within=2 * SAVE_SECONDS) as client:
        result = await save(client, "t")

    assert text_of(result).splitlines() == ["0 of 1 pictures saved.", f"t, picture 1 not saved: {OUT_OF_TIME}"]


async def test_what_is_not_allowed_or_there_already_is_not_saved_and_said_why(tmp_path: Path) -> None:
    (tmp_path / f"{GALLERY}-3.png").write_bytes(b"mine")
    with Sandbox().serve() as origin:
        async with connected(origin, save_dir=tmp_path) as client:
            refused = await save(client, SUCCEEDED)
        async with connected(origin, save_dir=tmp_path, image_hosts=[origin]) as client:
            result = await save(client, GALLERY)

    assert "Pictures from this site are not fetched. Allow its host in HEADSHOTS_IMAGE_HOSTS." in text_of(refused)
    assert text_of(result).startswith("3 of 4 pictures saved.\n")
    assert f"{GALLERY}, picture 3 not saved: Another file named {GALLERY}-3.png is already there." in text_of(result)
    assert (tmp_path / f"{GALLERY}-3.png").read_bytes() == b"mine"
    assert file_names(tmp_path) == [f"{GALLERY}-{n}.png" for n in range(1, 5)]


@pytest.mark.parametrize("task_id", ["../x", "/etc/passwd", "..\\x", "CON", "a\u202eb", "x" * 128])
async def test_nothing_is_ever_saved_outside_the_folder(tmp_path: Path, site: PictureSite, task_id: str) -> None:
    folder = tmp_path / "folder"
    sandbox = Sandbox()
    record = {"id": task_id, "response": {"success": True, "data": [{"image_url": f"{site.origin}/png"}]}}
    sandbox.script(task_id, [JSONResponse({"items": [record]}), JSONResponse(record)])
    with sandbox.serve() as origin:
        async with connected(origin, save_dir=folder, image_hosts=[site.origin]) as client:
            result = await save(client, task_id)

    assert file_names(tmp_path) in (["folder"], [])
    assert result.is_error or [(folder / name).read_bytes() for name in file_names(folder)] == [PNG]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "ids"),
        ({"ids": []}, "ids"),
        ({"ids": ["x"] * 51}, "ids: must name at most 50 task ids"),
        ({"ids": ["x"], "folder": "elsewhere"}, "folder"),
    ],
)
async def test_wrong_arguments_are_explained_and_nothing_is_saved(
    tmp_path: Path, arguments: dict[str, Any], said: str
) -> None:
    async with offering(tmp_path / "folder") as client:
        result = await client.call_tool("save_headshots", arguments)

    assert result.is_error
    assert said in text_of(result)
    assert file_names(tmp_path) == []


async def read(client: Client, task_id: str, n: str) -> BlobResourceContents:
    (contents,) = (await client.read_resource(f"headshots://tasks/{task_id}/pictures/{n}")).contents
    assert isinstance(contents, BlobResourceContents)
    return contents


async def test_a_picture_is_a_resource_with_its_bytes_and_its_type() -> None:
    async with offering() as client:
        contents = await read(client, GALLERY, "2")
        templates = (await client.list_resource_templates()).resource_templates

    assert base64.b64decode(contents.blob) == portrait("gallery-2")
    assert contents.mime_type == "image/png"
    assert "headshots://tasks/{id}/pictures/{n}" in [template.uri_template for template in templates]


@pytest.mark.parametrize(
    ("task_id", "n", "said"),
    [
        (GALLERY, "5", "This task has no such picture."),
        (GALLERY, "0", "This task has no such picture."),
        (GALLERY, "-1", "This task has no such picture."),
        (GALLERY, "1.0", "This task has no such picture."),
        (GALLERY, "x", "This task has no such picture."),
        (GALLERY, "9" * 5000, "This task has no such picture."),
        (UNKNOWN, "1", "This task has no such picture."),
        ("none", "1", "The API does not know this task id."),
        ("x" * 129, "1", "must be at most 128 characters long"),
    ],
)
async def test_a_picture_that_is_not_there_is_a_wrong_parameter(task_id: str, n: str, said: str) -> None:
    async with offering() as client:
        with pytest.raises(MCPError) as refused:
            await read(client, task_id, n)

    assert refused.value.code == INVALID_PARAMS
    assert said in str(refused.value)


async def test_a_picture_of_a_task_that_cannot_be_looked_up_says_why() -> None:
    async with offering() as client:
        with pytest.raises(MCPError, match="HTTP 403, code used_up"):
            await read(client, "fault-403", "1")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/page", "The picture's site sent something that is not a PNG, JPEG, WebP, GIF or AVIF picture."),
        ("/endless", f"The picture is larger than {MAX_RESOURCE_BYTES // 1024**2} MiB."),
        ("/not-found.png", "The picture's site answered with HTTP 404."),
        ("/to/https://192.0.2.1/png", "Pictures from this site are not fetched."),
    ],
)
async def test_a_picture_that_cannot_be_had_says_why_without_its_address(
    site: PictureSite, path: str, said: str
) -> None:
    sandbox = Sandbox()
    record = {"id": "t", "response": {"success": True, "data": [{"image_url": site.origin + path}]}}
    sandbox.script("t", [JSONResponse({"items": [record]}), JSONResponse(record)])
    with sandbox.serve() as origin:
        async with connected(origin, image_hosts=[site.origin]) as client:
            with pytest.raises(MCPError, match="^" + said.replace(".", r"\.")) as refused:
                await read(client, "t", "1")

    assert "127.0.0.1" not in str(refused.value)


def _read_over_http(origin: str, token: str, task_id: str, timeout: float = 20) -> httpx2.Response:
    """Read the first picture of a task as a host of the 2025 revisions does."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "resources/read"}
    params = {"uri": f"headshots://tasks/{task_id}/pictures/1"}
    headers = {"accept": "application/json, text/event-stream", "authorization": f"Bearer {token}"}
    return httpx2.post(f"{origin}/mcp", json=body | {"params": params}, headers=headers, timeout=timeout)


def test_over_http_a_caller_holds_a_few_pictures_at_once_and_leaves_room_for_others(served: Served) -> None:
    """A greedy caller asks for eight pictures of a site that holds them; another one is served meanwhile."""
    with picture_site() as site, ThreadPoolExecutor(9) as pool:
        for path, name in (("/held", "held"), ("/png", "quick")):
            record = {"id": name, "response": {"success": True, "data": [{"image_url": site.origin + path}]}}
            served.sandbox.script(name, repeat(JSONResponse({"items": [record]})))
        settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url, "HEADSHOTS_IMAGE_HOSTS": site.origin}
        with serving("--transport", "http", **settings) as server:
            greedy = [pool.submit(_read_over_http, server.origin, "sandbox-greedy", "held") for _ in range(8)]
            assert site.holding.wait(20)
            other = _read_over_http(server.origin, "sandbox-other", "quick")
            held = [path for path, _ in site.asked if path == "/held"]
            site.let_go.set()
            answers = [future.result(20) for future in greedy]

    assert base64.b64decode(_result(other)["contents"][0]["blob"]) == PNG
    assert 1 <= len(held) <= PICTURES_AT_ONCE // 2
    assert [_result(answer)["contents"][0]["mimeType"] for answer in answers] == ["image/png"] * 8


def test_over_http_a_picture_counts_until_its_caller_has_read_it(served: Served) -> None:
    """A greedy caller asks for ten large pictures and reads none; another one reads some meanwhile."""
    with picture_site() as site:
        record = {"id": "heavy", "response": {"success": True, "data": [{"image_url": f"{site.origin}/heavy"}]}}
        served.sandbox.script("heavy", repeat(JSONResponse({"items": [record]})))
        settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url, "HEADSHOTS_IMAGE_HOSTS": site.origin}
        with serving("--transport", "http", **settings) as server, ExitStack() as callers:
            for _ in range(10):
                caller = callers.enter_context(socket.socket())
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                caller.connect(("127.0.0.1", server.port))
                caller.sendall(_read_as_of_2026(server.port, "headshots://tasks/heavy/pictures/1", "sandbox-greedy"))
            others = [_read_over_http(server.origin, "sandbox-other", "heavy") for _ in range(4)]
            fetched = len(site.asked) - len(others)

    assert [_result(other)["contents"][0]["mimeType"] for other in others] == ["image/png"] * 4
    assert 1 <= fetched <= PICTURES_AT_ONCE // 2


def _read_as_of_2026(port: int, uri: str, token: str) -> bytes:
    meta = {
        "io.modelcontextprotocol/protocolVersion": NEW,
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    message = {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri, "_meta": meta}}
    head = {"mcp-protocol-version": NEW, "mcp-method": "resources/read", "mcp-name": uri}
    return post(port, message, accept="application/json", authorization=f"Bearer {token}", **head)


def test_callers_over_http_who_go_while_they_wait_for_room_take_none_with_them(served: Served) -> None:
    """Twelve read a picture of a site that holds it, most of them wait for room, and all hang up together."""
    with picture_site() as site:
        for path, name in (("/held", "held"), ("/png", "quick")):
            record = {"id": name, "response": {"success": True, "data": [{"image_url": site.origin + path}]}}
            served.sandbox.script(name, repeat(JSONResponse({"items": [record]})))
        settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url, "HEADSHOTS_IMAGE_HOSTS": site.origin}
        with serving("--transport", "http", **settings) as server, ExitStack() as callers:
            read = {"jsonrpc": "2.0", "id": 1, "method": "resources/read"}
            read |= {"params": {"uri": "headshots://tasks/held/pictures/1"}}
            head = {"accept": "application/json, text/event-stream", "authorization": "Bearer sandbox-greedy"}
            for _ in range(12):
                caller = callers.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                caller.sendall(post(server.port, read, **head))
            assert site.holding.wait(20)
            callers.close()
            answer = _read_over_http(server.origin, "sandbox-greedy", "quick", timeout=ROOM_SECONDS / 2)
            site.let_go.set()

    assert base64.b64decode(_result(answer)["contents"][0]["blob"]) == PNG


def _result(answer: httpx2.Response) -> Any:
    data = next((line for line in answer.text.splitlines() if line.startswith("data: {")), f"data: {answer.text}")
    return json.loads(data.removeprefix("data: "))["result"]


async def test_over_the_older_sse_transport_pictures_are_refused_in_words(served: Served) -> None:
    with serving("--transport", "http", ACEDATACLOUD_API_BASE_URL=served.base_url) as server:
        async with connect(server, "sse", TOKEN) as client:
            with pytest.raises(MCPError, match="connect to this server at /mcp"):
                await read(client, GALLERY, "1")
