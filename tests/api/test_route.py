"""The environment: whatever a request does not need does not stop it, and what it needs is named if it cannot work."""

from __future__ import annotations

import os
import shutil
import traceback
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from headshots_mcp.api.client import HeadshotsClient
from headshots_mcp.api.errors import CertificateRefused, ClientNotUsable, NoSuchApi, Unreachable
from headshots_mcp.api.requests import RetrieveTask
from headshots_mcp.sandbox.app import TOKEN, UNKNOWN, Sandbox
from headshots_mcp.sandbox.outcomes import throwaway_certificate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from anyio.abc import ByteReceiveStream, ByteSendStream, SocketStream

    from tests.conftest import Served

NOBODY = "127.0.0.1:9"
VARIABLES = ("all_proxy", "https_proxy", "http_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir", "sslkeylogfile")


@pytest.fixture(autouse=True)
def _neutral(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "certificate.pem"
    path.write_bytes(throwaway_certificate(days=1))
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[str]:
    with Sandbox().serve(certificate) as base_url:
        yield base_url


async def look_up(base_url: str) -> str | None:
    async with HeadshotsClient(base_url, attempts=1) as client:
        record = await client.retrieve(RetrieveTask(id=UNKNOWN), TOKEN)
    return record.id if record else None


@pytest.mark.parametrize(
    "environment",
    [
        {"no_proxy": "[::1]"},
        {"no_proxy": "fd07::/64"},
        {"no_proxy": "例え.jp, münchen.example"},
        {"no_proxy": "[, :, ::, *., //, http://x, \ufeff"},
        {"all_proxy": f"socks5://{NOBODY}"},
        {"all_proxy": "gopher://nobody"},
        {"http_proxy": "http://"},
        {"https_proxy": "http://user:s3cret/x@nobody"},
        {"all_proxy": f"socks4://{NOBODY}", "no_proxy": "[::1]"},
        {"SSL_CERT_FILE": "/nowhere/at/all.pem"},
        {"SSL_CERT_DIR": "/nowhere/at/all"},
        {"SSLKEYLOGFILE": "/nowhere/at/all.log"},
    ],
    ids=str,
)
async def test_nothing_in_the_environment_matters_for_an_api_on_this_machine(
    served: Served, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert await look_up(served.base_url) == UNKNOWN
    assert await look_up(served.base_url.replace("127.0.0.1", "localhost")) == UNKNOWN


@pytest.mark.parametrize(
    "environment",
    [
        {"SSLKEYLOGFILE": "/nowhere/at/all.log"},
        {"SSL_CERT_DIR": "/nowhere/at/all"},
        {"all_proxy": "gopher://nobody", "no_proxy": "例え.jp"},
    ],
    ids=str,
)
async def test_nor_for_one_with_tls_beyond_its_certificates(
    secure: str, certificate: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in ({"SSL_CERT_FILE": str(certificate)} | environment).items():
        monkeypatch.setenv(name, value)

    assert await look_up(secure) == UNKNOWN


@pytest.fixture
def directory(certificate: Path) -> Path:
    """A directory of certificates as OpenSSL wants it: found by the hash of the subject, which is always the same."""
    shutil.copy(certificate, certificate.with_name("2c8d294a.0"))
    return certificate.parent


@pytest.mark.parametrize("others", [(), ("/nowhere/at/all",)], ids=["alone", "in a list"])
async def test_certificates_may_be_in_a_directory(
    secure: str, directory: Path, monkeypatch: pytest.MonkeyPatch, others: tuple[str, ...]
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join([*others, str(directory)]))

    assert await look_up(secure) == UNKNOWN


async def test_without_a_variable_the_certificates_of_the_system_count(secure: str) -> None:
    with pytest.raises(CertificateRefused):
        await look_up(secure)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"HTTPS_PROXY": "gopher://s3cret"}, "HTTPS_PROXY"),
        ({"https_proxy": "http://user:s3cret/x@nobody"}, "HTTPS_PROXY"),
        ({"https_proxy": "http://"}, "HTTPS_PROXY"),
        ({"https_proxy": "http://nobody:s3cret"}, "HTTPS_PROXY"),
        ({"https_proxy": "http://nobody:99999"}, "HTTPS_PROXY"),
        ({"https_proxy": "http://nobody:0"}, "HTTPS_PROXY"),
        ({"ALL_PROXY": "socks4://s3cret"}, "ALL_PROXY"),
        ({"SSL_CERT_FILE": "/nowhere/s3cret.pem"}, "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": __file__}, "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": str(Path(__file__).parent), "SSLKEYLOGFILE": "/nowhere/at/all"}, "SSL_CERT_FILE"),
        ({"SSL_CERT_DIR": "/nowhere/s3cret"}, "SSL_CERT_DIR"),
        ({"SSL_CERT_DIR": __file__}, "SSL_CERT_DIR"),
    ],
    ids=str,
)
async def test_a_variable_that_matters_and_cannot_work_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, environment: dict[str, str], named: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ClientNotUsable) as refused:
        await look_up("https://headshots.invalid")

    assert str(refused.value).split()[0] == named
    assert "s3cret" not in "".join(traceback.format_exception(refused.value)) + caplog.text


