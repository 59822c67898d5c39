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

from headshots_mcp import NAME
from headshots_mcp.sandbox import FAILED, GALLERY, SUCCEEDED
from tests.conftest import REPOSITORY
from tests.servers import serving
from tests.test_stdio import COMMAND, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

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
def typescript() -> list[str]:
    """The TypeScript SDK 1.x, which most hosts are made with."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("needs node and npm")
    install = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(install, cwd=CLIENTS, check=True, timeout=200)
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
    assert found["many"]["structured"] == {"tasks": MANY}
    assert found["many"]["text"].startswith(f"{GALLERY} succeeded (female_portrait)\nSANDBOX/")
    assert found["refused"] == {"structured": None, "text": "id: must not be empty", "error": True}


def run(command: list[str]) -> Any:
    """What a client prints, with the sandbox's address replaced by its name."""
    ended = subprocess.run(
        command,
        env=environment(CALLS=json.dumps(CALLS)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return json.loads(re.sub(r"http://127\.0\.0\.1:\d+", "SANDBOX", ended.stdout))
