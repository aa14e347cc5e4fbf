"""A sequence in an order that a number decides, computed item by item: no list of numbers is made."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from tintype.sequences.view import Indexable, Item, Picked, View, count_items, to_index

N_ROUNDS = 6
"""Four are proven to be enough for long sequences."""

N_ROUNDS_OF_FEW = 24
"""For up to :data:`FEW` items: a handful comes in each of its orders about equally often; a test counts them."""

FEW = 1000

MASK = 0xFFFF_FFFF_FFFF_FFFF


class Permutation(View[int]):
    """The numbers below a length in the order of a seed: a keyed Feistel network over a grid of two digits.

    Each round adds to one digit a hash of the other. That can be undone, so that no two numbers meet. The grid has a
    few places more than there are numbers; a number that lands in one of those is sent on until it lands below the
    length. It is whole numbers only, so that it is the same on every computer and every Python.

    Parameters
    ----------
    length
        How many numbers.
    seed
        Any int.
    """

    __slots__ = ("_columns", "_keys", "_rows", "_seed")

    def __init__(self, length: int, seed: int) -> None:
        self._length = length
        self._seed = seed
        self._rows = math.isqrt(max(length - 1, 0)) + 1
        self._columns = -(-length // self._rows)
        n_bytes = 8 * (N_ROUNDS_OF_FEW if length <= FEW else N_ROUNDS)
        digest = hashlib.shake_256(f"{seed} {length}".encode()).digest(n_bytes)
        self._keys = [int.from_bytes(digest[start : start + 8], "big") for start in range(0, n_bytes, 8)]

    def _item(self, index: int, /) -> int:
        while True:
            index = self._encrypt(index)
            if index < self._length:
                return index

    def _encrypt(self, index: int) -> int:
        n_left, n_right = self._rows, self._columns
        left, right = divmod(index, n_right)
        for key in self._keys:
            # The finish of MurmurHash3: every bit of what goes in moves every bit of what comes out.
            mixed = (right + key) & MASK
            mixed = (mixed ^ mixed >> 33) * 0xFF51_AFD7_ED55_8CCD & MASK
            mixed = (mixed ^ mixed >> 33) * 0xC4CE_B9FE_1A85_EC53 & MASK
            left, right = right, (left + (mixed >> 32)) % n_left
            n_left, n_right = n_right, n_left
        return left * n_right + right

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._length, self._seed)


class Shuffle(Picked[Item]):
    """The items of a sequence in the order of a permutation."""

    __slots__ = ()

    def _name(self) -> str:
        return "shuffle"


def shuffle(sequence: Indexable[Item], seed: int) -> View[Item]:
    """Return a sequence of the same items in another order, which the seed decides.

    The order is computed item by item, so it costs no memory, whatever the length. It is the same for a seed and a
    length on every computer and every Python. It is for training and sampling, not for secrets. Assignment goes through
    to the sequence.

    Parameters
    ----------
    sequence
        To shuffle.
    seed
        Any int; another one for each epoch, for instance.

    Raises
    ------
    TypeError
        When `sequence` is none, or has no end, or `seed` is no int.

    Examples
    --------
    >>> from tintype.sequences import shuffle
    >>> list(shuffle("abcde", 1)), list(shuffle("abcde", 2))
    (['c', 'e', 'b', 'd', 'a'], ['d', 'b', 'a', 'c', 'e'])
    >>> shuffle(range(10**12), 0)[0]
    673983261115
    """
    return Shuffle(sequence, Permutation(count_items("shuffle", sequence), to_index(seed, "a seed is an int")))
