"""Every way a lookup can fail, as a tree, each in words the model can act on.

    LookupFailed
    ├── TokenMissing          no token came with the call
    ├── RequestRefused        the API says no, and would say no again
    │   ├── BadRequest        400
    │   ├── TokenRejected     401
    │   ├── TokenMismatched   400 token_mismatched
    │   ├── NoSuchApi         400 api_not_implemented, 404 of something else than the API
    │   ├── NotFound          404
    │   └── AccessDenied      403
    ├── Transient             asking again may help
    │   ├── RateLimited       429
    │   ├── ServerFault       408, 5xx
    │   ├── Unreachable       no connection, or it broke
    │   └── TimedOut          no answer in time
    ├── AnswerNotUnderstood   something came back, but not the documented answer
    └── ClientNotUsable       this machine's proxy or certificate settings cannot work

Codes and statuses: seed, 錯誤處理 (error handling); the further ones are known from the vendor's other APIs.
"""

from __future__ import annotations

import re
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
        self.sentence = says or self.says
        self.status = status
        self.code = _identifier(code)
        self.trace_id = _identifier(trace_id)
        super().__init__(self.sentence)

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


class RequestRefused(LookupFailed):
    """The API understood the request and refused it; repeating it changes nothing."""


class BadRequest(RequestRefused):
    """The body was refused."""

    says = "The API refused the request. Check the task ids."
    codes = ("bad_request",)
    statuses = (400,)


class TokenRejected(RequestRefused):
    """The token is wrong, expired or did not arrive."""

    says = "The API did not accept the token: it is wrong or has expired. Set a valid ACEDATACLOUD_API_TOKEN."
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
    """The account may not use the API now."""

    says = (
        "The API denied access: the account is out of credit or switched off. "
        "Top it up, or ask Ace Data Cloud's support."
    )
    codes = ("used_up", "disabled", "forbidden")
    statuses = (403,)


class Transient(LookupFailed):
    """A fault that may be gone at the next attempt; a lookup changes nothing, so it may be repeated."""


class RateLimited(Transient):
    """Too many requests with this token."""

    says = "The API is rate limiting this token. Wait a minute before asking again."
    codes = ("too_many_requests",)
    statuses = (429,)


class ServerFault(Transient):
    """The API or a gateway before it failed."""

    says = (
        "The API failed on its side. Try again in a minute; if it stays, "
        "give Ace Data Cloud's support the trace id."
    )
    codes = ("api_error", "timeout")
    statuses = (408, 500, 502, 503, 504)


class Unreachable(Transient):
    """No connection, or it broke before the answer was complete."""

    says = "The API could not be reached. Check the network and ACEDATACLOUD_API_BASE_URL, then try again."


class TimedOut(Transient):
    """No answer within the time a lookup may take."""

    says = "The API did not answer within {:g} s. Try again in a minute."

    def __init__(self, seconds: float) -> None:
        """Say how many seconds were given."""
        super().__init__(self.says.format(seconds))


class AnswerNotUnderstood(LookupFailed):
    """Something came back that is not what the API documents."""

    says = (
        "The API sent an answer that makes no sense. Try again later; if it stays, "
        "check ACEDATACLOUD_API_BASE_URL."
    )


class ClientNotUsable(LookupFailed):
    """No HTTP client can be made with what this machine's environment says."""

    says = (
        "No HTTP client can be made with these settings. Check HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE "
        "in this server's environment, then restart the server."
    )


_REFUSALS: tuple[type[LookupFailed], ...] = (
    TokenRejected,
    TokenMismatched,
    NoSuchApi,
    NotFound,
    AccessDenied,
    BadRequest,
    RateLimited,
    ServerFault,
)
_BY_CODE = {code: kind for kind in _REFUSALS for code in kind.codes}
_BY_STATUS = {status: kind for kind in _REFUSALS for status in kind.statuses}


def refusal(status: int, code: str | None = None, trace_id: str | None = None) -> LookupFailed:
    """Turn an error answer into its error: by the API's code if that is known, else by the HTTP status."""
    kind = _BY_CODE.get(code or "") or _BY_STATUS.get(status)
    if kind is None:
        kind = ServerFault if status >= 500 else AnswerNotUnderstood
    return kind(status=status, code=code, trace_id=trace_id)


def _identifier(text: str | None) -> str | None:
    return text if text and _IDENTIFIER.fullmatch(text) else None
