"""What all sequences share: lists as far as anyone can see, but nothing is computed before it is asked for."""

import pickle
import random
import tracemalloc

import numpy as np
import pytest

from tintype.errors import EvaluationError
from tintype.sequences import (
    batch,
    case,
    collate,
    concatenate,
    cycle,
    gather,
    interleave,
    repeat,
    shuffle,
    smap,
    split,
    starmap,
    switch,
    take,
    unbatch,
    uniter,
)

ITEMS = list(range(100, 112))
EVERY_KIND = {
    "smap": lambda items: smap(int, items),
    "smap of two": lambda items: smap(max, items, items),
    "starmap": lambda items: starmap(max, [(item, item) for item in items]),
    "concatenate": lambda items: concatenate([items[:5], [], items[5:]]),
    "interleave": lambda items: interleave(items[::2], items[1::2]),
    "unbatch": lambda items: unbatch(batch(items, 5), 5),
    "gather": lambda items: gather(items, list(range(len(items)))),
    "take": lambda items: take(items, len(items)),
    "cycle": lambda items: cycle([*items, 0], len(items)),
    "switch": lambda items: switch(items, items, [None] * len(items)),
    "case": lambda items: case([0] * len(items), items),
    "uniter": uniter,
    "slice": lambda items: smap(int, [0, *items, 0])[1:-1],
    "shuffle": lambda items: gather(shuffle(items, 3), shuffled_back(len(items))),
}


def shuffled_back(n_items):
    order = list(shuffle(range(n_items), 3))
    return [order.index(number) for number in range(n_items)]


@pytest.fixture(params=EVERY_KIND)
def make(request):
    return EVERY_KIND[request.param]


class Counted:
    """Items that say how often each was read."""

    def __init__(self, n_items):
        self.reads = [0] * n_items

    def __len__(self):
        return len(self.reads)

    def __getitem__(self, index):
        self.reads[index] += 1
        return index


def double(value):
    return 2 * value


@pytest.mark.parametrize("n_items", [0, 1, 12])
def test_a_sequence_is_as_long_as_the_list_it_stands_for_and_has_its_items(make, n_items):
    items = ITEMS[:n_items]
    sequence = make(items)
    assert len(sequence) == n_items
    assert list(sequence) == items
    assert [sequence[index] for index in range(-n_items, n_items)] == items + items
    assert list(reversed(sequence)) == items[::-1]


@pytest.mark.parametrize("n_items", [0, 1, 12])
def test_there_is_no_item_beyond_the_ends(make, n_items):
    sequence = make(ITEMS[:n_items])
    for index in (n_items, -n_items - 1, 10**30):
        with pytest.raises(IndexError, match=f"no item {index} in <"):
            sequence[index]


def test_slices_are_those_of_a_list(make):
    numbers = random.Random(7)
    edges = [None, *range(-15, 16), -(10**20), 10**20]
    for n_items in (0, 1, 5, 12):
        items = ITEMS[:n_items]
        sequence = make(items)
        for _ in range(150):
            key = slice(numbers.choice(edges), numbers.choice(edges), numbers.choice([None, -4, -2, -1, 1, 2, 5]))
            assert list(sequence[key]) == items[key], key
            assert [sequence[key][index] for index in range(len(items[key]))] == items[key], key


def test_a_slice_past_the_end_is_empty_as_seqtools_is_not():
    assert list(smap(double, [0, 1, 2, 3, 4])[5:10]) == []
    assert list(smap(double, [])[0:5]) == []


def test_a_slice_without_a_step_is_refused(make):
    with pytest.raises(ValueError, match="slice step cannot be zero"):
        make(ITEMS)[::0]


def test_a_slice_of_a_slice_is_one_view(make):
    sequence = make(ITEMS)
    for _ in range(100):
        sequence = sequence[::-1]
    assert list(sequence) == ITEMS
    assert len(repr(sequence)) < 100


@pytest.mark.parametrize("key", [1.0, "1", [1], None, np.array([1, 2]), np.bool_(True)])
def test_an_index_is_an_int_or_a_slice(make, key):
    with pytest.raises(TypeError, match="items are numbered by ints"):
        make(ITEMS)[key]


def test_numpy_ints_are_ints(make):
    sequence = make(ITEMS)
    assert sequence[np.int64(3)] == 103
    assert sequence[np.uint8(3)] == 103
    assert sequence[np.int8(-1)] == 111
    assert list(sequence[np.int64(1) : np.int64(3)]) == [101, 102]


