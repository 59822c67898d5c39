"""The README is kept true: it is compared with the code, never written by it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

import pytest

from headshots_mcp.cli import EPILOG
from headshots_mcp.lookup.states import Status
from headshots_mcp.sandbox import app as sandbox
from tests.conftest import REPOSITORY, connected
from tests.test_packaging import registry_entry

if TYPE_CHECKING:
    from tests.conftest import Served

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def first_column(heading: str) -> list[str]:
    """The words in code type in the first column of the tables under a heading."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return re.findall(r"`([^`]+)`", " ".join(rows))


async def test_the_tool_table_lists_the_tools_and_their_arguments(served: Served) -> None:
    async with connected(served.base_url) as client:
        tools = (await client.list_tools()).tools

    for tool in tools:
        (row,) = re.findall(rf"^\| `{tool.name}` \|.*$", README, re.MULTILINE)
        for argument in set(tool.input_schema["properties"]) - {"action"}:
            assert f"`{argument}`" in row
    assert first_column("Tools") == [*(tool.name for tool in tools), *get_args(Status)]


def test_the_settings_are_those_of_the_help_text_and_the_registry_entry() -> None:
    documented = first_column("Settings")

    assert documented == re.findall(r"^  ([A-Z]+_[A-Z_]+)  ", EPILOG, re.MULTILINE)
    assert documented == [variable["name"] for variable in registry_entry()["packages"][0]["environmentVariables"]]


def test_the_registry_finds_its_name() -> None:
    assert f"<!-- mcp-name: {registry_entry()['name']} -->" in README


@pytest.mark.parametrize("line", ["uv run headshots-mcp demo", "uv run pytest"])
def test_the_two_lines_of_development_stand_alone(line: str) -> None:
    assert f"\n```\npip install -q uv && {line}\n```\n" in README


def test_the_ids_to_try_are_those_of_the_sandbox() -> None:
    for task_id in (sandbox.SUCCEEDED, sandbox.LIVING, sandbox.GALLERY, sandbox.FAILED):
        assert f"`{task_id}`" in README
