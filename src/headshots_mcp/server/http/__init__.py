"""The server over HTTP: its application, what a request passes through on the way to MCP, and how it listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.applications import Starlette


def create_app() -> Starlette:
    """Make the application from the environment, for `uvicorn --factory headshots_mcp.server.http:create_app`.

    Every caller has to bring a token.

    Raises:
        SettingsRefused: If a setting cannot work.
    """
    from headshots_mcp.logs import log_to_stderr  # noqa: PLC0415
    from headshots_mcp.server.http.app import application  # noqa: PLC0415 -- who only listens need not wait for it
    from headshots_mcp.settings import Settings  # noqa: PLC0415

    settings = Settings.from_environment()
    log_to_stderr(settings.log_level)
    return application(settings)
