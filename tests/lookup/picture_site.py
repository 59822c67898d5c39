"""A site of pictures on loopback that lies in every way; each path is one way."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from headshots_mcp.lookup.folder import Folder
from headshots_mcp.lookup.pictures import AllowedHosts, Pictures
from headshots_mcp.sandbox.portraits import portrait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PNG = portrait("one")
OTHER_PNG = portrait("two")
HEADS = {
    "png": PNG,
    "jpg": b"\xff\xd8\xff\xe0" + bytes(60),
    "gif": b"GIF89a" + bytes(60),
    "webp": b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(60),
    "avif": b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1" + bytes(60),
    "avif-by-compatible-brand": b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avif" + bytes(60),
}
PAGE = b"<!doctype html><title>404</title><p>There is no such picture."
MEBIBYTE = bytes(1024 * 1024)


class PictureSite(ThreadingHTTPServer):
    """What was asked for, header by header, and what `/changing` shows now."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.changing = PNG
        self.stopped, self.holding, self.let_go = threading.Event(), threading.Event(), threading.Event()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Say nothing where a client has hung up."""


class _Handler(BaseHTTPRequestHandler):
    server: PictureSite
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        name = self.path.removeprefix("/").removesuffix(".png")
        if name in HEADS:
            self._answer(HEADS[name])
        elif name == "changing":
            self._answer(self.server.changing)
        elif name.startswith("to/"):
            self._answer(b"", 302, location=name.removeprefix("to/"))
        elif name.startswith("hop/"):
            left = int(name.removeprefix("hop/"))
            self._answer(b"", 307, location=f"/hop/{left - 1}" if left else "/png")
        else:
            getattr(self, "_" + name.replace("-", "_"))()

    def _answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", "image/png")
        self.send_header("content-length", str(len(body)))
        self.send_header("set-cookie", "session=somebody")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def _page(self) -> None:
        self._answer(PAGE)

    def _not_found(self) -> None:
        self._answer(PAGE, 404)

    def _nothing(self) -> None:
        self._answer(b"")

    def _packed(self) -> None:
        self._answer(PNG, content_encoding="gzip")

    def _no_address(self) -> None:
        self._answer(b"", 302, location="http://[")

    def _cut_off(self) -> None:
        self._begin(1000)
        self.wfile.write(PNG[:500])
        self.close_connection = True

    def _endless(self) -> None:
        self._begin(None)
        self.wfile.write(PNG)
        while not self.server.stopped.is_set():
            self.wfile.write(MEBIBYTE)

    def _announced(self) -> None:
        self._begin(26 * len(MEBIBYTE))
        self.wfile.write(PNG)
        self.wfile.flush()
        self.server.stopped.wait(30)

    def _silent(self) -> None:
        self._begin(1000)
        self.wfile.write(PNG[:500])
        self.wfile.flush()
        self.server.stopped.wait(30)

    def _held(self) -> None:
        self._begin(len(PNG))
        self.wfile.write(PNG[:500])
        self.wfile.flush()
        self.server.holding.set()
        self.server.let_go.wait(10)
        self.wfile.write(PNG[500:])

    def _large(self) -> None:
        self._answer(PNG + MEBIBYTE)

    def _heavy(self) -> None:
        self._answer(PNG + 8 * MEBIBYTE)

    def _begin(self, length: int | None) -> None:
        self.send_response(200)
        if length:
            self.send_header("content-length", str(length))
        else:
            self.close_connection = True
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep stderr clean."""


@contextmanager
def picture_site() -> Iterator[PictureSite]:
    """Serve until the block is left."""
    with PictureSite() as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield site
        finally:
            site.stopped.set()
            site.shutdown()
            thread.join(timeout=5)


def file_names(folder: Path) -> list[str]:
    """The names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir())


def folder(path: Path, site: PictureSite) -> Folder:
    """A folder into which pictures of this site may be saved."""
    return Folder(path, Pictures(AllowedHosts([site.origin])))
