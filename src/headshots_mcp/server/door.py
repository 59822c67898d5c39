"""Who may come in over HTTP: hosts, origins and methods are checked before anything else looks at a request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

from headshots_mcp.settings import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

_HOST = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_LEFT_BY_PROXIES = ("forwarded", "via", "x-forwarded-", "x-real-ip", "x-client-ip", "true-client-ip", "cf-")


class SharedToken:
    """Gives a call from this very machine that brings no token the one of the settings."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._header = (b"authorization", f"Bearer {token}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with the token if it may have it."""
        if scope["type"] == "http" and _is_local(scope):
            scope = {**scope, "headers": [*scope["headers"], self._header]}
        await self._app(scope, receive, send)


def _is_local(scope: Scope) -> bool:
    """Tell whether a request without a token was meant for this machine and shows no trace of a proxy."""
    headers = Headers(scope=scope)
    match = _HOST.fullmatch(headers.get("host", "").lower())
    return (
        "authorization" not in headers
        and scope["http_version"] != "1.0"
        and match is not None
        and match[1] in LOOPBACK
        and not any(name.startswith(_LEFT_BY_PROXIES) for name in headers)
    )


class HostOriginMiddleware:
    """Lets a request in only if it names a host of ours, comes from no foreign page, and fits its path.

    The SDK checks hosts by prefix and only on loopback (`127.0.0.1:1@evil` passes); here names are compared
    whole, on every path and every bind.
    """

    def __init__(
        self, app: ASGIApp, methods: Mapping[str, str], hosts: tuple[str, ...], origins: tuple[str, ...]
    ) -> None:
        self._app = app
        self._methods = methods
        self._hosts = {*LOOPBACK, *hosts}
        self._origins = set(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer what is wrong with it."""
        refused = self._refuse(scope) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    def _refuse(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self._is_ours(headers.getlist("host")):
            return PlainTextResponse("This server does not answer to that host name.", 421)
        if not all(map(self._is_welcome, headers.getlist("origin"))):
            return PlainTextResponse("Pages of that origin may not use this server.", 403)
        method = self._methods.get(scope["path"])
        if scope["method"] not in (method, "OPTIONS") and not (method == "GET" and scope["method"] == "HEAD"):
            if method is None:
                return PlainTextResponse("Not found.", 404)
            return PlainTextResponse("Method not allowed.", 405, {"allow": method})
        if scope["method"] == "POST" and _media_type(headers) != "application/json":
            return PlainTextResponse("Send application/json.", 415)
        return None

    def _is_ours(self, hosts: list[str]) -> bool:
        if len(hosts) != 1:
            return False
        host = hosts[0].lower()
        match = _HOST.fullmatch(host)
        return match is not None and (match[1] in self._hosts or host in self._hosts)

    def _is_welcome(self, origin: str) -> bool:
        scheme, _, host = origin.partition("://")
        match = _HOST.fullmatch(host)
        local = scheme in ("http", "https") and match is not None and match[1] in LOOPBACK
        return local or origin in self._origins


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()
