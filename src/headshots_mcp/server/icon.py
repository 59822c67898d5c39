"""The icon that hosts show for this server, its tools and its resources, on light and on dark pages."""

from __future__ import annotations

from mcp_types import Icon

# A link instead of the bytes, because the SDK repeats it in every answer of 2026-07-28.
ICONS = [
    Icon(
        src="https://raw.githubusercontent.com/headshots-mcp/headshots-mcp/main/mcpb/icon.png",
        mime_type="image/png",
        sizes=["512x512"],
    )
]
