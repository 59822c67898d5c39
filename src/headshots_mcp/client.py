"""The API's one endpoint, `POST /headshots/tasks`: send, cap and parse, over one HTTP client."""

from __future__ import annotations

import re
import sys
import threading
from contextlib import suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from pydantic import TypeAdapter, ValidationError

from headshots_mcp import NAME, __version__
from headshots_mcp.errors import (
    AnswerNotUnderstood,
    CertificateRefused,
    ClientNotUsable,
    NoSuchApi,
    NotFound,
    TimedOut,
    Unreachable,
    refusal,
)
from headshots_mcp.models import RetrieveTask, RetrieveTasks, TaskRecord, TaskRecords
from headshots_mcp.retry import retrying
from headshots_mcp.settings import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    import httpx
    from typing_extensions import Self

    Trace = Callable[[str, Mapping[str, Any]], Awaitable[None]]

A = TypeVar("A", TaskRecord, TaskRecords)

PATH = "/headshots/tasks"
CONNECT_TIMEOUT = 5.0
SILENCE_TIMEOUT = 10.0
# Longer than the pauses of somebody who polls; httpx's own 5 s would mean a new connection for most looks.
KEEPALIVE = 90.0
MAX_BODY = 10 * 1024 * 1024
# Several parts of a batch are under way at once.
MAX_BATCH_BODY = 5 * 1024 * 1024
# A few bytes of JSON can become a kilobyte of objects; commas tell how many there are before any is made.
MAX_COMMAS = 100_000

ATTEMPTS = 4


def assume_asyncio() -> None:
    """Spare httpcore its search for sniffio, which tells trio from asyncio, in a process that has only asyncio.

    It searches a dozen times a request, and on the disk where sniffio is not installed.
    """
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]


