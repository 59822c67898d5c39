"""Each picture of a finished task as a resource, for hosts that show links as no pictures."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context  # noqa: TC002 -- the SDK reads the annotations of tools
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from pydantic import ValidationError

from headshots_mcp.api.errors import LookupFailed, NotFound
from headshots_mcp.api.limiter import FairLimiter
from headshots_mcp.api.requests import RetrieveTask
from headshots_mcp.lookup.pictures import PictureFailed
from headshots_mcp.server.arguments import validation_message
from headshots_mcp.server.icon import ICONS
from headshots_mcp.server.scope import UNTIL_ANSWERED, caller_of, is_of_sse

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from headshots_mcp.lookup.pictures import Pictures
    from headshots_mcp.lookup.tasks import Outcome

LookUp = Callable[[list[str], "Mapping[str, str] | None"], Awaitable["dict[str, Outcome]"]]
"""Looks tasks up with the token of a call, which it finds in the headers."""

MAX_RESOURCE_BYTES = 10 * 1024 * 1024
# Over HTTP, of all callers together: each is in memory several times over until it is sent.
PICTURES_AT_ONCE = 6
ROOM_SECONDS = 20.0
NOT_OVER_SSE = (
    "This connection (SSE) can't carry pictures. Open the picture's link instead, or connect to this server at /mcp."
)


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
        slot = self._room.slot(caller_of(request.scope), within=ROOM_SECONDS)
        await request.scope[UNTIL_ANSWERED].enter_async_context(slot)

    async def _link(self, task_id: str, n: str, ctx: Context) -> str:
        request = RetrieveTask(id=task_id)
        outcome = (await self._look_up([request.id], ctx.headers))[request.id]
        if isinstance(outcome, LookupFailed):
            raise outcome
        if not re.fullmatch("[1-9][0-9]{0,2}", n) or int(n) > len(outcome.image_urls):
            known = outcome.status != "not_found"
            raise ResourceNotFoundError("This task has no such picture." if known else NotFound.message)
        return outcome.image_urls[int(n) - 1]
