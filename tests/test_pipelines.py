"""Behaviour of tintype.pipelines."""

import hashlib
import logging
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.servers.faults import Handler, fault_server

from tintype import Pipeline, ops, record
from tintype.errors import CollisionError, FileError, SettingsError, StagingError
from tintype.executors.blocks import BlockRun
from tintype.load_funcs import load_bytes, load_image
from tintype.path_funcs import join_outdir_filename_extension, keep_relative_to
from tintype.pipelines.file_result import FileItem
from tintype.pipelines.file_work import FileWork
from tintype.pipelines.file_writers import StagedFileWriter, sweep_temporaries
from tintype.pipelines.several_inputs import load_each, unpacked
from tintype.write_funcs import write_bytes, write_image

PATIENCE_SECONDS = 60
"""How long a test waits for what must happen before it fails: never waited out when all is well."""

COLUMN_TYPES = {
    "outpath": "str",
    "skipped_existing": "bool",
    "exception_handled": "bool",
    "error_type": "str",
    "error": "str",
    "seconds": "float64",
    "time_finished": "datetime64[us, UTC]",
}


class OddError(Exception):
    """Cannot be read back from a pickle: it is rebuilt with one argument and wants two."""

    def __init__(self, file: str, line: int) -> None:
        super().__init__(f"{file}, line {line}")


def load_text(path):
    return Path(path).read_text()


def write_text(text, path):
    Path(path).write_text(text)


def count_letters(text):
    record(n_letters=len(text))
    return text


def refuse_cats(path):
    if "cat" in str(path):
        raise ValueError(f"{path} shows a cat")
    return str(path)


def raise_odd(path):
    raise OddError(path, 3)


SHOUT = Pipeline(load_text, str.upper, write_text)


@pytest.fixture
def inpaths(tmp_path):
    """Return the paths of three text files: a, b and c."""
    paths = [tmp_path / "in" / f"{name}.txt" for name in "abc"]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_text(path.stem)
    return paths


@pytest.fixture
def to_out(tmp_path):
    return partial(join_outdir_filename_extension, outdir=tmp_path / "out")


def names_in(folder):
    return sorted(path.name for path in Path(folder).iterdir())


# Construction


def shout(text):
    return text.upper()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, []),
        ([], []),
        ((), []),
        (shout, [shout]),
        ([shout], [shout]),
        ((shout, count_letters), [shout, count_letters]),
    ],
)
def test_ops_may_be_none_one_or_many(given, expected):
    assert Pipeline(load_text, given).ops == expected
    pipeline = Pipeline(load_text, [count_letters])
    pipeline.ops = given
    assert pipeline.ops == expected


def test_a_generator_of_ops_is_read_once_and_used_for_every_file():
    pipeline = Pipeline(int, (add for add in [lambda n: n + 10, lambda n: n + 1]))
    assert [pipeline(text) for text in ("0", "1", "2")] == [11, 12, 13]


def test_a_list_of_ops_is_copied():
    ops_of_caller = [shout]
    pipeline = Pipeline(load_text, ops_of_caller)
    ops_of_caller.append(count_letters)
    assert pipeline.ops == [shout]


@pytest.mark.parametrize("op", [3, "upper", None, ["upper"]])
def test_an_op_that_is_no_function_is_refused(op):
    with pytest.raises(TypeError, match=r"op .* is a \w+, not a function of one argument"):
        Pipeline(load_text, [shout, op])


@pytest.mark.parametrize("load_func", [None, "a.txt", 3])
def test_a_load_function_that_is_none_is_refused(load_func):
    with pytest.raises(TypeError, match=r"load_func .* is a \w+, not a function of one argument"):
        Pipeline(load_func)


def test_ops_in_the_place_of_the_write_function_are_refused_with_the_order():
    with pytest.raises(TypeError, match=r"write_func \[.*\] is a list, .*the order is load_func, ops, write_func"):
        Pipeline(load_text, write_text, [shout])  # type: ignore[arg-type]


def test_repr_names_the_functions_in_their_order():
    assert repr(Pipeline(load_text)) == "Pipeline(load_text)"
    assert repr(SHOUT) == "Pipeline(load_text > upper > write_text)"
    bound = Pipeline(load_image, [partial(ops.resize, max_side=8), lambda image: image], write_image)
    assert repr(bound) == "Pipeline(load_image > resize > <lambda> > write_image)"


# One file


def test_one_file_is_loaded_changed_and_written(inpaths, tmp_path):
    assert SHOUT(inpaths[0], tmp_path / "new" / "folder" / "a.txt") == "A"
    assert load_text(tmp_path / "new" / "folder" / "a.txt") == "A"


def test_without_an_output_path_nothing_is_written(inpaths, tmp_path):
    assert SHOUT(inpaths[0]) == "A"
    assert names_in(tmp_path) == ["in"]


def test_an_op_that_returns_none_drops_the_file(inpaths, tmp_path):
    pipeline = Pipeline(load_text, [lambda text: None, shout], write_text)
    assert pipeline(inpaths[0], tmp_path / "a.txt") is None
    assert names_in(tmp_path) == ["in"]


def test_one_file_fails_as_itself_and_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.txt"):
        SHOUT(tmp_path / "absent.txt", tmp_path / "out.txt")
    assert names_in(tmp_path) == []


def test_one_real_photograph_becomes_a_thumbnail(photographs, tmp_path):
    pipeline = Pipeline(load_image, partial(ops.resize, max_side=32), write_image)
    image = pipeline(photographs / "cats" / "chelsea.png", tmp_path / "chelsea.png")
    assert max(image.shape[:2]) == 32
    np.testing.assert_array_equal(load_image(tmp_path / "chelsea.png"), image)


# Many files: the report


