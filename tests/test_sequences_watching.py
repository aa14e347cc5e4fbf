"""Behaviour of tintype.sequences.progress and debug: who looks on changes nothing."""

from __future__ import annotations

import itertools
import pickle
import re
from typing import Any

import pytest

from tintype.errors import EvaluationError, SettingsError
from tintype.sequences import debug, progress, repeat, smap, watching


class Clock:
    """Time that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watching, "monotonic", clock)
    return clock


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def note(index: int, value: Any) -> None:
    """Do nothing, at the top level of a module."""


@pytest.mark.parametrize("length", [0, 1, 5])
@pytest.mark.parametrize("watch", [lambda view: progress(view, show=True), lambda view: debug(view, note)])
def test_it_equals_the_sequence(watch: Any, length: int) -> None:
    view = watch(range(length))
    assert (len(view), list(view), list(view[::-1])) == (length, list(range(length)), list(range(length))[::-1])
    assert [view[-index - 1] for index in range(length)] == list(range(length))[::-1]
    again = pickle.loads(pickle.dumps(view))
    assert (list(again), repr(again)) == (list(range(length)), repr(view))


def test_a_bar_is_shown_after_a_while(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in progress(range(7), "counting", show=True):
        clock.now += 0.2
    errors = plain(capsys.readouterr().err)
    assert "counting" in errors
    assert "7/7" in errors


@pytest.mark.parametrize("show", [True, False, None])
def test_no_bar_is_shown_for_what_is_short_or_not_seen(
    clock: Clock, capsys: pytest.CaptureFixture[str], show: bool | None
) -> None:
    for _ in progress(range(7), show=show):
        clock.now += 0.01 if show else 10
    assert capsys.readouterr().err == ""


def test_the_bar_ends_with_a_loop_that_is_left(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    view = progress(smap(lambda number: 1 // (5 - number), range(10)), show=True)

    def read() -> None:
        for _ in view:
            clock.now += 1

    with pytest.raises(EvaluationError, match="item 5 failed in lambda"):
        read()
    assert "5/10" in plain(capsys.readouterr().err)
    for _ in progress(range(10), show=True):  # another one can be shown
        clock.now += 1
    assert "10/10" in plain(capsys.readouterr().err)


def test_reads_by_index_show_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    view = progress(range(7), show=True)
    for index in range(7):
        assert view[index] == index
        clock.now += 10
    assert capsys.readouterr().err == ""


def test_a_sequence_without_an_end_has_a_bar_without_one(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in itertools.islice(progress(repeat(1), show=True), 5):
        clock.now += 1
    assert "/?" in plain(capsys.readouterr().err)
    assert list(itertools.islice(debug(repeat(1), note), 3)) == [1, 1, 1]


def test_assignment_goes_through() -> None:
    values = [1, 2, 3]
    progress(values)[1] = 7
    debug(values, note)[2] = 8
    assert values == [1, 7, 8]


def test_the_hook_sees_each_read_with_its_number() -> None:
    seen: list[tuple[int, str]] = []
    view = debug("abcd", lambda index, value: seen.append((index, value)))
    assert ("".join(view), view[-1], list(view[1:3])) == ("abcd", "d", ["b", "c"])
    assert seen == [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (3, "d"), (1, "b"), (2, "c")]


def test_the_hook_is_called_so_many_times_at_most() -> None:
    seen: list[int] = []
    view = debug(range(10), lambda index, _: seen.append(index), max_calls=3)
    assert list(view) == list(view) == list(range(10))
    assert seen == [0, 1, 2]
    assert list(debug(range(3), lambda index, _: seen.append(index), max_calls=0)) == [0, 1, 2]
    assert seen == [0, 1, 2]


def test_the_hook_is_called_so_often_at_most_and_at_the_first_read(clock: Clock) -> None:
    seen: list[int] = []
    for _ in debug(range(10), lambda index, _: seen.append(index), max_rate=4):
        clock.now += 0.125
    assert seen == [0, 2, 4, 6, 8]


def test_what_the_hook_raises_arrives() -> None:
    def refuse(index: int, value: int) -> None:
        raise ValueError(f"{value} at {index}")

    with pytest.raises(ValueError, match="5 at 2"):
        debug([3, 4, 5], refuse)[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_calls": -1}, "max_calls is -1: give at least 0"),
        ({"max_rate": 0}, "max_rate is 0: give calls a second"),
        ({"max_rate": float("nan")}, "max_rate is nan"),
    ],
)
def test_limits_that_cannot_be_used_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        debug([1], note, **arguments)


def test_what_is_no_sequence_or_function_is_refused() -> None:
    with pytest.raises(TypeError, match="progress got a set"):
        progress({1})  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="debug needs a function of an index and a value, and got 3"):
        debug([1], 3)  # type: ignore[call-overload]
