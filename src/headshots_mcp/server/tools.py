"""The MCP server: its tools, and how they are described to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import anyio
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.mcpserver import Context  # noqa: TC002 -- the SDK reads the annotations of tools
from mcp_types import CallToolResult, ToolAnnotations

from headshots_mcp import NAME, __version__
from headshots_mcp.api.errors import LookupFailed
from headshots_mcp.api.requests import RetrieveTask, RetrieveTasks  # noqa: TC001 -- so it does of these
from headshots_mcp.lookup.pictures import AllowedHosts, Pictures
from headshots_mcp.lookup.tasks import HeadshotTask, HeadshotTasks
from headshots_mcp.lookup.waiting import Waiting
from headshots_mcp.server.answers import task_result, tasks_result
from headshots_mcp.server.gallery import CACHE_MILLISECONDS, TOOL_META, cache_page, gallery
from headshots_mcp.server.icon import ICONS
from headshots_mcp.server.lookups import Lookups
from headshots_mcp.server.mcp_tasks import HeadshotTasksExtension
from headshots_mcp.server.requests import WaitForTasks  # noqa: TC001 -- as above
from headshots_mcp.server.resources import Resources
from headshots_mcp.server.sdk import HeadshotServer, RequestTool, greet_hosts_with_apps, hide_prompts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.tools import Tool

    from headshots_mcp.lookup.reader import Reader
    from headshots_mcp.server.lookups import TokenOf

INSTRUCTIONS = (
    "Looks up AI headshot (ID photo) tasks of Ace Data Cloud by task id: status and picture links. A generation "
    "usually takes one to two minutes. Lookups are read-only. This server can't list tasks (ask the user for the id), "
    "can't create or edit headshots (that is done at platform.acedata.cloud or with its API), and can't see the "
    "pictures (give the user the links and let them choose)."
)

ONE = (
    "Look up one AI headshot (ID photo) task by its id: its status and picture links. For several ids call "
    "get_headshot_tasks once; to wait for it, use wait_for_headshot_tasks. Returns at once: a status (pending, "
    "processing, succeeded, failed or not_found), the picture links once it has succeeded, the reason if it failed, "
    "and a suggested next step."
)

MANY = (
    "Look up several AI headshot (ID photo) tasks in one call, up to 1,000 ids; about 100 fit into one answer in most "
    "hosts. For a single id use get_headshot_task. Returns counts and a suggested next step, then one entry per task "
    "in request order, as get_headshot_task gives it; one that could not be fetched is unavailable, with a reason. "
    "To wait for unfinished ones, use wait_for_headshot_tasks."
)

WAIT = (
    "Wait until AI headshot (ID photo) tasks finish, one or several, instead of polling. Use it when a generation is "
    "pending or processing. Returns what get_headshot_tasks does, as soon as all have finished, or after "
    "timeout_seconds with what is known by then; the suggested next step says whether to call it again."
)

# Without it, Claude Code moves answers over 50,000 characters out of the conversation; this is the most it accepts.
_MAX_RESULT = {"anthropic/maxResultSizeChars": 500_000}

# They are the same for all callers, and change only with the version.
_LISTS: tuple[CacheableMethod, ...] = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")

_READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True)


def create_server(
    reader: Reader,
    token_of: TokenOf,
    *,
    image_hosts: Sequence[str] = (),
    save_dir: Path | None = None,
    ending: anyio.Event | None = None,
) -> MCPServer[Any]:
    """Make the server; the caller owns the client behind `reader`, and closes it.

    Args:
        reader: Looks the tasks up; may be shared by several servers.
        token_of: Finds the token of a call.
        image_hosts: Origins that pictures may come from, in addition to the vendor's own.
        save_dir: The folder to save pictures into; without one, the tool that saves is not offered.
        ending: Set when the server shuts down: calls that wait for tasks then return what is known.
    """
    lookups = Lookups(reader, token_of, ending or anyio.Event())
    tools, pictures = HeadshotTools(lookups), Pictures(AllowedHosts(image_hosts))
    offered: list[Tool] = [
        _tool(tools.get_headshot_task, "Look up a headshot task", ONE),
        _tool(tools.get_headshot_tasks, "Look up headshot tasks", MANY),
        _tool(tools.wait_for_headshot_tasks, "Wait for headshot tasks", WAIT),
    ]
    if save_dir:
        offered.append(_save_tool(lookups, save_dir, pictures))
    server = HeadshotServer(
        NAME,
        title="AI headshots",
        version=__version__,
        instructions=INSTRUCTIONS,
        website_url="https://github.com/headshots-mcp/headshots-mcp",
        icons=ICONS,
        log_level="WARNING",
        subscriptions=False,
        cache_hints=dict.fromkeys(_LISTS, CacheHint(ttl_ms=CACHE_MILLISECONDS, scope="public")),
        middleware=[greet_hosts_with_apps, hide_prompts, cache_page],
        extensions=[
            HeadshotTasksExtension(tools.wait_for_headshot_tasks.__name__, lookups),
            gallery(image_hosts),
        ],
        tools=offered,
    )
    Resources(lookups, pictures).add_to(server)
    return server


def _tool(fn: Callable[..., Awaitable[CallToolResult]], title: str, description: str) -> RequestTool:
    """Make a read-only tool whose answers the gallery shows."""
    return RequestTool.of(
        fn, title=title, description=description, icons=ICONS, annotations=_READ_ONLY, meta=TOOL_META | _MAX_RESULT
    )


def _save_tool(lookups: Lookups, folder: Path, pictures: Pictures) -> RequestTool:
    from headshots_mcp.lookup.folder import Folder  # noqa: PLC0415 -- few set a folder, but all wait for the start
    from headshots_mcp.server.saving import SaveTool  # noqa: PLC0415

    return SaveTool(lookups, Folder(folder, pictures)).as_tool()


class HeadshotTools:
    """The tools that look tasks up, each as a method."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    async def get_headshot_task(self, request: RetrieveTask, ctx: Context) -> Annotated[CallToolResult, HeadshotTask]:
        """Look one task up."""
        outcome = await self._lookups.one(request.id, ctx.headers)
        if isinstance(outcome, LookupFailed):
            raise outcome
        return task_result(outcome)

    async def get_headshot_tasks(
        self, request: RetrieveTasks, ctx: Context
    ) -> Annotated[CallToolResult, HeadshotTasks]:
        """Look several tasks up."""
        return tasks_result(await self._lookups.several(request.ids, ctx.headers))

    async def wait_for_headshot_tasks(
        self, request: WaitForTasks, ctx: Context
    ) -> Annotated[CallToolResult, HeadshotTasks]:
        """Wait for tasks, and report progress to a caller who asked for that."""

        async def report(elapsed: float, message: str) -> None:
            await ctx.report_progress(elapsed, request.timeout_seconds, message)

        waiting = Waiting(request.ids, anyio.current_time(), request.timeout_seconds)
        await self._lookups.wait(waiting, ctx.headers, report)
        return tasks_result(waiting.outcomes, waiting.failures)
