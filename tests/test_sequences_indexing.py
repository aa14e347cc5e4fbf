"""Items picked by number, repeated without an end, chosen, and read from what can only be read from its beginning."""

import pickle
import threading
from array import array
from itertools import islice
from typing import Any

import numpy as np
import pytest

from tintype.errors import EvaluationError
from tintype.sequences import (
    case,
    concatenate,
    cycle,
    gather,
    repeat,
    shuffle,
    smap,
    switch,
    take,
    uniter,
)

LETTERS = ["a", "b", "c", "d", "e"]


# gather and take


@pytest.mark.parametrize(
    "indexes",
    [
        [],
        [0],
        [4, 0, -1, -5, 2, 2],
        (1, -2),
        range(0),
        range(1, 4),
        range(-1, -6, -1),
        range(-2, 3),
        range(4, -1, -2),
        np.array([4, 0, -1, 2]),
        np.array([], dtype=int),
        np.array([], dtype=float),
        np.array([3, 1], dtype=np.uint8),
        array("i", [3, -1]),
        [np.int64(2), np.int8(-1)],
        smap(abs, [-3, 1, 0]),
        shuffle(range(5), 2),
    ],
)
def test_gather_picks_by_number(indexes):
    gathered = gather(LETTERS, indexes)
    expected = [LETTERS[index] for index in indexes]
    assert len(gathered) == len(expected)
    assert list(gathered) == expected
    assert [gathered[index] for index in range(-len(expected), 0)] == expected
    assert list(gathered[::-2]) == expected[::-2]
    assert list(pickle.loads(pickle.dumps(gathered))) == expected


@pytest.mark.parametrize(
    "indexes",
    [[5], [0, -6], range(6), range(-6, 0), range(3, 100, 96), np.array([0, 5]), np.array([-6]), [2**70], (0, -7)],
)
def test_a_number_without_an_item_is_refused_when_the_numbers_are_given(indexes):
    with pytest.raises(IndexError, match=r"no item -?\d+ in a sequence of 5 items"):
        gather(LETTERS, indexes)


def test_a_number_of_a_lazy_sequence_is_refused_when_it_is_read():
    gathered = gather(LETTERS, smap(abs, [1, 5]))
    assert gathered[0] == "b"
    with pytest.raises(IndexError, match="no item 5 in a sequence of 5 items"):
        gathered[1]
    with pytest.raises(TypeError, match=r"1.5 is a float"):
        gather(LETTERS, smap(float, ["1.5"]))[0]


@pytest.mark.parametrize("mask", [[True, False, True, False, False], np.array([True, False, True, False, False])])
def test_bools_are_a_mask(mask):
    assert list(gather(LETTERS, mask)) == ["a", "c"]
    with pytest.raises(ValueError, match="gather got a mask of 5 items for a sequence of 4: give one for each"):
        gather(LETTERS[:4], mask)


def test_what_is_no_list_of_ints_is_refused():
    with pytest.raises(TypeError, match=r"1.5 is a float"):
        gather(LETTERS, [0, 1.5])
    with pytest.raises(TypeError, match="gather got numbers of type float64: give ints, or bools as a mask"):
        gather(LETTERS, np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"gather got an array of shape \(2, 2\): give one of one dimension"):
        gather(LETTERS, np.zeros((2, 2), int))


def test_assignment_reaches_what_was_gathered_from():
    letters = list(LETTERS)
    gathered = gather(letters, [3, -1, 0])
    gathered[0] = "D"
    gathered[1:] = ["E", "A"]
    assert letters == ["A", "b", "c", "D", "E"]
    gather(letters, smap(abs, [1]))[0] = "B"
    assert letters == ["A", "B", "c", "D", "E"]


def test_numbers_given_as_a_list_may_change_afterwards():
    numbers = [1, 2]
    gathered = gather(LETTERS, numbers)
    numbers[0] = 9
    assert list(gathered) == ["b", "c"]


