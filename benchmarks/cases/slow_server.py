"""Serve photographs that come late: slow_server.py FOLDER WAIT_SECONDS. Prints its port, ends with its standard input.

``/large/ANY.jpg`` is one of the files of the folder as it is, ``/small/ANY.jpg`` the first 20 kB of one.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
from pathlib import Path

N_BODIES = 200
SMALL_BYTES = 20_000
_PATH = re.compile(rb"GET /(large|small)/0*(\d+)\.jpg ")

Answers = dict[bytes, list[bytes]]


class LateAnswers(asyncio.Protocol):
    """One connection: each request is answered after a while, however fast they come."""

    def __init__(self, answers: Answers, wait_seconds: float) -> None:
        self._answers = answers
        self._wait_seconds = wait_seconds
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._received = (self._received + data).split(b"\r\n\r\n")
        for request in requests:
            found = _PATH.match(request)
            if found is None:
                self._transport.close()
                return
            answers = self._answers[found[1]]
            answer = answers[int(found[2]) % len(answers)]
            asyncio.get_running_loop().call_later(self._wait_seconds, self._transport.write, answer)


def read_answers(folder: Path) -> Answers:
    bodies = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))[:N_BODIES]]
    return {
        kind: [
            b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            for body in chosen
        ]
        for kind, chosen in {b"large": bodies, b"small": [body[:SMALL_BYTES] for body in bodies]}.items()
    }


def end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


async def main(folder: Path, wait_seconds: float) -> None:
    answers = read_answers(folder)
    threading.Thread(target=end_with_input, daemon=True).start()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: LateAnswers(answers, wait_seconds), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