@pytest.mark.parametrize("executor", ["threads", "processes"])
@pytest.mark.parametrize("n_files", [0, 1, 3])
def test_the_report_has_the_same_columns_and_types_for_zero_one_and_many_files(inpaths, to_out, n_files, executor):
    report = SHOUT.run(inpaths[:n_files], to_out, n_jobs=2, executor=executor)
    assert {name: str(dtype) for name, dtype in report.dtypes.items()} == COLUMN_TYPES
    assert report.index.name == "inpath"
    assert str(report.index.dtype) == "str"
    assert list(report.index) == [str(path) for path in inpaths[:n_files]]
    assert list(report["outpath"]) == [str(to_out(path)) for path in inpaths[:n_files]]


def test_types_do_not_depend_on_what_became_of_the_files(inpaths, to_out):
    all_fail = Pipeline(raise_odd, None, write_text).run(inpaths, to_out, n_jobs=2, exceptions_to_catch=OddError)
    assert {name: str(dtype) for name, dtype in all_fail.dtypes.items()} == COLUMN_TYPES
    assert all_fail["outpath"].isna().all()
    assert all_fail["exception_handled"].all()


def test_the_report_is_in_the_order_of_the_inputs_and_not_of_the_ends():
    """The first file ends last: it waits for all others."""
    others = threading.Semaphore(0)

    def load(number):
        if number == 0:
            for _ in range(19):
                assert others.acquire(timeout=PATIENCE_SECONDS)
        else:
            others.release()
        return number

    report = Pipeline(load).run(range(20), None, n_jobs=2)  # type: ignore[arg-type]
    assert list(report.index) == [str(number) for number in range(20)]
    assert report["time_finished"].iloc[0] == report["time_finished"].max()


def test_an_input_given_twice_has_two_rows(inpaths, to_out):
    report = SHOUT.run([inpaths[0], inpaths[1], inpaths[0]], to_out, n_jobs=4)
    assert list(report.index) == [str(inpaths[0]), str(inpaths[1]), str(inpaths[0])]
    assert load_text(to_out(inpaths[0])) == "A"


def test_the_same_input_a_thousand_times_at_once_is_one_whole_file(inpaths, to_out, tmp_path):
    report = SHOUT.run([inpaths[0]] * 1000, to_out, n_jobs=50)
    assert len(report) == 1000
    assert names_in(tmp_path / "out") == ["a.txt"]
    assert load_text(to_out(inpaths[0])) == "A"


@pytest.mark.parametrize("kind", [str, Path])
def test_paths_may_be_text_or_path_objects_and_any_iterable(inpaths, to_out, kind):
    report = SHOUT.run((kind(path) for path in inpaths), to_out, n_jobs=2)
    assert list(report.index) == [str(path) for path in inpaths]
    assert [load_text(path) for path in report["outpath"]] == ["A", "B", "C"]


def test_text_and_path_of_one_input_are_one_input(inpaths, to_out):
    assert len(SHOUT.run([inpaths[0], str(inpaths[0])], to_out, n_jobs=1)) == 2


