"""Which of many 64-bit hashes are near an earlier one that is kept, without comparing each with each.

The hashes are cut into bands: two that differ in few bits differ in very few of them in at least one band, so only
those are compared that meet in a table of one band (multi-index hashing: Norouzi, Punjani and Fleet, "Fast exact
search in Hamming space with multi-index hashing", IEEE TPAMI 36 (6), 2014). What is found is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tintype.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    Places = NDArray[np.intp]

HASH_BITS = 64
MAX_BAND_BITS = 22
"""A band's table has 2 to the power of this many places at most: 32 MB."""
SMALL_PART = 512
"""So many hashes are compared each with each at once: 0.5 ns a pair, which no table can beat."""
AT_ONCE = 2**20
"""Pairs, or places of tables, that are held in memory at one time."""

# Measured nanoseconds of the steps; only their ratios matter, and only for speed.
COMPARE_NS, PROBE_NS, CANDIDATE_NS, TABLE_NS = 1.0, 8.0, 12.0, 4.0


def find_duplicates(hashes: Hashes, *, distance: int) -> NDArray[np.int64]:
    """Return, for each hash, the place of the hash that it duplicates, and -1 for one that is kept.

    In their order, each hash is kept unless one that was kept before differs from it in at most `distance` bits; it
    is a duplicate of the first such one. So a hash that is near a duplicate only is kept.

    Costs 65 bytes of memory a hash at distance 0, about 130 at others, and up to 100 MB for tables.

    Parameters
    ----------
    hashes
        uint64, shape (n,). Not modified.
    distance
        Bits, of 64, in which duplicates may differ: 0 to 64. Up to about 10 the time grows little faster than the
        number of hashes; far above, each is compared with each.

    Returns
    -------
    numpy.ndarray
        int64, shape (n,): -1, or the place of a kept hash before this one.

    Raises
    ------
    SettingsError
        When `distance` is no whole number from 0 to 64.

    Examples
    --------
    >>> hashes = np.array([0b0000, 0b1111, 0b0001, 0b0011], np.uint64)
    >>> find_duplicates(hashes, distance=1)
    array([-1, -1,  0, -1])
    """
    return DuplicateFinder(distance).find(hashes)


