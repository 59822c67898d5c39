"""Pictures for hosts that show none: a tool that saves them into a folder, and each one as a resource."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Any

from mcp.server.mcpserver import Context  # noqa: TC002 -- the SDK reads the annotations of tools
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp_types import CallToolResult, ResourceLink, TextContent, ToolAnnotations
from pydantic import Field, ValidationError
from pydantic.json_schema import SkipJsonSchema

from headshots_mcp.api.errors import LookupFailed, NotFound
from headshots_mcp.api.limiter import FairLimiter
from headshots_mcp.api.requests import Request, RetrieveTask, TaskId
from headshots_mcp.lookup.pictures import PictureFailed
from headshots_mcp.lookup.saving import save_pictures
from headshots_mcp.lookup.tasks import Answer
from headshots_mcp.server.arguments import validation_message
from headshots_mcp.server.icon import ICONS
from headshots_mcp.server.places import UNTIL_ANSWERED, caller_of, is_of_sse
from headshots_mcp.server.sdk import RequestTool

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from headshots_mcp.lookup.pictures import Pictures
    from headshots_mcp.lookup.saving import Attempt, Folder, Saved
    from headshots_mcp.lookup.tasks import Outcome

LookUp = Callable[[list[str], "Mapping[str, str] | None"], Awaitable["dict[str, Outcome]"]]
"""Looks tasks up with the token of a call, which it finds in the headers."""

MAX_SAVED_TASKS = 50
MAX_RESOURCE_BYTES = 10 * 1024 * 1024
# Over HTTP, of all callers together: each is in memory several times over until it is sent.
PICTURES_AT_ONCE = 6
ROOM_SECONDS = 20.0
NOT_OVER_SSE = "Pictures are not served over SSE. Connect over Streamable HTTP, at /mcp."
# Most hosts give a call up after 60 s; what was saved by then is kept, and the next call goes on from there.
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


class SavedPicture(Answer):
    """A picture of a task: where it was saved, or why it was not."""

    id: str
    number: int | SkipJsonSchema[None] = None
    path: str | SkipJsonSchema[None] = None
    bytes: int | SkipJsonSchema[None] = None
    type: str | SkipJsonSchema[None] = None
    reason: str | SkipJsonSchema[None] = None


class SavedHeadshots(Answer):
    """What became of the pictures of some tasks."""

    summary: str
    pictures: list[SavedPicture]


class SaveTool:
    """The tool that saves pictures into a folder."""

    def __init__(self, look_up: LookUp, folder: Folder) -> None:
        self._look_up = look_up
        self._folder = folder

    def as_tool(self) -> RequestTool:
        """Give it as a server lists it."""
        return RequestTool.of(
            self.save_headshots, title="Save headshots", description=SAVE, annotations=_SAVES, icons=ICONS
        )

    async def save_headshots(self, request: SaveHeadshots, ctx: Context) -> Annotated[CallToolResult, SavedHeadshots]:
        """Save the pictures of some tasks, and report progress to a caller who asked for that."""
        outcomes = await self._look_up(request.ids, ctx.headers)
        return _result(await save_pictures(self._folder, outcomes, ctx.report_progress, seconds=SAVE_SECONDS))


class PictureResource:
    """Each picture of a finished task as a resource."""

    def __init__(self, look_up: LookUp, pictures: Pictures) -> None:
        self._look_up = look_up
        self._pictures = pictures
        self._room = FairLimiter(PICTURES_AT_ONCE)

    def add_to(self, server: MCPServer[Any]) -> None:
        """Let a server serve it."""
        server.resource(
            "headshots://tasks/{id}/pictures/{n}",
            name="headshot_picture",
            title="Picture of a headshot task",
            description="The picture number n of a finished task, counted from 1: its bytes, at most 10 MiB.",
            mime_type="image/*",
            icons=ICONS,
        )(self.picture)

    async def picture(self, id: str, n: str, ctx: Context) -> bytes:  # noqa: A002 -- the URI's own word
        """Give the bytes of one picture."""
        into = BytesIO()
        try:
            await self._take_room(ctx.request_context.request)
            await self._pictures.fetch(await self._link(id, n, ctx), into, limit=MAX_RESOURCE_BYTES)
        except ValidationError as error:
            raise ResourceNotFoundError(validation_message(error)) from error
        except (LookupFailed, PictureFailed) as error:
            raise ResourceError(str(error)) from error
        return into.getvalue()

    async def _take_room(self, request: Any) -> None:
        """Hold room for a picture until the answer with it is sent; over stdio there is one caller and no need.

        Raises:
            LookupFailed: If there is none in time.
            ResourceError: Over the older SSE transport, where nobody knows when an answer is sent.
        """
        if request is None:
            return
        if is_of_sse(request.scope):
            raise ResourceError(NOT_OVER_SSE)
        place = self._room.place(caller_of(request.scope), within=ROOM_SECONDS)
        await request.scope[UNTIL_ANSWERED].enter_async_context(place)

    async def _link(self, task_id: str, n: str, ctx: Context) -> str:
        request = RetrieveTask(id=task_id)
        outcome = (await self._look_up([request.id], ctx.headers))[request.id]
        if isinstance(outcome, LookupFailed):
            raise outcome
        if not re.fullmatch("[1-9][0-9]{0,2}", n) or int(n) > len(outcome.image_urls):
            known = outcome.status != "not_found"
            raise ResourceNotFoundError("This task has no such picture." if known else NotFound.message)
        return outcome.image_urls[int(n) - 1]


def _result(attempts: list[Attempt]) -> CallToolResult:
    """Say what was saved, as text, as structured content, and as a link to each file."""
    pictures = [_picture(attempt) for attempt in attempts]
    saved = [picture for picture in pictures if picture.path]
    count = sum(attempt.number is not None for attempt in attempts)
    answer = SavedHeadshots(summary=f"{len(saved)} of {count} pictures saved", pictures=pictures)
    text = "\n".join([f"{answer.summary}.", *map(_line, pictures)])
    links = [_link(attempt.saved) for attempt in attempts if attempt.saved]
    structured = answer.model_dump(mode="json", exclude_none=True)
    return CallToolResult(content=[TextContent(text=text), *links], structured_content=structured)


def _picture(attempt: Attempt) -> SavedPicture:
    saved = attempt.saved
    return SavedPicture(
        id=attempt.task_id,
        number=attempt.number,
        path=str(saved.path) if saved else None,
        bytes=saved.size if saved else None,
        type=saved.type.mime if saved else None,
        reason=attempt.reason,
    )


def _line(picture: SavedPicture) -> str:
    if picture.path:
        return f"{picture.path} ({picture.type}, {picture.bytes:,} bytes)"
    which = f"{picture.id}, picture {picture.number}" if picture.number else picture.id
    return f"{which} not saved: {picture.reason}"


def _link(saved: Saved) -> ResourceLink:
    return ResourceLink(uri=saved.path.as_uri(), name=saved.path.name, mime_type=saved.type.mime, size=saved.size)
