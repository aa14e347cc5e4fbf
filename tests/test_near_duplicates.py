"""Behaviour of tintype.interim.near_duplicates: which hashes are near an earlier one that is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype.errors import SettingsError
from tintype.interim import near_duplicates
from tintype.interim.near_duplicates import DuplicateFinder, count_bits, find_duplicates, spread_bits

MAX_HASH = 2**64 - 1


def find_by_definition(hashes: list[int], distance: int) -> list[int]:
    """Compare each with each that is kept, in order."""
    kept: list[int] = []
    found = []
    for place, value in enumerate(hashes):
        original = next((other for other in kept if (value ^ hashes[other]).bit_count() <= distance), -1)
        if original < 0:
            kept.append(place)
        found.append(original)
    return found


def as_hashes(values: list[int]) -> np.ndarray:
    return np.array(values, np.uint64)


def make_random(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, MAX_HASH, n, np.uint64, endpoint=True)


def make_clusters(n: int, n_clusters: int, n_flips: int, seed: int = 0) -> np.ndarray:
    """Return hashes that each differ in at most so many bits from one of a few."""
    rng = np.random.default_rng(seed)
    hashes = make_random(n_clusters, seed)[rng.integers(0, n_clusters, n)]
    for _ in range(n_flips):
        hashes ^= np.uint64(1) << rng.integers(0, 64, n).astype(np.uint64)
    return hashes


@st.composite
def alike(draw):
    """Draw hashes of which many are near each other."""
    seeds = draw(st.lists(st.integers(0, MAX_HASH), min_size=1, max_size=4))
    flips = st.lists(st.integers(0, 63), max_size=6)
    picks = draw(st.lists(st.tuples(st.sampled_from(seeds), flips), max_size=60))
    hashes = []
    for value, bits in picks:
        for bit in bits:
            value ^= 1 << bit
        hashes.append(value)
    return hashes


# What is found


@pytest.mark.parametrize("small_part", [1, 4, 512])
@given(hashes=alike(), distance=st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_it_finds_what_comparing_each_with_each_finds(small_part, hashes, distance):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_duplicates, "SMALL_PART", small_part)
        assert find_duplicates(as_hashes(hashes), distance=distance).tolist() == find_by_definition(hashes, distance)


@pytest.fixture
def _tables_only(monkeypatch):
    """Let comparing each with each never look cheaper than a table, so that few hashes take every path."""
    near_duplicates.choose_bands.cache_clear()
    monkeypatch.setattr(near_duplicates, "COMPARE_NS", 1e9)
    monkeypatch.setattr(near_duplicates, "SMALL_PART", 8)
    yield
    near_duplicates.choose_bands.cache_clear()


@pytest.mark.usefixtures("_tables_only")
@pytest.mark.parametrize("distance", range(17))
@pytest.mark.parametrize("n_flips", [1, 4, 9])
def test_tables_find_it_at_every_distance(distance, n_flips):
    hashes = make_clusters(400, 40, n_flips, seed=distance)
    found = find_duplicates(hashes, distance=distance)
    assert found.tolist() == find_by_definition(hashes.tolist(), distance)


@pytest.mark.usefixtures("_tables_only")
def test_pairs_that_do_not_fit_into_memory_at_once_are_looked_at_in_parts(monkeypatch):
    monkeypatch.setattr(near_duplicates, "AT_ONCE", 16)
    hashes = make_clusters(300, 30, 3)
    assert find_duplicates(hashes, distance=4).tolist() == find_by_definition(hashes.tolist(), 4)


@pytest.mark.parametrize("distance", [1, 6, 16, 40, 64])
def test_thousands_of_hashes_are_as_by_definition(distance):
    hashes = make_clusters(3000, 300, 5)
    assert find_duplicates(hashes, distance=distance).tolist() == find_by_definition(hashes.tolist(), distance)


def test_a_hash_that_is_near_a_duplicate_only_is_kept():
    chain = [0b0, 0b1, 0b11, 0b111, 0b1111]
    assert find_duplicates(as_hashes(chain), distance=1).tolist() == [-1, 0, -1, 2, -1]


def test_the_original_is_the_first_that_is_kept_not_the_nearest():
    assert find_duplicates(as_hashes([0b0000, 0b1111, 0b0111]), distance=3).tolist() == [-1, -1, 0]


def test_distance_zero_finds_equal_hashes():
    assert find_duplicates(as_hashes([5, MAX_HASH, 5, 0, 4, MAX_HASH]), distance=0).tolist() == [-1, -1, 0, -1, -1, 1]


@pytest.mark.parametrize("distance", [0, 6, 64])
def test_none_and_one_hash_have_no_duplicates(distance):
    assert find_duplicates(as_hashes([]), distance=distance).tolist() == []
    assert find_duplicates(as_hashes([7]), distance=distance).tolist() == [-1]


def test_the_hashes_are_left_as_they_are():
    hashes = make_clusters(2000, 100, 2)
    before = hashes.copy()
    hashes.flags.writeable = False
    find_duplicates(hashes, distance=4)
    np.testing.assert_array_equal(hashes, before)


@pytest.mark.parametrize("distance", [-1, 65, 2.5, "6", None])
def test_a_distance_that_is_none_is_refused(distance):
    with pytest.raises(SettingsError, match=rf"distance is {distance!r}: give a whole number of bits from 0 to 64"):
        find_duplicates(as_hashes([1]), distance=distance)


# What it costs


def count_compared(hashes: np.ndarray, distance: int) -> tuple[int, int]:
    """Return the number of pairs that were compared, and of hashes that are kept."""
    finder = DuplicateFinder(distance)
    n_kept = int((finder.find(hashes) < 0).sum())
    return finder.n_compared, n_kept


def test_few_of_all_pairs_of_random_hashes_are_compared():
    n = 200_000
    n_compared, n_kept = count_compared(make_random(n), 6)
    assert n_kept == n
    assert n_compared < 0.02 * n * n / 2


def test_equal_hashes_are_never_compared():
    hashes = np.concatenate([np.zeros(50_000, np.uint64), make_random(1000)])
    n_compared, n_kept = count_compared(hashes, 8)
    assert n_kept == 1001
    assert n_compared < 1001**2


@pytest.mark.parametrize("n_clusters", [1, 200, 5000])
def test_clusters_of_near_hashes_cost_little_more_than_random_ones(n_clusters):
    n = 50_000
    hashes = make_clusters(n, n_clusters, 3)
    n_compared, n_kept = count_compared(hashes, 6)
    assert n_kept < 2 * n_clusters
    assert n_compared < 0.03 * n * n / 2


def test_hashes_that_are_equal_in_most_bits_are_compared_no_oftener_than_each_with_each():
    n = 20_000
    n_compared, n_kept = count_compared(np.arange(n, dtype=np.uint64) << np.uint64(20), 4)
    assert n_kept < n
    assert n_compared < n * n / 2


# Bits


def test_bits_are_counted_with_and_without_the_function_of_numpy_2(monkeypatch):
    hashes = make_random(100).reshape(4, 25)
    expected = [[value.bit_count() for value in row] for row in hashes.tolist()]
    assert count_bits(hashes).tolist() == expected
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert count_bits(hashes).tolist() == expected


def test_bits_in_another_order_are_as_far_apart():
    one, other = make_random(100, 1), make_random(100, 2)
    spread = count_bits(spread_bits(one) ^ spread_bits(other))
    assert spread.tolist() == count_bits(one ^ other).tolist()
    assert len(set(spread_bits(one).tolist())) == 100
