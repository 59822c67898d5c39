"""Who is measured: this server, the floors, and comparable servers from PyPI, each in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "headshots-mcp-benchmarks"
COMPARABLE = {"mcp-flux-pro": "flux", "mcp-nanobanana-pro": "nanobanana", "mcp-suno": "suno"}

Kind = Literal["ours", "floor", "comparable"]


@dataclass
class Subject:
    """A server, how to start it, and what its two tools are called."""

    name: str
    kind: Kind
    command: list[str]
    http_command: list[str]
    one: str = "get_headshot_task"
    one_argument: str = "id"
    many: str = "get_headshot_tasks"
    many_argument: str = "ids"
    version: str = ""
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def token(self) -> str:
        """The token by which the upstream knows whose request it counts."""
        return f"bench-{self.name}"

    def environment(self, base_url: str, certificates: str) -> dict[str, str]:
        """Return the environment the server is started in, without this shell's settings of Python."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
        return kept | {
            "ACEDATACLOUD_API_BASE_URL": base_url,
            "ACEDATACLOUD_API_TOKEN": self.token,
            "SSL_CERT_FILE": certificates,
            "LOG_LEVEL": "WARNING",
            **self.settings,
        }


def ours(checkout: Path = HERE.parent, name: str = "headshots-mcp") -> Subject:
    """Install a checkout of this server, with bytecode compiled, as it is now."""
    folder = _environment(name)
    _uv("pip", "install", "--python", folder, "--compile-bytecode", "--reinstall-package", "headshots-mcp", checkout)
    command = [str(folder / "bin" / "headshots-mcp")]
    return Subject(name, "ours", command, [*command, "--transport", "http", "--port"], version="this checkout")


def floors() -> list[Subject]:
    """Return the two floors that are servers; they run in this server's environment, on the same versions."""
    python = str(_environment("headshots-mcp") / "bin" / "python")
    empty, shared = ([python, str(HERE / "floors" / name)] for name in ("empty.py", "shared_client.py"))
    return [
        Subject("empty", "floor", empty, empty, one="nothing"),
        Subject("shared client", "floor", shared, shared, one="get_task", many="get_tasks"),
    ]


def comparable(name: str) -> Subject:
    """Install the newest version of a server of the same family.

    Raises:
        subprocess.SubprocessError: If it cannot be installed.
    """
    folder, word = _environment(name), COMPARABLE[name]
    _uv("pip", "install", "--python", folder, "--compile-bytecode", name)
    return Subject(
        name,
        "comparable",
        [str(folder / "bin" / name)],
        [str(folder / "bin" / "python"), str(HERE / "on_loopback.py")],
        one=f"{word}_get_task",
        one_argument="task_id",
        many=f"{word}_get_tasks_batch",
        many_argument="task_ids",
        version=version_in(folder, name),
    )


def version_in(folder: Path, package: str) -> str:
    """Say which version of a package an environment has."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    python = folder / "bin" / "python"
    return subprocess.run(
        [python, "-c", code], check=True, capture_output=True, encoding="utf-8", timeout=60
    ).stdout.strip()


def environment_of_ours() -> Path:
    """Where this server and the floors are installed."""
    return CACHE / "headshots-mcp"


def _environment(name: str) -> Path:
    folder = CACHE / name
    if not (folder / "bin" / "python").exists():
        _uv("venv", "--python", f"{sys.version_info.major}.{sys.version_info.minor}", folder)
    return folder


def _uv(*arguments: object) -> None:
    subprocess.run(["uv", *map(str, arguments)], check=True, capture_output=True, encoding="utf-8", timeout=180)
