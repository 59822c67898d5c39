"""Every way a lookup can fail, as a tree, each in words the model can act on.

    LookupFailed
    ├── TokenMissing          no token came with the call
    ├── SettingUnusable       a setting of this server cannot work
    ├── RequestRefused        the API says no, and would say no again
    │   ├── BadRequest        400
    │   ├── TokenRejected     401
    │   ├── TokenMismatched   400 token_mismatched
    │   ├── NoSuchApi         400 api_not_implemented, 404 of something else than the API
    │   ├── NotFound          404
    │   ├── UsedUp            403 used_up
    │   ├── Disabled          403 disabled
    │   └── AccessDenied      any other 403
    ├── Transient             asking again may help
    │   ├── RateLimited       429
    │   ├── ServerFault       408, 500, 502, 503, 504
    │   ├── Unreachable       no connection, or it broke
    │   └── TimedOut          no answer in time
    ├── UnknownFault          any other 5xx
    ├── AnswerNotUnderstood   something came back, but not the documented answer
    ├── CertificateRefused    whoever answered could not prove to be the API
    └── ClientNotUsable       this machine's proxy or certificate settings cannot work

Codes and statuses: seed, 錯誤處理 (error handling); the further ones are known from the vendor's other APIs.
"""

from __future__ import annotations

import re
from math import ceil
from typing import ClassVar

_IDENTIFIER = re.compile(r"[\w.:-]{1,64}", re.ASCII)


class LookupFailed(Exception):
    """A lookup ended without an answer; `str()` of it is what the model reads: what happened, what to do."""

    says: ClassVar[str] = "The lookup failed. Try again in a minute."
    codes: ClassVar[tuple[str, ...]] = ()
    statuses: ClassVar[tuple[int, ...]] = ()

    def __init__(
        self,
        says: str | None = None,
        *,
        status: int | None = None,
        code: str | None = None,
        trace_id: str | None = None,
    ) -> None:
        """Keep of the API's words only what looks like a code or a trace id; its sentences stay outside."""
        super().__init__()
        self.status = status
        self.code = _identifier(code)
        self.trace_id = _identifier(trace_id)
        self._says = says or self.says

    @property
    def sentence(self) -> str:
        """What happened and what to do, without the details."""
        return self._says

    def __str__(self) -> str:
        """Give the sentence, then in brackets HTTP status, code and trace id as far as they are known."""
        known = {"HTTP": self.status, "code": self.code, "trace id": self.trace_id}
        details = ", ".join(f"{name} {value}" for name, value in known.items() if value)
        return f"{self.sentence} ({details})" if details else self.sentence


class TokenMissing(LookupFailed):
    """The call carried no token, so nothing was sent."""

    says = (
        "No API token is set. Put your Ace Data Cloud token into ACEDATACLOUD_API_TOKEN in this server's "
        "configuration, then restart the server."
    )
    says_over_http: ClassVar[str] = (
        "No API token came with this call. Send the header `Authorization: Bearer` with your Ace Data Cloud "
        "token: set it where your MCP client configures this server."
    )


class SettingUnusable(LookupFailed):
    """A setting of this server cannot work, so nothing was sent; its sentence names the setting."""


class RequestRefused(LookupFailed):
    """The API understood the request and refused it; repeating it changes nothing."""


class BadRequest(RequestRefused):
    """The body was refused."""

    says = "The API refused the request. Check the task ids."
    codes = ("bad_request",)
    statuses = (400,)


class TokenRejected(RequestRefused):
    """The token is wrong, expired or did not arrive."""

    says = (
        "The API did not accept the token: it is wrong or has expired. Set a valid one, by ACEDATACLOUD_API_TOKEN "
        "or, over HTTP, in the Authorization header."
    )
    codes = ("invalid_token", "token_expired", "no_token")
    statuses = (401,)


class TokenMismatched(RequestRefused):
    """The token is good, but not for this API."""

    says = (
        "The token does not cover AI headshots. Apply for the headshots service in Ace Data Cloud "
        "and use the token of that application."
    )
    codes = ("token_mismatched",)


class NoSuchApi(RequestRefused):
    """The address answers, but not as the headshot task API."""

    says = "There is no headshot task API at this address. Check ACEDATACLOUD_API_BASE_URL."
    codes = ("api_not_implemented",)


class NotFound(RequestRefused):
    """The API does not know the id."""

    says = "The API does not know this task id. Check it."
    statuses = (404,)


