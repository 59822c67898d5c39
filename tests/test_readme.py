"""What the README and docs/ say of tools, settings and files is true: compared with the code, never written by it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

from headshots_mcp.flags import EPILOG
from headshots_mcp.lookup.states import Status
from headshots_mcp.sandbox import app as sandbox
from tests.conftest import REPOSITORY, connected, text_of
from tests.test_packaging import registry_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

    from tests.conftest import Served

READMES = ["README.md", "README.zh-TW.md"]
PAGES = [*READMES, "CONTRIBUTING.md", "SECURITY.md", "examples/README.md", "benchmarks/README.md"] + [
    path.relative_to(REPOSITORY).as_posix() for path in sorted((REPOSITORY / "docs").glob("*.md"))
]


def read(path: str) -> str:
    return (REPOSITORY / path).read_text(encoding="utf-8")


def first_column(markdown: str) -> list[str]:
    """The words in code type in the first column of tables."""
    rows = [line.split("|")[1] for line in markdown.splitlines() if line.startswith("| `")]
    return re.findall(r"`([^`]+)`", " ".join(rows))


@pytest.mark.parametrize("path", READMES)
async def test_the_readme_lists_the_tools_with_their_arguments_and_the_states(served: Served, path: str) -> None:
    async with connected(served.base_url) as client:
        tools = (await client.list_tools()).tools
    readme = read(path)

    for tool in tools:
        (row,) = re.findall(rf"^\| `{tool.name}` \|.*$", readme, re.MULTILINE)
        for argument in set(tool.input_schema["properties"]) - {"action"}:
            assert f"`{argument}`" in row
    assert set(get_args(Status)) <= set(first_column(readme))


@pytest.mark.parametrize("path", READMES)
async def test_the_sample_is_what_a_model_reads(served: Served, path: str) -> None:
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_task", {"id": sandbox.SUCCEEDED})

    assert f"\n```\n{text_of(result)}\n```\n" in read(path)


def test_the_settings_are_those_of_the_help_text_and_the_registry_entry() -> None:
    documented = first_column(read("docs/settings.md"))

    assert documented == re.findall(r"^  ([A-Z]+_[A-Z_]+)  ", EPILOG, re.MULTILINE)
    assert documented == [variable["name"] for variable in registry_entry()["packages"][0]["environmentVariables"]]


def test_the_registry_finds_its_name() -> None:
    assert f"<!-- mcp-name: {registry_entry()['name']} -->" in read("README.md")


@pytest.mark.parametrize("path", READMES)
def test_the_readme_is_short_and_names_ids_that_the_sandbox_knows(path: str) -> None:
    readme = read(path)

    assert len(readme.splitlines()) <= 200
    for task_id in (sandbox.SUCCEEDED, sandbox.LIVING, sandbox.GALLERY, sandbox.FAILED):
        assert f"`{task_id}`" in readme


@pytest.mark.parametrize("path", READMES)
def test_the_readme_begins_with_two_lines_to_try_it_for_either_shell(path: str) -> None:
    first_screen = read(path).partition("<picture>")[0]
    blocks = re.findall(r"^```(\w+)\n(.*?)\n```$", first_screen, re.MULTILINE | re.DOTALL)
    told = [(shell, re.findall(r"uv (run .*)$", lines, re.MULTILINE)) for shell, lines in blocks]

    commands = ["run --no-dev headshots-mcp demo", "run pytest"]
    assert told == [("sh", commands), ("powershell", commands)]


@pytest.mark.parametrize("path", PAGES)
def test_every_link_within_the_repository_leads_somewhere(path: str) -> None:
    for target in links(read(path)):
        file, _, anchor = target.partition("#")
        leads_to = (REPOSITORY / path).parent / file if file else REPOSITORY / path

        assert leads_to.exists(), target
        if anchor:
            assert anchor in anchors(leads_to.read_text(encoding="utf-8")), target


def links(markdown: str) -> list[str]:
    """What links and pictures lead to, if it is not another site."""
    found = [token.attrs.get("href") or token.attrs.get("src") for token in tokens(markdown)]
    found += re.findall(r'(?:src|srcset)="([^"]+)"', markdown)
    return [unquote(str(target)) for target in found if target and not str(target).startswith("http")]


def tokens(markdown: str) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        yield from (token, *(token.children or []))


def anchors(markdown: str) -> list[str]:
    """The anchors that GitHub gives to headings."""
    titles = re.findall(r"^#+ (.*)$", markdown, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
