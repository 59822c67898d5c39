"""Reads the bodies of calls: with limits on size and on time, and on the bytes that may arrive at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from starlette.datastructures import Headers

from headshots_mcp.server.http.refusals import CallerGone, Refused, busy
from headshots_mcp.server.scope import caller_of
from headshots_mcp.server.slots import Slots

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

# Enough for 1,000 ids of 128 characters, each written as two escapes of six bytes.
MAX_BODY = 1536 * 1024
# Enough for 1,000 ordinary ids.
MAX_BODY_WITHOUT_TOKEN = 64 * 1024
# Counted as commas and opening brackets; 1,000 ids need a tenth. Parsing more values would hold up everybody.
MAX_VALUES = 10_000
BODY_SECONDS = 30.0
# Bytes of bodies that are still arriving. A body that arrives at once, as most do, needs no room.
ARRIVING_BYTES = 64 * 1024 * 1024


class Bodies:
    """Reads bodies, and reserves room for those that arrive in pieces."""

    def __init__(self) -> None:
        self._arriving = Slots(ARRIVING_BYTES)

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """Read a body.

        Raises:
            Refused: If it is too large or too slow, holds too many values, or there is no room for it.
            CallerGone: If its caller hangs up.
        """
        try:
            with anyio.fail_after(BODY_SECONDS):
                return await self._read(scope, receive)
        except TimeoutError:
            raise Refused(408, "The request took too long to arrive.", connection="close") from None

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        headers = Headers(scope=scope)
        limit = MAX_BODY if "authorization" in headers else MAX_BODY_WITHOUT_TOKEN
        declared = headers.get("content-length", "")
        size = int(declared) if declared.isdecimal() else limit
        _check(size, limit)
        body = bytearray()
        message = await receive()
        with self._arriving.hold(caller_of(scope), size if message.get("more_body") else 0) as room:
            if not room:
                raise busy()
            while message["type"] == "http.request":
                body += message.get("body", b"")
                _check(len(body), limit)
                if not message.get("more_body"):
                    return _checked(bytes(body))
                message = await receive()
        raise CallerGone


def _check(size: int, limit: int) -> None:
    if size > MAX_BODY:
        raise Refused(413, "The request is too large: 1.5 MiB is enough for 1,000 task ids.")
    if size > limit:
        sentence = "A request of this size needs a token: send the header Authorization: Bearer."
        raise Refused(401, sentence, www_authenticate="Bearer")


def _checked(body: bytes) -> bytes:
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise Refused(413, "The request holds too many values: 1,000 task ids are the most in one call.")
    return body
