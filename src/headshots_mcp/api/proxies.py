"""Chooses the proxy for a URL from environment variables, which are read as curl reads them."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS = {"http": 80, "https": 443}


class ProxySetting(NamedTuple):
    """A proxy's URL, unchecked and perhaps with a password in it, and the variable it comes from."""

    url: str
    variable: str


def proxy_for(url: str, proxies: Mapping[str, str]) -> ProxySetting | None:
    """Choose the proxy for requests to a URL; None if they go there directly.

    This machine itself is always reached without a proxy.

    Args:
        url: The URL to request.
        proxies: As from `urllib.request.getproxies`: a proxy's URL by scheme, "all" for schemes without their own, and
            "no" for the hosts reached without a proxy.
    """
    target = urlsplit(url)
    # With or without the root's dot, a name means the same host.
    host, port = (target.hostname or "").removesuffix("."), target.port or _PORTS[target.scheme]
    variable = next((name for name in (target.scheme, "all") if proxies.get(name)), None)
    if variable is None or _is_loopback(host):
        return None
    if any(_covers(entry, host, port) for entry in re.split(r"[\s,]+", proxies.get("no", ""))):
        return None
    return ProxySetting(_with_scheme(proxies[variable]), f"{variable.upper()}_PROXY")


def _with_scheme(proxy: str) -> str:
    """Complete what people write: without a scheme it is an HTTP proxy, and `socks` means version 5."""
    scheme, separator, rest = proxy.partition("://")
    if not separator:
        return f"http://{proxy}"
    return f"socks5://{rest}" if scheme.lower() == "socks" else proxy


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address else f".{host}".endswith(".localhost")


def _covers(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of NO_PROXY covers a host and port; one that cannot be read covers none.

    An entry is `*`, a name (which covers its subdomains), an address or a network, optionally with a port.
    """
    if entry == "*":
        return True
    network = _network(entry)
    if network is None and ":" in entry:
        entry, _, given = entry.rpartition(":")
        if given != str(port):
            return False
        network = _network(entry)
    if address := _address(host):
        return network is not None and address in network
    name = entry.removeprefix("*").strip(".").lower()
    return bool(name) and f".{host}".endswith(f".{name}")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with suppress(ValueError):
        return ipaddress.ip_address(host)
    return None


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Read an address or a network; an IPv6 address may have brackets."""
    with suppress(ValueError):
        return ipaddress.ip_network(re.sub(r"^\[([^]]*)\](?=/|$)", r"\1", entry), strict=False)
    return None