def test_gather_from_a_sequence_without_an_end():
    assert list(gather(cycle("abc"), [10**9, 1])) == ["b", "b"]
    with pytest.raises(IndexError, match="no item -1"):
        gather(cycle("abc"), [-1])


@pytest.mark.parametrize("n", [0, 1, 3, 5, 9, np.int64(2), True])
def test_take_gives_the_first_items_and_not_more_than_there_are(n):
    assert list(take(LETTERS, n)) == LETTERS[: int(n)]
    assert list(take(cycle(LETTERS), n)) == (LETTERS * 2)[: int(n)]


def test_take_takes_numbers_of_items_as_numpy_does():
    assert list(take(LETTERS, [3, 0])) == ["d", "a"]
    assert list(take(LETTERS, np.array([3, 0]))) == ["d", "a"]


def test_less_than_nothing_cannot_be_taken():
    with pytest.raises(ValueError, match="take got -1: give at least 0"):
        take(LETTERS, -1)


# without an end


@pytest.mark.parametrize(
    ("endless", "items"),
    [
        (cycle(LETTERS), LETTERS * 8),
        (repeat(7), [7] * 40),
        (smap(str.upper, cycle(LETTERS)), ["A", "B", "C", "D", "E"] * 8),
        (concatenate([[1, 2], repeat(7)]), [1, 2] + [7] * 38),
        (switch(cycle([1, 0]), repeat("x"), cycle(LETTERS)), list("xbxdxaxcxe") * 4),
        (cycle(LETTERS)[3:], (LETTERS * 9)[3:43]),
        (cycle(LETTERS)[::2], (LETTERS * 16)[::2]),
    ],
)
def test_a_sequence_without_an_end_is_indexed_iterated_and_sliced(endless, items):
    assert [endless[index] for index in range(40)] == items
    assert list(islice(endless, 40)) == items
    edges = [0, 1, 2, 5, 11, 40]
    for start in [None, *edges]:
        for stop in edges:
            for step in (None, 1, 2, 3, 7):
                assert list(endless[start:stop:step]) == items[start:stop:step]
            for step in (-1, -2, -7):
                if start is not None and start < 40:
                    assert list(endless[start:stop:step]) == items[start:stop:step]
                    assert list(endless[start::step]) == items[start::step]
    assert list(islice(endless[5:], 10)) == items[5:15]
    assert list(islice(endless[2::3], 10)) == items[2:32:3]


def test_a_sequence_without_an_end_has_no_length_and_nothing_counts_from_its_end():
    endless = cycle(LETTERS)
    with pytest.raises(TypeError, match=r"has no len\(\)"):
        len(endless)  # type: ignore[arg-type]
    from_the_end: list[Any] = [-1, slice(-3, None), slice(0, -1), slice(None, None, -1), slice(None, 3, -1)]
    for key in from_the_end:
        with pytest.raises(IndexError, match="no end"):
            endless[key]
    no_numbers: list[Any] = [1.5, "a", [1], slice(0.5, 2)]
    for key in no_numbers:
        with pytest.raises(TypeError, match="items are numbered by ints"):
            endless[key]
    with pytest.raises(ValueError, match="slice step cannot be zero"):
        endless[0:3:0]


def test_sequences_without_an_end_pickle():
    assert list(islice(pickle.loads(pickle.dumps(smap(str.upper, cycle(LETTERS)))), 6)) == list("ABCDEA")


@pytest.mark.parametrize("limit", [0, 1, 5, 12])
def test_a_cycle_with_a_limit_has_that_many_items(limit):
    assert list(cycle(LETTERS, limit)) == (LETTERS * 3)[:limit]


def test_there_is_nothing_to_repeat_in_an_empty_sequence():
    for limit in (None, 3):
        with pytest.raises(ValueError, match="cycle got a sequence without items: there is nothing to repeat"):
            cycle([], limit)
    assert list(cycle([], 0)) == []
    with pytest.raises(ValueError, match="limit is -1: give at least 0, or None for no end"):
        cycle(LETTERS, -1)


