"""Behaviour of tintype.processed.find_leaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.interim.near_duplicates import BandTable
from tintype.processed import find_leaks
from tintype.processed.splits import leaks
from tintype.processed.splits.leaks import hash_digests, is_distance

FEW_HASHES = st.lists(
    st.tuples(st.integers(0, 63) | st.sampled_from([0, 2**64 - 1, 2**63]), st.integers(-1, 3)), max_size=60
)


def compare_each_with_each(hashes: list[int], parts: list[int], distance: int) -> dict[int, tuple[int, int]]:
    """Return the nearest other and its distance, of each that leaks."""
    found = {}
    for one, (hash_, part) in enumerate(zip(hashes, parts, strict=True)):
        others = [
            ((hash_ ^ other_hash).bit_count(), other)
            for other, (other_hash, other_part) in enumerate(zip(hashes, parts, strict=True))
            if part >= 0 and other_part >= 0 and other_part != part and (hash_ ^ other_hash).bit_count() <= distance
        ]
        if others:
            n_bits, other = min(others)
            found[one] = (other, n_bits)
    return found


def as_dict(found: leaks.Leaks) -> dict[int, tuple[int, int]]:
    values = zip(found.files.tolist(), found.others.tolist(), found.distances.tolist(), strict=True)
    return {file: (other, n_bits) for file, other, n_bits in values}


@given(FEW_HASHES, st.integers(0, 6))
def test_what_is_found_is_what_comparing_each_with_each_finds(files, distance):
    hashes, parts = [file[0] for file in files], [file[1] for file in files]
    found = find_leaks(np.array(hashes, np.uint64), np.array(parts, np.int64), distance=distance)
    assert as_dict(found) == compare_each_with_each(hashes, parts, distance)


@pytest.mark.parametrize("distance", [0, 3, 8])
def test_thousands_of_hashes_in_tables_give_the_same_as_each_with_each(distance, monkeypatch):
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, 6000, np.uint64)
    for place in random.integers(0, 6000, 400).tolist():
        flipped = sum(1 << int(bit) for bit in random.choice(64, random.integers(0, 11), replace=False))
        hashes[place] = hashes[random.integers(0, 6000)] ^ np.uint64(flipped)
    parts = random.integers(0, 3, 6000)
    with_tables = as_dict(find_leaks(hashes, parts, distance=distance))
    assert len(with_tables) > 20
    if distance:
        n_bits = []

        def note(band_hashes: Any, band: Any) -> BandTable:
            n_bits.append(band.n_bits)
            return BandTable(band_hashes, band)

        monkeypatch.setattr(leaks, "BandTable", note)
        find_leaks(hashes, parts, distance=distance)
        assert n_bits
        monkeypatch.setattr(leaks, "choose_bands", lambda *sizes: ())
    assert as_dict(find_leaks(hashes, parts, distance=distance)) == with_tables


def test_thousands_of_equal_images_are_compared_once():
    hashes, parts = np.zeros(100_000, np.uint64), np.arange(100_000) % 2
    found = find_leaks(hashes, parts, distance=4)
    assert len(found) == 100_000
    assert found.others[:4].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("distance", [0, 4])
@pytest.mark.parametrize("n_files", [0, 1])
def test_none_or_one_file_leaks_nowhere(n_files, distance):
    assert len(find_leaks(np.zeros(n_files, np.uint64), np.zeros(n_files, np.int64), distance=distance)) == 0


@pytest.mark.parametrize("distance", [0, 4])
def test_files_of_one_part_leak_nowhere(distance):
    assert len(find_leaks(np.zeros(9, np.uint64), np.ones(9, np.int64), distance=distance)) == 0


def test_the_arrays_are_not_changed():
    hashes, parts = np.array([5, 5, 1], np.uint64), np.array([1, 0, 0])
    find_leaks(hashes, parts, distance=3)
    assert hashes.tolist() == [5, 5, 1]
    assert parts.tolist() == [1, 0, 0]


def test_what_was_never_read_is_no_digest():
    hashes, is_known = hash_digests(["f" * 64, None, "7 bytes at 9"])
    assert hashes.tolist() == [2**64 - 1, 0, 0]
    assert is_known.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("value", "is_one"), [(0, True), (10, True), (-1, False), (64, False), (True, False), (1.0, False)]
)
def test_a_distance_is_a_number_of_bits(value, is_one):
    assert is_distance(value) is is_one
