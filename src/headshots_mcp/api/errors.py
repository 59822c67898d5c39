"""Every way a lookup can fail: a tree of exceptions, each with a sentence that a model can act on.

    LookupFailed
    ├── TokenMissing           no token came with the call
    ├── SettingUnusable        a setting of this server is invalid
    ├── PlatformToken          a token that cannot call any API
    ├── RequestRefused         the API says no, and would say no again
    │   ├── BadRequest         400
    │   ├── TokenRejected      401
    │   ├── TokenNotReceived   no_token
    │   ├── TokenMismatched    token_mismatched
    │   ├── NoSuchApi          no_api, api_not_implemented, 404 from another server
    │   ├── NotFound           404
    │   ├── UsedUp             402, used_up
    │   ├── Disabled           disabled
    │   ├── ContentRefused     forbidden
    │   └── AccessDenied       any other 403
    ├── Transient              asking again may help
    │   ├── Conflict           409
    │   ├── RateLimited        429
    │   ├── ServerFault        500
    │   ├── GatewayFault       408, 502, 503, 504, and 520 to 524 of a proxy
    │   ├── Unreachable        no connection, or it broke
    │   ├── TimedOut           no answer in time
    │   └── ServerBusy         this process has no room for another request
    ├── UnknownFault           any other 5xx
    ├── AnswerNotUnderstood    something came back, but not the documented answer
    ├── CertificateRefused     the TLS certificate is not trusted
    └── ClientNotUsable        this machine's proxy or certificate settings are invalid

A code outranks the HTTP status it comes with: the two do not always arrive in the documented pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from headshots_mcp.api.wording import identifier, try_again

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKENS = "platform.acedata.cloud/console/applications"
CREDIT = "platform.acedata.cloud/console/coin"
STATUS_PAGE = "status.acedata.cloud"


class LookupFailed(Exception):
    """A lookup that ended without an answer; its `str()` is what a model reads.

    `message` says in our words what happened and what to do. `status`, `code` and `trace_id` are the API's, and
    `retry_after` is the number of seconds to wait before the next request; each is None if unknown.
    """

    message: str = "The lookup failed. Try again in a minute."
    codes: ClassVar[tuple[str, ...]] = ()
    statuses: ClassVar[tuple[int, ...]] = ()

    def __init__(
        self,
        message: str | None = None,
        *,
        status: int | None = None,
        code: str | None = None,
        trace_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Keep the API's code and trace id only if they look like identifiers; its sentences are never kept."""
        super().__init__()
        self.status = status
        self.code = identifier(code)
        self.trace_id = identifier(trace_id)
        self.retry_after = retry_after
        self.message = message or self._message()

    def _message(self) -> str:
        return type(self).message

    def __str__(self) -> str:
        """Return the message, then in parentheses what is known of HTTP status, code and trace id."""
        known = {"HTTP": self.status, "code": self.code, "trace id": self.trace_id}
        details = ", ".join(f"{name} {value}" for name, value in known.items() if value)
        return f"{self.message} ({details})" if details else self.message


class TokenMissing(LookupFailed):
    """The call carried no token, so nothing was sent."""

    message = (
        f"No API token is configured. Set ACEDATACLOUD_API_TOKEN (get one at {TOKENS}) in this server's configuration "
        "and restart the server."
    )
    message_over_http: ClassVar[str] = (
        "No API token was sent with this request. Set the header `Authorization: Bearer` with your Ace Data Cloud "
        f"token (get one at {TOKENS}) where your MCP client configures this server; or, on your own machine only, "
        "start the server with --share-token."
    )
    message_placeholder: ClassVar[str] = (
        "What was sent in the Authorization header is not an API token; it may be a placeholder that was never filled "
        "in. Set it to `Bearer`, a space and your Ace Data Cloud token, without quotes, where your MCP client "
        "configures this server."
    )