@pytest.mark.parametrize("times", [0, 1, 2, 9])
def test_a_value_is_repeated_so_many_times(times):
    value = object()
    repeated = repeat(value, times)
    assert len(repeated) == times
    assert list(repeated) == [value] * times
    with pytest.raises(IndexError, match=f"no item {times} in <repeat"):
        repeated[times]


def test_a_negative_number_of_times_is_refused():
    with pytest.raises(ValueError, match="times is -2: give at least 0, or None for no end"):
        repeat(1, -2)


def test_assignment_reaches_what_is_cycled_and_not_what_is_repeated():
    letters = list(LETTERS)
    cycle(letters)[6] = "B"
    cycle(letters, 20)[-1] = "E"
    assert letters == ["a", "B", "c", "d", "E"]
    with pytest.raises(TypeError, match="cannot set item 0 of <repeat: 3 items>: all of its items are one value"):
        repeat(1, 3)[0] = 2


# switch and case


def test_switch_and_case_choose():
    assert list(switch([1, 0, 1, 0, []], LETTERS, range(5))) == ["a", 1, "c", 3, 4]
    assert list(case([2, 0, np.int64(1), 0, 2], LETTERS, range(5), "vwxyz")) == ["v", "b", 2, "d", "z"]
    assert list(switch([], [], [])) == []
    assert list(case([0, 1], repeat(7), "ab")) == [7, "b"]


def test_only_what_is_chosen_is_computed():
    calls: list[int] = []
    chosen = switch([True, False], smap(calls.append, [1, 2]), [3, 4])
    assert chosen[1] == 4
    assert calls == []
    list(chosen)
    assert calls == [1]


def test_an_index_error_inside_an_item_does_not_end_the_iteration_silently():
    def fail(value):
        raise IndexError("inside")

    good = list(range(5))
    wrapped, original = smap(fail, [2]), smap(fail, [2], errors="passthrough")
    for failing, kind in ((wrapped, EvaluationError), (original, IndexError)):
        bad = concatenate([[0, 1], failing, [3, 4]])
        for sequence in (case([0] * 5, bad), switch([1] * 5, bad, good), switch([0] * 5, good, bad)):
            with pytest.raises(kind, match="inside"):
                list(sequence)
            with pytest.raises(kind, match="inside"):
                for _ in sequence:
                    pass
            assert list(sequence[3:]) == [3, 4]


@pytest.mark.parametrize("number", [2, -1])
def test_a_selector_beyond_the_sequences_is_an_error(number):
    sequence = case([0, number], "ab", "cd")
    with pytest.raises(ValueError, match=f"the selector of item 1 is {number}, and there are 2 sequences"):
        list(sequence)


