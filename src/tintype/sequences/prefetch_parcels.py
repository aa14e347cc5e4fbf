"""Values and errors on their way from a worker process: how they are packed there and opened here.

Both ends are the same program, and the bytes go nowhere else, so pickle may carry them.
"""

from __future__ import annotations

import pickle
import traceback
from itertools import pairwise
from typing import Any, NoReturn

from tintype.errors import EvaluationError
from tintype.sequences.prefetch_memory import LEAST_BYTES, BlockStore, SharedBlock, view_parts
from tintype.sequences.prefetch_windows import Parcel, raise_error

PROTOCOL = 5

IN_MESSAGE = 0
IS_ERROR = -1
"""Stand where otherwise the number of a block does, from 1."""

Packed = tuple[int, Any]
"""The number of a block and the lengths of the parts in it; or one of the above and a pickle."""


def pack_value(value: Any, store: BlockStore | None) -> Packed:
    """Pickle a value; what is large goes to shared memory, without a copy in between where the value allows it."""
    if store is None:
        return IN_MESSAGE, pickle.dumps(value, PROTOCOL)
    buffers: list[memoryview] = []

    def keep_large(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < LEAST_BYTES:
            return True
        buffers.append(raw)
        return False

    payload = pickle.dumps(value, PROTOCOL, buffer_callback=keep_large)
    if not buffers and len(payload) < LEAST_BYTES:
        return IN_MESSAGE, payload
    parts = [payload, *buffers]
    number = store.put(parts)
    if number is None:
        return IN_MESSAGE, (pickle.dumps(value, PROTOCOL) if buffers else payload)
    return number, tuple(map(len, parts))


class PackedValue(Parcel):
    """A value as a pickle."""

    __slots__ = ("_payload",)

    def __init__(self, payload: bytes) -> None:
        self._payload = payload

    def open(self, index: int, built_at: str) -> Any:
        """Return the value."""
        try:
            return pickle.loads(self._payload)  # noqa: S301 - from our own worker
        except Exception as error:  # noqa: BLE001 - the value's own code ran
            _refuse_value(error, index, built_at)


class SharedValue(Parcel):
    """A value whose pickle, and what is large in it, is in a block.

    Parameters
    ----------
    block
        That it is in.
    lengths
        Of the pickle and the buffers that follow it.
    crew_blocks
        All blocks of the workers: when many are in the hands of the reader, this value is copied.
    max_lent
        How many are many.
    """

    __slots__ = ("_block", "_blocks", "_lease", "_lengths", "_max_lent")

    def __init__(
        self, block: SharedBlock, lengths: tuple[int, ...], crew_blocks: dict[Any, SharedBlock], max_lent: int
    ) -> None:
        self._block = block
        self._lease = block.lease()
        self._lengths = lengths
        self._blocks = crew_blocks
        self._max_lent = max_lent

    def open(self, index: int, built_at: str) -> Any:
        """Return the value; arrays in it keep the block until they are gone."""
        payload, *buffers = view_parts(self._lease, self._lengths)
        given: list[Any] = list(buffers)
        if buffers:
            if sum(block.is_lent for block in list(self._blocks.values())) >= self._max_lent:
                given = [bytearray(buffer) for buffer in buffers]
            else:
                self._block.is_lent = True
        try:
            return pickle.loads(payload, buffers=given)  # noqa: S301 - from our own worker
        except Exception as error:  # noqa: BLE001 - the value's own code ran
            _refuse_value(error, index, built_at)


def _refuse_value(error: Exception, index: int, built_at: str) -> NoReturn:
    reason = f"its value cannot be read back from the worker process ({type(error).__name__}: {error})"
    raise EvaluationError(index, "prefetch", built_at, None, f"{reason}: use method='thread'") from error


def pack_error(error: BaseException) -> Packed:
    """Pickle an error with its causes, and its traceback as text."""
    text = "".join(traceback.format_exception(error))
    chain = []
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        chain.append(_pack_one(link))
        link = link.__cause__
    return IS_ERROR, pickle.dumps((chain, text), PROTOCOL)


def _pack_one(error: BaseException) -> tuple[bytes | None, str]:
    """Return the pickle of an error, or None when it cannot be read back, and its words."""
    words = describe(error)
    try:
        data = pickle.dumps(error, PROTOCOL)
        if type(pickle.loads(data)) is not type(error):  # noqa: S301 - bytes from the line above
            return None, words
    except BaseException:  # noqa: BLE001 - a constructor with arguments of its own ran
        return None, words
    return data, words


class PackedError(Parcel):
    """What the computation of an item raised."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def open(self, index: int, built_at: str) -> NoReturn:
        """Raise it."""
        raise_error(unpack_error(self._data, index, built_at), index, built_at)


def unpack_error(data: bytes, index: int, built_at: str) -> BaseException:
    """Return an error with its causes, and with the worker's traceback as a note.

    An error that cannot be pickled becomes an EvaluationError with its words, a cause that cannot a RuntimeError.
    """
    chain, text = pickle.loads(data)  # noqa: S301 - from our own worker
    errors: list[BaseException] = []
    for packed, words in chain:
        one = _unpack_one(packed)
        if one is None and not errors:
            one = EvaluationError(index, "prefetch", built_at, None, words)
        errors.append(one or RuntimeError(words))
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    errors[0].add_note(f"In the worker process:\n{text.rstrip()}")
    return errors[0]


def _unpack_one(packed: bytes | None) -> BaseException | None:
    if packed is None:
        return None
    try:
        error = pickle.loads(packed)  # noqa: S301 - from our own worker
    except Exception:  # noqa: BLE001 - a constructor of its own ran
        return None
    return error if isinstance(error, BaseException) else None


def describe(error: BaseException) -> str:
    """Return the class and the message of an error, whatever its own code does."""
    try:
        return f"{type(error).__name__}: {error}".removesuffix(": ")
    except Exception:  # noqa: BLE001 - its __str__ ran
        return type(error).__name__
