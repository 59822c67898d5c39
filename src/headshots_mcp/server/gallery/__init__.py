"""The gallery: a page that hosts with MCP Apps show in place of picture links, and where it may load pictures from."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from mcp.server.apps import APP_MIME_TYPE, Apps, ResourceCsp, ResourcePermissions
from mcp.server.mcpserver.resources import FunctionResource
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from headshots_mcp.lookup.pictures import VENDOR_IMAGE_HOSTS
from headshots_mcp.server.icon import ICONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

URI = "ui://headshots/gallery.html"
CACHE_MILLISECONDS = 3_600_000

# On a tool, it makes the host show the tool's answers in the gallery. Older hosts only look for the flat key.
TOOL_META = {"ui": {"resourceUri": URI}, "ui/resourceUri": URI}

# Each imports only from those before it.
_SCRIPTS = ("words", "tasks", "dom", "host", "layout", "theme", "model", "viewer", "view", "main")
_MODULE_WORDS = re.compile(r"^(?:import [^;]+;\n|export )", re.MULTILINE)


@cache
def page() -> str:
    """Assemble the page: a host takes a single document, so style and scripts are written into it."""
    folder = files(__name__)

    def read(name: str) -> str:
        return folder.joinpath(name).read_text(encoding="utf-8")

    scripts = "\n".join(_MODULE_WORDS.sub("", read(f"{name}.js")) for name in _SCRIPTS)
    return (
        read("page.html")
        .replace('<link rel="stylesheet" href="style.css">', f"<style>\n{read('style.css')}</style>")
        .replace('<script type="module" src="main.js"></script>', f'<script type="module">\n{scripts}</script>')
    )


def gallery(image_hosts: Iterable[str] = ()) -> Apps:
    """Make the extension that serves the page.

    Args:
        image_hosts: Origins that pictures may come from, in addition to the vendor's own.
    """
    csp = ResourceCsp(resource_domains=list(dict.fromkeys([*VENDOR_IMAGE_HOSTS, *image_hosts])))
    permissions = ResourcePermissions(clipboard_write={})
    parts = {"csp": csp, "permissions": permissions}
    ui = {name: part.model_dump(by_alias=True, exclude_none=True) for name, part in parts.items()}
    apps = Apps()
    apps.add_resource(
        FunctionResource(
            uri=URI,
            name="headshots-gallery",
            title="Headshots gallery",
            description="Shows headshot tasks and their pictures; for hosts with MCP Apps.",
            mime_type=APP_MIME_TYPE,
            icons=ICONS,
            meta={"ui": {**ui, "prefersBorder": False}},
            fn=page,
        )
    )
    return apps


async def cache_page(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Let clients cache the page for an hour: it is the same for everybody, unlike a record."""
    result = await call_next(ctx)
    is_page = ctx.method == "resources/read" and (ctx.params or {}).get("uri") == URI
    if is_page and ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and isinstance(result, dict):
        result |= {"ttlMs": CACHE_MILLISECONDS, "cacheScope": "public"}
    return result
