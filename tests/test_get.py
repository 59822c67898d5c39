"""`headshots-mcp get` as people and scripts use it: what it prints, what it saves, and its exit codes."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from starlette.responses import JSONResponse

from headshots_mcp.cli import main
from headshots_mcp.sandbox.app import FAILED, GALLERY, SUCCEEDED, TOKEN, UNKNOWN
from headshots_mcp.sandbox.portraits import portrait
from tests.lookup.picture_site import picture_site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Served


pytestmark = pytest.mark.usefixtures("process_as_before")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["get", *arguments])
    return int(str(left.value.code))


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([SUCCEEDED], 0),
        ([SUCCEEDED, GALLERY], 0),
        ([FAILED], 1),
        ([UNKNOWN], 1),
        (["none"], 1),
        ([SUCCEEDED, FAILED], 1),
        (["fault-403"], 1),
        ([], 2),
        (["x" * 129], 2),
        ([""], 2),
    ],
)
def test_the_exit_code_says_whether_all_is_there(ids: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*ids, "--sandbox") == code
    said = capsys.readouterr()
    assert bool(said.out) != (code == 2)
    assert said.err.count("\n") == (1 if code == 2 else 0)


def test_a_table_says_how_the_tasks_are_with_reasons_and_links(capsys: pytest.CaptureFixture[str]) -> None:
    run(SUCCEEDED, FAILED, "none", "--sandbox")

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ID", "STATUS", "TEMPLATE", "AGE"]
    assert lines[1].split() == [SUCCEEDED, "succeeded", "male_portrait"]
    assert lines[2].strip().startswith("http://127.0.0.1:")
    assert lines[3].split()[:3] == [FAILED, "failed", "wedding"]
    assert lines[4].strip().startswith("“No face was found in the photo.” (face_not_found, trace id ")
    assert lines[5].split() == ["none", "not_found"]
    assert lines[6].strip() == "The API does not know this task id. Check it."


def test_one_json_object_is_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(SUCCEEDED, "none", "--sandbox", "--json")

    found = json.loads(capsys.readouterr().out)
    assert code == 1
    assert [(task["id"], task["status"]) for task in found["tasks"]] == [
        (SUCCEEDED, "succeeded"),
        ("none", "not_found"),
    ]
    assert "pictures" not in found


def test_why_a_task_could_not_be_looked_up_is_in_the_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    run("fault-403", "--sandbox", "--json")

    (task,) = json.loads(capsys.readouterr().out)["tasks"]
    assert (task["status"], task["error"]["code"]) == ("unavailable", "used_up")


class Terminal(io.StringIO):
    """A stderr that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_how_far_it_is_and_nothing_of_that_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    run(GALLERY, "--wait", "--sandbox", "--save", str(tmp_path))

    shown = terminal.getvalue().split("\r")
    assert any(line.startswith("1 of 1 done, ") for line in shown)
    assert "4 of 4 pictures done" in shown
    assert shown[-2].strip() == shown[-1] == ""


@pytest.mark.parametrize("wait", [["--wait"], ["--wait=30"]])
def test_waiting_goes_on_until_all_are_done(
    wait: list[str], served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served.sandbox.script(SUCCEEDED, [JSONResponse({"items": [{"id": SUCCEEDED}]})])
    monkeypatch.setenv("ACEDATACLOUD_API_BASE_URL", served.base_url)
    monkeypatch.setenv("ACEDATACLOUD_API_TOKEN", TOKEN)

    assert run(SUCCEEDED, *wait) == 0
    assert f"{SUCCEEDED}  succeeded" in capsys.readouterr().out
    assert len(served.bodies) == 2


def test_an_id_may_follow_the_flag_that_waits(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--sandbox", "--wait", SUCCEEDED) == 0
    assert SUCCEEDED in capsys.readouterr().out


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "86401", "30s", "1.5 minutes"])
def test_a_wait_that_cannot_be_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(SUCCEEDED, f"--wait={seconds}", "--sandbox") == 2
    assert "--wait must be a number of seconds from 1 to 86400" in capsys.readouterr().err


