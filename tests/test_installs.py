"""What docs/hosts.md and the README tell each host is what that host takes, and a server that lists its tools.

Hosts that can run here do so in tests/test_hosts.py.
"""

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
from tests.conftest import REPOSITORY, text_of
from tests.hosts import (
    ASKED,
    ASKED_IN_LIBRECHAT,
    COMMAND,
    FROM_CLONE,
    GENERIC,
    HOSTS,
    LINES,
    LINKS,
    LOCAL,
    ORIGIN,
    REMOTE,
    TOKEN,
    Block,
)
from tests.processes import COMMAND as BUILT_COMMAND
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.conftest import Served


def page(path: str) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


def blocks(markdown: str) -> list[Block]:
    return [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)\n```$", markdown, re.MULTILINE | re.DOTALL)]


def shown(path: str) -> list[list[Block]]:
    """The first two blocks under each heading that has two, in order: a host's local one and that for a team."""
    sections = [blocks(section)[:2] for section in page(path).split("\n## ")[1:]]
    return [found for found in sections if len(found) == 2]


PAGES = ["docs/hosts.md", "docs/hosts.zh-TW.md"]
READMES = ["README.md", "README.zh-TW.md"]
EACH_HOST = pytest.mark.parametrize(("number", "name"), list(enumerate(HOSTS)), ids=list(HOSTS))


def read(block: Block) -> dict[str, Any]:
    """What a host reads from its block: a command, its arguments and variables, or an address and headers."""
    (server,) = servers(LANGUAGES[block.language](block.text))
    for key, others in SYNONYMS.items():
        server[key] = next((server[other] for other in (key, *others) if other in server), None)
    if server["url"]:
        headers = server["headers"] or server["requestOptions"]["headers"]
        return {"url": server["url"], "headers": told(headers)}
    if isinstance(server["command"], list):
        server["command"], *server["args"] = server["command"]
    if "mcp-remote" in server["args"]:
        address, _, header = server["args"][-3:]
        header, value = header.split(":")
        return {"url": address, "headers": {header: Template(value).substitute(server["env"])}}
    return {"command": server["command"], "args": server["args"], "env": told(server["env"])}


SYNONYMS = {
    "command": ["cmd"],
    "env": ["envs", "environment"],
    "url": ["uri"],
    "headers": ["http_headers"],
}


def servers(settings: Any) -> list[dict[str, Any]]:
    """Every server in settings, however deep."""
    if isinstance(settings, dict) and settings.keys() & {"command", "cmd", "url", "uri"}:
        return [settings]
    held = settings.values() if isinstance(settings, dict) else settings if isinstance(settings, list) else ()
    return [server for item in held for server in servers(item)]


def told(values: dict[str, str]) -> dict[str, str]:
    """Values as they are once the host has asked for the token."""
    asked = re.compile("|".join(map(re.escape, [f"${{input:{ASKED}}}", ASKED_IN_LIBRECHAT])))
    return {name: asked.sub(TOKEN, value) for name, value in values.items()}


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


@pytest.mark.parametrize("path", PAGES)
@EACH_HOST
def test_the_documentation_shows_what_the_host_takes(path: str, number: int, name: str) -> None:
    host = HOSTS[name]

    assert shown(path)[number] == [*host], f"under {name} it should show:\n\n{host.local}\n\n{host.remote}\n"


@pytest.mark.parametrize("path", PAGES)
def test_the_documentation_shows_no_other_host(path: str) -> None:
    assert len(shown(path)) == len(HOSTS)


@pytest.mark.parametrize("path", READMES)
def test_the_readme_shows_the_block_for_any_host_one_for_a_clone_and_the_one_liners(path: str) -> None:
    readme = page(path).replace("\n> ", "\n")

    for block in (FROM_CLONE, GENERIC):
        assert str(block) in readme, f"it should show:\n\n{block}\n"
    for line in LINES.values():
        assert f"\n{line.text}\n" in readme, f"it should say:\n\n{line.text}\n"


@pytest.mark.parametrize("path", READMES)
@pytest.mark.parametrize(("name", "link"), LINKS.items(), ids=LINKS)
def test_a_button_leads_where_it_should(path: str, name: str, link: str) -> None:
    assert f"][{name}]\n" in page(path)
    assert f"\n[{name}]: {link}\n" in page(path), f"it should say:\n\n[{name}]: {link}\n"


def parameters(name: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(LINKS[name]).query, strict_parsing=True))


def in_base64(text: str) -> Any:
    return json.loads(base64.b64decode(text, validate=True))


def test_the_buttons_hold_what_is_in_the_blocks() -> None:
    code = parameters("vs code")
    goose = parameters("goose")
    (extension,) = servers(yaml.safe_load(HOSTS["Goose"].local.text))

    assert in_base64(parameters("cursor")["config"]) == LOCAL
    assert in_base64(parameters("lm studio")["config"]) == LOCAL
    assert json.loads(parameters("kiro")["config"]) == LOCAL
    assert json.loads(HOSTS["VS Code"].local.text) == {
        "inputs": json.loads(code["inputs"]),
        "servers": {code["name"]: json.loads(code["config"])},
    }
    assert [goose["cmd"], goose["arg"]] == [extension["cmd"], *extension["args"]]
    assert goose["env"].partition("=")[0] in extension["envs"]


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_reads_from_its_blocks_how_to_start_the_server_or_where_it_is(name: str) -> None:
    local, remote = HOSTS[name]

    assert read(local) == LOCAL
    assert read(remote) == REMOTE


async def test_the_server_that_the_blocks_start_lists_its_tools_and_answers(served: Served) -> None:
    for start in distinct(read(local) for local, _ in HOSTS.values()):
        assert [start["command"], *start["args"]][: len(COMMAND)] == COMMAND
        server = StdioServerParameters(
            command=BUILT_COMMAND[0],
            args=[*BUILT_COMMAND[1:], *start["args"][len(COMMAND) - 1 :]],
            env={"ACEDATACLOUD_API_BASE_URL": served.base_url, **with_a_real_token(start["env"])},
        )
        await lists_its_tools_and_answers(Client(server))


async def test_the_server_that_the_blocks_call_lists_its_tools_and_answers(served: Served) -> None:
    with serving("--transport", "http", ACEDATACLOUD_API_BASE_URL=served.base_url) as server:
        for called in distinct(read(remote) for _, remote in HOSTS.values()):
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
