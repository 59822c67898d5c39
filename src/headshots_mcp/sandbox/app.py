"""The simulated API: a made-up account with a handful of tasks, served on loopback."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import anyio
import uvicorn
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headshots_mcp.sandbox.faults import error_answer, fault_answer, fault_record
from headshots_mcp.sandbox.portraits import portrait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp

TOKEN = "sandbox-token"  # noqa: S105 -- any token that begins with "sandbox" is accepted
SUCCEEDED = "16f96e95-d95c-46ef-b183-139b9bd1aebd"
UNKNOWN = "5213468b-6b96-4ad4-9c6a-657bd438d299"
LIVING = "sandbox-living"
GALLERY = "sandbox-gallery"
FAILED = "sandbox-failed"
STUCK = "sandbox-stuck"
# Every request that names it is rate limited.
LIMITED = "sandbox-limited"

# How long after its first lookup the living task enters these states.
PROCESSING_AFTER_SECONDS, SUCCEEDED_AFTER_SECONDS = 2.0, 4.5
# How long the stuck task has been running when the sandbox starts.
STUCK_FOR_SECONDS = 3600.0
# What the answer about the limited task says in `Retry-After`.
LIMITED_FOR_SECONDS = 60

KEPT_REQUESTS = 10_000
_RECORD_TRACE = "5a6b0fc0-8d35-4a3c-9d0e-d9e1b3a1f0c4"
# The two documented records: `_id`, `created_at`, `trace_id`.
_SUCCEEDED = ("67276ab6550a4144a53b6036", 1730636470.402, "6eded0e2-274d-4cde-a567-d6b0decb9a97")
_UNKNOWN = ("67276c52550a4144a53b995b", 1730636882.359, "50b2b4a8-6c1c-4b95-ac0b-46e5b97c7b18")
_IMAGE_IDS = ("202411032022077381", "202411032022079194", "202411032022081207", "202411032022083311")


class _Retrieve(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    id: str
    action: Literal["retrieve"]


class _RetrieveBatch(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    ids: list[str] = Field(min_length=1)
    action: Literal["retrieve_batch"]


_BODY: TypeAdapter[_Retrieve | _RetrieveBatch] = TypeAdapter(_Retrieve | _RetrieveBatch)


class Asked(NamedTuple):
    """A request as it arrived; `body` is None if it was not one of the two documented ones."""

    headers: dict[str, str]
    connection: Any
    body: dict[str, Any] | None


class Sandbox:
    """A made-up account with a handful of tasks.

    Args:
        image_origin: Where the image URLs point; by default to the sandbox itself, which serves them.

    Attributes:
        requests: The latest requests, in order.
        records: Further tasks, by id; may be added to.
    """

    def __init__(self, *, image_origin: str | None = None) -> None:
        self.requests: list[Asked] = []
        self.records: dict[str, dict[str, Any]] = {}
        self._image_origin = image_origin
        self._began = time.time()
        self._first_look: tuple[float, float] | None = None
        self._faults: Counter[str] = Counter()
        self._scripts: dict[str, Iterator[Response]] = {}
        self.app: ASGIApp = Starlette(
            routes=[
                Route("/headshots/tasks", self._tasks, methods=["POST"]),
                Route("/headshots/{name}.png", self._portrait),
            ]
        )

    def script(self, task_id: str, answers: Iterable[Response]) -> None:
        """Answer the next requests that name a task with these answers, one after the other, then as usual."""
        self._scripts[task_id] = iter(answers)

    @property
    def connections(self) -> int:
        """How many connections the requests came over."""
        return len({asked.connection for asked in self.requests})

    @contextmanager
    def serve(self, certificate: Path | None = None) -> Iterator[str]:
        """Serve on a free loopback port, in a thread, until the block is left; yields the base URL.

        Args:
            certificate: A PEM file with a certificate and its key, for https.
        """
        config = uvicorn.Config(
            self.app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=75,
            ssl_certfile=certificate,
        )
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            # Accepted connections inherit it. asyncio sets it on its own sockets only; without it, answers take 40 ms.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
            thread.start()
            try:
                yield f"{'https' if certificate else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = server.force_exit = True
                thread.join(timeout=5)

    async def _tasks(self, request: Request) -> Response:
        try:
            body = _BODY.validate_json(await request.body())
        except ValidationError:
            body = None
        self.requests.append(Asked(dict(request.headers), request.client, body.model_dump() if body else None))
        del self.requests[:-KEPT_REQUESTS]
        if not request.headers.get("authorization", "").startswith("Bearer sandbox"):
            return error_answer(401, "invalid_token", "the token is invalid")
        if body is None:
            return error_answer(400, "bad_request", "the body is not one of the two documented ones")
        origin = self._image_origin or str(request.base_url).rstrip("/")
        ids = [body.id] if isinstance(body, _Retrieve) else body.ids
        for task_id in ids:
            if special := self._special_answer(task_id):
                return special
        known = (self.records.get(id_) or fault_record(id_) or self._record(id_, origin) for id_ in ids)
        records = [record for record in known if record]
        if isinstance(body, _Retrieve):
            return JSONResponse(records[0] if records else {})
        return JSONResponse({"items": records, "count": len(records)})

    def _special_answer(self, task_id: str) -> Response | None:
        """Return the answer that a script or the id asks for, if any, in place of the usual one."""
        if scripted := next(self._scripts.get(task_id, iter(())), None):
            return scripted
        if task_id == LIMITED:
            return error_answer(429, retry_after=str(LIMITED_FOR_SECONDS))
        answer = fault_answer(task_id, self._faults[task_id])
        self._faults.update([task_id] if answer else [])
        return answer

    async def _portrait(self, request: Request) -> Response:
        return Response(portrait(request.path_params["name"]), media_type="image/png")

    def _record(self, task_id: str, origin: str) -> dict[str, Any] | None:
        def urls(*names: str) -> list[str]:
            return [f"{origin}/headshots/{name}.png" for name in names]

        records: dict[str, Callable[[], dict[str, Any]]] = {
            SUCCEEDED: lambda: _record(task_id, _success(task_id, urls(task_id, task_id)), unique=_SUCCEEDED),
            UNKNOWN: lambda: _record(task_id, _unfinished(task_id), unique=_UNKNOWN),
            LIVING: lambda: self._living(urls("finished-1", "finished-2")),
            GALLERY: lambda: _record(
                task_id, _success(task_id, urls(*(f"gallery-{n}" for n in range(1, 5)))), template="female_portrait"
            ),
            FAILED: lambda: _record(task_id, _failure(task_id), template="wedding"),
            STUCK: lambda: _record(
                task_id,
                _unfinished(task_id, "processing"),
                template="bob_suit",
                created_at=self._began - STUCK_FOR_SECONDS,
            ),
        }
        return records[task_id]() if task_id in records else None

    def _living(self, urls: list[str]) -> dict[str, Any]:
        """Return the living task, which ages from its first lookup on, by the clock of the event loop that serves."""
        now = anyio.current_time()
        self._first_look = self._first_look or (now, time.time())
        begun, created_at = self._first_look
        response = None
        if now - begun >= PROCESSING_AFTER_SECONDS:
            response = _unfinished(LIVING) if now - begun < SUCCEEDED_AFTER_SECONDS else _success(LIVING, urls)
        return _record(LIVING, response, template="business_photo", created_at=created_at)


def _record(
    task_id: str,
    response: dict[str, Any] | None,
    *,
    template: str = "male_portrait",
    created_at: float = 1730640000.0,
    unique: tuple[str, float, str] | None = None,
) -> dict[str, Any]:
    """Make a record as documented, with its private ids; that of a pending task has no response."""
    private_id, created_at, trace_id = unique or ("67276ab6550a4144a53b6040", created_at, _RECORD_TRACE)
    record = {
        "_id": private_id,
        "id": task_id,
        "api_id": "53bcc3f7-12ec-4f04-8ca4-20f150dcde2a",
        "application_id": "1af53f80-c166-4f54-a8ea-0ffc24d8e2cd",
        "created_at": created_at,
        "credential_id": "3c253880-21ef-478a-9389-c09fa837ac7c",
        "request": {
            "mode": "relax",
            "template": template,
            "image_urls": ["https://cdn.zhishuyun.com/2024-11-03-d23744954ca4819503469f04f2268aa0.jpg"],
            "callback_url": "https://webhook.site/00f38b26-4289-4899-83d6-0cea7308850a",
        },
        "trace_id": trace_id,
        "user_id": "ad7afe47-cea9-4cda-980f-2ad8810e51cf",
        "response": response,
    }
    return {name: value for name, value in record.items() if value is not None}


def _success(task_id: str, urls: list[str]) -> dict[str, Any]:
    images = [
        {"id": image_id, "image_url": url, "template": "男形象照"}
        for image_id, url in zip(_IMAGE_IDS, urls, strict=False)
    ]
    return {"success": True, "task_id": task_id, "data": images}


def _unfinished(task_id: str, word: str = "unknown") -> dict[str, Any]:
    return {"task_id": task_id, "status": word, "data": []}


def _failure(task_id: str) -> dict[str, Any]:
    return {
        "success": False,
        "task_id": task_id,
        "trace_id": "0b7bb1b6-4c1c-4d0a-8e35-5a86c1f2d7e9",
        "error": {"code": "face_not_found", "message": "No face was found in the photo."},
    }
