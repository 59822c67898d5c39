# /// script
# requires-python = ">=3.10"
# dependencies = ["openai-agents==0.24.0"]
# ///
"""An agent of the OpenAI Agents SDK shows the pictures of a headshot task."""

import asyncio
import os

from agents import Agent, Runner, set_tracing_disabled
from agents.mcp import MCPServerStdio
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call

HEADSHOTS = {
    "command": "uvx",
    "args": ["headshots-mcp", "--sandbox"],  # for your own tasks, leave --sandbox out
    "env": {"ACEDATACLOUD_API_TOKEN": os.getenv("ACEDATACLOUD_API_TOKEN", "")},
}


def repeat(call):
    """Answer with what the tool said."""
    return [assistant_message(call.input[-1]["output"][0]["text"])]


CALL = function_call("get_headshot_task", {"id": "sandbox-gallery"}, call_id="1")
model = ScriptedModel([[CALL], ModelStep.respond(repeat)])  # put your own here: "gpt-5.6-luna"


async def main():
    set_tracing_disabled(True)  # tracing is on by default and sends what the tools answer to OpenAI
    # By default a call may take 5 s; wait_for_headshot_tasks waits for up to 300.
    async with MCPServerStdio(params=HEADSHOTS, client_session_timeout_seconds=330) as headshots:
        agent = Agent(name="photographer", model=model, mcp_servers=[headshots])
        answer = await Runner.run(agent, "Is sandbox-gallery ready? Show me the pictures.")
    print(answer.final_output)


asyncio.run(main())
