"""Builds the MCP bundle, `dist/headshots-mcp-<version>.mcpb`: `uv run mcpb/build.py`. Needs Node.js and npm."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent

INSTALLED = (
    "[build-system]",
    "[project",
    "[tool.hatch.build.targets.wheel]",
    "[tool.hatch.metadata",
    "[[tool.hatch.metadata",
)


def main() -> None:
    """Build the bundle and say where it is."""
    parser = argparse.ArgumentParser(description="Build the MCP bundle.")
    parser.add_argument("folder", nargs="?", type=Path, default=REPOSITORY / "dist", help="where to (default: dist)")
    folder: Path = parser.parse_args().folder
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("The bundle is packed with Node.js: install it and npm.")
    print(build(folder.resolve(), npm))


def build(folder: Path, npm: str) -> Path:
    """Gather, check and pack the bundle."""
    manifest = json.loads((HERE / "manifest.json").read_bytes())
    bundle = folder / f"{manifest['name']}-{manifest['version']}.mcpb"
    _run(npm, "install", "--no-package-lock", "--no-audit", "--no-fund")
    with tempfile.TemporaryDirectory() as stage:
        gather(Path(stage))
        _run(npm, "exec", "--no", "--", "mcpb", "validate", stage)
        _run(npm, "exec", "--no", "--", "mcpb", "pack", stage, str(bundle))
    return bundle


def gather(stage: Path) -> None:
    """Put into a folder what the bundle holds: what a host reads and what an installation needs."""
    for file in ("manifest.json", "icon.png"):
        shutil.copy(HERE / file, stage)
    for file in ("README.md", "LICENSE"):
        shutil.copy(REPOSITORY / file, stage)
    (stage / "docs").mkdir()
    shutil.copy(REPOSITORY / "docs" / "gallery.png", stage / "docs")
    shutil.copytree(REPOSITORY / "src", stage / "src", ignore=shutil.ignore_patterns("__pycache__"))
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    (stage / "pyproject.toml").write_text(without_development(project), encoding="utf-8")


def without_development(project: str) -> str:
    """Keep the tables that an installation needs; a host would install the tools of development too."""
    tables = re.split(r"^(?=\[)", project, flags=re.MULTILINE)
    return "".join(table for table in tables if table.startswith(INSTALLED))


def _run(*command: str) -> None:
    """Run a command in this folder, where npm finds the packer; what it prints is shown if it fails."""
    ended = subprocess.run(command, cwd=HERE, capture_output=True, text=True, encoding="utf-8", check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(command)}\n{ended.stdout}{ended.stderr}")


if __name__ == "__main__":
    main()
