"""Behaviour of tintype.sequences.load_buffers: memory is used again when, and only when, nobody looks at it."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tintype.errors import SettingsError
from tintype.sequences import load_buffers, prefetch, repeat, smap


def make(number: int) -> Any:
    return np.full((3, 4), number, np.uint16)


def fill_with(number: int, array: Any) -> None:
    array.fill(number)


def address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


@pytest.mark.parametrize("length", [0, 1, 7])
@pytest.mark.parametrize("max_cached", [1, 2, 5])
def test_it_equals_the_sequence(length: int, max_cached: int) -> None:
    view = load_buffers(smap(make, range(length)), max_cached)
    for number, array in enumerate(view):
        np.testing.assert_array_equal(array, make(number))
        assert array.dtype == np.uint16
    assert [int(view[-index - 1][0, 0]) for index in range(length)] == list(range(length))[::-1]
    filled = load_buffers(range(length), max_cached, fill=fill_with, shape=(2, 3), dtype="uint8")
    assert [array.tolist() for array in filled] == [[[number] * 3] * 2 for number in range(length)]


@pytest.mark.parametrize("max_cached", [2, 5])
def test_memory_that_nobody_holds_is_used_again(max_cached: int) -> None:
    view = load_buffers(smap(make, range(50)), max_cached)
    assert len({address(array) for array in view}) == 2  # the loop holds one while the next is read
    assert len({address(view[index]) for index in range(50)}) == 1


def test_arrays_and_views_of_them_that_are_held_stay_as_they_are() -> None:
    view = load_buffers(smap(make, range(20)), 3)
    held: list[Any] = []
    for number, array in enumerate(view):
        held.append([array, array[1:], memoryview(array), array.T.reshape(-1)[2:], array[0:0]][number % 5])
        del array
    for number, kept in enumerate(held):
        assert set(np.asarray(kept).ravel().tolist()) <= {number}


def test_arrays_of_several_shapes_are_kept_apart() -> None:
    view = load_buffers(smap(lambda number: np.full(1 + number % 2, number), range(10)), 4)
    assert [array.tolist() for array in view] == [[number] * (1 + number % 2) for number in range(10)]


def test_several_threads_may_read() -> None:
    view = load_buffers(smap(make, range(200)), 4)
    with ThreadPoolExecutor(4) as executor:
        assert all(executor.map(lambda index: (view[index] == index).all(), range(200)))
    assert all((array == index).all() for index, array in enumerate(prefetch(view, 2)))


def test_it_pickles() -> None:
    view = load_buffers(range(3), fill=fill_with, shape=(2,), dtype=np.int8)
    again = pickle.loads(pickle.dumps(view))
    assert (repr(again), [array.tolist() for array in again]) == (
        "<buffers, 2 kept: 3 items>",
        [[0, 0], [1, 1], [2, 2]],
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_cached": 0}, "max_cached is 0: give at least 1"),
        ({"fill": fill_with}, "needs fill, shape and dtype together"),
        ({"shape": (1,)}, "needs fill, shape and dtype together"),
        ({"fill": fill_with, "shape": (1,)}, "needs fill, shape and dtype together"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load_buffers([1], **arguments)


def test_a_sequence_without_an_end_is_refused() -> None:
    with pytest.raises(TypeError, match=r"needs a sequence with an end"):
        load_buffers(repeat(np.zeros(1)))  # type: ignore[arg-type]
