"""Measures this server next to floors and comparable servers in one run: `uv run --group tokens benchmarks/run.py`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import crowd
import rows
from bench import Bench
from headshots_mcp.sandbox.outcomes import throwaway_certificate
from peers import CallFailed, processor
from subjects import COMPARABLE, HERE, comparable, environment_of_ours, floors, ours, version_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Row
    from subjects import Subject

RESULTS = HERE / "results.json"
ENOUGH = 900
ROWS = rows.ROWS | crowd.ROWS


class RunningUpstream:
    """The upstream's process, seen from here."""

    def __init__(self, ports: dict[str, int], certificates: str) -> None:
        self.ports = ports
        self.certificates = certificates

    def origin(self, scheme: str) -> str:
        """Return the base URL for servers."""
        return f"{scheme}://127.0.0.1:{self.ports[scheme]}"

    def counts(self, subject: Subject) -> dict[str, int]:
        """Say what a server asked for since the last reset."""
        nothing = {"requests": 0, "connections": 0, "most_at_once": 0}
        return self._control("/counts").get(subject.token, nothing)

    def reset(self) -> None:
        """Count from zero again; connections that are open already are not new."""
        self._control("/reset")

    def delay(self, seconds: float) -> None:
        """Let every answer wait."""
        self._control("/delay", {"seconds": seconds})

    def _control(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        url = self.origin("http") + path
        with urllib.request.urlopen(url, json.dumps(body or {}).encode(), timeout=10) as response:
            return json.load(response)


@contextmanager
def running_upstream() -> Iterator[RunningUpstream]:
    """Run the upstream; its certificate is made now, and trusted next to the usual hundred and more."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, certificates = Path(folder) / "own.pem", Path(folder) / "all.pem"
        certificate.write_bytes(throwaway_certificate(days=1))
        system = Path(ssl.get_default_verify_paths().openssl_cafile)
        usual = system.read_bytes() if system.is_file() else b""
        certificates.write_bytes(usual + certificate.read_bytes())
        command = [sys.executable, str(HERE / "upstream.py"), str(certificate)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                yield RunningUpstream(json.loads(process.stdout.readline()), str(certificates))
            finally:
                process.kill()


def main() -> None:
    """Measure what was asked for, print the table, write the JSON."""
    flags = _flags()
    if sys.platform != "linux":
        sys.exit("These benchmarks need Linux: only there does a process tell what memory and time it took.")
    began = time.monotonic()
    subjects = [ours(), *floors()]
    if flags.also:
        subjects.append(ours(flags.also.resolve(), "other-checkout"))
    missing = {} if flags.no_comparable else _add_comparable(subjects)
    done: list[tuple[str, Row]] = []
    with running_upstream() as upstream:
        for name in flags.rows or ROWS:
            if time.monotonic() - began > ENOUGH:
                print(f"time is up: {name} was not measured", file=sys.stderr)
                continue
            print(f"{time.monotonic() - began:4.0f} s  {name}", file=sys.stderr)
            bench = Bench(name, subjects, upstream, quick=flags.quick)
            try:
                done += [(name, row) for row in ROWS[name](bench)]
            except CallFailed as error:
                missing[name] = f"failed: {error}"
    machine = _machine(subjects)
    print(_table(done, missing, machine))
    RESULTS.write_text(json.dumps(_json(done, missing, machine), indent=1, ensure_ascii=False), "utf-8")


def _flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"what to measure (default: all): {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for development")
    parser.add_argument("--no-comparable", action="store_true", help="leave the servers from PyPI out")
    parser.add_argument(
        "--also", type=Path, metavar="CHECKOUT", help="another checkout of this server, beside this one"
    )
    flags = parser.parse_args()
    if unknown := set(flags.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    return flags


def _add_comparable(subjects: list[Subject]) -> dict[str, str]:
    """Install the comparable servers; one that cannot be is said to."""
    missing = {}
    for name in COMPARABLE:
        try:
            subjects.append(comparable(name))
        except subprocess.SubprocessError as error:
            missing[name] = f"could not be installed ({type(error).__name__})"
    return missing


def _machine(subjects: list[Subject]) -> str:
    versions = ", ".join(f"{name} {version_in(environment_of_ours(), name)}" for name in ("mcp", "httpx2", "pydantic"))
    others = ", ".join(f"{it.name} {it.version}" for it in subjects if it.kind == "comparable")
    return (
        f"{os.cpu_count()} cores ({processor()}), {platform.system()}, Python {platform.python_version()}, {versions}. "
        f"Comparable: {others or 'none'}."
    )


def _table(done: list[tuple[str, Row]], missing: dict[str, str], machine: str) -> str:
    """Write the table in Markdown: medians, with the least and the most in brackets."""
    lines = [
        machine,
        "",
        "| measured | target | headshots-mcp | floors | comparable | target met |",
        "|---|---|---|---|---|---|",
    ]
    for _, row in done:
        names = [*row.samples, *row.said]
        own = "; ".join(_cell(row, name, named=name != "headshots-mcp") for name in names if _group(name) == "ours")
        floor = "; ".join(_cell(row, name) for name in dict.fromkeys(names) if _group(name) == "floor")
        others = "; ".join(_cell(row, name) for name in dict.fromkeys(names) if _group(name) == "comparable")
        title = f"{row.title}, {row.unit}" if row.unit else row.title
        lines.append(f"| {title} | {row.target} | {own} | {floor} | {others} | {_met(row)} |")
    lines += [f"{name}: {reason}" for name, reason in missing.items()]
    return "\n".join(lines)


def _met(row: Row) -> str:
    finding = f" ({row.finding})" if row.finding else ""
    if row.met is None:
        return finding
    return ("yes" if row.met else "**no**") + finding


def _group(name: str) -> str:
    if name in ("headshots-mcp", "other-checkout"):
        return "ours"
    return "comparable" if name in COMPARABLE else "floor"


def _cell(row: Row, name: str, *, named: bool = True) -> str:
    label = f"{name.removeprefix('mcp-')} " if named else ""
    if name in row.said:
        return f"{label}{row.said[name][:60]}"
    samples = row.samples[name]
    spread = f" ({_number(min(samples))}–{_number(max(samples))})" if min(samples) != max(samples) else ""
    return f"{label}{_number(statistics.median(samples))}{spread}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _json(done: list[tuple[str, Row]], missing: dict[str, str], machine: str) -> dict[str, Any]:
    rows = [
        {
            "row": name,
            "title": row.title,
            "unit": row.unit,
            "target": row.target,
            "met": row.met,
            "finding": row.finding,
            "samples": row.samples,
            "said": row.said,
        }
        for name, row in done
    ]
    return {"machine": machine, "missing": missing, "rows": rows}


if __name__ == "__main__":
    main()
