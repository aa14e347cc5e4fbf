"""Sequences joined, cut into batches and pieces, and taken apart."""

import itertools
import re

import numpy as np
import pytest

from tintype.errors import EvaluationError
from tintype.sequences import batch, collate, concatenate, cycle, interleave, repeat, smap, split, take, unbatch


class Counted:
    """Pairs that are counted when they are read."""

    def __init__(self, n_items):
        self.reads = [0] * n_items

    def __len__(self):
        return len(self.reads)

    def __getitem__(self, index):
        self.reads[index] += 1
        return [2 * index, 2 * index + 1]


# concatenate


def test_concatenate_of_zero_one_and_many():
    assert list(concatenate([])) == []
    assert list(concatenate([[1, 2]])) == [1, 2]
    assert list(concatenate([[], [1, 2], [], [], (3,), "ab", []])) == [1, 2, 3, "a", "b"]
    assert concatenate([[], [1, 2], [], [], (3,)])[-1] == 3
    assert concatenate(iter([[1], [2]]))[1] == 2


def test_concatenations_of_concatenations_are_one():
    nested = concatenate([[0]])
    for number in range(1, 300):
        nested = concatenate([nested, [], [number]])
    assert list(nested) == list(range(300))
    assert repr(nested) == "<concatenate of 599: 300 items>"
    assert nested[-1] == 299


def test_assignment_reaches_the_parts_of_a_concatenation():
    first: list[object] = [0, 1]
    second: list[object] = [2, 3, 4]
    whole = concatenate([concatenate([first, []]), second])
    whole[1:4] = "abc"
    whole[-1] = "d"
    assert (first, second) == ([0, "a"], ["b", "c", "d"])


def test_only_the_last_part_may_be_without_an_end():
    tail = concatenate([[1, 2], repeat(0)])
    assert (tail[1], tail[10**9], list(tail[:4])) == (2, 0, [1, 2, 0, 0])
    assert not hasattr(tail, "__len__")
    with pytest.raises(
        TypeError, match=r"concatenate got <repeat: no end>, and needs a sequence with an end: take\(\)"
    ):
        concatenate([repeat(0), [1]])


# collate


def test_collate_is_zip():
    assert list(collate([[1, 2, 3], "abc"])) == [(1, "a"), (2, "b"), (3, "c")]
    assert list(collate([[1, 2]])) == [(1,), (2,)]
    assert list(collate([])) == []
    assert list(collate([[], []])) == []
    assert list(collate([[1, 2], repeat(7)])) == [(1, 7), (2, 7)]
    assert collate([cycle("ab"), repeat(7)])[5] == ("b", 7)


def test_collate_refuses_different_lengths_when_it_is_made():
    with pytest.raises(ValueError, match="collate got sequences of 3 and 2 items: give it sequences of one length"):
        collate([[1, 2, 3], [1, 2]])
    with pytest.raises(ValueError, match="sequences of 0 and 1 items"):
        collate([[], [1]])


def test_assignment_reaches_the_sides_of_a_collation():
    numbers, letters = [1, 2, 3], ["a", "b", "c"]
    pairs = collate([numbers, letters])
    pairs[-1] = (30, "z")
    pairs[:2] = [(10, "x"), (20, "y")]
    assert (numbers, letters) == ([10, 20, 30], ["x", "y", "z"])
    with pytest.raises(ValueError, match="3 values for item 0 of <collate of 2: 3 items>: give 2"):
        pairs[0] = (1, 2, 3)


# interleave


@pytest.mark.parametrize("lengths", [(), (0,), (3,), (0, 0), (2, 2), (1, 4, 2), (5, 0, 3, 3, 1), (0, 2, 0, 1)])
def test_interleave_goes_round_and_leaves_out_what_is_exhausted(lengths):
    sequences = [[(number, index) for index in range(length)] for number, length in enumerate(lengths)]
    rounds = itertools.zip_longest(*sequences)
    expected = [item for turn in rounds for item in turn if item is not None]
    interleaved = interleave(*sequences)
    assert len(interleaved) == len(expected)
    assert list(interleaved) == expected
    assert [interleaved[index] for index in range(-len(expected), 0)] == expected


def test_interleave_with_one_without_an_end():
    endless = interleave([1, 2], repeat(0), [3])
    assert list(endless[:8]) == [1, 0, 3, 2, 0, 0, 0, 0]


def test_assignment_reaches_what_is_interleaved():
    first, second = [0, 0, 0], [0]
    interleave(first, second)[:] = [1, 2, 3, 4]
    assert (first, second) == ([1, 3, 4], [2])


# batch


