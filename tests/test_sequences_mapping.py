"""smap and starmap: a function called for the item that is asked for, and errors that say which and where."""

import builtins
import functools
import os
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from tintype.errors import EvaluationError, TintypeError
from tintype.sequences import collate, concatenate, repeat, smap, starmap


class TwoArgumentsError(Exception):
    def __init__(self, what, why):
        super().__init__(f"{what} {why}")


def double(value):
    return 2 * value


def refuse(value):
    raise TwoArgumentsError("no", value)


def read_one(sequence, index):
    return sequence[index]


@pytest.fixture
def calls():
    return []


def test_the_function_is_called_once_for_each_read(calls):
    sequence = smap(calls.append, ["a", "b", "c"])
    assert calls == []
    sequence[1]
    sequence[-1]
    assert calls == ["b", "c"]
    list(sequence)
    assert calls == ["b", "c", "a", "b", "c"]


def test_several_sequences_are_several_arguments():
    assert list(smap(pow, [1, 2, 3], (2, 2, 2))) == [1, 4, 9]
    assert smap(lambda *values: values, "ab", "cd", "ef")[1] == ("b", "d", "f")


def test_a_sequence_without_an_end_goes_beside_one_with_an_end():
    assert list(smap(pow, [1, 2, 3], repeat(2))) == [1, 4, 9]
    powers = smap(pow, repeat(2), repeat(3))
    assert not hasattr(powers, "__len__")
    assert powers[10**9] == 8


@pytest.mark.parametrize("lengths", [(3, 2), (2, 3), (0, 1), (2, 2, 3)])
def test_sequences_of_different_lengths_are_refused_when_the_map_is_made(lengths):
    first, second = dict.fromkeys(lengths)
    with pytest.raises(ValueError, match=f"smap got sequences of {first} and {second} items"):
        smap(max, *[range(length) for length in lengths])


def test_what_cannot_be_mapped_is_refused_when_the_map_is_made():
    with pytest.raises(TypeError, match="smap needs a function first, and got 'abc'"):
        smap("abc", [1])  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"smap needs a sequence after the function"):
        smap(double)
    with pytest.raises(TypeError, match="starmap needs a function first, and got None"):
        starmap(None, [1])  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="errors is 'ignore': give 'wrap' or 'passthrough'"):
        smap(double, [1], errors="ignore")  # type: ignore[call-overload]


def test_starmap_gives_a_tuple_as_arguments_and_pickles():
    sequence = starmap(pow, collate([[2, 3], [3, 2]]))
    assert list(sequence) == [8, 9]
    assert list(pickle.loads(pickle.dumps(sequence))) == [8, 9]
    assert repr(sequence) == "<smap pow: 2 items>"


def test_maps_pickle_when_their_functions_do():
    sequence = smap(functools.partial(pow, 2), smap(double, concatenate([[1, 2], [3]])))
    again = pickle.loads(pickle.dumps(sequence))
    assert list(again) == [4, 16, 64]
    assert repr(again) == "<smap pow: 3 items>"
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(smap(lambda value: value, [1]))


def test_a_deep_map_is_one_view_and_its_middle_stages_stay_as_they_are():
    stages = [smap(double, [1, 2])]
    for _ in range(2000):  # deeper than calls may go
        stages.append(smap(lambda value: value + 1, stages[-1]))
    assert stages[-1][1] == 2004
    assert list(stages[-1]) == [2002, 2004]
    assert list(stages[3]) == [5, 7]
    assert repr(stages[0]) == "<smap double: 2 items>"


