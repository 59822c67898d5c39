"""The command's flags: what they say, what they refuse."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from headshots_mcp import __version__
from headshots_mcp.cli import main


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--bogus"], "headshots-mcp: unrecognized arguments: --bogus (see headshots-mcp --help)\n"),
        (["--trans=stdio"], "headshots-mcp: unrecognized arguments: --trans"),
        (["--transport", "pigeon"], "headshots-mcp: argument --transport: invalid choice: 'pigeon'"),
        (["--transport"], "headshots-mcp: argument --transport: expected one argument"),
        (["serve"], "headshots-mcp: argument command: invalid choice: 'serve'"),
        (["--transport", "sse"], "headshots-mcp: --transport sse is not there yet; use stdio"),
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
    for word in (
        "demo",
        "--transport",
        "--sandbox",
        "--version",
        "example:",
        *re.findall(r"[A-Z]+_[A-Z_]+", said),
    ):
        assert word in said
    assert {"ACEDATACLOUD_API_TOKEN", "ACEDATACLOUD_API_BASE_URL", "HEADSHOTS_LOG_LEVEL"} <= set(said.split())


def test_the_version_is_the_package_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])

    assert (left.value.code, capsys.readouterr().out) == (0, f"headshots-mcp {__version__}\n")


def test_the_demo_shows_the_main_job_and_ends_well() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "headshots_mcp", "demo"],
        capture_output=True,
        text=True,
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
        "sandbox-living processing",
        "sandbox-living succeeded",
        "refused: id: must not be empty",
        "Everything was as it should be.",
    ):
        assert shown in ended.stdout
