"""Faults of the API, by name: what the sandbox answers to a request for an id such as `fault-html`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

PREFIX = "fault-"
TRACE_ID = "2cf86e86-22a4-46e1-ac2f-032c0f2a4e89"
_CODES = {
    400: "bad_request",
    401: "invalid_token",
    403: "used_up",
    404: "no_api",
    429: "too_many_requests",
    500: "api_error",
    504: "timeout",
}


def error_answer(status: int, code: str | None = None, message: str = "fetch failed", **headers: str) -> JSONResponse:
    """Return an error in the form of the API's documented example."""
    error = {"code": code or _CODES.get(status, "unknown"), "message": message}
    body = {"success": False, "error": error, "trace_id": TRACE_ID}
    return JSONResponse(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def fault_answer(task_id: str, earlier: int) -> Response | None:
    """Return the answer to a request for a fault; None if only the record is at fault, or nothing is.

    Args:
        task_id: `fault-` and a name of this module, or an HTTP status.
        earlier: How many requests have named it before.
    """
    name = _name(task_id)
    if name.isdigit():
        return error_answer(int(name))
    return _ANSWERS[name](earlier) if name in _ANSWERS else None


def fault_record(task_id: str) -> dict[str, Any] | None:
    """Return the record of a fault, which is an ordinary success if the fault is elsewhere; None for other ids."""
    name = _name(task_id)
    if name not in NAMES:
        return None
    picture = {"id": "1", "image_url": "https://cdn.acedata.cloud/picture.png"}
    record = {"id": task_id, "response": {"success": True, "task_id": task_id, "data": [picture]}}
    return record | _RECORDS.get(name, {})


def _name(task_id: str) -> str:
    return task_id.removeprefix(PREFIX) if task_id.startswith(PREFIX) else ""


class _Silence(Response):
    """Takes the request and never answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await receive()  # the request has been read, so the next event is that the client has gone


class _Reset(_Silence):
    """Resets the connection before the answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        receive.__self__.transport.abort()  # type: ignore[attr-defined]  # uvicorn's, the only way to a reset
        await super().__call__(scope, receive, send)


_ANSWERS: dict[str, Callable[[int], Response | None]] = {
    "flaky": lambda earlier: error_answer(500) if earlier < 2 else None,
    "busy": lambda earlier: error_answer(429, retry_after="1") if earlier < 1 else None,
    "busy-for-an-hour": lambda _earlier: error_answer(429, retry_after="3600"),
    "silent": lambda _earlier: _Silence(),
    "reset": lambda _earlier: _Reset(),
    "redirect": lambda _earlier: RedirectResponse("http://127.0.0.1:9/elsewhere"),
    "html": lambda _earlier: HTMLResponse("<h1>It works!</h1>"),
    "html-404": lambda _earlier: HTMLResponse("<h1>Not found</h1>", 404),
    "html-502": lambda _earlier: HTMLResponse("<h1>Bad gateway</h1>", 502),
}

_BAD_LINKS = ("javascript:alert(1)", "file:///etc/passwd", "https://a/b\nc", " https://a/good.png\n")
_RECORDS: dict[str, dict[str, Any]] = {
    "no-pictures": {"response": {"success": True, "data": []}, "finished_at": 1730636500.0},
    "no-result": {"response": None, "finished_at": 1730636500.0},
    "bad-links": {"response": {"success": True, "data": [{"image_url": link} for link in _BAD_LINKS]}},
}


NAMES = (*_ANSWERS, *_RECORDS)