@pytest.mark.parametrize(
    ("n_items", "options", "expected"),
    [
        (0, {}, []),
        (1, {}, [[0]]),
        (4, {}, [[0, 1], [2, 3]]),
        (5, {}, [[0, 1], [2, 3], [4]]),
        (4, {"pad": 9}, [[0, 1], [2, 3]]),
        (5, {"pad": 9}, [[0, 1], [2, 3], [4, 9]]),
        (5, {"pad": 0}, [[0, 1], [2, 3], [4, 0]]),
        (0, {"pad": 9}, []),
        (5, {"drop_last": True}, [[0, 1], [2, 3]]),
        (5, {"drop_last": True, "pad": 9}, [[0, 1], [2, 3]]),
        (4, {"drop_last": True}, [[0, 1], [2, 3]]),
        (1, {"drop_last": True}, []),
        (5, {"pad": 9, "collate_fn": sum}, [1, 5, 13]),
        (3, {"collate_fn": tuple}, [(0, 1), (2,)]),
    ],
)
def test_batches_padding_and_what_is_dropped(n_items, options, expected):
    batches = batch(range(n_items), 2, **options)
    assert len(batches) == len(expected)
    assert list(batches) == expected
    assert [batches[index] for index in range(-len(expected), 0)] == expected


def test_batches_of_one_and_of_more_than_there_is():
    assert list(batch("ab", 1)) == [["a"], ["b"]]
    assert list(batch("ab", 10)) == [["a", "b"]]
    assert list(batch("ab", 4, pad=".")) == [["a", "b", ".", "."]]


def test_batches_of_a_sequence_without_an_end():
    batches = batch(cycle("abc"), 2)
    assert list(batches[:3]) == [["a", "b"], ["c", "a"], ["b", "c"]]
    assert batch(cycle("abc"), 2, collate_fn="".join)[1] == "ca"


def test_a_batch_size_is_at_least_one():
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"k is {size}: give at least 1"):
            batch("abc", size)
    with pytest.raises(TypeError, match=r"k is an int, and 2\.5 is a float"):
        batch("abc", 2.5)  # type: ignore[call-overload]


def test_assignment_to_a_batch_reaches_the_items():
    items = [0, 1, 2, 3, 4]
    batches = batch(items, 2)
    batches[-1] = [40]
    batches[0] = (0, 10)
    assert items == [0, 10, 2, 3, 40]
    with pytest.raises(ValueError, match="2 items for batch 2, which has 1"):
        batches[2] = [1, 2]
    padded = batch(items, 2, pad=-1)
    padded[2] = [41, 99]
    assert items == [0, 10, 2, 3, 41]
    with pytest.raises(ValueError, match="1 item for batch 2, which has 2"):
        padded[2] = [1]
    with pytest.raises(TypeError, match="its items are computed"):
        batch(items, 2, collate_fn=tuple)[0] = (1, 2)


def test_a_function_that_fails_on_a_batch_is_named():
    def stack(items):
        if len(items) < 2:
            raise ValueError("short")

    with pytest.raises(EvaluationError, match=r"item 1 failed in stack .*: ValueError: short"):
        list(batch([1, 2, 3], 2, collate_fn=stack))


# unbatch


@pytest.mark.parametrize("n_items", [0, 1, 5, 6, 7])
def test_batches_are_taken_apart_to_what_they_were_made_of(n_items):
    for batches in (batch(range(n_items), 3), batch(range(n_items), 3, collate_fn=np.array)):
        again = unbatch(batches, 3)
        assert len(again) == n_items
        assert list(again) == list(range(n_items))
        assert [again[index] for index in range(-n_items, 0)] == list(range(n_items))
    squares = smap(lambda numbers: [number**2 for number in numbers], batch(range(n_items), 3))
    assert list(unbatch(squares, 3)) == [number**2 for number in range(n_items)]


def test_padding_stays_unless_the_size_of_the_last_batch_is_given():
    padded = batch(range(5), 3, pad=-1)
    assert list(unbatch(padded, 3)) == [0, 1, 2, 3, 4, -1]
    assert list(unbatch(padded, 3, last_batch_size=2)) == [0, 1, 2, 3, 4]
    assert list(unbatch(batch(range(5), 3, drop_last=True), 3)) == [0, 1, 2]


def test_no_batches_have_no_items():
    assert len(unbatch([], 2)) == 0
    assert list(unbatch([], 2, last_batch_size=1)) == []


def test_a_batch_of_another_size_is_an_error_that_says_which():
    short = unbatch([[1, 2], [3]], 2)
    assert short[1] == 2
    for read in (lambda: short[2], lambda: list(short), lambda: list(short[::3])):
        with pytest.raises(
            ValueError, match=re.escape("batch 1 has 1 item, and <unbatch of 2: 4 items> needs 2 there")
        ):
            read()
    assert list(unbatch([[1, 2], [3]], 2, last_batch_size=1)) == [1, 2, 3]
    with pytest.raises(ValueError, match="batch 0 has 3 items"):
        list(unbatch([[1, 2, 3], [4]], 2, last_batch_size=1))