class DuplicateFinder:
    """The search of :func:`find_duplicates`, with a count of what it cost.

    Parameters
    ----------
    distance
        Bits in which duplicates may differ.
    """

    def __init__(self, distance: int) -> None:
        if distance not in range(HASH_BITS + 1):
            raise SettingsError(f"distance is {distance!r}: give a whole number of bits from 0 to {HASH_BITS}")
        self._distance = distance
        self.n_compared = 0
        """Pairs of hashes that were compared so far."""

    def find(self, hashes: Hashes) -> NDArray[np.int64]:
        """Return, for each hash, the place of the kept one that it duplicates, and -1 for a kept one."""
        # Equal hashes have one answer, so that thousands of blank images cost no more than one.
        distinct, first, which = np.unique(hashes, return_index=True, return_inverse=True)
        order = np.argsort(first)
        first = first[order]
        kept_of = np.full(len(distinct), -1, np.intp)
        if self._distance > 0:
            self._settle(spread_bits(distinct[order]), kept_of, 0, len(distinct))
        del distinct
        answers = np.where(kept_of < 0, first, first[kept_of])
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        found = answers[places[which]]
        found[first[kept_of < 0]] = -1
        return found.astype(np.int64, copy=False)

    def _settle(self, hashes: Hashes, kept_of: Places, start: int, stop: int) -> None:
        """Decide about the hashes from `start` up to `stop` that nothing before `start` has decided about.

        The first half decides about itself, then about the second, and what is left of that about itself.
        """
        if stop - start <= SMALL_PART:
            self._settle_few(hashes, kept_of, start, stop)
            return
        middle = (start + stop) // 2
        self._settle(hashes, kept_of, start, middle)
        kept = start + np.flatnonzero(kept_of[start:middle] < 0)
        left = middle + np.flatnonzero(kept_of[middle:stop] < 0)
        if len(kept) and len(left):
            nearest = self._first_near(hashes[left], hashes[kept])
            is_near = nearest < len(kept)
            kept_of[left[is_near]] = kept[nearest[is_near]]
        self._settle(hashes, kept_of, middle, stop)

    def _settle_few(self, hashes: Hashes, kept_of: Places, start: int, stop: int) -> None:
        places = start + np.flatnonzero(kept_of[start:stop] < 0)
        few = hashes[places]
        is_near = np.tril(count_bits(few[:, np.newaxis] ^ few) <= self._distance, -1)
        self.n_compared += len(few) * (len(few) - 1) // 2
        is_kept = np.ones(len(few), bool)
        for place in np.flatnonzero(is_near.any(axis=1)).tolist():
            candidates = is_near[place] & is_kept
            first = int(candidates.argmax())
            if candidates[first]:
                is_kept[place] = False
                kept_of[places[place]] = places[first]

    def _first_near(self, hashes: Hashes, kept: Hashes) -> Places:
        """Return, for each hash, the first place in `kept` of one that is near; ``len(kept)`` where none is."""
        first = np.full(len(hashes), len(kept), np.intp)
        bands = choose_bands(self._distance, len(hashes).bit_length(), len(kept).bit_length())
        if not bands:
            return self._first_near_of_all(hashes, kept)
        for band in bands:
            table = BandTable(kept, band)
            probe = BandProbe(hashes, table)
            # Hashes that are alike in a band, as those of much the same images may be, would meet too often.
            if probe.n_equal * len(band.masks) * CANDIDATE_NS > len(hashes) * len(kept) * COMPARE_NS:
                return self._first_near_of_all(hashes, kept)
            for numbers, places in probe.candidates():
                self.n_compared += len(numbers)
                is_near = count_bits(probe.hashes[numbers] ^ table.hashes[places]) <= self._distance
                np.minimum.at(first, probe.order[numbers[is_near]], table.order[places[is_near]])
        return first

    def _first_near_of_all(self, hashes: Hashes, kept: Hashes) -> Places:
        """Do the same by comparing each with each."""
        first = np.full(len(hashes), len(kept), np.intp)
        self.n_compared += len(hashes) * len(kept)
        n_rows = max(1, AT_ONCE // len(kept))
        for start in range(0, len(hashes), n_rows):
            part = hashes[start : start + n_rows, np.newaxis]
            is_near = count_bits(part ^ kept) <= self._distance
            first[start : start + n_rows] = np.where(is_near.any(axis=1), is_near.argmax(axis=1), len(kept))
        return first


class Band(NamedTuple):
    """Some neighbouring bits of the hashes, and how far those of two near hashes can be apart in them."""

    shift: int
    n_bits: int
    masks: Places
    """What may be the exclusive or of their bits."""

    def values(self, hashes: Hashes) -> Places:
        """Return the bits of each hash."""
        low_bits = np.uint64((1 << self.n_bits) - 1)
        return ((hashes >> np.uint64(self.shift)) & low_bits).astype(np.intp)


class BandTable:
    """Hashes in the order of their bits in one band, and where those with each value begin."""

    def __init__(self, hashes: Hashes, band: Band) -> None:
        values = band.values(hashes)
        self.band = band
        self.order: Places = np.argsort(values)
        self.hashes = hashes[self.order]
        self.starts: Places = np.zeros(2**band.n_bits + 1, np.intp)
        np.cumsum(np.bincount(values, minlength=2**band.n_bits), out=self.starts[1:])


class BandProbe:
    """Hashes that are looked up in a table; in order too, so that lookups lie close together in memory."""

    def __init__(self, hashes: Hashes, table: BandTable) -> None:
        values = table.band.values(hashes)
        self._table = table
        self.order: Places = np.argsort(values)
        self.hashes = hashes[self.order]
        self._values = values[self.order]
        self.n_equal = int((table.starts[self._values + 1] - table.starts[self._values]).sum())
        """Pairs that are equal in the band."""

    def candidates(self) -> Iterator[tuple[Places, Places]]:
        """Yield pairs that may be near: places in the order of this probe, and of the table."""
        starts, masks = self._table.starts, self._table.band.masks
        n_hashes = max(1, AT_ONCE // (8 * len(masks)), min(len(self.hashes), 2048))
        n_masks = max(1, AT_ONCE // (8 * n_hashes))
        for first_hash in range(0, len(self._values), n_hashes):
            values = self._values[first_hash : first_hash + n_hashes]
            for first_mask in range(0, len(masks), n_masks):
                slots = (masks[first_mask : first_mask + n_masks, np.newaxis] ^ values).ravel()
                begins = starts[slots]
                counts = starts[slots + 1] - begins
                hits = np.flatnonzero(counts)
                yield from expand_runs(first_hash + hits % len(values), begins[hits], counts[hits])


def expand_runs(numbers: Places, begins: Places, counts: Places) -> Iterator[tuple[Places, Places]]:
    """Yield each number with each place of its run, about :data:`AT_ONCE` pairs at a time.

    Examples
    --------
    >>> [(numbers, places)] = expand_runs(np.array([7, 9]), np.array([0, 20]), np.array([1, 3]))
    >>> numbers.tolist(), places.tolist()
    ([7, 9, 9, 9], [0, 20, 21, 22])
    """
    if len(counts) == 0:
        return
    ends = np.cumsum(counts)
    cuts = np.searchsorted(ends, np.arange(0, ends[-1], AT_ONCE), side="left").tolist()
    for start, stop in zip(cuts, [*cuts[1:], len(ends)], strict=True):
        if start == stop:
            continue
        run_counts = counts[start:stop]
        run_ends = np.cumsum(run_counts)
        places = np.arange(run_ends[-1]) + np.repeat(begins[start:stop] - run_ends + run_counts, run_counts)
        yield np.repeat(numbers[start:stop], run_counts), places


@lru_cache(maxsize=4096)
def choose_bands(distance: int, n_hashes_bits: int, n_kept_bits: int) -> tuple[Band, ...]:
    """Return the bands that find all near pairs at the least cost, going by random hashes.

    There are none where to compare each with each costs less. The radii r of the bands are such that the sum of all
    r + 1 is `distance` + 1: near hashes are within the radius in one band at least, or they would differ in more bits.

    Parameters
    ----------
    distance
        Bits in which hashes may differ, at least 1.
    n_hashes_bits, n_kept_bits
        Bit lengths of the numbers of hashes that are looked up, and that they are looked up among.
    """
    n_hashes, n_kept = 1 << n_hashes_bits, 1 << n_kept_bits

    def cost(n_bands: int, n_bits: int) -> float:
        radii = list_radii(distance, n_bands)
        n_masks = sum(count_masks(n_bits, radius) for radius in radii)
        candidates = n_hashes * n_kept * n_masks / (1 << n_bits)
        tables = n_bands * ((1 << n_bits) + 20 * (n_hashes + n_kept))
        return n_hashes * n_masks * PROBE_NS + candidates * CANDIDATE_NS + tables * TABLE_NS

    choices = [
        (n_bands, n_bits)
        for n_bands in range(1, min(distance + 1, 16) + 1)
        for n_bits in range(1, min(HASH_BITS // n_bands, MAX_BAND_BITS) + 1)
    ]
    n_bands, n_bits = min(choices, key=lambda choice: cost(*choice))
    if cost(n_bands, n_bits) > n_hashes * n_kept * COMPARE_NS:
        return ()
    step = HASH_BITS // n_bands
    return tuple(
        Band(number * step, n_bits, list_masks(n_bits, radius))
        for number, radius in enumerate(list_radii(distance, n_bands))
    )


def list_radii(distance: int, n_bands: int) -> list[int]:
    """Return the radius of each band: as equal as can be, at least 0.

    Examples
    --------
    >>> list_radii(6, 3)
    [2, 1, 1]
    """
    smaller, n_larger = divmod(distance + 1, n_bands)
    return [smaller - (number >= n_larger) for number in range(n_bands)]


def count_masks(n_bits: int, radius: int) -> int:
    """Return the number of values of so many bits with at most `radius` of them set."""
    return sum(comb(n_bits, n_set) for n_set in range(min(radius, n_bits) + 1))


def list_masks(n_bits: int, radius: int) -> Places:
    """Return the values of so many bits with at most `radius` of them set.

    Examples
    --------
    >>> list_masks(3, 1).tolist()
    [0, 1, 2, 4]
    """
    masks = (
        sum(1 << bit for bit in bits)
        for n_set in range(min(radius, n_bits) + 1)
        for bits in combinations(range(n_bits), n_set)
    )
    return np.fromiter(masks, np.intp)


def spread_bits(hashes: Hashes) -> Hashes:
    """Return the hashes with their bits in another order, the same for all, so that no band holds neighbours only.

    Neighbouring bits of a perceptual hash are alike; which order it is does not matter for the distances.
    """
    spread = np.zeros_like(hashes)
    for bit in range(HASH_BITS):
        moved = (hashes >> np.uint64(bit)) & np.uint64(1)
        spread |= moved << np.uint64(bit * 23 % HASH_BITS)
    return spread


def count_bits(hashes: Hashes) -> NDArray[np.uint8]:
    """Return the number of bits set in each value.

    Examples
    --------
    >>> count_bits(np.array([0, 1, 255, 2**64 - 1], np.uint64)).tolist()
    [0, 1, 8, 64]
    """
    if hasattr(np, "bitwise_count"):  # NumPy 2
        counts: NDArray[np.uint8] = np.bitwise_count(hashes)
    else:
        octets = np.ascontiguousarray(hashes).view(np.uint8).reshape(*hashes.shape, 8)
        counts = _BITS_OF_OCTETS[octets].sum(axis=-1, dtype=np.uint8)
    return counts


_BITS_OF_OCTETS = np.array([octet.bit_count() for octet in range(256)], np.uint8)
