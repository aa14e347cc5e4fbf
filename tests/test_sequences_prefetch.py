"""Behaviour of tintype.sequences.prefetch: the same sequence, computed ahead, in whatever order it is read."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.prefetching import prefetch
from tests.processes import wait_until

from tintype.errors import SettingsError
from tintype.sequences import (
    add_cache,
    batch,
    collate,
    concatenate,
    cycle,
    prefetch_starting,
    prefetch_windows,
    repeat,
    smap,
    unbatch,
)

METHODS = ["thread", "process"]
PATIENCE_SECONDS = 60
both_methods = pytest.mark.parametrize("method", METHODS)


def square(number: int) -> int:
    return number * number


class Count:
    """A function that counts its calls, in whatever process they are: each adds a line to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def __call__(self, value: Any) -> Any:
        with self._path.open("a") as file:
            file.write(f"{value}\n")
        return value

    @property
    def values(self) -> list[str]:
        return self._path.read_text().split()


class Gate:
    """A function that waits at some values until it is let go."""

    def __init__(self, *closed: int) -> None:
        self._events = {value: threading.Event() for value in closed}
        self.entered: list[int] = []

    def __call__(self, value: int) -> int:
        self.entered.append(value)
        if value in self._events:
            assert self._events[value].wait(PATIENCE_SECONDS), "nobody let go"
        return value

    def open(self) -> None:
        for event in self._events.values():
            event.set()


@pytest.fixture
def count(tmp_path: Path) -> Count:
    return Count(tmp_path / "calls.txt")


def names_of_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("tintype")]


def wait_for_other_tests() -> None:
    """Wait until the threads of other tests have ended, whose errors may hold frames, and those their sequences."""
    gc.collect()
    wait_until(lambda: not names_of_threads(), "threads of other tests to end")


@both_methods
@pytest.mark.parametrize("length", [0, 1, 2, 9, 50])
def test_it_equals_the_sequence_in_every_way_of_reading(method: Any, length: int) -> None:
    expected = [square(number) for number in range(length)]
    view = prefetch(smap(square, range(length)), 2, method=method)
    assert len(view) == length
    assert list(view) == expected
    assert [view[index] for index in range(length)] == expected
    assert [view[-index - 1] for index in range(length)] == expected[::-1]
    assert list(view[::-2]) == expected[::-2]
    assert list(view[3:40:5][1:4]) == expected[3:40:5][1:4]
    assert list(reversed(view)) == expected[::-1]


@both_methods
@pytest.mark.parametrize("key", [5, -6, 100])
def test_a_number_beyond_the_sequence_is_an_index_error(method: Any, key: int) -> None:
    view = prefetch(range(5), 2, method=method)
    with pytest.raises(IndexError, match=rf"no item {key} in <prefetch by 2 {method}\w+: 5 items>"):
        view[key]


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 30),
    numbers=st.lists(st.integers(-30, 29), max_size=60),
    max_buffered=st.integers(1, 12),
    n_workers=st.integers(1, 4),
    has_hook=st.booleans(),
)
def test_random_reads_of_threads_equal_those_of_the_sequence(
    length: int, numbers: list[int], max_buffered: int, n_workers: int, has_hook: bool
) -> None:
    hook: Callable[[], object] | None = list if has_hook else None
    view = prefetch(smap(square, range(length)), n_workers, max_buffered=max_buffered, start_hook=hook)
    for number in numbers:
        if -length <= number < length:
            assert view[number] == square(number % length)


@settings(max_examples=10, deadline=None)
@given(numbers=st.lists(st.integers(-30, 29), min_size=1, max_size=80), max_buffered=st.integers(1, 12))
def test_random_reads_of_processes_equal_those_of_the_sequence(numbers: list[int], max_buffered: int) -> None:
    view = prefetch(smap(square, range(30)), 2, method="process", max_buffered=max_buffered)
    for number in numbers:
        assert view[number] == square(number % 30)


@settings(max_examples=30, deadline=None)
@given(orders=st.lists(st.lists(st.integers(0, 39), max_size=40), min_size=2, max_size=4))
def test_threads_that_read_one_prefetch_by_index_each_get_what_they_ask_for(orders: list[list[int]]) -> None:
    view = prefetch(smap(square, range(40)), 2, max_buffered=4)
    barrier = threading.Barrier(len(orders))

    def read(order: list[int]) -> list[int]:
        barrier.wait(PATIENCE_SECONDS)
        return [view[number] for number in order]

    with ThreadPoolExecutor(len(orders)) as executor:
        for order, values in zip(orders, executor.map(read, orders), strict=True):
            assert values == [square(number) for number in order]