def test_what_a_list_answers_a_sequence_does(make):
    sequence = make(ITEMS)
    assert 105 in sequence
    assert 5 not in sequence
    assert sequence.index(105) == 5
    assert sequence.index(105, -8) == 5
    assert sequence.count(105) == 1
    assert sequence
    assert not make([])
    with pytest.raises(ValueError, match="105 is not in <"):
        sequence.index(105, 6)


def test_a_sequence_can_be_iterated_twice_at_once(make):
    sequence = make(ITEMS)
    assert list(zip(sequence, sequence, strict=True)) == list(zip(ITEMS, ITEMS, strict=True))


def test_nothing_can_be_set_in_what_is_computed():
    sequence = smap(double, [1, 2, 3])
    with pytest.raises(TypeError, match=r"cannot set item 1 of <smap double: 3 items>: its items are computed"):
        sequence[1] = 5
    with pytest.raises(TypeError, match="its items are computed"):
        sequence[:2] = [1, 2]


def test_a_slice_is_a_view_that_can_be_assigned_to():
    items = list(range(10))
    view = concatenate([items])
    view[2:8][::-2] = [70, 50, 30]
    view[-1] = 90
    view[0:0] = []
    assert items == [0, 1, 2, 30, 4, 50, 6, 70, 8, 90]
    with pytest.raises(ValueError, match="1 values for a slice of 2 items: a view cannot change its length"):
        view[:2] = [1]
    with pytest.raises(IndexError, match="no item 10 in"):
        view[10] = 1
    with pytest.raises(TypeError, match="cannot set item 0: a tuple takes no assignment"):
        concatenate([(1, 2)])[0] = 1


def test_making_a_sequence_computes_no_item():
    counted = Counted(12)
    flat = concatenate([smap(double, counted), counted])
    parts = [shuffle(flat, 1), flat[::-1], take(flat, 24), cycle(flat, 24), smap(double, flat)]
    together = collate([*parts, switch([True] * 24, flat, flat), case([0] * 24, flat)])
    unbatch(batch(gather(together, range(-24, 0)), 5), 5)[3:10]
    interleave(*split(flat, 3))
    assert counted.reads == [0] * 12


def test_only_the_item_that_is_asked_for_is_computed():
    counted = Counted(12)
    sequence = unbatch(collate([shuffle(smap(double, counted)[2:], 5), smap(double, counted)[:10]]), 2)
    assert sequence[7] == 6
    assert sum(counted.reads) == 2
    assert counted.reads[3] == 1


def test_a_longer_list_does_not_lengthen_its_views():
    items = [1, 2, 3]
    first = smap(double, items)
    items.append(4)
    second = smap(double, first)
    assert (len(first), len(second), list(first), list(second)) == (3, 3, [2, 4, 6], [4, 8, 12])


def test_a_shorter_list_is_an_error_and_no_early_end():
    items = [1, 2, 3]
    sequence = concatenate([smap(double, items)])
    del items[1:]
    with pytest.raises(IndexError, match="list index out of range"):
        list(sequence)


def test_every_sequence_pickles(make):
    for sequence in (make(ITEMS), make(ITEMS)[2:9:3]):
        again = pickle.loads(pickle.dumps(sequence))
        assert list(again) == list(sequence)
        assert repr(again) == repr(sequence)


def test_what_a_data_loader_does_works(make):
    sequence = pickle.loads(pickle.dumps(make(ITEMS)))  # to a worker
    indexes = random.Random(1).sample(range(len(sequence)), len(sequence))
    assert sorted(sequence[index] for index in indexes) == ITEMS
    assert not hasattr(sequence, "__getitems__")  # which would be asked for a batch at once


def test_an_array_is_a_sequence():
    pictures = np.arange(24).reshape(4, 6)
    brightest = smap(np.max, pictures)
    assert list(brightest) == [5, 11, 17, 23]
    flat = concatenate([pictures[0], pictures[1]])
    flat[7] = 70
    assert pictures[1, 1] == 70


