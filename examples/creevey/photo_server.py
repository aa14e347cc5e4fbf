"""Serves scikit-image's photographs on loopback, so that the examples here need no network.

Behind a short link there is a photograph, as behind https://bit.ly/2RsJ8EQ: the name says nothing about its format.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PHOTOGRAPHS = {
    "/2RsJ8EQ": "astronaut.png",
    "/2TqoToT": "chelsea.png",
    "/2VocS58": "coffee.png",
    "/2scKPIp": "hubble_deep_field.jpg",
    "/2TsO6Pc": "motorcycle_left.png",
    "/2SCv0q7": "rocket.jpg",
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = PHOTOGRAPHS.get(self.path)
        body = b"not here" if name is None else (find_photographs() / name).read_bytes()
        self.send_response(404 if name is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def find_photographs() -> Path:
    """Return scikit-image's folder of photographs, without importing it."""
    spec = importlib.util.find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


@contextmanager
def serve_photographs(base_urls: list[str]) -> Iterator[str]:
    """Give the base URL that is asked for; when there is none, that of a server which runs until the block ends."""
    if base_urls:
        yield base_urls[0].rstrip("/")
        return
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
