"""The command's flags: what they say, what they refuse."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import webbrowser
from typing import TYPE_CHECKING

import pytest

from headshots_mcp import __version__
from headshots_mcp.cli import main
from headshots_mcp.sandbox import app
from headshots_mcp.sandbox.app import GALLERY
from headshots_mcp.sandbox.outcomes import OUTCOMES
from tests.processes import COMMAND, INITIALIZE, environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("process_as_before")

SETTINGS = ("ACEDATACLOUD_API_TOKEN", "ACEDATACLOUD_API_BASE_URL", "HEADSHOTS_TIMEOUT", "HEADSHOTS_LOG_LEVEL")


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--bog\nus"], "headshots-mcp: unrecognized arguments: --bog?us (see"),
        (["--bogus"], "headshots-mcp: unrecognized arguments: --bogus (see headshots-mcp --help)\n"),
        (["--trans=stdio"], "headshots-mcp: unrecognized arguments: --trans"),
        (["--transport", "pigeon"], "headshots-mcp: argument --transport: invalid choice: 'pigeon'"),
        (["--transport"], "headshots-mcp: argument --transport: expected one argument"),
        (["serve"], "headshots-mcp: argument COMMAND: invalid choice: 'serve'"),
        (["check", "--sandbox", "rain"], "headshots-mcp: argument --sandbox: invalid choice: 'rain'"),
        (["check", "--js"], "headshots-mcp: unrecognized arguments: --js (see headshots-mcp --help)\n"),
        (["check", "--transport", "http"], "headshots-mcp: unrecognized arguments: --transport http (see"),
        (["--save-dir", "x", "--transport", "http"], "headshots-mcp: --save-dir works over stdio only (see"),
        (["--save-dir", ""], "headshots-mcp: argument --save-dir: must be a folder (see"),
        (["--save-dir", __file__], "headshots-mcp: argument --save-dir: must be a folder (see"),
        (["demo", "--save", " "], "headshots-mcp: argument --save: must be a folder (see"),
        (["get", "t", "--save", __file__], "headshots-mcp: argument --save: must be a folder (see"),
        (["demo", "--sandbox"], "headshots-mcp: unrecognized arguments: --sandbox (see"),
    ],
)
def test_what_it_does_not_know_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], flags: list[str], line: str
) -> None:
    with pytest.raises(SystemExit) as left:
        main(flags)

    said = capsys.readouterr()
    assert (left.value.code, said.out) == (2, "")
    assert said.err.startswith(line)
    assert said.err.count("\n") == 1


def test_help_shows_every_flag_the_environment_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])

    said = capsys.readouterr().out
    assert left.value.code == 0
    for word in ("demo", "check", "--transport", "--sandbox", "--version", "examples:", *SETTINGS):
        assert word in said


def test_help_of_the_check_shows_the_exit_codes_and_every_outcome_to_try(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["check", "--help"])

    said = capsys.readouterr().out
    assert left.value.code == 0
    assert "\nexit code:\n  0  everything works\n  1  something does not work\n  2  a setting is invalid" in said
    for outcome, words in OUTCOMES.items():
        assert f"\n  {outcome:18}{words}\n" in said


def test_the_version_is_the_package_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])

    assert (left.value.code, capsys.readouterr().out) == (0, f"headshots-mcp {__version__}\n")


def test_a_folder_for_pictures_may_be_said_from_the_current_one(tmp_path: Path) -> None:
    call = {"name": "save_headshots", "arguments": {"ids": [GALLERY]}}
    asked = [INITIALIZE, {"method": "tools/call", "params": call}]
    ended = subprocess.run(
        [*COMMAND, "--sandbox", "--save-dir", "pictures"],
        input="".join(json.dumps({"jsonrpc": "2.0", "id": id_, **each}) + "\n" for id_, each in enumerate(asked)),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        f"{GALLERY}-{n}.png" for n in range(1, 5)
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process 1")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_as_process_1_it_handles_the_signals_to_which_the_system_does_nothing_then(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    with monkeypatch.context() as first:
        first.setattr(os, "getpid", lambda: 1)
        with pytest.raises(SystemExit):
            main(["--version"])
    monkeypatch.setattr(os, "_exit", codes.append)
    signal.raise_signal(number)

    assert codes == [128 + number]


def test_the_demo_shows_the_main_job_and_ends_well() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "headshots_mcp", "demo"],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    for shown in (
        "get_headshot_tasks: Look up headshot tasks",
        '> get_headshot_task {"id": "16f96e95-d95c-46ef-b183-139b9bd1aebd"}',
        "16f96e95-d95c-46ef-b183-139b9bd1aebd succeeded (male_portrait)",
        "5213468b-6b96-4ad4-9c6a-657bd438d299 processing (male_portrait)",
        "sandbox-living pending",
        '> wait_for_headshot_tasks {"ids": ["sandbox-living",',
        " of 45 s: 1 of 2 done",
        " of 45 s: 2 of 2 done",
        "sandbox-living succeeded",
        "refused: id: must not be empty",
        "Demo finished, all checks passed: you saw an assistant look up one headshot task and several,",
    ):
        assert shown in ended.stdout


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was opened in the browser."""
    addresses: list[str] = []

    def show(address: str) -> bool:
        addresses.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", show)
    return addresses


