"""`headshots-mcp check`: every outcome there is, what people and scripts read of it, and what stays out of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import fields
from typing import TYPE_CHECKING, NamedTuple

import anyio
import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response

from headshots_mcp import __version__
from headshots_mcp.api import client, errors
from headshots_mcp.check import MADE_UP_ID, check
from headshots_mcp.check_report import Report
from headshots_mcp.flags import CHECK_EPILOG
from headshots_mcp.sandbox.app import TOKEN
from headshots_mcp.sandbox.faults import error_answer
from headshots_mcp.sandbox.outcomes import OUTCOMES, simulate
from headshots_mcp.settings import DEFAULT_BASE_URL
from tests.conftest import REPOSITORY
from tests.faults import ANSWERS
from tests.processes import COMMAND, environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import Served

GOOD, BAD, UNKNOWN, NOT_SET = "good", "bad", "unknown", "not set"


class Expected(NamedTuple):
    exit_code: int
    address: str
    certificate: str
    token: str
    cause: str | None = None
    advice: str = ""


NO_SENSE = errors.AnswerNotUnderstood.message
OUT_OF_REACH = errors.Unreachable.message
UNTRUSTED = errors.CertificateRefused.message
ALL: dict[str, Expected] = {
    "good": Expected(0, GOOD, GOOD, GOOD),
    "plain-http": Expected(0, GOOD, "not used", GOOD),
    "bad-setting": Expected(2, UNKNOWN, UNKNOWN, BAD, None, "ACEDATACLOUD_API_TOKEN is not a token"),
    "bad-proxy": Expected(2, UNKNOWN, UNKNOWN, UNKNOWN, None, "HTTPS_PROXY is not the URL of a proxy"),
    "unknown-host": Expected(1, BAD, UNKNOWN, UNKNOWN, "the host name was not found", OUT_OF_REACH),
    "refused": Expected(1, BAD, UNKNOWN, UNKNOWN, "the connection was refused", OUT_OF_REACH),
    "proxy-refused": Expected(1, UNKNOWN, UNKNOWN, UNKNOWN, "the connection was refused", OUT_OF_REACH),
    "reset": Expected(1, UNKNOWN, GOOD, UNKNOWN, "the connection broke", OUT_OF_REACH),
    "silent": Expected(1, UNKNOWN, GOOD, UNKNOWN, "no answer in time", errors.TimedOut.message),
    "certificate": Expected(1, UNKNOWN, BAD, UNKNOWN, "self-signed certificate", UNTRUSTED),
    "expired": Expected(1, UNKNOWN, BAD, UNKNOWN, "certificate has expired", UNTRUSTED),
    "web-page": Expected(1, BAD, GOOD, UNKNOWN, None, NO_SENSE),
    "web-page-404": Expected(1, BAD, GOOD, UNKNOWN, None, errors.NoSuchApi.message),
    "redirect": Expected(1, BAD, GOOD, UNKNOWN, None, NO_SENSE),
    "no-such-api": Expected(1, BAD, GOOD, UNKNOWN, None, errors.NoSuchApi.message),
    "no-token": Expected(1, GOOD, GOOD, NOT_SET, None, errors.TokenMissing.message),
    "platform-token": Expected(2, UNKNOWN, UNKNOWN, BAD, None, errors.PlatformToken.message),
    "token-lost": Expected(1, GOOD, GOOD, BAD, None, errors.TokenNotReceived.message),
    "token-rejected": Expected(1, GOOD, GOOD, BAD, None, errors.TokenRejected.message),
    "token-mismatched": Expected(1, GOOD, GOOD, BAD, None, errors.TokenMismatched.message),
    "denied": Expected(1, GOOD, GOOD, BAD, None, errors.AccessDenied.message),
    "disabled": Expected(1, GOOD, GOOD, BAD, None, errors.Disabled.message),
    "used-up": Expected(1, GOOD, GOOD, GOOD, None, errors.UsedUp.message),
    "content-refused": Expected(1, GOOD, GOOD, UNKNOWN, None, errors.ContentRefused.message),
    "rate-limited": Expected(1, GOOD, GOOD, UNKNOWN, None, errors.RateLimited.message),
    "bad-request": Expected(1, GOOD, GOOD, UNKNOWN, None, NO_SENSE),
    "server-fault": Expected(1, GOOD, GOOD, UNKNOWN, None, errors.ServerFault.message),
    "gateway-fault": Expected(1, UNKNOWN, GOOD, UNKNOWN, None, errors.GatewayFault.message),
}


def verdicts(report: Report) -> tuple[str, str, str]:
    return report.address, report.certificate, report.token


# Nothing of what the machine of the tests is set to.
NEUTRAL = dict.fromkeys(("SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "all_proxy", "no_proxy"), "")


async def checked(base_url: str | None = None, **settings: str) -> Report:
    """Check with these settings, with a token if there is a base URL."""
    if base_url:
        settings = {"ACEDATACLOUD_API_BASE_URL": base_url, "ACEDATACLOUD_API_TOKEN": TOKEN} | settings
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (NEUTRAL | settings).items():
            patch.setenv(name, value)
        return await check(settings)


class Tried(NamedTuple):
    report: Report
    token: str


@pytest.fixture(scope="module")
def tried() -> dict[str, Tried]:
    """Every outcome, had once."""

    async def have(outcome: str) -> Tried:
        with simulate(outcome, MADE_UP_ID) as settings:
            return Tried(await checked(**settings), settings["ACEDATACLOUD_API_TOKEN"])

    return {outcome: anyio.run(have, outcome) for outcome in OUTCOMES}


@pytest.mark.parametrize("outcome", ALL)
def test_an_outcome_is_told_by_verdicts_a_cause_and_a_sentence_that_says_what_to_do(
    tried: dict[str, Tried], outcome: str
) -> None:
    report, expected = tried[outcome].report, ALL[outcome]

    assert Expected(report.exit_code, *verdicts(report), report.cause, expected.advice) == expected
    assert len(report.advice) == bool(expected.advice)
    assert "".join(report.advice).startswith(expected.advice)
    assert (report.seconds is None) == (report.exit_code == 2)
    assert report.seconds is None or report.seconds < 3


@pytest.mark.parametrize("outcome", ALL)
def test_people_read_an_outcome_as_plain_lines_without_a_secret(tried: dict[str, Tried], outcome: str) -> None:
    report, token = tried[outcome]
    text = report.as_text()

    for label, verdict in zip(("URL", "certificate", "token"), verdicts(report), strict=True):
        assert f"\n{label:13}  {verdict}\n" in text
    assert text.endswith("\n".join(report.advice) or "and read its log.")
    assert text.isascii()
    for secret in ("password", token[-5:] or "password"):
        assert secret not in text + report.as_json()


def test_every_outcome_that_can_be_tried_is_in_the_table() -> None:
    assert list(ALL) == list(OUTCOMES)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (JSONResponse({"items": [], "count": 0}), (GOOD, GOOD)),
        (JSONResponse({}), (BAD, UNKNOWN)),
        (JSONResponse(None), (BAD, UNKNOWN)),
        (JSONResponse({"message": "no Route matched with those values"}, 404), (BAD, UNKNOWN)),
        (HTMLResponse("sign in", 401), (UNKNOWN, BAD)),
        (HTMLResponse("not from here", 403), (UNKNOWN, UNKNOWN)),
        (JSONResponse({"message": "forbidden"}, 403), (UNKNOWN, UNKNOWN)),
        (HTMLResponse("plain HTTP to an HTTPS port", 400), (BAD, UNKNOWN)),
        (error_answer(503, retry_after="3600"), (GOOD, UNKNOWN)),
        (error_answer(507, "new_in_2027"), (GOOD, UNKNOWN)),
        (error_answer(200, "token_expired"), (GOOD, BAD)),
    ],
)
async def test_the_address_is_good_only_if_what_answers_speaks_as_the_api_does(
    served: Served, answer: Response, expected: tuple[str, str]
) -> None:
    served.sandbox.script(MADE_UP_ID, [answer])
    report = await checked(served.base_url)

    assert (report.address, report.token) == expected
    assert report.exit_code == (expected != (GOOD, GOOD))


@pytest.mark.parametrize("status", [200, 500, 429])
async def test_the_api_is_asked_once_for_a_task_nobody_has(served: Served, status: int) -> None:
    if status != 200:
        served.sandbox.script(MADE_UP_ID, [error_answer(status)])
    await checked(served.base_url)

    assert served.bodies == [{"ids": ["00000000-0000-4000-8000-000000000000"], "action": "retrieve_batch"}]


async def test_without_a_token_whatever_else_is_wrong_is_told_too(unused_port: int) -> None:
    report = await checked(ACEDATACLOUD_API_BASE_URL=f"http://127.0.0.1:{unused_port}")

    assert verdicts(report) == (BAD, "not used", NOT_SET)
    assert report.advice == [errors.TokenMissing.message, errors.Unreachable.message]
    assert "\ntoken          not set here; your app's own configuration is not visible from here\n" in report.as_text()


async def test_an_answer_that_never_ends_is_given_up_within_the_time_limit(served: Served) -> None:
    served.sandbox.script(MADE_UP_ID, [ANSWERS["drip"]()])
    report = await checked(served.base_url, HEADSHOTS_TIMEOUT="1")

    assert (report.cause, report.advice) == ("no answer in time", [errors.TimedOut.message])
    assert report.seconds is not None
    assert 0.9 < report.seconds < 4


async def test_https_where_nobody_speaks_it_is_a_bad_address(served: Served) -> None:
    report = await checked(served.base_url.replace("http:", "https:"))

    assert verdicts(report) == (BAD, UNKNOWN, UNKNOWN)
    assert report.cause == "TLS handshake failed"


async def test_settings_that_cannot_work_are_told_all_at_once_and_nothing_is_sent() -> None:
    report = await checked("api.acedata.cloud", HEADSHOTS_TIMEOUT="20s", HEADSHOTS_LOG_LEVEL="all")

    assert report.exit_code == 2
    assert (report.base_url, report.base_url_is_default, report.seconds) == (None, False, None)
    assert verdicts(report) == (BAD, UNKNOWN, UNKNOWN)
    assert [advice.split()[0] for advice in report.advice] == [
        "ACEDATACLOUD_API_BASE_URL",
        "HEADSHOTS_TIMEOUT",
        "HEADSHOTS_LOG_LEVEL",
    ]
    assert re.search("^base URL       invalid$", report.as_text(), re.MULTILINE)
    assert "\nNo request was sent: a setting is invalid.\n" in report.as_text()


async def test_where_the_real_api_is_asked_it_says_so() -> None:
    report = await checked(HEADSHOTS_TIMEOUT="0")

    assert (report.base_url, report.base_url_is_default) == (DEFAULT_BASE_URL, True)
    assert f"\nbase URL       {DEFAULT_BASE_URL} (the default)\n" in report.as_text()


@pytest.mark.parametrize(
    ("token", "shown", "row"),
    [
        ("abc", None, "set"),
        ("fifteen-letters", None, "set"),
        ("sixteen-letters-", "ers-", "set, ends in ers-"),
        ("Bearer 0123456789abcdef0123456789abcdef", "cdef", "set, ends in cdef"),
    ],
)
async def test_no_more_than_the_end_of_a_long_token_is_shown(
    served: Served, token: str, shown: str | None, row: str
) -> None:
    report = await checked(served.base_url, ACEDATACLOUD_API_TOKEN=token)

    assert (report.token_set, report.token_ends_in) == (True, shown)
    assert f"\ntoken          {row}\n" in report.as_text()


@pytest.mark.parametrize(
    ("file", "directory", "told"),
    [
        ("/a/file.pem", "", "SSL_CERT_FILE, /a/file.pem"),
        ("", "/a/directory", "SSL_CERT_DIR, /a/directory"),
        ("/a/file.pem", "/a/directory", "SSL_CERT_FILE, /a/file.pem"),
        ("", "", "the system's"),
    ],
)
async def test_it_says_whose_certificates_are_trusted(file: str, directory: str, told: str) -> None:
    settings = {"SSL_CERT_FILE": file, "SSL_CERT_DIR": directory, "HEADSHOTS_TIMEOUT": "0"}
    secure = await checked(**settings)
    plain = await checked("HTTP://127.0.0.1", **settings)

    assert secure.trust_store == told
    assert f"\ntrust store    {told}\n" in secure.as_text()
    assert plain.trust_store is None
    assert "trust store" not in plain.as_text()


@asynccontextmanager
async def proxy(answer: bytes, behind: int | None = None) -> AsyncIterator[str]:
    """A proxy on loopback, which answers the first request and then passes on what comes."""

    async def carry(source: anyio.abc.ByteReceiveStream, sink: anyio.abc.ByteSendStream) -> None:
        async for part in source:
            await sink.send(part)

    async def serve(client: anyio.abc.SocketStream) -> None:
        async with client:
            await client.receive()
            await client.send(answer)
            if behind:
                async with await anyio.connect_tcp("127.0.0.1", behind) as api, anyio.create_task_group() as both:
                    both.start_soon(carry, client, api)
                    await carry(api, client)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield f"127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"  # noqa: S610 -- not Django's
        group.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("answer", "causes"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            ["the proxy refused with HTTP 407"],
        ),
        # Which of them depends on whether it hangs up before or after the handshake begins.
        (b"HTTP/1.1 200 Connected\r\n\r\n", ["no connection could be made", "TLS handshake failed"]),
    ],
)
async def test_a_proxy_that_does_not_help_is_told_by_its_address_without_its_password(
    answer: bytes, causes: list[str]
) -> None:
    async with proxy(answer) as address:
        report = await checked("https://headshots.invalid", https_proxy=f"http://user:s3cret@{address}")

    assert (report.proxy, *verdicts(report)) == (address, UNKNOWN, UNKNOWN, UNKNOWN)
    assert report.cause in causes
    assert f"\nproxy          {address}\n" in report.as_text()
    assert "s3cret" not in report.as_text() + report.as_json()


async def test_a_certificate_of_somebody_else_behind_a_proxy_is_told() -> None:
    with simulate("good", MADE_UP_ID) as settings:
        port = int(settings["ACEDATACLOUD_API_BASE_URL"].rpartition(":")[2])
        async with proxy(b"HTTP/1.1 200 Connected\r\n\r\n", behind=port) as address:
            changes = {"https_proxy": f"http://{address}", "no_proxy": ""}
            changes["ACEDATACLOUD_API_BASE_URL"] = "https://headshots.invalid"
            report = await checked(**(settings | changes))

    assert (report.proxy, *verdicts(report)) == (address, UNKNOWN, BAD, UNKNOWN)
    assert report.cause is not None
    assert report.cause.startswith("Hostname mismatch, certificate is not valid for 'headshots.invalid'")


async def test_a_firewall_is_told_also_without_a_token() -> None:
    async with proxy(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as firewall:
        report = await checked(f"http://{firewall}", ACEDATACLOUD_API_TOKEN="")

    assert verdicts(report) == (UNKNOWN, "not used", NOT_SET)
    assert report.advice == [errors.TokenMissing.message, f"{errors.AccessDenied.message_without_code} (HTTP 403)"]


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:{port}", "HTTP://LOCALHOST:{port}/", "http://[::1]:{port}"])
async def test_what_is_on_this_machine_is_reached_without_a_proxy(unused_port: int, base_url: str) -> None:
    report = await checked(base_url.format(port=unused_port), http_proxy="http://127.0.0.1:9")

    assert (report.proxy, report.certificate, report.address) == (None, "not used", BAD)


# A label of a DNS name has at most 63 letters, so no server is asked for this one.
ELSEWHERE = f"{'a' * 64}.invalid"


@pytest.mark.parametrize(
    ("base_url", "http_proxy", "told"),
    [
        (f"http://{ELSEWHERE}", "", None),
        (f"https://{ELSEWHERE}", "", None),
        (f"http://{ELSEWHERE}", f"http://{ELSEWHERE}:3128", f"{ELSEWHERE}:3128"),
    ],
)
async def test_only_another_host_or_port_than_that_of_the_api_is_told_as_a_proxy(
    base_url: str, http_proxy: str, told: str | None
) -> None:
    report = await checked(base_url, http_proxy=http_proxy)

    assert (report.proxy, report.cause) == (told, "the host name was not found")


async def test_a_token_that_would_leave_this_machine_without_tls_is_warned_of(tried: dict[str, Tried]) -> None:
    warning = "(no TLS: the token is sent unencrypted)"
    elsewhere = await checked(f"http://{ELSEWHERE}")

    assert warning in elsewhere.as_text()
    assert not [outcome for outcome in ALL if warning in tried[outcome].report.as_text()]


async def test_where_nobody_is_at_the_default_address_the_network_is_in_doubt_not_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with simulate("refused", MADE_UP_ID) as settings:
        monkeypatch.setattr("headshots_mcp.check.DEFAULT_BASE_URL", settings["ACEDATACLOUD_API_BASE_URL"])
        report = await checked(**settings)

    assert report.base_url_is_default
    assert verdicts(report) == (UNKNOWN, UNKNOWN, UNKNOWN)


async def test_a_handshake_that_nobody_answers_is_told_as_silence(
    silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CONNECT_TIMEOUT_SECONDS", 0.1)
    report = await checked(f"https://127.0.0.1:{silent_port}")

    assert (report.cause, report.advice) == ("no answer in time", [errors.Unreachable.message])


def run(*arguments: str, code: str | None = None, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command as people do, or a program."""
    command = [sys.executable, "-c", code] if code else [*COMMAND, "check", *arguments]
    return subprocess.run(
        command,
        env=environment() | NEUTRAL | settings,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("outcome", ["good", "token-rejected", "bad-setting"])
def test_the_exit_code_tells_and_stdout_has_either_text_or_one_json_object(outcome: str) -> None:
    text, json_ = run("--sandbox", outcome), run("--sandbox", outcome, "--json")
    report = json.loads(json_.stdout)

    assert (text.returncode, json_.returncode) == (ALL[outcome].exit_code,) * 2
    assert (text.stderr, json_.stderr) == ("", "")
    assert text.stdout.startswith(f"headshots-mcp  {__version__}, with mcp 2.")
    assert list(report) == [field.name for field in fields(Report)]
    assert report["exit_code"] == ALL[outcome].exit_code
    assert (report["version"], report["executable"]) == (__version__, sys.executable)


@pytest.mark.parametrize(
    ("outcome", "rows"),
    [
        ("good", ["✓ URL            good", "✓ certificate    good", "✓ token          good"]),
        ("token-rejected", ["✓ URL            good", "✓ certificate    good", "✗ token          bad"]),
        ("no-token", ["✓ URL            good", "✓ certificate    good", "  token          not set"]),
        ("rate-limited", ["✓ URL            good", "✓ certificate    good", "  token          unknown"]),
    ],
)
def test_ticks_and_crosses_stand_before_what_is_good_or_bad(outcome: str, rows: list[str]) -> None:
    ended = run("--sandbox", outcome, PYTHONIOENCODING="utf-8")

    assert "\n" + "\n".join(rows) + "\n" in ended.stdout


def test_a_console_without_ticks_gets_none() -> None:
    ended = run("--sandbox", "good", PYTHONIOENCODING="cp1252")

    assert "\ntoken          good\n" in ended.stdout


@pytest.mark.parametrize(
    ("settings", "row"),
    [
        ({"TERM": "xterm"}, "\x1b[32m✓\x1b[0m token          good"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "✓ token          good"),
        ({"TERM": "dumb"}, "✓ token          good"),
    ],
)
def test_a_terminal_that_has_colours_gets_them(settings: dict[str, str], row: str) -> None:
    pty = pytest.importorskip("pty", reason="Windows has no pseudo-terminals")
    terminal, end = pty.openpty()
    command = [*COMMAND, "check", "--sandbox"]
    with (
        open(terminal, "rb", buffering=0) as screen,  # noqa: PTH123 -- a descriptor
        subprocess.Popen(command, stdout=end, env=environment() | NEUTRAL | settings | {"PYTHONUTF8": "1"}) as process,
    ):
        os.close(end)
        shown = b""
        with suppress(OSError):  # which Linux raises where the other end is closed
            while part := screen.read(4096):
                shown += part
        process.wait(30)

    assert f"\r\n{row}\r\n" in shown.decode()


def test_an_outcome_is_the_same_on_a_machine_behind_a_proxy() -> None:
    ended = run("--sandbox", "unknown-host", "--json", https_proxy="http://127.0.0.1:9", no_proxy="")
    report = json.loads(ended.stdout)

    assert (report["proxy"], report["cause"]) == (None, "the host name was not found")


def test_every_key_of_the_json_object_is_in_the_help_text() -> None:
    section = CHECK_EPILOG.split("JSON object:\n")[1].split("\n\n")[0]
    documented = re.findall(r"\w+", " ".join(re.findall(r"^  (\S+(?: \S+)*)  ", section, re.MULTILINE)))

    assert sorted(documented) == sorted(field.name for field in fields(Report))


def test_it_needs_neither_a_home_nor_any_other_setting() -> None:
    kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    ended = subprocess.run(
        [*COMMAND, "check", "--sandbox"], env=kept, capture_output=True, encoding="utf-8", timeout=60, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "token          good\n" in ended.stdout


def test_it_works_where_the_mcp_sdk_does_not() -> None:
    code = "import sys\nsys.modules['mcp'] = None\nfrom headshots_mcp.cli import main\nmain(['check', '--sandbox'])"
    ended = run(code=code)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_flag_of_the_server_asks_the_sandbox_too() -> None:
    ended = subprocess.run(
        [*COMMAND, "--sandbox", "check"], capture_output=True, encoding="utf-8", timeout=60, check=False
    )

    assert ended.returncode == 0
    assert "\nbase URL       https://127.0.0.1:" in ended.stdout


def test_a_name_server_that_does_not_answer_does_not_hold_it() -> None:
    code = (
        "import socket, time\nsocket.getaddrinfo = lambda *_, **__: time.sleep(600)\n"
        "from headshots_mcp.cli import main\nmain(['check', '--json'])"
    )
    address = {"ACEDATACLOUD_API_BASE_URL": "https://headshots.invalid", "ACEDATACLOUD_API_TOKEN": TOKEN}
    ended = run(code=code, HEADSHOTS_TIMEOUT="1", **address)
    report = json.loads(ended.stdout)

    assert (ended.returncode, ended.stderr) == (1, "")
    assert report["cause"] == "no answer in time"
    assert 0.9 < report["seconds"] < 4


def test_a_console_without_the_letters_of_a_path_shows_escapes() -> None:
    ended = run(SSL_CERT_FILE="/nowhere/證\x07.pem", PYTHONIOENCODING="cp437")

    assert (ended.returncode, ended.stderr) == (2, "")
    assert "\ntrust store    SSL_CERT_FILE, /nowhere/\\u8b49?.pem\n" in ended.stdout


def test_where_nothing_can_be_printed_the_exit_code_still_tells() -> None:
    code = "import sys\nsys.stdout = None\nfrom headshots_mcp.cli import main\nmain(['check', '--sandbox'])"
    ended = run(code=code)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_it_ends_quietly_if_nobody_reads() -> None:
    with subprocess.Popen(
        [*COMMAND, "check", "--sandbox"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors_ = process.stderr.read()

    assert (process.returncode, errors_) == (1, "")


@pytest.mark.parametrize("page", ["troubleshooting.md", "troubleshooting.zh-TW.md"])
def test_the_documentation_shows_what_it_prints(tried: dict[str, Tried], page: str) -> None:
    documentation = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    printed = tried["token-rejected"].report.as_text(marks=True).partition("\n\n")[2]

    assert f"```\n{re.sub(r'[0-9.]+ s', '0.01 s', printed, count=1)}\n```" in documentation
