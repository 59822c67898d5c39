"""The server over HTTP: the application, what a request passes through on its way to the tools, and listening."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from headshots_mcp import NAME

if TYPE_CHECKING:
    from starlette.applications import Starlette


def create_app() -> Starlette:
    """Make the application from the environment, for `uvicorn --factory headshots_mcp.server.http:create_app`.

    Every caller has to bring a token. An invalid setting ends the process, as it ends the command: with one line on
    stderr and exit code 2.
    """
    from headshots_mcp.logs import log_to_stderr  # noqa: PLC0415
    from headshots_mcp.server.http.app import application  # noqa: PLC0415 -- the command line imports this package
    from headshots_mcp.settings import Settings, SettingsRefused  # noqa: PLC0415

    try:
        settings = Settings.from_environment()
    except SettingsRefused as refused:
        print(f"{NAME}: {refused}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    log_to_stderr(settings.log_level)
    return application(settings)