def test_a_report_is_saved_as_parquet_json_and_csv(inpaths, to_out, tmp_path):
    pipeline = Pipeline(lambda path: count_letters(refuse_cats(path)), None, write_text)
    report = pipeline.run([*inpaths, "cat.txt"], to_out, n_jobs=2, exceptions_to_catch=ValueError)
    report.to_parquet(tmp_path / "r.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "r.parquet"), report)
    report.to_csv(tmp_path / "r.csv")
    assert list(pd.read_csv(tmp_path / "r.csv")["error_type"].fillna("")) == ["", "", "", "ValueError"]
    report.reset_index().to_json(tmp_path / "r.json", date_format="iso")
    assert list(pd.read_json(tmp_path / "r.json")["inpath"]) == list(report.index)


def test_names_that_are_not_utf8_are_shown_as_escapes(tmp_path):
    names = [os.fsdecode(b"caf\xe9.txt"), "\u732b 'cat'\n.txt"]
    for name in names:
        (tmp_path / name).write_text(name[:3])
    pipeline = Pipeline(load_text, None, write_text)
    to_done = lambda path: f"{path}.done"  # noqa: E731, a function made in place
    report = pipeline.run([tmp_path / name for name in names], to_done, n_jobs=1)
    assert [Path(path).name for path in report.index] == [r"caf\udce9.txt", "\u732b 'cat'\n.txt"]
    assert load_text(tmp_path / f"{names[0]}.done") == "caf"


def test_real_photographs_become_thumbnails(photographs, tmp_path):
    paths = sorted(path for path in photographs.rglob("*") if path.is_file())

    def measure(image):
        record(rows=image.shape[0], columns=np.int64(image.shape[1]), brightness=image.mean(), is_gray=image.ndim == 2)
        return image

    pipeline = Pipeline(load_image, [partial(ops.resize, max_side=48), measure], write_image)
    report = pipeline.run(paths, partial(keep_relative_to, folder=photographs, outdir=tmp_path / "out"), n_jobs=2)
    assert len(report) == 8
    assert report[["rows", "columns"]].max().max() == 48
    assert {name: str(report[name].dtype) for name in ("rows", "columns", "brightness", "is_gray")} == {
        "rows": "Int64",
        "columns": "Int64",
        "brightness": "float64",
        "is_gray": "boolean",
    }
    for inpath, outpath in report["outpath"].items():
        assert Path(outpath).relative_to(tmp_path / "out") == Path(str(inpath)).relative_to(photographs)
        assert max(load_image(outpath).shape[:2]) == 48


# Recorded columns


def test_load_op_and_write_may_record(inpaths, to_out):
    def load(path):
        record(extension=path.suffix)
        return load_text(path)

    def write(text, path):
        record(n_bytes=len(text.encode()))
        write_text(text, path)

    report = Pipeline(load, count_letters, write).run(inpaths, to_out, n_jobs=1)
    assert report[["extension", "n_letters", "n_bytes"]].to_numpy().tolist() == [[".txt", 1, 1]] * 3


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_what_is_recorded_belongs_to_its_file(executor):
    words = ["a" * n for n in range(300)]
    report = Pipeline(str, count_letters).run(words, None, n_jobs=4, executor=executor)
    assert list(report["n_letters"]) == list(range(300))
    assert (report["outpath"].isna() & ~report["skipped_existing"] & ~report["exception_handled"]).all()


@pytest.mark.parametrize(
    ("value", "plain", "dtype"),
    [
        (np.int64(2**62 + 1), 2**62 + 1, "Int64"),
        (np.uint8(7), 7, "Int64"),
        (np.float32(0.5), 0.5, "float64"),
        (np.bool_(True), True, "boolean"),
        (np.str_("cat"), "cat", "str"),
        (np.array(3), 3, "Int64"),
        (2**62 + 1, 2**62 + 1, "Int64"),
        (0.5, 0.5, "float64"),
        (False, False, "boolean"),
        ("cat", "cat", "str"),
        (2**64, 2**64, "object"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("n_without", [0, 1])
def test_a_recorded_value_keeps_value_and_type_also_beside_a_file_without_one(value, plain, dtype, n_without):
    def load(path):
        if path != "none":
            record(value=value)
        return path

    report = Pipeline(load).run(["a", *["none"] * n_without], None, n_jobs=1)
    assert report.loc["a", "value"] == plain
    assert report["value"].dtype == dtype
    assert report["value"].isna().sum() == n_without


def test_a_file_that_fails_keeps_what_it_recorded_before_as_plain_values():
    def op(path):
        record(n=np.int32(5), wrong=np.zeros(3))
        raise ValueError("no")

    report = Pipeline(str, op).run(["a"], None, n_jobs=1, exceptions_to_catch=ValueError)
    assert report.loc["a", "n"] == 5
    assert report["n"].dtype == "Int64"
    assert "wrong" not in report.columns


@pytest.mark.parametrize("name", [*COLUMN_TYPES, "inpath", "status", "digest", "size_bytes", "input_digest"])
def test_a_column_with_a_name_of_the_report_is_refused(name):
    def load(path):
        record(**{name: 1})
        return path

    with pytest.raises(FileError, match=rf"^a: TypeError: column '{name}' is the run report's own: record it by anoth"):
        Pipeline(load).run(["a"], None, n_jobs=1)


def test_a_value_that_cannot_be_recorded_leaves_the_old_output_as_it_was(inpaths, to_out):
    SHOUT.run(inpaths[:1], to_out, n_jobs=1)

    def whisper(text):
        record(wrong=np.zeros(3))
        return text.lower()

    report = Pipeline(load_text, whisper, write_text).run(inpaths[:1], to_out, n_jobs=1, exceptions_to_catch=ValueError)
    assert report["exception_handled"].all()
    assert load_text(to_out(inpaths[0])) == "A"


def test_a_write_function_that_records_what_cannot_be_leaves_no_output(inpaths, to_out, tmp_path):
    def write(text, path):
        write_text(text, path)
        record(wrong=np.zeros(3))

    with pytest.raises(FileError, match=r"a\.txt: ValueError"):
        Pipeline(load_text, None, write).run(inpaths[:1], to_out, n_jobs=1)
    assert names_in(tmp_path / "out") == []


# Existing outputs


def test_existing_outputs_are_left_out_when_asked_for(inpaths, to_out):
    loaded = []

    def load(path):
        loaded.append(path)
        return load_text(path)

    pipeline = Pipeline(load, str.upper, write_text)
    pipeline.run(inpaths[:2], to_out, n_jobs=1)
    to_out(inpaths[0]).write_text("mine")
    report = pipeline.run(inpaths, to_out, n_jobs=1, skip_existing=True)
    assert list(report["skipped_existing"]) == [True, True, False]
    assert list(report["outpath"]) == [str(to_out(path)) for path in inpaths]
    assert loaded == [*inpaths[:2], inpaths[2]]
    assert load_text(to_out(inpaths[0])) == "mine"
    assert {name: str(dtype) for name, dtype in report.dtypes.items()} == COLUMN_TYPES


def test_existing_outputs_are_made_anew_by_default(inpaths, to_out):
    to_out(inpaths[0]).parent.mkdir()
    to_out(inpaths[0]).write_text("old")
    assert not SHOUT.run(inpaths, to_out, n_jobs=2)["skipped_existing"].any()
    assert load_text(to_out(inpaths[0])) == "A"


def test_when_all_are_there_nothing_is_loaded(inpaths, to_out):
    SHOUT.run(inpaths, to_out, n_jobs=1)
    pipeline = Pipeline(raise_odd, None, write_text)
    assert pipeline.run(inpaths, to_out, n_jobs=1, skip_existing=True)["skipped_existing"].all()


def test_a_folder_in_the_place_of_an_output_is_not_skipped(inpaths, to_out):
    to_out(inpaths[0]).mkdir(parents=True)
    with pytest.raises(FileError, match=r"a\.txt: IsADirectoryError"):
        SHOUT.run(inpaths[:1], to_out, n_jobs=1, skip_existing=True)
    assert to_out(inpaths[0]).is_dir()


# Inputs left out by a function


def is_known(inpath, outpath):
    return Path(inpath).stem == "b"


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_what_a_skip_function_says_is_left_out(inpaths, to_out, tmp_path, executor):
    report = SHOUT.run(inpaths, to_out, 2, skip_func=is_known, executor=executor)
    assert list(report["skipped_existing"]) == [False, True, False]
    assert list(report["outpath"]) == [str(to_out(path)) for path in inpaths]
    assert names_in(tmp_path / "out") == ["a.txt", "c.txt"]
    assert {name: str(dtype) for name, dtype in report.dtypes.items()} == COLUMN_TYPES


def test_a_skip_function_gets_both_paths_in_a_worker(inpaths, to_out):
    seen = []

    def skip(inpath, outpath):
        seen.append((inpath, outpath, threading.current_thread().name.partition("_")[0]))

    assert not SHOUT.run(inpaths, to_out, 1, skip_func=skip)["skipped_existing"].any()
    assert seen == [(path, str(to_out(path)), "tintype") for path in inpaths]


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_an_existing_file_and_what_a_skip_function_says_are_both_left_out(inpaths, to_out, executor):
    SHOUT.run(inpaths[:1], to_out, n_jobs=1)
    report = SHOUT.run(inpaths, to_out, 2, True, is_known, executor=executor)
    assert list(report["skipped_existing"]) == [True, True, False]


def fail_on_b(inpath, outpath):
    if inpath.stem == "b":
        raise ConnectionError("no answer about b")


def test_a_skip_function_that_fails_is_a_row_when_that_is_caught(inpaths, to_out, tmp_path):
    report = SHOUT.run(inpaths, to_out, 2, skip_func=fail_on_b, exceptions_to_catch=ConnectionError)
    assert list(report["exception_handled"]) == [False, True, False]
    assert report.loc[str(inpaths[1]), "error"] == "no answer about b"
    assert not report["skipped_existing"].any()
    assert names_in(tmp_path / "out") == ["a.txt", "c.txt"]


def test_a_skip_function_that_fails_otherwise_names_the_file_and_keeps_the_rows(inpaths, to_out):
    with pytest.raises(FileError, match=r"b\.txt: ConnectionError: no answer about b") as raised:
        SHOUT.run(inpaths[:2], to_out, 1, skip_func=fail_on_b, exceptions_to_catch=ValueError)
    assert list(raised.value.run_report.index) == [str(inpaths[0])]  # type: ignore[union-attr]


class WithHead(Handler):
    """A server that also says what is there without sending it."""

    def do_HEAD(self):  # noqa: N802, the name is http.server's
        self.send(200 if self.path in self.server.files else 404, b"")


def test_a_skip_function_may_ask_a_server_what_is_there(inpaths, to_out, tmp_path):
    with fault_server() as server:
        server.RequestHandlerClass = WithHead
        server.files = {"/a.txt": b"", "/c.txt": b""}

        def is_uploaded(inpath, outpath):
            request = urllib.request.Request(f"{server.url}/{Path(outpath).name}", method="HEAD")
            try:
                with urllib.request.urlopen(request) as response:
                    return response.status == 200
            except urllib.error.HTTPError as error:
                error.close()
                return False

        report = SHOUT.run(inpaths, to_out, 3, skip_func=is_uploaded)
    assert list(report["skipped_existing"]) == [True, False, True]
    assert names_in(tmp_path / "out") == ["b.txt"]


@pytest.mark.parametrize("skip_func", [ValueError, "exists", True])
def test_what_is_no_skip_function_is_refused_with_the_order(inpaths, to_out, skip_func):
    with pytest.raises(SettingsError, match=r"skip_func is .*; the order is inpaths, path_func, n_jobs, skip_existing"):
        SHOUT.run(inpaths, to_out, 1, False, skip_func)


def test_a_skip_function_needs_output_paths():
    with pytest.raises(SettingsError, match="skip_func is given, but path_func is None: give a function from input"):
        Pipeline(str).run(["a"], None, 1, skip_func=is_known)


def test_arguments_may_be_given_by_their_place(inpaths, to_out):
    report = SHOUT.run([*inpaths, "absent"], to_out, 2, False, is_known, FileNotFoundError, "threads")
    assert list(report["skipped_existing"]) == [False, True, False, False]
    assert list(report["exception_handled"]) == [False, False, False, True]


# What is logged and shown


def test_failures_are_logged_as_errors_and_skips_in_one_warning(inpaths, to_out, caplog):
    SHOUT.run(inpaths[:2], to_out, n_jobs=1)
    assert caplog.records == []
    SHOUT.run([*inpaths, "absent"], to_out, n_jobs=1, skip_existing=True, exceptions_to_catch=OSError)
    logged = {record.levelname: record.getMessage() for record in caplog.records}
    assert len(caplog.records) == 2
    assert logged["ERROR"].startswith("absent: FileNotFoundError: ")
    assert logged["WARNING"] == "2 of 4 files were left out, as skip_existing or skip_func says"
    assert {record.name for record in caplog.records} == {"tintype.pipelines"}


def test_an_input_without_an_output_path_is_logged_too(caplog):
    def to_path(path):
        raise KeyError("no name")

    Pipeline(str).run(["a"], to_path, n_jobs=1, exceptions_to_catch=KeyError)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "a: KeyError: 'no name'")
    ]


def test_no_bar_is_shown_where_nobody_sees_it(inpaths, to_out, capfd, monkeypatch):
    monkeypatch.setattr("tintype.pipelines.run_progress._FIRST_SECONDS", 0)
    SHOUT.run(inpaths, to_out, n_jobs=1)
    assert capfd.readouterr() == ("", "")


def test_a_bar_counts_files_and_failures_when_asked_for(inpaths, to_out, capfd, monkeypatch):
    monkeypatch.setattr("tintype.pipelines.run_progress._FIRST_SECONDS", 0)
    SHOUT.run([*inpaths, "absent"], to_out, n_jobs=1, exceptions_to_catch=OSError, progress=True)
    output, errors = capfd.readouterr()
    assert output == ""
    assert "4/4 1 failed" in errors


def test_a_short_run_has_no_bar(inpaths, to_out, capfd, monkeypatch):
    monkeypatch.setattr("tintype.pipelines.run_progress._FIRST_SECONDS", PATIENCE_SECONDS)
    SHOUT.run(inpaths, to_out, n_jobs=1, progress=True)
    assert capfd.readouterr() == ("", "")


# Several inputs


def join_words(first, second):
    return f"{first}{second}"


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_several_inputs_are_one_row_that_shows_all(inpaths, tmp_path, executor):
    pipeline = Pipeline(load_each(load_text), unpacked(join_words), write_text)
    pairs = [(inpaths[0], inpaths[1]), (inpaths[0], "absent.txt"), (inpaths[2], inpaths[2])]
    to_out = partial(to_joined, folder=tmp_path)
    report = pipeline.run(pairs, to_out, 2, exceptions_to_catch=FileNotFoundError, executor=executor)
    assert list(report.index) == [f"{first} + {second}" for first, second in pairs]
    assert list(report["exception_handled"]) == [False, True, False]
    assert load_text(tmp_path / "a-b.txt") == "ab"
    assert load_text(tmp_path / "c-c.txt") == "cc"


def to_joined(pair, folder):
    return folder / f"{Path(pair[0]).stem}-{Path(pair[1]).stem}.txt"


def test_two_pairs_of_one_output_are_refused_by_name(inpaths, tmp_path):
    pairs = [(inpaths[0], inpaths[1]), (inpaths[0], inpaths[2])]
    with pytest.raises(
        CollisionError, match=r"a\.txt \+ .*b\.txt and .*a\.txt \+ .*c\.txt would both become .*one\.txt"
    ):
        Pipeline(load_each(load_text), None, write_text).run(pairs, lambda pair: tmp_path / "one.txt", 1)


# Exceptions


@pytest.mark.parametrize(
    ("executor", "caught"),
    [
        ("threads", ValueError),
        ("threads", (KeyError, ValueError)),
        ("threads", Exception),
        ("threads", BaseException),
        ("processes", ValueError),
    ],
)
def test_a_caught_exception_becomes_a_row(executor, caught):
    report = Pipeline(refuse_cats).run(
        ["a", "cat", "dog"], None, n_jobs=2, exceptions_to_catch=caught, executor=executor
    )
    assert list(report["exception_handled"]) == [False, True, False]
    assert list(report["error_type"].fillna("")) == ["", "ValueError", ""]
    assert report.loc["cat", "error"] == "cat shows a cat"


@pytest.mark.parametrize("caught", [None, (), KeyError, (KeyError, OSError)])
def test_an_exception_that_is_not_caught_names_the_file_and_keeps_its_cause_and_the_rows(caught):
    with pytest.raises(FileError, match=r"^cat: ValueError: cat shows a cat$") as raised:
        Pipeline(refuse_cats).run(["a", "b", "cat"], None, n_jobs=1, exceptions_to_catch=caught)
    assert isinstance(raised.value.__cause__, ValueError)
    report = raised.value.run_report
    assert report is not None
    assert list(report.index) == ["a", "b"]
    assert {name: str(dtype) for name, dtype in report.dtypes.items()} == COLUMN_TYPES


def test_the_cause_comes_back_from_a_process():
    with pytest.raises(FileError, match="cat: ValueError: cat shows a cat") as raised:
        Pipeline(refuse_cats).run(["cat"], None, n_jobs=1, executor="processes")
    assert isinstance(raised.value.__cause__, ValueError)


def test_an_exception_with_a_constructor_of_its_own_hangs_no_process():
    with pytest.raises(FileError, match=r"^(?P<file>[ab]): OddError: (?P=file), line 3$"):
        Pipeline(raise_odd).run(["a", "b"], None, n_jobs=2, executor="processes")


def test_a_file_that_fails_stops_the_run_and_not_the_files_in_hand(inpaths, to_out):
    """The file that fails does so while another is in hand; that one is finished and has its row."""
    failed, in_hand = threading.Event(), threading.Event()

    def load(path):
        if path == inpaths[0]:
            assert in_hand.wait(PATIENCE_SECONDS)
            failed.set()
            raise ValueError("torn")
        in_hand.set()
        assert failed.wait(PATIENCE_SECONDS)
        return load_text(path)

    with pytest.raises(FileError, match=r"a\.txt: ValueError: torn") as raised:
        Pipeline(load, str.upper, write_text).run(inpaths[:2], to_out, n_jobs=2)
    assert raised.value.run_report is not None
    assert list(raised.value.run_report.index) == [str(inpaths[1])]
    assert load_text(to_out(inpaths[1])) == "B"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_a_function_that_leaves_ends_the_run_with_the_file_named(kind):
    def load(path):
        raise kind("leaving")

    with pytest.raises(FileError, match=rf"^a: {kind.__name__}: leaving$"):
        Pipeline(load).run(["a", "b", "c"], None, n_jobs=2)


@pytest.mark.parametrize("n_before", [0, 2])
def test_an_output_path_that_cannot_be_told_stops_the_run_with_an_empty_report(n_before):
    def to_path(path):
        if path == "cat":
            raise KeyError("no name")
        return path

    with pytest.raises(FileError, match="cat: KeyError") as raised:
        Pipeline(str).run(["a"] * n_before + ["cat"], to_path, n_jobs=1)
    assert len(raised.value.run_report) == 0  # type: ignore[arg-type]


def test_control_c_keeps_the_report_so_far_and_the_files_in_hand(monkeypatch):
    stopped = threading.Event()
    stop = BlockRun.stop

    def note_stop(run):
        stopped.set()
        return stop(run)

    def load(path):
        if path == "c":
            os.kill(os.getpid(), signal.SIGINT)
            assert stopped.wait(PATIENCE_SECONDS)
        return path

    monkeypatch.setattr(BlockRun, "stop", note_stop)
    with pytest.raises(KeyboardInterrupt, match=r"^$") as raised:
        Pipeline(load).run(["a", "b", "c"], None, n_jobs=1)
    report = raised.value.run_report  # type: ignore[attr-defined]
    assert list(report.index) == ["a", "b", "c"]
    assert {name: str(dtype) for name, dtype in report.dtypes.items()} == COLUMN_TYPES


def test_a_full_disk_keeps_the_report_so_far(inpaths, to_out):
    def write(text, path):
        if text == "b":
            raise OSError(28, os.strerror(28))
        write_text(text, path)

    with pytest.raises(StagingError, match="No space left on device") as raised:
        Pipeline(load_text, None, write).run(inpaths[:2], to_out, n_jobs=1)
    assert list(raised.value.run_report.index) == [str(inpaths[0])]  # type: ignore[attr-defined]


def test_an_exception_without_words_is_described():
    def load(path):
        raise ValueError

    report = Pipeline(load).run(["a"], None, n_jobs=1, exceptions_to_catch=ValueError)
    assert report.loc["a", "error"] == "ValueError()"


def test_an_exception_of_many_lines_and_odd_letters_is_one_line():
    def load(path):
        raise ValueError("first\n  second\t\udce9")

    report = Pipeline(load).run(["a"], None, n_jobs=1, exceptions_to_catch=ValueError)
    assert report.loc["a", "error"] == r"first second \udce9"


@pytest.mark.parametrize("number", [28, 30, 122], ids=["ENOSPC", "EROFS", "EDQUOT"])
def test_a_full_disk_stops_the_run_whatever_is_caught(inpaths, to_out, tmp_path, number):
    def write(text, path):
        write_text(text, path)
        raise OSError(number, os.strerror(number))

    with pytest.raises(StagingError, match=rf"{os.strerror(number)} while the result of .*\.txt was written"):
        Pipeline(load_text, None, write).run(inpaths, to_out, n_jobs=1, exceptions_to_catch=Exception)
    assert names_in(tmp_path / "out") == []


@pytest.mark.parametrize("caught", [[ValueError], "ValueError", ValueError("x"), (ValueError, "KeyError"), int])
def test_what_is_no_exception_type_is_refused_before_any_work(caught):
    with pytest.raises(SettingsError, match=r"exceptions_to_catch is .*: give an exception type, or a tuple of them"):
        Pipeline(raise_odd).run(["a"], None, n_jobs=1, exceptions_to_catch=caught)


# Output paths


def test_an_input_without_an_output_path_is_a_row_when_that_is_caught(inpaths, tmp_path):
    def to_path(path):
        if path.stem == "b":
            raise KeyError("no name for b")
        return tmp_path / path.name

    report = SHOUT.run(inpaths, to_path, n_jobs=1, exceptions_to_catch=KeyError)
    assert list(report["exception_handled"]) == [False, True, False]
    assert report.loc[str(inpaths[1]), "error_type"] == "KeyError"
    assert names_in(tmp_path) == ["a.txt", "c.txt", "in"]


def test_an_input_without_an_output_path_stops_the_run_before_any_work(inpaths, tmp_path):
    def to_path(path):
        if path.stem == "c":
            raise KeyError("no name for c")
        return tmp_path / path.name

    with pytest.raises(FileError, match=r"c\.txt: KeyError: 'no name for c'") as raised:
        SHOUT.run(inpaths, to_path, n_jobs=1)
    assert isinstance(raised.value.__cause__, KeyError)
    assert names_in(tmp_path) == ["in"]


def test_an_output_path_that_is_none_is_told_with_the_file(inpaths):
    with pytest.raises(FileError, match=r"a\.txt: TypeError: expected str, bytes or os\.PathLike object, not NoneType"):
        SHOUT.run(inpaths, lambda path: None, n_jobs=1)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("to_path", ["{out}/one.txt", "{out}/x/../one.txt", "{out}//one.txt", "{out}/./one.txt"])
def test_two_inputs_of_one_output_are_refused_before_any_work(inpaths, tmp_path, to_path):
    paths = iter(["{out}/one.txt", to_path])
    loaded: list[object] = []
    pipeline = Pipeline(loaded.append, None, write_text)
    sentence = r"a\.txt and .*b\.txt would both become .*one\.txt: give a path_func that keeps them apart"
    with pytest.raises(CollisionError, match=sentence):
        pipeline.run(inpaths[:2], lambda path: next(paths).format(out=tmp_path), n_jobs=1)
    assert loaded == []
    assert names_in(tmp_path) == ["in"]


def test_a_pipeline_that_writes_needs_output_paths(inpaths):
    with pytest.raises(SettingsError, match="path_func is None, but the pipeline writes: give a function"):
        SHOUT.run(inpaths, None, n_jobs=1)


@pytest.mark.parametrize("inpaths", ["a.txt", b"a.txt", Path("a.txt")])
def test_a_single_path_is_refused(inpaths):
    with pytest.raises(SettingsError, match=r"inpaths is the single path b?'a\.txt': give a list of paths"):
        SHOUT.run(inpaths, str, n_jobs=1)


@pytest.mark.parametrize("n_jobs", [0, -1])
def test_no_jobs_are_refused(n_jobs, inpaths, to_out):
    with pytest.raises(SettingsError, match=rf"n_jobs is {n_jobs}: give the number of files to work on at once"):
        SHOUT.run(inpaths, to_out, n_jobs=n_jobs)


def test_an_unknown_executor_is_refused(inpaths, to_out):
    with pytest.raises(SettingsError, match="executor is 'fibers': give 'threads', 'processes' or"):
        SHOUT.run(inpaths, to_out, n_jobs=1, executor="fibers")  # type: ignore[arg-type]


# Whole files or none


def write_half(text, path):
    with Path(path).open("w") as file:
        file.write(text[: len(text) // 2])
        raise OSError("the cable is out")


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_write_function_that_fails_half_way_leaves_nothing(inpaths, to_out, tmp_path, executor):
    report = Pipeline(load_text, None, write_half).run(
        inpaths, to_out, n_jobs=2, exceptions_to_catch=OSError, executor=executor
    )
    assert report["exception_handled"].all()
    assert report["outpath"].isna().all()
    assert names_in(tmp_path / "out") == []


def test_a_write_function_that_fails_half_way_leaves_the_old_file_as_it_was(inpaths, to_out, tmp_path):
    SHOUT.run(inpaths, to_out, n_jobs=1)
    Pipeline(load_text, None, write_half).run(inpaths, to_out, n_jobs=1, exceptions_to_catch=OSError)
    assert [load_text(to_out(path)) for path in inpaths] == ["A", "B", "C"]
    assert names_in(tmp_path / "out") == ["a.txt", "b.txt", "c.txt"]


def test_after_a_failure_a_second_run_does_not_skip_the_file(inpaths, to_out):
    Pipeline(load_text, None, write_half).run(inpaths, to_out, n_jobs=1, exceptions_to_catch=OSError)
    report = SHOUT.run(inpaths, to_out, n_jobs=1, skip_existing=True)
    assert not report["skipped_existing"].any()


def test_a_write_function_that_writes_nothing_is_an_error(inpaths, to_out, tmp_path):
    with pytest.raises(
        FileError, match=r"a\.txt: FileNotFoundError: the write function returned and wrote nothing to .*out/a\.txt$"
    ):
        Pipeline(load_text, None, lambda text, path: None).run(inpaths[:1], to_out, n_jobs=1)
    assert names_in(tmp_path / "out") == []


def test_no_reader_ever_sees_part_of_a_file(inpaths, to_out):
    """Between the two halves of a write the output is absent, or the old one."""
    seen: list[str | None] = []

    def write(text, path):
        with Path(path).open("w") as file:
            file.write(text)
            file.flush()
            output = to_out(inpaths[0])
            seen.append(output.read_text() if output.exists() else None)
            file.write(text)

    pipeline = Pipeline(load_text, None, write)
    for _ in range(2):
        pipeline.run(inpaths[:1], to_out, n_jobs=1)
    assert seen == [None, "aa"]


def test_the_hidden_file_keeps_the_extension_by_which_writers_choose_a_format(inpaths, to_out):
    extensions = []

    def write(text, path):
        extensions.append(os.path.splitext(path)[1])
        write_text(text, path)

    Pipeline(load_text, None, write).run(inpaths[:1], lambda path: f"{to_out(path)}.tar.gz", n_jobs=1)
    assert extensions == [".gz"]


def test_hidden_files_of_dead_processes_are_swept_and_those_of_live_ones_are_not(inpaths, to_out, tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folder = tmp_path / "out"
    folder.mkdir()
    live = [f".tintype-{os.getpid()}-999.txt", f".tintype-{os.getppid()}-0.txt"]
    others = ["b.txt.part", ".tintype-notes", ".tintype-1-x.txt", f"tintype-{dead.pid}-0.txt"]
    for name in [f".tintype-{dead.pid}-0.txt", f".tintype-{dead.pid}-17", *live, *others]:
        (folder / name).write_text("half")
    SHOUT.run(inpaths[:1], to_out, n_jobs=1)
    assert names_in(folder) == sorted(["a.txt", *live, *others])


@pytest.mark.parametrize("number", ["99999999999", "99999999999999999999999"])
def test_a_hidden_file_with_a_number_that_no_process_has_is_swept(tmp_path, number):
    (tmp_path / f".tintype-{number}-0.txt").write_text("half")
    sweep_temporaries([str(tmp_path)])
    assert names_in(tmp_path) == []


def test_sweeping_a_folder_that_is_absent_or_a_file_is_harmless(tmp_path):
    (tmp_path / "file").write_text("")
    sweep_temporaries([str(tmp_path / "absent"), str(tmp_path / "file")])
    assert names_in(tmp_path) == ["file"]


KILLED = """
import os, signal, sys
from pathlib import Path
from tintype import Pipeline

def write(text, path):
    Path(path).write_text(text)
    os.kill(os.getpid(), signal.SIGKILL)

Pipeline(str, None, write).run(["half"], lambda path: sys.argv[1] + "/half.txt", n_jobs=1)
"""


def test_a_killed_process_leaves_no_output_and_the_next_run_sweeps_and_makes_it(tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)])
    assert killed.returncode == -9
    assert len(names_in(tmp_path)) == 1
    assert not (tmp_path / "half.txt").exists()
    Pipeline(str, None, write_text).run(["half"], lambda path: tmp_path / "half.txt", n_jobs=1, skip_existing=True)
    assert names_in(tmp_path) == ["half.txt"]


# Inside a stage: declared columns, and files that a journal vouches for


def work_on(load, column_types, *, catch=(Exception,)):
    """Work on one file as a stage does, which declares its columns."""
    return FileWork(load, [], None, catch=catch, column_types=column_types)(FileItem(0, "a.png", None))


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        (int, 3, 3),
        (int, np.int64(-(2**63)), -(2**63)),
        (int, None, None),
        (float, 0.5, 0.5),
        (float, 3, 3.0),
        (float, np.float32(0.5), 0.5),
        (bool, True, True),
        (bool, np.bool_(False), False),
        (str, "caf\u00e9", "caf\u00e9"),
    ],
    ids=repr,
)
def test_a_value_that_fits_its_declared_column_is_kept_as_its_type(kind, value, kept):
    result = work_on(lambda path: record(value=value), {"value": kind})
    assert result.columns == {"value": kept}
    assert result.status != "failed"
    assert type(result.columns["value"]) is type(kept)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (int, True, "column 'value' is declared as int and got True, a bool"),
        (int, 0.5, "column 'value' is declared as int and got 0.5, a float"),
        (int, "3", "column 'value' is declared as int and got '3', a str"),
        (int, 2**63, "column 'value' got 9223372036854775808, which needs more than 64 bits: declare it as str"),
        (float, True, "column 'value' is declared as float and got True, a bool"),
        (float, "1", "column 'value' is declared as float and got '1', a str"),
        (bool, 1, "column 'value' is declared as bool and got 1, a int"),
        (str, 1, "column 'value' is declared as str and got 1, a int"),
        (str, "\udce9", "surrogates not allowed"),
    ],
    ids=repr,
)
def test_a_value_that_does_not_fit_its_declared_column_is_a_failed_file(kind, value, message):
    def load(path):
        record(other=1, value=value)
        return path

    result = work_on(load, {"value": kind, "other": int})
    assert (result.status, result.outpath, result.columns) == ("failed", None, {"other": 1})
    assert message in (result.error or "")


