"""Behaviour of tintype.sequences.add_cache: what is kept, what is given up, and what happens at the same time."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from collections import Counter, OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.processes import wait_until

from tintype.errors import EvaluationError, SettingsError
from tintype.sequences import add_cache, batch, caching, concatenate, cycle, smap, unbatch

PATIENCE_SECONDS = 60


class Calls:
    """A function that notes what it was called with."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def __call__(self, value: Any) -> Any:
        self.values.append(value)
        return value


@pytest.fixture
def calls() -> Calls:
    return Calls()


def square(number: int) -> int:
    return number * number


@pytest.mark.parametrize("length", [0, 1, 7])
def test_it_equals_the_sequence_whatever_is_kept(length: int) -> None:
    expected = [square(number) for number in range(length)]
    for cache_size in (0, 1, 3, 100):
        view = add_cache(smap(square, range(length)), cache_size)
        for _ in range(2):
            assert list(view) == expected
            assert list(view[::-2]) == expected[::-2]
            assert [view[-index - 1] for index in range(length)] == expected[::-1]
        with pytest.raises(IndexError, match=f"no item {length} in <cache of"):
            view[length]


@settings(max_examples=200)
@given(reads=st.lists(st.integers(0, 9), max_size=60), cache_size=st.integers(0, 6), has_mapping=st.booleans())
def test_the_items_read_last_are_those_that_are_kept(reads: list[int], cache_size: int, has_mapping: bool) -> None:
    calls = Calls()
    view = add_cache(smap(calls, range(10)), cache_size, {} if has_mapping else None)
    model: OrderedDict[int, None] = OrderedDict()
    expected = []
    for index in reads:
        assert view[index] == index
        if index not in model:
            expected.append(index)
        model[index] = None
        model.move_to_end(index)
        while len(model) > cache_size:
            model.popitem(last=False)
    assert calls.values == expected


def test_without_bounds_one_item_is_kept(calls: Calls) -> None:
    view = add_cache(smap(calls, range(5)))
    assert [view[1], view[1], view[2], view[2], view[1]] == [1, 1, 2, 2, 1]
    assert calls.values == [1, 2, 1]


def test_iteration_fills_the_cache_and_is_served_from_it(calls: Calls) -> None:
    view = add_cache(smap(calls, range(10)), 10)
    assert list(view) == list(view) == [view[index] for index in range(10)] == list(view[:])
    assert calls.values == list(range(10))


def test_iteration_computes_what_neighbours_share_once(calls: Calls) -> None:
    pairs = smap(lambda number: (number, -number), smap(calls, range(6)))
    view = add_cache(unbatch(pairs, 2), 4)
    assert list(view) == [sign * number for number in range(6) for sign in (1, -1)]
    assert calls.values == list(range(6))
    assert view[11] == -5
    assert list(view[::-1])[:2] == [-5, 5]
    assert list(batch(view, 4))[1] == [2, -2, 3, -3]


def test_bytes_are_bounded() -> None:
    calls = Calls()

    def make(number: int) -> Any:
        calls(number)
        return np.zeros(1000 * number, np.uint8)

    view = add_cache(smap(make, range(10)), max_bytes=6000)
    for index in (1, 2, 3, 1, 2, 3):
        assert len(view[index]) == 1000 * index
    assert calls.values == [1, 2, 3]
    view[4]  # 1 and 2, which were read before 3, make room
    assert (view[1].size, calls.values) == (1000, [1, 2, 3, 4, 1])
    view[9]  # larger than all that may be kept: nothing makes room for it
    assert (view[4].size, view[1].size, view[9].size) == (4000, 1000, 9000)
    assert calls.values == [1, 2, 3, 4, 1, 9, 9]


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (b"x" * 1000, 1000, 1100),
        ("x" * 1000, 1000, 1100),
        (np.zeros((10, 100), np.float32), 4000, 4000),
        (np.float32(1), 4, 4),
        ([np.zeros(1000), {"a": np.zeros(1000)}, (b"x" * 1000,)], 17_000, 17_700),
        (Image.new("RGB", (100, 10)), 4000, 4000),
        (Image.new("L", (100, 10)), 1000, 1000),
        (1, 20, 40),
    ],
)
def test_bytes_are_those_of_pixels_and_of_all_that_is_contained(value: Any, least: int, most: int) -> None:
    assert least <= caching.measure_bytes(value) <= most