class PlatformToken(LookupFailed):
    """The token is one for managing the account, so nothing was sent."""

    prefix: ClassVar[str] = "platform-"
    message = (
        f"A token that begins with {prefix} manages the account and cannot call an API. "
        f"Use a service token or a global token, from {TOKENS}."
    )


class SettingUnusable(LookupFailed):
    """A setting of this server is invalid, so nothing was sent; the message names the setting."""


class RequestRefused(LookupFailed):
    """The API understood the request and refused it; repeating it would not help."""


class BadRequest(RequestRefused):
    """The body was refused."""

    message = "The API refused the request. Check the task ids."
    codes = ("bad_request",)
    statuses = (400,)


class TokenRejected(RequestRefused):
    """The token is wrong, revoked or expired."""

    message = (
        "The API rejected the token: invalid or expired. Update ACEDATACLOUD_API_TOKEN or, over HTTP, the "
        f"Authorization header; tokens are at {TOKENS}."
    )
    codes = ("invalid_token", "token_expired")
    statuses = (401,)


class TokenNotReceived(RequestRefused):
    """The token that was sent did not arrive."""

    message = (
        "The API received no token. If a proxy is in between, let it forward the Authorization header; "
        "otherwise set ACEDATACLOUD_API_TOKEN again and restart the server."
    )
    codes = ("no_token",)


class TokenMismatched(RequestRefused):
    """The token is good, but not for this API."""

    message = (
        "The token is not valid for the AI headshots service. Use this service's own token or a global one, "
        f"from {TOKENS}."
    )
    codes = ("token_mismatched",)


class NoSuchApi(RequestRefused):
    """The address answers, but not as the headshot task API."""

    message = "There is no headshot task API at this address. Check ACEDATACLOUD_API_BASE_URL."
    codes = ("api_not_implemented", "no_api")


class NotFound(RequestRefused):
    """The API does not know the id."""

    message = "The API does not know this task id. Check it."
    message_in_doubt: ClassVar[str] = (
        "This task was not found, for no stated reason. Check its id and ACEDATACLOUD_API_BASE_URL."
    )
    codes = ("not_found",)
    statuses = (404,)

    @property
    def is_certain(self) -> bool:
        """Whether the API itself says so; a bare 404 could also come from another server."""
        return bool(self.code or self.trace_id)


class UsedUp(RequestRefused):
    """The quota or the balance is used up."""

    message = f"The account's quota or balance is used up. Top up at {CREDIT}."
    codes = ("used_up",)
    statuses = (402,)


class Disabled(RequestRefused):
    """The token or its application is switched off."""

    message = f"The token or its application is disabled. Enable it at {TOKENS}, or ask Ace Data Cloud's support."
    codes = ("disabled",)


class ContentRefused(RequestRefused):
    """Content moderation said no."""

    message = (
        "Content moderation refused this. Use another photo or wording; if it is a mistake, send the trace id to "
        "Ace Data Cloud's support."
    )
    codes = ("forbidden",)


class AccessDenied(RequestRefused):
    """The token may not use the API, or a proxy or firewall in front of the API blocks the request."""

    message = "This token is not allowed to use the API. Ask Ace Data Cloud's support."
    message_without_code: ClassVar[str] = (
        "Access was denied, by the API or by a proxy or firewall in front of it. Check the network and "
        "ACEDATACLOUD_API_BASE_URL; if it persists, ask Ace Data Cloud's support."
    )
    statuses = (403,)

    def _message(self) -> str:
        """Leave open who denied access, unless the API's own code says it."""
        return self.message if self.code else self.message_without_code


class Transient(LookupFailed):
    """A fault that may be gone at the next attempt; lookups are read-only, so they can be repeated."""

    def _message(self) -> str:
        """Say when to try again, if the API did, instead of what to do."""
        if self.retry_after is None:
            return super()._message()
        happened = super()._message().partition(". ")[0]
        return f"{happened}. {try_again(self.retry_after)}"


class Conflict(Transient):
    """The request collided with another one, which passes."""

    message = "The API reported a conflict, which usually passes. Try again in a minute."
    statuses = (409,)


