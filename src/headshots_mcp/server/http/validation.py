"""Validates HTTP requests before anything else handles them: their path, host, origin, method and media types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.websockets import WebSocketClose

from headshots_mcp.server.http.refusals import refusal
from headshots_mcp.settings import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

# Load balancers and orchestrators request these under whatever address they know; they give nothing away.
_FOR_ANY_HOST = ("/", "/health")
# Container names may have underscores.
_HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_HOST_REFUSED = (
    "This host name is not allowed here: start the server with --allowed-host NAME, or set HEADSHOTS_ALLOWED_HOSTS."
)
_ORIGIN_REFUSED = (
    "Pages of this origin are not allowed here: start the server with --allowed-origin ORIGIN, or set "
    "HEADSHOTS_ALLOWED_ORIGINS."
)
_JSON, _EVENTS = "application/json", "text/event-stream"


class PathMiddleware:
    """Brings a request's path into the form our routes have, under any prefix, with or without a trailing slash.

    The prefix is the ASGI root path: where this application is mounted in another, or what a proxy strips. A proxy
    may also name it in `X-Forwarded-Prefix`, or leave it in the path.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its path and root path adapted."""
        if scope["type"] == "http":
            path, root = scope["path"], scope.get("root_path", "").rstrip("/")
            # It is there twice if a proxy leaves it in the path and the server, which expects it not to, adds it again.
            # If the application that ours is mounted in only names a prefix, just the mount point is in the path.
            for prefix in (root, root.removeprefix(scope.get("app_root_path", ""))):
                if path.startswith(f"{prefix}/"):
                    path = "/" + path.removeprefix(prefix).lstrip("/")
            forwarded = Headers(scope=scope).get("x-forwarded-prefix", "").rstrip("/")
            if not root and _PREFIX.fullmatch(forwarded):
                root = forwarded
            path = path.rstrip("/") or "/"
            path = "/messages/" if path == "/messages" else path
            scope = {**scope, "root_path": root, "path": root + path}
        await self._app(scope, receive, send)


def route_of(scope: Scope) -> str:
    """Return the path without its prefix."""
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


class HostOriginMiddleware:
    """Lets a request in only if it names a host of ours and comes from no foreign web page.

    The SDK checks hosts by prefix and only on loopback (`127.0.0.1:1@evil` passes); here names are compared
    whole, on every bind.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._app = app
        self._hosts = {*LOOPBACK, *hosts}
        self._origins = set(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer what is wrong with it."""
        refused = self._refuse(route_of(scope), Headers(scope=scope)) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    def _refuse(self, route: str, headers: Headers) -> Response | None:
        if route not in _FOR_ANY_HOST and not self._is_ours(headers.getlist("host")):
            return refusal(421, _HOST_REFUSED)
        origins = headers.getlist("origin")
        if not all(map(self._is_welcome, origins)):
            return refusal(403, _ORIGIN_REFUSED)
        if route == "/sse" and not origins and headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return refusal(403, "Pages of other sites are not allowed here.")
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
        return local or origin.lower() in self._origins


class MethodMiddleware:
    """Refuses unknown paths, methods that a path does not have, bodies that are not JSON, and websockets.

    Args:
        app: Handles the other requests.
        methods: The methods of each path.
    """

    def __init__(self, app: ASGIApp, methods: Mapping[str, Sequence[str]]) -> None:
        self._app = app
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer what is wrong with it."""
        await (self._refuse(scope) or self._app)(scope, receive, send)

    def _refuse(self, scope: Scope) -> ASGIApp | None:
        if scope["type"] != "http":
            return WebSocketClose() if scope["type"] == "websocket" else None
        methods = self._methods.get(route_of(scope))
        if methods is None:
            return refusal(404, "Not found.")
        if scope["method"] not in methods:
            return refusal(405, "Method not allowed.", allow=", ".join(methods))
        if scope["method"] == "POST" and _media_type(Headers(scope=scope).get("content-type", "")) != _JSON:
            return refusal(415, "Send application/json.")
        return None


def accepted_types(scope: Scope) -> tuple[bool, bool]:
    """Return whether a client accepts JSON, and whether it accepts event streams; without the header, both."""
    given = ",".join(Headers(scope=scope).getlist("accept")) or "*/*"
    types = {_media_type(each) for each in given.split(",")}
    return (
        not types.isdisjoint({"*/*", "application/*", _JSON}),
        not types.isdisjoint({"*/*", "text/*", _EVENTS}),
    )


def _media_type(header: str) -> str:
    return header.partition(";")[0].strip().lower()
