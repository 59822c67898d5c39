"""Many lookups at once: however they end, the next ones work, and no caller takes all the room."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import pytest

from headshots_mcp.api.client import HeadshotsClient
from headshots_mcp.api.errors import ServerBusy
from headshots_mcp.api.requests import RetrieveTask
from headshots_mcp.sandbox.outcomes import throwaway_certificate
from tests.api.raw_api import Asked, raw_api, response

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anyio.abc import ByteStream

pytestmark = pytest.mark.load

ROUNDS, AT_ONCE, LIMIT_SECONDS = 16, 160, 0.2


class Api:
    """Answers after some seconds, or never; counts its connections."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.connections = seconds, 0

    async def __call__(self, asked: Asked, client: ByteStream) -> None:
        self.connections += asked.on_connection == 1
        await anyio.sleep(self.seconds)
        await client.send(response({"id": asked.body["id"], "response": {"status": "completed"}}))


@pytest.mark.parametrize("token", ["the same", "{}"], ids=["one caller", "many callers"])
@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(lambda _number: LIMIT_SECONDS, id="deadline"),
        pytest.param(lambda number: LIMIT_SECONDS * number / AT_ONCE, id="cancelled one after the other"),
        pytest.param(lambda _number: 0.0, id="cancelled before they begin"),
    ],
)
async def test_after_an_outage_lookups_are_answered_again(token: str, limit: Callable[[int], float]) -> None:
    api = Api(3600)
    answered = 0

    async def ask(client: HeadshotsClient, number: int) -> None:
        nonlocal answered
        with anyio.move_on_after(limit(number) if api.seconds else 5):
            with suppress(ServerBusy):
                await client.retrieve(RetrieveTask(id=f"t{number}"), token.format(number))
                answered += 1

    async with raw_api(api) as base_url, HeadshotsClient(base_url) as client:
        for _ in range(ROUNDS):
            async with anyio.create_task_group() as group:
                for number in range(AT_ONCE):
                    group.start_soon(ask, client, number)
        assert answered == 0
        api.seconds = 0
        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(ask, client, number)

    assert answered == 10


async def test_one_caller_who_asks_for_all_does_not_keep_another_waiting() -> None:
    """As with a hundred calls of a thousand ids each, of which four parts are in progress at once."""

    async def keep_asking(client: HeadshotsClient) -> None:
        while True:
            with suppress(ServerBusy):
                await client.retrieve(RetrieveTask(id="t"), "greedy")

    async with raw_api(Api(1)) as base_url, HeadshotsClient(base_url) as client, anyio.create_task_group() as group:
        for _ in range(400):
            group.start_soon(keep_asking, client)
        await anyio.sleep(3)
        began = anyio.current_time()
        await client.retrieve(RetrieveTask(id="t"), "modest")
        took = anyio.current_time() - began
        group.cancel_scope.cancel()

    assert took < 2


@pytest.mark.parametrize("token", ["the same", "{}"], ids=["one caller", "many callers"])
async def test_sixty_who_keep_asking_need_no_more_than_sixty_connections(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(throwaway_certificate(days=1))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    api = Api(0.05)

    async def ask_again_and_again(client: HeadshotsClient, number: int) -> None:
        for _ in range(20):
            await client.retrieve(RetrieveTask(id="t"), token.format(number))

    async with (
        raw_api(api, certificate) as base_url,
        HeadshotsClient(base_url) as client,
        anyio.create_task_group() as group,
    ):
        for number in range(60):
            group.start_soon(ask_again_and_again, client, number)

    assert api.connections <= 60
