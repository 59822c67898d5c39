"""`python -m headshots_mcp` is the command `headshots-mcp`."""

import sys

if __name__ == "__main__":
    # For -m, Python searches the current folder first: a file there named mcp.py or json.py would be loaded instead.
    if not getattr(sys.flags, "safe_path", sys.flags.isolated):
        del sys.path[0]
    import signal

    # Ctrl-C ends it silently, even while modules are still being loaded.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from headshots_mcp.cli import main

    main()