def test_a_column_that_is_not_declared_is_a_failed_file_with_the_line_to_add():
    result = work_on(lambda path: record(n_faces=2), {})
    cure = "add 'n_faces': int to the stage's recorded_columns"
    assert result.error == f"column 'n_faces' is recorded but not declared: {cure}"
    assert result.columns is None


def test_zero_has_no_sign_in_a_declared_column():
    """0.0 and -0.0 are equal; two builds that differ in it would have two digests."""
    result = work_on(lambda path: record(tilt=-0.0), {"tilt": float})
    assert str(result.columns["tilt"]) == "0.0"


def write_with_staged(tmp_path, write_func, *, catch=()):
    work = FileWork(str, [], StagedFileWriter(write_func), out_folder=f"{tmp_path}/", catch=catch)
    return work(FileItem(0, "hello", "new/folder/a.txt"))


@pytest.mark.parametrize("write_func", [write_text, lambda text, path: write_bytes(text.encode(), path)])
def test_a_staged_file_has_its_digest_whether_or_not_its_writer_tells(tmp_path, write_func):
    result = write_with_staged(tmp_path, write_func)
    assert (result.status, result.outpath, result.size_bytes) == ("written", "new/folder/a.txt", 5)
    assert result.digest == hashlib.sha256(b"hello").hexdigest()