def test_a_mapping_of_the_callers_is_used_and_only_what_was_put_there_is_given_up(calls: Calls) -> None:
    cache: dict[int, Any] = {0: "old", 3: "older"}
    view = add_cache(smap(calls, range(6)), 2, cache)
    assert list(view) == ["old", 1, 2, "older", 4, 5]
    assert cache == {0: "old", 3: "older", 4: 4, 5: 5}
    assert calls.values == [1, 2, 4, 5]


def test_a_mapping_without_bounds_keeps_everything(calls: Calls) -> None:
    cache: dict[int, Any] = {}
    assert list(add_cache(smap(calls, range(6)), cache=cache)) == list(range(6))
    assert list(add_cache(smap(calls, range(6)), cache=cache)) == list(range(6))
    assert calls.values == list(range(6))


def test_four_threads_compute_four_items_at_once() -> None:
    barrier = threading.Barrier(4)

    def meet(number: int) -> int:
        barrier.wait(PATIENCE_SECONDS)
        return number

    view = add_cache(smap(meet, range(4)), 4)
    with ThreadPoolExecutor(4) as executor:
        assert list(executor.map(view.__getitem__, range(4))) == [0, 1, 2, 3]


@pytest.mark.parametrize("cache_size", [0, 10])
def test_an_item_that_is_being_computed_is_computed_once(cache_size: int, calls: Calls) -> None:
    let_go = threading.Event()

    def stay(number: int) -> object:
        calls(number)
        assert let_go.wait(PATIENCE_SECONDS)
        return object()

    view = add_cache(smap(stay, range(4)), cache_size)
    with ThreadPoolExecutor(5) as executor:
        reads = [executor.submit(view.__getitem__, 2) for _ in range(5)]
        wait_until(lambda: len(threading.enumerate()) >= 6, "five readers")
        let_go.set()
        assert len({read.result(PATIENCE_SECONDS) for read in reads}) in ({1} if cache_size else {1, 2, 3, 4, 5})
    if cache_size:
        assert calls.values == [2]


def test_an_error_is_given_to_all_who_wait_and_not_kept(calls: Calls) -> None:
    let_go = threading.Event()

    def fail(number: int) -> None:
        calls(number)
        assert let_go.wait(PATIENCE_SECONDS)
        raise OSError("gone")

    view = add_cache(smap(fail, range(4)), 4)
    inner = concatenate([range(3), view])
    with ThreadPoolExecutor(2) as executor:
        reads: list[Any] = [executor.submit(lambda: view[2]), executor.submit(lambda: inner[5])]
        let_go.set()
        errors = [read.exception(PATIENCE_SECONDS) for read in reads]
    for error, index in zip(errors, (2, 5), strict=True):
        assert isinstance(error, EvaluationError)
        assert error.index == index
        assert isinstance(error.__cause__, OSError)
    n_calls = len(calls.values)
    with pytest.raises(EvaluationError, match=r"item 2 failed in fail.*gone"):
        view[2]
    assert len(calls.values) == n_calls + 1


def test_who_waits_for_a_thread_that_was_interrupted_computes_the_item(calls: Calls) -> None:
    entered, let_go = threading.Event(), threading.Event()

    def stay(number: int) -> int:
        calls(number)
        if len(calls.values) == 1:
            entered.set()
            assert let_go.wait(PATIENCE_SECONDS)
            raise KeyboardInterrupt
        return number

    view = add_cache(smap(stay, range(4)), 4)
    with ThreadPoolExecutor(2) as executor:
        first = executor.submit(view.__getitem__, 2)
        assert entered.wait(PATIENCE_SECONDS)
        second = executor.submit(view.__getitem__, 2)
        let_go.set()
        assert isinstance(first.exception(PATIENCE_SECONDS), KeyboardInterrupt)
        assert second.result(PATIENCE_SECONDS) == 2


@settings(max_examples=30, deadline=None)
@given(
    orders=st.lists(st.lists(st.integers(0, 19), max_size=60), min_size=2, max_size=4),
    cache_size=st.integers(0, 8),
    max_bytes=st.none() | st.integers(0, 200),
)
def test_threads_get_what_they_ask_for(orders: list[list[int]], cache_size: int, max_bytes: int | None) -> None:
    view = add_cache(smap(square, range(20)), cache_size, max_bytes=max_bytes)
    with ThreadPoolExecutor(len(orders)) as executor:
        for order, values in zip(orders, executor.map(lambda o: [view[i] for i in o], orders), strict=True):
            assert values == [square(number) for number in order]


