"""Saves all pictures of some tasks, a few at a time, and reports where each is or why it is not there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from pydantic.json_schema import SkipJsonSchema

from headshots_mcp.api.errors import LookupFailed, NotFound
from headshots_mcp.lookup.pictures import PictureFailed
from headshots_mcp.lookup.tasks import Answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from headshots_mcp.lookup.folder import Folder, Saved
    from headshots_mcp.lookup.tasks import Outcome

    Report = Callable[[int, int, str], Awaitable[None]]

SAVED_AT_ONCE = 4
OUT_OF_TIME = "There was no time left. Call again: what was saved is kept."


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
