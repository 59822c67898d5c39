"""The words of answers: what a model reads of tasks, structured and as text."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING

from mcp_types import CallToolResult, TextContent

from headshots_mcp.api.errors import LookupFailed
from headshots_mcp.api.wording import named, quoted
from headshots_mcp.lookup.tasks import HeadshotTask, HeadshotTasks, TaskError
from headshots_mcp.server.next_steps import by_failure, next_step, summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headshots_mcp.lookup.tasks import Outcome
    from headshots_mcp.server.next_steps import Shared


def task_result(task: HeadshotTask) -> CallToolResult:
    """Answer with one task."""
    answer = task.model_copy(update={"next_step": next_step({task.id: task}, {}, time.time())})
    return _result(answer, "\n".join(filter(None, [*_lines(task), answer.next_step])))


def tasks_result(
    outcomes: Mapping[str, Outcome], failures: Mapping[str, LookupFailed] = MappingProxyType({}), waited: float = 0.0
) -> CallToolResult:
    """Answer with several tasks, how many are in which state and what to do next before them.

    Args:
        outcomes: What is known of each id.
        failures: Why the latest look at an id failed, where it did.
        waited: For how many seconds somebody has waited for the tasks.

    Raises:
        LookupFailed: If the same stood in the way of every task.
    """
    failed = by_failure(outcomes)
    if failed and failed[0].ids == list(outcomes):
        raise failed[0].failure
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


def _task(id_: str, outcome: Outcome, failed: list[Shared], traced: Mapping[str | None, str]) -> HeadshotTask:
    """Give a task as it is told; why some could not be looked up, and each trace id, is said with the first of them."""
    if isinstance(outcome, HeadshotTask):
        return outcome
    is_first = any(id_ == each.ids[0] for each in failed)
    error = TaskError(
        code=outcome.code,
        message=outcome.message if is_first else None,
        trace_id=outcome.trace_id if is_first or traced[outcome.trace_id] == id_ else None,
    )
    return HeadshotTask(id=id_, status="unavailable", image_urls=[], error=None if error == TaskError() else error)


def _result(answer: HeadshotTask | HeadshotTasks, text: str) -> CallToolResult:
    """Give the same content twice: structured for clients that read that, as short text for the others."""
    return CallToolResult(
        content=[TextContent(text=text)],
        structured_content=answer.model_dump(mode="json", exclude_none=True),
    )


def _lines(task: HeadshotTask) -> list[str]:
    """Say one task in one line, then its picture links, one a line."""
    about = f" ({named(task.template)})" if task.template else ""
    details = _details(task)
    return [f"{task.id} {task.status}{about}{f': {details}' if details else ''}", *task.image_urls]


def _details(task: HeadshotTask) -> str:
    """Say why a task failed, in the API's words and so in quotes, and since when it has been there.

    Why one could not be looked up is said for all of them above, so a code is enough, and a trace id not told there.
    """
    error = task.error or TaskError()
    trace_id = error.trace_id and f"trace id {named(error.trace_id)}"
    if task.status == "unavailable":
        return ", ".join(filter(None, [error.code, None if error.message else trace_id]))
    known = [
        error.code and named(error.code),
        trace_id,
        f"created {task.created_at:%Y-%m-%dT%H:%M:%SZ}" if task.created_at else None,
    ]
    told, details = quoted(error.message) if error.message else "", ", ".join(filter(None, known))
    return f"{told} ({details})" if told and details else told or details
