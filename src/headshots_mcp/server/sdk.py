"""The one place that knows the half-private seams of the MCP SDK."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, get_type_hints

from mcp import MCPError
from mcp.server.apps import EXTENSION_ID
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, func_metadata
from mcp_types import INVALID_PARAMS, SERVER_INFO_META_KEY, CallToolResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError, create_model

from headshots_mcp import NAME, __version__
from headshots_mcp.api.errors import LookupFailed
from headshots_mcp.lookup.pictures import picture_type
from headshots_mcp.server.arguments import validation_message, without_those_of_hosts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from mcp.server.lowlevel.helper_types import ReadResourceContents
    from mcp.server.mcpserver.context import Context as AnyContext
    from mcp.shared._stream_protocols import ReadStream, WriteStream
    from mcp.shared.message import SessionMessage
    from pydantic import AnyUrl
    from typing_extensions import Self


class HeadshotServer(MCPServer[Any]):
    """A server whose answers are ours where the SDK's would be wrong."""

    async def get_prompt(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse, whatever is asked for; the SDK's own answer is a crash, with its traceback on stderr."""
        raise MCPError(code=INVALID_PARAMS, message="Unknown prompt: this server has none.")

    async def read_resource(self, uri: AnyUrl | str, context: AnyContext[Any, Any] | None = None) -> Any:
        """Read a resource; a picture is of the type it begins as, while the SDK has one type for all of a template."""
        contents = await super().read_resource(uri, context)
        return [_with_its_type(each) for each in contents] if isinstance(contents, list) else contents


async def serve_streams(
    server: MCPServer[Any], incoming: ReadStream[SessionMessage | Exception], outgoing: WriteStream[SessionMessage]
) -> None:
    """Serve one host over a pair of streams; the SDK's own way to do so opens stdin and stdout itself."""
    lowlevel = server._lowlevel_server  # noqa: SLF001
    await lowlevel.run(incoming, outgoing, lowlevel.create_initialization_options())


async def greet_hosts_with_apps(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Give hosts of MCP Apps two answers without which some of them never show a page.

    The SDK cuts `capabilities.extensions` out of the answer to `initialize`, for the schemas before 2026-07-28 do not
    have it; MCP Apps is negotiated by it in every revision (SEP-1724). And `ping` has gone from 2026-07-28, so the SDK
    answers -32601, over HTTP with status 404, and one host takes that for a server that is not there.
    """
    if ctx.method == "ping" and ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return {"resultType": "complete", "_meta": {SERVER_INFO_META_KEY: {"name": NAME, "version": __version__}}}
    result = await call_next(ctx)
    if ctx.method == "initialize" and isinstance(result, dict):
        result["capabilities"]["extensions"] = {EXTENSION_ID: {}}
    return result


async def hide_prompts(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Say nothing of prompts, of which there are none; the SDK says that there may be some."""
    result = await call_next(ctx)
    if ctx.method in ("initialize", "server/discover") and isinstance(result, dict):
        result["capabilities"].pop("prompts", None)
    return result


def _with_its_type(contents: ReadResourceContents) -> ReadResourceContents:
    kind = picture_type(contents.content) if isinstance(contents.content, bytes) else None
    return replace(contents, mime_type=kind.mime) if kind else contents


class _RequestArguments(ArgModelBase):
    """Hands a request model to its tool as it is, instead of field by field."""

    def model_dump_one_level(self) -> dict[str, Any]:
        return {"request": self}


class RequestTool(Tool):
    """A tool whose input schema is one request model, and whose errors read as we wrote them."""

    @classmethod
    def of(cls, fn: Callable[..., Awaitable[CallToolResult]], **kwargs: Any) -> Self:
        """Make a tool of `async def name(request: Model, ctx: Context)`; `from_function` would describe `request`."""
        model: Any = get_type_hints(fn)["request"]
        metadata = func_metadata(fn, skip_names=["request", "ctx"])
        metadata.arg_model = create_model(model.__name__, __base__=(model, _RequestArguments))
        return cls(
            fn=fn,
            name=fn.__name__,
            parameters=model.model_json_schema(),
            fn_metadata=metadata,
            is_async=True,
            context_kwarg="ctx",
            **kwargs,
        )

    async def run(
        self,
        arguments: dict[str, Any],
        context: AnyContext[Any, Any],
        convert_result: bool = False,  # noqa: FBT001, FBT002 -- the SDK's signature
    ) -> Any:
        """Run the tool; what went wrong reaches the model as one line, without the SDK's prefix."""
        try:
            return await super().run(without_those_of_hosts(arguments), context, convert_result)
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, ValidationError) and not isinstance(error, UnexpectedToolError):
                raise ToolError(validation_message(cause, self.parameters["properties"])) from cause
            if isinstance(cause, LookupFailed):
                raise ToolError(str(cause)) from cause
            raise