class RateLimited(Transient):
    """Too many requests with this token."""

    message = "The API is rate limiting this token. Wait a minute before trying again."
    codes = ("too_many_requests",)
    statuses = (429,)


class ServerFault(Transient):
    """The API failed."""

    message = (
        f"The API had an internal error. Try again in a minute; if it persists, check {STATUS_PAGE} and send the "
        "trace id to Ace Data Cloud's support."
    )
    codes = ("api_error",)
    statuses = (500,)


class GatewayFault(Transient):
    """A gateway in front of the API failed, or got no answer from the service behind it."""

    message = f"The API is temporarily unavailable. Try again in a minute; if it persists, check {STATUS_PAGE}."
    codes = ("timeout",)
    statuses = (408, 502, 503, 504, 520, 521, 522, 523, 524)


class Unreachable(Transient):
    """No connection, or it broke before the answer was complete."""

    message = (
        "The API could not be reached. Check the network, the proxy if there is one, "
        "and ACEDATACLOUD_API_BASE_URL, then try again."
    )


class TimedOut(Transient):
    """No answer within the time of an attempt, or of the whole lookup."""

    message = f"The API did not answer in time. Try again in a minute; if it persists, check {STATUS_PAGE}."


class ServerBusy(Transient):
    """There was no room in this process to start the request in time; the caller has to try again."""

    message = "This server is handling too many lookups right now. Try again in a few seconds."


class UnknownFault(LookupFailed):
    """A 5xx that is not known to pass by itself."""

    message = ServerFault.message


class AnswerNotUnderstood(LookupFailed):
    """Something came back that is not what the API documents."""

    message = "The API sent an unexpected response. Try again later; if it persists, check ACEDATACLOUD_API_BASE_URL."


class CertificateRefused(LookupFailed):
    """The TLS certificate is not one this machine trusts, so nothing was sent."""

    message = (
        "The API's TLS certificate is not trusted. Check ACEDATACLOUD_API_BASE_URL and this machine's clock; "
        "behind a proxy that inspects traffic, set SSL_CERT_FILE to its CA file."
    )


class ClientNotUsable(LookupFailed):
    """An environment variable that requests depend on is invalid, so nothing was sent."""

    message = "The proxy or certificate settings in this server's environment are invalid."
    message_about_proxy: ClassVar[str] = (
        "{} is not the URL of a proxy: it needs http://, https:// or socks5:// and a host. Correct it in this "
        "server's environment, then restart the server."
    )
    message_about_certificates: ClassVar[str] = (
        "{} does not name certificates that can be read. Correct it in this server's environment, "
        "then restart the server."
    )


_KINDS: tuple[type[LookupFailed], ...] = (
    BadRequest,
    TokenRejected,
    TokenNotReceived,
    TokenMismatched,
    NoSuchApi,
    NotFound,
    UsedUp,
    Disabled,
    ContentRefused,
    AccessDenied,
    Conflict,
    RateLimited,
    ServerFault,
    GatewayFault,
)
_BY_CODE = {code: kind for kind in _KINDS for code in kind.codes}
KNOWN_CODES = frozenset(_BY_CODE)
_BY_STATUS = {status: kind for kind in _KINDS for status in kind.statuses}


def failure_for(
    status: int, *, code: str | None = None, trace_id: str | None = None, retry_after: float | None = None
) -> LookupFailed:
    """Make the error that a response stands for: by the API's code if it is known, else by the HTTP status."""
    by_status = _BY_STATUS.get(status, UnknownFault if status >= 500 else AnswerNotUnderstood)
    kind = _BY_CODE.get(code or "", by_status)
    return kind(status=status, code=code, trace_id=trace_id, retry_after=retry_after)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its cause, the cause of that, and so on; httpcore2 keeps a cause as an argument."""
    while error:
        yield error
        found = (error.__cause__, *getattr(error, "exceptions", ()), *error.args)
        error = next((cause for cause in found if isinstance(cause, BaseException)), None)
