"""MCP Tasks (SEP-2663) without any state: a task's id says which headshot tasks it waits for, and for how long."""

from __future__ import annotations

import json
import time
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from mcp.server.context import CallNext, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    RequestParams,
    TextContent,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field, ValidationError

from headshots_mcp.api.errors import LookupFailed
from headshots_mcp.api.requests import RetrieveTasks
from headshots_mcp.lookup.waiting import MIN_PAUSE_SECONDS, Waiting, pause_at
from headshots_mcp.server.answers import tasks_result
from headshots_mcp.server.arguments import without_host_arguments
from headshots_mcp.server.requests import WaitForTasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headshots_mcp.server.lookups import Lookups

# How long an MCP task waits if its call does not say.
DEFAULT_TTL_SECONDS = 3600
MAX_TTL_SECONDS = 3600
# In characters: a task's id is also sent in a header (Mcp-Name), and proxies accept only a few kilobytes of those.
MAX_ID_LENGTH = 3000
# In bytes, once unpacked.
MAX_ID_TEXT = 150_000
# How far another replica's clock may be ahead of ours.
CLOCKS_DIFFER_SECONDS = 900
_PREFIX = "headshots."

Context = ServerRequestContext[Any, Any]


class TaskRef(NamedTuple):
    """What an MCP task's id stands for: headshot tasks, when waiting for them began (Unix time), and for how long."""

    ids: list[str]
    created_ms: int
    ttl_ms: int

    def encode(self) -> str:
        """Return the id: short, safe in a header, and readable by any replica."""
        return _PREFIX + urlsafe_b64encode(zlib.compress(self._text(), 9)).decode().rstrip("=")

    @classmethod
    def decode(cls, task_id: str) -> TaskRef:
        """Read an id, however long ago it was made.

        Raises:
            MCPError: Invalid parameters, if it is not one of ours.
        """
        try:
            packed = urlsafe_b64decode(task_id.removeprefix(_PREFIX) + "==")
            text = zlib.decompressobj().decompress(packed, MAX_ID_TEXT)
            created_ms, ttl_ms, *ids = json.loads(text)
            ref = cls(RetrieveTasks(ids=ids).ids, created_ms, ttl_ms)
            if ref._is_possible() and ref._text() == text:
                return ref
        except (ValueError, TypeError, zlib.error, RecursionError):
            pass
        raise MCPError(INVALID_PARAMS, "This is not a task of this server.", {"taskId": task_id[:100]})

    def _is_possible(self) -> bool:
        if type(self.created_ms) is not int or type(self.ttl_ms) is not int:
            return False
        latest = time.time() + CLOCKS_DIFFER_SECONDS
        return 0 <= self.created_ms <= latest * 1000 and 0 < self.ttl_ms <= MAX_TTL_SECONDS * 1000

    def _text(self) -> bytes:
        return json.dumps([self.created_ms, self.ttl_ms, *self.ids], separators=(",", ":")).encode()

    def now(self) -> float:
        """Return the Unix time, the only clock that replicas share; never one before the task was made."""
        return max(time.time(), self.created_ms / 1000)

    def waiting(self) -> Waiting:
        """Restart the wait, of which only the beginning and the limit are kept."""
        return Waiting(self.ids, self.created_ms / 1000, self.ttl_ms / 1000)

    def fields(self, poll_seconds: float) -> dict[str, Any]:
        """Return what every answer about this task says (SEP-2663, `Task`)."""
        return {
            "taskId": self.encode(),
            "createdAt": _iso(self.created_ms / 1000),
            "lastUpdatedAt": _iso(self.now()),
            "ttlMs": self.ttl_ms,
            "pollIntervalMs": round(poll_seconds * 1000),
        }


class TaskParams(RequestParams):
    """The parameters of `tasks/get`, `tasks/cancel` and `tasks/update`; nothing here ever waits for input."""

    task_id: str = Field(alias="taskId")