def run_demo_quickly(monkeypatch: pytest.MonkeyPatch, *flags: str) -> int:
    """Run the demo in this process, with a living task that lives for a moment, and return its exit code."""
    monkeypatch.setattr(app, "PROCESSING_AFTER_SECONDS", 0.01)
    monkeypatch.setattr(app, "SUCCEEDED_AFTER_SECONDS", 0.02)
    with pytest.raises(SystemExit) as left:
        main(["demo", *flags])
    return int(str(left.value.code))


def test_the_demo_leaves_its_pictures_and_a_page_and_opens_it(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "nëw 照片"
    page = folder / "headshots-demo.html"
    for number in (1, 2):  # the second finds everything in its place
        assert run_demo_quickly(monkeypatch, "--save", str(folder), "--open") == 0
        said = capsys.readouterr()
        assert f"6 pictures are saved and shown in your browser: {page}\n" in said.out
        assert said.err == ""
        assert opened == [page.as_uri()] * number

    pictures = sorted(folder.glob("*.png"))
    assert len(pictures) == 6
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert re.findall('src="([^"]+)"', page.read_text("utf-8")) == [
        *(f"sandbox-living-{number}.png" for number in (1, 2)),
        *(f"sandbox-gallery-{number}.png" for number in (1, 2, 3, 4)),
    ]


def test_the_demo_without_a_folder_opens_its_page_from_a_new_one_though_nobody_sees_what_it_prints(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without stdout, as pythonw starts it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "stdout", None)

    assert run_demo_quickly(monkeypatch, "--open") == 0
    (page,) = tmp_path.glob("headshots-demo-*/headshots-demo.html")
    assert opened == [page.as_uri()]


def test_the_demo_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "headshots-demo.html"
    page.write_text("mine")

    assert run_demo_quickly(monkeypatch, "--save", str(tmp_path)) == 1
    assert f"Unexpected: the page could not be saved: File exists: {page}\n" in capsys.readouterr().out
    assert page.read_text() == "mine"


def test_the_demo_needs_no_settings_and_minds_no_wrong_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops once nobody reads its output, which is not an error."""
    monkeypatch.setenv("ACEDATACLOUD_API_TOKEN", "${NOT_SET}")
    with subprocess.Popen(
        [sys.executable, "-m", "headshots_mcp", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        first = demo.stdout.readline()
        demo.stdout.close()
        errors = demo.stderr.read()

    assert first.startswith("headshots-mcp ")
    assert (demo.returncode, errors) == (1, "")


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ("SUCCEEDED = FAILED", "Unexpected: expected a succeeded task"),
        ("sys.executable = 'no-such-command'", "Unexpected: the server or its client failed"),
        ("TIME_LIMIT_SECONDS = 0.5", "Unexpected: not done within 0.5 s"),
    ],
)
def test_the_demo_fails_if_anything_is_not_as_it_should_be(change: str, verdict: str) -> None:
    code = "import sys\nfrom headshots_mcp import demo\nvars(demo).update(dict(sys=sys))\n"
    code += "from headshots_mcp.sandbox import app\napp.PROCESSING_AFTER_SECONDS = app.SUCCEEDED_AFTER_SECONDS = 0.01\n"
    code += f"exec({change!r}, vars(demo))\nsys.exit(demo.run_demo())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=30, check=False)

    assert ended.returncode == 1
    assert verdict in ended.stdout
    assert "Traceback" not in ended.stderr
