"""The half-private seams of the MCP SDK that every transport needs (docs/design.md)."""

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
from pydantic import ConfigDict, ValidationError, create_model

from headshots_mcp import NAME, __version__
from headshots_mcp.api.errors import LookupFailed
from headshots_mcp.lookup.pictures import picture_type
from headshots_mcp.server.arguments import validation_message, without_host_arguments

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
    """An MCP server with answers of ours where the SDK's would be wrong."""

    async def get_prompt(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse any prompt; the SDK would crash instead, with a traceback on stderr."""
        raise MCPError(code=INVALID_PARAMS, message="Unknown prompt: this server has none.")

    async def read_resource(self, uri: AnyUrl | str, context: AnyContext[Any, Any] | None = None) -> Any:
        """Read a resource; a picture's type is found from its bytes, because the SDK has one type per template."""
        contents = await super().read_resource(uri, context)
        return [_with_its_type(each) for each in contents] if isinstance(contents, list) else contents


async def serve_streams(
    server: MCPServer[Any], incoming: ReadStream[SessionMessage | Exception], outgoing: WriteStream[SessionMessage]
) -> None:
    """Serve one host over a pair of streams; the SDK's own function opens stdin and stdout itself."""
    lowlevel = server._lowlevel_server  # noqa: SLF001
    await lowlevel.run(incoming, outgoing, lowlevel.create_initialization_options())


async def greet_hosts_with_apps(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Give hosts with MCP Apps two answers without which some of them never show a page.

    The SDK removes `capabilities.extensions` from the answer to `initialize`, because schemas before 2026-07-28 do not
    have it, although MCP Apps is negotiated with it in every revision (SEP-1724). And 2026-07-28 has no `ping`, so the
    SDK answers -32601, over HTTP with status 404, which one host takes for a missing server.
    """
    if ctx.method == "ping" and ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        return {"resultType": "complete", "_meta": {SERVER_INFO_META_KEY: {"name": NAME, "version": __version__}}}
    result = await call_next(ctx)
    if ctx.method == "initialize" and isinstance(result, dict):
        result["capabilities"]["extensions"] = {EXTENSION_ID: {}}
    return result


async def hide_prompts(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Do not advertise prompts: there are none, but the SDK always advertises them."""
    result = await call_next(ctx)
    if ctx.method in ("initialize", "server/discover") and isinstance(result, dict):
        result["capabilities"].pop("prompts", None)
    return result


def _with_its_type(contents: ReadResourceContents) -> ReadResourceContents:
    kind = picture_type(contents.content) if isinstance(contents.content, bytes) else None
    return replace(contents, mime_type=kind.mime) if kind else contents


class _RequestArguments(ArgModelBase):
    """Passes a request model to its tool as a whole, instead of field by field."""

    model_config = ConfigDict(defer_build=True)  # until the first call

    def model_dump_one_level(self) -> dict[str, Any]:
        return {"request": self}


class RequestTool(Tool):
    """A tool whose input schema is one request model, and whose errors reach the model in our words."""

    @classmethod
    def of(cls, fn: Callable[..., Awaitable[CallToolResult]], **kwargs: Any) -> Self:
        """Make a tool from `async def name(request: Model, ctx: Context)`, with the fields of `Model` as arguments."""
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
        """Run the tool; an error reaches the model as one line, without the SDK's prefix."""
        try:
            return await super().run(without_host_arguments(arguments), context, convert_result)
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, ValidationError) and not isinstance(error, UnexpectedToolError):
                raise ToolError(validation_message(cause, self.parameters["properties"])) from cause
            if isinstance(cause, LookupFailed):
                raise ToolError(str(cause)) from cause
            raise