@both_methods
def test_several_threads_iterate_one_prefetch_at_once(method: Any) -> None:
    view = prefetch(smap(square, range(200)), 2, method=method, max_buffered=5)
    barrier = threading.Barrier(4)

    def read(_: int) -> list[int]:
        barrier.wait(PATIENCE_SECONDS)
        return list(view)

    with ThreadPoolExecutor(4) as executor:
        assert list(executor.map(read, range(4))) == [[square(number) for number in range(200)]] * 4


@both_methods
def test_several_iterators_take_turns(method: Any) -> None:
    view = prefetch(smap(square, range(30)), 2, method=method, max_buffered=3)
    assert list(zip(view, view[::-1], strict=True)) == [(square(n), square(29 - n)) for n in range(30)]


@both_methods
def test_a_pass_evaluates_each_item_once(method: Any, count: Count) -> None:
    assert list(prefetch(smap(count, range(100)), 2, method=method)) == list(range(100))
    assert Counter(count.values) == Counter(map(str, range(100)))


@both_methods
def test_nothing_is_computed_and_no_worker_started_before_the_first_read(method: Any, count: Count) -> None:
    n_threads, n_processes = threading.active_count(), len(multiprocessing.active_children())
    view = prefetch(smap(count, range(10)), 2, method=method)
    view[2:4]
    iter(view)
    repr(view), len(view)
    pickle.dumps(view)
    assert (threading.active_count(), len(multiprocessing.active_children())) == (n_threads, n_processes)
    assert count.values == []


@pytest.mark.parametrize("max_buffered", [1, 3, 10])
def test_no_more_is_computed_ahead_than_asked_for(max_buffered: int) -> None:
    gate = Gate(5 + max_buffered)
    reader = iter(prefetch(smap(gate, range(100)), 2, max_buffered=max_buffered))
    assert [next(reader) for _ in range(5)] == [0, 1, 2, 3, 4]
    wait_until(lambda: len(gate.entered) >= 5 + max_buffered, "the window to fill")
    # Idle threads that had more to do would have begun with it.
    wait_until(lambda: sorted(gate.entered) == list(range(5 + max_buffered)), "no more than the window")
    gate.open()


@pytest.mark.parametrize(
    "order",
    [
        [*range(0, 200, 4)],
        [*range(199, -1, -1)],
        [*range(199, -1, -7)],
        [index for index in range(100) for _ in range(2)],
        [(index * 67) % 200 for index in range(200)],
        [(index * index * 31 + 7) % 200 for index in range(200)],
        [index + step for index in range(0, 200, 2) for step in (1, 0)],
    ],
    ids=["steps", "backwards", "steps back", "twice", "far steps", "no order", "swapped neighbours"],
)
@pytest.mark.parametrize(("method", "max_buffered"), [("thread", 10), ("thread", 40), ("process", 10)])
def test_reads_in_any_order_evaluate_once_a_read_and_a_buffer_at_most(
    method: Any, max_buffered: int, order: list[int], count: Count
) -> None:
    view = prefetch(smap(count, range(200)), 2, method=method, max_buffered=max_buffered)
    assert [view[index] for index in order] == order
    assert len(count.values) <= len(order) + max_buffered


def test_each_jump_out_of_a_long_pattern_costs_a_buffer_at_most(count: Count) -> None:
    view = prefetch(smap(count, range(200)), 2)
    order = [*range(50), *range(60, 110), *range(50)]
    assert [view[index] for index in order] == order
    assert len(count.values) <= len(order) + 3 * 10


@both_methods
def test_order_by_index_is_read_ahead(method: Any, count: Count) -> None:
    view = prefetch(smap(count, range(100)), 2, method=method)
    assert [view[0], view[1]] == [0, 1]
    wait_until(lambda: len(count.values) > 2, "an item that nobody asked for yet")
    assert [view[index] for index in range(2, 100)] == list(range(2, 100))
    assert Counter(count.values) == Counter(map(str, range(100)))


def test_an_item_out_of_order_is_computed_in_the_reader_at_once_while_threads_are_busy() -> None:
    gate = Gate(2, 3)
    view = prefetch(smap(gate, range(100)), 2)
    assert [view[0], view[1]] == [0, 1]
    wait_until(lambda: {2, 3} <= set(gate.entered), "both threads to be held up")
    assert view[77] == 77
    gate.open()


def test_an_item_out_of_order_is_the_next_one_of_a_process(count: Count) -> None:
    view = prefetch(smap(count, range(1000)), 1, method="process", max_buffered=500)
    reader = iter(view)
    next(reader)
    assert view[999] == 999
    assert "900" not in count.values