def test_the_size_of_the_last_batch_is_possible():
    for size in (0, 3, -1):
        with pytest.raises(ValueError, match=f"last_batch_size is {size}: give 1 to 2"):
            unbatch([[1, 2]], 2, last_batch_size=size)
    with pytest.raises(ValueError, match="batch_size is 0: give at least 1"):
        unbatch([[1, 2]], 0)


@pytest.mark.parametrize(
    "read",
    [
        list,
        lambda items: list(items[:]),
        lambda items: list(items[::-1]),
        lambda items: list(smap(abs, items)),
        lambda items: list(concatenate([items, [1]])),
        lambda items: list(collate([items, range(len(items))])),
        lambda items: list(batch(items, 4)),
        lambda items: list(smap(abs, items)[1:][::-1]),
        lambda items: list(smap(abs, concatenate([items]))),
    ],
)
def test_iteration_computes_each_batch_once(read):
    pairs = Counted(6)
    read(unbatch(pairs, 2))
    assert pairs.reads == [1] * 6


def test_by_index_a_batch_is_computed_for_each_item():
    pairs = Counted(6)
    items = unbatch(pairs, 2)
    assert (items[4], items[5], items[4]) == (4, 5, 4)
    assert pairs.reads == [0, 0, 3, 0, 0, 0]


def test_a_slice_with_a_wide_step_leaves_out_the_batches_between():
    pairs = Counted(10)
    assert list(unbatch(pairs, 2)[::7]) == [0, 7, 14]
    assert pairs.reads == [1, 0, 0, 1, 0, 0, 0, 1, 0, 0]


def test_nothing_is_assigned_through_batches_that_are_taken_apart():
    batches = [[1, 2], [3, 4]]
    with pytest.raises(TypeError, match="cannot set item 1 of <unbatch of 2: 4 items>"):
        unbatch(batches, 2)[1] = 5
    assert batches == [[1, 2], [3, 4]]


# split


@pytest.mark.parametrize(
    ("n_items", "edges", "expected"),
    [
        (6, 0, [[0, 1, 2, 3, 4, 5]]),
        (6, 2, [[0, 1], [2, 3], [4, 5]]),
        (6, 5, [[0], [1], [2], [3], [4], [5]]),
        (0, 2, [[], [], []]),
        (4, [], [[0, 1, 2, 3]]),
        (4, [1, 3], [[0], [1, 2], [3]]),
        (4, [0, 2, 2, 4], [[], [0, 1], [], [2, 3], []]),
        (4, np.array([1, 3]), [[0], [1, 2], [3]]),
        (4, [(2, 4), (0, 1), (1, 1), (4, 4), (0, 4)], [[2, 3], [0], [], [], [0, 1, 2, 3]]),
        (4, np.array([[0, 1], [3, 4]]), [[0], [3]]),
    ],
)
def test_split_by_a_number_by_cuts_and_by_pairs(n_items, edges, expected):
    pieces = split(list(range(n_items)), edges)
    assert len(pieces) == len(expected)
    assert [list(piece) for piece in pieces] == expected
    assert [list(pieces[index]) for index in range(-len(expected), 0)] == expected


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        (2, "2 cuts do not make parts of one length from 4 items"),
        (-1, "-1 cuts do not make parts"),
        ([5], "split cannot take items 0 to 5 of 4 items"),
        ([3, 1], "split cannot take items 3 to 1 of 4 items"),
        ([-1], "split cannot take items 0 to -1 of 4 items"),
        ([(0, 5)], "split cannot take items 0 to 5 of 4 items"),
        ([(0, 1, 2)], r"split got the edge \(0, 1, 2\): give a start and a stop"),
        ([1, (2, 3)], "places to cut at, or pairs of start and stop, not both"),
    ],
)
def test_edges_that_do_not_fit_are_refused(edges, words):
    with pytest.raises(ValueError, match=words):
        split([0, 1, 2, 3], edges)


def test_pieces_are_views_that_can_be_assigned_to():
    items = [0, 1, 2, 3]
    pieces = split(items, 1)
    pieces[1][0] = 20
    pieces[0] = ["a", "b"]
    assert items == ["a", "b", 20, 3]
    with pytest.raises(ValueError, match="1 values for a slice of 2 items"):
        pieces[0] = ["a"]


def test_pieces_compute_nothing():
    pairs = Counted(6)
    pieces = split(pairs, 2)
    assert [len(piece) for piece in pieces] == [2, 2, 2]
    assert pairs.reads == [0] * 6
    assert take(pieces[2], 1)[0] == [8, 9]
    assert pairs.reads == [0, 0, 0, 0, 1, 0]
