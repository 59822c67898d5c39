"""`headshots-mcp check`: what is set, and by one lookup whether address, certificate and token are good."""

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
    origins,
)
from headshots_mcp.api.requests import RetrieveTasks
from headshots_mcp.settings import DEFAULT_BASE_URL, LOOPBACK, Settings, one_line, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Verdict = Literal["good", "bad", "not known", "not used"]

# An id like those of tasks, which none has.
MADE_UP_ID = "00000000-0000-4000-8000-000000000000"
# Sent where no token is set: that it is refused shows that address and certificate are good.
_NO_TOKEN = "none"  # noqa: S105
_TOKEN, _BASE_URL = "ACEDATACLOUD_API_TOKEN", "ACEDATACLOUD_API_BASE_URL"
# Of a token that is shorter nothing is shown, for four characters could be much of it.
_LONG_ENOUGH = 16
_TOKEN_REFUSED = (TokenRejected, TokenNotReceived, TokenMismatched, AccessDenied, Disabled, PlatformToken)
_NOT_SENT = (ClientNotUsable, PlatformToken)
_CAUSES: dict[type[BaseException], str] = {
    ssl.SSLError: "no TLS could be agreed on",
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
    ssl_cert_file: str | None
    ssl_cert_dir: str | None
    address: Verdict
    certificate: Verdict
    token: Verdict
    seconds: float | None
    cause: str | None
    advice: list[str]

    def as_json(self) -> str:
        """Give the report as one JSON object, in ASCII."""
        return json.dumps(asdict(self), indent=2)

    def as_text(self) -> str:
        """Give the report as people read it."""
        verdicts = [("address", self.address), ("certificate", self.certificate), ("token", self.token)]
        lines = [*map(_row, self._settings()), "", self._lookup(), *map(_row, verdicts), ""]
        return "\n".join(lines + (self.advice or [_ALL_IS_WELL]))

    def _settings(self) -> Iterator[tuple[str, str]]:
        yield NAME, f"{self.version}, with mcp {self.mcp}"
        yield "Python", f"{self.python}, {self.executable}"
        yield "system", self.system
        about = " (the default)" * self.base_url_is_default + _IN_CLEAR * self._sends_in_clear
        yield "base URL", (self.base_url or "cannot work") + about
        shown = f", ends in {self.token_ends_in}" if self.token_ends_in else ""
        yield "token", f"set{shown}" if self.token_set else _NOT_SET
        given = {"proxy": self.proxy, "SSL_CERT_FILE": self.ssl_cert_file, "SSL_CERT_DIR": self.ssl_cert_dir}
        yield from ((label, value) for label, value in given.items() if value)

    @property
    def _sends_in_clear(self) -> bool:
        host = urlsplit(self.base_url or "").hostname
        return self.certificate == "not used" and host not in [name.strip("[]") for name in LOOPBACK]

    def _lookup(self) -> str:
        if self.seconds is None:
            return "Nothing was sent, for a setting cannot work."
        return f"One lookup of a made-up task took {self.seconds:.2f} s" + (f": {self.cause}." if self.cause else ".")


_NOT_SET = "not set here; what your host's configuration sets is not seen from here"
_IN_CLEAR = " (no TLS: who is on the way can read the token)"
_ALL_IS_WELL = (
    "All is well. If your host cannot start the server all the same, compare its configuration with the lines above, "
    "and read its log."
)


async def check(environment: Mapping[str, str]) -> Report:
    """Read the settings and, if they can work, ask the API once for a task that does not exist."""
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
        **_certificates(settings, environment),
        address="bad" if _BASE_URL in refused else lookup.address,
        certificate=lookup.certificate,
        token=lookup.token,
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
        """Note whom HTTPX2 connects to, what a proxy says, and when all is ready for the request itself."""
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
        return "bad" if nobody_there and self._settings.base_url != DEFAULT_BASE_URL else "not known"

    @property
    def certificate(self) -> Verdict:
        """Whether the API could prove to be it."""
        if self._api.scheme == "http":
            return "not used"
        if isinstance(self.error, CertificateRefused):
            return "bad"
        return "good" if self._sent else "not known"

    @property
    def token(self) -> Verdict:
        """Whether the API accepts the token; an account without credit has a good one."""
        if self._settings.token is None or self._refused:
            return "bad"
        return "good" if self._answered or isinstance(self.error, UsedUp) else "not known"

    @property
    def cause(self) -> str | None:
        """What stood in the way of an answer."""
        for error in origins(self.error):
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


def _certificates(settings: Settings, environment: Mapping[str, str]) -> dict[str, str | None]:
    """Give what HTTPX2 takes trusted certificates from, if not from those it comes with."""
    file, directory = environment.get("SSL_CERT_FILE") or None, environment.get("SSL_CERT_DIR") or None
    if settings.base_url.lower().startswith("http:"):
        file = directory = None
    return {"ssl_cert_file": file, "ssl_cert_dir": None if file else directory}


def _row(labelled: tuple[str, str]) -> str:
    label, value = labelled
    return f"{label:13}  {one_line(value)}"
