"""One trace runs from the caller through the tool to the request at the API, with OpenTelemetry's own packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from headshots_mcp.sandbox.app import SUCCEEDED, TOKEN
from tests.conftest import REPOSITORY
from tests.processes import INITIALIZE, environment, look_up
from tests.servers import NEW, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Served

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

UV = os.environ.get("UV") or shutil.which("uv")
# The exporter that writes JSON; the usual one, opentelemetry-exporter-otlp, sends the same in another form.
PACKAGES = ("opentelemetry-distro", "opentelemetry-instrumentation-httpx", "opentelemetry-exporter-otlp-json-http")
VERSION = ">=0.66b0,<0.67"
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


TRACED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
MODERN = {
    "io.modelcontextprotocol/protocolVersion": NEW,
    "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@contextmanager
def collecting() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A collector of traces: where it listens, and the spans it has got."""
    spans: list[dict[str, Any]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            document = json.loads(self.rfile.read(int(self.headers["content-length"])))
            spans.extend(
                span for part in document["resourceSpans"] for scope in part["scopeSpans"] for span in scope["spans"]
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", spans
        server.shutdown()


def instrumented(*flags: str) -> list[str]:
    """The command, with the packages beside it."""
    if UV is None:
        pytest.skip("needs uv, for an environment of its own")
    packages = [word for package in PACKAGES for word in ("--with", f"{package}{VERSION}")]
    own = ["--no-project", "--isolated", "--python", sys.executable, "--with-editable", str(REPOSITORY)]
    return [UV, "run", "-q", *own, *packages, "opentelemetry-instrument", "headshots-mcp", *flags]


def settings(served: Served, collector: str) -> dict[str, str]:
    return {
        "ACEDATACLOUD_API_BASE_URL": served.base_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_TRACES_EXPORTER": "otlp_json_http",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }


def assert_one_trace(served: Served, spans: list[dict[str, Any]]) -> None:
    """The caller's span is the parent of the tool's, which is the parent of the request's, which reached the API."""
    (asked,) = (asked for asked in served.sandbox.requests if asked.body and asked.body.get("id") == SUCCEEDED)
    _, trace, request_id, _ = asked.headers["traceparent"].split("-")
    by_id = {span["spanId"]: span for span in spans}
    request = by_id[request_id]
    tool = by_id[request["parentSpanId"]]
    assert (trace, request["name"]) == (TRACE, "POST")
    assert (tool["name"], tool["parentSpanId"]) == ("tools/call get_headshot_task", CALLER)
    assert {span["traceId"] for span in (request, tool)} == {TRACE}


def test_over_stdio_a_trace_runs_from_the_caller_to_the_api_and_is_sent_at_the_end(served: Served) -> None:
    calls: list[dict[str, Any]] = [
        look_up(SUCCEEDED),
        look_up("fault-500"),
        look_up("fault-401"),
        {"method": "resources/read", "params": {"uri": "headshots://tasks/no-such-task"}},
    ]
    for asked in calls:
        asked["params"]["_meta"] = TRACED
    lines = [json.dumps({"jsonrpc": "2.0", "id": id_, **asked}) for id_, asked in enumerate([INITIALIZE, *calls])]
    with collecting() as (collector, spans):
        ended = subprocess.run(
            instrumented(),
            input="\n".join(lines),
            env=environment(**settings(served, collector), ACEDATACLOUD_API_TOKEN=TOKEN),
            capture_output=True,
            encoding="utf-8",
            timeout=200,
            check=False,
        )

    assert len(ended.stdout.splitlines()) == len(lines), ended.stderr
    assert_one_trace(served, spans)
    for secret in (TOKEN, SUCCEEDED, "fault-", "no-such-task", "image", ".png"):
        assert secret not in json.dumps(spans)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal to send to another process")
def test_over_http_a_trace_runs_from_the_caller_to_the_api_and_is_sent_at_the_end(served: Served) -> None:
    asked = look_up(SUCCEEDED)
    asked["params"]["_meta"] = MODERN | TRACED
    headers = {
        "accept": "application/json, text/event-stream",
        "authorization": f"Bearer {TOKEN}",
        "mcp-protocol-version": NEW,
        "mcp-method": "tools/call",
        "mcp-name": "get_headshot_task",
    }
    command = instrumented("--transport", "http", "--port", "0")
    with collecting() as (collector, spans), serving(command=command, **settings(served, collector)) as server:
        answer = httpx2.post(f"{server.origin}/mcp", json={"jsonrpc": "2.0", "id": 1, **asked}, headers=headers)
        server.process.terminate()
        server.process.wait(10)

    assert "succeeded" in answer.text
    assert_one_trace(served, spans)
    assert TOKEN not in json.dumps(spans)
