"""What tests of the server share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Front
    from tests.servers import Server


@pytest.fixture(scope="module")
def asking(front: tuple[Front, str]) -> Iterator[Server]:
    """One server that asks the sandbox of each test; who uses it has a token of their own."""
    settings = {"ACEDATACLOUD_API_BASE_URL": front[1], "ACEDATACLOUD_API_TOKEN": "sandbox-operator"}
    with serving("--transport", "http", **settings) as server:
        yield server
