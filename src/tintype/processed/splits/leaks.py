"""Leaks: files of one part that are also in another, or look like one there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tintype.interim.near_duplicates import (
    AT_ONCE,
    CANDIDATE_NS,
    COMPARE_NS,
    HASH_BITS,
    BandProbe,
    BandTable,
    choose_bands,
    count_bits,
    spread_bits,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    Places = NDArray[np.int64]

_FAR = np.int64(1 << 62)
_SHIFT = 48
"""Distance and place in one number, so that the smallest is the nearest, and of those the first."""


@dataclass(frozen=True)
class Leaks:
    """Files that have one like them in another part; each side of a pair is one."""

    files: Places
    """Numbers of the files, ascending, shape (n,)."""
    others: Places
    """Number of the nearest file of another part, the first of them, shape (n,)."""
    distances: Places
    """Bits in which their hashes differ, shape (n,)."""

    def __len__(self) -> int:
        """Return the number of files that leak."""
        return len(self.files)

    @classmethod
    def none(cls) -> Leaks:
        """Return that nothing leaks."""
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, nothing)


def find_leaks(hashes: Hashes, parts: NDArray[np.integer], *, distance: int = 0) -> Leaks:
    """Find the files that have one with the same, or nearly the same, hash in another part.

    What is found is exact, and costs little more than to find duplicates: no comparison of each with each.

    Parameters
    ----------
    hashes
        uint64, shape (n,). Not modified.
    parts
        Number of the part of each file, from 0, shape (n,); below 0 for a file that is in none. Not modified.
    distance
        Bits, of 64, in which hashes may differ.

    Examples
    --------
    >>> leaks = find_leaks(np.array([7, 8, 7, 15], np.uint64), np.array([0, 0, 1, 1]))
    >>> leaks.files.tolist(), leaks.others.tolist()
    ([0, 2], [2, 0])
    >>> leaks = find_leaks(np.array([7, 8, 7, 15], np.uint64), np.array([0, 0, 1, 1]), distance=3)
    >>> leaks.files.tolist(), leaks.others.tolist(), leaks.distances.tolist()
    ([0, 1, 2, 3], [2, 3, 0, 0], [0, 3, 0, 1])
    """
    there = np.flatnonzero(parts >= 0)
    # Files of one part with one hash have one answer.
    order = there[np.lexsort((there, parts[there], hashes[there]))]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (np.diff(hashes[order]) != 0) | (np.diff(parts[order]) != 0)
    first = order[is_first]
    best = np.full(len(first), _FAR)
    if distance:
        _find_near(hashes[first], parts[first], first, best, distance)
    else:
        _find_equal(hashes[first], first, best)
    all_best = np.full(len(hashes), _FAR)
    all_best[order] = best[np.cumsum(is_first) - 1]
    files = np.flatnonzero(all_best < _FAR)
    found = all_best[files]
    return Leaks(files, found & ((1 << _SHIFT) - 1), found >> _SHIFT)


def _find_equal(hashes: Hashes, first: Places, best: Places) -> None:
    """Find, for each hash of a part, the first file with the same hash in another; equal hashes stand together."""
    if not len(hashes):
        return
    is_start = np.ones(len(hashes), bool)
    is_start[1:] = hashes[1:] != hashes[:-1]
    starts, run = np.flatnonzero(is_start), np.cumsum(is_start) - 1
    earliest = np.minimum.reduceat(first, starts)[run]
    is_earliest = first == earliest
    second = np.minimum.reduceat(np.where(is_earliest, _FAR, first), starts)[run]
    best[:] = np.where(is_earliest, second, earliest)


def _find_near(hashes: Hashes, parts: NDArray[np.integer], first: Places, best: Places, distance: int) -> None:
    spread = spread_bits(hashes)
    for part in sorted(set(parts.tolist())):
        is_own = parts == part
        if not is_own.all():
            best[is_own] = _find_nearest(spread[is_own], spread[~is_own], first[~is_own], distance)


def _find_nearest(hashes: Hashes, others: Hashes, names: Places, distance: int) -> Places:
    """Return, for each hash, distance and name of the nearest of the others, in one number; a large one for none."""
    best = np.full(len(hashes), _FAR)
    bands = choose_bands(distance, len(hashes).bit_length(), len(others).bit_length())
    if not bands:
        return _compare_all(hashes, others, names, distance)
    for band in bands:
        table = BandTable(others, band)
        probe = BandProbe(hashes, table)
        if probe.n_equal * len(band.masks) * CANDIDATE_NS > len(hashes) * len(others) * COMPARE_NS:
            return _compare_all(hashes, others, names, distance)
        for numbers, places in probe.candidates():
            n_bits = count_bits(probe.hashes[numbers] ^ table.hashes[places])
            near = np.flatnonzero(n_bits <= distance)
            key = (n_bits[near].astype(np.int64) << _SHIFT) | names[table.order[places[near]]]
            np.minimum.at(best, probe.order[numbers[near]], key)
    return best


def _compare_all(hashes: Hashes, others: Hashes, names: Places, distance: int) -> Places:
    best = np.full(len(hashes), _FAR)
    by_name = np.argsort(names)
    others, names = others[by_name], names[by_name]
    n_rows = max(1, AT_ONCE // len(others))
    for start in range(0, len(hashes), n_rows):
        n_bits = count_bits(hashes[start : start + n_rows, np.newaxis] ^ others)
        nearest = n_bits.argmin(axis=1)
        smallest = n_bits[np.arange(len(n_bits)), nearest]
        key = (smallest.astype(np.int64) << _SHIFT) | names[nearest]
        best[start : start + n_rows] = np.where(smallest <= distance, key, _FAR)
    return best


def is_distance(value: object) -> bool:
    """Return whether a value is a number of bits in which hashes may differ."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < HASH_BITS


def hash_digests(digests: list[str | None]) -> tuple[Hashes, NDArray[np.bool_]]:
    """Return the first 64 bits of digests, and which are digests: a file that was not read has none.

    Parameters
    ----------
    digests
        Of at least 16 hexadecimal digits, or words with spaces.

    Examples
    --------
    >>> hashes, is_known = hash_digests(["00000000000000ff" + 48 * "0", "12 bytes at 99", None])
    >>> hashes.tolist(), is_known.tolist()
    ([255, 0, 0], [True, False, False])
    """
    is_known = [digest is not None and " " not in digest for digest in digests]
    nothing = 16 * "0"
    first = [digest[:16] if digest and known else nothing for digest, known in zip(digests, is_known, strict=True)]
    # All in one call, a third of the time of int() for each.
    return np.frombuffer(bytes.fromhex("".join(first)), ">u8").astype(np.uint64), np.array(is_known, bool)