class AccessDenied(RequestRefused):
    """The account may not use the API."""

    says = "The API denies this token access. Ask Ace Data Cloud's support."
    says_without_code: ClassVar[str] = (
        "Access was denied, by the API or by a proxy or firewall before it. Check the network and "
        "ACEDATACLOUD_API_BASE_URL; if it stays, ask Ace Data Cloud's support."
    )
    codes = ("forbidden",)
    statuses = (403,)

    @property
    def sentence(self) -> str:
        """Leave open who denies it, if it is not said in the API's words."""
        return super().sentence if self.code else self.says_without_code


class UsedUp(RequestRefused):
    """The account has no credit left."""

    says = "The account is out of credit. Top it up in Ace Data Cloud."
    codes = ("used_up",)


class Disabled(RequestRefused):
    """The account or its application is switched off."""

    says = "The account or its application is switched off. Ask Ace Data Cloud's support."
    codes = ("disabled",)


class Transient(LookupFailed):
    """A fault that may be gone at the next attempt; a lookup changes nothing, so it may be repeated.

    `retry_after` is how many seconds the API wants to be left alone, None if it did not say.
    """

    retry_after: float | None = None

    @property
    def sentence(self) -> str:
        """Say when to come back instead of what to do, if the API said so."""
        if self.retry_after is None:
            return super().sentence
        happened = super().sentence.partition(". ")[0]
        return f"{happened}. Come back in {ceil(self.retry_after)} s."


class RateLimited(Transient):
    """Too many requests with this token."""

    says = "The API is rate limiting this token. Wait a minute before asking again."
    codes = ("too_many_requests",)
    statuses = (429,)


class ServerFault(Transient):
    """The API or a gateway before it failed."""

    says = "The API failed on its side. Try again in a minute; if it stays, ask Ace Data Cloud's support."
    codes = ("api_error", "timeout")
    statuses = (408, 500, 502, 503, 504)


class Unreachable(Transient):
    """No connection, or it broke before the answer was complete."""

    says = (
        "The API could not be reached. Check the network, the proxy if there is one, "
        "and ACEDATACLOUD_API_BASE_URL, then try again."
    )


class TimedOut(Transient):
    """No answer within the time of an attempt, or of the whole lookup."""

    says = "The API did not answer in time. Try again in a minute."


class UnknownFault(LookupFailed):
    """A 5xx that is not known to pass by itself."""

    says = ServerFault.says


class AnswerNotUnderstood(LookupFailed):
    """Something came back that is not what the API documents."""

    says = "The API sent an answer that makes no sense. Try again later; if it stays, check ACEDATACLOUD_API_BASE_URL."


class CertificateRefused(LookupFailed):
    """The TLS certificate is not one this machine trusts, so nothing was sent."""

    says = (
        "The certificate of the API is not trusted by this machine. Check ACEDATACLOUD_API_BASE_URL and "
        "this machine's clock; behind a proxy that inspects traffic, name its certificates in SSL_CERT_FILE."
    )


class ClientNotUsable(LookupFailed):
    """No HTTP client can be made with what this machine's environment says."""

    says = (
        "No HTTP client can be made with these proxy settings. Check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY "
        "in this server's environment, then restart the server."
    )
    says_of_socks: ClassVar[str] = (
        "A SOCKS proxy is set, and what it needs is not installed. Start the server as "
        "`uvx --with socksio headshots-mcp`, or set an HTTP proxy in ALL_PROXY, HTTPS_PROXY and HTTP_PROXY."
    )
    says_of_certificates: ClassVar[str] = (
        "SSL_CERT_FILE is no file of certificates that can be read. Correct it in this server's environment, "
        "then restart the server."
    )


_REFUSALS: tuple[type[LookupFailed], ...] = (
    TokenRejected,
    TokenMismatched,
    NoSuchApi,
    NotFound,
    AccessDenied,
    UsedUp,
    Disabled,
    BadRequest,
    RateLimited,
    ServerFault,
)
_BY_CODE = {code: kind for kind in _REFUSALS for code in kind.codes}
_BY_STATUS = {status: kind for kind in _REFUSALS for status in kind.statuses}


def refusal(
    status: int, *, code: str | None = None, trace_id: str | None = None, retry_after: float | None = None
) -> LookupFailed:
    """Turn an error answer into its error: by HTTP status, made more precise by the API's code.

    A code never makes a refusal transient, nor the other way round: what is retried is up to the status.
    """
    kind = _BY_STATUS.get(status, UnknownFault if status >= 500 else AnswerNotUnderstood)
    by_code = _BY_CODE.get(code or "")
    if by_code and (status == 200 or (issubclass(kind, RequestRefused) and issubclass(by_code, RequestRefused))):
        kind = by_code
    error = kind(status=status, code=code, trace_id=trace_id)
    if isinstance(error, Transient):
        error.retry_after = retry_after
    return error


def _identifier(text: str | None) -> str | None:
    return text if text and _IDENTIFIER.fullmatch(text) else None
