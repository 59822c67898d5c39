"""Saves pictures into one folder: under names that are valid everywhere, whole or not at all, overwriting nothing."""

from __future__ import annotations

import filecmp
import math
import os
import re
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, BinaryIO

import anyio
from pydantic.json_schema import SkipJsonSchema

from headshots_mcp.api.errors import LookupFailed, NotFound
from headshots_mcp.lookup.pictures import PictureFailed
from headshots_mcp.lookup.tasks import Answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from headshots_mcp.lookup.pictures import Pictures, PictureType
    from headshots_mcp.lookup.tasks import Outcome

    Report = Callable[[int, int, str], Awaitable[None]]

SAVED_AT_ONCE = 4
# No fetch takes this long, so an older file was left by a process that was killed.
ABANDONED_SECONDS = 3600
OUT_OF_TIME = "There was no time left. Call again: what was saved is kept."

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


@dataclass(frozen=True)
class Attempt:
    """A picture of a task, or a task without one, and where it was saved or the reason why not."""

    task_id: str
    number: int | None = None
    saved: Saved | None = None
    reason: str | None = None


class SavedPicture(Answer):
    """A picture of a task as it is reported: where it was saved, or why it was not."""

    id: str
    number: int | SkipJsonSchema[None] = None
    path: str | SkipJsonSchema[None] = None
    bytes: int | SkipJsonSchema[None] = None
    type: str | SkipJsonSchema[None] = None
    reason: str | SkipJsonSchema[None] = None

    @classmethod
    def of(cls, attempt: Attempt) -> SavedPicture:
        """Report an attempt."""
        told = cls(id=attempt.task_id, number=attempt.number, reason=attempt.reason)
        if not (saved := attempt.saved):
            return told
        return told.model_copy(update={"path": str(saved.path), "bytes": saved.size, "type": saved.type.mime})


async def save_pictures(
    folder: Folder, outcomes: Mapping[str, Outcome], report: Report, *, deadline: float = math.inf
) -> list[Attempt]:
    """Save all pictures of some tasks.

    Args:
        folder: Where to save them.
        outcomes: What is known of each task.
        report: Called after each picture with the number done, the total, and the same in words.
        deadline: When to stop, on anyio's clock; what was not saved by then has that as its reason.

    Returns:
        An entry for each picture, and one for each task without any, in the order of the tasks.
    """
    attempts = [attempt for id_, outcome in outcomes.items() for attempt in _planned(id_, outcome)]
    pictures = [(index, attempt) for index, attempt in enumerate(attempts) if attempt.number]
    links = {id_: outcome.image_urls for id_, outcome in outcomes.items() if not isinstance(outcome, LookupFailed)}
    limiter, done = anyio.CapacityLimiter(SAVED_AT_ONCE), 0

    async def save(index: int, attempt: Attempt) -> None:
        nonlocal done
        async with limiter:
            attempts[index] = await _attempt(folder, attempt, links[attempt.task_id])
        done += 1
        await report(done, len(pictures), f"{done} of {len(pictures)} pictures done")

    with anyio.CancelScope(deadline=deadline):
        async with anyio.create_task_group() as group:
            for index, attempt in pictures:
                group.start_soon(save, index, attempt)
    return attempts


def _planned(task_id: str, outcome: Outcome) -> Iterator[Attempt]:
    """Yield what is to be saved of a task, none of it saved yet."""
    if isinstance(outcome, LookupFailed):
        yield Attempt(task_id, reason=str(outcome))
    elif outcome.image_urls:
        yield from (Attempt(task_id, n, reason=OUT_OF_TIME) for n in range(1, len(outcome.image_urls) + 1))
    else:
        yield Attempt(task_id, reason=_NO_PICTURES[outcome.status])


async def _attempt(folder: Folder, attempt: Attempt, urls: list[str]) -> Attempt:
    number = attempt.number or 1
    try:
        saved = await folder.save(urls[number - 1], attempt.task_id, number)
        return Attempt(attempt.task_id, number, saved)
    except PictureFailed as error:
        return Attempt(attempt.task_id, number, reason=str(error))


_NO_PICTURES = {
    "pending": "This task is not finished yet.",
    "processing": "This task is not finished yet.",
    "succeeded": "The API lists no pictures for this task.",
    "failed": "This task failed.",
    "not_found": NotFound.message,
    "unavailable": "This task could not be looked up.",
}


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
