"""The server over HTTP: the application, what a request passes through on its way to the tools, and listening."""

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
    from headshots_mcp.server.http.app import application  # noqa: PLC0415 -- the command line imports this package
    from headshots_mcp.settings import Settings  # noqa: PLC0415

    settings = Settings.from_environment()
    log_to_stderr(settings.log_level)
    return application(settings)
