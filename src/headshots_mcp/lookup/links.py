"""Picture links that a host can open: repaired where that is possible, else left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LINKS = 100
# Some browsers accept no more.
_MAX_LENGTH = 2048
# What a URL may consist of (RFC 3986, section 2), and "%", so that what is already encoded stays as it is.
_ALLOWED = "%:/?#[]@!$&'()*+,;=-._~"
_AUTHORITY = re.compile(r"[\w.~:\[\]@%!$&'()*+,;=-]+", re.ASCII)


class Links(NamedTuple):
    """The usable links, each once and in their order, and how many were left out."""

    usable: list[str]
    left_out: int


def usable_links(links: Iterable[str]) -> Links:
    """Repair links where that makes them usable, and leave the others out."""
    usable: dict[str, None] = {}
    left_out = 0
    for link in dict.fromkeys(links):
        if len(usable) < MAX_LINKS and (url := _repaired(link.strip())):
            usable[url] = None
        else:
            left_out += 1
    return Links(list(usable), left_out)


def _repaired(link: str) -> str | None:
    """Percent-encode what a URL must not contain; None if even that does not make an http(s) link."""
    if len(link) > _MAX_LENGTH or not link.isprintable():
        return None
    try:
        parts = urlsplit(link)
        authority = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or not _AUTHORITY.fullmatch(authority):
        return None
    url = quote(link.replace(parts.netloc, authority, 1), safe=_ALLOWED)
    return url if len(url) <= _MAX_LENGTH else None
