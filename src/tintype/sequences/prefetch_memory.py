"""Blocks of memory that a worker process fills and its parent reads, without a copy and without a name.

The memory belongs to no file that could stay behind: it is gone when both processes have let go of it, however they
end. A worker makes a block, sends its descriptor along with the first result in it, and fills it again once the first
byte says that nobody reads from it any more. The parent sets that byte when the last array in the block is gone.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections import deque
from collections.abc import Sequence
from pickle import PickleBuffer
from typing import Any

HEAD = 64
"""Bytes before the content; also what buffers are aligned to."""
LEAST_BYTES = 16_384
"""What is smaller travels with the message: that costs less than a block."""
MOST_WASTE = 4
"""A block may be this many times as large as what it is used for."""


def make_memory(size_bytes: int) -> int:
    """Return the descriptor of memory that has no name."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("tintype-prefetch")
    else:
        descriptor, path = tempfile.mkstemp(prefix="tintype-prefetch-")
        os.unlink(path)
    os.ftruncate(descriptor, size_bytes)
    return descriptor


def map_memory(descriptor: int, size_bytes: int) -> mmap.mmap:
    """Map memory, and close its descriptor."""
    try:
        return mmap.mmap(descriptor, size_bytes)
    finally:
        os.close(descriptor)


class BlockStore:
    """The blocks of one worker, on its side.

    Parameters
    ----------
    max_blocks
        Most blocks; what finds none free travels with the message.
    """

    def __init__(self, max_blocks: int) -> None:
        self._max_blocks = max_blocks
        self._blocks: dict[int, mmap.mmap] = {}
        self._n_made = 0
        self.made: deque[tuple[int, int, int]] = deque()
        """Number, size and descriptor of blocks that the parent has not heard of."""
        self.dropped: deque[int] = deque()
        """Numbers of blocks that it can drop."""

    def put(self, parts: Sequence[Any]) -> int | None:
        """Copy some bytes-like parts, one after the other, to a block; return its number, or None if there is none."""
        size = HEAD + sum(map(_align, map(len, parts)))
        number = self._find(size)
        if number is None:
            return None
        memory = self._blocks[number]
        start = HEAD
        for part in parts:
            memory[start : start + len(part)] = part
            start += _align(len(part))
        memory[0] = 1
        return number

    def take_made(self) -> list[tuple[int, int, int]]:
        """Return what :attr:`made` holds, once."""
        return [self.made.popleft() for _ in range(len(self.made))]

    def take_dropped(self) -> list[int]:
        """Return what :attr:`dropped` holds, once."""
        return [self.dropped.popleft() for _ in range(len(self.dropped))]

    def _find(self, size: int) -> int | None:
        free = [number for number, memory in self._blocks.items() if memory[0] == 0]
        # The last one used is the likeliest to be in the processor's cache.
        for number in reversed(free):
            if size <= len(self._blocks[number]) <= MOST_WASTE * size:
                self._blocks[number] = self._blocks.pop(number)
                return number
        if len(self._blocks) >= self._max_blocks:
            if not free:
                return None
            del self._blocks[free[0]]
            self.dropped.append(free[0])
        return self._make(size)

    def _make(self, size: int) -> int:
        size += -size % mmap.PAGESIZE
        descriptor = make_memory(size)
        self._n_made += 1
        self._blocks[self._n_made] = mmap.mmap(descriptor, size)
        self.made.append((self._n_made, size, descriptor))
        return self._n_made


class SharedBlock:
    """A block on the parent's side.

    Parameters
    ----------
    descriptor
        Of the memory; closed.
    size_bytes
        Of all of it.
    """

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        import ctypes

        self._memory = map_memory(descriptor, size_bytes)
        # A class of its own, because instances of ctypes' own have no weak references.
        self._lease_type: Any = type("Lease", (ctypes.c_char * size_bytes,), {})
        self._pid = os.getpid()
        self._watch: weakref.ref[Any] | None = None
        self.is_lent = False
        """Whether arrays that the reader got are in it."""

    def lease(self) -> Any:
        """Return an object that keeps the block from being filled again, and so does whatever is a view of it."""
        lease = self._lease_type.from_buffer(self._memory)
        self._watch = weakref.ref(lease, self._free)
        return lease

    def _free(self, _: object) -> None:
        self._watch = None  # it holds this object
        if self._pid == os.getpid():  # in a fork, the arrays of the parent live on
            self.is_lent = False
            self._memory[0] = 0


def view_parts(lease: Any, lengths: Sequence[int]) -> list[memoryview]:
    """Return the parts of a block as they were put there; each keeps the lease."""
    whole = PickleBuffer(lease).raw()
    parts = []
    start = HEAD
    for length in lengths:
        parts.append(whole[start : start + length])
        start += _align(length)
    return parts


def _align(length: int) -> int:
    return length + -length % HEAD
