"""`headshots-mcp check`: what is set, and by one test request whether base URL, certificate and token work."""

from __future__ import annotations

import json
import platform
import socket
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import anyio

from headshots_mcp import NAME, __version__
from headshots_mcp.api.client import HeadshotsClient
from headshots_mcp.api.errors import (
    AccessDenied,
    AnswerNotUnderstood,
    BadRequest,
    CertificateRefused,
    ClientNotUsable,
    Disabled,
    LookupFailed,
    NoSuchApi,
    PlatformToken,
    TimedOut,
    TokenMismatched,
    TokenMissing,
    TokenNotReceived,
    TokenRejected,
    Unreachable,
    UsedUp,
    causes,
)
from headshots_mcp.api.requests import RetrieveTasks
from headshots_mcp.api.route import trusted_certificates
from headshots_mcp.settings import DEFAULT_BASE_URL, LOOPBACK, Settings, one_line, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Verdict = Literal["good", "bad", "unknown", "not set", "not used"]

# An id like those of tasks, which none has.
MADE_UP_ID = "00000000-0000-4000-8000-000000000000"
# Sent where no token is set: that it is refused shows that address and certificate are good.
_NO_TOKEN = "none"  # noqa: S105
_TOKEN, _BASE_URL = "ACEDATACLOUD_API_TOKEN", "ACEDATACLOUD_API_BASE_URL"
# Of a token that is shorter nothing is shown, for four characters could be much of it.
_LONG_ENOUGH = 16
_TOKEN_REFUSED = (TokenRejected, TokenNotReceived, TokenMismatched, AccessDenied, Disabled, PlatformToken)
_NOT_SENT = (ClientNotUsable, PlatformToken)
# What people see before a verdict, and the terminal's number for its colour.
_MARKS: dict[Verdict, tuple[str, int]] = {"good": ("\N{CHECK MARK}", 32), "bad": ("\N{BALLOT X}", 31)}
_CAUSES: dict[type[BaseException], str] = {
    ssl.SSLError: "TLS handshake failed",
    socket.gaierror: "the host name was not found",
    ConnectionRefusedError: "the connection was refused",
    TimeoutError: "no answer in time",
    TimedOut: "no answer in time",
}


