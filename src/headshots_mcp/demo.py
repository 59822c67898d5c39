"""`headshots-mcp demo`: what the server does, from end to end, without an account and in a few seconds."""

from __future__ import annotations

import json
import sys
from io import TextIOWrapper
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import anyio
from mcp import StdioServerParameters
from mcp.client import Client
from mcp_types import TextContent

from headshots_mcp import NAME, __version__
from headshots_mcp.sandbox.app import FAILED, GALLERY, LIVING, SUCCEEDED, TOKEN, UNKNOWN, Sandbox

if TYPE_CHECKING:
    from mcp.shared.dispatcher import ProgressFnT
    from mcp_types import CallToolResult

TIME_LIMIT_SECONDS = 23.0
_TOOLS = ("get_headshot_task", "get_headshot_tasks", "wait_for_headshot_tasks")
_SHOWN = (
    "Demo finished, all checks passed: you saw an assistant look up one headshot task and several, wait for one to "
    "finish, and get a clear answer to a mistake."
)
# Not `-m headshots_mcp`, which would load a mcp.py or types.py from the current folder.
_SERVE = (
    f"import sys; sys.path[:] = {[path for path in sys.path if path]!r}; from headshots_mcp.cli import main; main()"
)


def run_demo(folder: Path | None = None, *, show: bool = False) -> int:
    """Run the demo, print what happens, and return the exit code, which is 0 only if all went as expected.

    Args:
        folder: Where to leave the pictures, and a page that shows them.
        show: Whether to open that page; without a folder, it is left in a temporary one.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the folder's name may have letters the console lacks
    if show and folder is None:
        folder = Path(mkdtemp(prefix="headshots-demo-"))
    sandbox = Sandbox()
    with sandbox.serve() as base_url:
        print(f"{NAME} {__version__}: a real server over stdio, with sample tasks served at {base_url}\n")
        demo = Demo(sandbox, folder.absolute() if folder else None)
        try:
            anyio.run(demo.run, base_url)
        except Exception as error:  # whatever ended the server belongs in the transcript's verdict
            demo.surprises.append(f"the server or its client failed: {error!r}")
    if demo.saved and not demo.surprises:
        demo.leave_page(show=show)
    for surprise in demo.surprises:
        print(f"Unexpected: {surprise}")
    if not demo.surprises:
        print(_SHOWN if folder else f"To see sample pictures, add --open to this command.\n{_SHOWN}")
    return 1 if demo.surprises else 0


class Demo:
    """A tour of the tools, printed as it goes; `surprises` says what was not as expected."""

    def __init__(self, sandbox: Sandbox, folder: Path | None) -> None:
        self.surprises: list[str] = []
        self.saved: list[Path] = []
        self._sandbox = sandbox
        self._folder = folder

    async def run(self, base_url: str) -> None:
        """Tour the tools of a server that asks the sandbox at this URL."""
        environment = {
            "ACEDATACLOUD_API_BASE_URL": base_url,
            "ACEDATACLOUD_API_TOKEN": TOKEN,
            "HEADSHOTS_IMAGE_HOSTS": base_url,
            "HEADSHOTS_SAVE_DIR": str(self._folder or ""),
        }
        server = StdioServerParameters(command=sys.executable, args=["-c", _SERVE], env=environment)
        with anyio.move_on_after(TIME_LIMIT_SECONDS) as limit:
            async with Client(server) as client:
                await self._list_tools(client)
                await self._look_up(client)
                await self._follow(client)
                if self._folder:
                    await self._save(client)
                await self._be_refused(client)
        if limit.cancelled_caught:
            self.surprises.append(f"not done within {TIME_LIMIT_SECONDS:g} s")
        requests, connections = len(self._sandbox.requests), self._sandbox.connections
        print(f"{requests} upstream requests over {connections} connection{'' if connections == 1 else 's'}.")
        self._expect("one connection for all requests", met=connections <= 1)

    def leave_page(self, *, show: bool) -> None:
        """Write a page that shows the saved pictures, and open it if asked to."""
        from headshots_mcp.demo_page import open_page, write_page  # noqa: PLC0415 -- only where it is asked for

        try:
            page = write_page(self.saved[0].parent, [path.name for path in self.saved])
        except OSError as error:
            self.surprises.append(f"the page could not be saved: {error.strerror or error}: {error.filename}")
            return
        opened = show and open_page(page)
        print(f"{len(self.saved)} pictures are saved{' and shown in your browser' if opened else ''}: {page}")

    async def _list_tools(self, client: Client) -> None:
        print("The tools:")
        tools = (await client.list_tools()).tools
        for tool in tools:
            print(f"    {tool.name}: {tool.title}")
        print()
        names = [tool.name for tool in tools]
        saving = ["save_headshots"] if self._folder else []
        self._expect("its tools", met=names == [*_TOOLS, *saving])

    async def _look_up(self, client: Client) -> None:
        one = await self._call(client, "get_headshot_task", {"id": SUCCEEDED})
        self._expect("a succeeded task", met=_structured(one).get("status") == "succeeded")
        many = await self._call(client, "get_headshot_tasks", {"ids": [SUCCEEDED, UNKNOWN, FAILED, "no-such-task"]})
        states = [task["status"] for task in _structured(many).get("tasks", [])]
        self._expect("four states", met=states == ["succeeded", "processing", "failed", "not_found"])

    async def _follow(self, client: Client) -> None:
        """Wait for the living task, and show the progress as it comes."""

        async def report(progress: float, total: float | None, message: str | None) -> None:
            print(f"    {progress:4.1f} of {total:g} s: {message}", flush=True)

        one = await self._call(client, "get_headshot_task", {"id": LIVING})
        self._expect("a living task that has just begun", met=_structured(one).get("status") == "pending")
        waited = await self._call(client, "wait_for_headshot_tasks", {"ids": [LIVING, SUCCEEDED]}, report)
        states = [task["status"] for task in _structured(waited).get("tasks", [])]
        self._expect("a living task that has succeeded", met=states == ["succeeded", "succeeded"])

    async def _save(self, client: Client) -> None:
        answer = await self._call(client, "save_headshots", {"ids": [LIVING, GALLERY]})
        pictures = _structured(answer).get("pictures", [])
        self.saved = [Path(picture["path"]) for picture in pictures if "path" in picture]
        self._expect("six saved pictures", met=len(self.saved) == 6)

    async def _be_refused(self, client: Client) -> None:
        asked = len(self._sandbox.requests)
        refused = await self._call(client, "get_headshot_task", {"id": ""})
        self._expect("a refusal", met=bool(refused.is_error) and len(self._sandbox.requests) == asked)

    async def _call(
        self, client: Client, tool: str, arguments: dict[str, Any], report: ProgressFnT | None = None
    ) -> CallToolResult:
        """Call a tool; print the call, the answer, and how many upstream requests it took."""
        before = len(self._sandbox.requests)
        print(f"> {tool} {json.dumps(arguments)}")
        result = await client.call_tool(tool, arguments, progress_callback=report)
        text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
        outcome = "refused: " if result.is_error else ""
        print("    " + (outcome + text).replace("\n", "\n    "))
        requests = len(self._sandbox.requests) - before
        print(f"    [upstream requests: {requests}]\n", flush=True)
        return result

    def _expect(self, what: str, *, met: bool) -> None:
        if not met:
            self.surprises.append(f"expected {what}")


def _structured(result: CallToolResult) -> dict[str, Any]:
    return result.structured_content or {}
