"""The HTTP client for the API's one endpoint, `POST /headshots/tasks`, shared by all callers."""

from __future__ import annotations

import os
import ssl
from contextlib import aclosing, suppress
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import httpx2

from headshots_mcp import NAME, __version__
from headshots_mcp.api.connections import Connections
from headshots_mcp.api.errors import (
    AnswerNotUnderstood,
    CertificateRefused,
    NoSuchApi,
    NotFound,
    PlatformToken,
    TimedOut,
    Unreachable,
    causes,
)
from headshots_mcp.api.limiter import FairLimiter
from headshots_mcp.api.once import Once
from headshots_mcp.api.records import TaskRecord, TaskRecords
from headshots_mcp.api.responses import (
    MAX_BATCH_RESPONSE_BYTES,
    MAX_RESPONSE_BYTES,
    TASK,
    TASKS,
    parse_response,
    read_body,
)
from headshots_mcp.api.retry import retrying

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from headshots_mcp.api.requests import RetrieveTask, RetrieveTasks

    Trace = Callable[[str, Mapping[str, Any]], Awaitable[None]]

T = TypeVar("T")

PATH = "/headshots/tasks"
CONNECT_TIMEOUT_SECONDS = 5.0
SILENCE_TIMEOUT_SECONDS = 10.0
ATTEMPTS = 4
# Requests in progress at once, of all callers together.
MAX_REQUESTS = 128

_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "identity",
    "content-type": "application/json",
    "user-agent": f"{NAME}/{__version__}",
}


