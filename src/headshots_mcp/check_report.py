"""What `headshots-mcp check` found, as people and as scripts read it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from headshots_mcp import NAME
from headshots_mcp.settings import LOOPBACK, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

Verdict = Literal["good", "bad", "unknown", "not set", "not used"]

# What people see before a verdict, and the terminal's code for its colour.
_MARKS: dict[Verdict, tuple[str, int]] = {"good": ("\N{CHECK MARK}", 32), "bad": ("\N{BALLOT X}", 31)}
_NOT_SET = "not set here; your app's own configuration is not visible from here"
_UNENCRYPTED = " (no TLS: the token is sent unencrypted)"
_EVERYTHING_WORKS = (
    "Everything works. If your app still can't start the server, compare its configuration with the lines above, "
    "and read its log."
)


@dataclass(frozen=True)
class Report:
    """What a check found; its fields are the keys of `--json`, which `check --help` explains."""

    exit_code: int
    version: str
    python: str
    executable: str
    system: str
    mcp: str
    base_url: str | None
    base_url_is_default: bool
    token_set: bool
    token_ends_in: str | None
    proxy: str | None
    trust_store: str | None
    address: Verdict
    certificate: Verdict
    token: Verdict
    seconds: float | None
    cause: str | None
    advice: list[str]

    def as_json(self) -> str:
        """Return the report as one JSON object, in ASCII."""
        return json.dumps(asdict(self), indent=2)

    def as_text(self, *, marks: bool = False, colour: bool = False) -> str:
        """Return the report as people read it.

        Args:
            marks: Put a tick or a cross before verdicts that are good or bad.
            colour: Make these green and red, by terminal codes.
        """
        verdicts = [("URL", self.address), ("certificate", self.certificate), ("token", self.token)]
        prefixes = [_mark(verdict, colour=colour) if marks else "" for _, verdict in verdicts]
        results = [prefix + _row(verdict) for prefix, verdict in zip(prefixes, verdicts, strict=True)]
        lines = [*map(_row, self._settings()), "", self._request(), *results, ""]
        return "\n".join(lines + (self.advice or [_EVERYTHING_WORKS]))

    def _settings(self) -> Iterator[tuple[str, str]]:
        yield NAME, f"{self.version}, with mcp {self.mcp}"
        yield "Python", f"{self.python}, {self.executable}"
        yield "system", self.system
        yield "base URL", (self.base_url or "invalid") + self._about_base_url()
        shown = f", ends in {self.token_ends_in}" if self.token_ends_in else ""
        yield "token", f"set{shown}" if self.token_set else _NOT_SET
        if self.trust_store:
            yield "trust store", self.trust_store
        if self.proxy:
            yield "proxy", self.proxy

    def _about_base_url(self) -> str:
        if self.base_url_is_default:
            return " (the default)"
        is_local = urlsplit(self.base_url or "").hostname in [name.strip("[]") for name in LOOPBACK]
        return _UNENCRYPTED if self.certificate == "not used" and not is_local else ""

    def _request(self) -> str:
        if self.seconds is None:
            return "No request was sent: a setting is invalid."
        return f"Test request took {self.seconds:.2f} s" + (f": {self.cause}." if self.cause else ".")


def _mark(verdict: Verdict, *, colour: bool) -> str:
    mark, code = _MARKS.get(verdict, (" ", 0))
    return f"\x1b[{code}m{mark}\x1b[0m " if colour and code else f"{mark} "


def _row(labelled: tuple[str, str]) -> str:
    label, value = labelled
    return f"{label:13}  {one_line(value)}"
