"""Words the answers: what a model reads about tasks, as structured content and as text."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING

from mcp_types import CallToolResult, TextContent

from headshots_mcp.api.errors import LookupFailed
from headshots_mcp.api.wording import named
from headshots_mcp.lookup.tasks import HeadshotTask, HeadshotTasks, TaskError, as_task
from headshots_mcp.server.next_steps import next_step, shared_failures, summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headshots_mcp.lookup.tasks import Outcome
    from headshots_mcp.server.next_steps import SharedFailure


def task_result(task: HeadshotTask) -> CallToolResult:
    """Answer with one task."""
    answer = task.model_copy(update={"next_step": next_step({task.id: task}, {}, time.time())})
    return _result(answer, "\n".join(filter(None, [*_lines(task), answer.next_step])))


def tasks_result(
    outcomes: Mapping[str, Outcome], failures: Mapping[str, LookupFailed] = MappingProxyType({}), waited: float = 0.0
) -> CallToolResult:
    """Answer with several tasks, after the counts and the suggested next step.

    Args:
        outcomes: What is known of each id.
        failures: Why the latest lookup of an id failed, where it did.
        waited: Seconds the caller has waited for the tasks.

    Raises:
        LookupFailed: If all lookups failed for the same reason.
    """
    raise_if_all_failed(outcomes)
    failed = shared_failures(outcomes)
    failures_backwards = [(id_, each) for id_, each in reversed([*outcomes.items()]) if isinstance(each, LookupFailed)]
    traced = {each.trace_id: id_ for id_, each in failures_backwards}
    answer = HeadshotTasks(
        summary=summary(outcomes),
        next_step=next_step(outcomes, failures, time.time(), waited),
        tasks=[_task(id_, outcome, failed, traced) for id_, outcome in outcomes.items()],
    )
    head = " ".join(filter(None, [answer.summary and f"{answer.summary}.", answer.next_step]))
    lines = "\n".join(line for task in answer.tasks for line in _lines(task))
    return _result(answer, f"{head}\n\n{lines}" if head else lines)


def raise_if_all_failed(outcomes: Mapping[str, Outcome]) -> None:
    """Make one error of lookups that all failed for the same reason.

    Raises:
        LookupFailed: That reason.
    """
    failed = shared_failures(outcomes)
    if failed and failed[0].ids == list(outcomes):
        raise failed[0].failure


def _task(id_: str, outcome: Outcome, failed: list[SharedFailure], traced: Mapping[str | None, str]) -> HeadshotTask:
    """Return a task as it is shown; a failure's sentence, and each trace id, is given with the first id only."""
    task = as_task(id_, outcome)
    if isinstance(outcome, HeadshotTask) or any(id_ == each.ids[0] for each in failed):
        return task
    error = TaskError(code=outcome.code, trace_id=outcome.trace_id if traced[outcome.trace_id] == id_ else None)
    return task.model_copy(update={"error": None if error == TaskError() else error})


def _result(answer: HeadshotTask | HeadshotTasks, text: str) -> CallToolResult:
    """Return the same content twice: structured for clients that read that, as short text for the others."""
    return CallToolResult(
        content=[TextContent(text=text)],
        structured_content=answer.model_dump(mode="json", exclude_none=True),
    )


def _lines(task: HeadshotTask) -> list[str]:
    """Describe a task in one line, then list its picture links, one per line."""
    about = f" ({named(task.template)})" if task.template else ""
    details = _details(task)
    return [f"{task.id} {task.status}{about}{f': {details}' if details else ''}", *task.image_urls]


def _details(task: HeadshotTask) -> str:
    """Say why a task failed, and when it was created.

    Why tasks are unavailable is said above for all of them: their code is enough here, and a trace id not given there.
    """
    error = task.error or TaskError()
    if task.status == "unavailable":
        return TaskError(code=error.code, trace_id=None if error.message else error.trace_id).in_words()
    return error.in_words(f"created {task.created_at:%Y-%m-%dT%H:%M:%SZ}" if task.created_at else "")
