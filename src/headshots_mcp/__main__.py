"""`python -m headshots_mcp` is the command `headshots-mcp`."""

from headshots_mcp.cli import main

if __name__ == "__main__":
    main()