def test_an_item_that_needs_itself_is_a_recursion_error() -> None:
    views: list[Any] = []
    views.append(add_cache(smap(lambda number: views[0][number], range(3), errors="passthrough"), 3))
    with pytest.raises(RecursionError, match="recursion"):
        views[0][1]


def test_an_item_that_needs_others_is_computed() -> None:
    views: list[Any] = []
    views.append(add_cache(smap(lambda n: n if n < 2 else views[0][n - 1] + views[0][n - 2], range(40)), 40))
    assert views[0][39] == 63_245_986


def test_assignment_goes_through_and_is_read_from_the_sequence() -> None:
    values = [[1], [2], [3]]
    view = add_cache(concatenate(values), 3)
    assert list(view) == [1, 2, 3]
    view[1] = 7
    view[-1:] = [8]
    assert (values, list(view)) == ([[1], [7], [8]], [1, 7, 8])
    stored: dict[int, Any] = {}
    view = add_cache(concatenate(values), cache=stored)
    assert list(view) == [1, 7, 8]
    view[0] = 5
    assert (view[0], stored[0]) == (5, 5)


def test_what_is_computed_while_it_is_assigned_to_is_not_kept() -> None:
    values = ["old"]
    entered, let_go = threading.Event(), threading.Event()

    class Slow(list[str]):
        def __getitem__(self, index: Any) -> Any:
            value = super().__getitem__(index)
            if value == "old":
                entered.set()
                assert let_go.wait(PATIENCE_SECONDS)
            return value

    view = add_cache(Slow(values), 1)
    with ThreadPoolExecutor(1) as executor:
        read = executor.submit(view.__getitem__, 0)
        assert entered.wait(PATIENCE_SECONDS)
        view[0] = "new"
        let_go.set()
        assert read.result(PATIENCE_SECONDS) == "old"
    assert view[0] == "new"


def test_it_pickles_without_what_it_keeps_in_memory_and_with_a_mapping() -> None:
    view = add_cache(smap(square, range(5)), 3, max_bytes=10_000)
    assert list(view) == [0, 1, 4, 9, 16]
    again = pickle.loads(pickle.dumps(view))
    assert (repr(again), list(again)) == (repr(view), [0, 1, 4, 9, 16])
    kept = add_cache(smap(square, range(5)), cache={2: "kept"})
    assert list(pickle.loads(pickle.dumps(kept))) == [0, 1, "kept", 9, 16]


def test_a_fork_does_not_wait_for_threads_of_its_parent() -> None:
    entered, let_go = threading.Event(), threading.Event()
    is_parent = threading.Event()
    is_parent.set()

    def stay(number: int) -> int:
        if is_parent.is_set():
            entered.set()
            assert let_go.wait(PATIENCE_SECONDS)
        return number

    view = add_cache(smap(stay, range(4)), 4)

    def read(queue: Any) -> None:
        is_parent.clear()
        queue.put(view[2])

    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    with ThreadPoolExecutor(1) as executor:
        first = executor.submit(view.__getitem__, 2)
        assert entered.wait(PATIENCE_SECONDS)
        process = context.Process(target=read, args=(queue,))
        process.start()
        process.join(PATIENCE_SECONDS)
        assert process.exitcode == 0
        assert queue.get() == 2
        let_go.set()
        assert first.result(PATIENCE_SECONDS) == 2


def test_a_sequence_without_an_end_stays_without_one(calls: Calls) -> None:
    view = add_cache(smap(calls, cycle(range(3))), 100)
    assert [view[10**9], view[10**9]] == [10**9 % 3] * 2
    assert Counter(calls.values) == {1: 1}
    with pytest.raises(TypeError, match="has no len"):
        len(view)  # type: ignore[arg-type]


def test_its_name_says_what_it_keeps() -> None:
    assert repr(add_cache("abc", 1000)) == "<cache of 1,000 items: 3 items>"
    assert repr(add_cache("abc", max_bytes=10**6)) == "<cache of 1,000,000 bytes: 3 items>"
    assert repr(add_cache("abc", cache={})) == "<cache of all items: 3 items>"


@pytest.mark.parametrize("arguments", [{"cache_size": -1}, {"max_bytes": -1}])
def test_bounds_below_nothing_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match="is -1: give at least 0"):
        add_cache([1], **arguments)  # type: ignore[call-overload]


def test_what_is_no_mapping_or_sequence_is_refused() -> None:
    with pytest.raises(TypeError, match="cache is a int: give a mapping"):
        add_cache([1], 3, 7)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="add_cache got a set"):
        add_cache({1}, 3)  # type: ignore[call-overload]
