"""A catalogue to try this on: photographs on loopback, and the list of them as a CSV file and as an SQLite database.

    python photo_server.py [port]

writes ``catalogue.csv`` and ``catalogue.sqlite`` into the current folder, says so, and serves until it is stopped. The
photographs are those that come with scikit-image; one shows a person.
"""

from __future__ import annotations

import csv
import importlib.util
import sqlite3
import sys
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COLUMNS = ("url", "id", "retailer", "product", "label")
# File, retailer, product, label.
PHOTOGRAPHS = [
    ("astronaut.png", "north", "suit", "clothes"),
    ("chelsea.png", "north", "cat", "pets"),
    ("coffee.png", "south", "cup", "kitchen"),
    ("motorcycle_left.png", "south", "motorcycle", "vehicles"),
    ("motorcycle_right.png", "south", "motorcycle", "vehicles"),
    ("rocket.jpg", "north", "rocket", "vehicles"),
    ("retina.jpg", "north", "retina", "pets"),
    ("hubble_deep_field.jpg", "south", "poster", "kitchen"),
]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        is_there = name in {photograph[0] for photograph in PHOTOGRAPHS}
        body = (find_photographs() / name).read_bytes() if is_there else b"not here"
        self.send_response(200 if is_there else 404)
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


def write_lists(base_url: str) -> None:
    """Write the list of the photographs as a CSV file and as a table of an SQLite database."""
    rows = [(f"{base_url}/{row[0]}?width=2000", f"{number:03}", *row[1:]) for number, row in enumerate(PHOTOGRAPHS)]
    with open("catalogue.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    with closing(sqlite3.connect("catalogue.sqlite")) as database, database:
        database.execute("DROP TABLE IF EXISTS photographs")
        database.execute("CREATE TABLE photographs (url TEXT, id TEXT, retailer TEXT, product TEXT, label TEXT)")
        database.executemany("INSERT INTO photographs VALUES (?, ?, ?, ?, ?)", rows)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8765
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        base_url = f"http://127.0.0.1:{server.server_port}"
        write_lists(base_url)
        print(f"catalogue.csv and catalogue.sqlite list the photographs at {base_url}", flush=True)
        server.serve_forever()
