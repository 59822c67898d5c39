"""`headshots-mcp check`: makes one test request, to find out whether base URL, certificate and token work."""

from __future__ import annotations

import platform
import socket
import ssl
import sys
import time
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio

from headshots_mcp import __version__
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
from headshots_mcp.check_report import Report
from headshots_mcp.settings import DEFAULT_BASE_URL, Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headshots_mcp.check_report import Verdict

# In the form of a task id, but no task has it.
MADE_UP_ID = "00000000-0000-4000-8000-000000000000"
# Sent if no token is set: if it is refused, address and certificate are good.
_NO_TOKEN = "none"  # noqa: S105
_TOKEN, _BASE_URL = "ACEDATACLOUD_API_TOKEN", "ACEDATACLOUD_API_BASE_URL"
# Nothing is shown of a shorter token: four characters could be much of it.
_LONG_ENOUGH = 16
_TOKEN_REFUSED = (TokenRejected, TokenNotReceived, TokenMismatched, AccessDenied, Disabled, PlatformToken)
_NOT_SENT = (ClientNotUsable, PlatformToken)

_CAUSES: dict[type[BaseException], str] = {
    ssl.SSLError: "TLS handshake failed",
    socket.gaierror: "the host name was not found",
    ConnectionRefusedError: "the connection was refused",
    TimeoutError: "no answer in time",
    TimedOut: "no answer in time",
}


async def check(environment: Mapping[str, str]) -> Report:
    """Read the settings and, if they are valid, ask the API once for a task that does not exist."""
    settings, refused = read_settings(environment)
    probe = Probe(settings)
    if not refused:
        await probe.run()
    advice = [*refused.values(), *probe.advice]
    if settings.token is None and _TOKEN not in refused:
        advice.insert(0, TokenMissing.message)
    exit_code = 1 if advice else 0
    if refused or isinstance(probe.error, _NOT_SENT):
        exit_code = 2
    return Report(
        exit_code=exit_code,
        version=__version__,
        python=platform.python_version(),
        executable=sys.executable,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        mcp=next((found.version for found in distributions(name="mcp")), "not installed"),
        base_url=None if _BASE_URL in refused else settings.base_url,
        base_url_is_default=_BASE_URL not in refused and settings.base_url == DEFAULT_BASE_URL,
        token_set=settings.token is not None or _TOKEN in refused,
        token_ends_in=_end(settings.token),
        proxy=probe.proxy,
        trust_store=_trust_store(settings, environment),
        address="bad" if _BASE_URL in refused else probe.address,
        certificate=probe.certificate,
        token="bad" if _TOKEN in refused else probe.token,
        seconds=probe.seconds,
        cause=probe.cause,
        advice=advice,
    )


class Probe:
    """One lookup of a made-up task: how far it got, and how it ended.

    It asks for a list of one task, because only the API answers with a list, while the 404 for a single task could
    come from any server. It makes one attempt, so that a fault that comes and goes is not hidden.
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
        """Send the request, and keep what comes of it."""
        client = HeadshotsClient(
            self._settings.base_url, silence_timeout=self._settings.silence_timeout, attempts=1, trace=self._follow
        )
        await client.warm_up()
        begun = time.perf_counter()
        self.error = await self._ask(client)
        self.seconds = None if isinstance(self.error, _NOT_SENT) else round(time.perf_counter() - begun, 3)

    async def _ask(self, client: HeadshotsClient) -> LookupFailed | None:
        """Ask within the time limit, and return what went wrong."""
        try:
            with anyio.fail_after(self._settings.timeout):
                async with client:
                    await client.retrieve_batch(RetrieveTasks(ids=[MADE_UP_ID]), self._settings.token or _NO_TOKEN)
        except BadRequest as error:
            # The request is as documented and holds no id of the user's, so the usual advice would not fit.
            return AnswerNotUnderstood(status=error.status, code=error.code, trace_id=error.trace_id)
        except LookupFailed as error:
            return error
        except TimeoutError:
            return TimedOut()
        return None

    async def _follow(self, event: str, info: Mapping[str, Any]) -> None:
        """Note which host httpx2 connects to, what a proxy answers, and when the request itself is being sent."""
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
        """Whether the API itself answers; an error without the API's code may come from a gateway in front of it."""
        if isinstance(self.error, NoSuchApi):
            return "bad"
        if self._answered or (self.error and self.error.code):
            return "good"
        if isinstance(self.error, AnswerNotUnderstood):
            return "bad"
        nobody_there = isinstance(self.error, Unreachable) and not self._sent and not self.proxy
        # The default address is right: if nothing is there, it is the network's fault.
        return "bad" if nobody_there and self._settings.base_url != DEFAULT_BASE_URL else "unknown"

    @property
    def certificate(self) -> Verdict:
        """Whether the API's certificate is trusted."""
        if self._api.scheme == "http":
            return "not used"
        if isinstance(self.error, CertificateRefused):
            return "bad"
        return "good" if self._sent else "unknown"

    @property
    def token(self) -> Verdict:
        """Whether the API accepts the token; that of an account without credit is good."""
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
        """What to do, apart from setting a token, in sentences."""
        expected = self._settings.token is None and self._refused
        return [str(self.error)] if self.error and not expected else []

    @property
    def _refused(self) -> bool:
        """Whether the token was refused; a 403 without the API's code may be a firewall's."""
        firewall = isinstance(self.error, AccessDenied) and not self.error.code
        return isinstance(self.error, _TOKEN_REFUSED) and not firewall

    @property
    def _answered(self) -> bool:
        return self.seconds is not None and self.error is None


def _end(token: str | None) -> str | None:
    return token[-4:] if token and len(token) >= _LONG_ENOUGH else None


def _trust_store(settings: Settings, environment: Mapping[str, str]) -> str | None:
    """Name the certificates that are trusted: the system's, unless the environment names others."""
    if settings.base_url.lower().startswith("http:"):
        return None
    file, directory = trusted_certificates(environment)
    if file:
        return f"SSL_CERT_FILE, {file}"
    return f"SSL_CERT_DIR, {directory}" if directory else "the system's"
