"""All pictures of some tasks saved: an entry for each, and a reason for each that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from headshots_mcp.api.errors import TimedOut
from headshots_mcp.lookup.pictures import NOT_A_PICTURE
from headshots_mcp.lookup.saving import OUT_OF_TIME, save_pictures
from headshots_mcp.lookup.tasks import HeadshotTask
from tests.lookup.picture_site import file_names, folder

if TYPE_CHECKING:
    from pathlib import Path

    from headshots_mcp.lookup.tasks import Outcome
    from tests.lookup.picture_site import PictureSite


async def test_each_picture_and_each_task_without_one_has_an_entry_in_their_order(
    tmp_path: Path, site: PictureSite
) -> None:
    reports = list[tuple[int, int, str]]()

    async def report(done: int, total: int, message: str) -> None:
        reports.append((done, total, message))

    outcomes: dict[str, Outcome] = {
        "late": TimedOut(),
        "two": HeadshotTask(id="two", status="succeeded", image_urls=[f"{site.origin}/png", f"{site.origin}/page"]),
        "failed": HeadshotTask(id="failed", status="failed", image_urls=[]),
    }
    attempts = await save_pictures(folder(tmp_path, site), outcomes, report)

    assert [(attempt.task_id, attempt.number, attempt.reason) for attempt in attempts] == [
        ("late", None, str(TimedOut())),
        ("two", 1, None),
        ("two", 2, NOT_A_PICTURE),
        ("failed", None, "This task failed."),
    ]
    assert reports == [(1, 2, "1 of 2 pictures done"), (2, 2, "2 of 2 pictures done")]
    assert file_names(tmp_path) == ["two-1.png"]


async def test_what_there_is_no_time_for_is_said_so(tmp_path: Path, site: PictureSite) -> None:
    task = HeadshotTask(id="t", status="succeeded", image_urls=[f"{site.origin}/png", f"{site.origin}/jpg"])
    reports = list[int]()

    async def report(done: int, _total: int, _message: str) -> None:
        reports.append(done)

    attempts = await save_pictures(folder(tmp_path, site), {"t": task}, report, deadline=anyio.current_time())

    assert [(attempt.number, attempt.saved, attempt.reason) for attempt in attempts] == [
        (1, None, OUT_OF_TIME),
        (2, None, OUT_OF_TIME),
    ]
    assert (reports, file_names(tmp_path)) == ([], [])