@pytest.mark.parametrize("n_before", [0, 1, 3])
@pytest.mark.parametrize("n_after", [0, 2])
def test_an_error_names_index_function_line_value_and_has_its_cause(n_before, n_after):
    stages: list[Any] = [["good.png", "bad.png"]]
    for _ in range(n_before):
        stages.append(smap(str.lower, stages[-1]))
    line = sys._getframe().f_lineno + 1
    stages.append(smap(refuse, stages[-1]))
    for _ in range(n_after):
        stages.append(smap(double, stages[-1]))
    for read in (lambda sequence: sequence[1], lambda sequence: list(sequence[1:] if len(sequence) else [])):
        with pytest.raises(EvaluationError, match=r"failed in refuse for 'bad.png'") as caught:
            read(stages[-1])
        error = caught.value
        assert (error.function, error.value, error.reason) == ("refuse", "bad.png", "TwoArgumentsError: no bad.png")
        assert error.place == f"{__file__}:{line}"
        assert isinstance(error.__cause__, TwoArgumentsError)
        assert isinstance(error, TintypeError)
        assert isinstance(error, RuntimeError)
    with pytest.raises(EvaluationError) as caught:  # noqa: PT011 - the words are checked here
        stages[-1][1]
    assert str(caught.value) == (
        f"item 1 failed in refuse for 'bad.png' (sequence built at {__file__}:{line}): TwoArgumentsError: no bad.png"
    )


def test_the_same_function_twice_is_told_apart_by_its_line():
    def halve(value):
        return value // 2 if value % 2 == 0 else 1 // 0

    first = smap(halve, [4, 2, 1])
    line = sys._getframe().f_lineno + 1
    second = smap(halve, first)
    with pytest.raises(EvaluationError, match="item 1 failed") as caught:
        second[1]
    assert caught.value.place == f"{__file__}:{line}"
    with pytest.raises(EvaluationError, match="item 2 failed") as caught:
        second[2]
    assert caught.value.place == f"{__file__}:{line - 2}"


@pytest.mark.parametrize(
    "make",
    [
        lambda load: smap(len, smap(load, [Path("a/1.png")])),
        lambda load: smap(load, [Path("a/1.png")], [5]),
        lambda load: smap(load, [5], [os.path.join("a", "1.png")]),
        lambda load: smap(load, smap(lambda path: path.read_text, concatenate([[Path("a/1.png")]]))),
        lambda load: smap(load, smap(lambda pair: 5, collate([[7], ["a/1.png"]]))[:]),
        lambda load: starmap(load, [(Path("a/1.png"), 5)]),
    ],
)
def test_the_file_is_named_even_when_the_function_was_given_what_was_made_of_it(make):
    def load(*values):
        raise OSError("truncated")

    with pytest.raises(EvaluationError, match=r"item 0 failed in load for 'a/1.png' .*: OSError: truncated$"):
        make(load)[0]


def test_a_value_that_is_no_text_is_not_shown_and_a_long_one_is_cut():
    with pytest.raises(EvaluationError, match=r"item 0 failed in refuse \(sequence") as caught:
        smap(refuse, [5])[0]
    assert caught.value.value is None
    with pytest.raises(EvaluationError, match=r"x\.\.\.") as caught:
        smap(refuse, ["x" * 10_000])[0]
    assert len(caught.value.value or "") == 303


@pytest.mark.parametrize("kind", [IndexError, StopIteration, KeyError, GeneratorExit, ValueError])
def test_no_exception_of_the_function_ends_an_iteration_silently(kind):
    def fail_at_two(value):
        if value == 2:
            raise kind("two")
        return value

    sequence = smap(fail_at_two, range(4))
    expected = kind if kind is GeneratorExit else EvaluationError
    for read in (list, lambda items: items[2], lambda items: 3 in items, lambda items: items.index(3), max):
        with pytest.raises(expected, match="two"):
            read(sequence)
    with pytest.raises(expected, match="two"):
        [value for value in smap(abs, concatenate([sequence, sequence]))]  # noqa: C416 - a loop, as users write


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_is_to_end_the_program_is_not_wrapped(kind):
    def stop(value):
        raise kind("enough")

    for sequence in (smap(stop, [1]), smap(abs, smap(stop, [1])), concatenate([smap(stop, [1])])):
        with pytest.raises(kind, match="enough"):
            list(sequence)
        with pytest.raises(kind, match="enough"):
            sequence[0]


def test_passthrough_gives_the_original_from_any_depth():
    sequence = smap(double, smap(refuse, smap(double, [1, 2]), errors="passthrough"))
    for read in (lambda: sequence[1], lambda: sequence[1:][0], lambda: list(sequence[1:])):
        with pytest.raises(TwoArgumentsError, match="no 4"):
            read()
    other = smap(refuse, smap(double, [1], errors="passthrough"))
    with pytest.raises(EvaluationError, match="failed in refuse"):
        other[0]


