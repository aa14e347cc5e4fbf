"""Several results of one file: pipelines whose load function or op is a generator of suffix and data."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tintype import Pipeline, drop, record
from tintype.errors import CollisionError, FileError, StagingError
from tintype.load_funcs import load_image
from tintype.path_funcs import join_outdir_filename_extension
from tintype.write_funcs import write_image


def load_text(path):
    return Path(path).read_text()


def write_text(text, path):
    Path(path).write_text(text)


def load_letters(path):
    for number, letter in enumerate(load_text(path)):
        yield f"-{number}", letter


def split_letters(text):
    record(n_letters=len(text))
    for number, letter in enumerate(text):
        yield f"-{number}", letter


def record_letter(text):
    record(letter=text)
    return text


def drop_b(text):
    return drop("it is a b") if text == "b" else text


LETTERS = Pipeline(load_text, [split_letters, record_letter, str.upper], write_text)


@pytest.fixture
def inpaths(tmp_path):
    """Return the paths of three text files, of two letters, none and three."""
    folder = tmp_path / "in"
    folder.mkdir()
    words = {"ab": "ab", "none": "", "cde": "cde"}
    for name, word in words.items():
        (folder / f"{name}.txt").write_text(word)
    return [folder / f"{name}.txt" for name in words]


@pytest.fixture
def to_out(tmp_path):
    return partial(join_outdir_filename_extension, outdir=tmp_path / "out")


def names_in(folder):
    return sorted(path.name for path in Path(folder).iterdir())


# One file


@pytest.mark.parametrize(
    "pipeline",
    [Pipeline(load_letters, str.upper, write_text), Pipeline(load_text, [split_letters, str.upper], write_text)],
)
def test_all_results_of_one_file_are_written_and_returned(inpaths, tmp_path, pipeline):
    assert pipeline(inpaths[2], tmp_path / "new" / "x.txt") == [("-0", "C"), ("-1", "D"), ("-2", "E")]
    assert names_in(tmp_path / "new") == ["x-0.txt", "x-1.txt", "x-2.txt"]
    assert load_text(tmp_path / "new" / "x-1.txt") == "D"


@pytest.mark.parametrize("ops", [None, str.upper])
def test_without_an_output_path_the_results_of_one_file_come_back(inpaths, tmp_path, ops):
    results = Pipeline(load_letters, ops, write_text)(inpaths[0])
    assert [suffix for suffix, _ in results] == ["-0", "-1"]
    assert names_in(tmp_path) == ["in"]


@pytest.mark.parametrize("number", [0, 1])
def test_of_no_results_or_all_dropped_the_list_is_empty(inpaths, tmp_path, number):
    pipeline = Pipeline(load_text, [split_letters, lambda text: None], write_text)
    assert pipeline(inpaths[number], tmp_path / "x.txt") == []
    assert names_in(tmp_path) == ["in"]


def test_of_one_file_all_results_are_written_or_none(inpaths, tmp_path):
    def refuse_d(text):
        if text == "d":
            raise ValueError("no d")
        return text

    (tmp_path / "x-0.txt").write_text("old")
    with pytest.raises(ValueError, match="no d"):
        Pipeline(load_text, [split_letters, refuse_d], write_text)(inpaths[2], tmp_path / "x.txt")
    assert names_in(tmp_path) == ["in", "x-0.txt"]
    assert load_text(tmp_path / "x-0.txt") == "old"


def test_outputs_of_one_file_may_lie_above(inpaths, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "in")
    LETTERS(inpaths[0], "../x.txt")
    assert names_in(tmp_path) == ["in", "x-0.txt", "x-1.txt"]


# Many files


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_the_report_has_a_row_for_each_result_in_the_order_of_the_inputs(inpaths, to_out, tmp_path, executor):
    report = LETTERS.run(inpaths, to_out, n_jobs=3, executor=executor)
    assert [Path(path).stem for path in report.index] == ["ab", "ab", "none", "cde", "cde", "cde"]
    written = ["ab-0.txt", "ab-1.txt", "cde-0.txt", "cde-1.txt", "cde-2.txt"]
    assert [Path(path).name for path in report["outpath"].dropna()] == written
    assert names_in(tmp_path / "out") == written
    assert list(report["letter"].dropna()) == ["a", "b", "c", "d", "e"]
    assert list(report["n_letters"].fillna(-1)) == [2, 2, 0, 3, 3, 3]
    assert not report["exception_handled"].any()
    assert str(report["time_finished"].dtype) == "datetime64[us, UTC]"


def test_results_that_are_dropped_have_no_row_unless_all_are(inpaths, to_out, tmp_path):
    inpaths[1].write_text("b")
    report = Pipeline(load_text, [split_letters, drop_b], write_text).run(inpaths[:2], to_out, n_jobs=1)
    assert [Path(path).stem for path in report.index] == ["ab", "none"]
    assert report["error"].fillna("").to_list() == ["", "it is a b"]
    assert names_in(tmp_path / "out") == ["ab-0.txt"]


def test_results_that_are_only_recorded_have_rows():
    report = Pipeline(split_letters, record_letter).run(["ab", "", "c"], None, n_jobs=2)
    assert list(report.index) == ["ab", "ab", "", "c"]
    assert list(report["letter"].fillna("")) == ["a", "b", "", "c"]
    assert report["outpath"].isna().all()


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_file_that_fails_at_a_later_result_leaves_none(inpaths, to_out, tmp_path, executor):
    pipeline = Pipeline(load_text, [split_letters, refuse_e], write_text)
    report = pipeline.run(inpaths, to_out, n_jobs=2, exceptions_to_catch=ValueError, executor=executor)
    assert [Path(path).stem for path in report.index] == ["ab", "ab", "none", "cde"]
    assert list(report["exception_handled"]) == [False, False, False, True]
    assert names_in(tmp_path / "out") == ["ab-0.txt", "ab-1.txt"]


def refuse_e(text):
    if text == "e":
        raise ValueError("no e")
    return text


def test_a_place_that_is_taken_by_a_folder_leaves_no_hidden_files(inpaths, to_out, tmp_path):
    (tmp_path / "out" / "cde-1.txt").mkdir(parents=True)
    with pytest.raises(FileError, match=r"cde\.txt: IsADirectoryError"):
        LETTERS.run(inpaths[2:], to_out, n_jobs=1)
    assert not [name for name in names_in(tmp_path / "out") if name.startswith(".")]


def test_a_full_disk_stops_the_run_and_leaves_none_of_the_file_in_hand(inpaths, to_out, tmp_path):
    def write(text, path):
        write_text(text, path)
        if text == "d":
            raise OSError(28, os.strerror(28))

    with pytest.raises(StagingError, match=r"No space left on device while the result of .*cde\.txt was written"):
        Pipeline(load_letters, None, write).run(inpaths, to_out, n_jobs=1, exceptions_to_catch=Exception)
    assert names_in(tmp_path / "out") == ["ab-0.txt", "ab-1.txt"]


def test_skipping_existing_files_knows_nothing_of_suffixes_but_a_function_may(inpaths, to_out):
    LETTERS.run(inpaths, to_out, n_jobs=1)
    assert not LETTERS.run(inpaths, to_out, n_jobs=1, skip_existing=True)["skipped_existing"].any()

    def first_exists(inpath, outpath):
        stem, extension = os.path.splitext(outpath)
        return os.path.exists(f"{stem}-0{extension}")

    report = LETTERS.run(inpaths, to_out, n_jobs=1, skip_func=first_exists)
    assert list(report["skipped_existing"]) == [True, False, True]


def test_results_of_two_inputs_that_became_one_file_are_refused_by_name(tmp_path, to_out):
    for name in ("a.txt", "a-1.txt"):
        (tmp_path / name).write_text("xy")
    pipeline = Pipeline(load_text, lambda text: split_letters(text) if text == "xy" else text, write_text)
    (tmp_path / "a-1.txt").write_text("z")
    with pytest.raises(
        CollisionError, match=r"a\.txt and of .*a-1\.txt both became .*out/a-1\.txt, and only"
    ) as raised:
        pipeline.run([tmp_path / "a.txt", tmp_path / "a-1.txt"], to_out, n_jobs=1)
    assert len(raised.value.run_report) == 3  # type: ignore[attr-defined]


def test_the_same_input_twice_may_have_the_same_results(inpaths, to_out):
    assert len(LETTERS.run([inpaths[0], inpaths[0]], to_out, n_jobs=2)) == 4


def yield_plain(text):
    yield text


def yield_number(text):
    yield 1, text


def yield_twice(text):
    yield "-a", text
    yield "-a", text


def yield_out(text):
    yield "/../../x", text


def yield_generator(text):
    yield "-a", split_letters(text)


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        (yield_plain, r"a generator in the pipeline yielded a str: yield \(suffix, data\)"),
        (yield_number, r"a generator in the pipeline yielded a tuple of \(int, str\): yield \(suffix, data\)"),
        (yield_twice, "the suffix '-a' was yielded twice: give each result a suffix of its own"),
        (yield_out, r"the suffix '/\.\./\.\./x' leads out of the folder: yield one without '\.\.'"),
        (yield_generator, "what was yielded with the suffix '-a' is a generator itself: yield each result"),
        ([split_letters, split_letters], "the op .*split_letters.* yields several results of what is one of several"),
    ],
)
def test_what_cannot_be_results_is_told_in_a_run_and_for_one_file(inpaths, to_out, tmp_path, ops, message):
    pipeline = Pipeline(load_text, ops, write_text)
    with pytest.raises(FileError, match=rf"ab\.txt: \w+Error: {message}"):
        pipeline.run(inpaths[:1], to_out, n_jobs=1)
    assert list((tmp_path / "out").glob("*")) == []
    with pytest.raises((TypeError, ValueError), match=message):
        pipeline(inpaths[0], tmp_path / "one" / "x.txt")


def halve(image):
    middle = image.shape[1] // 2
    yield "-left", image[:, :middle]
    yield "-right", image[:, middle:]


def test_a_real_photograph_becomes_its_two_halves(photographs, tmp_path):
    path = photographs / "cats" / "chelsea.png"
    report = Pipeline(load_image, halve, write_image).run([path], lambda path: tmp_path / path.name, n_jobs=1)
    halves = [load_image(outpath) for outpath in report["outpath"]]
    np.testing.assert_array_equal(np.concatenate(halves, axis=1), load_image(path))
