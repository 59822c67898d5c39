"""Clients made with other SDKs than our own list the tools and call them, over every transport.

Each is a program under `tests/clients` with an environment of its own, which prints what it got as JSON.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from mcp import StdioServerParameters
from mcp.client import Client

from headshots_mcp import NAME
from headshots_mcp.sandbox.app import FAILED, GALLERY, LIVING, SUCCEEDED, TOKEN, UNKNOWN
from tests import npm
from tests.conftest import REPOSITORY, text_of
from tests.hosts import BRIDGE, ORIGIN
from tests.processes import COMMAND, environment
from tests.server.test_mcp_tasks import TOOL, ask_modern, made
from tests.server.test_protocols import known
from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Served

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

CLIENTS = REPOSITORY / "tests" / "clients"
UV = os.environ.get("UV") or shutil.which("uv")
CALLS = {
    "one": {"name": "get_headshot_task", "arguments": {"id": SUCCEEDED}},
    "many": {"name": "get_headshot_tasks", "arguments": {"ids": [GALLERY, FAILED]}},
    "refused": {"name": "get_headshot_task", "arguments": {"id": ""}},
}
ONE = {
    "id": SUCCEEDED,
    "status": "succeeded",
    "image_urls": [f"SANDBOX/headshots/{SUCCEEDED}.png"],
    "template": "male_portrait",
}
MANY = [
    {
        "id": GALLERY,
        "status": "succeeded",
        "image_urls": [f"SANDBOX/headshots/gallery-{number}.png" for number in (1, 2, 3, 4)],
        "template": "female_portrait",
    },
    {
        "id": FAILED,
        "status": "failed",
        "image_urls": [],
        "template": "wedding",
        "error": {
            "code": "face_not_found",
            "message": "No face was found in the photo.",
            "trace_id": "0b7bb1b6-4c1c-4d0a-8e35-5a86c1f2d7e9",
        },
    },
]


@pytest.fixture(scope="module")
def python() -> list[str]:
    """The Python SDK 1.x, whose last minor version is still in wide use."""
    if UV is None:
        pytest.skip("needs uv, for an environment of its own")
    own = ["--no-project", "--isolated", "--python", sys.executable, "--with", "mcp==1.30.*"]
    return [UV, "run", "-q", *own, "python", str(CLIENTS / "python.py")]


@pytest.fixture(scope="module")
def node() -> str:
    """Node, with the packages of this folder installed."""
    npm.install(CLIENTS)
    return str(shutil.which("node"))


@pytest.fixture(scope="module")
def typescript(node: str) -> list[str]:
    """The TypeScript SDK 1.x, which most hosts are made with."""
    return [node, str(CLIENTS / "typescript.mjs")]


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with serving("--transport", "http", "--sandbox") as server:
        yield server.origin
        assert not server.errors


@pytest.mark.parametrize("transport", ["stdio", "sse", "http"])
@pytest.mark.parametrize("client", ["python", "typescript"])
def test_a_client_of_another_sdk_lists_the_tools_and_calls_them(
    request: pytest.FixtureRequest, origin: str, client: str, transport: str
) -> None:
    target = {
        "stdio": [*COMMAND, "--sandbox"],
        "sse": [f"{origin}/sse"],
        "http": [f"{origin}/mcp"],
    }[transport]
    found = run([*request.getfixturevalue(client), transport, *target])

    assert found["protocol"] == "2025-11-25"
    assert found["server"] == NAME
    assert found["tools"] == ["get_headshot_task", "get_headshot_tasks", "wait_for_headshot_tasks"]
    assert found["one"] == {
        "structured": ONE,
        "text": f"{SUCCEEDED} succeeded (male_portrait)\n{ONE['image_urls'][0]}",
        "error": False,
    }
    assert list(found["many"]["structured"]) == ["summary", "next_step", "tasks"]
    assert [known(task) for task in found["many"]["structured"]["tasks"]] == MANY
    assert f"\n\n{GALLERY} succeeded (female_portrait)\nSANDBOX/" in found["many"]["text"]
    assert found["refused"] == {"structured": None, "text": "id: must not be empty", "error": True}


WAITS = {"living": [LIVING, FAILED]}


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_a_client_that_speaks_mcp_tasks_is_given_tasks_and_polls_them(origin: str, transport: str) -> None:
    if UV is None:
        pytest.skip("needs uv, for an environment of its own")
    own = ["--no-project", "--isolated", "--python", sys.executable]
    own += ["--with", "fastmcp==4.1.2", "--with", "fastmcp-tasks==4.1.2"]
    target = [*COMMAND, "--sandbox"] if transport == "stdio" else [f"{origin}/mcp"]
    found = run([UV, "run", "-q", *own, "python", str(CLIENTS / "tasks.py"), transport, *target], WAITS)

    assert found == {
        "living": {"task": True, "first": "working", "states": ["succeeded", "failed"]},
        "at once": "succeeded",
    }


def test_what_is_said_of_tasks_obeys_the_schema_of_the_extension(origin: str, node: str) -> None:
    def of(method: str, **params: Any) -> dict[str, Any]:
        result: dict[str, Any] = ask_modern(origin, method, params)
        return result

    tasks = [of("tools/call", name=TOOL, arguments={"ids": ids}) for ids in ([UNKNOWN], [UNKNOWN, FAILED])]
    ids = [made(SUCCEEDED, ago=1), tasks[1]["taskId"]]
    results = {
        "CreateTaskResultV2Schema": tasks,
        "GetTaskResultV2Schema": [of("tasks/get", taskId=task_id) for task_id in ids],
        "CancelTaskResultV2Schema": [of("tasks/cancel", taskId=task_id) for task_id in ids],
        "UpdateTaskResultV2Schema": [of("tasks/update", taskId=task_id, inputResponses={}) for task_id in ids],
    }
    checked = subprocess.run(
        [node, str(CLIENTS / "schema.mjs")],
        input=json.dumps(results),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )

    assert [found["status"] for found in results["GetTaskResultV2Schema"]] == ["completed", "working"]
    assert json.loads(checked.stdout) == {"checked": 8, "wrong": []}


async def test_the_bridge_that_docs_name_sends_the_token(served: Served, node: str, tmp_path: Path) -> None:
    address, *header = BRIDGE["args"][-3:]
    with serving("--transport", "http", ACEDATACLOUD_API_BASE_URL=served.base_url) as server:
        program = [str(CLIENTS / "node_modules" / "mcp-remote" / "dist" / "proxy.js")]
        bridge = StdioServerParameters(
            command=node,
            args=[*program, address.replace(ORIGIN, server.origin), *header],
            env={"AUTHORIZATION": f"Bearer {TOKEN}", "MCP_REMOTE_CONFIG_DIR": str(tmp_path)},
        )
        async with Client(bridge) as client:
            tools = (await client.list_tools()).tools
            result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert len(tools) == 3
    assert text_of(result).startswith(f"{SUCCEEDED} succeeded")


def run(command: list[str], calls: dict[str, Any] = CALLS) -> Any:
    """What a client prints, with the sandbox's address replaced by its name."""
    ended = subprocess.run(
        command,
        env=environment(CALLS=json.dumps(calls)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=200,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return json.loads(re.sub(r"http://127\.0\.0\.1:\d+", "SANDBOX", ended.stdout))
