"""headshots-mcp: an MCP server that looks up AI headshot tasks of Ace Data Cloud."""

from importlib.metadata import version

NAME = "headshots-mcp"

__version__ = version(NAME)
