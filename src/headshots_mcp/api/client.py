"""The API's one endpoint, `POST /headshots/tasks`: send, cap and parse, over one HTTP client."""

from __future__ import annotations

import threading
from contextlib import suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import anyio

from headshots_mcp import NAME, __version__
from headshots_mcp.api.errors import (
    AnswerNotUnderstood,
    CertificateRefused,
    ClientNotUsable,
    NoSuchApi,
    NotFound,
    PlatformToken,
    TimedOut,
    Unreachable,
)
from headshots_mcp.api.records import TaskRecord
from headshots_mcp.api.requests import RetrieveTask, RetrieveTasks
from headshots_mcp.api.responses import MAX_BATCH_BODY, MAX_BODY, TASK, TASKS, parse_response, read_body
from headshots_mcp.api.retry import retrying
from headshots_mcp.settings import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    import httpx2
    from pydantic import TypeAdapter
    from typing_extensions import Self

    from headshots_mcp.api.responses import A

    Trace = Callable[[str, Mapping[str, Any]], Awaitable[None]]


PATH = "/headshots/tasks"
CONNECT_TIMEOUT = 5.0
SILENCE_TIMEOUT = 10.0
# Longer than the pauses of somebody who polls; httpx2's own 5 s would mean a new connection for most looks.
KEEPALIVE = 90.0
ATTEMPTS = 4


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
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            base_url: Where the API lives, without `/headshots/tasks` and without a slash at its end.
            silence_timeout: Seconds without a byte after which an attempt is given up.
            attempts: How often a call is tried at most.
            trace: Is told how far each request has come (HTTPX2, "Request Extensions").
            transport: What carries the requests, if not the network.
        """
        self._base_url = base_url
        self._silence_timeout = silence_timeout
        self._attempts = attempts
        self._extensions = {"trace": trace} if trace else {}
        self._transport = transport
        self._made: httpx2.AsyncClient | None = None
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
            record, body = await self._ask(request, token, TASK)
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
            records, _ = await self._ask(request, token, TASKS)
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
        if token.lower().startswith(PlatformToken.prefix):
            raise PlatformToken
        return await retrying(self._attempts, lambda: self._attempt(request, token, answer))

    async def _attempt(
        self, request: RetrieveTask | RetrieveTasks, token: str, answer: TypeAdapter[A | None]
    ) -> tuple[A | None, bytearray]:
        import httpx2  # noqa: PLC0415 -- see _make

        try:
            async with self._http.stream(
                "POST",
                self._base_url + PATH,
                content=request.model_dump_json(),
                headers={"authorization": f"Bearer {token}"},
                extensions=self._extensions,
            ) as response:
                body = await read_body(response, MAX_BODY if isinstance(request, RetrieveTask) else MAX_BATCH_BODY)
        except (httpx2.ReadTimeout, httpx2.WriteTimeout) as error:
            raise TimedOut from error
        except httpx2.RequestError as error:
            raise (CertificateRefused if "CERTIFICATE_VERIFY" in str(error) else Unreachable) from error
        return parse_response(response, body, answer, token), body

    @property
    def _http(self) -> httpx2.AsyncClient:
        """The HTTP client, made at the first call unless that was done before; who comes meanwhile waits for it."""
        with self._making:
            self._made = self._made or self._make()
            return self._made

    def _make(self) -> httpx2.AsyncClient:
        import httpx2  # noqa: PLC0415 -- listing the tools need not wait for it

        try:
            return httpx2.AsyncClient(
                headers={
                    "accept": "application/json",
                    "accept-encoding": "identity",
                    "content-type": "application/json",
                    "user-agent": f"{NAME}/{__version__}",
                },
                # Callers share this client: a cookie set for one must not ride on another's request.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                # httpx2 looks at every idle connection before each request: more of them cost more than they save.
                limits=httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=KEEPALIVE),
                # A proxy is for the world outside; the sandbox is on this machine.
                mounts={f"all://{name}": None for name in LOOPBACK},
                timeout=httpx2.Timeout(self._silence_timeout, connect=CONNECT_TIMEOUT, pool=None),
                transport=self._transport,
            )
        # Their texts quote the settings, and a proxy's address may hold a password.
        except ImportError:
            raise ClientNotUsable(ClientNotUsable.message_about_socks) from None
        except OSError:
            raise ClientNotUsable(ClientNotUsable.message_about_certificates) from None
        except (ValueError, httpx2.InvalidURL):
            raise ClientNotUsable from None
