"""What goes over the wire to the API, and what every kind of answer becomes; seen through the tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
from starlette.responses import JSONResponse

from headshots_mcp import __version__
from headshots_mcp.api.client import MAX_REQUESTS, HeadshotsClient
from headshots_mcp.api.errors import AnswerNotUnderstood, ClientNotUsable, TimedOut, TokenRejected
from headshots_mcp.api.requests import RetrieveTask
from headshots_mcp.sandbox.app import SUCCEEDED, TOKEN, UNKNOWN, Sandbox
from tests.conftest import connected, documented, text_of
from tests.late import Late

if TYPE_CHECKING:
    from mcp.client import Client

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


async def test_warming_up_sends_nothing(served: Served) -> None:
    async with HeadshotsClient(served.base_url) as client:
        await client.warm_up()

    assert (served.sandbox.connections, served.bodies) == (0, [])


async def test_warming_up_is_quiet_where_the_environment_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all.pem")
    async with HeadshotsClient("https://127.0.0.1:9") as client:
        await client.warm_up()
        with pytest.raises(ClientNotUsable):
            await client.retrieve(RetrieveTask(id=UNKNOWN), TOKEN)


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

    assert text_of(result) == "The API returned a different task than the one requested. Try again in a minute."


@pytest.mark.parametrize(
    "record",
    [{"response": {"status": "completed", "task_id": "t"}}, {"id": "t", "response": {"status": "completed"}}],
)
async def test_a_record_may_name_its_task_in_two_places(served: Served, record: dict[str, Any]) -> None:
    served.sandbox.script("t", [JSONResponse(record)])
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_task", {"id": "t"})

    assert text_of(result).splitlines()[0] == "t succeeded"


async def test_a_record_that_names_no_task_is_not_taken_for_the_one_asked_for(served: Served) -> None:
    served.sandbox.script("t", [JSONResponse({"response": {"success": True}})])
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_task", {"id": "t"})

    assert text_of(result) == AnswerNotUnderstood.message


@pytest.mark.parametrize(
    "items", [[{"id": "another"}], [{"id": "another"}, {"id": "one more"}, {}], [{"response": {}}]]
)
async def test_a_batch_of_nothing_but_other_tasks_is_no_answer(served: Served, items: list[dict[str, str]]) -> None:
    served.sandbox.script("t", [JSONResponse({"items": items})])
    async with connected(served.base_url) as client:
        result = await client.call_tool("get_headshot_tasks", {"ids": ["t", "u"]})

    assert text_of(result) == "The API returned only tasks that were not requested. Try again in a minute."


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


async def test_another_transport_can_carry_the_requests(served: Served) -> None:
    transport = httpx2.ASGITransport(served.sandbox.app)
    async with HeadshotsClient("http://sandbox", transport=transport) as client:
        record = await client.retrieve(RetrieveTask(id=SUCCEEDED), TOKEN)

    assert record is not None
    assert record.id == SUCCEEDED


@pytest.mark.usefixtures("movable_clock")
async def test_what_cannot_begin_in_time_is_told_that_the_server_is_busy() -> None:
    sandbox, told = Sandbox(), dict[str, float]()
    ids = [f"t{number}" for number in range(MAX_REQUESTS // 2 + 1)]
    for id_ in ids:
        sandbox.script(id_, [Late(3600, JSONResponse({}))])
    began = anyio.current_time()

    async def ask(client: Client, id_: str) -> None:
        result = await client.call_tool("get_headshot_task", {"id": id_})
        told[text_of(result)] = anyio.current_time() - began

    async with connected(sandbox, within=20) as client, anyio.create_task_group() as group:
        for id_ in ids:
            group.start_soon(ask, client, id_)

    assert told == {
        "This server is handling too many lookups right now. Try again in 5 seconds.": 10,
        TimedOut.message: 20,
    }
    assert len(sandbox.requests) == MAX_REQUESTS // 2
