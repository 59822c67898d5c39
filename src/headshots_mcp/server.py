"""The MCP server: its tools, their words, and what a model reads of an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast, get_type_hints

from mcp import MCPError
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import (
    ResourceError,
    ResourceNotFoundError,
    ToolError,
    UnexpectedToolError,
)
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase
from mcp_types import INVALID_PARAMS, CallToolResult, TextContent, ToolAnnotations
from pydantic import ValidationError, create_model

from headshots_mcp import NAME, __version__
from headshots_mcp.errors import LookupFailed, TokenMissing, Transient
from headshots_mcp.gallery import TOOL_META, gallery
from headshots_mcp.mcp_tasks import HeadshotTasksExtension
from headshots_mcp.models import (
    HeadshotTask,
    HeadshotTasks,
    RetrieveTask,
    RetrieveTasks,
    TaskError,
    WaitForTasks,
)
from headshots_mcp.waiting import wait

if TYPE_CHECKING:
    from mcp.server.mcpserver.context import Context as AnyContext
    from typing_extensions import Self

    from headshots_mcp.reader import Reader

TokenOf = Callable[[Mapping[str, str] | None], str | None]
"""Finds the token of a call in the headers it came with (None on stdio); None where there is no token."""

INSTRUCTIONS = (
    "Looks up AI headshot (ID photo) tasks of Ace Data Cloud. A generation takes one to two minutes and is "
    "known by its task id. Looking up is free, changes nothing and starts no generation."
)

ONE = (
    "Look up one AI headshot (ID photo) task by its id: how far it is, and the links of its pictures. For "
    "several ids call get_headshot_tasks once instead; to have it waited for, wait_for_headshot_tasks. Returns "
    "at once: a status (pending, processing, succeeded, failed or not_found), the picture links once it has "
    "succeeded, the reason if it failed."
)

MANY = (
    "Look up several AI headshot (ID photo) tasks, up to 1,000 ids in one call; for a single id use "
    "get_headshot_task. Returns each task once, in the order asked for, with the same fields as "
    "get_headshot_task; one that could not be looked up now has the status unavailable and the reason. "
    "To have unfinished ones waited for, call wait_for_headshot_tasks."
)

WAIT = (
    "Wait until AI headshot (ID photo) tasks have ended, one or up to 1,000, instead of looking again and again. "
    "Use it when a generation is still pending or processing. Returns the tasks as get_headshot_tasks does: as "
    "soon as all have ended, or after timeout_seconds with what is known by then; if some are unfinished, call "
    "it again with their ids."
)

_READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True)


def create_server(reader: Reader, token_of: TokenOf, *, image_hosts: Sequence[str] = ()) -> MCPServer[Any]:
    """Make the server; whoever runs it owns the client behind `reader` and closes it.

    Args:
        reader: Looks the tasks up; may be shared by several servers.
        token_of: Says with whose token a call is made.
        image_hosts: Origins the gallery may show pictures from, beside the vendor's own.
    """
    offer = Offer(reader, token_of)
    server = _WithoutPrompts(
        NAME,
        title="AI headshots",
        version=__version__,
        instructions=INSTRUCTIONS,
        website_url="https://github.com/headshots-mcp/headshots-mcp",
        log_level="WARNING",
        subscriptions=False,
        extensions=[HeadshotTasksExtension(offer.wait_for_headshot_tasks.__name__, offer.look), gallery(image_hosts)],
        tools=[
            RequestTool.of(offer.get_headshot_task, title="Look up a headshot task", description=ONE),
            RequestTool.of(offer.get_headshot_tasks, title="Look up headshot tasks", description=MANY),
            RequestTool.of(offer.wait_for_headshot_tasks, title="Wait for headshot tasks", description=WAIT),
        ],
    )
    server.resource(
        "headshots://tasks/{id}",
        name="headshot_task",
        title="Record of a headshot task",
        description="The whole record of one task as the API gives it: the request, the response, the trace id.",
        mime_type="application/json",
    )(offer.record)
    return server


class Offer:
    """What the server offers: the tools and the resource, each a method, for one reader and its callers."""

    def __init__(self, reader: Reader, token_of: TokenOf) -> None:
        self._reader = reader
        self._token_of = token_of

    async def get_headshot_task(self, request: RetrieveTask, ctx: Context) -> Annotated[CallToolResult, HeadshotTask]:
        """Look one task up."""
        task = await self._reader.task(request, self._token(ctx.headers))
        answer = task.model_copy(update={"next_step": _next_step([task])})
        return _result(answer, [answer], answer.next_step)

    async def get_headshot_tasks(
        self, request: RetrieveTasks, ctx: Context
    ) -> Annotated[CallToolResult, HeadshotTasks]:
        """Look several tasks up."""
        found = await self._reader.tasks(request, self._token(ctx.headers))
        return tasks_result(found.tasks)

    async def wait_for_headshot_tasks(
        self, request: WaitForTasks, ctx: Context
    ) -> Annotated[CallToolResult, HeadshotTasks]:
        """Wait for tasks, and report progress to a caller who asked for that."""

        async def report(elapsed: float, message: str) -> None:
            await ctx.report_progress(elapsed, request.timeout_seconds, message)

        waited = await wait(self._reader, request, self._token(ctx.headers), report)
        return tasks_result(waited.tasks, waited.failure)

    async def look(self, request: RetrieveTasks, headers: Mapping[str, str] | None, age: float) -> CallToolResult | str:
        """Look once for an MCP task that is `age` seconds old: its result if all have ended, else how far."""
        try:
            tasks, failures = await self._reader.tasks(request, self._token(headers))
        except Transient as error:
            return str(error)
        except LookupFailed as error:
            return CallToolResult(content=[TextContent(text=str(error))], is_error=True)
        refused = {id_ for id_, error in failures.items() if not isinstance(error, Transient)}
        over = sum(task.is_over(age) or task.id in refused for task in tasks)
        if over == len(tasks):
            return tasks_result(tasks)
        reason = f". {next(iter(failures.values()))}" if failures else ""
        return f"{over} of {len(tasks)} finished{reason}"

    async def record(self, id: str, ctx: Context) -> str:  # noqa: A002 -- the URI's own word
        """Give one task's record as the API sends it."""
        try:
            body = await self._reader.raw(RetrieveTask(id=id), self._token(ctx.headers))
        except ValidationError as error:
            raise ResourceNotFoundError(explain(error)) from error
        except LookupFailed as error:
            raise ResourceError(str(error)) from error
        if body is None:
            raise ResourceNotFoundError("The API does not know this task id.")
        return body.decode()

    def _token(self, headers: Mapping[str, str] | None) -> str:
        found = self._token_of(headers)
        if found is None:
            raise TokenMissing
        return found