def test_a_staged_write_that_fails_half_way_leaves_nothing(tmp_path):
    result = write_with_staged(tmp_path, write_half, catch=(OSError,))
    assert (result.status, result.outpath, result.digest, result.size_bytes) == ("failed", None, None, None)
    assert names_in(tmp_path / "new" / "folder") == []


def test_a_staged_write_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileError, match=r"hello: FileNotFoundError: .*new/folder/a\.txt"):
        write_with_staged(tmp_path, lambda text, path: None)


def test_a_disk_that_fails_under_a_staged_write_stops_the_run_whatever_is_caught(tmp_path):
    def write(text, path):
        raise OSError(5, os.strerror(5))

    with pytest.raises(StagingError, match=r"Input/output error while .*a\.txt was written"):
        write_with_staged(tmp_path, write, catch=(Exception,))


# Runs beside each other, and where the work runs


def test_two_runs_of_one_pipeline_at_once_do_not_mix(tmp_path):
    barrier = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def load(path):
        barrier.wait()  # each file of one run is in hand together with one of the other
        record(name=path)
        return path

    pipeline = Pipeline(load, None, write_text)

    def run(name):
        inpaths = [f"{name}{number}" for number in range(50)]
        return inpaths, pipeline.run(inpaths, lambda path: tmp_path / name / path, n_jobs=1)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, ["cat", "dog"]))
    for inpaths, report in results:
        assert list(report.index) == inpaths
        assert list(report["name"]) == inpaths
    assert len(names_in(tmp_path / "cat")) == len(names_in(tmp_path / "dog")) == 50


