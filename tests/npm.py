"""Packages of npm for the tests that need Node.js, installed once however many processes run tests."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

if TYPE_CHECKING:
    from pathlib import Path


def install(folder: Path, *flags: str) -> None:
    """Install what a folder's package.json names, unless that is there already; skip the test where npm is not."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs node and npm")
    wanted = (folder / "package.json").read_bytes()
    modules = folder / "node_modules"
    modules.mkdir(exist_ok=True)
    done = modules / ".installed.json"
    with FileLock(modules / ".lock"):
        if done.exists() and done.read_bytes() == wanted:
            return
        command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent", *flags]
        subprocess.run(command, cwd=folder, check=True, timeout=280)
        done.write_bytes(wanted)
