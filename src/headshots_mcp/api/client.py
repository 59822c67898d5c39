"""The API's one endpoint, `POST /headshots/tasks`, for many callers at once."""

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
    origins,
)
from headshots_mcp.api.limiter import FairLimiter
from headshots_mcp.api.once import Once
from headshots_mcp.api.records import TaskRecord, TaskRecords
from headshots_mcp.api.responses import MAX_BATCH_BODY, MAX_BODY, TASK, TASKS, parse_response, read_body
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
# Requests under way at once, of all callers together.
MAX_REQUESTS = 128

_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "identity",
    "content-type": "application/json",
    "user-agent": f"{NAME}/{__version__}",
}


class HeadshotsClient:
    """Asks the API for tasks; make one per process and share it, for it holds the connections.

    The token is an argument of each call, so that one client can serve many callers; they share what may be under
    way at once, and no connection. A call that fails in a way that may pass is tried again, as long as the cancel
    scope around it has time left.
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
        """Open nothing yet.

        Args:
            base_url: Where the API lives, without `/headshots/tasks` and without a slash at its end.
            silence_timeout: Seconds without a byte after which an attempt is given up.
            attempts: How often a call is tried at most.
            trace: Is told how far each request has come (httpx2, "Request Extensions").
            transport: What carries the requests, if not the network.
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
        """Make what the first call needs, so that it need not wait for that.

        Nothing is sent. Never fails: what stands in the way, the first call says better.
        """
        with suppress(Exception):
            await self._network.get()

    async def retrieve(self, request: RetrieveTask, token: str) -> TaskRecord | None:
        """Ask for one task.

        Returns:
            Its record, or None where the API does not know the id (docs/api.md, "States"). An empty record stands for
            a 404 without a reason: perhaps the API does not know the id, perhaps there is another server.

        Raises:
            LookupFailed: One of its kinds, for anything that is not an answer.
        """
        return (await self._one(request, token))[0]

    async def retrieve_raw(self, request: RetrieveTask, token: str) -> bytearray | None:
        """Ask for one task, and give the JSON of its record as the API sent it, else like `retrieve`."""
        record, body = await self._one(request, token)
        return body if record and record.is_record else None

    async def _one(self, request: RetrieveTask, token: str) -> tuple[TaskRecord | None, bytearray]:
        def read(response: httpx2.Response, body: bytearray) -> tuple[TaskRecord | None, bytearray]:
            try:
                return _record_of(request, parse_response(response, body, TASK, token)), body
            except NotFound as error:
                return None if error.is_certain else TaskRecord(), body

        return await self._ask(request, token, read, MAX_BODY)

    async def retrieve_batch(
        self, request: RetrieveTasks, token: str, *, attempts: int | None = None
    ) -> dict[str, TaskRecord]:
        """Ask for several tasks in one request.

        Args:
            request: Names them.
            token: With whose token to ask.
            attempts: How often to try at most, if not as often as this client does.

        Returns:
            The records the API knows, by task id; a record that was not asked for is left out.

        Raises:
            LookupFailed: One of its kinds, for anything that is not an answer.
        """

        def read(response: httpx2.Response, body: bytearray) -> dict[str, TaskRecord]:
            try:
                return _records_of(request, parse_response(response, body, TASKS, token))
            except NotFound as error:
                raise NoSuchApi(status=error.status, code=error.code, trace_id=error.trace_id) from error

        return await self._ask(request, token, read, MAX_BATCH_BODY, attempts)

    async def _ask(
        self,
        request: RetrieveTask | RetrieveTasks,
        token: str,
        read: Callable[[httpx2.Response, bytearray], T],
        limit: int,
        attempts: int | None = None,
    ) -> T:
        """Send a request, again where that may help, and read what comes back, at most `limit` bytes."""
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
        """Seconds to wait for a place: as for the API, and never so long that no time is left for an answer."""
        return min(self._silence_timeout, (anyio.current_effective_deadline() - anyio.current_time()) / 2)

    async def _connect(self) -> httpx2.AsyncBaseTransport:
        return self._transport or (await self._network.get())()


def _find_network(url: str) -> Callable[[], httpx2.AsyncBaseTransport]:
    """Give what opens connections for a URL; all that takes its time is done before."""
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
        untrusted = any(isinstance(origin, ssl.SSLCertVerificationError) for origin in origins(error))
        raise (CertificateRefused if untrusted else Unreachable) from error


def _record_of(request: RetrieveTask, record: TaskRecord | None) -> TaskRecord | None:
    """Check that a record is about the task that was asked for."""
    if record is None or record.task_id == request.id:
        return record
    if record.task_id is None:
        raise AnswerNotUnderstood
    raise AnswerNotUnderstood("The API answered with another task than the one asked for. Try again in a minute.")


def _records_of(request: RetrieveTasks, records: TaskRecords | None) -> dict[str, TaskRecord]:
    """Choose the records of the tasks that were asked for; if there are only others, this is no answer to that."""
    if records is None or records.items is None:
        raise AnswerNotUnderstood
    asked, found = set(request.ids), dict[str, TaskRecord]()
    for record in records.items:
        if (task_id := record.task_id) in asked and (record.response or task_id not in found):
            found[task_id] = record
    if not found and any(record.is_record for record in records.items):
        raise AnswerNotUnderstood("The API answered with other tasks than those asked for. Try again in a minute.")
    return found
