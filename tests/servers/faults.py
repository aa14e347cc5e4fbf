"""An HTTP server on loopback that does everything wrong that servers do, each fault at a path of its own."""

import gzip
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class FaultServer(ThreadingHTTPServer):
    """Counts requests by path; `files` are served as they are, with an ETag."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.requests: Counter[str] = Counter()
        self.bytes_sent = 0
        self.seen_headers: dict[str, dict[str, str]] = {}
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.n_active = 0
        self.max_active = 0
        self.n_connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def get_request(self):
        connection = super().get_request()
        self.n_connections += 1
        return connection

    def handle_error(self, request, client_address):
        """Clients that hang up are what this server is for."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultServer

    def log_message(self, *args):
        pass

    def do_GET(self):
        parts = urlsplit(self.path)
        with self.server.lock:
            self.server.requests[self.path] += 1
            self.server.seen_headers[self.path] = dict(self.headers)
            count = self.server.requests[self.path]
            self.server.n_active += 1
            self.server.max_active = max(self.server.max_active, self.server.n_active)
        try:
            name = parts.path.strip("/").split("/")[0].replace("-", "_")
            fault = getattr(self, f"fault_{name}", None)
            if fault is not None:
                fault({key: values[-1] for key, values in parse_qs(parts.query).items()}, count)
            elif self.path in self.server.files:
                self.send_file(self.server.files[self.path])
            else:
                self.send(404, b"not here")
        finally:
            with self.server.lock:
                self.server.n_active -= 1

    def send_file(self, data: bytes) -> None:
        etag = f'"{hash(data) & 0xFFFFFFFF:08x}"'
        if self.headers.get("If-None-Match") == etag:
            self.send(304, b"", ETag=etag)
        else:
            self.send(200, data, ETag=etag, Content_Type="image/png")

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with self.server.lock:  # first: who has the body may ask at once
            self.server.bytes_sent += len(body)
        self.wfile.write(body)

    def begin(self, length: int | None = None) -> None:
        """Send the head of a good answer; a body without a length ends with the connection."""
        self.send_response(200)
        if length is None:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def drip(self, chunk: bytes = b"x", pause: float = 0.05) -> None:
        while not self.server.ending.wait(pause):
            self.wfile.write(chunk)
            self.wfile.flush()

    def fault_hang(self, query, count):
        self.server.ending.wait(60)

    def fault_drip(self, query, count):
        self.begin(10_000_000)
        self.drip()

    def fault_drip_headers(self, query, count):
        self.drip()

    def fault_endless(self, query, count):
        self.begin()
        self.drip(b"x" * 65536, 0.0)

    def fault_reset(self, query, count):
        self.begin(100_000)
        self.wfile.write(b"x" * 50_000)
        self.wfile.flush()
        # Linger for no time: the connection ends with a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def fault_short(self, query, count):
        self.begin(1000)
        self.wfile.write(b"x" * 400)
        self.close_connection = True

    def fault_redirect_loop(self, query, count):
        self.send(302, b"", Location="/redirect-loop")

    def fault_redirect(self, query, count):
        self.send(302, b"moved", Location=query["to"])

    def fault_too_many(self, query, count):
        if count == 1:
            self.send(429, b"slow down", Retry_After=query.get("after", "1"))
        else:
            self.send(200, b"at last")

    def fault_twice_503(self, query, count):
        if count <= 2:
            self.send(503, b"busy")
        else:
            self.send(200, b"at last")

    def fault_status(self, query, count):
        self.send(int(query["code"]), b"sorry")

    def fault_bomb(self, query, count):
        self.send(200, gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")

    def fault_not_gzip(self, query, count):
        self.send(200, b"this is no gzip", Content_Encoding="gzip")

    def fault_lie(self, query, count):
        self.send(200, b"<html>no image</html>", Content_Type="text/html")

    def fault_false_image(self, query, count):
        self.send(200, b"<html>no image</html>", Content_Type="image/png")

    def fault_empty(self, query, count):
        self.send(200, b"")

    def fault_opted_out(self, query, count):
        self.send(200, b"picture", X_Robots_Tag=query.get("tag", "noai"))

    def fault_slow(self, query, count):
        time.sleep(float(query.get("seconds", "0.05")))
        self.send(200, b"slow but good")


@contextmanager
def fault_server() -> Iterator[FaultServer]:
    """Serve until the block ends."""
    server = FaultServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()
