"""The tool that saves pictures into the user's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import anyio
from mcp.server.mcpserver import Context  # noqa: TC002 -- the SDK reads the annotations of tools
from mcp_types import CallToolResult, ResourceLink, TextContent, ToolAnnotations
from pydantic import Field

from headshots_mcp.api.requests import Request, TaskId
from headshots_mcp.lookup.saving import SavedPicture, save_pictures
from headshots_mcp.lookup.tasks import Answer
from headshots_mcp.server.answers import raise_if_all_failed
from headshots_mcp.server.icon import ICONS
from headshots_mcp.server.sdk import RequestTool

if TYPE_CHECKING:
    from headshots_mcp.lookup.folder import Folder, Saved
    from headshots_mcp.lookup.saving import Attempt
    from headshots_mcp.server.lookups import Lookups

MAX_SAVED_TASKS = 50
# Most hosts give up on a call after 60 s; what was saved by then is kept, and the next call goes on from there.
SAVE_SECONDS = 50.0

SAVE = (
    "Save the pictures of finished AI headshot (ID photo) tasks as files in the user's folder, up to 50 tasks in one "
    "call. Use it when the user wants to keep the pictures or cannot see them. Returns for each picture its path, or "
    "why it was not saved. Files that are there already are kept and never overwritten."
)

_SAVES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)


class SaveHeadshots(Request):
    """The arguments of `save_headshots`."""

    ids: Annotated[list[TaskId], Field(min_length=1, max_length=MAX_SAVED_TASKS, description="Task ids")]


class SavedHeadshots(Answer):
    """What became of the pictures of some tasks."""

    summary: str
    pictures: list[SavedPicture]


class SaveTool:
    """The tool that saves pictures into a folder."""

    def __init__(self, lookups: Lookups, folder: Folder) -> None:
        self._lookups = lookups
        self._folder = folder

    def as_tool(self) -> RequestTool:
        """Return it as a server lists it."""
        return RequestTool.of(
            self.save_headshots, title="Save headshots", description=SAVE, annotations=_SAVES, icons=ICONS
        )

    async def save_headshots(self, request: SaveHeadshots, ctx: Context) -> Annotated[CallToolResult, SavedHeadshots]:
        """Save the pictures of some tasks, and report progress to a caller who asked for that."""
        deadline = anyio.current_time() + SAVE_SECONDS
        outcomes = await self._lookups.several(request.ids, ctx.headers)
        raise_if_all_failed(outcomes)
        return _result(await save_pictures(self._folder, outcomes, ctx.report_progress, deadline=deadline))


def _result(attempts: list[Attempt]) -> CallToolResult:
    """Say what was saved, as text, as structured content, and as a link to each file."""
    pictures = [SavedPicture.of(attempt) for attempt in attempts]
    saved = [picture for picture in pictures if picture.path]
    count = sum(attempt.number is not None for attempt in attempts)
    summary = f"{len(saved)} of {count} pictures saved" if count else "There are no pictures to save"
    answer = SavedHeadshots(summary=summary, pictures=pictures)
    text = "\n".join([f"{answer.summary}.", *map(_line, pictures)])
    links = [_link(attempt.saved) for attempt in attempts if attempt.saved]
    structured = answer.model_dump(mode="json", exclude_none=True)
    return CallToolResult(content=[TextContent(text=text), *links], structured_content=structured)


def _line(picture: SavedPicture) -> str:
    if picture.path:
        return f"{picture.path} ({picture.type}, {picture.bytes:,} bytes)"
    which = f"{picture.id}, picture {picture.number}" if picture.number else picture.id
    return f"{which} not saved: {picture.reason}"


def _link(saved: Saved) -> ResourceLink:
    return ResourceLink(uri=saved.path.as_uri(), name=saved.path.name, mime_type=saved.type.mime, size=saved.size)
