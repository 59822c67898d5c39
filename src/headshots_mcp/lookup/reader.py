"""Answers "how are these tasks?" with as few requests as possible, and always in time."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from headshots_mcp.api.errors import LookupFailed, TimedOut
from headshots_mcp.api.requests import RetrieveTask, RetrieveTasks
from headshots_mcp.lookup.cache import TaskCache
from headshots_mcp.lookup.single_flight import SingleFlight
from headshots_mcp.lookup.tasks import outcome_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from headshots_mcp.api.client import HeadshotsClient
    from headshots_mcp.api.records import TaskRecord
    from headshots_mcp.lookup.tasks import Outcome

DEFAULT_TIMEOUT_SECONDS = 20.0
# The vendor recommends at most 50 ids a request (docs/api.md, "Request").
PART = 50
PARTS_AT_ONCE = 4

_log = logging.getLogger(__name__)


class Reader:
    """Looks tasks up for callers with a token; what is finished or already being asked for is not asked again."""

    def __init__(self, client: HeadshotsClient, *, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        """Look tasks up through a client.

        Args:
            client: Sends the requests; may be shared.
            timeout: Seconds a lookup may take in total, however many requests, attempts and pauses it needs.
        """
        self._client = client
        self._timeout = timeout
        self._cache = TaskCache()
        self._shared = SingleFlight()

    async def look_up_one(self, task_id: str, token: str) -> Outcome:
        """Look up one task, with the request for a single one, and return it or the reason why there is none."""
        if known := self._cache.get(token, task_id):
            return known
        outcomes = await self._outcomes(RetrieveTask(id=task_id), token, anyio.current_time() + self._timeout)
        return outcomes[task_id]

    async def look_up(self, ids: Iterable[str], token: str, *, polling: bool = False) -> dict[str, Outcome]:
        """Look up tasks, and return for each id its task or the reason why there is none.

        Each id is answered once, in the order of first mention. A part that fails does not affect the others, and
        nothing is raised.

        Args:
            ids: The tasks.
            token: The caller's token.
            polling: Whether the caller polls: then one attempt is enough, and so is an outcome from within the last
                second, because more than one lookup of a task per second is too much for the API.
        """
        wanted = list(dict.fromkeys(ids))
        recall = self._cache.recent if polling else self._cache.get
        outcomes: dict[str, Outcome] = {id_: known for id_ in wanted if (known := recall(token, id_))}
        attempts = 1 if polling else None
        limiter = anyio.CapacityLimiter(PARTS_AT_ONCE)
        deadline = anyio.current_time() + self._timeout

        async def look_up(part: list[str]) -> None:
            async with limiter:
                outcomes.update(await self._outcomes(RetrieveTasks(ids=part), token, deadline, attempts))

        async with anyio.create_task_group() as group:
            for part in in_parts([id_ for id_ in wanted if id_ not in outcomes]):
                group.start_soon(look_up, part)
        return {id_: outcomes[id_] for id_ in wanted}

    async def raw(self, request: RetrieveTask, token: str) -> bytearray | None:
        """Return the JSON of one task's record as the API sends it now; None if it does not know the task.

        Raises:
            LookupFailed: If there is no usable answer.
        """
        with self._lookup(anyio.current_time() + self._timeout):
            return await self._client.retrieve_raw(request, token)

    async def _outcomes(
        self, request: RetrieveTask | RetrieveTasks, token: str, deadline: float, attempts: int | None = None
    ) -> dict[str, Outcome]:
        ids = request.ids if isinstance(request, RetrieveTasks) else [request.id]
        # A caller that would retry must not share the failure of one that makes a single attempt.
        key = token, request.model_dump_json(), attempts
        try:
            with self._lookup(deadline):
                records = await self._shared.get(key, lambda: self._ask(request, token, attempts))
            outcomes = {id_: outcome_of(id_, records.get(id_)) for id_ in ids}
        except LookupFailed as error:
            outcomes = dict.fromkeys(ids, error)
        for id_, outcome in outcomes.items():
            self._cache.remember(token, id_, outcome)
        return outcomes

    async def _ask(
        self, request: RetrieveTask | RetrieveTasks, token: str, attempts: int | None
    ) -> dict[str, TaskRecord]:
        if isinstance(request, RetrieveTasks):
            return await self._client.retrieve_batch(request, token, attempts=attempts)
        record = await self._client.retrieve(request, token)
        return {request.id: record} if record else {}

    @contextmanager
    def _lookup(self, deadline: float) -> Iterator[None]:
        """Keep a lookup to its deadline, and log in one line why it failed."""
        try:
            with anyio.CancelScope(deadline=deadline) as scope:
                yield
            if scope.cancelled_caught:
                raise TimedOut
        except LookupFailed as error:
            _log.warning("lookup failed: %s", error)
            raise


def in_parts(ids: list[str]) -> Iterator[list[str]]:
    """Split ids into parts that are small enough for one request each."""
    return (ids[start : start + PART] for start in range(0, len(ids), PART))
