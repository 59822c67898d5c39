"""What the environment says, checked once; nonsense is refused in words before anything starts."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast, get_args
from urllib.parse import urlsplit

from pydantic import HttpUrl, TypeAdapter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

DEFAULT_BASE_URL = "https://api.acedata.cloud"

# By which this machine calls itself, as in a URL.
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

# What RFC 6750, section 2.1 lets a bearer token be made of.
_BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


# What a host of MCP bundles leaves where its user filled nothing in.
_UNFILLED = re.compile(r"\$\{user_config\.[^}]*\}")


# A host, perhaps with all below it (*.) and a port: nothing that would end a directive of a content security policy.
_IMAGE_HOST = re.compile(
    r"(https?://)?(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?(:\d{1,5})?"
)

# No user and password, no query, no fragment, nothing that a parser would repair in silence.
_ADDRESS = re.compile(r"https?://[^/?#@\\ ]+(/[^?#\\ ]*)?", re.IGNORECASE)


class SettingsRefused(Exception):
    """A setting that cannot work; `str()` is one line that names it and never shows a token."""


def one_line(text: str) -> str:
    """Make what a user has set a line that a terminal can show: what it cannot print becomes a question mark."""
    return "".join(character if character.isprintable() else "?" for character in text)


@dataclass(frozen=True)
class Settings:
    """How to reach the API, how many seconds a lookup may take, what to say about it, where pictures may be."""

    base_url: str = DEFAULT_BASE_URL
    token: str | None = field(default=None, repr=False)
    timeout: float = 20.0
    log_level: LogLevel = "WARNING"
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    image_hosts: tuple[str, ...] = ()

    @property
    def silence_timeout(self) -> float:
        """Seconds without a byte after which an attempt is given up, early enough for another."""
        return self.timeout / 2

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read and check the settings; one that is empty or blank counts as not set.

        Raises:
            SettingsRefused: If a value cannot work.
        """
        given = {name: value.strip() for name, value in environment.items() if value.strip()}
        return cls(
            base_url=_base_url(given.get("ACEDATACLOUD_API_BASE_URL", DEFAULT_BASE_URL)),
            token=_token(given.get("ACEDATACLOUD_API_TOKEN")),
            timeout=_timeout(given.get("HEADSHOTS_TIMEOUT", "20")),
            log_level=_log_level(given.get("HEADSHOTS_LOG_LEVEL", "WARNING")),
            allowed_hosts=allowed_hosts(given.get("HEADSHOTS_ALLOWED_HOSTS", "").split(",")),
            allowed_origins=allowed_origins(given.get("HEADSHOTS_ALLOWED_ORIGINS", "").split(",")),
            image_hosts=_image_hosts(given.get("HEADSHOTS_IMAGE_HOSTS", "")),
        )


def bearer_token(text: str) -> str | None:
    """Give the token in `text`, with or without "Bearer " before it, or None if none can be."""
    token = re.sub(r"^bearer(\s+|$)", "", text.strip(), flags=re.IGNORECASE)
    return token if _BEARER.fullmatch(token) else None


def allowed_hosts(given: Iterable[str]) -> tuple[str, ...]:
    """Check names by which this server may be called: `name` for any port, or `name:port`.

    Raises:
        SettingsRefused: If one is no host name.
    """
    hosts = [host.strip().lower() for host in given if host.strip()]
    for host in hosts:
        if not re.fullmatch(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", host):
            raise SettingsRefused("An allowed host must be a name such as mcp.example.com, or with a port.")
    return tuple(hosts)


def allowed_origins(given: Iterable[str]) -> tuple[str, ...]:
    """Check origins of web pages that may use this server.

    Raises:
        SettingsRefused: If one is no origin.
    """
    origins = [origin.strip().lower() for origin in given if origin.strip()]
    for origin in origins:
        if not re.fullmatch(r"https?://[a-z0-9.:\[\]-]+", origin):
            raise SettingsRefused("An allowed origin must be such as https://app.example.com, without a path.")
    return tuple(origins)


def _token(given: str | None) -> str | None:
    if given is None or _UNFILLED.fullmatch(given):
        return None
    token = bearer_token(given)
    if token is None:
        raise SettingsRefused(
            "ACEDATACLOUD_API_TOKEN is not a token: a token has only letters, digits and -._~+/= in it. "
            "Copy it again, without quotes, spaces or a placeholder such as ${...}."
        )
    return token


def _base_url(given: str) -> str:
    try:
        TypeAdapter(HttpUrl).validate_python(given)
        usable = _ADDRESS.fullmatch(given) and given.isascii() and given.isprintable()
        usable = usable and urlsplit(given).port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsRefused(_BASE_URL_HELP)
    return given.rstrip("/")


_BASE_URL_HELP = (
    "ACEDATACLOUD_API_BASE_URL is not an address that can work: it needs http:// or https://, a host and "
    f"perhaps a port and a path, such as {DEFAULT_BASE_URL}"
)


def _timeout(given: str) -> float:
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 300:
        raise SettingsRefused("HEADSHOTS_TIMEOUT must be a number of seconds from 1 to 300.")
    return seconds


def _log_level(given: str) -> LogLevel:
    level = given.upper()
    if level not in get_args(LogLevel):
        raise SettingsRefused(f"HEADSHOTS_LOG_LEVEL must be one of {', '.join(get_args(LogLevel))}.")
    return cast("LogLevel", level)


def _image_hosts(given: str) -> tuple[str, ...]:
    hosts = [host.removesuffix("/") for host in given.lower().replace(",", " ").split()]
    if any(len(host) > 261 or not _IMAGE_HOST.fullmatch(host) for host in hosts):
        raise SettingsRefused(
            "HEADSHOTS_IMAGE_HOSTS must be hosts without a path, with commas between, such as "
            "pictures.example.com or https://pictures.example.com:8443"
        )
    return tuple(dict.fromkeys(host if "://" in host else f"https://{host}" for host in hosts))
