"""Fetches pictures: only from allowed hosts, with limits on size and time, and nothing that is not a picture."""

from __future__ import annotations

import os
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

import anyio

from headshots_mcp import NAME, __version__
from headshots_mcp.api.errors import ClientNotUsable, LookupFailed
from headshots_mcp.settings import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from httpx2 import Response

# Where the API's documentation and its answers have pictures.
VENDOR_IMAGE_HOSTS = (
    "https://platform.cdn.acedata.cloud",
    "https://cdn.acedata.cloud",
    "https://cdn.zhishuyun.com",
    "https://static.aipedias.com",
)

MAX_PICTURE_BYTES = 25 * 1024 * 1024
MAX_REDIRECTS = 3
FETCH_SECONDS = 60.0
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 10.0
_HEAD_BYTES = 32
_PART_BYTES = 65_536
TOO_LATE = "The picture did not arrive in time. Try again later."
UNREACHABLE = "The picture's site could not be reached, or the connection broke. Try again later."
NOT_ALLOWED = "Pictures from this site are not fetched. Allow its host in HEADSHOTS_IMAGE_HOSTS."
NOT_ENCRYPTED = "Pictures are fetched over https only."
NOT_A_PICTURE = "The picture's site sent something that is not a PNG, JPEG, WebP, GIF or AVIF picture."
_DEFAULT_PORTS = {"https": 443, "http": 80}

_HEADERS = {"accept": "image/*", "accept-encoding": "identity", "user-agent": f"{NAME}/{__version__}"}


class PictureType(NamedTuple):
    """A type of picture: its media type, and the extension of its files."""

    mime: str
    extension: str


_PNG = PictureType("image/png", "png")
_JPEG = PictureType("image/jpeg", "jpg")
_GIF = PictureType("image/gif", "gif")
_WEBP = PictureType("image/webp", "webp")
_AVIF = PictureType("image/avif", "avif")

_BEGINNINGS = {b"\x89PNG\r\n\x1a\n": _PNG, b"\xff\xd8\xff": _JPEG, b"GIF87a": _GIF, b"GIF89a": _GIF}


def picture_type(head: bytes) -> PictureType | None:
    """Return a picture's type by its first 32 bytes; None if they are not a picture's."""
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _WEBP
    if head[4:8] == b"ftyp" and {b"avif", b"avis"} & {head[at : at + 4] for at in range(8, _HEAD_BYTES, 4)}:
        return _AVIF
    return None


class PictureFailed(Exception):
    """A picture that could not be fetched or saved; `str()` is a sentence that says why, without its URL."""


class AllowedHosts:
    """The origins pictures may come from, such as `https://cdn.example.com` or `https://*.example.com:8443`."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._patterns = [urlsplit(origin) for origin in (*VENDOR_IMAGE_HOSTS, *origins)]

    def refusal(self, url: str) -> str | None:
        """Say why a picture may not be fetched from there; None if it may."""
        try:
            parts = urlsplit(url)
            if not _is_safe(parts):
                return NOT_ENCRYPTED
            return None if any(_matches(parts, pattern) for pattern in self._patterns) else NOT_ALLOWED
        except ValueError:  # no address, or a port that is not a number
            return NOT_ALLOWED


def _is_safe(parts: SplitResult) -> bool:
    """Whether it is over https, or over http from this machine itself."""
    loopback = parts.hostname in {name.strip("[]") for name in LOOPBACK}
    return parts.scheme == "https" or (parts.scheme == "http" and loopback)


def _matches(parts: SplitResult, pattern: SplitResult) -> bool:
    host, allowed = parts.hostname or "", pattern.hostname or ""
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    allowed_port = pattern.port or _DEFAULT_PORTS.get(pattern.scheme)
    same_host = host == allowed or (allowed.startswith("*.") and host.endswith(allowed[1:]))
    return parts.scheme == pattern.scheme and port == allowed_port and same_host


class Pictures:
    """Fetches pictures, each over its own connection, without a token and without cookies."""

    def __init__(self, allowed: AllowedHosts, *, silence_timeout: float = SILENCE_SECONDS) -> None:
        """Fetch from allowed hosts only.

        Args:
            allowed: Where pictures may come from.
            silence_timeout: Seconds without a byte after which a picture is given up.
        """
        self._allowed = allowed
        self._silence_timeout = silence_timeout

    async def fetch(self, url: str, into: BinaryIO, *, limit: int = MAX_PICTURE_BYTES) -> PictureType:
        """Write a picture of at most `limit` bytes into a file, within a minute, and return its type.

        Raises:
            PictureFailed: If it may not or cannot be fetched, or is not a picture; part of it may have been written.
        """
        import httpx2  # noqa: PLC0415 -- listing the tools should not wait for it

        try:
            with anyio.fail_after(FETCH_SECONDS):
                async with self._follow(url) as response:
                    return await _write(response, into, limit)
        except (TimeoutError, httpx2.TimeoutException):
            raise PictureFailed(TOO_LATE) from None
        except ClientNotUsable as error:
            raise PictureFailed(str(error)) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, LookupFailed):
            raise PictureFailed(UNREACHABLE) from None

    @asynccontextmanager
    async def _follow(self, url: str) -> AsyncIterator[Response]:
        """Request a picture, and follow redirects within the allowed hosts."""
        for _ in range(1 + MAX_REDIRECTS):
            if refusal := self._allowed.refusal(url):
                raise PictureFailed(refusal)
            async with self._ask(url) as response:
                if not response.has_redirect_location:
                    _check(response)
                    yield response
                    return
                url = _joined(url, response.headers["location"])
        raise PictureFailed("The picture's site redirects too often.")

    @asynccontextmanager
    async def _ask(self, url: str) -> AsyncIterator[Response]:
        import httpx2  # noqa: PLC0415 -- as above

        from headshots_mcp.api.route import find_route  # noqa: PLC0415
        from headshots_mcp.api.transport import Connection  # noqa: PLC0415

        timeout = httpx2.Timeout(self._silence_timeout, connect=CONNECT_SECONDS, pool=None)
        request = httpx2.Request("GET", url, headers=_HEADERS, extensions={"timeout": timeout.as_dict()})
        # Reading certificates is slow.
        route = await anyio.to_thread.run_sync(find_route, url, os.environ)
        async with (
            aclosing(Connection(route)) as connection,
            aclosing(await connection.handle_async_request(request)) as response,
        ):
            yield response


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise PictureFailed(NOT_ALLOWED) from None


def _check(response: Response) -> None:
    if response.status_code != 200:
        raise PictureFailed(f"The picture's site answered with HTTP {response.status_code}.")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise PictureFailed(NOT_A_PICTURE)


async def _write(response: Response, into: BinaryIO, limit: int) -> PictureType:
    """Write the body, at most `limit` bytes of it, once its beginning is that of a picture."""
    kind, received = None, 0
    _check_size(int(response.headers.get("content-length", 0)), limit)
    async for part in response.aiter_raw(chunk_size=_PART_BYTES):
        kind = kind or picture_type(part)
        received += len(part)
        if kind is None:
            break
        _check_size(received, limit)
        into.write(part)
    if kind is None:
        raise PictureFailed(NOT_A_PICTURE)
    return kind


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise PictureFailed(f"The picture is larger than {limit // 1024**2} MiB.")
