"""What is published: one package in the wheel, which starts by one line of uvx, and a true registry entry."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import metadata
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from mcp import StdioServerParameters
from mcp.client import Client

from headshots_mcp import NAME, __version__
from headshots_mcp.sandbox.app import SUCCEEDED
from tests.conftest import REPOSITORY, text_of

if TYPE_CHECKING:
    from pathlib import Path

UV = os.environ.get("UV")
SCHEMA = REPOSITORY / "tests" / "schemas" / "server.schema.2025-12-11.json"

PAGE = [path.name for path in (REPOSITORY / "src/headshots_mcp/server/gallery").glob("*.*") if path.suffix != ".py"]

needs_uv = pytest.mark.skipif(UV is None, reason="builds with uv: run the tests by `uv run pytest`")


def registry_entry() -> dict[str, Any]:
    entry: dict[str, Any] = json.loads((REPOSITORY / "server.json").read_bytes())
    return entry


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([str(UV), "build", "-q", "--wheel", "-o", out, REPOSITORY], check=True, timeout=120)
    (built,) = out.glob("*.whl")
    return built


@needs_uv
def test_the_wheel_holds_one_top_level_package_and_its_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()

    assert {name.split("/")[0] for name in names} == {
        "headshots_mcp",
        f"headshots_mcp-{__version__}.dist-info",
    }
    assert {"headshots_mcp/py.typed", *(f"headshots_mcp/server/gallery/{name}" for name in PAGE)} <= set(names)
    assert f"headshots_mcp-{__version__}.dist-info/licenses/LICENSE" in names


@needs_uv
def test_links_and_pictures_of_the_readme_lead_somewhere_on_pypi_too(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        described = archive.read(f"headshots_mcp-{__version__}.dist-info/METADATA").decode()
    links = re.findall(r"(?:\]\(|src=\"|srcset=\")([^)\"]*)", described)

    assert "https://raw.githubusercontent.com/headshots-mcp/headshots-mcp/main/docs/gallery.png" in links
    assert "https://github.com/headshots-mcp/headshots-mcp/blob/main/README.zh-TW.md" in links
    assert not [link for link in links if not link.startswith(("https://", "#"))]


@needs_uv
@pytest.mark.clients
async def test_uvx_starts_the_wheel_in_an_environment_of_its_own(wheel: Path) -> None:
    flags = ["-q", "--no-cache", "--python", sys.executable, "--from", str(wheel)]
    command = ["tool", "run", *flags, "headshots-mcp", "--sandbox"]
    server = StdioServerParameters(command=str(UV), args=command, env=dict(os.environ))
    async with Client(server) as client:
        assert client.server_info is not None
        assert client.server_info.version == __version__
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert text_of(result).startswith(f"{SUCCEEDED} succeeded")


def test_the_registry_entry_is_valid() -> None:
    jsonschema.validate(registry_entry(), json.loads(SCHEMA.read_bytes()), cls=jsonschema.Draft7Validator)


def test_the_registry_entry_says_what_the_packages_are() -> None:
    entry = registry_entry()
    package, bundle = entry["packages"]
    token = package["environmentVariables"][0]

    assert entry["name"] == "io.github.headshots-mcp/headshots-mcp"
    assert len(entry["description"]) <= 100
    assert (entry["version"], package["version"], bundle["version"]) == (__version__, __version__, __version__)
    assert [package[key] for key in ("registryType", "identifier", "runtimeHint")] == ["pypi", "headshots-mcp", "uvx"]
    assert bundle["identifier"] == (
        f"{entry['repository']['url']}/releases/download/v{__version__}/headshots-mcp-{__version__}.mcpb"
    )
    assert package["transport"] == bundle["transport"] == {"type": "stdio"}
    assert (token["name"], token["isRequired"], token["isSecret"]) == ("ACEDATACLOUD_API_TOKEN", True, True)
    for icon in entry["icons"]:
        assert (REPOSITORY / icon["src"].partition("/main/")[2]).is_file()


# Where a host keeps, in its manifest, the server and the setting that holds the token.
MANIFESTS = {
    "mcpb/manifest.json": ("server", "mcp_config", "user_config", "token"),
    ".claude-plugin/plugin.json": ("mcpServers", "headshots", "userConfig", "token"),
    ".cursor-plugin/plugin.json": ("mcpServers", "headshots"),
    "gemini-extension.json": ("mcpServers", "headshots", "settings", 0),
}


@pytest.mark.parametrize("path", MANIFESTS)
def test_a_manifest_says_what_the_registry_entry_and_the_project_say(path: str) -> None:
    entry, project, manifest = registry_entry(), metadata(NAME), json.loads((REPOSITORY / path).read_bytes())
    token = entry["packages"][0]["environmentVariables"][0]
    outer, inner, *setting = MANIFESTS[path]
    server = manifest[outer][inner]
    true = {
        "version": __version__,
        "description": entry["description"],
        "display_name": entry["title"],
        "displayName": entry["title"],
        "homepage": entry["websiteUrl"],
        "license": project["License-Expression"],
        "keywords": project["Keywords"].split(","),
    }
    said = {key: manifest[key] for key in true if key in manifest}

    assert {"version", "description"} <= said.keys()
    assert said == {key: true[key] for key in said}
    assert server["command"] in ("uv", entry["packages"][0]["runtimeHint"])
    assert server["args"][-1] == entry["packages"][0]["identifier"]
    assert token["name"] in server["env"]
    assert server["env"].keys() <= {one["name"] for one in entry["packages"][0]["environmentVariables"]}
    if setting:
        asked = manifest[setting[0]][setting[1]]
        assert asked["sensitive"] is token["isSecret"]
        assert asked.get("required", True) is token["isRequired"]


def test_kubernetes_starts_this_version() -> None:
    manifest = (REPOSITORY / "deploy" / "kubernetes.yaml").read_text(encoding="utf-8")

    assert f"image: ghcr.io/headshots-mcp/headshots-mcp:{__version__}\n" in manifest
