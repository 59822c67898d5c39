# /// script
# requires-python = ">=3.11"
# dependencies = ["pydantic-ai-slim[mcp]==2.68.0"]
# ///
"""A Pydantic AI agent shows the pictures of a headshot task."""

import asyncio
import os

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel

HEADSHOTS = StdioTransport(
    command="uvx",
    args=["headshots-mcp", "--sandbox"],  # for your own tasks, leave --sandbox out
    env={"ACEDATACLOUD_API_TOKEN": os.getenv("ACEDATACLOUD_API_TOKEN", "")},
)


def fake(messages, _):
    """Call the tool, then repeat what it said."""
    last = messages[-1].parts[-1]
    if last.part_kind == "tool-return":
        return ModelResponse([TextPart(last.model_response_str())])
    return ModelResponse([ToolCallPart("get_headshot_task", {"id": "sandbox-gallery"})])


model = FunctionModel(fake)  # put your own here: "openai:gpt-5.6-luna"


async def main():
    # By default the server has 5 s to start; the first `uvx` takes longer.
    agent = Agent(model, toolsets=[MCPToolset(HEADSHOTS, init_timeout=60)])
    answer = await agent.run("Is sandbox-gallery ready? Show me the pictures.")
    print(answer.output)


asyncio.run(main())