class HeadshotTasksExtension(Extension):
    """Turns a call of the waiting tool into an MCP task, for clients that declare the extension.

    Args:
        tool: The name of the tool that waits.
        lookups: Looks the headshot tasks up.
    """

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self, tool: str, lookups: Lookups) -> None:
        self._tool = tool
        self._lookups = lookups

    def methods(self) -> Sequence[MethodBinding]:
        """Serve the three methods, in the one protocol revision that has them."""
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        return [
            MethodBinding("tasks/get", TaskParams, self._get, versions),
            MethodBinding("tasks/cancel", TaskParams, self._acknowledge, versions),
            MethodBinding("tasks/update", TaskParams, self._acknowledge, versions),
        ]

    async def intercept_tool_call(self, params: CallToolRequestParams, ctx: Context, call_next: CallNext) -> Any:
        """Answer at once if all tasks have ended, else with an MCP task; the tool reports what is wrong with a call."""
        if params.name != self._tool or not self._is_declared(ctx):
            return await call_next(ctx)
        arguments = without_host_arguments(params.arguments or {})
        try:
            request = WaitForTasks.model_validate(arguments)
        except ValidationError:
            return await call_next(ctx)
        is_limited = arguments.get("timeout_seconds") is not None
        seconds = request.timeout_seconds if is_limited else DEFAULT_TTL_SECONDS
        ref = TaskRef(list(dict.fromkeys(request.ids)), round(time.time() * 1000), round(seconds * 1000))
        if len(ref.encode()) > MAX_ID_LENGTH:
            return await call_next(ctx)
        found = await self._poll(ref, ctx)
        return found if isinstance(found, CallToolResult) else {"resultType": "task", **found}

    def _is_declared(self, ctx: Context) -> bool:
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            return False
        capabilities = ctx.session.client_capabilities
        return bool(capabilities and capabilities.extensions and self.identifier in capabilities.extensions)

    def _task(self, ctx: Context, params: TaskParams) -> TaskRef:
        """Read which task a request is about; the header that proxies route it by has to agree (SEP-2243)."""
        require_client_extension(ctx, self.identifier)
        named = decode_header_value(getattr(ctx.request, "headers", {}).get(MCP_NAME_HEADER))
        if named not in (None, params.task_id):
            raise MCPError(HEADER_MISMATCH, "The Mcp-Name header names a different task than taskId.")
        return TaskRef.decode(params.task_id)

    async def _get(self, ctx: Context, params: TaskParams) -> dict[str, Any]:
        ref = self._task(ctx, params)
        found = await self._poll(ref, ctx)
        if isinstance(found, CallToolResult):
            result = found.model_dump(mode="json", by_alias=True, exclude_none=True)
            found = {"status": "completed", "result": result, **ref.fields(MIN_PAUSE_SECONDS)}
        return {"resultType": "complete", **found}

    async def _poll(self, ref: TaskRef, ctx: Context) -> CallToolResult | dict[str, Any]:
        """Poll once, and return the result if waiting is over, else the progress and when to poll again."""
        waiting = ref.waiting()
        try:
            headers, polling = getattr(ctx.request, "headers", None), ref.now() < waiting.deadline
            waiting.learn(await self._lookups.several(ref.ids, headers, polling=polling), ref.now())
            now = ref.now()
            if not (due := waiting.next_poll(now)):
                return tasks_result(waiting.outcomes, waited=now - waiting.began)
        except LookupFailed as error:
            return CallToolResult(content=[TextContent(text=str(error))], is_error=True)
        poll_seconds = min(max(due.at - now, pause_at(now - waiting.began)), waiting.deadline - now)
        failure = next(iter(waiting.failures.values()), "")
        message = f"{waiting.done} of {waiting.total} done. {failure}".strip()
        return {"status": "working", "statusMessage": message, **ref.fields(max(MIN_PAUSE_SECONDS, poll_seconds))}

    async def _acknowledge(self, ctx: Context, params: TaskParams) -> dict[str, Any]:
        """Acknowledge the request. A generation cannot be cancelled, so `tasks/get` keeps reporting its real state."""
        self._task(ctx, params)
        return {"resultType": "complete"}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