@both_methods
def test_items_are_computed_by_several_workers_at_once(method: Any) -> None:
    context = multiprocessing.get_context("fork")
    barrier: Any = threading.Barrier(3) if method == "thread" else context.Barrier(3)
    view = prefetch(smap(lambda number: barrier.wait(PATIENCE_SECONDS), range(3)), 3, method=method)
    assert sorted(view) == [0, 1, 2]


def test_the_default_is_a_thread_for_each_core() -> None:
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert repr(prefetch([1])).startswith(f"<prefetch by {n_cores} thread")
    assert repr(prefetch([1], 0)) == repr(prefetch([1])) == repr(prefetch([1], None))
    assert repr(prefetch([1], -10_000)) == "<prefetch by 1 thread: 1 item>"


@both_methods
def test_sequences_without_an_end_stay_without_one(method: Any) -> None:
    view = prefetch(smap(square, cycle(range(3))), 2, method=method)
    assert list(itertools.islice(view, 7)) == [0, 1, 4, 0, 1, 4, 0]
    assert view[10**12] == square(10**12 % 3)
    assert list(view[1:4]) == [1, 4, 0]
    with pytest.raises(TypeError, match="has no len"):
        len(view)
    assert list(itertools.islice(prefetch(repeat("a"), 2, method=method), 3)) == ["a", "a", "a"]


@both_methods
def test_pairs_that_are_taken_apart_are_computed_once(method: Any, count: Count) -> None:
    pairs = smap(lambda number: (number, -number), smap(count, range(25)))
    view = prefetch(unbatch(pairs, 2), 2, method=method, max_buffered=3)
    assert list(view) == [sign * number for number in range(25) for sign in (1, -1)]
    assert Counter(count.values) == Counter(map(str, range(25)))


def test_batches_larger_than_the_buffer_are_computed_once(count: Count) -> None:
    batches = batch(smap(count, range(25)), 10)
    view = prefetch(add_cache(smap(str, unbatch(batches, 10)), 50), 2, max_buffered=3)
    assert list(view) == [str(number) for number in range(25)]
    assert Counter(count.values) == Counter(map(str, range(25)))
    assert list(view[7:13]) == ["7", "8", "9", "10", "11", "12"]


@both_methods
def test_views_of_a_prefetch_work_as_those_of_a_list(method: Any) -> None:
    view = prefetch(smap(square, range(20)), 2, method=method)
    squares = [square(number) for number in range(20)]
    assert list(collate([view, view[::-1]])) == list(zip(squares, squares[::-1], strict=True))
    assert list(concatenate([view, view])) == squares * 2
    assert list(batch(view, 8)) == [squares[:8], squares[8:16], squares[16:]]
    assert list(smap(square, view)) == [square(number) for number in squares]


@both_methods
def test_assignment_goes_through_and_is_what_is_read_next(method: Any) -> None:
    values: list[Any] = list(range(30))
    view = prefetch(collate([values, values]), 2, method=method)
    assert [view[0], view[1], view[2]] == [(0, 0), (1, 1), (2, 2)]
    view[3] = ("a", "b")
    assert values[3] == "b"
    assert view[3] == ("b", "b")
    assert list(view[2:5]) == [(2, 2), ("b", "b"), (4, 4)]


@both_methods
def test_the_hook_is_called_without_argument_in_each_worker_before_its_items(method: Any) -> None:
    local = threading.local()

    def hook() -> None:
        local.is_ready = True

    def use(number: int) -> tuple[int, bool]:
        return number, local.is_ready

    view = prefetch(smap(use, range(20)), 2, method=method, start_hook=hook)
    assert view[7] == (7, True)
    assert list(view) == [(number, True) for number in range(20)]


@pytest.mark.parametrize("shared_memory", [True, False])
@pytest.mark.parametrize("shape", [(0,), (3,), (200, 300), (2000, 1500)])
def test_arrays_come_back_as_they_were(shape: tuple[int, ...], shared_memory: bool) -> None:
    def make(number: int) -> dict[str, Any]:
        array = np.full(shape, number, np.uint8)
        return {"array": array, "rows": array[::2], "turned": np.asfortranarray(array), "number": number}

    view = prefetch(smap(make, range(6)), 2, method="process", shared_memory=shared_memory)
    for number, item in enumerate(view):
        for name in ("array", "rows", "turned"):
            np.testing.assert_array_equal(item[name], make(number)[name])
            assert item[name].flags.writeable
        assert item["number"] == number


