# /// script
# requires-python = ">=3.10"
# dependencies = ["langchain-mcp-adapters==0.3.2", "langchain==1.4.7"]
# ///
"""A LangChain agent, which is a LangGraph graph, shows the pictures of a headshot task."""

import asyncio
import os

from langchain.agents import create_agent
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools

HEADSHOTS = {
    "transport": "stdio",
    "command": "uvx",
    "args": ["headshots-mcp", "--sandbox"],  # for your own tasks, leave --sandbox out
    "env": {"ACEDATACLOUD_API_TOKEN": os.getenv("ACEDATACLOUD_API_TOKEN", "")},
}


class FakeModel(GenericFakeChatModel):
    """Calls the tool, then repeats what the tool said."""

    def bind_tools(self, tools, **_):
        return self

    def _generate(self, messages, *args, **kwargs):
        call = ToolCall(name="get_headshot_task", args={"id": "sandbox-gallery"}, id="1")
        last = messages[-1]
        self.messages = iter([last.text if isinstance(last, ToolMessage) else AIMessage("", tool_calls=[call])])
        return super()._generate(messages, *args, **kwargs)


model = FakeModel(messages=iter([]))  # put your own here: init_chat_model("openai:gpt-5.6-luna")


async def main():
    client = MultiServerMCPClient({"headshots": HEADSHOTS})
    # The tools of client.get_tools() start a server for every call; those of an open session share one.
    async with client.session("headshots") as session:
        agent = create_agent(model, await load_mcp_tools(session))
        question = {"role": "user", "content": "Is sandbox-gallery ready? Show me the pictures."}
        answer = await agent.ainvoke({"messages": [question]})
    print(answer["messages"][-1].text)


asyncio.run(main())
