"""Of many whole numbers, some that add up to a number, or as near as can be."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW = 64
"""Numbers at the end of a fitting beginning that are chosen anew, with all that come after it."""


def choose_subset(sizes: NDArray[np.int64], target: float) -> NDArray[np.bool_]:
    """Choose some of the numbers, neither none nor all, whose sum is as near to `target` as can be.

    The result is about the beginning of the numbers: in a random order, it is a random choice of them. It is exact:
    where no choice hits `target`, none comes nearer. Of two that are equally near it is the smaller sum.

    Takes memory of some bytes for each of the sums up to `target`, and time that is short where many choices are right.

    Parameters
    ----------
    sizes
        int64, shape (n,), n at least 2, each at least 1. Not modified.
    target
        The sum that is asked for; a half is between two.

    Returns
    -------
    numpy.ndarray
        bool, shape (n,): which are chosen.

    Examples
    --------
    >>> choose_subset(np.array([5, 3, 4, 1]), 8).tolist()
    [True, True, False, False]
    """
    total = int(sizes.sum())
    wanted = _nearest_multiple(sizes, target, total)
    ends = np.cumsum(sizes)
    # The beginning stays but for its last ones, if that hits; nothing stays when it does not.
    n_fixed = max(0, int(np.searchsorted(ends, wanted, side="right")) - WINDOW)
    if n_fixed:
        fixed = int(ends[n_fixed - 1])
        last_of = _search(sizes[n_fixed:], wanted - fixed)
        if last_of[wanted - fixed] >= 0:
            chosen = _way_back(sizes[n_fixed:], last_of, wanted - fixed)
            return np.concatenate([np.ones(n_fixed, bool), chosen])
    last_of = _search(sizes, wanted)
    sums = np.flatnonzero(last_of[:total] >= 0)
    return _way_back(sizes, last_of, int(sums[np.abs(sums - target).argmin()]))


def _search(sizes: NDArray[np.int64], wanted: int) -> NDArray[np.int64]:
    """Return, for each sum that some of the numbers have, the place of the last one of them; -1 for any other.

    Ends when `wanted` is found.
    """
    most = min(wanted + int(sizes.max()), int(sizes.sum()))
    last_of = np.full(most + 1, -1, np.int64)
    reached, mask = 1, (1 << (most + 1)) - 1  # bit s says that some of the numbers so far add up to s
    for place, size in enumerate(sizes.tolist()):
        new = (reached << size) & mask & ~reached
        if new:
            reached |= new
            last_of[_set_bits(new)] = place
            if wanted <= most and last_of[wanted] >= 0:
                break
    return last_of


def _way_back(sizes: NDArray[np.int64], last_of: NDArray[np.int64], total: int) -> NDArray[np.bool_]:
    """Return which numbers add up to a sum that was found."""
    chosen = np.zeros(len(sizes), bool)
    while total:
        place = int(last_of[total])
        chosen[place] = True
        total -= int(sizes[place])
    return chosen


def _nearest_multiple(sizes: NDArray[np.int64], target: float, total: int) -> int:
    """Return the sum, of all that the numbers' common divisor lets be, at which a search can end."""
    divisor = gcd(*np.unique(sizes).tolist())
    below = int(target // divisor) * divisor
    nearest = below if target - below <= below + divisor - target else below + divisor
    return min(max(nearest, divisor), total - divisor)


def _set_bits(number: int) -> NDArray[np.int64]:
    """Return the places of the bits that are set, ascending.

    Examples
    --------
    >>> _set_bits(0b1011).tolist()
    [0, 1, 3]
    """
    octets = np.frombuffer(number.to_bytes(-(-number.bit_length() // 8) or 1, "little"), np.uint8)
    filled = np.flatnonzero(octets)
    bits = np.unpackbits(octets[filled], bitorder="little").reshape(-1, 8)
    rows, columns = np.nonzero(bits)
    return filled[rows] * 8 + columns
