"""Builds the MCP bundle, `dist/headshots-mcp-<version>.mcpb`: `uv run mcpb/build.py`.

It needs nothing but Python, and the same commit gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent

# The tables of pyproject.toml that an installation needs.
INSTALLED = ("[build-system]", "[project", "[tool.hatch.build.targets.wheel]", "[tool.hatch.metadata", "[[tool.hatch")


def main() -> None:
    """Build the bundle and say where it is."""
    parser = argparse.ArgumentParser(description="Build the MCP bundle.")
    parser.add_argument("folder", nargs="?", type=Path, default=REPOSITORY / "dist", help="where to (default: dist)")
    print(build(parser.parse_args().folder.resolve()))


def build(folder: Path) -> Path:
    """Pack the bundle into a folder, without times, which would differ from build to build."""
    manifest = json.loads((HERE / "manifest.json").read_bytes())
    bundle = folder / f"{manifest['name']}-{manifest['version']}.mcpb"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, content in sorted(contents(manifest["screenshots"])):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return bundle


def contents(screenshots: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the bundle: what a host reads and what an installation needs."""
    for name in ("manifest.json", "icon.png"):
        yield name, (HERE / name).read_bytes()
    sources = [path for path in (REPOSITORY / "src").rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    for path in [*sources, *(REPOSITORY / name for name in ("LICENSE", "README.md", *screenshots))]:
        yield path.relative_to(REPOSITORY).as_posix(), path.read_bytes()
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    yield "pyproject.toml", without_development(project).encode()


def without_development(project: str) -> str:
    """Leave out the development tools, which a host would install as well."""
    tables = re.split(r"^(?=\[)", project, flags=re.MULTILINE)
    return "".join(table for table in tables if table.startswith(INSTALLED))


if __name__ == "__main__":
    main()