@asynccontextmanager
async def proxy(*steps: bytes, behind: str) -> AsyncIterator[str]:
    """A proxy on loopback, which answers the first messages as told, then passes bytes on; yields its address."""

    async def carry(source: ByteReceiveStream, sink: ByteSendStream) -> None:
        async for part in source:
            await sink.send(part)

    async def serve(client: SocketStream) -> None:
        async with client:
            for step in steps:
                heard.append(await client.receive())
                await client.send(step)
            port = int(behind.rpartition(":")[2])
            async with await anyio.connect_tcp("127.0.0.1", port) as api, anyio.create_task_group() as both:
                both.start_soon(carry, client, api)
                await carry(api, client)
                both.cancel_scope.cancel()

    heard: list[bytes] = []
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield f"127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"  # noqa: S610 -- not Django's
        group.cancel_scope.cancel()
    assert len(heard) >= len(steps), heard


# Version 5: no authentication, then a connection; or a user is asked for, and welcome.
SOCKS = (b"\x05\x00", b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
SIGNED_IN = (b"\x05\x02", b"\x01\x00")
CONNECTED = b"HTTP/1.1 200 Connected\r\n\r\n"


@pytest.mark.parametrize(
    ("url", "steps"),
    [
        ("socks5://{}", SOCKS),
        ("socks5h://{}", SOCKS),
        ("socks://{}", SOCKS),
        ("socks5://user:password@{}", (*SIGNED_IN, SOCKS[1])),
    ],
)
async def test_a_socks_proxy_works(
    served: Served, monkeypatch: pytest.MonkeyPatch, url: str, steps: tuple[bytes, ...]
) -> None:
    async with proxy(*steps, behind=served.base_url) as address:
        monkeypatch.setenv("all_proxy", url.format(address))

        assert await look_up("http://headshots.invalid") == UNKNOWN


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((b"\x05\xff",), id="no way to sign in"),
        pytest.param((b"\x05\x02", b"\x01\x01"), id="a wrong password"),
        pytest.param((*SIGNED_IN, b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"), id="nobody behind it"),
        pytest.param((b"\x05",), id="half an answer"),
        pytest.param((*SIGNED_IN, b"\x05\x00\x00\x77"), id="an unknown kind of address"),
        pytest.param((b"HTTP/1.1 400 Bad Request\r\n\r\n",), id="another protocol"),
    ],
)
async def test_a_socks_proxy_that_does_not_help_is_no_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch, steps: tuple[bytes, ...]
) -> None:
    async with proxy(*steps, behind=served.base_url) as address:
        monkeypatch.setenv("all_proxy", f"socks5://user:password@{address}")
        with pytest.raises(Unreachable):
            await look_up("http://headshots.invalid")


async def test_the_proxy_for_https_counts_more_than_that_for_all(
    secure: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("all_proxy", f"socks5://{NOBODY}")
    async with proxy(CONNECTED, behind=secure) as address:
        monkeypatch.setenv("https_proxy", f"http://{address}")

        # Whoever is behind it is not the one asked for.
        with pytest.raises(CertificateRefused):
            await look_up("https://headshots.invalid")


async def test_a_proxy_may_speak_tls_itself(secure: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("http_proxy", secure)

    # The sandbox is not a proxy, and says so in HTTP.
    with pytest.raises(NoSuchApi):
        await look_up("http://headshots.invalid/elsewhere")


async def test_what_no_proxy_covers_needs_no_proxy_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks4://nobody")
    monkeypatch.setenv("no_proxy", ".invalid")

    # A label of a DNS name has at most 63 letters, so no server is asked for this one.
    with pytest.raises(Unreachable):
        await look_up(f"https://{'a' * 64}.invalid")
