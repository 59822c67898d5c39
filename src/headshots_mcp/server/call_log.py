"""Logs one line per call, for operators who run the server for others."""

from __future__ import annotations

import logging
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

_log = logging.getLogger(__name__)

_TOOL = re.compile(r"[a-z_]{1,64}")
_TRACE_ID = re.compile(r"trace id ([\w.:-]+)", re.ASCII)
MAX_TRACE_IDS = 3


async def log_calls(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Log a tool call: the number of ids, the outcome, the milliseconds it took, and the API's trace ids of failures.

    The line holds neither the ids nor the token.
    """
    if ctx.method != "tools/call" or not _log.isEnabledFor(logging.INFO):
        return await call_next(ctx)
    began, outcome = anyio.current_time(), "cancelled or refused"
    try:
        result = await call_next(ctx)
        outcome = _outcome(result)
    finally:
        milliseconds = 1000 * (anyio.current_time() - began)
        _log.info("%s, %s, %.0f ms", _asked(ctx.params or {}), outcome, milliseconds)
    return result


def _asked(params: Mapping[str, Any]) -> str:
    name, arguments = str(params.get("name")), params.get("arguments")
    ids = arguments.get("ids") if isinstance(arguments, dict) else None
    count = len(ids) if isinstance(ids, list) else 1
    return f"{name if _TOOL.fullmatch(name) else 'unknown tool'}: {count} id{'s' if count != 1 else ''}"


def _outcome(result: Any) -> str:
    if not isinstance(result, dict) or result.get("isError"):
        words, trace_ids = "error", _TRACE_ID.findall(str(result))
    else:
        tasks = list(_tasks(result.get("structuredContent") or {}))
        counts = Counter(task["status"] for task in tasks)
        words = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "ok"
        trace_ids = [trace_id for task in tasks if (trace_id := (task.get("error") or {}).get("trace_id"))]
    unique = list(dict.fromkeys(trace_ids))[:MAX_TRACE_IDS]
    return ", ".join([words, *(f"trace id {trace_id}" for trace_id in unique)])


def _tasks(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from content.get("tasks", [content] if "status" in content else [])