def test_passthrough_of_a_stop_iteration_is_loud_too():
    def stop(value):
        raise StopIteration("enough")

    sequence = smap(stop, [1], errors="passthrough")
    with pytest.raises(StopIteration, match="enough"):
        sequence[0]
    with pytest.raises(RuntimeError, match="generator raised StopIteration"):
        list(sequence)


def test_an_index_error_that_passes_through_ends_no_search():
    sequence = smap(lambda value: [1][value], range(4), errors="passthrough")
    with pytest.raises(IndexError, match="list index out of range"):
        sequence.index(7)


def test_an_error_of_another_sequence_that_the_function_reads_is_its_cause():
    inner = smap(refuse, range(10))
    outer = smap(lambda value: inner[value + 5], range(3))
    with pytest.raises(EvaluationError, match=r"^item 1 failed in lambda .*EvaluationError: item 6 failed") as caught:
        outer[1]
    assert caught.value.index == 1
    assert isinstance(caught.value.__cause__, EvaluationError)
    assert caught.value.__cause__.index == 6


def test_errors_pickle_with_all_they_say():
    with pytest.raises(EvaluationError, match="no x") as caught:
        concatenate([[0], smap(refuse, ["x"])])[1]
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert (again.index, again.function, again.place, again.value, again.reason) == (
        1,
        "refuse",
        caught.value.place,
        "x",
        "TwoArgumentsError: no x",
    )
    assert EvaluationError(*caught.value.args).function == "refuse"


def test_an_error_comes_out_of_a_process_pool():
    sequence = smap(refuse, ["x"])
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(EvaluationError, match=r"item 0 failed in refuse for 'x' .*: TwoArgumentsError: no x"):
            pool.submit(read_one, sequence, 0).result()
        assert pool.submit(read_one, smap(double, [4]), 0).result() == 8  # the pool is whole


def test_making_a_map_opens_no_file(monkeypatch):
    def refuse_to_open(*arguments, **options):
        raise AssertionError(arguments)

    monkeypatch.setattr(builtins, "open", refuse_to_open)
    monkeypatch.setattr("linecache.getlines", refuse_to_open)
    sequence = smap(double, [1, 2])
    assert list(sequence) == [2, 4]


def test_callables_of_all_kinds_have_a_name():
    class Scale:
        def __call__(self, value):
            return value

        def method(self, value):
            return value

    names = [repr(smap(function, [])) for function in (Scale(), Scale().method, Scale, functools.partial(double))]
    assert names == [
        "<smap Scale: 0 items>",
        "<smap method: 0 items>",
        "<smap Scale: 0 items>",
        "<smap double: 0 items>",
    ]


def open_files():
    return len(os.listdir("/proc/self/fd"))


def test_images_opened_by_pillow_keep_no_file_open(photographs):
    from PIL import Image

    files = [photographs / "cats" / "chelsea.png", photographs / "space" / "rocket.jpg"] * 20
    images = smap(Image.open, files)
    before = open_files()
    kept = list(images)
    assert open_files() == before
    with Image.open(files[1]) as expected:
        assert kept[1].tobytes() == expected.tobytes()
        assert (kept[1].size, kept[1].mode, kept[1].format) == (expected.size, expected.mode, "JPEG")
    assert repr(images) == "<smap open: 40 items>"
    with pytest.raises(EvaluationError, match=r"failed in open for '.*missing.png' .*FileNotFoundError"):
        smap(Image.open, [photographs / "missing.png"])[0]
    again = pickle.loads(pickle.dumps(images))
    assert again[0].size == kept[0].size


def test_the_image_library_is_not_loaded_for_a_map():
    code = "import sys; from tintype.sequences import smap; smap(abs, [1])[0]; sys.exit('PIL' in sys.modules)"
    assert os.spawnl(os.P_WAIT, sys.executable, sys.executable, "-c", code) == 0
