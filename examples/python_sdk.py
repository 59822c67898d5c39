# /// script
# requires-python = ">=3.10"
# dependencies = ["mcp==2.3.0"]
# ///
"""The Python SDK, without an agent, shows the pictures of a headshot task."""

import asyncio
import os

from mcp import Client, StdioServerParameters

HEADSHOTS = StdioServerParameters(
    command="uvx",
    args=["headshots-mcp", "--sandbox"],  # for your own tasks, leave --sandbox out
    # Of your environment the server gets PATH, HOME and a few more, and what is named here.
    env={"ACEDATACLOUD_API_TOKEN": os.getenv("ACEDATACLOUD_API_TOKEN", "")},
)


async def main():
    async with Client(HEADSHOTS) as headshots:
        result = await headshots.call_tool("get_headshot_task", {"id": "sandbox-gallery"})
    if result.is_error:
        raise SystemExit(result.content[0].text)
    print(*result.structured_content["image_urls"], sep="\n")


asyncio.run(main())