def test_arrays_keep_their_values_as_long_as_they_are_held() -> None:
    view = prefetch(smap(lambda number: np.full(50_000, number, np.uint32), range(100)), 2, method="process")
    held = [array if number % 3 else array[7:9] for number, array in enumerate(view)]
    for number in range(20):
        assert view[number][0] == number
    del view
    gc.collect()
    assert [array[0] for array in held] == list(range(100))


def test_shared_memory_is_used_again_and_stays_bounded() -> None:
    view = prefetch(smap(lambda number: np.full(300_000, number % 250, np.uint8), range(400)), 2, method="process")
    n_blocks = max(_count_mappings() for array in view if array[0] >= 0)
    assert 1 <= n_blocks <= 2 * 10 + 2 + 2
    del view
    wait_until(lambda: gc.collect() >= 0 and _count_mappings() == 0, "the memory to be let go of")


def _count_mappings() -> int:
    return Path("/proc/self/maps").read_text().count("memfd:tintype-prefetch")


@both_methods
def test_it_pickles_without_its_workers(method: Any) -> None:
    view = prefetch(smap(square, range(5)), 2, method=method)
    assert list(view) == [0, 1, 4, 9, 16]
    again = pickle.loads(pickle.dumps(view))
    assert repr(again) == repr(view)
    assert list(again) == [0, 1, 4, 9, 16]


def test_it_works_in_a_fork_that_has_read_from_it_before() -> None:
    view = prefetch(smap(square, range(50)), 2)
    reader = iter(view)
    assert [next(reader), view[0], view[1]] == [0, 0, 1]

    def use(queue: Any) -> None:
        queue.put((list(reader), [view[index] for index in range(2, 50)]))

    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=use, args=(queue,))
    process.start()
    expected = [square(number) for number in range(50)]
    assert queue.get() == (expected[1:], expected[2:])
    process.join(PATIENCE_SECONDS)
    assert process.exitcode == 0
    assert list(reader) == expected[1:]


@both_methods
def test_dropping_a_prefetch_in_a_fork_leaves_the_parents_workers_alone(method: Any) -> None:
    views = [prefetch(smap(square, range(50)), 2, method=method)]
    reader = iter(views[0])
    assert next(reader) == 0

    def drop() -> None:
        nonlocal reader
        reader = iter(())
        views.clear()
        gc.collect()

    process = multiprocessing.get_context("fork").Process(target=drop)
    process.start()
    process.join(PATIENCE_SECONDS)
    assert process.exitcode == 0
    assert list(reader) == [square(number) for number in range(1, 50)]


def sum_in_processes(number: int) -> int:
    return sum(prefetch(smap(square, range(number)), 2, method="process"))


@both_methods
def test_it_works_inside_the_worker_of_another(method: Any) -> None:
    view = prefetch(smap(sum_in_processes, range(5)), 2, method=method)
    assert list(view) == [sum(map(square, range(number))) for number in range(5)]


def test_processes_are_started_from_any_thread() -> None:
    with ThreadPoolExecutor(1) as executor:
        view = prefetch(smap(square, range(20)), 2, method="process")
        assert executor.submit(lambda: [view[0], view[1]]).result(PATIENCE_SECONDS) == [0, 1]
    # The thread that started them has ended.
    assert list(view) == [square(number) for number in range(20)]


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver", multiprocessing.get_context("spawn")])
def test_processes_are_started_as_asked_for(context: Any) -> None:
    view = prefetch(smap(square, range(5)), 1, method="process", context=context)
    assert list(view) == [0, 1, 4, 9, 16]


def test_a_process_with_one_thread_is_forked_and_one_with_several_is_not() -> None:
    method = prefetch_starting.choose_context(None).get_start_method
    is_alone = threading.active_count() == 1
    assert method() == ("fork" if is_alone and sys.platform == "linux" else "spawn")
    with ThreadPoolExecutor(1) as executor:
        executor.submit(int).result()
        assert prefetch_starting.choose_context(None).get_start_method() == "spawn"


@pytest.mark.parametrize("method", METHODS)
def test_it_works_in_a_forked_luigi_task(method: str, tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(
        f"""
import luigi
from tintype.sequences import prefetch, smap

class Sum(luigi.Task):
    number = luigi.IntParameter()

    def output(self):
        return luigi.LocalTarget(f"{{self.number}}.txt")

    def run(self):
        with self.output().open("w") as file:
            file.write(str(sum(prefetch(smap(lambda n: n * n, range(10)), 2, method="{method}"))))

class Both(luigi.WrapperTask):
    def requires(self):
        return [Sum(number=1), Sum(number=2)]
"""
    )
    command = [sys.executable, "-m", "luigi", "--module", "sums", "Both", "--local-scheduler", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / name).read_text() for name in ("1.txt", "2.txt")] == ["285", "285"]


