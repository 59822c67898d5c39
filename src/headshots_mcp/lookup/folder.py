"""A folder for pictures: under names that are valid everywhere, whole or not at all, overwriting nothing."""

from __future__ import annotations

import filecmp
import os
import re
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, BinaryIO

from headshots_mcp.lookup.pictures import PictureFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headshots_mcp.lookup.pictures import Pictures, PictureType

# No fetch takes this long, so an older file was left by a process that was killed.
ABANDONED_SECONDS = 3600

# The name of a picture that is not complete yet.
_PART = ".headshot-{}.part"
# A task id of only these can begin a file name unchanged, on every system.
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True)
class Saved:
    """A picture in the folder: its path, its type, its size in bytes, and when the file was modified."""

    path: Path
    type: PictureType
    size: int
    modified_ns: int

    def is_untouched(self) -> bool:
        """Whether the file is still the one that was saved, judging by its size and time."""
        try:
            return _signature(self.path) == (self.size, self.modified_ns)
        except OSError:
            return False


class Folder:
    """The one folder pictures are saved into."""

    def __init__(self, path: Path, pictures: Pictures) -> None:
        """Save into a folder, which is made when the first picture is saved."""
        self._path = path
        self._pictures = pictures
        self._saved: dict[tuple[str, str, int], Saved] = {}
        self._is_swept = False

    async def save(self, url: str, task_id: str, number: int) -> Saved:
        """Save picture `number` of a task, counted from 1; one that is already there is kept.

        Raises:
            PictureFailed: If the picture cannot be fetched or saved, or another file has its name.
        """
        if (known := self._saved.get((url, task_id, number))) and known.is_untouched():
            return known
        try:
            with self._temporary() as file:
                kind = await self._pictures.fetch(url, file)
                file.close()
                path = self._path / file_name(task_id, number, kind)
                _keep(Path(file.name), path)
                saved = self._saved[url, task_id, number] = Saved(path, kind, *_signature(path))
                return saved
        except OSError as error:
            raise PictureFailed(f"The picture could not be saved: {_reason(error)}.") from error

    @contextmanager
    def _temporary(self) -> Iterator[BinaryIO]:
        """Make a file in the folder, under a name that no picture has; it is removed afterwards."""
        self._path.mkdir(parents=True, exist_ok=True)
        self._sweep()
        path = self._path / _PART.format(token_hex(8))
        file = path.open("xb")
        try:
            yield file
        finally:
            with suppress(OSError):  # a full disk fails again here
                file.close()
            with suppress(OSError):
                path.unlink()

    def _sweep(self) -> None:
        """Remove, once, what killed processes have left behind."""
        if self._is_swept:
            return
        self._is_swept = True
        for path in self._path.glob(_PART.format("*")):
            with suppress(OSError):
                if time.time() - path.lstat().st_mtime > ABANDONED_SECONDS:
                    path.unlink()


def file_name(task_id: str, number: int, kind: PictureType) -> str:
    """Name a picture's file `<id>-<n>.<ext>`.

    An id that is not valid on every system is made safe, with a digest so that no two ids share a name.
    """
    if not _SAFE_ID.fullmatch(task_id):
        digest = sha256(task_id.encode()).hexdigest()[:8]
        task_id = f"_{_UNSAFE.sub('_', task_id)[:100]}_{digest}"
    return f"{task_id}-{number}.{kind.extension}"


def _signature(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_size, found.st_mtime_ns


def _keep(temporary: Path, path: Path) -> None:
    """Give a finished file its name, unless another file has it."""
    try:
        _rename(temporary, path)
    except FileExistsError:
        if path.is_symlink() or not path.is_file() or not filecmp.cmp(temporary, path, shallow=False):
            message = f"Another file named {path.name} is already there. Move or rename it, then save again."
            raise PictureFailed(message) from None


def _rename(temporary: Path, path: Path) -> None:
    """Rename a file without replacing another one, as `os.rename` would on some systems."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError from error
        temporary.rename(path)


def _reason(error: OSError) -> str:
    return _REASONS.get(type(error)) or (os.strerror(error.errno).lower() if error.errno else "the system refused")


_REASONS: dict[type[OSError], str] = {
    FileNotFoundError: "the folder is gone",
    PermissionError: "this program may not write there",
    NotADirectoryError: "its folder is a file",
    FileExistsError: "its folder is a file",
}
