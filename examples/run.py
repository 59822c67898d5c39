# /// script
# requires-python = ">=3.10"
# dependencies = []
# ///
"""Runs the examples, each in an environment of its own, with this repository as `uvx headshots-mcp`.

uv run examples/run.py [NAME ...]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
UV = os.environ.get("UV", "uv")
SDK = "@modelcontextprotocol/client"
LINKS = [f"http://127.0.0.1/headshots/gallery-{number}.png" for number in (1, 2, 3, 4)]
INSTALL_SECONDS, RUN_SECONDS = 300, 120
ROW = "{:18} {:34} {:7} {:>7}  {}"


class Failed(Exception):
    """Something did not work, said in words."""


class Example(NamedTuple):
    """An example: its folder, and the commands that install and run it."""

    name: str
    folder: Path
    install: list[str]
    run: list[str]


def examples() -> dict[str, Example]:
    """Find the examples of this folder."""
    files = [path.name for path in sorted(HERE.glob("*.py")) if path.name != "run.py"]
    found = [
        Example(file.removesuffix(".py"), HERE, [UV, "sync", "-q", "--script", file], [UV, "run", "-q", file])
        for file in files
    ]
    install = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
    found.append(Example("typescript", HERE / "typescript", install, ["node", "headshots.mjs"]))
    return {example.name: example for example in found}


def call(command: list[str], folder: Path, seconds: float, environment: dict[str, str] | None = None) -> str:
    """Run a command, which must end in time and without an error, and return what it printed."""
    program = shutil.which(command[0])
    if program is None:
        raise Failed(f"{command[0]} is not on PATH; uv is needed, and for TypeScript Node.js 20 or newer with npm")
    with subprocess.Popen(
        [program, *command[1:]],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        problem, output, errors = None, "", ""
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            problem = f"was not done after {seconds:g} s"
            process.terminate()  # uv hands this on to what it runs
            with suppress(subprocess.TimeoutExpired):
                output, errors = process.communicate(timeout=10)
        finally:
            process.kill()
    if problem or process.returncode:
        problem = problem or f"ended with exit code {process.returncode}"
        raise Failed(f"{shlex.join(command)} {problem}\n{output}{errors}")
    return output


def install_server(folder: Path) -> None:
    """Build a wheel of this repository, and put a `uvx` into the folder that runs it, without any network.

    MCP clients hand PATH on to a server, but not uv's settings, so all that counts is in the command.
    """
    call([UV, "build", "-q", "--wheel", "-o", str(folder)], HERE.parent, INSTALL_SECONDS)
    wheel, cache = next(folder.glob("*.whl")), call([UV, "cache", "dir"], HERE, INSTALL_SECONDS).strip()
    command = [shutil.which(UV), "tool", "run", "-q", "--python", sys.executable, "--cache-dir", cache]
    command += ["--from", str(wheel)]
    call([*command, "headshots-mcp", "--version"], HERE, INSTALL_SECONDS)
    command.append("--offline")
    if os.name == "nt":
        (folder / "uvx.cmd").write_text(f"@{subprocess.list2cmdline(command)} %*\n", encoding="utf-8")
    else:
        (folder / "uvx").write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
        (folder / "uvx").chmod(0o755)


def run(example: Example, uvx: Path) -> float:
    """Run an example without any key, with our `uvx` first on PATH, and return the seconds it took."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_TOKEN"))}
    environment["PATH"] = os.pathsep.join([str(uvx), environment["PATH"]])
    started = time.monotonic()
    printed = call(example.run, example.folder, RUN_SECONDS, environment)
    seconds = time.monotonic() - started
    links = re.findall(r"https?://[^\s\"']+", re.sub(r"(127\.0\.0\.1):\d+", r"\1", printed))
    if links != LINKS:
        raise Failed(f"{example.name} did not print the four links of sandbox-gallery, but:\n{printed}")
    return seconds


def versions(example: Example) -> tuple[str, str]:
    """Say which framework and which `mcp` an example has in its environment."""
    if example.name == "typescript":
        package = example.folder / "node_modules" / SDK / "package.json"
        return f"{SDK} {json.loads(package.read_text('utf-8'))['version']}", "-"
    script = HERE / f"{example.name}.py"
    python = call([UV, "python", "find", "--script", str(script)], HERE, INSTALL_SECONDS).strip()
    listed = json.loads(call([UV, "pip", "list", "-q", "--format", "json", "--python", python], HERE, INSTALL_SECONDS))
    installed = {package["name"]: package["version"] for package in listed}
    framework = re.search(r'^# dependencies = \["([\w-]+)', script.read_text("utf-8"), re.MULTILINE)[1]
    return f"{framework} {installed[framework]}", installed["mcp"]


def report(uvx: Path, example: Example) -> str | None:
    """Install and run an example, print its row of the table, and return what went wrong, if anything did."""
    about, seconds, failure = ("", ""), "", None
    try:
        call(example.install, example.folder, INSTALL_SECONDS)
        about = versions(example)
        seconds = f"{run(example, uvx):.1f}"
    except Failed as failed:
        failure = str(failed)
    print(ROW.format(example.name, *about, seconds, "no" if failure else "yes"), flush=True)
    return failure


def main() -> None:
    """Run what was asked for, at most two side by side."""
    found = examples()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(found)}; all if left out")
    names = parser.parse_args().names or list(found)
    if unknown := [name for name in names if name not in found]:
        parser.error(f"no example is called {unknown[0]}; there are {', '.join(found)}")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        try:
            install_server(Path(folder))
        except Failed as failed:
            sys.exit(f"examples: {failed}")
        print(ROW.format("example", "framework", "mcp", "seconds", "ok"))
        reports = list(pool.map(partial(report, Path(folder)), [found[name] for name in names]))
    failures = [failure for failure in reports if failure]
    sys.exit("\n\n".join(["", *failures]) if failures else 0)


if __name__ == "__main__":
    main()
