# /// script
# requires-python = ">=3.10"
# dependencies = ["llama-index-tools-mcp==0.6.0", "llama-index-core==0.14.25"]
# ///
"""A LlamaIndex agent shows the pictures of a headshot task."""

import asyncio
import os

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.tools.mcp import McpToolSpec
from mcp import ClientSession, StdioServerParameters, stdio_client

HEADSHOTS = StdioServerParameters(
    command="uvx",
    args=["headshots-mcp", "--sandbox"],  # for your own tasks, leave --sandbox out
    env={"ACEDATACLOUD_API_TOKEN": os.getenv("ACEDATACLOUD_API_TOKEN", "")},
)


class Session(ClientSession):
    """Gives the model the text of an answer, not the printed Python object that holds it twice."""

    async def call_tool(self, *args, **kwargs):
        result = await super().call_tool(*args, **kwargs)
        return [TextBlock(text=block.text) for block in result.content]


def fake(messages, **_):
    """Call the tool, then repeat what it said."""
    if messages[-1].role == "tool":
        return ChatMessage(messages[-1].content, role="assistant")
    call = ToolCallBlock(tool_call_id="1", tool_name="get_headshot_task", tool_kwargs={"id": "sandbox-gallery"})
    return ChatMessage(role="assistant", blocks=[call])


llm = MockFunctionCallingLLM(response_generator=fake)  # put your own here: OpenAI("gpt-5.6-luna")


async def main():
    # A BasicMCPClient starts a server for every call and gives up after 30 s; an open session does neither.
    async with stdio_client(HEADSHOTS) as streams, Session(*streams) as session:
        await session.initialize()
        agent = FunctionAgent(llm=llm, tools=await McpToolSpec(session).to_tool_list_async())
        print(await agent.run("Is sandbox-gallery ready? Show me the pictures."))


asyncio.run(main())