class _WithoutPrompts(MCPServer[Any]):
    """A server that knows no prompt and says so; the SDK's own answer is a crash, with its traceback on stderr."""

    async def get_prompt(self, *_: Any, **__: Any) -> NoReturn:
        raise MCPError(code=INVALID_PARAMS, message="Unknown prompt: this server has none.")


class _RequestArguments(ArgModelBase):
    """Hands a request model to its tool as it is, instead of field by field."""

    def model_dump_one_level(self) -> dict[str, Any]:
        return {"request": self}


class RequestTool(Tool):
    """A tool whose input schema is one request model, and whose errors read as we wrote them."""

    @classmethod
    def of(cls, fn: Callable[..., Awaitable[CallToolResult]], **kwargs: Any) -> Self:
        """Make a tool of `async def name(request: Model, ctx: Context)`, whose answers the gallery shows."""
        tool = cast("Self", cls.from_function(fn, annotations=_READ_ONLY, meta=TOOL_META, **kwargs))
        model: Any = get_type_hints(fn)["request"]
        tool.fn_metadata.arg_model = create_model(model.__name__, __base__=(model, _RequestArguments))
        tool.parameters = model.model_json_schema()
        return tool

    async def run(
        self,
        arguments: dict[str, Any],
        context: AnyContext[Any, Any],
        convert_result: bool = False,  # noqa: FBT001, FBT002 -- the SDK's signature
    ) -> Any:
        """Run the tool; what went wrong reaches the model as one line, without the SDK's prefix."""
        try:
            return await super().run(arguments, context, convert_result)
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, ValidationError) and not isinstance(error, UnexpectedToolError):
                raise ToolError(explain(cause)) from cause
            if isinstance(cause, LookupFailed):
                raise ToolError(str(cause)) from cause
            raise


def explain(error: ValidationError) -> str:
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