def test_what_is_chosen_from_has_one_length():
    with pytest.raises(ValueError, match="switch got sequences of 2 and 3 items"):
        switch([True, False], [1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="case got sequences of 1 and 2 items"):
        case([0], "ab")


def test_assignment_reaches_what_is_chosen():
    first, second = [0, 0, 0], [1, 1, 1]
    switch([True, False, True], first, second)[:] = "abc"
    case([0, 0, 1], first, second)[2] = "d"
    assert (first, second) == (["a", 0, "c"], [1, "b", "d"])


# uniter


class Lines:
    """Can be read from its beginning only, and counts how often it is."""

    def __init__(self, n_items):
        self.n_items = n_items
        self.steps = 0
        self.starts = 0

    def __iter__(self):
        self.starts += 1
        for number in range(self.n_items):
            self.steps += 1
            yield number


def test_an_iterable_is_read_by_stepping_on():
    lines = Lines(10)
    sequence = uniter(lines, size=10)
    assert [sequence[index] for index in (2, 3, 3, 9)] == [2, 3, 3, 9]
    assert (lines.starts, lines.steps) == (1, 10)
    assert sequence[1] == 1
    assert (lines.starts, lines.steps) == (2, 12)


def test_items_in_the_cache_do_not_begin_again():
    lines = Lines(10)
    sequence = uniter(lines, 3, 10)
    assert [sequence[index] for index in (7, 4, 5, 6, 7, 4)] == [7, 4, 5, 6, 7, 4]
    assert lines.starts == 1
    assert sequence[3] == 3
    assert lines.starts == 2


@pytest.mark.parametrize("n_items", [0, 1, 4])
def test_past_the_end_is_an_index_error_whether_the_size_is_known_or_not(n_items):
    for size in (None, n_items):
        for index in (n_items, n_items + 5, -n_items - 1):
            with pytest.raises(IndexError, match=rf"no item {index} in <uniter|no item {n_items} in <uniter"):
                uniter(Lines(n_items), size=size)[index]
        assert list(uniter(Lines(n_items), size=size)) == list(range(n_items))
        assert list(uniter(Lines(n_items), size=size)[::-1]) == list(range(n_items))[::-1]


def test_the_length_is_counted_once_and_only_when_it_is_asked_for():
    lines = Lines(5)
    sequence = uniter(lines)
    assert sequence[2] == 2
    assert lines.steps == 3
    assert len(sequence) == 5
    assert len(sequence) == 5
    assert sequence[-1] == 4
    assert lines.steps == 3 + 5 + 2


def test_reading_past_the_end_or_to_it_counts_too():
    lines = Lines(5)
    sequence = uniter(lines)
    assert [item for item in sequence] == list(range(5))  # noqa: C416 - list() would ask for the length
    assert (len(sequence), lines.steps) == (5, 5)
    lines = Lines(5)
    sequence = uniter(lines)
    with pytest.raises(IndexError, match="no item 5 in <uniter: 5 items>"):
        sequence[5]
    assert (len(sequence), lines.steps) == (5, 5)


def test_a_size_leaves_out_what_is_beyond_and_says_when_there_is_less():
    assert list(uniter(Lines(10), size=3)) == [0, 1, 2]
    short = uniter(Lines(3), size=5)
    for read in (lambda: short[4], lambda: list(short), lambda: list(short[1:])):
        with pytest.raises(IndexError, match=r"the iterable of <uniter: 5 items> has ended (after 3 items|early)"):
            read()
    assert short[2] == 2


def test_generator_functions_are_read_and_what_is_read_only_once_is_refused():
    def read_lines():
        yield from LETTERS

    sequence = uniter(read_lines)
    assert [sequence[3], sequence[1], sequence[-1]] == ["d", "b", "e"]
    for once in (read_lines(), iter(LETTERS)):
        with pytest.raises(TypeError, match="which can be read only once: give the function that makes it"):
            uniter(once)
    with pytest.raises(TypeError, match="uniter got 5: give an iterable, or a function that returns one"):
        uniter(5)  # type: ignore[arg-type]
    for options in ({"cache": -1}, {"size": -1}):
        with pytest.raises(ValueError, match="is -1: give at least 0"):
            uniter(LETTERS, **options)


def test_a_mapping_or_set_has_a_size_of_its_own():
    assert len(uniter({"a": 1, "b": 2})) == 2
    assert uniter({"a": 1, "b": 2}.items())[1] == ("b", 2)


def test_after_an_error_the_iterable_is_begun_again():
    faults = [True]

    def read():
        yield 0
        if faults:
            faults.pop()
            raise OSError("gone")
        yield 1

    sequence = uniter(read, size=2)
    with pytest.raises(OSError, match="gone"):
        sequence[1]
    assert sequence[1] == 1


def test_threads_that_read_at_once_get_their_items():
    sequence = uniter(Lines(200), 2, 200)
    barrier = threading.Barrier(4)
    wrong: list[int] = []

    def read(step):
        barrier.wait()
        wrong.extend(index for index in range(0, 200, step) if sequence[index] != index)

    threads = [threading.Thread(target=read, args=[step]) for step in (1, 3, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_iterations_do_not_disturb_one_another():
    lines = Lines(50)
    sequence = uniter(lines, size=50)
    assert list(zip(sequence, sequence, strict=True)) == [(number, number) for number in range(50)]
    assert list(smap(abs, concatenate([sequence, sequence]))) == [*range(50), *range(50)]
    assert lines.starts == 4
