"""The gallery: a page that hosts with MCP Apps show in place of picture links, and where it may load pictures from."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from mcp.server.apps import Apps, ResourceCsp, ResourcePermissions

if TYPE_CHECKING:
    from collections.abc import Iterable

URI = "ui://headshots/gallery.html"

# Put on a tool, it makes the host show the tool's answers in the gallery. Older hosts look for the flat key alone.
TOOL_META = {"ui": {"resourceUri": URI}, "ui/resourceUri": URI}

# Where the API's documents and its answers keep pictures.
VENDOR_IMAGE_HOSTS = (
    "https://platform.cdn.acedata.cloud",
    "https://cdn.acedata.cloud",
    "https://cdn.zhishuyun.com",
    "https://static.aipedias.com",
)


def gallery(image_hosts: Iterable[str] = ()) -> Apps:
    """Give the extension that serves the page.

    Args:
        image_hosts: Origins of pictures to allow beside the vendor's own.
    """
    apps = Apps()
    apps.add_html_resource(
        URI,
        files("headshots_mcp.server").joinpath("gallery.html").read_text(encoding="utf-8"),
        name="headshots-gallery",
        title="Headshots gallery",
        description="Shows headshot tasks and their pictures; for hosts with MCP Apps.",
        csp=ResourceCsp(resource_domains=list(dict.fromkeys([*VENDOR_IMAGE_HOSTS, *image_hosts]))),
        permissions=ResourcePermissions(clipboard_write={}),
        prefers_border=False,
    )
    return apps
