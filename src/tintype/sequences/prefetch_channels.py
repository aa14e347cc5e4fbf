"""What comes from a worker process, on its parent's side."""

from __future__ import annotations

import os
import pickle
import socket
from collections import deque
from typing import TYPE_CHECKING

from tintype.sequences.prefetch_memory import SharedBlock
from tintype.sequences.prefetch_worker import FRAME, Message

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

RECEIVE_BYTES = 65_536
MOST_DESCRIPTORS = 16


class Worker:
    """One worker process, and what came from it and is not a whole message yet."""

    def __init__(self, number: int, process: BaseProcess, channel: socket.socket) -> None:
        self.number = number
        self.process = process
        self.channel = channel
        self.blocks: dict[int, SharedBlock] = {}
        self._data = bytearray()
        self._descriptors: deque[int] = deque()

    def receive(self) -> list[Message]:
        """Read what is there, and return the messages that are whole.

        Raises
        ------
        EOFError
            When the process has ended.
        """
        try:
            data, descriptors, _, _ = socket.recv_fds(self.channel, RECEIVE_BYTES, MOST_DESCRIPTORS)
        except ConnectionResetError:
            data, descriptors = b"", []
        self._descriptors.extend(descriptors)
        if not data:
            raise EOFError
        self._data += data
        messages = []
        while len(self._data) >= FRAME.size:
            end = FRAME.size + FRAME.unpack_from(self._data)[0]
            if len(self._data) < end:
                break
            with memoryview(self._data) as view:
                message = Message(*pickle.loads(view[FRAME.size : end]))  # noqa: S301 - from our own worker
            del self._data[:end]
            for number in message.dropped:
                del self.blocks[number]
            for number, size_bytes in message.made:
                self.blocks[number] = SharedBlock(self._descriptors.popleft(), size_bytes)
            messages.append(message)
        return messages

    def close(self) -> None:
        """Close what is open for it. Arrays that came from it stay."""
        self.channel.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())
