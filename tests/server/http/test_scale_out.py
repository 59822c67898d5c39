"""Three processes behind a real nginx, set up as deploy/ and docs/team.md say, answer old and new clients alike."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import anyio.to_thread
import httpx2
import pytest
from mcp import MCPError
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from headshots_mcp.sandbox.app import SUCCEEDED
from tests.conftest import REPOSITORY, text_of
from tests.servers import Held, serving, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.conftest import Served
    from tests.servers import Server

NGINX = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
OPENSSL = shutil.which("openssl")
needs_nginx = pytest.mark.skipif(
    sys.platform == "win32" or not (NGINX and OPENSSL),
    reason="needs nginx, openssl and a POSIX system",
)
pytestmark = pytest.mark.nginx

NAME = "mcp.example.com"
TEAM = (REPOSITORY / "docs" / "team.md").read_text(encoding="utf-8")
(UVICORN,) = re.findall(r"^uvicorn (.*) --port 8001$", TEAM, re.MULTILINE)
CONFIGURATION = (REPOSITORY / "deploy" / "nginx.conf").read_text(encoding="utf-8")
# What Debian's own configuration has around it.
AROUND = """\
daemon off;
{user}
pid nginx.pid;
events {{}}
http {{
    log_format upstream "$upstream_addr $status";
    access_log access.log upstream;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {configuration}
}}
"""
MODES = ("legacy", "2026-07-28")
CALLERS = [(f"sandbox-{number}", MODES[number % 2]) for number in range(8)]


class Team(NamedTuple):
    """Where nginx serves, the processes behind it, and which of them it asked for what."""

    origin: str
    trust: ssl.SSLContext
    servers: list[Server]
    log: Path

    def asked(self) -> list[str]:
        """The addresses of the processes asked, request by request; several for one that was repeated."""
        return [line.rpartition(" ")[0] for line in self.log.read_text(encoding="utf-8").splitlines()]


def uvicorn(*flags: str, **settings: str) -> Any:
    """A process as docs/team.md starts it."""
    arguments = shlex.split(UVICORN)
    command = [sys.executable, "-m", "uvicorn", *arguments, "--port", "0", *flags]
    return serving(command=command, listening=r"running on (http://\S+?:\d+)", HEADSHOTS_ALLOWED_HOSTS=NAME, **settings)


@pytest.fixture
def team(served: Served, tmp_path: Path, unused_port: int) -> Iterator[Team]:
    with ExitStack() as stack:
        base_url = served.base_url
        servers = [stack.enter_context(uvicorn(ACEDATACLOUD_API_BASE_URL=base_url)) for _ in range(3)]
        certify(tmp_path)
        substitutes = {"443": str(unused_port), "/etc/ssl": str(tmp_path)}
        substitutes |= {str(8001 + i): server.origin.rpartition(":")[2] for i, server in enumerate(servers)}
        configuration = re.sub("|".join(substitutes), lambda match: substitutes[match[0]], CONFIGURATION)
        user = "user root;" if sys.platform != "win32" and os.geteuid() == 0 else ""
        (tmp_path / "nginx.conf").write_text(AROUND.format(user=user, configuration=configuration), encoding="utf-8")
        stack.enter_context(nginx(tmp_path, unused_port))
        trust = ssl.create_default_context(cafile=str(tmp_path / f"{NAME}.pem"))
        yield Team(f"https://127.0.0.1:{unused_port}", trust, servers, tmp_path / "access.log")


def certify(folder: Path) -> None:
    """Make a certificate which the tests trust."""
    key, certificate = folder / f"{NAME}.key", folder / f"{NAME}.pem"
    names = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},IP:127.0.0.1"]
    kind = ["-x509", "-nodes", "-days", "1", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(
        [str(OPENSSL), "req", *kind, *names, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
        timeout=20,
    )


@contextmanager
def nginx(folder: Path, port: int) -> Iterator[None]:
    """Run nginx in the foreground, with nothing of the system's own configuration, until the block is left."""
    command = [str(NGINX), "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.05)
                assert process.poll() is None, (folder / "error.log").read_text(encoding="utf-8")
            yield
        finally:
            process.terminate()
            process.wait(10)


@asynccontextmanager
async def connect(team: Team, token: str, mode: str) -> AsyncIterator[Client]:
    """A client of the name by which the team is known; "sse" is the older transport."""
    headers = {"authorization": f"Bearer {token}", "host": NAME}

    def http(headers: dict[str, str] | None = None, timeout: Any = 30, auth: Any = None) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(verify=team.trust, headers=headers, timeout=timeout, auth=auth)

    if mode == "sse":
        over: Any = sse_client(f"{team.origin}/sse", headers=headers, httpx_client_factory=http)
        async with Client(over, mode="legacy") as client:
            yield client
    else:
        async with http(headers=headers) as shared:
            over = streamable_http_client(f"{team.origin}/mcp", http_client=shared)
            async with Client(over, mode=mode) as client:
                yield client


@needs_nginx
async def test_every_call_is_answered_whichever_process_it_reaches(served: Served, team: Team) -> None:
    answers: dict[str, str] = {}

    async def calls(token: str, mode: str) -> None:
        async with connect(team, token, mode) as client:
            for number in range(12):
                result = await client.call_tool("get_headshot_task", {"id": f"{token}-{number}"})
                answers[f"{token}-{number}"] = text_of(result).split("\n")[0]

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for token, mode in CALLERS:
                group.start_soon(calls, token, mode)

    ids = [f"{token}-{number}" for token, _ in CALLERS for number in range(12)]
    assert answers == {task_id: f"{task_id} not_found" for task_id in ids}
    upstream = Counter((asked.headers["authorization"], (asked.body or {})["id"]) for asked in served.sandbox.requests)
    assert upstream == {(f"Bearer {task_id.rpartition('-')[0]}", task_id): 1 for task_id in ids}
    assert min(Counter(team.asked()).values()) > len(ids) / 4
    assert len(set(team.asked())) == 3
    assert not [server for server in team.servers if "Traceback" in "".join(server.errors)]


@needs_nginx
async def test_the_end_of_one_process_loses_no_more_than_the_calls_in_flight_there(served: Served, team: Team) -> None:
    gate = threading.Event()
    lost: list[tuple[str, str]] = []
    for token, _ in CALLERS:
        served.sandbox.script(f"{token}-held", [Held(gate)] * 2)

    async def calls(token: str, mode: str) -> None:
        async with connect(team, token, mode) as client:
            for name in ("before", "held", "after-1", "after-2", "after-3"):
                missed = True
                with suppress(MCPError):
                    result = await client.call_tool("get_headshot_task", {"id": f"{token}-{name}"})
                    missed = text_of(result).split("\n")[0] != f"{token}-{name} not_found"
                lost.extend([(mode, name)] if missed else [])

    def under_way() -> int:
        return sum((asked.body or {})["id"].endswith("-held") for asked in served.sandbox.requests)

    victim = team.servers[0]
    with anyio.fail_after(90):
        async with anyio.create_task_group() as group:
            for token, mode in CALLERS:
                group.start_soon(calls, token, mode)
            await until(lambda: under_way() == len(CALLERS))
            before = len(team.asked())
            victim.process.kill()
            await anyio.to_thread.run_sync(victim.process.wait)
            gate.set()

    in_flight = [asked for asked in team.asked()[before:] if victim.address in asked]
    assert len(lost) <= len(in_flight) < len(CALLERS)
    # An answer to an old client has begun before the call is done, so nginx cannot repeat the call elsewhere.
    assert set(lost) <= {("legacy", "held")}


@needs_nginx
async def test_every_sse_session_stays_with_one_process(served: Served, team: Team) -> None:
    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(look_up, team, f"sandbox-{number}", "sse")

    sent = {asked.headers["authorization"] for asked in served.sandbox.requests}
    assert sent == {f"Bearer sandbox-{number}" for number in range(4)}
    assert set(team.asked()) == {team.servers[0].address}


@needs_nginx
async def test_behind_the_proxy_only_its_own_name_is_answered(team: Team) -> None:
    async with httpx2.AsyncClient(verify=team.trust) as http:
        found = [
            (await http.get(f"{team.origin}/mcp", headers={"host": host})).status_code
            for host in (NAME, "evil.example.com")
        ]

    assert found == [405, 421]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that ends a process and its workers")
@pytest.mark.parametrize("mode", MODES)
async def test_uvicorn_serves_with_several_workers(served: Served, mode: str) -> None:
    with uvicorn("--workers", "2", ACEDATACLOUD_API_BASE_URL=served.base_url) as server:
        await until(lambda: sum("startup complete" in line for line in server.errors) == 2)
        team = Team(server.origin, ssl.create_default_context(), [server], REPOSITORY)
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(look_up, team, f"sandbox-{number}", mode)
        with httpx2.Client() as http:
            seconds = [http.get(f"{server.origin}/health").elapsed.total_seconds() for _ in range(60)]
        # The workers would outlive their parent if that were killed.
        server.process.terminate()
        assert server.process.wait(10) == 0

    sent = {asked.headers["authorization"] for asked in served.sandbox.requests}
    assert sent == {f"Bearer sandbox-{number}" for number in range(8)}
    # No answer waits until its first half is acknowledged, which systems put off for 40 ms.
    assert min(seconds[30:]) < 0.03


async def look_up(team: Team, token: str, mode: str) -> None:
    """Make one call that has to succeed."""
    async with connect(team, token, mode) as client:
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})
    assert text_of(result).startswith(f"{SUCCEEDED} succeeded")
