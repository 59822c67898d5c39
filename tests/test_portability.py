"""Windows and macOS, as far as another system can tell: consoles, pipes and limits unlike those of Linux."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import JSONResponse

from headshots_mcp import NAME
from headshots_mcp.sandbox.app import TOKEN
from headshots_mcp.server.http.connections import MAX_OPEN_FILES, allow_many_connections
from tests.processes import COMMAND, INITIALIZE, ask, environment, look_up, running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Served

HTTP = ["--transport", "http"]


def older_console(code_page: str) -> dict[str, str]:
    """An environment in which Python writes as it does where stdout has a Windows code page."""
    return environment(PYTHONIOENCODING=f"{code_page}:strict", PYTHONUTF8="0")


@pytest.mark.parametrize("code_page", ["cp1252", "cp950"])
@pytest.mark.parametrize(
    ("flags", "settings", "code", "said"),
    [
        (["--help"], {}, 0, "usage: headshots-mcp"),
        (["--version"], {}, 0, "headshots-mcp "),
        (["check", "--sandbox"], {}, 0, "headshots-mcp "),
        (["伺服器"], {}, 2, "headshots-mcp: argument COMMAND: invalid choice: "),
        ([*HTTP, "--host", "主機"], {}, 2, "headshots-mcp: --host must be an IP address"),
        (HTTP, {"ACEDATACLOUD_API_TOKEN": "權杖"}, 2, "headshots-mcp: ACEDATACLOUD_API_TOKEN is not a token"),
        (HTTP, {"ACEDATACLOUD_API_BASE_URL": "https://例子"}, 2, "headshots-mcp: ACEDATACLOUD_API_BASE_URL is not"),
    ],
)
def test_what_it_says_fits_an_older_console(
    code_page: str, flags: list[str], settings: dict[str, str], code: int, said: str
) -> None:
    ended = subprocess.run(
        [*COMMAND, *flags],
        env=older_console(code_page) | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
    )

    out, err = ended.stdout.decode(code_page), ended.stderr.decode(code_page)
    said_so, nothing = (err, out) if code else (out, err)
    assert (ended.returncode, nothing) == (code, "")
    assert said_so.startswith(said)


def test_the_demo_fits_an_older_console() -> None:
    ended = subprocess.run([*COMMAND, "demo"], env=older_console("ascii"), capture_output=True, timeout=60, check=False)

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.decode("ascii").splitlines()[-1].startswith("Demo finished, all checks passed")


def test_over_stdio_it_speaks_utf_8_whatever_the_console(served: Served) -> None:
    record = {"id": "照片", "request": {"template": "證件照"}, "response": {"success": True, "data": []}}
    served.sandbox.script("照片", [JSONResponse(record)])
    settings = {"ACEDATACLOUD_API_BASE_URL": served.base_url, "ACEDATACLOUD_API_TOKEN": TOKEN}
    with running(**older_console("cp1252"), **settings) as process:
        ask(process, INITIALIZE)
        answer = ask(process, look_up("照片"))

    assert answer["result"]["content"][0]["text"].startswith("照片 processing (“證件照”)")


def test_the_demo_ends_quietly_where_a_broken_pipe_is_an_invalid_argument() -> None:
    code = """\
import errno, io, sys, types
from headshots_mcp import ending
from headshots_mcp.cli import main

# For this module only: the sandbox's thread asks for the system at the same time.
ending.sys = types.SimpleNamespace(platform="win32")

class Closed(io.TextIOWrapper):
    def write(self, text):
        raise OSError(errno.EINVAL, "Invalid argument")

sys.stdout = Closed(sys.stdout.buffer)
main(["demo"])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (1, b"", b"")


def test_where_the_kernel_refuses_many_open_files_fewer_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS does: no limit is set, and yet no more than the kernel's own is taken."""
    resource: Any = pytest.importorskip("resource", reason="Windows has no limit of open files")
    asked = []

    def setrlimit(_which: int, limits: tuple[int, int]) -> None:
        asked.append(limits[0])
        if limits[0] > 10_240:
            raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    allow_many_connections()

    assert asked == [MAX_OPEN_FILES, 10_240]


# Modules that we or what we depend on import. For -m, Python has imported those named second before our first line.
SHADOWS = ("mcp", "json", "anyio", "pydantic", "typing", "email", "logging", "asyncio", "argparse", "signal", "random")
ALSO = ("types", "contextlib", "functools", "collections")


@pytest.mark.parametrize(
    ("command", "shadows"),
    [
        pytest.param(COMMAND, SHADOWS, id="python -m headshots_mcp"),
        pytest.param([shutil.which(NAME, path=sysconfig.get_path("scripts"))], SHADOWS + ALSO, id=NAME),
    ],
)
@pytest.mark.parametrize("flags", [["--version"], ["check", "--sandbox"], ["demo"]], ids=" ".join)
def test_files_of_the_current_folder_are_not_taken_for_modules(
    tmp_path: Path, command: list[str], shadows: tuple[str, ...], flags: list[str]
) -> None:
    for name in shadows:
        (tmp_path / f"{name}.py").write_text("raise SystemExit(f'{__file__} was loaded')", "utf-8")
    ended = subprocess.run(
        [*command, *flags],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "was loaded" not in ended.stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        pytest.param(["-I", "-m", "headshots_mcp", "--version"], "headshots-mcp ", id="isolated"),
        pytest.param(["-c", "import headshots_mcp.__main__, sys; print(*sys.path, sep='|')"], "|", id="imported"),
    ],
)
def test_the_search_path_is_left_alone_where_the_current_folder_is_not_on_it(command: list[str], said: str) -> None:
    ended = subprocess.run(
        [sys.executable, *command], env=environment(), capture_output=True, encoding="utf-8", timeout=20, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(said)


def test_it_serves_from_a_folder_that_has_a_file_named_mcp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mcp.py").write_text("raise SystemExit(f'{__file__} was loaded')", "utf-8")
    monkeypatch.chdir(tmp_path)
    with running("--sandbox") as process:
        ask(process, INITIALIZE)
        assert "result" in ask(process, look_up("t"))
