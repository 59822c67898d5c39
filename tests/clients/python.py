"""Lists the tools and calls them with the Python SDK 1.x, and prints what came back as JSON.

python python.py stdio COMMAND ARGUMENT...
python python.py sse|http URL
"""

import asyncio
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

how, target, *args = sys.argv[1:]
transports = {
    "stdio": lambda: stdio_client(StdioServerParameters(command=target, args=args, env=dict(os.environ))),
    "sse": lambda: sse_client(target),
    "http": lambda: streamable_http_client(target),
}


async def main():
    async with transports[how]() as (read, write, *_), ClientSession(read, write) as session:
        welcome = await session.initialize()
        tools = (await session.list_tools()).tools
        found = {
            "protocol": welcome.protocolVersion,
            "server": welcome.serverInfo.name,
            "tools": [tool.name for tool in tools],
        }
        for name, call in json.loads(os.environ["CALLS"]).items():
            result = await session.call_tool(**call)
            found[name] = {
                "text": "\n".join(block.text for block in result.content),
                "structured": result.structuredContent,
                "error": result.isError,
            }
    print(json.dumps(found))


asyncio.run(main())
