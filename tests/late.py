"""An answer that takes its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class Late(Response):
    """An answer that comes after some seconds."""

    def __init__(self, seconds: float, answer: Response) -> None:
        super().__init__()
        self.seconds, self.answer = seconds, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(self.seconds)
        await self.answer(scope, receive, send)
