"""A server on loopback that speaks as much of MongoDB's wire protocol as reading a collection takes.

It answers hello, find (with equality filters and inclusive projections), getMore and killCursors, and refuses to log
anyone in. What it was asked is kept in `commands`.
"""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import bson

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
HEADER = struct.Struct("<iiii")  # length, number of this message, number it answers, kind

HELLO = {
    "ok": 1.0,
    "helloOk": True,
    "ismaster": True,
    "isWritablePrimary": True,
    "maxBsonObjectSize": 16 << 20,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
}


class MongoWireServer(socketserver.ThreadingTCPServer):
    """Holds collections by ``database.collection``."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.collections: dict[str, list[dict[str, Any]]] = {}
        self.commands: list[dict[str, Any]] = []
        self.cursors: dict[int, tuple[str, Iterator[dict[str, Any]]]] = {}
        self.lock = threading.Lock()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def asked(self, name: str) -> list[dict[str, Any]]:
        """Return the commands of one kind."""
        return [command for command in self.commands if name in command]

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to one command."""
        name = next(iter(command))
        with self.lock:
            self.commands.append(command)
            if name.lower() in {"hello", "ismaster"}:
                return HELLO
            if name == "find":
                return self._find(command)
            if name == "getMore":
                _, documents = self.cursors[command["getMore"]]
                return self._batch("nextBatch", command["getMore"], documents, command.get("batchSize", 101))
            if name == "saslStart":
                return {"ok": 0.0, "code": 18, "codeName": "AuthenticationFailed", "errmsg": "Authentication failed."}
            return {"ok": 1.0}

    def _find(self, command: dict[str, Any]) -> dict[str, Any]:
        if "$broken" in command["filter"]:
            return {"ok": 0.0, "code": 2, "codeName": "BadValue", "errmsg": "unknown top level operator: $broken"}
        space = f"{command['$db']}.{command['find']}"
        wanted = command["filter"].items()
        projection = command.get("projection")
        found = [
            {key: value for key, value in document.items() if not projection or key == "_id" or projection.get(key)}
            for document in self.collections.get(space, [])
            if all(document.get(key) == value for key, value in wanted)
        ]
        found = found[: command.get("limit") or None]
        number = len(self.cursors) + 1
        self.cursors[number] = (space, iter(found))
        return self._batch("firstBatch", number, self.cursors[number][1], command.get("batchSize", 101))

    def _batch(self, name: str, number: int, documents: Iterator[dict[str, Any]], size: int) -> dict[str, Any]:
        batch = list(islice(documents, size))
        return {
            "ok": 1.0,
            "cursor": {
                "id": bson.Int64(number if len(batch) == size else 0),
                "ns": self.cursors[number][0],
                name: batch,
            },
        }


class Handler(socketserver.BaseRequestHandler):
    """One connection."""

    server: MongoWireServer

    def handle(self) -> None:
        while header := self._receive(HEADER.size):
            length, number, _, kind = HEADER.unpack(header)
            body = self._receive(length - HEADER.size)
            if kind == OP_MSG:
                answer = bson.encode(self.server.answer(bson.decode(body[5:])))
                self._send(number, OP_MSG, b"\0\0\0\0\0" + answer)
            elif kind == OP_QUERY:
                start = body.index(b"\0", 4) + 9  # after flags, the collection's name, and how many to skip and return
                answer = bson.encode(self.server.answer(bson.decode(body[start:])))
                self._send(number, OP_REPLY, struct.pack("<iqii", 8, 0, 0, 1) + answer)
            else:
                raise AssertionError(f"a message of kind {kind}")

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                more = self.request.recv(size - len(data))
            except ConnectionResetError:
                return b""
            if not more:
                return b""
            data += more
        return data

    def _send(self, number: int, kind: int, body: bytes) -> None:
        self.request.sendall(HEADER.pack(HEADER.size + len(body), 0, number, kind) + body)


@contextmanager
def mongo_wire_server() -> Iterator[MongoWireServer]:
    """Run a server until the block ends."""
    with MongoWireServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
