"""Pictures saved into a folder: under safe names, whole or not at all, and overwriting nothing."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import anyio
import pytest

from headshots_mcp.lookup.folder import Folder, file_name
from headshots_mcp.lookup.pictures import PictureFailed, PictureType
from tests.lookup.picture_site import OTHER_PNG, PNG, file_names, folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lookup.picture_site import PictureSite

KIND = PictureType("image/png", "png")


async def test_a_picture_is_saved_under_its_tasks_id_and_number(tmp_path: Path, site: PictureSite) -> None:
    saving = folder(tmp_path / "new" / "folder", site)
    saved = await saving.save(f"{site.origin}/png", "16f96e95-d95c", 2)

    path = tmp_path / "new" / "folder" / "16f96e95-d95c-2.png"
    assert (saved.path, saved.type, saved.size) == (path, KIND, len(PNG))
    assert path.read_bytes() == PNG
    assert file_names(path.parent) == [path.name]


async def test_the_same_picture_saved_again_is_kept(tmp_path: Path, site: PictureSite) -> None:
    saving = folder(tmp_path, site)
    first = await saving.save(f"{site.origin}/png", "t", 1)
    saving = folder(tmp_path, site)
    again = await saving.save(f"{site.origin}/png", "t", 1)

    assert again == first
    assert file_names(tmp_path) == ["t-1.png"]


async def test_a_picture_saved_in_this_process_is_not_fetched_again(tmp_path: Path, site: PictureSite) -> None:
    saving = folder(tmp_path, site)
    first = await saving.save(f"{site.origin}/png", "t", 1)
    asked = len(site.asked)
    again = await saving.save(f"{site.origin}/png", "t", 1)
    first.path.unlink()
    restored = await saving.save(f"{site.origin}/png", "t", 1)

    assert again == first
    assert len(site.asked) == asked + 1
    assert restored.path.read_bytes() == PNG


async def test_another_file_of_that_name_is_never_overwritten(tmp_path: Path, site: PictureSite) -> None:
    (tmp_path / "t-1.png").write_bytes(OTHER_PNG)
    saving = folder(tmp_path, site)
    with pytest.raises(PictureFailed, match=r"Another file named t-1\.png is already there"):
        await saving.save(f"{site.origin}/png", "t", 1)

    assert (tmp_path / "t-1.png").read_bytes() == OTHER_PNG
    assert file_names(tmp_path) == ["t-1.png"]


@pytest.mark.parametrize("leads_to", ["outside.png", "nowhere.png"])
async def test_a_link_in_the_folder_leads_nowhere(tmp_path: Path, site: PictureSite, leads_to: str) -> None:
    outside, inside = tmp_path / "outside.png", tmp_path / "inside"
    outside.write_bytes(PNG)
    inside.mkdir()
    (inside / "t-1.png").symlink_to(tmp_path / leads_to)
    saving = folder(inside, site)
    with pytest.raises(PictureFailed, match="Another file named"):
        await saving.save(f"{site.origin}/png", "t", 1)

    assert file_names(tmp_path) == ["inside", "outside.png"]
    assert outside.read_bytes() == PNG


@pytest.mark.parametrize("path", ["/page", "/not-found.png", "/cut-off", "/nothing"])
async def test_half_a_picture_never_has_a_name(tmp_path: Path, site: PictureSite, path: str) -> None:
    saving = folder(tmp_path, site)
    with pytest.raises(PictureFailed):
        await saving.save(site.origin + path, "t", 1)

    assert file_names(tmp_path) == []


async def test_a_caller_that_goes_away_in_the_middle_leaves_nothing_behind(tmp_path: Path, site: PictureSite) -> None:
    saving = folder(tmp_path, site)
    async with anyio.create_task_group() as group:
        group.start_soon(saving.save, f"{site.origin}/silent", "t", 1)
        with anyio.fail_after(5):
            while not file_names(tmp_path):
                await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()

    assert file_names(tmp_path) == []


async def test_what_a_killed_process_has_left_behind_is_removed(tmp_path: Path, site: PictureSite) -> None:
    left, under_way = tmp_path / ".headshot-0.part", tmp_path / ".headshot-1.part"
    mine = [tmp_path / "mine.part", tmp_path / ".headshot-mine"]
    for path in (left, under_way, *mine):
        path.write_bytes(b"")
    for path in (left, *mine):
        os.utime(path, (0, 0))
    await folder(tmp_path, site).save(f"{site.origin}/png", "t", 1)

    assert file_names(tmp_path) == sorted([under_way.name, *(path.name for path in mine), "t-1.png"])


async def test_ten_who_save_the_same_picture_at_once_leave_one_file(tmp_path: Path, site: PictureSite) -> None:
    saving = folder(tmp_path, site)
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(saving.save, f"{site.origin}/png", "t", 1)

    assert file_names(tmp_path) == ["t-1.png"]
    assert (tmp_path / "t-1.png").read_bytes() == PNG


async def test_where_there_are_no_hard_links_nothing_is_overwritten_either(
    tmp_path: Path, site: PictureSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "t-2.png").write_bytes(OTHER_PNG)
    saving = folder(tmp_path, site)
    await saving.save(f"{site.origin}/png", "t", 1)
    with pytest.raises(PictureFailed, match="Another file named"):
        await saving.save(f"{site.origin}/png", "t", 2)

    assert [(tmp_path / name).read_bytes() for name in file_names(tmp_path)] == [PNG, OTHER_PNG]


async def test_a_folder_that_is_a_file_is_said_so(tmp_path: Path, site: PictureSite) -> None:
    (tmp_path / "file").write_bytes(b"")
    saving = folder(tmp_path / "file", site)
    with pytest.raises(PictureFailed, match=r"could not be saved: its folder is a file\."):
        await saving.save(f"{site.origin}/png", "t", 1)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no folder that is in use")
async def test_a_folder_that_goes_away_meanwhile_is_said_so(tmp_path: Path, site: PictureSite) -> None:
    path, failed = tmp_path / "folder", list[PictureFailed]()

    async def save(saving: Folder) -> None:
        try:
            await saving.save(f"{site.origin}/held", "t", 1)
        except PictureFailed as error:
            failed.append(error)

    saving = folder(path, site)
    async with anyio.create_task_group() as group:
        group.start_soon(save, saving)
        with anyio.fail_after(5):
            while not site.holding.is_set() or not path.exists() or not file_names(path):
                await anyio.lowlevel.checkpoint()
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
        site.let_go.set()

    assert str(failed[0]) == "The picture could not be saved: the folder is gone."


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for a quarter of a picture."""
    path = tmp_path / "full"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", path], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system as Linux does")
