"""Picture links as a host can open them: mended where that is all they need, else left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LINKS = 100
# No browser takes more.
_LONGEST = 2048
# What a URL may be made of, and "%", for what is encoded already stays as it is (RFC 3986, section 2).
_ALLOWED = "%:/?#[]@!$&'()*+,;=-._~"
_AUTHORITY = re.compile(r"[\w.~:\[\]@%!$&'()*+,;=-]+", re.ASCII)


class Links(NamedTuple):
    """Links that can be used, in the order they came, each once; and how many others there were."""

    usable: list[str]
    left_out: int


def usable_links(links: Iterable[str]) -> Links:
    """Mend links where that makes them usable, and leave the others out."""
    usable: dict[str, None] = {}
    left_out = 0
    for link in dict.fromkeys(links):
        if len(usable) < MAX_LINKS and (url := _mended(link.strip())):
            usable[url] = None
        else:
            left_out += 1
    return Links(list(usable), left_out)


def _mended(link: str) -> str | None:
    """Percent-encode what must not stand in a URL; None for what is no http(s) link even so."""
    if len(link) > _LONGEST or not link.isprintable():
        return None
    try:
        parts = urlsplit(link)
        authority = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode()
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or not _AUTHORITY.fullmatch(authority):
        return None
    url = quote(link.replace(parts.netloc, authority, 1), safe=_ALLOWED)
    return url if len(url) <= _LONGEST else None
