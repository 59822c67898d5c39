"""Answers "how are these tasks?" with as few requests as possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from headshots_mcp.errors import LookupFailed
from headshots_mcp.models import HeadshotTask, RetrieveTasks, TaskError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headshots_mcp.client import HeadshotsClient
    from headshots_mcp.models import RetrieveTask

# The vendor recommends at most 50 ids a request (API notes, "Request").
CHUNK = 50
CHUNKS_AT_ONCE = 4


class Reader:
    """Looks tasks up for whoever holds a token."""

    def __init__(self, client: HeadshotsClient) -> None:
        """Ask through this client."""
        self._client = client

    async def task(self, request: RetrieveTask, token: str) -> HeadshotTask:
        """Look one task up.

        Raises:
            LookupFailed: If there is no answer.
        """
        return HeadshotTask.from_record(request.id, await self._client.retrieve(request, token))

    async def tasks(self, request: RetrieveTasks, token: str) -> list[HeadshotTask]:
        """Look several tasks up: each id once, in the order of first mention.

        A part that fails leaves its tasks `unavailable` and the others answered.

        Raises:
            LookupFailed: If no part could be answered.
        """
        ids = list(dict.fromkeys(request.ids))
        chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
        answers: dict[str, HeadshotTask] = {}
        failures: list[LookupFailed] = []
        limiter = anyio.CapacityLimiter(CHUNKS_AT_ONCE)

        async def look_up(chunk: Sequence[str]) -> None:
            async with limiter:
                try:
                    records = await self._client.retrieve_batch(RetrieveTasks(ids=list(chunk)), token)
                    answers.update((id_, HeadshotTask.from_record(id_, records.get(id_))) for id_ in chunk)
                except LookupFailed as error:
                    failures.append(error)
                    answers.update((id_, _unavailable(id_, error)) for id_ in chunk)

        async with anyio.create_task_group() as group:
            for chunk in chunks:
                group.start_soon(look_up, chunk)
        if len(failures) == len(chunks):
            raise failures[0]
        return [answers[id_] for id_ in ids]


def _unavailable(task_id: str, error: LookupFailed) -> HeadshotTask:
    reason = TaskError(code=error.code, message=error.sentence, trace_id=error.trace_id)
    return HeadshotTask(id=task_id, status="unavailable", image_urls=[], error=reason)
