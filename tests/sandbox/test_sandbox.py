"""The sandbox speaks the documented API, so that what is tried against it is worth something."""

from __future__ import annotations

import json
import struct
import time
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest

from headshots_mcp.sandbox.app import FAILED, GALLERY, LIMITED, LIVING, STUCK, SUCCEEDED, TOKEN, UNKNOWN, Sandbox
from tests.conftest import documented

if TYPE_CHECKING:
    from tests.conftest import Served

HEADERS = {"authorization": f"Bearer {TOKEN}"}


def ask(served: Served, body: Any, headers: dict[str, str] = HEADERS) -> httpx2.Response:
    return httpx2.post(f"{served.base_url}/headshots/tasks", json=body, headers=headers)


def test_one_documented_task_is_answered_to_the_letter(served: Served) -> None:
    assert ask(served, {"id": SUCCEEDED, "action": "retrieve"}).json() == documented("single")


def test_the_documented_batch_is_answered_to_the_letter(served: Served) -> None:
    assert ask(served, {"ids": [SUCCEEDED, UNKNOWN], "action": "retrieve_batch"}).json() == documented("batch")


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": "sandbox-token"}])
def test_a_wrong_token_is_refused_in_the_documented_form(served: Served, headers: dict[str, str]) -> None:
    answer = ask(served, {"id": SUCCEEDED, "action": "retrieve"}, headers)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_token"
    assert answer.json().keys() == documented("error").keys()


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"id": "a"},
        {"id": "a", "action": "retrieve_batch"},
        {"id": 5, "action": "retrieve"},
        {"ids": [], "action": "retrieve_batch"},
        {"id": "a", "action": "retrieve", "more": 1},
    ],
)
def test_any_other_body_is_a_bad_request(served: Served, body: Any) -> None:
    assert ask(served, body).json()["error"]["code"] == "bad_request"


def test_an_unknown_id_is_not_found(served: Served) -> None:
    assert ask(served, {"id": "none", "action": "retrieve"}).json() == {}
    assert ask(served, {"ids": ["none"], "action": "retrieve_batch"}).json() == {"items": [], "count": 0}


def test_one_task_has_failed_with_an_error_and_a_trace_id(served: Served) -> None:
    response = ask(served, {"id": FAILED, "action": "retrieve"}).json()["response"]

    assert (response["success"], response["error"]["code"], bool(response["trace_id"])) == (
        False,
        "face_not_found",
        True,
    )


def test_one_task_has_been_processing_for_an_hour(served: Served) -> None:
    record = ask(served, {"id": STUCK, "action": "retrieve"}).json()

    assert record["response"]["status"] == "processing"
    assert time.time() - record["created_at"] == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(
    "body", [{"id": LIMITED, "action": "retrieve"}, {"ids": [SUCCEEDED, LIMITED], "action": "retrieve_batch"}]
)
def test_a_request_that_names_the_limited_task_is_rate_limited_for_a_minute(
    served: Served, body: dict[str, Any]
) -> None:
    answer = ask(served, body)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert answer.json()["error"]["code"] == "too_many_requests"


def test_the_image_urls_it_gives_out_lead_to_pictures() -> None:
    with Sandbox().serve() as base_url:
        body = {"ids": [SUCCEEDED, GALLERY], "action": "retrieve_batch"}
        items = httpx2.post(f"{base_url}/headshots/tasks", json=body, headers=HEADERS).json()["items"]
        urls = {image["image_url"] for item in items for image in item["response"]["data"]}
        pictures = {url: httpx2.get(url) for url in urls}

    assert len(urls) == 5
    assert {picture.headers["content-type"] for picture in pictures.values()} == {"image/png"}
    assert len({picture.content for picture in pictures.values()}) == 5
    for picture in pictures.values():
        assert picture.content.startswith(b"\x89PNG\r\n\x1a\n")
        assert struct.unpack(">II", picture.content[16:24]) == (360, 480)


def test_it_answers_at_once_however_long_a_connection_is_used(served: Served) -> None:
    with httpx2.Client(headers=HEADERS) as http:
        url, body = f"{served.base_url}/headshots/tasks", {"id": SUCCEEDED, "action": "retrieve"}
        seconds = [http.post(url, json=body).elapsed.total_seconds() for _ in range(60)]

    # Systems put acknowledging off for 40 ms, though not at the beginning of a connection.
    assert min(seconds[30:]) < 0.03


def test_it_counts_what_it_was_asked(served: Served) -> None:
    ask(served, {"id": "a", "action": "retrieve"})
    ask(served, {"id": "b", "action": "retrieve"}, {})

    assert [json.dumps(asked.body) for asked in served.sandbox.requests] == [
        '{"id": "a", "action": "retrieve"}',
        '{"id": "b", "action": "retrieve"}',
    ]
    assert served.sandbox.connections == 2


@pytest.mark.usefixtures("movable_clock")
async def test_one_task_lives_for_about_five_seconds_from_its_first_lookup() -> None:
    sandbox = Sandbox()
    seen, created = [], set[float]()
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(sandbox.app), headers=HEADERS) as client:
        await anyio.sleep(60)
        for _ in range(7):
            body = {"id": LIVING, "action": "retrieve"}
            record = (await client.post("http://sandbox/headshots/tasks", json=body)).json()
            response = record.get("response", {})
            seen.append("succeeded" if response.get("success") else response.get("status", "pending"))
            created.add(record["created_at"])
            await anyio.sleep(1)

    assert seen == ["pending"] * 2 + ["unknown"] * 3 + ["succeeded"] * 2
    assert len(created) == 1
    assert time.time() - created.pop() < 60
