"""Reads the settings from the environment, and refuses an invalid one in one sentence that names it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

DEFAULT_BASE_URL = "https://api.acedata.cloud"

# This machine's names for itself, as in a URL.
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

# What a bearer token may consist of (RFC 6750, section 2.1).
_BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


# What a host of MCP bundles leaves in place of a setting that its user did not fill in.
_UNFILLED = re.compile(r"\$\{user_config\.[^}]*\}")


# A host, optionally with its subdomains (*.) and a port, and nothing that would end a directive of a content security
# policy.
_IMAGE_HOST = re.compile(
    r"(https?://)?(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?(:\d{1,5})?"
)

# No user and password, no query, no fragment, and nothing that a parser would silently repair.
_ADDRESS = re.compile(r"https?://[^/?#@\\ ]+(/[^?#\\ ]*)?", re.IGNORECASE)


class SettingsRefused(Exception):
    """A setting or flag is invalid; `str()` is one line that never shows its value."""


def one_line(text: str) -> str:
    """Make a user's text one line that a terminal can show: what cannot be printed becomes a question mark."""
    return "".join(character if character.isprintable() else "?" for character in text)


@dataclass(frozen=True)
class Settings:
    """How to reach the API, how many seconds a lookup may take, what to log, who may call, and where pictures are."""

    base_url: str = DEFAULT_BASE_URL
    token: str | None = field(default=None, repr=False)
    timeout: float = 20.0
    log_level: LogLevel = "WARNING"
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    image_hosts: tuple[str, ...] = ()
    save_dir: Path | None = None

    @property
    def silence_timeout(self) -> float:
        """Seconds without a byte after which an attempt is given up, early enough for another."""
        return self.timeout / 2

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read and check the settings; an empty or blank one counts as not set.

        Raises:
            SettingsRefused: If any is invalid; it names each of them.
        """
        settings, refused = read_settings(environment)
        if refused:
            raise SettingsRefused(" ".join(refused.values()))
        return settings


def read_settings(environment: Mapping[str, str] = os.environ) -> tuple[Settings, dict[str, str]]:
    """Read the settings one by one, so that an invalid one does not hide the others.

    Returns:
        The settings, with defaults in place of invalid ones; and for each invalid variable a sentence that names it.
    """
    values: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for variable, (setting, parse) in _VARIABLES.items():
        given = environment.get(variable, "").strip()
        try:
            if given:
                values[setting] = parse(given)
        except SettingsRefused as problem:
            refused[variable] = f"{variable} {problem}"
    return Settings(**values), refused


def bearer_token(text: str) -> str | None:
    """Return the token in `text`, which may have "Bearer " before it; None if it cannot be a token."""
    token = re.sub(r"^bearer(\s+|$)", "", text.strip(), flags=re.IGNORECASE)
    return token if _BEARER.fullmatch(token) else None


def allowed_host(given: str) -> str:
    """Check a host name under which clients may call this server: `name` for any port, or `name:port`.

    Raises:
        SettingsRefused: If it is not a host name.
    """
    host = given.strip().lower()
    if not re.fullmatch(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", host):
        raise SettingsRefused("must be a host name such as mcp.example.com, optionally with a port.")
    return host


def allowed_origin(given: str) -> str:
    """Check the origin of web pages that may use this server.

    Raises:
        SettingsRefused: If it is not an origin.
    """
    origin = given.strip().lower()
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[a-z0-9._:\[\]-]+|file://|null", origin):
        raise SettingsRefused("must be an origin such as https://app.example.com, without a path, or null.")
    return origin


def root_path(given: str) -> str:
    """Check the prefix that a proxy puts before the paths of this server.

    Raises:
        SettingsRefused: If it is not a path.
    """
    path = given.strip().rstrip("/")
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", path):
        raise SettingsRefused("must be a path such as /headshots.")
    return path


def folder(given: str) -> Path:
    """Check the name of a folder, which need not exist yet, and return its full path.

    Raises:
        SettingsRefused: If it cannot be one.
    """
    path = _expanded(given).absolute()
    # Where looking is forbidden or a name is too long, `os.path` finds nothing and saving says why; Path raises.
    is_something_else = os.path.exists(path) and not os.path.isdir(path)  # noqa: PTH110, PTH112
    if is_something_else or not given.strip():
        raise SettingsRefused("must be a folder.")
    return path


def _listed(parse: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    """Parse a comma-separated list."""
    return lambda given: tuple(parse(part) for part in given.split(",") if part.strip())


def _token(given: str) -> str | None:
    if _UNFILLED.fullmatch(given):
        return None
    token = bearer_token(given)
    if token is None:
        raise SettingsRefused(
            "is not a token: a token contains only letters, digits and -._~+/=. "
            "Copy it again, without quotes, spaces or a placeholder such as ${...}."
        )
    return token


def _base_url(given: str) -> str:
    from pydantic import HttpUrl, TypeAdapter  # noqa: PLC0415 -- slow to load, and most set no base URL

    try:
        TypeAdapter(HttpUrl).validate_python(given)
        usable = _ADDRESS.fullmatch(given) and given.isascii() and given.isprintable()
        usable = usable and urlsplit(given).port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsRefused(
            "is not a valid URL: use http:// or https://, a host, and optionally a port and a path, "
            f"as in {DEFAULT_BASE_URL} (the default)."
        )
    return given.rstrip("/")


def _timeout(given: str) -> float:
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 300:
        raise SettingsRefused("must be a number of seconds from 1 to 300.")
    return seconds


def _log_level(given: str) -> LogLevel:
    level = given.upper()
    if level not in get_args(LogLevel):
        raise SettingsRefused(f"must be one of {', '.join(get_args(LogLevel))}.")
    return cast("LogLevel", level)


def _image_hosts(given: str) -> tuple[str, ...]:
    hosts = [host.removesuffix("/") for host in given.lower().replace(",", " ").split()]
    if any(len(host) > 261 or not _IMAGE_HOST.fullmatch(host) for host in hosts):
        raise SettingsRefused(
            "must be comma-separated hosts without a path, such as "
            "pictures.example.com or https://pictures.example.com:8443."
        )
    return tuple(dict.fromkeys(host if "://" in host else f"https://{host}" for host in hosts))


def _save_dir(given: str) -> Path | None:
    if _UNFILLED.fullmatch(given):
        return None
    path = _expanded(given)
    if not path.is_absolute() or not _is_text(given):
        raise SettingsRefused("must be the full path of a folder.")
    return path


def _expanded(given: str) -> Path:
    """Replace `~` by the user's home, which only a shell would have done before."""
    try:
        return Path(given).expanduser()
    except RuntimeError:  # the home of an unknown user
        return Path(given)


def _is_text(given: str) -> bool:
    """Whether text from the system can be sent as UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in given)


_VARIABLES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "ACEDATACLOUD_API_TOKEN": ("token", _token),
    "ACEDATACLOUD_API_BASE_URL": ("base_url", _base_url),
    "HEADSHOTS_TIMEOUT": ("timeout", _timeout),
    "HEADSHOTS_LOG_LEVEL": ("log_level", _log_level),
    "HEADSHOTS_ALLOWED_HOSTS": ("allowed_hosts", _listed(allowed_host)),
    "HEADSHOTS_ALLOWED_ORIGINS": ("allowed_origins", _listed(allowed_origin)),
    "HEADSHOTS_IMAGE_HOSTS": ("image_hosts", _image_hosts),
    "HEADSHOTS_SAVE_DIR": ("save_dir", _save_dir),
}