def test_a_failed_run_leaves_nothing_to_the_next_one(inpaths, to_out):
    pipeline = Pipeline(lambda path: count_letters(refuse_cats(path)))
    with pytest.raises(FileError, match="cat shows a cat"):
        pipeline.run(["a", "b", "cat"], None, n_jobs=1)
    assert list(pipeline.run(["z"], None, n_jobs=1).index) == ["z"]


def test_replacing_the_ops_makes_another_pipeline(inpaths):
    pipeline = Pipeline(load_text, str.upper)
    pipeline.ops = [str.upper, lambda text: text * 2]
    assert pipeline(inpaths[0]) == "AA"


def test_processes_write_files_and_record(inpaths, to_out):
    report = Pipeline(load_text, [count_letters, str.upper], write_text).run(
        inpaths, to_out, n_jobs=2, executor="processes"
    )
    assert list(report["n_letters"]) == [1, 1, 1]
    assert [load_text(path) for path in report["outpath"]] == ["A", "B", "C"]


def test_a_lambda_for_processes_is_refused_in_one_sentence_before_any_work(inpaths, to_out):
    pipeline = Pipeline(load_text, lambda text: text, write_text)
    sentence = r"cannot be sent to a worker process \(.*<lambda>.*\): define its functions at the top level of a module"
    with pytest.raises(SettingsError, match=sentence):
        pipeline.run(inpaths, to_out, n_jobs=2, executor="processes")


def test_an_executor_of_the_caller_is_used_and_left_open(inpaths, to_out):
    class Foreign(Executor):
        def __init__(self):
            self.threads = set()
            self.pool = ThreadPoolExecutor(2, thread_name_prefix="foreign")

        def submit(self, fn, /, *args, **kwargs):
            return self.pool.submit(fn, *args, **kwargs)

    executor = Foreign()

    def op(text):
        executor.threads.add(threading.current_thread().name.partition("_")[0])
        return text

    with executor.pool:
        for _ in range(2):
            assert len(Pipeline(load_text, op, write_text).run(inpaths, to_out, n_jobs=2, executor=executor)) == 3
    assert executor.threads == {"foreign"}


def test_files_are_copied_byte_for_byte(photographs, tmp_path):
    paths = sorted((photographs / "space").iterdir())
    Pipeline(load_bytes, None, write_bytes).run(paths, lambda path: tmp_path / path.name, n_jobs=2)
    for path in paths:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
