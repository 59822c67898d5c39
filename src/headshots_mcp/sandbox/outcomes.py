"""Simulates every outcome of `headshots-mcp check` on this machine, so that each can be tried."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.responses import Response

OUTCOMES = {
    "good": "base URL, certificate and token work",
    "plain-http": "everything works, without TLS",
    "bad-setting": "a setting is invalid",
    "bad-proxy": "the proxy settings are invalid",
    "unknown-host": "the host name is not found",
    "refused": "nothing listens at the base URL",
    "proxy-refused": "nothing listens at the proxy's address",
    "reset": "the connection breaks",
    "silent": "no answer",
    "certificate": "the certificate is not trusted, as behind a proxy that inspects traffic",
    "expired": "the certificate has expired",
    "web-page": "a web page answers",
    "web-page-404": "a web page answers, with 'page not found'",
    "redirect": "the API answers with a redirect",
    "no-such-api": "the gateway has no such API",
    "no-token": "no token is set",
    "platform-token": "the token manages the account and cannot call an API",
    "token-lost": "the token does not arrive",
    "token-rejected": "the token is invalid or expired",
    "token-mismatched": "the token belongs to another service",
    "denied": "the token is not allowed to use the API",
    "disabled": "the token or its application is disabled",
    "used-up": "the quota or balance is used up",
    "content-refused": "content moderation refuses the request",
    "rate-limited": "too many requests",
    "bad-request": "the request is refused",
    "server-fault": "the API has an internal error",
    "gateway-fault": "a gateway in front of the API has an error",
}

# HTTP status and code of the API's answer.
_REFUSALS = {
    "no-such-api": (404, "no_api"),
    "token-lost": (401, "no_token"),
    "token-rejected": (401, "invalid_token"),
    "token-mismatched": (400, "token_mismatched"),
    "denied": (403, "not_allowed"),
    "disabled": (403, "disabled"),
    "used-up": (403, "used_up"),
    "content-refused": (403, "forbidden"),
    "rate-limited": (429, "too_many_requests"),
    "bad-request": (400, "bad_request"),
    "server-fault": (500, "api_error"),
}
# The sandbox's names for these.
_FAULTS = {
    "reset": "fault-reset",
    "silent": "fault-silent",
    "web-page": "fault-html",
    "web-page-404": "fault-html-404",
    "redirect": "fault-redirect",
    "gateway-fault": "fault-html-502",
}
_TOKEN = "sandbox-token-that-ends-in-3f9a"  # noqa: S105 -- the sandbox lets it in
# A label of a DNS name has at most 63 letters, so a query for 64 cannot leave this machine.
_UNKNOWN_HOST = f"https://{'a' * 64}.invalid"


@contextmanager
def simulate(outcome: str, task_id: str) -> Iterator[dict[str, str]]:
    """Arrange for a lookup of a task to have an outcome; yields the environment in which a check sees it."""
    from headshots_mcp.sandbox.app import Sandbox  # noqa: PLC0415 -- the names above are read at every start

    sandbox = Sandbox()
    if answer := _answer(outcome):
        sandbox.script(task_id, [answer])
    with TemporaryDirectory() as directory, _closed_port() as closed:
        certificate = None
        if outcome != "plain-http":
            certificate = Path(directory) / "throwaway.pem"
            certificate.write_bytes(throwaway_certificate(days=-1 if outcome == "expired" else 1))
        with sandbox.serve(certificate) as base_url:
            yield {
                "ACEDATACLOUD_API_BASE_URL": base_url,
                "ACEDATACLOUD_API_TOKEN": _TOKEN,
                "HEADSHOTS_TIMEOUT": "2",
                "SSL_CERT_FILE": str(certificate or ""),
                "SSL_CERT_DIR": "",
                "no_proxy": "*",
                **_changes(outcome, closed),
            }


def _answer(outcome: str) -> Response | None:
    """Return the API's answer, None for the usual one."""
    from headshots_mcp.sandbox.faults import error_answer, fault_answer  # noqa: PLC0415 -- as above

    if outcome in _REFUSALS:
        return error_answer(*_REFUSALS[outcome])
    return fault_answer(_FAULTS.get(outcome, ""), 0)


def _changes(outcome: str, closed: int) -> dict[str, str]:
    """Return the settings that differ from those with which everything works."""
    changes = {
        "bad-setting": {"ACEDATACLOUD_API_TOKEN": "${ACEDATACLOUD_API_TOKEN}"},
        "bad-proxy": {
            "ACEDATACLOUD_API_BASE_URL": _UNKNOWN_HOST,
            "https_proxy": "gopher://127.0.0.1:70",
            "no_proxy": "",
        },
        "unknown-host": {"ACEDATACLOUD_API_BASE_URL": _UNKNOWN_HOST},
        # Windows tries a closed port for two seconds before it gives up.
        "refused": {"ACEDATACLOUD_API_BASE_URL": f"https://127.0.0.1:{closed}", "HEADSHOTS_TIMEOUT": "8"},
        "proxy-refused": {
            "ACEDATACLOUD_API_BASE_URL": _UNKNOWN_HOST,
            "https_proxy": f"http://user:password@127.0.0.1:{closed}",
            "no_proxy": "",
            "HEADSHOTS_TIMEOUT": "8",
        },
        "certificate": {"SSL_CERT_FILE": ""},
        "no-token": {"ACEDATACLOUD_API_TOKEN": ""},
        "platform-token": {"ACEDATACLOUD_API_TOKEN": "platform-" + _TOKEN},
    }
    return changes.get(outcome, {})


@contextmanager
def _closed_port() -> Iterator[int]:
    """Hold a loopback port on which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def throwaway_certificate(*, days: int) -> bytes:
    """Return, as PEM, a certificate for 127.0.0.1 that expires in `days`, which may be negative, after its key."""
    from cryptography import x509  # noqa: PLC0415 -- takes its time
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "headshots-mcp sandbox")])
    until = datetime.now(timezone.utc) + timedelta(days=days)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - timedelta(days=2))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret + certificate.public_bytes(encoding)
