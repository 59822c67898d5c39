"""An HTTP request's ASGI scope: whose request it is, of which transport, and what is held for it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from starlette.types import Scope

# Where a scope has its `UntilAnswered`.
UNTIL_ANSWERED = "headshots_mcp.until_answered"


class UntilAnswered:
    """What is held for a request until its answer is sent, or its caller has gone."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._is_over = False

    async def hold(self, held: AbstractAsyncContextManager[object]) -> None:
        """Enter a context, and leave it when the request ends: at once if it has ended, as its handler may not know."""
        await self._stack.enter_async_context(held)
        if self._is_over:
            await self._stack.aclose()

    async def end(self) -> None:
        """Leave what is held."""
        self._is_over = True
        await self._stack.aclose()


def caller_of(scope: Scope) -> bytes:
    """Identify a caller by a digest of its token, which is not kept, or by its address if it sent none."""
    token = next((value for name, value in scope["headers"] if name == b"authorization"), None)
    return sha256(token).digest() if token else str(scope.get("client")).encode()


def is_of_sse(scope: Scope) -> bool:
    """Whether a request carries a message of the older SSE transport, and so ends before its answer is sent."""
    return str(scope["path"]).endswith("/messages/")
