"""Waits for headshot tasks with fastmcp, which speaks MCP Tasks, and prints what came back as JSON.

python tasks.py stdio COMMAND ARGUMENT...
python tasks.py http URL
"""

import asyncio
import json
import os
import sys

import fastmcp_tasks
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

how, target, *args = sys.argv[1:]
TOOL = "wait_for_headshot_tasks"
FINISHED = "16f96e95-d95c-46ef-b183-139b9bd1aebd"


async def main():
    transport = StdioTransport(command=target, args=args, env=dict(os.environ)) if how == "stdio" else target
    found = {}
    async with Client(transport) as client:
        for name, ids in json.loads(os.environ["CALLS"]).items():
            task = await fastmcp_tasks.call_tool_task(client, TOOL, {"ids": ids})
            first = await task.status()
            result = await task.result()
            await task.cancel()
            found[name] = {
                "task": task.task_id.startswith("headshots."),
                "first": first.status,
                "states": [each["status"] for each in result.structured_content["tasks"]],
            }
        at_once = await client.call_tool(TOOL, {"ids": [FINISHED]})
        found["at once"] = at_once.structured_content["tasks"][0]["status"]
    print(json.dumps(found))


asyncio.run(main())
