"""The resources: a task's record as the API gives it, and each of its pictures, for hosts that show none."""

from __future__ import annotations

import re
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context  # noqa: TC002 -- the SDK reads the annotations of resources
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
    from collections.abc import Iterator

    from mcp.server.mcpserver import MCPServer

    from headshots_mcp.lookup.pictures import Pictures
    from headshots_mcp.server.lookups import Lookups

RECORD = "The whole record of one task as the API gives it: the request, the response, the trace id."
PICTURE = "The picture number n of a finished task, counted from 1: its bytes, at most 10 MiB."

MAX_RESOURCE_BYTES = 10 * 1024 * 1024
# Over HTTP, of all callers together: each picture is in memory several times until it is sent.
PICTURES_AT_ONCE = 6
ROOM_SECONDS = 20.0
NOT_OVER_SSE = (
    "This connection (SSE) can't carry pictures. Open the picture's link instead, or connect to this server at /mcp."
)


class Resources:
    """What can be read about a task, each resource as a method."""

    def __init__(self, lookups: Lookups, pictures: Pictures) -> None:
        self._lookups = lookups
        self._pictures = pictures
        self._room = FairLimiter(PICTURES_AT_ONCE)

    def add_to(self, server: MCPServer[Any]) -> None:
        """Register them with a server."""
        for uri, read, title, description, mime_type in (
            ("headshots://tasks/{id}", self.headshot_task, "Record of a headshot task", RECORD, "application/json"),
            (
                "headshots://tasks/{id}/pictures/{n}",
                self.headshot_picture,
                "Picture of a headshot task",
                PICTURE,
                "image/*",
            ),
        ):
            server.resource(
                uri, name=read.__name__, title=title, description=description, mime_type=mime_type, icons=ICONS
            )(read)

    async def headshot_task(self, id: str, ctx: Context) -> str:  # noqa: A002 -- the URI's own word
        """Return one task's record, as JSON, as the API sends it."""
        with _errors_of_resources():
            body = await self._lookups.record(RetrieveTask(id=id), ctx.headers)
        if body is None:
            raise ResourceNotFoundError(NotFound.message)
        return body.decode()

    async def headshot_picture(self, id: str, n: str, ctx: Context) -> bytes:  # noqa: A002 -- as above
        """Return the bytes of one picture."""
        into = BytesIO()
        with _errors_of_resources():
            link = await self._link(id, n, ctx)
            await self._take_room(ctx.request_context.request)
            await self._pictures.fetch(link, into, limit=MAX_RESOURCE_BYTES)
        return into.getvalue()

    async def _take_room(self, request: Any) -> None:
        """Hold room for a picture until the answer with it is sent; not needed over stdio, which has one caller.

        Raises:
            LookupFailed: If there is none in time.
            ResourceError: Over the older SSE transport, which does not tell when an answer has been sent.
        """
        if request is None:
            return
        if is_of_sse(request.scope):
            raise ResourceError(NOT_OVER_SSE)
        slot = self._room.slot(caller_of(request.scope), within=ROOM_SECONDS)
        await request.scope[UNTIL_ANSWERED].hold(slot)

    async def _link(self, task_id: str, n: str, ctx: Context) -> str:
        request = RetrieveTask(id=task_id)
        outcome = (await self._lookups.several([request.id], ctx.headers))[request.id]
        if isinstance(outcome, LookupFailed):
            raise outcome
        if not re.fullmatch("[1-9][0-9]{0,2}", n) or int(n) > len(outcome.image_urls):
            known = outcome.status != "not_found"
            raise ResourceNotFoundError("This task has no such picture." if known else NotFound.message)
        return outcome.image_urls[int(n) - 1]


@contextmanager
def _errors_of_resources() -> Iterator[None]:
    """Turn errors into the SDK's own; something that cannot be an id counts as an unknown resource."""
    try:
        yield
    except ValidationError as error:
        raise ResourceNotFoundError(validation_message(error)) from error
    except (LookupFailed, PictureFailed) as error:
        raise ResourceError(str(error)) from error
