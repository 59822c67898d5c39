"""The arguments of the waiting tool; those of the other tools are the API's own request bodies."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from headshots_mcp.api.requests import MAX_IDS, Request, TaskId

# A generation takes one to two minutes, and some hosts give up on a call after 60 s.
DEFAULT_SECONDS = 45


class WaitForTasks(Request):
    """The arguments of `wait_for_headshot_tasks`; the API has no such request, so it is polled."""

    ids: Annotated[list[TaskId], Field(min_length=1, max_length=MAX_IDS, description="Task ids")]
    timeout_seconds: Annotated[
        float,
        Field(
            ge=1, le=300, description="Maximum seconds to wait; some hosts stop a call after 60"
        ),  # first, or the schema says `ge`, not `minimum`
        BeforeValidator(lambda given: DEFAULT_SECONDS if given is None else given),
    ] = DEFAULT_SECONDS
