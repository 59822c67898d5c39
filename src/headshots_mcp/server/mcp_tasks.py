"""Headshot tasks as MCP Tasks (SEP-2663), without any state: an MCP task's id holds the ids it waits for."""

from __future__ import annotations

import json
import time
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from mcp.server.context import CallNext, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import HEADER_MISMATCH, INVALID_PARAMS, CallToolRequestParams, CallToolResult, RequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import Field, ValidationError

from headshots_mcp.api.requests import RetrieveTasks
from headshots_mcp.lookup.waiting import WaitForTasks

POLL_MILLISECONDS = 5000
# An MCP task's id travels in a header too (Mcp-Name), and proxies take a few kilobytes of those.
LONGEST_ID = 3000
LONGEST_TEXT = 150_000
# Seconds by which the clock of another replica may be ahead of ours.
CLOCKS_DIFFER = 300
_PREFIX = "headshots."

Context = ServerRequestContext[Any, Any]
Look = Callable[[RetrieveTasks, "Mapping[str, str] | None", float], Awaitable["CallToolResult | str"]]
"""Looks tasks up, with the headers of the call, for an MCP task so many seconds old: the result, or how far it is."""


class TaskRef(NamedTuple):
    """What an MCP task's id stands for: the headshot tasks, and when somebody began to wait for them."""

    ids: list[str]
    created_at: int

    def encode(self) -> str:
        """Make the id: short, safe in a header, and to be read again by any replica."""
        return _PREFIX + urlsafe_b64encode(zlib.compress(self._text(), 9)).decode().rstrip("=")

    @classmethod
    def decode(cls, task_id: str) -> TaskRef:
        """Read an id again.

        Raises:
            MCPError: Invalid parameters, if it is none of ours.
        """
        try:
            packed = urlsafe_b64decode(task_id.removeprefix(_PREFIX) + "==")
            text = zlib.decompressobj().decompress(packed, LONGEST_TEXT)
            created_at, *ids = json.loads(text)
            ref = cls(RetrieveTasks(ids=ids).ids, created_at)
            if type(created_at) is int and 0 <= created_at <= _now() + CLOCKS_DIFFER and ref._text() == text:
                return ref
        except (ValueError, TypeError, zlib.error, RecursionError):
            pass
        raise MCPError(INVALID_PARAMS, "This is no task of this server.", {"taskId": task_id[:100]})

    def _text(self) -> bytes:
        return json.dumps([self.created_at, *self.ids], separators=(",", ":")).encode()

    def fields(self) -> dict[str, Any]:
        """Give what every answer about this task says (SEP-2663, `Task`)."""
        return {
            "taskId": self.encode(),
            "createdAt": datetime.fromtimestamp(self.created_at, timezone.utc).isoformat(),
            "lastUpdatedAt": datetime.fromtimestamp(_now(), timezone.utc).isoformat(),
            "ttlMs": None,
            "pollIntervalMs": POLL_MILLISECONDS,
        }


class TaskParams(RequestParams):
    """The parameters of `tasks/get`, `tasks/cancel` and `tasks/update`; nothing here ever waits for input."""

    task_id: str = Field(alias="taskId")


class HeadshotTasksExtension(Extension):
    """Turns a call of the waiting tool into an MCP task, for clients that declare the extension.

    Args:
        tool: The name of the tool that waits.
        look: Looks the headshot tasks up with the token of the call.
    """

    identifier = "io.modelcontextprotocol/tasks"

    def __init__(self, tool: str, look: Look) -> None:
        self._tool = tool
        self._look = look

    def methods(self) -> Sequence[MethodBinding]:
        """Serve the three methods, in the one protocol revision that has them."""
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        return [
            MethodBinding("tasks/get", TaskParams, self._get, versions),
            MethodBinding("tasks/cancel", TaskParams, self._acknowledge, versions),
            MethodBinding("tasks/update", TaskParams, self._acknowledge, versions),
        ]

    async def intercept_tool_call(self, params: CallToolRequestParams, ctx: Context, call_next: CallNext) -> Any:
        """Answer with a task instead of waiting; whatever is wrong with the call is left to the tool to say."""
        if params.name != self._tool or not self._is_declared(ctx):
            return await call_next(ctx)
        try:
            request = WaitForTasks.model_validate(params.arguments or {})
        except ValidationError:
            return await call_next(ctx)
        ref = TaskRef(list(dict.fromkeys(request.ids)), _now())
        if len(ref.encode()) > LONGEST_ID:
            return await call_next(ctx)
        return {"resultType": "task", "status": "working", **ref.fields()}

    def _is_declared(self, ctx: Context) -> bool:
        if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            return False
        capabilities = ctx.session.client_capabilities
        return bool(capabilities and capabilities.extensions and self.identifier in capabilities.extensions)

    def _task(self, ctx: Context, params: TaskParams) -> TaskRef:
        """Read the task a request is about; the header by which a proxy sends it on has to agree (SEP-2243)."""
        require_client_extension(ctx, self.identifier)
        named = decode_header_value(getattr(ctx.request, "headers", {}).get(MCP_NAME_HEADER))
        if named not in (None, params.task_id):
            raise MCPError(HEADER_MISMATCH, "The header Mcp-Name names another task than taskId.")
        return TaskRef.decode(params.task_id)

    async def _get(self, ctx: Context, params: TaskParams) -> dict[str, Any]:
        ref = self._task(ctx, params)
        age = _now() - ref.created_at
        found = await self._look(RetrieveTasks(ids=ref.ids), getattr(ctx.request, "headers", None), age)
        if isinstance(found, str):
            return {"resultType": "complete", "status": "working", "statusMessage": found, **ref.fields()}
        result = found.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {"resultType": "complete", "status": "completed", "result": result, **ref.fields()}

    async def _acknowledge(self, ctx: Context, params: TaskParams) -> dict[str, Any]:
        """Take note. A generation cannot be cancelled, so `tasks/get` goes on telling how it really is."""
        self._task(ctx, params)
        return {"resultType": "complete"}


def _now() -> int:
    """Seconds since 1970, for replicas share no other clock."""
    return int(time.time())
