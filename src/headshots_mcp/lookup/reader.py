"""Answers "how are these tasks?" with as few requests as possible, and always in time."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import anyio

from headshots_mcp.api.errors import LookupFailed, TimedOut
from headshots_mcp.api.requests import RetrieveTask, RetrieveTasks
from headshots_mcp.lookup.cache import TaskCache
from headshots_mcp.lookup.single_flight import SingleFlight
from headshots_mcp.lookup.tasks import HeadshotTask, outcome_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headshots_mcp.api.client import HeadshotsClient
    from headshots_mcp.api.records import TaskRecord

DEFAULT_TIMEOUT = 20.0
# The vendor recommends at most 50 ids a request (API notes, "Request").
CHUNK = 50
CHUNKS_AT_ONCE = 4

_log = logging.getLogger(__name__)


class Reader:
    """Looks tasks up for whoever holds a token: what is finished or being asked for is not asked again."""

    def __init__(self, client: HeadshotsClient, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Ask through a client.

        Args:
            client: Sends the requests; may be shared.
            timeout: Seconds a lookup may take in all, however many requests, attempts and waits it needs.
        """
        self._client = client
        self._timeout = timeout
        self._cache = TaskCache()
        self._shared = SingleFlight()

    async def task(self, request: RetrieveTask, token: str) -> HeadshotTask:
        """Look one task up.

        Raises:
            LookupFailed: If there is no answer.
        """
        if known := self._cache.get(token, request.id):
            return known
        with self._lookup(anyio.current_time() + self._timeout):
            record = await self._shared.get(
                (token, request.model_dump_json()), lambda: self._client.retrieve(request, token)
            )
            return self._to_task(token, request.id, record)

    async def raw(self, request: RetrieveTask, token: str) -> bytearray | None:
        """Give the JSON of one task's record as the API sends it now, None if it does not know the task.

        Raises:
            LookupFailed: If there is no answer.
        """
        with self._lookup(anyio.current_time() + self._timeout):
            return await self._client.retrieve_raw(request, token)

    async def tasks(self, request: RetrieveTasks, token: str) -> Found:
        """Look several tasks up: each id once, in the order of first mention.

        A part that fails leaves its tasks `unavailable`, with its failure, and the others answered.

        Raises:
            LookupFailed: If there is no answer for any task.
        """
        ids = list(dict.fromkeys(request.ids))
        answers = {id_: known for id_ in ids if (known := self._cache.get(token, id_))}
        unknown = [id_ for id_ in ids if id_ not in answers]
        chunks = [unknown[start : start + CHUNK] for start in range(0, len(unknown), CHUNK)]
        failures: dict[str, LookupFailed] = {}
        limiter = anyio.CapacityLimiter(CHUNKS_AT_ONCE)
        deadline = anyio.current_time() + self._timeout

        async def look_up(chunk: list[str]) -> None:
            try:
                with self._lookup(deadline):
                    async with limiter:
                        answers.update(await self._chunk(chunk, token))
            except LookupFailed as error:
                failures.update(dict.fromkeys(chunk, error))
                answers.update((id_, HeadshotTask.unavailable(id_, error)) for id_ in chunk)

        async with anyio.create_task_group() as group:
            for chunk in chunks:
                group.start_soon(look_up, chunk)
        if len(failures) == len(ids):
            raise failures[ids[0]]
        return Found([answers[id_] for id_ in ids], failures)

    async def _chunk(self, ids: list[str], token: str) -> dict[str, HeadshotTask]:
        request = RetrieveTasks(ids=ids)
        records = await self._shared.get(
            (token, request.model_dump_json()), lambda: self._client.retrieve_batch(request, token)
        )
        return {id_: self._to_task(token, id_, records.get(id_)) for id_ in ids}

    def _to_task(self, token: str, task_id: str, record: TaskRecord | None) -> HeadshotTask:
        outcome = outcome_of(task_id, record)
        task = HeadshotTask.unavailable(task_id, outcome) if isinstance(outcome, LookupFailed) else outcome
        self._cache.remember(token, task)
        return task

    @contextmanager
    def _lookup(self, deadline: float) -> Iterator[None]:
        """Hold a lookup to its deadline, and say in one line of the log how one failed."""
        try:
            with anyio.CancelScope(deadline=deadline) as scope:
                yield
            if scope.cancelled_caught:
                raise TimedOut
        except LookupFailed as error:
            _log.warning("lookup failed: %s", error)
            raise


class Found(NamedTuple):
    """Tasks as they are now, and by id why some could not be looked up."""

    tasks: list[HeadshotTask]
    failures: dict[str, LookupFailed]
