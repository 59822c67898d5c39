# /// script
# requires-python = ">=3.11"
# dependencies = ["google-adk[mcp]==2.13.0"]
# ///
"""A Google ADK agent shows the pictures of a headshot task."""

import asyncio
import json
import os

from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmResponse
from google.adk.runners import InMemoryRunner
from google.adk.tools.mcp_tool import McpTool, McpToolset, StdioConnectionParams
from google.genai.types import Content, Part
from mcp import StdioServerParameters

HEADSHOTS = StdioServerParameters(
    command="uvx",
    args=["headshots-mcp", "--sandbox"],  # for your own tasks, leave --sandbox out
    env={"ACEDATACLOUD_API_TOKEN": os.getenv("ACEDATACLOUD_API_TOKEN", "")},
)


class FakeModel(BaseLlm):
    """Calls the tool, then repeats what the tool said."""

    async def generate_content_async(self, llm_request, stream=False):
        part = Part.from_function_call(name="get_headshot_task", args={"id": "sandbox-gallery"})
        if answer := llm_request.contents[-1].parts[-1].function_response:
            part = Part(text=json.dumps(answer.response))
        yield LlmResponse(content=Content(role="model", parts=[part]))


def once(tool, args, tool_context, tool_response):
    """Give the model an answer as data only; by default it gets the same as text too."""
    return tool_response.get("structuredContent") if isinstance(tool, McpTool) else None


model = FakeModel(model="fake")  # put your own here: "gemini-3.5-flash"


async def main():
    # By default the server has 5 s to start, and every call 5 s; wait_for_headshot_tasks waits for up to 300.
    headshots = McpToolset(connection_params=StdioConnectionParams(server_params=HEADSHOTS, timeout=330))
    agent = LlmAgent(name="photographer", model=model, tools=[headshots], after_tool_callback=once)
    async with InMemoryRunner(agent) as runner:
        events = await runner.run_debug("Is sandbox-gallery ready? Show me the pictures.", quiet=True)
    print(events[-1].content.parts[0].text)


asyncio.run(main())
