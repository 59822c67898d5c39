"""Chooses the proxy for the API by the environment's variables, which are read as curl reads them."""

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
    """A proxy's URL, not yet checked and perhaps with a password in it, and the variable that says so."""

    url: str
    variable: str


def proxy_for(url: str, proxies: Mapping[str, str]) -> ProxySetting | None:
    """Choose the proxy for requests to a URL, None if they go straight there.

    What is on this machine is reached without a proxy, whatever the settings say.

    Args:
        url: Where the requests go.
        proxies: Proxies by scheme, "all" for any other scheme, and at "no" what is reached without one, as
            `urllib.request.getproxies` gives them.
    """
    target = urlsplit(url)
    host, port = target.hostname or "", target.port or _PORTS[target.scheme]
    variable = next((name for name in (target.scheme, "all") if proxies.get(name)), None)
    if variable is None or _is_loopback(host):
        return None
    if any(_covers(entry, host, port) for entry in re.split(r"[\s,]+", proxies.get("no", ""))):
        return None
    return ProxySetting(_with_scheme(proxies[variable]), f"{variable.upper()}_PROXY")


def _with_scheme(proxy: str) -> str:
    """Complete what people write: a proxy without a scheme speaks HTTP, and `socks` is version 5."""
    scheme, separator, rest = proxy.partition("://")
    if not separator:
        return f"http://{proxy}"
    return f"socks5://{rest}" if scheme.lower() == "socks" else proxy


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address else f".{host}".endswith(".localhost")


def _covers(entry: str, host: str, port: int) -> bool:
    """Tell whether an entry of NO_PROXY is about a host and port; one that cannot be read is about none.

    An entry is `*`, a name (with all names below it), an address or a network; a port may follow.
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