@both_methods
def test_the_workers_end_when_nobody_has_it_any_more(method: Any) -> None:
    wait_for_other_tests()
    view = prefetch(smap(square, range(1000)), 2, method=method)
    reader = iter(view)
    next(reader)
    del view
    assert next(reader) == 1
    if method == "process":
        assert len(multiprocessing.active_children()) == 2
    del reader
    assert multiprocessing.active_children() == []
    wait_until(lambda: not names_of_threads(), "the threads to end")


@both_methods
def test_the_workers_end_with_the_loop_that_an_error_ends(method: Any) -> None:
    wait_for_other_tests()
    with pytest.raises(ZeroDivisionError, match="division") as caught:
        list(prefetch(smap(lambda number: 1 // (5 - number), range(1000), errors="passthrough"), 2, method=method))
    # Though somebody still has the error, and with it the frames it came through.
    assert caught.tb is not None
    assert multiprocessing.active_children() == []
    wait_until(lambda: not names_of_threads(), "the threads to end")


def test_what_was_asked_for_and_not_begun_is_dropped_with_the_iterator() -> None:
    gate = Gate(1, 2)
    view = prefetch(smap(gate, range(100)), 2, max_buffered=50)
    reader = iter(view)
    assert next(reader) == 0
    wait_until(lambda: {1, 2} <= set(gate.entered), "both threads to be held up")
    del reader
    gate.open()
    assert list(view[90:]) == list(range(90, 100))
    assert len(gate.entered) == 3 + 10


def test_slow_items_are_not_waited_for_when_it_is_dropped() -> None:
    wait_for_other_tests()
    gate = Gate(1, 2)
    view = prefetch(smap(gate, range(100)), 2, max_buffered=50)
    reader = iter(view)
    next(reader)
    wait_until(lambda: {1, 2} <= set(gate.entered), "both threads to be held up")
    del view, reader  # comes back, though two items never will
    assert len(names_of_threads()) == 2
    gate.open()
    wait_until(lambda: not names_of_threads(), "the threads to end")
    assert sorted(gate.entered) == [0, 1, 2]


@both_methods
def test_the_items_in_the_hands_of_a_reader_are_let_go_of(method: Any) -> None:
    class Item:
        n_alive = 0

        def __init__(self) -> None:
            type(self).n_alive += 1

        def __del__(self) -> None:
            type(self).n_alive -= 1

    view: Sequence[Any] = prefetch(smap(lambda _: Item(), range(50)), 2, max_buffered=2)
    most = max(Item.n_alive for _ in view)
    assert most <= 1 + 2 + 2
    wait_until(lambda: Item.n_alive == 0, "the items to be gone")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "threads"}, "method is 'threads': give 'thread' or 'process'"),
        ({"max_buffered": 0}, "max_buffered is 0: give at least 1"),
        ({"context": "fork it"}, "context is 'fork it': give one of fork"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        prefetch([1], 1, **arguments)


def test_what_is_no_sequence_or_function_is_refused() -> None:
    with pytest.raises(TypeError, match="prefetch got a set"):
        prefetch({1})
    with pytest.raises(TypeError, match="start_hook is 3: give a function"):
        prefetch([1], start_hook=3)
    with pytest.raises(TypeError, match="items are numbered by ints"):
        prefetch([1])[1.5]


def test_a_thousand_open_iterations_of_processes_are_too_many() -> None:
    view = prefetch(range(2), 1, method="process")
    readers = [iter(view) for _ in range(1024)]
    assert [next(reader) for reader in readers[:-1]] == [0] * 1023
    with pytest.raises(SettingsError, match="1023 iterations of one prefetch are open: close some"):
        next(readers[-1])
    del readers[500]
    assert next(readers[-1]) == 0
    assert [next(reader) for reader in readers] == [1] * 1023


def test_a_value_of_an_inner_class_is_a_value() -> None:
    # What stands for "nothing" inside is told from every value by identity.
    values = [None, prefetch_windows.MISSING.__class__(), NotImplemented, ...]
    assert list(prefetch(values, 2)) == values


def test_numbers_that_grow_without_reads_of_neighbours_start_no_worker(count: Count) -> None:
    wait_for_other_tests()
    view = prefetch(smap(count, range(100)), 2)
    assert [view[index] for index in (3, 50, 7, 90, 20)] == [3, 50, 7, 90, 20]
    assert names_of_threads() == []
    assert len(count.values) == 5
