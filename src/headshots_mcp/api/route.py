"""The route from this machine to the API: which proxy it goes through, and which certificates are trusted."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.request import getproxies

import httpcore2
import httpx2

from headshots_mcp.api.errors import ClientNotUsable
from headshots_mcp.api.proxies import proxy_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headshots_mcp.api.proxies import ProxySetting

MAX_PORT = 65_535


class Route(NamedTuple):
    """What connections are opened with; `tls` is None if neither the API nor the proxy is reached over TLS."""

    proxy: httpcore2.Proxy | None
    tls: ssl.SSLContext | None


def find_route(url: str, environment: Mapping[str, str]) -> Route:
    """Find the route to a URL; variables that it does not need are not looked at.

    Reading certificates is slow: call this in a thread.

    Raises:
        ClientNotUsable: If a variable that it needs is invalid.
    """
    setting = proxy_for(url, getproxies())
    proxy = _proxy(setting) if setting else None
    if not url.lower().startswith("https:") and not (proxy and proxy.url.scheme == b"https"):
        return Route(proxy, None)
    tls = _tls(environment)
    if proxy:
        proxy.ssl_context = tls
    return Route(proxy, tls)


def trusted_certificates(environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the file or the directory of certificates that the environment names; both None for the system's own."""
    file, directory = environment.get("SSL_CERT_FILE") or None, environment.get("SSL_CERT_DIR") or None
    return file, None if file else directory


def _proxy(setting: ProxySetting) -> httpcore2.Proxy:
    try:
        read = httpx2.Proxy(setting.url)
        usable = bool(read.url.host) and (read.url.port is None or 0 < read.url.port <= MAX_PORT)
    except (ValueError, httpx2.InvalidURL):
        usable = False
    if not usable:
        # Raised out here because httpx2's error quotes the URL, which may hold a password.
        raise ClientNotUsable(ClientNotUsable.message_about_proxy.format(setting.variable))
    url = httpcore2.URL(scheme=read.url.raw_scheme, host=read.url.raw_host, port=read.url.port, target=b"/")
    return httpcore2.Proxy(url, auth=read.raw_auth)


def _tls(environment: Mapping[str, str]) -> ssl.SSLContext:
    """Make the TLS context; unlike Python's default one, it ignores SSLKEYLOGFILE."""
    file, directory = trusted_certificates(environment)
    if not file and not directory:
        return httpx2.create_ssl_context(trust_env=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(file, directory)
        # OpenSSL accepts paths that are not directories, and then trusts no certificate.
        readable = file or any(Path(path).is_dir() for path in (directory or "").split(os.pathsep) if path)
    except OSError:
        readable = False
    if not readable:
        variable = "SSL_CERT_FILE" if file else "SSL_CERT_DIR"
        raise ClientNotUsable(ClientNotUsable.message_about_certificates.format(variable))
    return context
