"""Runs a comparable server's HTTP mode, which listens on every address, on loopback and without its access log."""

from __future__ import annotations

import sys

import uvicorn

run = uvicorn.run


def run_on_loopback(app, port, **_ignored):
    run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    uvicorn.run = run_on_loopback
    sys.argv = ["main", "--transport", "http", "--port", sys.argv[1]]
    import main

    main.main()
