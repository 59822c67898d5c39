"""The MCP bundle: its manifest is true, and a host that unpacks it starts the server."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from mcp import StdioServerParameters
from mcp.client import Client

from headshots_mcp import NAME, __version__
from headshots_mcp.sandbox.app import SUCCEEDED, TOKEN
from tests.conftest import REPOSITORY, connected, text_of
from tests.processes import environment

if TYPE_CHECKING:
    from tests.conftest import Served

pytestmark = pytest.mark.timeout(300)  # installs what hosts use, and the bundle

BUNDLE_TESTS = REPOSITORY / "tests" / "bundle"
MCPB = REPOSITORY / "mcpb"
MANIFEST: dict[str, Any] = json.loads((MCPB / "manifest.json").read_bytes())
SCHEMA = REPOSITORY / "tests" / "schemas" / "mcpb-manifest-v0.4.schema.json"
UV = os.environ.get("UV") or shutil.which("uv")
NODE, NPM = shutil.which("node"), shutil.which("npm")

# What a host does with a manifest.
HOST = """
import { getMcpConfigForManifest } from "@anthropic-ai/mcpb/node";
console.log(JSON.stringify((await getMcpConfigForManifest(JSON.parse(process.argv[1]))) ?? null));
"""


def test_the_manifest_is_valid() -> None:
    jsonschema.validate(MANIFEST, json.loads(SCHEMA.read_bytes()), cls=jsonschema.Draft7Validator)


def test_the_manifest_says_what_the_project_needs() -> None:
    assert MANIFEST["name"] == NAME
    assert MANIFEST["compatibility"]["runtimes"]["python"] == metadata(NAME)["Requires-Python"]


async def test_the_manifest_lists_the_tools_each_with_the_first_sentence_of_its_description(served: Served) -> None:
    async with connected(served.base_url) as client:
        tools = (await client.list_tools()).tools

    assert MANIFEST["tools"] == [
        {"name": tool.name, "description": f"{(tool.description or '').partition('. ')[0]}."} for tool in tools
    ]


def test_the_icon_has_the_size_that_hosts_show() -> None:
    header = (MCPB / MANIFEST["icon"]).read_bytes()[:24]

    assert (header[:8], struct.unpack(">II", header[16:])) == (b"\x89PNG\r\n\x1a\n", (512, 512))


def build(folder: Path) -> Path:
    command = [sys.executable, str(MCPB / "build.py"), str(folder)]
    built = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=True)
    return Path(built.stdout.rstrip("\n"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, packed."""
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def unpacked(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle where a host puts it: in a folder of its own, with a space on the way there."""
    folder = tmp_path_factory.mktemp("Claude Extensions") / NAME
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def node_packages() -> None:
    """The package that hosts read bundles with."""
    if NODE is None or NPM is None:
        pytest.skip("needs Node.js and npm")
    command = [NPM, "install", "--no-package-lock", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=BUNDLE_TESTS, capture_output=True, timeout=200, check=True)


def configured(unpacked: Path, **settings: str) -> Any:
    """How a host starts the bundle after its user has filled the settings in; None if it does not."""
    options = {
        "manifest": json.loads((unpacked / "manifest.json").read_bytes()),
        "extensionPath": str(unpacked),
        "systemDirs": {},
        "userConfig": settings,
        "pathSeparator": os.sep,
    }
    command = [str(NODE), "--input-type=module", "--eval", HOST, json.dumps(options)]
    return json.loads(subprocess.run(command, cwd=BUNDLE_TESTS, capture_output=True, timeout=60, check=True).stdout)


def started(args: list[str], **settings: str) -> StdioServerParameters:
    """What a host runs: with the server type uv, its own uv, whatever the command."""
    if UV is None:
        pytest.skip("starts with uv")
    return StdioServerParameters(command=UV, args=args, env=environment(UV_PYTHON=sys.executable, **settings))


def test_the_same_sources_give_the_same_bundle(bundle: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == bundle.read_bytes()


@pytest.mark.clients
@pytest.mark.usefixtures("node_packages")
def test_the_tool_that_packs_bundles_finds_nothing_wrong(unpacked: Path) -> None:
    command = [str(NPM), "exec", "--no", "--", "mcpb", "validate", str(unpacked)]
    ended = subprocess.run(command, cwd=BUNDLE_TESTS, capture_output=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stdout


def test_the_bundle_holds_what_a_host_reads_and_an_installation_needs(bundle: Path) -> None:
    source = {path for path in (REPOSITORY / "src").rglob("*") if path.is_file() and path.parent.name != "__pycache__"}
    with zipfile.ZipFile(bundle) as archive:
        names = set(archive.namelist())
        project = archive.read("pyproject.toml").decode()

    assert bundle.name == f"headshots-mcp-{__version__}.mcpb"
    assert names == {path.relative_to(REPOSITORY).as_posix() for path in source} | {
        "manifest.json",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        MANIFEST["icon"],
        *MANIFEST["screenshots"],
    }
    assert MANIFEST["server"]["entry_point"] in names
    assert "pytest" not in project


@pytest.mark.clients
@pytest.mark.usefixtures("node_packages")
@pytest.mark.parametrize("how", ["mcp_config", "entry_point"])
async def test_a_host_starts_the_bundle_lists_the_tools_and_calls_one(unpacked: Path, served: Served, how: str) -> None:
    config = configured(unpacked, token=TOKEN)
    args = config["args"] if how == "mcp_config" else [*config["args"][:-1], MANIFEST["server"]["entry_point"]]
    async with Client(started(args, **config["env"], ACEDATACLOUD_API_BASE_URL=served.base_url)) as client:
        server = client.server_info
        tools = (await client.list_tools()).tools
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert config["command"] == "uv"
    assert server is not None
    assert (server.name, server.version) == (NAME, __version__)
    assert [tool.name for tool in tools] == [tool["name"] for tool in MANIFEST["tools"]]
    assert text_of(result).startswith(f"{SUCCEEDED} succeeded (male_portrait)\nhttps://")


@pytest.mark.clients
@pytest.mark.usefixtures("node_packages")
def test_a_host_asks_for_the_token_before_it_starts_the_bundle(unpacked: Path) -> None:
    assert configured(unpacked) is None
    assert configured(unpacked, token="") is None


@pytest.mark.clients
@pytest.mark.usefixtures("node_packages")
@pytest.mark.parametrize("token", ["", MANIFEST["server"]["mcp_config"]["env"]["ACEDATACLOUD_API_TOKEN"]])
async def test_a_host_that_starts_it_without_a_token_gets_the_tools_and_an_answer_how_to_set_it(
    unpacked: Path, token: str
) -> None:
    args = configured(unpacked, token=TOKEN)["args"]
    async with Client(started(args, ACEDATACLOUD_API_TOKEN=token)) as client:
        tools = (await client.list_tools()).tools
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert len(tools) == len(MANIFEST["tools"])
    assert (result.is_error, text_of(result)[:27]) == (True, "No API token is configured.")
