"""headshots-mcp: an MCP server that looks up AI headshot tasks of Ace Data Cloud."""

NAME = "headshots-mcp"

__version__: str


def __getattr__(name: str) -> str:
    """Read the version when it is first asked for: importing this package must not import others (`__main__`)."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415 -- as said above

    found = globals()[name] = version(NAME)
    return found
