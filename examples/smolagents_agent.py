# /// script
# requires-python = ">=3.10"
# dependencies = ["smolagents[mcp]==1.26.0", "mcp<2"]  # its MCP adapter cannot be imported with mcp 2
# ///
"""A smolagents agent shows the pictures of a headshot task."""

import os

from mcp import StdioServerParameters
from smolagents import MCPClient, Model, ToolCallingAgent
from smolagents.models import ChatMessage

HEADSHOTS = StdioServerParameters(
    command="uvx",
    args=["headshots-mcp", "--sandbox"],  # for your own tasks, leave --sandbox out
    env={"ACEDATACLOUD_API_TOKEN": os.getenv("ACEDATACLOUD_API_TOKEN", "")},
)


class FakeModel(Model):
    """Calls the tool, then repeats what the tool said."""

    def generate(self, messages, **_):
        last = messages[-1]
        if last.role == "tool-response":
            function = {"name": "final_answer", "arguments": {"answer": last.content[0]["text"]}}
        else:
            function = {"name": "get_headshot_task", "arguments": {"id": "sandbox-gallery"}}
        return ChatMessage("assistant", tool_calls=[{"id": "1", "type": "function", "function": function}])


model = FakeModel()  # put your own here: OpenAIModel("gpt-5.6-luna")

with MCPClient(HEADSHOTS, structured_output=False) as tools:
    # Every argument counts as required, also one that has a default, unless it is called nullable.
    for argument in [argument for tool in tools for argument in tool.inputs.values()]:
        argument["nullable"] = "default" in argument
    agent = ToolCallingAgent(tools, model, verbosity_level=0)
    print(agent.run("Is sandbox-gallery ready? Show me the pictures."))
