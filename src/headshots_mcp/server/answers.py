"""The words of answers: what a model reads of tasks, of what is left to do, and of arguments that are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_types import CallToolResult, TextContent

from headshots_mcp.lookup.tasks import HeadshotTask, HeadshotTasks, TaskError

if TYPE_CHECKING:
    from pydantic import ValidationError

    from headshots_mcp.api.errors import LookupFailed


def validation_message(error: ValidationError) -> str:
    """Say in one line which argument is wrong and why, without showing its value."""
    first, *more = error.errors(include_url=False, include_input=False)
    place = ".".join(str(part) for part in first["loc"])[:80]
    place = place if place and place.isprintable() else "?"
    own = _REASONS.get(first["type"])
    reason = own.format(**first.get("ctx", {})) if own else first["msg"]
    also = f" (and {len(more)} more {'is' if len(more) == 1 else 'are'} wrong)" if more else ""
    return f"{place}: {reason}{also}"


_REASONS = {
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be a number",
    "missing": "is required",
    "extra_forbidden": "is not an argument of this tool",
    "string_type": "must be a string",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most 128 characters long",
    "list_type": "must be a list of task ids",
    "literal_error": "must be {expected}",
    "too_short": "must name at least one task id",
    "too_long": "must name at most 1,000 task ids; ask for the others in another call",
}


def tasks_result(tasks: list[HeadshotTask], failure: LookupFailed | None = None) -> CallToolResult:
    """Answer with several tasks, and say so if the last look at them failed."""
    next_step = _next_step(tasks)
    if failure and all(task.status != "unavailable" for task in tasks):
        next_step = f"{next_step or ''} The last look failed: {failure}".strip()
    return _result(HeadshotTasks(tasks=tasks, next_step=next_step), tasks, next_step)


def one_result(task: HeadshotTask) -> CallToolResult:
    """Answer with one task."""
    answer = task.model_copy(update={"next_step": _next_step([task])})
    return _result(answer, [answer], answer.next_step)


def _result(answer: HeadshotTask | HeadshotTasks, tasks: list[HeadshotTask], next_step: str | None) -> CallToolResult:
    """Give the same content twice: structured for clients that read that, as short text for the others."""
    lines = [line for task in tasks for line in _lines(task)]
    text = "\n".join([*lines, next_step] if next_step else lines)
    return CallToolResult(
        content=[TextContent(text=text)],
        structured_content=answer.model_dump(mode="json", exclude_none=True),
    )


def _lines(task: HeadshotTask) -> list[str]:
    """Say one task in one line, then its picture links, one a line."""
    about = f" ({task.template})" if task.template else ""
    return [f"{task.id} {task.status}{about}{_reason(task.error)}", *task.image_urls]


def _reason(error: TaskError | None) -> str:
    """Say why in the API's words, in quotes, for they are not ours."""
    if error is None:
        return ""
    message = f": '{error.message}'" if error.message else ""
    known = [error.code, error.trace_id and f"trace id {error.trace_id}"]
    details = ", ".join(part for part in known if part)
    return f"{message} ({details})" if details else message


def _next_step(tasks: list[HeadshotTask]) -> str | None:
    """Say what is left to do, or None if nothing is."""
    unfinished = sum(task.status in ("pending", "processing") for task in tasks)
    if unfinished:
        which = "Not finished" if len(tasks) == 1 else f"{unfinished} of {len(tasks)} not finished"
        return f"{which}: call wait_for_headshot_tasks."
    if any(task.status == "unavailable" for task in tasks):
        return "Some could not be looked up now; their error says why and what to do."
    if any(task.status == "not_found" for task in tasks):
        return "Check the ids not found; a task only seconds old may not be visible yet."
    if any(task.status == "succeeded" and not task.image_urls for task in tasks):
        return "The API lists no pictures for a succeeded task: ask Ace Data Cloud's support."
    return None
