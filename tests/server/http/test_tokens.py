"""What a model reads costs tokens, and has to stay cheap: `uv run --group tokens pytest -m tokens`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from headshots_mcp.sandbox.app import SUCCEEDED
from tests.conftest import connected, text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mcp_types import Tool

    from tests.conftest import Served

pytestmark = pytest.mark.tokens


@pytest.fixture(scope="module")
def tokens() -> Callable[[str], int]:
    """Count the tokens of a text as current models of OpenAI do."""
    encoding = pytest.importorskip("bpe_openai", reason="needs --group tokens").get_encoding("o200k_base")
    return lambda text: len(encoding.encode(text))


def definition(tool: Tool) -> str:
    """What a model reads of a tool."""
    return json.dumps([tool.name, tool.description, tool.input_schema], separators=(",", ":"), ensure_ascii=False)


async def test_the_definitions_of_the_tools_are_short(served: Served, tokens: Callable[[str], int]) -> None:
    async with connected(served.base_url) as client:
        tools = (await client.list_tools()).tools

    read = [tokens(definition(tool)) for tool in tools]
    assert sum(read[:2]) <= 400
    assert sum(read) <= 620


async def test_the_tool_that_saves_is_short_too(served: Served, tokens: Callable[[str], int], tmp_path: Path) -> None:
    async with connected(served.base_url, save_dir=tmp_path) as client:
        tools = (await client.list_tools()).tools

    assert len(tools) == 4
    assert sum(map(tokens, map(definition, tools))) <= 800


async def test_the_documented_success_is_cheap_in_both_forms(served: Served, tokens: Callable[[str], int]) -> None:
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert tokens(json.dumps(result.structured_content)) <= 90
    assert tokens(text_of(result)) <= 85