@dataclass(frozen=True)
class Report:
    """What a check found; its fields are the keys of `--json`."""

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
        """Give the report as one JSON object, in ASCII."""
        return json.dumps(asdict(self), indent=2)

    def as_text(self, *, marks: bool = False, colour: bool = False) -> str:
        """Give the report as people read it.

        Args:
            marks: Put a tick or a cross before what is good or bad.
            colour: Make these green and red, as terminals do.
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
        yield "base URL", (self.base_url or "invalid") + self._about_base_url
        shown = f", ends in {self.token_ends_in}" if self.token_ends_in else ""
        yield "token", f"set{shown}" if self.token_set else _NOT_SET
        if self.trust_store:
            yield "trust store", self.trust_store
        if self.proxy:
            yield "proxy", self.proxy

    @property
    def _about_base_url(self) -> str:
        if self.base_url_is_default:
            return " (the default)"
        host = urlsplit(self.base_url or "").hostname
        is_local = host in [name.strip("[]") for name in LOOPBACK]
        return _UNENCRYPTED if self.certificate == "not used" and not is_local else ""

    def _request(self) -> str:
        if self.seconds is None:
            return "No request was sent: a setting is invalid."
        return f"Test request took {self.seconds:.2f} s" + (f": {self.cause}." if self.cause else ".")


_NOT_SET = "not set here; your app's own configuration is not visible from here"
_UNENCRYPTED = " (no TLS: the token is sent unencrypted)"
_EVERYTHING_WORKS = (
    "Everything works. If your app still can't start the server, compare its configuration with the lines above, "
    "and read its log."
)


async def check(environment: Mapping[str, str]) -> Report:
    """Read the settings and, if they are valid, ask the API once for a task that does not exist."""
    settings, refused = read_settings(environment)
    lookup = Lookup(settings)
    if not refused:
        await lookup.run()
    advice = [*refused.values(), *lookup.advice]
    if settings.token is None and _TOKEN not in refused:
        advice.insert(0, TokenMissing.message)
    return Report(
        exit_code=2 if refused or isinstance(lookup.error, _NOT_SENT) else 1 if advice else 0,
        version=__version__,
        python=platform.python_version(),
        executable=sys.executable,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        mcp=next((found.version for found in distributions(name="mcp")), "not installed"),
        base_url=None if _BASE_URL in refused else settings.base_url,
        base_url_is_default=_BASE_URL not in refused and settings.base_url == DEFAULT_BASE_URL,
        token_set=settings.token is not None or _TOKEN in refused,
        token_ends_in=_end(settings.token),
        proxy=lookup.proxy,
        trust_store=_trust_store(settings, environment),
        address="bad" if _BASE_URL in refused else lookup.address,
        certificate=lookup.certificate,
        token="bad" if _TOKEN in refused else lookup.token,
        seconds=lookup.seconds,
        cause=lookup.cause,
        advice=advice,
    )


class Lookup:
    """One lookup of a made-up task: how far it came, and how it ended.

    It asks for a list of one task: only the API answers with a list, while the 404 that a single task may also get
    could come from anybody. It asks once: a fault that shows now and then is not to be hidden here.
    """

    def __init__(self, settings: Settings) -> None:
        self.seconds: float | None = None
        self.error: LookupFailed | None = None
        self.proxy: str | None = None
        self._settings = settings
        self._api = urlsplit(settings.base_url)
        self._proxy_said: int | None = None
        self._sent = False

    async def run(self) -> None:
        """Ask, and keep what comes of it."""
        client = HeadshotsClient(
            self._settings.base_url, silence_timeout=self._settings.silence_timeout, attempts=1, trace=self._follow
        )
        await client.warm_up()
        begun = time.perf_counter()
        self.error = await self._ask(client)
        self.seconds = None if isinstance(self.error, _NOT_SENT) else round(time.perf_counter() - begun, 3)

    async def _ask(self, client: HeadshotsClient) -> LookupFailed | None:
        """Ask within the time limit; gives what went wrong."""
        try:
            with anyio.fail_after(self._settings.timeout):
                async with client:
                    await client.retrieve_batch(RetrieveTasks(ids=[MADE_UP_ID]), self._settings.token or _NO_TOKEN)
        except BadRequest as error:
            # What was asked is as documented, and no id of the user's is in it.
            return AnswerNotUnderstood(status=error.status, code=error.code, trace_id=error.trace_id)
        except LookupFailed as error:
            return error
        except TimeoutError:
            return TimedOut()
        return None

    async def _follow(self, event: str, info: Mapping[str, Any]) -> None:
        """Note whom httpx2 connects to, what a proxy says, and when all is ready for the request itself."""
        if event.endswith("connect_tcp.started"):
            default_port = 443 if self._api.scheme == "https" else 80
            if (info["host"], info["port"]) != (self._api.hostname, self._api.port or default_port):
                self.proxy = f"{info['host']}:{info['port']}"
        elif event == "http11.send_request_headers.started":
            self._sent = info["request"].method == b"POST"
        elif event == "http11.receive_response_headers.complete" and not self._sent:
            self._proxy_said = info["return_value"][1]

    @property
    def address(self) -> Verdict:
        """Whether it is the API that answers: an error may come from whoever stands before it, unless in its words."""
        if isinstance(self.error, NoSuchApi):
            return "bad"
        if self._answered or (self.error and self.error.code):
            return "good"
        if isinstance(self.error, AnswerNotUnderstood):
            return "bad"
        nobody_there = isinstance(self.error, Unreachable) and not self._sent and not self.proxy
        # The default address is right: if nobody is there, it is the network.
        return "bad" if nobody_there and self._settings.base_url != DEFAULT_BASE_URL else "unknown"

    @property
    def certificate(self) -> Verdict:
        """Whether the API could prove to be it."""
        if self._api.scheme == "http":
            return "not used"
        if isinstance(self.error, CertificateRefused):
            return "bad"
        return "good" if self._sent else "unknown"

    @property
    def token(self) -> Verdict:
        """Whether the API accepts the token; an account without credit has a good one."""
        if self._settings.token is None:
            return "not set"
        if self._refused:
            return "bad"
        return "good" if self._answered or isinstance(self.error, UsedUp) else "unknown"

    @property
    def cause(self) -> str | None:
        """What stood in the way of an answer."""
        for error in causes(self.error):
            if isinstance(error, ssl.SSLCertVerificationError):
                return error.verify_message
            for kind, words in _CAUSES.items():
                if isinstance(error, kind):
                    return words
        if isinstance(self.error, Unreachable):
            if self._proxy_said and not 200 <= self._proxy_said < 300:
                return f"the proxy refused with HTTP {self._proxy_said}"
            return "the connection broke" if self._sent else "no connection could be made"
        return None

    @property
    def advice(self) -> list[str]:
        """What to do, apart from setting a token."""
        expected = self._settings.token is None and self._refused
        return [str(self.error)] if self.error and not expected else []

    @property
    def _refused(self) -> bool:
        """Whether the token was refused; a 403 that is not in the API's words may be a firewall's."""
        firewall = isinstance(self.error, AccessDenied) and not self.error.code
        return isinstance(self.error, _TOKEN_REFUSED) and not firewall

    @property
    def _answered(self) -> bool:
        return self.seconds is not None and self.error is None


def _end(token: str | None) -> str | None:
    return token[-4:] if token and len(token) >= _LONG_ENOUGH else None


def _trust_store(settings: Settings, environment: Mapping[str, str]) -> str | None:
    """Name the certificates that are trusted: those of the system, unless the environment names others."""
    if settings.base_url.lower().startswith("http:"):
        return None
    file, directory = trusted_certificates(environment)
    if file:
        return f"SSL_CERT_FILE, {file}"
    return f"SSL_CERT_DIR, {directory}" if directory else "the system's"


def _mark(verdict: Verdict, *, colour: bool) -> str:
    mark, code = _MARKS.get(verdict, (" ", 0))
    return f"\x1b[{code}m{mark}\x1b[0m " if colour and code else f"{mark} "


def _row(labelled: tuple[str, str]) -> str:
    label, value = labelled
    return f"{label:13}  {one_line(value)}"
