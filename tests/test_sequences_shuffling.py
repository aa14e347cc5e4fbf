"""shuffle: each item once, in an order that the seed decides, and no list of the numbers."""

import math
import pickle
from collections import Counter
from itertools import pairwise

import pytest

from tintype.sequences import gather, shuffle, smap

ORDERS = (
    ["a", "e", "f", "b", "i", "j", "g", "d", "c", "h"],
    [4812, 2239, 2866, 4449, 4498, 3747, 2476, 4808],
    [272441360230106, 558181451620405, 950709434401631],
)
"""As computed when this was written; a change here changes what users trained with."""

LENGTHS = [*range(70), 99, 100, 101, 255, 256, 257, 999, 1000, 1001, 1002, 2500, 4095, 4096, 4097]


@pytest.mark.parametrize("seed", [0, 1, -1, 2**64, -(10**40)])
def test_every_item_comes_once_whatever_the_length(seed):
    for length in LENGTHS:
        assert sorted(shuffle(range(length), seed)) == list(range(length)), length


def test_the_order_is_the_same_on_every_computer_and_python():
    assert list(shuffle("abcdefghij", 0)) == ORDERS[0]
    assert list(shuffle(range(5000), 7)[:8]) == ORDERS[1]
    assert list(shuffle(range(10**15), -3)[-3:]) == ORDERS[2]


def test_the_same_seed_gives_the_same_order_and_another_another():
    orders = [tuple(shuffle(range(50), seed)) for seed in range(20)]
    assert orders == [tuple(shuffle(range(50), seed)) for seed in range(20)]
    assert len(set(orders)) == 20
    assert tuple(range(50)) not in orders


def test_an_item_by_index_is_the_item_by_iteration():
    shuffled = shuffle(range(300), 5)
    order = list(shuffled)
    assert [shuffled[index] for index in range(-300, 0)] == order
    assert list(shuffled[200:10:-3]) == order[200:10:-3]
    assert list(pickle.loads(pickle.dumps(shuffled))) == order


def test_billions_of_items_are_shuffled_without_a_list():
    shuffled = shuffle(range(10**18), 1)
    first = [shuffled[index] for index in range(1000)]
    assert len(set(first)) == 1000
    assert 0.4 < sum(first) / 1000 / 10**18 < 0.6


@pytest.mark.parametrize("length", [2, 3, 4, 5])
def test_a_handful_comes_in_each_of_its_orders_about_equally_often(length):
    n_orders = math.factorial(length)
    counts = Counter(tuple(shuffle(range(length), seed)) for seed in range(60 * n_orders))
    assert len(counts) == n_orders
    assert_even(counts.values(), n_orders - 1)


@pytest.mark.parametrize(("length", "n_ranges"), [(100, 33), (1100, 157)])
def test_items_land_everywhere_and_no_neighbour_is_more_likely(length, n_ranges):
    places: Counter[tuple[int, int]] = Counter()
    distances: Counter[int] = Counter()
    for seed in range(40_000 // length):
        order = list(shuffle(range(length), seed))
        places.update((index * 20 // length, item * 20 // length) for index, item in enumerate(order))
        steps = [(after - before) % length for before, after in pairwise(order)]
        distances.update((step - 1) * n_ranges // (length - 1) for step in steps)
    assert len(places) == 400
    assert_even(places.values(), 19 * 19)
    assert_even(distances.values(), n_ranges - 1)


def assert_even(counts, n_free):
    """Check counts that should be alike: chi squared has a mean of `n_free` and a variance of twice that."""
    mean = sum(counts) / len(counts)
    chi_squared = sum((count - mean) ** 2 for count in counts) / mean
    assert chi_squared < n_free + 5 * math.sqrt(2 * n_free)


def test_assignment_reaches_the_item_itself():
    items = list(range(10))
    shuffled = shuffle(items, 3)
    place = list(shuffled).index(4)
    shuffled[place] = "four"
    assert items == [0, 1, 2, 3, "four", 5, 6, 7, 8, 9]


def test_only_the_item_that_is_asked_for_is_computed():
    calls: list[int] = []
    shuffled = shuffle(smap(calls.append, range(1000)), 3)
    shuffled[17]
    assert len(calls) == 1


def test_two_sequences_are_shuffled_alike_by_one_order():
    order = shuffle(range(26), 9)
    letters, numbers = gather("abcdefghijklmnopqrstuvwxyz", order), gather(range(97, 123), order)
    assert [ord(letter) for letter in letters] == list(numbers)
    assert list(shuffle(range(97, 123), 9)) == list(numbers)


@pytest.mark.parametrize("seed", [None, 1.0, "1"])
def test_a_seed_is_an_int(seed):
    with pytest.raises(TypeError, match="a seed is an int, and "):
        shuffle([1, 2], seed)


def test_a_seed_is_required():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'seed'"):
        shuffle([1, 2])  # type: ignore[call-arg]