async def test_a_full_disk_is_said_so_and_leaves_nothing_behind(full_disk: Path, site: PictureSite) -> None:
    saving = folder(full_disk, site)
    with pytest.raises(PictureFailed, match=r"could not be saved: no space left on device\."):
        await saving.save(f"{site.origin}/large", "t", 1)

    assert file_names(full_disk) == []


@pytest.mark.parametrize(
    ("task_id", "name"),
    [
        ("16f96e95-d95c-46ef-b183-139b9bd1aebd", "16f96e95-d95c-46ef-b183-139b9bd1aebd-1.png"),
        ("sandbox_living", "sandbox_living-1.png"),
        ("CON", "CON-1.png"),
        ("../x", "_.._x_"),
        ("a/b", "_a_b_"),
        ("a\\b", "_a_b_"),
        ("CON.txt", "_CON_txt_"),
        ("-rf", "_-rf_"),
        ("a b", "_a_b_"),
        ("證件照", "____"),
        ("x:y", "_x_y_"),
        ("x" * 128, "x" * 128 + "-1.png"),
        ("é" * 128, "_" * 101),
        ("~", "__"),
        ("_x", "__x_"),
    ],
)
def test_a_file_name_is_one_that_every_system_takes(task_id: str, name: str) -> None:
    given = file_name(task_id, 1, KIND)

    assert given.startswith(name.replace("..", "__"))
    assert given.endswith("-1.png")
    assert given.isascii()
    assert len(given) <= 255
    assert not set(given) & set('/\\:*?"<>| ')


def test_two_ids_never_share_a_file_name() -> None:
    ids = ["a/b", "a_b", "a b", "a:b", "_a_b_", "é", "è"]
    ids.append(file_name("a/b", 1, KIND).removesuffix("-1.png"))

    assert len({file_name(task_id, 1, KIND).lower() for task_id in ids}) == len(ids)