def test_pictures_are_saved_once_and_said_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new"
    assert run(GALLERY, "--sandbox", "--save", str(folder)) == 0
    assert run(GALLERY, "--sandbox", "--save", str(folder), "--json") == 0

    said = capsys.readouterr().out
    pictures = json.loads(said[said.index("{") :])["pictures"]
    assert sorted(path.name for path in folder.iterdir()) == [f"{GALLERY}-{n}.png" for n in range(1, 5)]
    assert (folder / f"{GALLERY}-1.png").read_bytes() == portrait("gallery-1")
    assert [(one["number"], one["path"]) for one in pictures] == [
        (n, str(folder / f"{GALLERY}-{n}.png")) for n in range(1, 5)
    ]


def test_a_home_that_no_shell_has_put_in_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))

    assert run(SUCCEEDED, "--sandbox", "--save=~/Pictures") == 0
    assert [path.name for path in (tmp_path / "Pictures").iterdir()] == [f"{SUCCEEDED}-1.png"]


def test_a_picture_that_cannot_be_saved_is_exit_code_1_and_said_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / f"{GALLERY}-2.png").write_bytes(b"mine")

    assert run(GALLERY, "--sandbox", "--save", str(tmp_path)) == 1
    assert f"Another file named {GALLERY}-2.png is already there." in capsys.readouterr().out
    assert (tmp_path / f"{GALLERY}-2.png").read_bytes() == b"mine"


def test_a_folder_that_the_system_refuses_is_exit_code_1_and_said_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its name is too long even to look whether there is one."""
    assert run(GALLERY, "--sandbox", "--save", str(tmp_path / ("x" * 999))) == 1
    assert "The picture could not be saved: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ACEDATACLOUD_API_TOKEN", "", "No API token is configured. Set ACEDATACLOUD_API_TOKEN"),
        ("ACEDATACLOUD_API_TOKEN", "${TOKEN}", "ACEDATACLOUD_API_TOKEN"),
        ("ACEDATACLOUD_API_BASE_URL", "http://", "ACEDATACLOUD_API_BASE_URL"),
        ("HEADSHOTS_TIMEOUT", "abc", "HEADSHOTS_TIMEOUT must be a number of seconds from 1 to 300."),
    ],
)
def test_a_setting_that_cannot_work_is_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)

    assert run(SUCCEEDED) == 2
    assert said in "".join(capsys.readouterr())


def test_a_refused_token_is_said_in_the_same_words_as_by_the_tools(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACEDATACLOUD_API_BASE_URL", served.base_url)
    monkeypatch.setenv("ACEDATACLOUD_API_TOKEN", "stranger")

    assert run(SUCCEEDED) == 1
    said = capsys.readouterr()
    assert "The API rejected the token: invalid or expired." in said.out
    assert said.err == ""


class FullDisk(io.StringIO):
    """A stdout that takes nothing more."""

    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_not_taken_for_a_reader_who_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", FullDisk())
    with pytest.raises(OSError, match="No space left on device"):
        main(["get", SUCCEEDED, "--sandbox"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process alone")
def test_ctrl_c_in_the_middle_of_a_picture_leaves_nothing_behind(tmp_path: Path, served: Served) -> None:
    with picture_site() as site:
        record = {"id": "t", "response": {"success": True, "data": [{"image_url": f"{site.origin}/held"}]}}
        served.sandbox.script("t", [JSONResponse({"items": [record]})])
        environment = os.environ | {
            "ACEDATACLOUD_API_BASE_URL": served.base_url,
            "ACEDATACLOUD_API_TOKEN": "sandbox-token",
            "HEADSHOTS_IMAGE_HOSTS": site.origin,
        }
        command = [sys.executable, "-m", "headshots_mcp", "get", "t", "--save", str(tmp_path)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert site.holding.wait(20)
            process.send_signal(signal.SIGINT)
            said, errors = process.communicate(timeout=20)
            site.let_go.set()

    assert (process.returncode, said, errors) == (130, b"", b"")
    assert list(tmp_path.iterdir()) == []