class HeadshotsClient:
    """Asks the API for tasks; make one per process and share it, for it holds the connections.

    The token is an argument of each call, so that one client can serve many callers. A call that fails in a
    way that may pass is tried again, as long as the cancel scope around it has time left (DESIGN: retry).
    """

    def __init__(
        self,
        base_url: str,
        *,
        silence_timeout: float = SILENCE_TIMEOUT,
        attempts: int = ATTEMPTS,
        trace: Trace | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            base_url: Where the API lives, without `/headshots/tasks` and without a slash at its end.
            silence_timeout: Seconds without a byte after which an attempt is given up.
            attempts: How often a call is tried at most.
            trace: Is told how far each request has come (HTTPX, "Request Extensions").
            transport: What carries the requests, if not the network.
        """
        self._base_url = base_url
        self._silence_timeout = silence_timeout
        self._attempts = attempts
        self._extensions = {"trace": trace} if trace else {}
        self._transport = transport
        self._made: httpx.AsyncClient | None = None
        self._making = threading.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._made:
            await self._made.aclose()

    async def warm_up(self) -> None:
        """Make what the first call needs, in a thread, for reading a hundred certificates takes a while.

        Nothing is sent. Never fails: what stands in the way, the first call says better.
        """
        with suppress(Exception):
            await anyio.to_thread.run_sync(lambda: self._http)

    async def retrieve(self, request: RetrieveTask, token: str) -> TaskRecord | None:
        """Ask for one task.

        Returns:
            Its record, or None where the API does not know the id (API notes, "State of a task").

        Raises:
            LookupFailed: One of its kinds, for anything that is not an answer.
        """
        return (await self._one(request, token))[0]

    async def retrieve_raw(self, request: RetrieveTask, token: str) -> bytearray | None:
        """Ask for one task, and give the JSON of its record as the API sent it, else like `retrieve`."""
        record, body = await self._one(request, token)
        return body if record else None

    async def _one(self, request: RetrieveTask, token: str) -> tuple[TaskRecord | None, bytearray]:
        try:
            record, body = await self._ask(request, token, _TASK)
        except NotFound:
            return None, bytearray()
        if record is None:
            return None, bytearray()
        if not record.is_record:
            raise AnswerNotUnderstood
        if record.task_id not in (None, request.id):
            raise AnswerNotUnderstood("The API answered with another task than the one asked for. Try again.")
        return record, body

    async def retrieve_batch(self, request: RetrieveTasks, token: str) -> dict[str, TaskRecord]:
        """Ask for several tasks in one request.

        Returns:
            The records the API knows, by task id; a record that was not asked for is left out.

        Raises:
            LookupFailed: One of its kinds, for anything that is not an answer.
        """
        try:
            records, _ = await self._ask(request, token, _TASKS)
        except NotFound as error:
            raise NoSuchApi(status=error.status, code=error.code, trace_id=error.trace_id) from error
        if records is None or records.items is None:
            raise AnswerNotUnderstood
        asked, found = set(request.ids), dict[str, TaskRecord]()
        for record in records.items:
            if (task_id := record.task_id) in asked and (record.response or task_id not in found):
                found[task_id] = record
        return found

    async def _ask(
        self, request: RetrieveTask | RetrieveTasks, token: str, answer: TypeAdapter[A | None]
    ) -> tuple[A | None, bytearray]:
        return await retrying(self._attempts)(self._attempt, request, token, answer)

    async def _attempt(
        self, request: RetrieveTask | RetrieveTasks, token: str, answer: TypeAdapter[A | None]
    ) -> tuple[A | None, bytearray]:
        import httpx  # noqa: PLC0415 -- see _make

        try:
            async with self._http.stream(
                "POST",
                self._base_url + PATH,
                content=request.model_dump_json(),
                headers={"authorization": f"Bearer {token}"},
                extensions=self._extensions,
            ) as response:
                body = await _read(response, MAX_BODY if isinstance(request, RetrieveTask) else MAX_BATCH_BODY)
        except (httpx.ReadTimeout, httpx.WriteTimeout) as error:
            raise TimedOut from error
        except httpx.RequestError as error:
            raise (CertificateRefused if "CERTIFICATE_VERIFY" in str(error) else Unreachable) from error
        return _understand(response, body, answer, token), body

    @property
    def _http(self) -> httpx.AsyncClient:
        """The HTTP client, made at the first call unless that was done before; who comes meanwhile waits for it."""
        with self._making:
            self._made = self._made or self._make()
            return self._made

    def _make(self) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415 -- listing the tools need not wait for it

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
                # httpx looks at every idle connection before each request: more of them cost more than they save.
                limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=KEEPALIVE),
                # A proxy is for the world outside; the sandbox is on this machine.
                mounts={f"all://{name}": None for name in LOOPBACK},
                timeout=httpx.Timeout(self._silence_timeout, connect=CONNECT_TIMEOUT, pool=None),
                transport=self._transport,
            )
        # Their texts quote the settings, and a proxy's address may hold a password.
        except ImportError:
            raise ClientNotUsable(ClientNotUsable.says_of_socks) from None
        except OSError:
            raise ClientNotUsable(ClientNotUsable.says_of_certificates) from None
        except (ValueError, httpx.InvalidURL):
            raise ClientNotUsable from None


_TASK: TypeAdapter[TaskRecord | None] = TypeAdapter(TaskRecord | None)
_TASKS: TypeAdapter[TaskRecords | None] = TypeAdapter(TaskRecords | None)


async def _read(response: httpx.Response, limit: int) -> bytearray:
    """Read the body as it comes, and no more of it than an answer can have."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise AnswerNotUnderstood(status=response.status_code)
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > limit:
            break
    if len(body) > limit or body.count(b",") > MAX_COMMAS:
        raise AnswerNotUnderstood("The API's answer was too long to be one.", status=response.status_code)
    return body


def _understand(response: httpx.Response, body: bytearray, answer: TypeAdapter[A | None], token: str) -> A | None:
    """Find the documented answer in a response, or raise what its status or error code means.

    Whoever answers may repeat the token, also where a code or a trace id should be.
    """
    status = response.status_code
    if status == 404 and "html" in response.headers.get("content-type", ""):
        raise NoSuchApi(status=status)
    retry_after = _seconds(response.headers.get("retry-after", ""))
    if status == 200 and len(body) < 100 and body.translate(None, b" \t\r\n") == b"{}":
        return None
    try:
        received = answer.validate_json(body)
    except ValidationError as error:
        if status == 200:
            raise AnswerNotUnderstood from error
        raise refusal(status, retry_after=retry_after) from error
    if status == 200 and not (received and received.is_error_body):
        return received
    code = received.error.code if received and received.error else None
    trace_id = received.trace_id if received else None
    code, trace_id = (None if text and token in text else text for text in (code, trace_id))
    raise refusal(status, code=code, trace_id=trace_id, retry_after=retry_after)


def _seconds(retry_after: str) -> float | None:
    """Read `Retry-After`, a number of seconds or a date (RFC 9110, section 10.2.3); None if it is neither."""
    if re.fullmatch("[0-9]{1,9}", retry_after):
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
        date = date if date.tzinfo else date.replace(tzinfo=timezone.utc)
        return max(0.0, (date - datetime.now(timezone.utc)).total_seconds())
    except (ValueError, OverflowError):
        return None
