"""The least a server on this SDK can be: an `MCPServer` with one tool that does nothing."""

from __future__ import annotations

import sys

from mcp.server import MCPServer

server = MCPServer("empty", log_level="WARNING")


@server.tool()
async def nothing(id: str) -> str:
    """Do nothing."""
    return id


if __name__ == "__main__":
    if len(sys.argv) == 1:
        server.run("stdio")
    else:
        import uvicorn

        uvicorn.run(server.streamable_http_app(stateless_http=True), port=int(sys.argv[1]), log_level="warning")
