"""What goes over the wire to the API, and what every kind of answer becomes; seen through the tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.responses import JSONResponse

from headshots_mcp import __version__
from headshots_mcp.api.client import HeadshotsClient
from headshots_mcp.api.errors import ClientNotUsable, TimedOut, TokenRejected
from headshots_mcp.api.requests import RetrieveTask
from headshots_mcp.sandbox.app import SUCCEEDED, TOKEN, UNKNOWN
from tests.conftest import connected, documented, text_of

if TYPE_CHECKING:
    from tests.conftest import Served

TRACE = "2cf86e86-22a4-46e1-ac2f-032c0f2a4e89"


async def test_one_task_is_asked_for_with_the_documented_body_and_headers(served: Served) -> None:
    async with connected(served.base_url) as client:
        await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    (asked,) = served.sandbox.requests
    assert asked.body == {"id": SUCCEEDED, "action": "retrieve"}
    assert asked.headers | {"content-length": "", "host": ""} == {
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": f"Bearer {TOKEN}",
        "connection": "keep-alive",
        "content-length": "",
        "content-type": "application/json",
        "host": "",
        "user-agent": f"headshots-mcp/{__version__}",
    }


async def test_several_tasks_are_asked_for_with_the_documented_body(served: Served) -> None:
    async with connected(served.base_url) as client:
        await client.call_tool("get_headshot_tasks", {"ids": [SUCCEEDED, UNKNOWN]})

    assert served.bodies == [{"ids": [SUCCEEDED, UNKNOWN], "action": "retrieve_batch"}]


async def test_all_lookups_share_one_connection(served: Served) -> None:
    async with connected(served.base_url) as client:
        for _ in range(5):
            await client.call_tool("get_headshot_tasks", {"ids": [UNKNOWN]})
            await client.call_tool("get_headshot_task", {"id": UNKNOWN})

    assert (len(served.sandbox.requests), served.sandbox.connections) == (10, 1)


async def test_idle_connections_outlive_the_pauses_of_polling_and_new_ones_are_not_waited_for_long() -> None:
    client = HeadshotsClient("http://127.0.0.1:9")

    assert client._http.timeout.connect == 5
    assert client._http._transport._pool._keepalive_expiry >= 60  # type: ignore[attr-defined]
    await client._http.aclose()


async def test_a_client_that_was_never_asked_closes_without_ever_having_opened() -> None:
    async with HeadshotsClient("http://127.0.0.1:9") as client:
        pass

    assert client._made is None


async def test_a_client_warmed_up_is_made_and_has_sent_nothing(served: Served) -> None:
    async with HeadshotsClient(served.base_url) as client:
        await client.warm_up()
        made = client._made
        await client.retrieve(RetrieveTask(id=UNKNOWN), TOKEN)

    assert made is not None
    assert client._made is made
    assert len(served.bodies) == 1


async def test_warming_up_is_quiet_where_no_client_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all.pem")
    async with HeadshotsClient("http://127.0.0.1:9") as client:
        await client.warm_up()
        with pytest.raises(ClientNotUsable):
            await client.retrieve(RetrieveTask(id=UNKNOWN), TOKEN)

    assert client._made is None


async def test_cookies_of_one_call_do_not_ride_on_the_next(served: Served) -> None:
    answer = JSONResponse({})
    answer.set_cookie("session", "somebody")
    served.sandbox.script("t", [answer])
    async with connected(served.base_url) as client:
        await client.call_tool("get_headshot_task", {"id": "t"})
        await client.call_tool("get_headshot_task", {"id": "t"})

    assert ["cookie" in asked.headers for asked in served.sandbox.requests] == [False, False]


async def test_the_record_of_another_task_is_not_taken_for_the_one_asked_for(served: Served) -> None:
    served.sandbox.script("t", [JSONResponse(documented("single"))])
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_task", {"id": "t"})

    assert text_of(result) == "The API answered with another task than the one asked for. Try again."


@pytest.mark.parametrize(
    "record",
    [
        {"response": {"status": "completed"}},
        {"response": {"status": "completed", "task_id": "t"}},
        {"id": "t", "response": {"status": "completed"}},
    ],
)
async def test_a_record_may_name_its_task_anywhere_or_nowhere(served: Served, record: dict[str, Any]) -> None:
    served.sandbox.script("t", [JSONResponse(record)])
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_task", {"id": "t"})

    assert text_of(result).splitlines()[0] == "t succeeded"


async def test_nothing_is_sent_without_a_token(served: Served) -> None:
    async with connected(served.base_url, token=None) as client:
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert result.is_error
    assert text_of(result).startswith("No API token is configured. Set ACEDATACLOUD_API_TOKEN (get one at platform.")
    assert served.sandbox.requests == []


async def test_a_wrong_token_is_refused_by_the_api(served: Served) -> None:
    async with connected(served.base_url, token="somebody-elses") as client:
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert text_of(result) == f"{TokenRejected.message} (HTTP 401, code invalid_token, trace id {TRACE})"


async def test_an_api_that_cannot_be_reached_is_said_so(unused_port: int) -> None:
    # Windows tries a closed port for two seconds before it says so.
    async with connected(f"http://127.0.0.1:{unused_port}", within=20) as client:
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert text_of(result).startswith("The API could not be reached. Check the network")


async def test_an_api_that_says_nothing_is_given_up_in_time(silent_port: int) -> None:
    async with connected(f"http://127.0.0.1:{silent_port}", within=0.3) as client:
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert text_of(result) == TimedOut.message


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ALL_PROXY", "gopher://127.0.0.1:9", ClientNotUsable.message),
        ("HTTP_PROXY", "gopher://127.0.0.1:9", ClientNotUsable.message),
        ("HTTPS_PROXY", "http://user:s3cret/x@127.0.0.1:9", ClientNotUsable.message),
        ("ALL_PROXY", "socks5://user:s3cret@127.0.0.1:9", ClientNotUsable.message_about_socks),
        ("SSL_CERT_FILE", "/nowhere/certificates.pem", ClientNotUsable.message_about_certificates),
        ("SSL_CERT_FILE", __file__, ClientNotUsable.message_about_certificates),
        ("SSL_CERT_FILE", str(Path(__file__).parent), ClientNotUsable.message_about_certificates),
    ],
)
async def test_an_environment_no_client_can_be_made_with_is_explained(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    async with connected("https://127.0.0.1:9") as client:
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert text_of(result) == said
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_proxy_is_not_asked_for_what_is_on_this_machine(
    served: Served, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with connected(served.base_url.replace("127.0.0.1", host)) as client:
        result = await client.call_tool("get_headshot_task", {"id": SUCCEEDED})

    assert not result.is_error


async def test_nor_for_what_is_on_its_ipv6_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with HeadshotsClient("http://[::1]:9") as client:
        direct = client._http._transport_for_url(httpx2.URL("http://[::1]:9"))
        proxied = client._http._transport_for_url(httpx2.URL("http://api.invalid"))

    assert (direct is client._http._transport, proxied is client._http._transport) == (True, False)


async def test_another_transport_can_carry_the_requests(served: Served) -> None:
    transport = httpx2.ASGITransport(served.sandbox.app)
    async with HeadshotsClient("http://sandbox", transport=transport) as client:
        record = await client.retrieve(RetrieveTask(id=SUCCEEDED), TOKEN)

    assert record is not None
    assert record.id == SUCCEEDED
