"""Pictures from a site that lies in every way: what is fetched, what is refused, and in which words."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import anyio
import pytest

from headshots_mcp.lookup.pictures import AllowedHosts, PictureFailed, Pictures, picture_type
from tests.lookup.picture_site import HEADS, MEBIBYTE, PNG

if TYPE_CHECKING:
    from tests.lookup.picture_site import PictureSite


async def fetch(site: PictureSite, path: str, *, limit: int = 25 * 1024**2) -> tuple[str, bytes]:
    into = BytesIO()
    kind = await Pictures(AllowedHosts([site.origin])).fetch(site.origin + path, into, limit=limit)
    return kind.mime, into.getvalue()


@pytest.mark.parametrize(
    ("name", "mime"),
    [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("gif", "image/gif"),
        ("webp", "image/webp"),
        ("avif", "image/avif"),
        ("avif-by-compatible-brand", "image/avif"),
    ],
)
async def test_a_picture_is_known_by_its_first_bytes_whatever_its_site_says(
    site: PictureSite, name: str, mime: str
) -> None:
    assert await fetch(site, f"/{name}.png") == (mime, HEADS[name])


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/page", "The picture's site sent something that is not a PNG, JPEG, WebP, GIF or AVIF picture."),
        ("/nothing", "The picture's site sent something that is not a PNG, JPEG, WebP, GIF or AVIF picture."),
        ("/packed", "The picture's site sent something that is not a PNG, JPEG, WebP, GIF or AVIF picture."),
        ("/not-found.png", "The picture's site answered with HTTP 404."),
        ("/cut-off", "The picture's site could not be reached, or the connection broke. Try again later."),
        ("/no-address", "Pictures from this site are not fetched. Allow its host in HEADSHOTS_IMAGE_HOSTS."),
        ("/hop/3", "The picture's site redirects too often."),
        ("/to/http://localhost:9/png", "Pictures from this site are not fetched."),
        ("/to/http://127.0.0.1:9/png", "Pictures from this site are not fetched."),
        ("/to/http://192.0.2.1/png", "Pictures are fetched over https only."),
        ("/to/https://example.com/png", "Pictures from this site are not fetched."),
        ("/to/ftp://127.0.0.1/png", "Pictures are fetched over https only."),
        ("/to/file:///etc/passwd", "Pictures are fetched over https only."),
    ],
)
async def test_what_is_not_a_picture_from_there_is_refused_in_words_without_its_address(
    site: PictureSite, path: str, reason: str
) -> None:
    with pytest.raises(PictureFailed) as refused:
        await fetch(site, path)

    assert str(refused.value).startswith(reason)
    assert "127.0.0.1" not in str(refused.value)


async def test_two_redirects_within_the_allowed_hosts_are_followed(site: PictureSite) -> None:
    assert await fetch(site, "/hop/2") == ("image/png", PNG)


async def test_a_picture_without_end_is_given_up_at_its_limit(site: PictureSite) -> None:
    with pytest.raises(PictureFailed, match=r"The picture is larger than 2 MiB\."):
        await fetch(site, "/endless", limit=2 * len(MEBIBYTE))


async def test_a_picture_that_is_said_to_be_too_large_is_given_up_at_once(site: PictureSite) -> None:
    with anyio.fail_after(5), pytest.raises(PictureFailed, match=r"The picture is larger than 25 MiB\."):
        await fetch(site, "/announced")


async def test_a_site_that_falls_silent_is_given_up_in_time(site: PictureSite) -> None:
    pictures = Pictures(AllowedHosts([site.origin]), silence_timeout=0.2)
    with anyio.fail_after(5), pytest.raises(PictureFailed, match="did not arrive in time"):
        await pictures.fetch(f"{site.origin}/silent", BytesIO())


async def test_a_setting_of_the_way_there_that_cannot_work_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/certificates.pem")
    pictures = Pictures(AllowedHosts(["https://127.0.0.1:9"]))
    with pytest.raises(PictureFailed, match="SSL_CERT_FILE"):
        await pictures.fetch("https://127.0.0.1:9/a.png", BytesIO())


async def test_neither_a_token_nor_a_cookie_is_sent(site: PictureSite) -> None:
    del site.asked[:]
    await fetch(site, "/hop/1")

    assert [path for path, _ in site.asked] == ["/hop/1", "/hop/0", "/png"]
    assert not [headers for _, headers in site.asked if {"authorization", "cookie"} & headers.keys()]


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://platform.cdn.acedata.cloud/a.png", True),
        ("https://platform.cdn.acedata.cloud:443/a.png", True),
        ("https://platform.cdn.acedata.cloud:8443/a.png", False),
        ("http://platform.cdn.acedata.cloud/a.png", False),
        ("https://platform.cdn.acedata.cloud.example/a.png", False),
        ("https://platform.cdn.acedata.cloud@example.org/a.png", False),
        ("https://user:pass@platform.cdn.acedata.cloud/a.png", True),
        ("https://acedata.cloud/a.png", False),
        ("https://a.pictures.example/a.png", True),
        ("https://pictures.example/a.png", False),
        ("https://evilpictures.example/a.png", False),
        ("http://intranet.example/a.png", False),
        ("http://127.0.0.1:4000/a.png", True),
        ("http://127.0.0.1:4001/a.png", False),
        ("http://[::1]:4000/a.png", True),
        ("https://[x/", False),
        ("https://platform.cdn.acedata.cloud:x/a.png", False),
        ("data:image/png;base64,x", False),
        ("", False),
    ],
)
def test_pictures_come_only_from_allowed_hosts(url: str, allowed: bool) -> None:
    hosts = ["https://*.pictures.example", "http://intranet.example", "http://127.0.0.1:4000", "http://[::1]:4000"]

    assert (AllowedHosts(hosts).refusal(url) is None) is allowed


@pytest.mark.parametrize(
    "head", [b"", b"\x89PNG", b"RIFF\0\0\0\0WAVE", b"\0\0\0\x1cftypheic\0\0\0\0mif1heic", b"<svg/>", b"%PDF-1.7", b"BM"]
)
def test_other_beginnings_are_not_those_of_a_picture(head: bytes) -> None:
    assert picture_type(head) is None
