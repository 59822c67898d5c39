"""What is shown of the logs of other packages: faults, and nothing about calls that their callers gave up."""

from __future__ import annotations

import asyncio
import logging

import pytest
from starlette.requests import ClientDisconnect

from headshots_mcp.logs import log_to_stderr

pytestmark = pytest.mark.usefixtures("process_as_before")


@pytest.mark.parametrize(
    ("logger", "message", "error", "is_shown"),
    [
        pytest.param("uvicorn.error", "Exception in ASGI application", ValueError("x"), True, id="a fault of ours"),
        pytest.param("mcp.server.streamable_http", "Error in a stream", ValueError("x"), True, id="of the SDK"),
        pytest.param("asyncio", "Task exception was never retrieved", ValueError("x"), True, id="of a task"),
        pytest.param("uvicorn.error", "Exception in ASGI application", asyncio.CancelledError(), False, id="cancelled"),
        pytest.param("mcp.server.streamable_http", "Error in a stream", ClientDisconnect(), False, id="caller gone"),
        pytest.param(
            "uvicorn.error", "ASGI callable returned without completing response.", None, False, id="cut short"
        ),
        pytest.param("uvicorn.error", "Unsupported upgrade request.", None, False, id="a websocket"),
        pytest.param("mcp.server.sse", "Failed to parse message", ValueError("x"), False, id="no JSON"),
        pytest.param("httpx2", "HTTP Request: POST", None, False, id="chatter"),
    ],
)
def test_of_other_packages_faults_are_shown(
    caplog: pytest.LogCaptureFixture, logger: str, message: str, error: BaseException | None, is_shown: bool
) -> None:
    log_to_stderr("DEBUG")
    level = logging.INFO if logger == "httpx2" else logging.ERROR
    logging.getLogger(logger).log(level, message, exc_info=error)

    assert [record.getMessage() for record in caplog.records] == ([message] if is_shown else [])


def test_that_no_file_is_left_for_a_connection_is_said_once_and_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """asyncio says it with a traceback, once a second, for as long as that lasts."""
    log_to_stderr("WARNING")
    for _ in range(3):
        logging.getLogger("asyncio").error("socket.accept() out of system resource\nsocket: x", exc_info=OSError(24))

    (record,) = caplog.records
    assert record.getMessage().startswith("No connection can be accepted: too many open files. Raise the limit")
    assert record.exc_info is None
