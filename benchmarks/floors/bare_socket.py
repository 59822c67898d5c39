"""No MCP at all: one kept-open socket to the upstream, which tells what an answer costs before anybody handles it."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


class BareSocket:
    """Asks for tasks over one connection, blocking."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = tls.wrap_socket(plain, server_hostname="127.0.0.1") if tls else plain

    def ask(self, task_id: str) -> bytes:
        """Look one task up."""
        body = json.dumps({"id": task_id, "action": "retrieve"})
        head = f"POST /headshots/tasks HTTP/1.1\r\nauthorization: Bearer socket\r\ncontent-length: {len(body)}\r\n\r\n"
        self._socket.sendall((head + body).encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._socket.recv(65536)
        head, _, answer = received.partition(b"\r\n\r\n")
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(answer) < length:
            answer += self._socket.recv(65536)
        return answer

    def close(self) -> None:
        self._socket.close()