@pytest.mark.parametrize(
    ("sequence", "shown"),
    [
        (smap(double, ITEMS), "<smap double: 12 items>"),
        (smap(lambda value: value, [1]), "<smap lambda: 1 item>"),
        (smap(double, []), "<smap double: 0 items>"),
        (smap(max, range(10**8), range(10**8)), "<smap max: 100,000,000 items>"),
        (smap(double, ITEMS)[:3], "<part of <smap double: 12 items>: 3 items>"),
        (concatenate([ITEMS, ITEMS]), "<concatenate of 2: 24 items>"),
        (collate([ITEMS, ITEMS]), "<collate of 2: 12 items>"),
        (interleave(ITEMS, ITEMS), "<interleave of 2: 24 items>"),
        (batch(ITEMS, 5), "<batch of 5: 3 items>"),
        (unbatch(batch(ITEMS, 5), 5), "<unbatch of 5: 12 items>"),
        (split(ITEMS, 1), "<split: 2 items>"),
        (gather(ITEMS, [1]), "<gather: 1 item>"),
        (shuffle(ITEMS, 1), "<shuffle: 12 items>"),
        (switch(ITEMS, ITEMS, ITEMS), "<switch: 12 items>"),
        (case([0], "a"), "<case: 1 item>"),
        (cycle(ITEMS, 2), "<cycle: 2 items>"),
        (cycle(ITEMS), "<cycle: no end>"),
        (repeat(1), "<repeat: no end>"),
        (smap(double, repeat(1)), "<smap double: no end>"),
        (uniter(ITEMS), "<uniter: 12 items>"),
        (uniter(lambda: ITEMS), "<uniter: not counted>"),
    ],
)
def test_a_sequence_shows_what_it_is_and_how_long(sequence, shown):
    assert repr(sequence) == shown


@pytest.mark.parametrize(
    "make",
    [
        lambda n: shuffle(smap(double, range(n)), 3),
        lambda n: smap(double, range(n))[n // 2 :: -3][1:],
        lambda n: batch(concatenate([range(n), smap(double, range(n))]), 100, collate_fn=tuple),
        lambda n: unbatch(collate([range(n), shuffle(range(n), 1)]), 2),
        lambda n: interleave(range(n), gather(range(n), range(-n // 2, n // 2))),
        lambda n: split(range(n), n // 2 - 1),
        lambda n: cycle(range(n), 3 * n),
    ],
)
def test_views_of_a_hundred_million_items_cost_no_more_memory_than_those_of_ten(make):
    make(10)[-1]  # what is imported or cached at the first use
    tracemalloc.start()
    try:
        sequence = make(10**8)
        sequence[-1]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(sequence) >= 2_000_000
    assert peak < 20_000


def test_an_error_has_the_number_that_the_outermost_sequence_was_asked_for():
    def refuse_three(value):
        if value == 3:
            raise ValueError("three")
        return value

    inner = smap(refuse_three, range(5))
    asked = {
        "slice": (inner[1:], 2),
        "slice of slice": (inner[1:][::-1], 1),
        "concatenate": (concatenate([[0] * 7, inner]), 10),
        "collate": (collate([inner, inner]), 3),
        "interleave": (interleave(inner, inner), 6),
        "batch": (batch(inner, 2), 1),
        "unbatch": (unbatch(collate([inner, inner]), 2), 6),
        "gather": (gather(inner, [4, 3]), 1),
        "cycle": (cycle(inner, 10)[5:], 3),
        "switch": (switch([1] * 5, inner, inner), 3),
        "endless": (cycle(inner), 3),
        "map of map": (smap(double, inner), 3),
        "map of slice": (smap(double, inner[2:]), 1),
    }
    for kind, (sequence, index) in asked.items():
        with pytest.raises(EvaluationError, match=rf"^item {index} failed in refuse_three ") as by_index:
            sequence[index]
        assert by_index.value.index == index, kind
        with pytest.raises(EvaluationError, match=rf"^item {index} failed in refuse_three ") as by_iteration:
            list(sequence)
        assert by_iteration.value.index == index, kind
    with pytest.raises(EvaluationError, match=r"^item 3 failed"):
        inner[-2]
    with pytest.raises(EvaluationError, match=r"^item 3 failed"):
        list(reversed(inner))


def test_after_an_error_other_items_can_be_read():
    sequence = smap(lambda value: 1 // value, [1, 0, 1])
    with pytest.raises(EvaluationError, match="item 1 failed"):
        sequence[1]
    assert (sequence[0], sequence[2]) == (1, 1)


@pytest.mark.parametrize("thing", [{1, 2}, iter([1]), (number for number in [1]), 5, None])
@pytest.mark.parametrize(
    "function",
    [
        lambda thing: smap(double, thing),
        lambda thing: smap(max, [1], thing),
        lambda thing: starmap(double, thing),
        lambda thing: concatenate([thing]),
        lambda thing: collate([thing]),
        interleave,
        lambda thing: batch(thing, 2),
        lambda thing: unbatch(thing, 2),
        lambda thing: split(thing, 1),
        lambda thing: gather(thing, [0]),
        lambda thing: gather([0], thing),
        lambda thing: take(thing, 1),
        cycle,
        lambda thing: switch(thing, [1], [1]),
        lambda thing: case([0], thing),
        lambda thing: shuffle(thing, 1),
    ],
)
def test_what_has_no_length_or_no_items_is_refused(function, thing):
    with pytest.raises(TypeError, match=r"got a \w+: give what has len\(\) and items by number"):
        function(thing)
