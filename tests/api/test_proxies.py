"""Which proxy a request goes through, by the environment's rules."""

from __future__ import annotations

import pytest

from headshots_mcp.api.proxies import ProxySetting, proxy_for

API = "https://api.example.com"
PROXY = "http://proxy.example.net:3128"


@pytest.mark.parametrize(
    ("url", "proxies", "chosen"),
    [
        pytest.param(API, {}, None, id="none is set"),
        pytest.param(API, {"https": PROXY}, (PROXY, "HTTPS_PROXY"), id="by scheme"),
        pytest.param("http://api.example.com", {"http": PROXY}, (PROXY, "HTTP_PROXY"), id="by the other scheme"),
        pytest.param(API, {"http": PROXY}, None, id="only for the other scheme"),
        pytest.param(API, {"all": PROXY}, (PROXY, "ALL_PROXY"), id="for any scheme"),
        pytest.param(API, {"https": PROXY, "all": "socks5://x"}, (PROXY, "HTTPS_PROXY"), id="the scheme's own first"),
        pytest.param(API, {"https": "", "all": PROXY}, (PROXY, "ALL_PROXY"), id="empty is not set"),
        pytest.param(API, {"https": "proxy:3128"}, ("http://proxy:3128", "HTTPS_PROXY"), id="without a scheme"),
        pytest.param(API, {"all": "socks://p:1080"}, ("socks5://p:1080", "ALL_PROXY"), id="socks means version 5"),
        pytest.param("http://localhost:8000", {"http": PROXY}, None, id="localhost"),
        pytest.param("http://api.localhost", {"http": PROXY}, None, id="below localhost"),
        pytest.param("http://localhost.", {"http": PROXY}, None, id="localhost with the root's dot"),
        pytest.param("https://127.0.0.5", {"all": PROXY}, None, id="loopback"),
        pytest.param("https://[::1]:8443", {"all": PROXY}, None, id="loopback in IPv6"),
    ],
)
def test_the_proxy_is_chosen_by_scheme(url: str, proxies: dict[str, str], chosen: tuple[str, str] | None) -> None:
    assert proxy_for(url, proxies) == (chosen and ProxySetting(*chosen))


@pytest.mark.parametrize(
    ("url", "no_proxy"),
    [
        (API, "*"),
        (API, "api.example.com"),
        (API, "API.Example.Com"),
        (API, "example.com"),
        (API, ".example.com"),
        (API, "*.example.com"),
        (API, "api.example.com."),
        ("https://api.example.com.", "api.example.com"),
        ("https://api.example.com.", ".example.com"),
        (API, "other.example.com, example.com"),
        (API, "other.example.com example.com"),
        (API, "api.example.com:443"),
        ("https://api.example.com:8443", "example.com:8443"),
        ("http://10.1.2.3", "10.1.2.3"),
        ("http://10.1.2.3", "10.1.2.3:80"),
        ("http://10.1.2.3", "10.0.0.0/8"),
        ("http://10.1.2.3", "10.1.0.1/16"),
        ("https://[fd07::5]", "fd07::5"),
        ("https://[fd07::5]", "[fd07::5]"),
        ("https://[fd07::5]", "FD07:0::5"),
        ("https://[fd07::5]", "[fd07::5]:443"),
        ("https://[fd07::5]", "fd07::/64"),
        ("https://[fd07::5]", "[fd07::]/64"),
    ],
)
def test_what_no_proxy_covers_is_reached_directly(url: str, no_proxy: str) -> None:
    assert proxy_for(url, {"all": PROXY, "no": no_proxy}) is None


@pytest.mark.parametrize("url", [API, "http://10.1.2.3", "https://[fd07::5]"])
@pytest.mark.parametrize(
    "no_proxy",
    [
        "",
        " , ,",
        ".",
        "*.",
        ":",
        ":443",
        "ample.com",
        "api.example.com:8443",
        "https://api.example.com",
        "api.example.com/path",
        "1.2.3",
        "2.3",
        "10.1.2.3:8080",
        "10.0.0.0/99",
        "10.9.0.0/16",
        "[::1]",
        "::1",
        "[fd07::5",
        "[fd07::5]:8443",
        "fd07::/999",
        "fe80::1%eth0",
        "münchen.example, 例え.jp",
        "\x00",
        "[",
        "host:port",
        "a:b:c",
    ],
)
def test_what_no_proxy_does_not_cover_or_cannot_say_changes_nothing(url: str, no_proxy: str) -> None:
    assert proxy_for(url, {"all": PROXY, "no": no_proxy}) == ProxySetting(PROXY, "ALL_PROXY")
