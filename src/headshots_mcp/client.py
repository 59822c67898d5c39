"""The API's one endpoint, `POST /headshots/tasks`, over one shared HTTP client."""

from __future__ import annotations

from functools import cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, TypeVar

import anyio
import httpx
from pydantic import TypeAdapter, ValidationError

from headshots_mcp import NAME, __version__
from headshots_mcp.errors import (
    AnswerNotUnderstood,
    ClientNotUsable,
    NoSuchApi,
    NotFound,
    TimedOut,
    Unreachable,
    refusal,
)
from headshots_mcp.models import RetrieveTask, RetrieveTasks, TaskRecord, TaskRecords

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

A = TypeVar("A", TaskRecord, TaskRecords)

PATH = "/headshots/tasks"
DEFAULT_TIMEOUT = 20.0
CONNECT_TIMEOUT = 5.0
# Longer than the pauses of somebody who polls; httpx's own 5 s would mean a new connection for most looks.
KEEPALIVE = 90.0


class HeadshotsClient:
    """Asks the API for tasks; make one per process and share it, for it holds the connections.

    The token is an argument of each call, so that one client can serve many callers.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            base_url: Where the API lives, without `/headshots/tasks` and without a slash at its end.
            timeout: Seconds a lookup may take in all.
            transport: What carries the requests, if not the network.
        """
        self._base_url = base_url
        self._timeout = timeout
        self._transport = transport

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if "_http" in self.__dict__:
            await self._http.aclose()

    async def retrieve(self, request: RetrieveTask, token: str) -> TaskRecord | None:
        """Ask for one task.

        Returns:
            Its record, or None where the API does not know the id (API notes, "State of a task").

        Raises:
            LookupFailed: One of its kinds, for anything that is not an answer.
        """
        try:
            record = await self._ask(request, token, _TASK)
        except NotFound:
            return None
        if record is None or not record.model_fields_set:
            return None
        if record.task_id not in (None, request.id):
            raise AnswerNotUnderstood("The API answered with another task than the one asked for. Try again.")
        return record

    async def retrieve_batch(self, request: RetrieveTasks, token: str) -> dict[str, TaskRecord]:
        """Ask for several tasks in one request.

        Returns:
            The records the API knows, by task id; a record that was not asked for is left out.

        Raises:
            LookupFailed: One of its kinds, for anything that is not an answer.
        """
        try:
            records = await self._ask(request, token, _TASKS)
        except NotFound as error:
            raise NoSuchApi(status=error.status, code=error.code, trace_id=error.trace_id) from error
        if records is None or records.items is None:
            raise AnswerNotUnderstood
        asked = set(request.ids)
        return {record.task_id: record for record in records.items if record.task_id in asked}

    async def _ask(
        self, request: RetrieveTask | RetrieveTasks, token: str, answer: TypeAdapter[A | None]
    ) -> A | None:
        try:
            with anyio.fail_after(self._timeout):
                return await self._attempt(request, token, answer)
        except TimeoutError as error:
            raise TimedOut(self._timeout) from error

    async def _attempt(
        self, request: RetrieveTask | RetrieveTasks, token: str, answer: TypeAdapter[A | None]
    ) -> A | None:
        try:
            response = await self._http.post(
                self._base_url + PATH,
                content=request.model_dump_json(),
                headers={"authorization": f"Bearer {token}"},
            )
        except httpx.TransportError as error:
            raise Unreachable from error
        return _understand(response, answer)

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        try:
            return httpx.AsyncClient(
                headers={
                    "accept": "application/json",
                    "accept-encoding": "identity",
                    "content-type": "application/json",
                    "user-agent": f"{NAME}/{__version__}",
                },
                # Callers share this client: a cookie set for one must not ride on another's request.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                limits=httpx.Limits(keepalive_expiry=KEEPALIVE),
                # A proxy is for the world outside; the sandbox is on this machine.
                mounts={"all://127.0.0.1": None, "all://localhost": None},
                transport=self._transport,
                timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT),
            )
        except (ImportError, OSError, ValueError) as error:
            raise ClientNotUsable from error


_TASK: TypeAdapter[TaskRecord | None] = TypeAdapter(TaskRecord | None)
_TASKS: TypeAdapter[TaskRecords | None] = TypeAdapter(TaskRecords | None)


def _understand(response: httpx.Response, answer: TypeAdapter[A | None]) -> A | None:
    """Read the documented answer out of a response, or raise what its status or error code means."""
    if response.status_code == 404 and "html" in response.headers.get("content-type", ""):
        raise NoSuchApi(status=404)
    try:
        received = answer.validate_json(response.content)
    except ValidationError as error:
        if response.status_code == 200:
            raise AnswerNotUnderstood from error
        raise refusal(response.status_code) from error
    if response.status_code == 200 and not (received and received.is_error_body):
        return received
    raise refusal(
        response.status_code,
        code=received.error.code if received and received.error else None,
        trace_id=received.trace_id if received else None,
    )
