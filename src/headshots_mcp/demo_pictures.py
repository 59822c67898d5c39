"""Leaves the pictures of a demo in a folder, with a page to look at them."""

from __future__ import annotations

import webbrowser
from html import escape
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE_NAME = "headshots-demo.html"

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>headshots-mcp demo</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ margin: 2rem auto; max-width: 60rem; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }}
  main {{ display: flex; flex-wrap: wrap; gap: 1.5rem 1rem; }}
  figure {{ width: 15rem; margin: 0; }}
  img {{ width: 100%; border-radius: 0.5rem; }}
  figcaption {{ font-size: 0.8rem; opacity: 0.8; overflow-wrap: anywhere; }}
</style>
<h1>Sample headshots</h1>
<p>Drawn on this computer by <code>headshots-mcp demo</code>.</p>
<main>
{figures}
</main>
</html>
"""
_FIGURE = '<figure><img src="{name}" alt="A sample headshot"><figcaption>{caption}</figcaption></figure>'


def keep_pictures(links: Mapping[str, list[str]], folder: Path | None) -> Path:
    """Fetch the pictures of each task and write them and the page; gives the page's path.

    Args:
        links: The picture links of each task id, in the sandbox.
        folder: Where to write, made if need be; None for a new one among the temporary files.

    Raises:
        OSError: If something cannot be written. Nothing that is there already is overwritten by anything else.
    """
    folder = Path(mkdtemp(prefix="headshots-demo-")) if folder is None else folder
    folder.mkdir(parents=True, exist_ok=True)
    figures = []
    with httpx2.Client(trust_env=False) as http:
        for task_id, urls in links.items():
            for number, url in enumerate(urls, start=1):
                name = f"{task_id}-{number}.png"
                _write(folder / name, http.get(url).raise_for_status().content)
                caption = f"{escape(task_id)}, {number} of {len(urls)}"
                figures.append(_FIGURE.format(name=escape(name), caption=caption))
    page = (folder / PAGE_NAME).absolute()
    _write(page, _PAGE.format(figures="\n".join(figures)).encode())
    return page


def open_page(page: Path) -> bool:
    """Show the page in the user's browser; gives whether there is one."""
    return webbrowser.open(page.as_uri())


def _write(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() == content:
        return
    with path.open("xb") as file:
        file.write(content)
