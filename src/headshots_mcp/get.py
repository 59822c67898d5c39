"""`headshots-mcp get`: looks up tasks for people and scripts, waits for them and saves their pictures."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
from pydantic import ValidationError

from headshots_mcp.api.client import HeadshotsClient
from headshots_mcp.api.errors import LookupFailed, NotFound, SettingUnusable, TokenMissing
from headshots_mcp.api.requests import RetrieveTasks
from headshots_mcp.api.wording import duration
from headshots_mcp.lookup.folder import Folder
from headshots_mcp.lookup.pictures import AllowedHosts, Pictures
from headshots_mcp.lookup.polling import poll
from headshots_mcp.lookup.reader import Reader
from headshots_mcp.lookup.saving import SavedPicture, save_pictures
from headshots_mcp.lookup.tasks import HeadshotTask, as_task
from headshots_mcp.lookup.waiting import Waiting
from headshots_mcp.settings import SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from headshots_mcp.lookup.saving import Attempt
    from headshots_mcp.lookup.tasks import Answer, Outcome
    from headshots_mcp.settings import Settings

DEFAULT_WAIT_SECONDS = 600.0
MAX_WAIT_SECONDS = 86_400.0
# Meant as a time, and no task's id.
_WITH_UNIT = re.compile(r"[\d.,]+ ?(s|secs?|seconds?|m|mins?|minutes?|h|hours?)", re.IGNORECASE)


def ids_and_wait(ids: list[str], wait: str | None) -> tuple[list[str], float | None]:
    """Check the arguments, and return the ids and how many seconds to wait, None not to wait.

    Args:
        ids: The task ids.
        wait: What follows --wait: empty if nothing does, None without --wait. If it is not a number, it is an id.

    Raises:
        SettingsRefused: If they are invalid.
    """
    seconds = DEFAULT_WAIT_SECONDS if wait is not None else None
    if wait:
        try:
            seconds = float(wait)
        except ValueError:
            if _WITH_UNIT.fullmatch(wait):
                seconds = 0.0
            ids = [wait, *ids]
    if seconds is not None and not 1 <= seconds <= MAX_WAIT_SECONDS:
        raise SettingsRefused(f"--wait must be a number of seconds from 1 to {MAX_WAIT_SECONDS:.0f}")
    try:
        return RetrieveTasks(ids=ids).ids, seconds
    except ValidationError:
        raise SettingsRefused("give 1 to 1,000 task ids, each of at most 128 printable characters") from None


@dataclass(frozen=True)
class Found:
    """The outcomes of some tasks, and of saving their pictures if that was asked for."""

    outcomes: Mapping[str, Outcome]
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 if all tasks have succeeded and all their pictures are saved, 2 if a setting is invalid, else 1."""
        outcomes = self.outcomes.values()
        if any(isinstance(outcome, (SettingUnusable, TokenMissing)) for outcome in outcomes):
            return 2
        all_there = all(isinstance(outcome, HeadshotTask) and outcome.status == "succeeded" for outcome in outcomes)
        return 0 if all_there and all(attempt.saved for attempt in self.attempts) else 1

    def as_json(self) -> str:
        """Return everything as one JSON object, in ASCII: `tasks` as the tools return them, and `pictures`."""
        found = {"tasks": [_dumped(as_task(id_, outcome)) for id_, outcome in self.outcomes.items()]}
        if self.attempts:
            found["pictures"] = [_dumped(SavedPicture.of(attempt)) for attempt in self.attempts]
        return json.dumps(found, indent=2)

    def as_text(self) -> str:
        """Return everything as people read it: one line per task, with its details below."""
        tasks = [as_task(id_, outcome) for id_, outcome in self.outcomes.items()]
        rows = [("ID", "STATUS", "TEMPLATE", "AGE"), *map(_row, tasks)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        below = [[], *(self._below(id_, outcome) for id_, outcome in self.outcomes.items())]
        return "\n".join(line for row, more in zip(lines, below, strict=True) for line in (row, *more))

    def _below(self, task_id: str, outcome: Outcome) -> list[str]:
        """Return the reason or the pictures of a task: where they were saved, else their links."""
        attempts = [attempt for attempt in self.attempts if attempt.task_id == task_id and attempt.number]
        if attempts:
            return [f"    {attempt.saved.path if attempt.saved else attempt.reason}" for attempt in attempts]
        return [f"    {line}" for line in _details(outcome)]


async def get(
    settings: Settings, ids: list[str], *, wait_seconds: float | None = None, folder: Path | None = None
) -> Found:
    """Look up tasks, and show the progress on stderr if that is a terminal.

    Args:
        settings: How to reach the API.
        ids: The tasks.
        wait_seconds: How long to wait for unfinished tasks; None not to wait.
        folder: Where to save their pictures; None not to save them.
    """
    if settings.token is None:
        return Found(dict.fromkeys(ids, TokenMissing()))
    progress = Progress()
    try:
        async with HeadshotsClient(settings.base_url, silence_timeout=settings.silence_timeout) as client:
            reader = Reader(client, timeout=settings.timeout)
            if wait_seconds is None:
                outcomes: Mapping[str, Outcome] = await reader.look_up(ids, settings.token)
            else:
                waiting = Waiting(ids, anyio.current_time(), wait_seconds)
                await poll(reader, waiting, settings.token, progress.of_waiting, anyio.Event())
                outcomes = waiting.outcomes
        if folder is None:
            return Found(outcomes)
        pictures = Pictures(AllowedHosts(settings.image_hosts))
        return Found(outcomes, await save_pictures(Folder(folder, pictures), outcomes, progress.of_saving))
    finally:
        progress.clear()


class Progress:
    """One line on stderr that shows the progress, if stderr is a terminal."""

    def __init__(self) -> None:
        self._shown = ""

    async def of_waiting(self, elapsed: float, message: str) -> None:
        """Show how many tasks are done."""
        self._show(f"{message}, {elapsed:.0f} s")

    async def of_saving(self, _done: int, _total: int, message: str) -> None:
        """Show how many pictures are done."""
        self._show(message)

    def clear(self) -> None:
        """Remove the line."""
        if self._shown:
            self._show("")

    def _show(self, line: str) -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            sys.stderr.write(f"\r{line:{len(self._shown)}}\r{line}")
            sys.stderr.flush()
            self._shown = line


def _row(task: HeadshotTask) -> tuple[str, str, str, str]:
    age = task.age(time.time())
    return task.id, task.status, task.template or "", "" if age is None else duration(age)


def _details(outcome: Outcome) -> Iterator[str]:
    if isinstance(outcome, LookupFailed):
        yield str(outcome)
        return
    if outcome.status == "not_found":
        yield NotFound.message
    if outcome.error:
        yield outcome.error.in_words()
    yield from outcome.image_urls


def _dumped(answer: Answer) -> dict[str, Any]:
    return answer.model_dump(mode="json", exclude_none=True)
