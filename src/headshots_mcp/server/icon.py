"""The picture by which hosts show this server, its tools and its resources; it suits light and dark pages."""

from __future__ import annotations

from mcp_types import Icon

# By its address, for the SDK repeats it in every answer of 2026-07-28.
ICONS = [
    Icon(
        src="https://raw.githubusercontent.com/headshots-mcp/headshots-mcp/main/mcpb/icon.png",
        mime_type="image/png",
        sizes=["512x512"],
    )
]
