"""Finds the token of a call over HTTP: that of its own request, or one that the operator shares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headshots_mcp.api.errors import TokenMissing
from headshots_mcp.settings import bearer_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

# Some clients put "Bearer" before a token to which the user has already added it.
_BEARER = re.compile(r"(bearer\s+)+", re.IGNORECASE)


def token_of(headers: Mapping[str, str] | None) -> str:
    """Return the token from the headers of the request that carries the call.

    Raises:
        TokenMissing: If there is none, or what there is cannot be a token.
    """
    given = (headers or {}).get("authorization")
    if given is None:
        raise TokenMissing(TokenMissing.message_over_http)
    prefix = _BEARER.match(given)
    token = bearer_token(given[prefix.end() :]) if prefix else None
    if token is None:
        raise TokenMissing(TokenMissing.message_placeholder)
    return token


class SharedToken:
    """Adds the operator's token to calls that carry none, where the operator asked for that."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._header = (b"authorization", f"Bearer {token}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with a token."""
        if scope.get("method") == "POST" and not any(name == b"authorization" for name, _ in scope["headers"]):
            scope = {**scope, "headers": [*scope["headers"], self._header]}
        await self._app(scope, receive, send)
