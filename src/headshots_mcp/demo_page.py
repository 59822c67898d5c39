"""Writes the page that shows the pictures a demo has saved."""

from __future__ import annotations

import webbrowser
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PAGE_NAME = "headshots-demo.html"

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>headshots-mcp demo</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ margin: 2rem auto; max-width: 65rem; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }}
  main {{ display: flex; flex-wrap: wrap; gap: 1.5rem 1rem; }}
  figure {{ width: 15rem; margin: 0; }}
  img {{ width: 100%; border-radius: 0.5rem; }}
  figcaption {{ font-size: 0.8rem; opacity: 0.8; overflow-wrap: anywhere; }}
</style>
<h1>Sample headshots</h1>
<p>Drawn on this computer for <code>headshots-mcp demo</code>, and saved by its server.</p>
<main>
{figures}
</main>
</html>
"""
_FIGURE = '<figure><img src="{source}" alt="A sample headshot"><figcaption>{name}</figcaption></figure>'


def write_page(folder: Path, names: Sequence[str]) -> Path:
    """Write the page into the folder of the pictures with these names, and return its path.

    Raises:
        OSError: If it cannot be written, or another file has its name.
    """
    page = folder / PAGE_NAME
    figures = "\n".join(_FIGURE.format(source=quote(name), name=escape(name)) for name in names)
    content = _PAGE.format(figures=figures).encode()
    if not (page.exists() and page.read_bytes() == content):
        with page.open("xb") as file:
            file.write(content)
    return page


def open_page(page: Path) -> bool:
    """Show the page in the user's browser, and return whether there is one."""
    return webbrowser.open(page.as_uri())
