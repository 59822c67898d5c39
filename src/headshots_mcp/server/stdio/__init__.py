"""The server over stdio: the pipes of the host that started it, and the JSON-RPC on them."""