class HeadshotsClient:
    """Asks the API for tasks. Make one per process and share it: it holds the connections.

    Each call is given the caller's token, so one client can serve many callers. They share the limit on requests in
    progress, but never a connection. A call that fails with `Transient` is retried while the cancel scope around it
    has time left.
    """

    def __init__(
        self,
        base_url: str,
        *,
        silence_timeout: float = SILENCE_TIMEOUT_SECONDS,
        attempts: int = ATTEMPTS,
        trace: Trace | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Make a client; calls open the connections they need.

        Args:
            base_url: The API's base URL, without `/headshots/tasks` and without a trailing slash.
            silence_timeout: Seconds without a byte after which an attempt is given up.
            attempts: Maximum number of attempts per call.
            trace: Called with the progress of each request (httpx2, "Request Extensions").
            transport: Carries the requests in place of the network.
        """
        self._url = base_url + PATH
        self._silence_timeout = silence_timeout
        self._attempts = attempts
        timeouts = httpx2.Timeout(silence_timeout, connect=CONNECT_TIMEOUT_SECONDS, pool=None)
        self._extensions = {"timeout": timeouts.as_dict(), **({"trace": trace} if trace else {})}
        self._transport = transport
        self._network = Once(partial(_find_network, self._url))
        self._connections = Connections(self._connect)
        self._limiter = FairLimiter(MAX_REQUESTS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._connections.aclose()

    async def warm_up(self) -> None:
        """Load what the first call needs, so that it does not have to wait.

        Sends nothing and never fails: if something is wrong, the first call reports it better.
        """
        with suppress(Exception):
            await self._network.get()

    async def retrieve(self, request: RetrieveTask, token: str) -> TaskRecord | None:
        """Look up one task.

        Returns:
            Its record, or None if the API does not know the id (docs/api.md, "States"). An empty record stands for a
            404 without a reason: either the API does not know the id, or another server answered.

        Raises:
            LookupFailed: One of its subclasses, if there is no usable answer.
        """
        return (await self._one(request, token))[0]

    async def retrieve_raw(self, request: RetrieveTask, token: str) -> bytearray | None:
        """Look up one task, and return the JSON of its record as the API sent it; None if there is no record.

        Raises:
            LookupFailed: As `retrieve` does; `NotFound` for a 404 without a reason.
        """
        record, body = await self._one(request, token)
        if record and not record.model_fields_set:
            raise NotFound(NotFound.message_in_doubt)
        return body if record and record.is_record else None

    async def _one(self, request: RetrieveTask, token: str) -> tuple[TaskRecord | None, bytearray]:
        def read(response: httpx2.Response, body: bytearray) -> tuple[TaskRecord | None, bytearray]:
            try:
                return _record_of(request, parse_response(response, body, TASK, token)), body
            except NotFound as error:
                return None if error.is_certain else TaskRecord(), body

        return await self._ask(request, token, read, MAX_RESPONSE_BYTES)

    async def retrieve_batch(
        self, request: RetrieveTasks, token: str, *, attempts: int | None = None
    ) -> dict[str, TaskRecord]:
        """Look up several tasks in one request.

        Args:
            request: Names the tasks.
            token: The caller's token.
            attempts: Maximum number of attempts, if not the client's own.

        Returns:
            The records the API knows, by task id; records of other tasks are left out.

        Raises:
            LookupFailed: One of its subclasses, if there is no usable answer.
        """

        def read(response: httpx2.Response, body: bytearray) -> dict[str, TaskRecord]:
            try:
                return _records_of(request, parse_response(response, body, TASKS, token))
            except NotFound as error:
                raise NoSuchApi(status=error.status, code=error.code, trace_id=error.trace_id) from error

        return await self._ask(request, token, read, MAX_BATCH_RESPONSE_BYTES, attempts)

    async def _ask(
        self,
        request: RetrieveTask | RetrieveTasks,
        token: str,
        read: Callable[[httpx2.Response, bytearray], T],
        limit: int,
        attempts: int | None = None,
    ) -> T:
        """Send a request, retry it where that may help, and read at most `limit` bytes of the response."""
        if token.lower().startswith(PlatformToken.prefix):
            raise PlatformToken
        caller = sha256(token.encode()).digest()
        headers = _HEADERS | {"authorization": f"Bearer {token}"}
        body = request.model_dump_json()

        async def attempt() -> T:
            sent = httpx2.Request("POST", self._url, headers=headers, content=body, extensions=self._extensions)
            async with (
                self._limiter.slot(caller, within=self._patience()),
                self._connections.lend(caller) as connection,
            ):
                return read(*await _exchange(connection, sent, limit))

        return await retrying(attempts or self._attempts, attempt)

    def _patience(self) -> float:
        """Seconds to wait for a slot: as long as for the API, but at most half of the time that is left."""
        return min(self._silence_timeout, (anyio.current_effective_deadline() - anyio.current_time()) / 2)

    async def _connect(self) -> httpx2.AsyncBaseTransport:
        return self._transport or (await self._network.get())()


def _find_network(url: str) -> Callable[[], httpx2.AsyncBaseTransport]:
    """Return a function that opens connections for a URL; the slow part is done here, before it is called."""
    from headshots_mcp.api.route import find_route  # noqa: PLC0415 -- in the thread that calls this
    from headshots_mcp.api.transport import Connection  # noqa: PLC0415

    TASK.rebuild()
    TASKS.rebuild()
    return partial(Connection, find_route(url, os.environ))


async def _exchange(
    connection: httpx2.AsyncBaseTransport, sent: httpx2.Request, limit: int
) -> tuple[httpx2.Response, bytearray]:
    """Send a request and read the response."""
    try:
        async with aclosing(await connection.handle_async_request(sent)) as response:
            return response, await read_body(response, limit)
    except (httpx2.ReadTimeout, httpx2.WriteTimeout) as error:
        raise TimedOut from error
    except httpx2.RequestError as error:
        untrusted = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes(error))
        raise (CertificateRefused if untrusted else Unreachable) from error


def _record_of(request: RetrieveTask, record: TaskRecord | None) -> TaskRecord | None:
    """Check that a record is about the task that was asked for."""
    if record is None or record.task_id == request.id:
        return record
    if record.task_id is None:
        raise AnswerNotUnderstood
    raise AnswerNotUnderstood("The API returned a different task than the one requested. Try again in a minute.")


def _records_of(request: RetrieveTasks, records: TaskRecords | None) -> dict[str, TaskRecord]:
    """Pick the records of the requested tasks; if there are only others, this answers some other request."""
    if records is None or records.items is None:
        raise AnswerNotUnderstood
    asked, found = set(request.ids), dict[str, TaskRecord]()
    for record in records.items:
        if (task_id := record.task_id) in asked and (record.response or task_id not in found):
            found[task_id] = record
    if not found and any(record.is_record for record in records.items):
        raise AnswerNotUnderstood("The API returned only tasks that were not requested. Try again in a minute.")
    return found
