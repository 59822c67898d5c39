"""What the README tells each host is what that host takes, and a server that lists its tools and answers."""

from __future__ import annotations

import argparse
import base64
import json
import re
import shlex
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
import tomli
import yaml
from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from headshots_mcp.sandbox.app import SUCCEEDED
from headshots_mcp.sandbox.app import TOKEN as SANDBOX_TOKEN
from tests.conftest import text_of
from tests.hosts import COMMAND, GENERIC, HOSTS, LINKS, LOCAL, ORIGIN, REMOTE, TOKEN, Block, Host
from tests.server.test_stdio import COMMAND as BUILT_COMMAND
from tests.servers import serving
from tests.test_readme import README

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.conftest import Served

SET_IT_UP = README.split("\n## Set it up\n")[1].split("\n## ")[0]


def blocks(markdown: str) -> list[Block]:
    return [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)\n```$", markdown, re.MULTILINE | re.DOTALL)]


SHOWN = {
    name: blocks(details)
    for name, details in re.findall(r"<summary>(.*?)</summary>\n(.*?)</details>", SET_IT_UP, re.DOTALL)
}


def read(block: Block) -> dict[str, Any]:
    """What a host reads from its block: a command, its arguments and variables, or an address and headers."""
    (server,) = servers(LANGUAGES[block.language](block.text))
    for key, other in {"command": "cmd", "env": "envs", "url": "uri", "headers": "http_headers"}.items():
        server[key] = server.pop(other, server.get(key))
    if server["url"]:
        headers = server["headers"] or server["requestOptions"]["headers"]
        return {"url": server["url"], "headers": told(headers)}
    if "mcp-remote" in server["args"]:
        address, _, header = server["args"][-3:]
        header, value = header.split(":")
        return {"url": address, "headers": {header: Template(value).substitute(server["env"])}}
    return {"command": server["command"], "args": server["args"], "env": told(server["env"])}


def servers(settings: Any) -> list[dict[str, Any]]:
    """Every server in settings, however deep."""
    if isinstance(settings, dict) and settings.keys() & {"command", "cmd", "url", "uri"}:
        return [settings]
    held = settings.values() if isinstance(settings, dict) else settings if isinstance(settings, list) else ()
    return [server for item in held for server in servers(item)]


def told(values: dict[str, str]) -> dict[str, str]:
    """Values as they are once VS Code has asked for the token."""
    return {name: value.replace("${input:acedata-token}", TOKEN) for name, value in values.items()}


def add(line: str) -> dict[str, Any]:
    """The server that `claude mcp add` would add; like it, an option takes every word up to the next."""
    own, _, started = line.partition(" -- ")
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--scope", choices=["local", "user", "project"])
    parser.add_argument("--transport", choices=["stdio", "sse", "http"], default="stdio")
    parser.add_argument("--env", nargs="+", default=[])
    parser.add_argument("--header", nargs="+", default=[])
    given = parser.parse_intermixed_args(shlex.split(own))
    assert given.words[:3] == ["claude", "mcp", "add"]
    _, *address = given.words[3:]
    if given.transport == "http":
        return {"url": address[0], "headers": dict(header.split(": ") for header in given.header)}
    command, *args = address + shlex.split(started)
    return {"command": command, "args": args, "env": dict(variable.split("=") for variable in given.env)}


LANGUAGES: dict[str, Callable[[str], Any]] = {
    "json": json.loads,
    "sh": add,
    "toml": tomli.loads,
    "yaml": yaml.safe_load,
}


def test_every_host_has_its_place_in_the_readme() -> None:
    assert list(SHOWN) == list(HOSTS)


@pytest.mark.parametrize(("name", "host"), HOSTS.items(), ids=HOSTS)
def test_the_readme_shows_what_the_host_takes(name: str, host: Host) -> None:
    assert SHOWN.get(name) == [*host], f"under {name} the README should show:\n\n{host.local}\n\n{host.remote}\n"


def test_the_readme_begins_with_the_block_for_any_host() -> None:
    assert blocks(SET_IT_UP)[0] == GENERIC, f"the first block should be:\n\n{GENERIC}\n"


def test_the_readme_says_the_one_line_that_starts_the_server() -> None:
    assert f"`{' '.join(COMMAND)}`" in SET_IT_UP


@pytest.mark.parametrize(("name", "link"), LINKS.items(), ids=LINKS)
def test_a_badge_leads_where_it_should(name: str, link: str) -> None:
    assert f"][{name}]" in SET_IT_UP
    assert re.findall(rf"^\[{name}\]: (.*)$", SET_IT_UP, re.MULTILINE) == [link], f"should be:\n\n[{name}]: {link}\n"


def linked(name: str) -> dict[str, str]:
    (address,) = re.findall(rf"^\[{name}\]: (https://\S+)$", SET_IT_UP, re.MULTILINE)
    return dict(parse_qsl(urlsplit(address).query, strict_parsing=True))


def test_the_badge_for_cursor_holds_the_block_for_cursor() -> None:
    given = linked("add to cursor")
    server = json.loads(base64.b64decode(given["config"], validate=True))

    assert {"mcpServers": {given["name"]: server}} == json.loads(SHOWN["Cursor"][0].text)


def test_the_badge_for_vs_code_holds_the_block_for_vs_code() -> None:
    given = linked("install in vs code")
    inputs, server = json.loads(given["inputs"]), json.loads(given["config"])

    assert {"inputs": inputs, "servers": {given["name"]: server}} == json.loads(SHOWN["VS Code"][0].text)


@pytest.mark.parametrize(("name", "shown"), SHOWN.items(), ids=SHOWN)
def test_a_host_reads_from_its_blocks_how_to_start_the_server_or_where_it_is(name: str, shown: list[Block]) -> None:
    local, remote = shown

    assert (name, read(local)) == (name, LOCAL)
    assert (name, read(remote)) == (name, REMOTE)


async def test_the_server_that_the_blocks_start_lists_its_tools_and_answers(served: Served) -> None:
    for start in distinct(read(local) for local, _ in SHOWN.values()):
        assert [start["command"], *start["args"]][: len(COMMAND)] == COMMAND
        server = StdioServerParameters(
            command=BUILT_COMMAND[0],
            args=[*BUILT_COMMAND[1:], *start["args"][len(COMMAND) - 1 :]],
            env={"ACEDATACLOUD_API_BASE_URL": served.base_url, **with_a_real_token(start["env"])},
        )
        await lists_its_tools_and_answers(Client(server))


async def test_the_server_that_the_blocks_call_lists_its_tools_and_answers(served: Served) -> None:
    with serving("--transport", "http", ACEDATACLOUD_API_BASE_URL=served.base_url) as server:
        for called in distinct(read(remote) for _, remote in SHOWN.values()):
            async with httpx2.AsyncClient(headers=with_a_real_token(called["headers"]), timeout=30) as http:
                address = called["url"].replace(ORIGIN, server.origin)
                await lists_its_tools_and_answers(Client(streamable_http_client(address, http_client=http)))


def distinct(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each of them once: starting a server takes a while."""
    return list({json.dumps(item, sort_keys=True): item for item in found}.values())


def with_a_real_token(values: dict[str, str]) -> dict[str, str]:
    return {name: value.replace(TOKEN, SANDBOX_TOKEN) for name, value in values.items()}


async def lists_its_tools_and_answers(client: Client) -> None:
    async with client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert names == ["get_headshot_task", "get_headshot_tasks", "wait_for_headshot_tasks"]
    assert text_of(result).startswith(f"{SUCCEEDED} succeeded")
