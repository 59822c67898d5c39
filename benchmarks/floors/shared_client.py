"""The least that does the job: two tools, one shared client, records passed on as they are."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any

import httpx2
from mcp.server import MCPServer

server = MCPServer("shared-client", log_level="WARNING")


@cache
def client() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(headers={"authorization": f"Bearer {os.environ['ACEDATACLOUD_API_TOKEN']}"}, timeout=30)


async def ask(body: dict[str, Any]) -> dict[str, Any]:
    response = await client().post(os.environ["ACEDATACLOUD_API_BASE_URL"] + "/headshots/tasks", json=body)
    response.raise_for_status()
    return response.json()


@server.tool()
async def get_task(id: str) -> dict[str, Any]:
    """Look one task up."""
    return await ask({"id": id, "action": "retrieve"})


@server.tool()
async def get_tasks(ids: list[str]) -> dict[str, Any]:
    """Look several tasks up."""
    return await ask({"ids": ids, "action": "retrieve_batch"})


if __name__ == "__main__":
    if len(sys.argv) == 1:
        server.run("stdio")
    else:
        import uvicorn

        uvicorn.run(server.streamable_http_app(stateless_http=True), port=int(sys.argv[1]), log_level="warning")
