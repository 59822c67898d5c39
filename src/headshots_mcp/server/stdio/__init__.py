"""The server for the host that started it, over its pipes."""
