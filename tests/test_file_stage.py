"""Behaviour of tintype.tasks.FileStage: one pipeline over every file of the stage above."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any, cast

import luigi
import pytest
from luigi.configuration import get_config
from luigi.util import requires

from tintype import Pipeline, record
from tintype.errors import (
    CollisionError,
    FileError,
    ManifestError,
    SettingsError,
    TooManyFailuresError,
)
from tintype.load_funcs import load_bytes
from tintype.tasks import FileStage, RecordRows, Stage
from tintype.tasks.graph import upstream_first
from tintype.write_funcs import write_bytes

WORKED: list[str] = []
"""What went through an op of this module, in order."""
MENDED: list[str] = []
"""What has been mended, so that nothing fails any more."""


@pytest.fixture(autouse=True)
def _nothing_worked_and_no_fsync(_clean_luigi: None) -> None:
    WORKED.clear()
    MENDED.clear()
    get_config().set("tintype", "durable", "false")


def build(task: luigi.Task) -> list[str]:
    """Build what is not complete, as Luigi would, but let errors through; return what went through an op."""
    WORKED.clear()
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return sorted(WORKED)


def note_work(data: bytes) -> bytes:
    WORKED.append(data.decode())
    return data


def rows_of(stage: Stage) -> list[dict[str, Any]]:
    return list(stage.output().manifest().rows())


def columns_of(stage: Stage, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows_of(stage)]


class Letters(Stage):
    """A text file for each name, which it holds, with its length as a column."""

    layer = "raw"
    names: tuple[str, ...] = luigi.ListParameter(default=("a", "b", "c"))
    recorded_columns = {"length": int}

    def build(self, staging):
        for name in self.names:
            path = staging.files / f"{name}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(name)
            staging.add(f"{name}.txt", columns={"length": len(name)})


@requires(Letters)
class Copies(FileStage):
    """Writes each file again; what begins with "bad" fails, with "drop" is dropped."""

    layer = "interim"

    def pipeline(self):
        return Pipeline(load_bytes, self.work, write_bytes)

    def work(self, data: bytes) -> bytes | None:
        WORKED.append(data.decode())
        if data.startswith(b"bad") and not MENDED:
            raise ValueError(f"{data.decode()} is\nno good")
        return None if data.startswith(b"drop") else data


def make_copies(tmp_path, *names: str, n_jobs: int | None = None, cls: type = Copies):
    return cls(base_dir=str(tmp_path), names=names, n_jobs=n_jobs)


def name_files(n: int, prefix: str = "") -> list[str]:
    return [f"{prefix}{number:03d}" for number in range(n)]


def test_what_was_finished_by_other_code_is_not_kept(tmp_path, monkeypatch):
    task = make_copies(tmp_path, "a", "b", "bad")
    with pytest.raises(TooManyFailuresError, match="1 of 3 files failed"):
        build(task)
    monkeypatch.setattr(Copies, "work", lambda self, data: note_work(data))
    assert build(task) == ["a", "b", "bad"]


# Many files


@pytest.mark.parametrize("n_files", [0, 1, 300])
@pytest.mark.parametrize("n_jobs", [None, 1, 4])
def test_every_file_has_a_row_in_the_order_of_the_inputs(tmp_path, n_files, n_jobs):
    names = name_files(n_files)
    task = make_copies(tmp_path, *names, n_jobs=n_jobs)
    assert build(task) == names
    expected = [(f"{name}.txt", f"{name}.txt", "written", 3) for name in names]
    assert columns_of(task, "inpath", "outpath", "status", "length") == expected
    assert task.output().verify(deep=True).ok
    assert task.complete()


def test_rows_stand_in_the_order_of_the_inputs_whatever_ends_first(tmp_path, monkeypatch):
    names = name_files(4)
    has_ended = {name: threading.Event() for name in [*names, "end"]}
    has_ended["end"].set()
    after = dict(zip(names, [*names[1:], "end"], strict=True))

    def work(self, data):
        name = data.decode()
        assert has_ended[after[name]].wait(timeout=30)
        WORKED.append(name)
        has_ended[name].set()
        return data

    monkeypatch.setattr(Copies, "work", work)
    task = make_copies(tmp_path, *names, n_jobs=4)
    build(task)
    assert names[::-1] == WORKED
    assert columns_of(task, "inpath") == [(f"{name}.txt",) for name in names]


def test_as_many_files_are_worked_on_at_once_as_there_are_jobs(tmp_path, monkeypatch):
    barrier = threading.Barrier(3)
    monkeypatch.setattr(Copies, "work", lambda self, data: (barrier.wait(timeout=30), data)[1])
    build(make_copies(tmp_path, "a", "b", "c", n_jobs=3))


def test_n_jobs_comes_from_the_settings_where_the_task_does_not_say(tmp_path, monkeypatch):
    get_config().set("tintype", "n_jobs", "1")
    threads = set()

    def work(self, data):
        threads.add(threading.get_ident())
        return data

    monkeypatch.setattr(Copies, "work", work)
    build(make_copies(tmp_path, *name_files(50)))
    assert len(threads) == 1


@pytest.mark.parametrize("n_jobs", [0, -1])
def test_n_jobs_below_one_is_refused(tmp_path, n_jobs):
    with pytest.raises(SettingsError, match=f"n_jobs is {n_jobs}: give the number of files .* at least 1"):
        build(make_copies(tmp_path, "a", n_jobs=n_jobs))


@pytest.mark.parametrize("text", ["0", "-2", "many", ""])
def test_a_setting_that_is_no_number_is_refused(tmp_path, text):
    get_config().set("tintype", "n_jobs", text)
    with pytest.raises(SettingsError, match=rf"\[tintype\] n_jobs = '{text}' in Luigi's configuration: give a whole"):
        build(make_copies(tmp_path, "a"))


def test_zero_inputs_publish_an_empty_directory_with_every_column(tmp_path):
    full, empty = make_copies(tmp_path, "a"), make_copies(tmp_path)
    build(full)
    assert build(empty) == []
    assert empty.complete()
    assert list(empty.output().files()) == []
    assert empty.output().manifest().schema == full.output().manifest().schema
    assert list(empty.output().manifest().run_report().columns) == list(full.output().manifest().run_report().columns)


class InProcesses(Copies):
    executor = "processes"

    def work(self, data):
        if data.startswith(b"bad") and not MENDED:
            raise ValueError(f"not {data.decode()}")
        record(pid=os.getpid())
        return data.upper()

    recorded_columns = {"pid": int}
    max_failure_rate = 0.5


def test_work_may_run_in_processes(tmp_path):
    task = make_copies(tmp_path, "a", "bad", "c", n_jobs=2, cls=InProcesses)
    build(task)
    assert columns_of(task, "status", "error") == [("written", None), ("failed", "not bad"), ("written", None)]
    assert os.getpid() not in {row["pid"] for row in rows_of(task)}
    assert (tmp_path / "interim").joinpath(task.output().folder.name, "c.txt").read_text() == "C"


# Failures


def test_one_bad_file_stops_the_stage_from_being_published_but_not_the_other_files(tmp_path):
    task = make_copies(tmp_path, "a", "bad1", "b", "bad2", "c")
    with pytest.raises(
        TooManyFailuresError,
        match=r"2 of 5 files failed, so .*Copies.* was not published; the finished files are kept\. "
        r"First: bad1\.txt: ValueError: bad1 is no good\. Allow some with max_failure_rate \(now 0\)",
    ):
        build(task)
    assert sorted(WORKED) == ["a", "b", "bad1", "bad2", "c"]
    assert not task.output().exists()


def test_only_failed_files_are_tried_again(tmp_path, caplog):
    caplog.set_level(logging.INFO, "luigi-interface.tintype")
    task = make_copies(tmp_path, *name_files(30), "bad1", "bad2")
    for _ in range(2):
        with pytest.raises(TooManyFailuresError, match="2 of 32 files failed"):
            build(task)
    assert sorted(WORKED) == ["bad1", "bad2"]
    assert "resumed, 30 finished files kept" in caplog.text

    MENDED.append("the network, say")
    assert build(task) == ["bad1", "bad2"]
    assert columns_of(task, "status") == [("written",)] * 32
    assert task.output().verify(deep=True).ok


def test_dropped_and_recorded_files_are_not_done_again(tmp_path):
    task = make_copies(tmp_path, "a", "drop", "bad")
    for _ in range(2):
        with pytest.raises(TooManyFailuresError, match="1 of 3 files failed"):
            build(task)
    assert WORKED == ["bad"]


@pytest.mark.parametrize(
    ("rate", "n_bad", "is_published"),
    [(0.0, 0, True), (0.0, 1, False), (0.25, 2, True), (0.25, 3, False), (1.0, 8, True), (1, 7, True)],
)
def test_max_failure_rate_is_the_share_of_inputs_that_may_fail(tmp_path, monkeypatch, rate, n_bad, is_published):
    monkeypatch.setattr(Copies, "max_failure_rate", rate)
    task = make_copies(tmp_path, *name_files(8 - n_bad), *name_files(n_bad, "bad"))
    if not is_published:
        with pytest.raises(TooManyFailuresError, match=f"{n_bad} of 8 files failed"):
            build(task)
    else:
        build(task)
    assert task.complete() == is_published
    if is_published and n_bad:
        failed = [row for row in rows_of(task) if row["status"] == "failed"]
        assert len(failed) == n_bad
        assert {(row["outpath"], row["digest"], row["error_type"]) for row in failed} == {(None, None, "ValueError")}
        assert failed[0]["error"] == "bad000 is no good"
        assert task.output().verify().ok


def test_a_failed_file_does_not_go_on_to_the_next_stage(tmp_path, monkeypatch):
    @requires(Copies)
    class Next(Copies):
        pass

    monkeypatch.setattr(Copies, "max_failure_rate", 0.5)
    task = make_copies(tmp_path, "a", "bad", "drop", "c", cls=Next)
    build(task)
    assert columns_of(task, "inpath") == [("a.txt",), ("c.txt",)]


def test_a_stage_stops_at_once_when_the_first_20_files_all_fail(tmp_path):
    task = make_copies(tmp_path, *name_files(1000, "bad"), n_jobs=1)
    with pytest.raises(TooManyFailuresError, match=r"the first \d+ of 1000 files all failed.*First: bad000\.txt"):
        build(task)
    assert 20 <= len(WORKED) < 1000


def test_one_good_file_among_the_first_keeps_the_stage_going(tmp_path):
    task = make_copies(tmp_path, "a", *name_files(99, "bad"), n_jobs=1)
    with pytest.raises(TooManyFailuresError, match="99 of 100 files failed"):
        build(task)


def test_good_files_of_an_earlier_run_keep_the_stage_going(tmp_path):
    task = make_copies(tmp_path, "a", *name_files(99, "bad"), n_jobs=1)
    for _ in range(2):
        with pytest.raises(TooManyFailuresError, match="99 of 100 files failed"):
            build(task)


def test_when_all_may_fail_nothing_stops_early(tmp_path, monkeypatch):
    monkeypatch.setattr(Copies, "max_failure_rate", 1.0)
    task = make_copies(tmp_path, *name_files(50, "bad"))
    build(task)
    assert columns_of(task, "status") == [("failed",)] * 50


@pytest.mark.parametrize("rate", [5, -0.1, 1.5, "0.1", None, float("nan")])
def test_a_rate_that_is_no_share_is_refused_before_any_work_is_done(tmp_path, monkeypatch, rate):
    monkeypatch.setattr(Copies, "max_failure_rate", rate)
    with pytest.raises(SettingsError, match=f"max_failure_rate is {rate!r}: give the share of files that may fail"):
        build(make_copies(tmp_path, "a"))
    assert not WORKED


@pytest.mark.parametrize("kinds", [KeyError, (KeyError, OSError), ()])
def test_an_exception_that_is_not_to_be_caught_stops_the_stage_and_names_the_file(tmp_path, monkeypatch, kinds):
    monkeypatch.setattr(Copies, "exceptions_to_catch", kinds)
    task = make_copies(tmp_path, "a", "bad", n_jobs=1)
    with pytest.raises(FileError, match=r"bad\.txt: ValueError: bad is no good"):
        build(task)
    assert not task.output().exists()
    with pytest.raises(FileError, match=r"bad\.txt"):
        build(task)
    assert WORKED == ["bad"]


@pytest.mark.parametrize("kinds", [ValueError, (KeyError, ValueError)])
def test_exceptions_to_catch_is_one_type_or_several(tmp_path, monkeypatch, kinds):
    monkeypatch.setattr(Copies, "exceptions_to_catch", kinds)
    with pytest.raises(TooManyFailuresError, match="1 of 2 files failed"):
        build(make_copies(tmp_path, "a", "bad"))


def test_a_lower_rate_makes_a_published_stage_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(Copies, "max_failure_rate", 0.5)
    task = make_copies(tmp_path, "a", "bad")
    build(task)
    monkeypatch.setattr(Copies, "max_failure_rate", 0.4)
    assert str(task.decide()) == "1 of 2 inputs failed, more than max_failure_rate"
    assert not task.complete()
    with pytest.raises(TooManyFailuresError, match=r"1 of 2 files failed.*now 0\.4"):
        build(task)
    assert task.output().exists()


def test_a_higher_rate_and_other_ways_to_run_rebuild_nothing(tmp_path, monkeypatch):
    task = make_copies(tmp_path, "a")
    build(task)
    monkeypatch.setattr(Copies, "max_failure_rate", 0.9)
    monkeypatch.setattr(Copies, "exceptions_to_catch", OSError)
    monkeypatch.setattr(Copies, "executor", "processes")
    assert make_copies(tmp_path, "a", n_jobs=7).complete()


# Collisions and output paths


class Flat(Copies):
    def outpath(self, row):
        return f"{Path(row.inpath).stem[:1]}.txt"


def test_two_inputs_that_would_become_one_output_are_named_before_any_work_is_done(tmp_path):
    task = make_copies(tmp_path, "a1", "b1", "a2", cls=Flat)
    with pytest.raises(
        CollisionError,
        match=r"a1\.txt and a2\.txt would both become a\.txt: override outpath\(row\) to keep them apart",
    ):
        build(task)
    assert not WORKED
    assert not task.output().exists()


def test_a_column_may_name_the_output(tmp_path):
    class ByLength(Copies):
        def outpath(self, row):
            return f"{row['length']}/{row.inpath}"

    task = make_copies(tmp_path, "a", "bb", cls=ByLength)
    build(task)
    assert columns_of(task, "outpath") == [("1/a.txt",), ("2/bb.txt",)]
    assert task.output().verify(deep=True).ok


@pytest.mark.parametrize(
    ("outpath", "reason"),
    [
        ("../evil.txt", "'../evil.txt' is empty, absolute, or has an empty, '.' or '..' part: give a path that stays"),
        ("a/../../evil.txt", "stays inside the stage's directory"),
        ("/etc/evil.txt", "stays inside the stage's directory"),
        ("", "stays inside the stage's directory"),
        (".", "stays inside the stage's directory"),
        ("a//b", "stays inside the stage's directory"),
        ("nul\0.txt", "stays inside the stage's directory"),
        ("_stamp.json", "which tintype keeps for itself: give another"),
        ("_manifest.parquet", "which tintype keeps for itself"),
        ("x" * 256, "has a part of more than 255 bytes: shorten it"),
    ],
)
def test_a_bad_output_path_is_a_failed_row(tmp_path, monkeypatch, outpath, reason):
    monkeypatch.setattr(Copies, "max_failure_rate", 0.5)
    monkeypatch.setattr(Copies, "outpath", lambda self, row: outpath if row.inpath == "b.txt" else row.inpath)
    task = make_copies(tmp_path / "data", "a", "b")
    build(task)
    good, bad = rows_of(task)
    assert (good["status"], bad["status"], bad["error_type"], bad["outpath"]) == (
        "written", "failed", "SettingsError", None,
    )  # fmt: skip
    assert reason in bad["error"]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert task.output().verify().ok


def test_an_outpath_of_none_is_a_failed_file(tmp_path, monkeypatch):
    monkeypatch.setattr(Copies, "outpath", lambda self, row: None)
    with pytest.raises(TooManyFailuresError, match=r"First: a\.txt: TypeError: expected str.* not NoneType"):
        build(make_copies(tmp_path, "a"))


def test_an_outpath_that_raises_fails_its_file_only(tmp_path, monkeypatch):
    monkeypatch.setattr(Copies, "outpath", lambda self, row: {"a.txt": "x.txt"}[row.inpath])
    with pytest.raises(TooManyFailuresError, match=r"1 of 2 files failed.*First: b.txt: KeyError: 'b.txt'"):
        build(make_copies(tmp_path, "a", "b"))


def test_an_outpath_that_raises_what_is_not_to_be_caught_names_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(Copies, "exceptions_to_catch", OSError)
    monkeypatch.setattr(Copies, "outpath", lambda self, row: "../x")
    with pytest.raises(FileError, match=r"a.txt: SettingsError: output path '../x' is empty, absolute"):
        build(make_copies(tmp_path, "a"))
    assert not WORKED


# Rows from elsewhere


class FromRecords(FileStage):
    """Works on the records that a test gives it."""

    layer = "raw"
    folder: str = luigi.Parameter(significant=False)
    records: Any = []
    columns: dict[str, type] = {}

    def rows(self):
        return RecordRows(lambda: self.records, self.columns)

    def input_folder(self):
        return self.folder

    def pipeline(self):
        return Pipeline(load_bytes, note_work, write_bytes)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(name)
    return folder


def make_records(monkeypatch, source, records, columns=()):
    monkeypatch.setattr(FromRecords, "records", records)
    monkeypatch.setattr(FromRecords, "columns", dict(columns))
    return FromRecords(base_dir=str(source.parent / "data"), folder=str(source))


def test_rows_may_come_from_records_with_columns(monkeypatch, source):
    records = [{"inpath": "b.txt", "label": "dog", "n": 3}, {"inpath": "a.txt"}]
    task = make_records(monkeypatch, source, records, {"label": str, "n": int})
    build(task)
    assert columns_of(task, "outpath", "label", "n") == [("b.txt", "dog", 3), ("a.txt", None, None)]


def test_rows_may_be_paths(monkeypatch, source):
    task = make_records(monkeypatch, source, [{"inpath": Path("a.txt")}])
    build(task)
    assert columns_of(task, "inpath", "outpath") == [("a.txt", "a.txt")]


@pytest.mark.parametrize("digest", [None, "0" * 64])
@pytest.mark.parametrize("inpath", ["../source/a.txt", "/etc/hostname"])
def test_an_input_from_outside_never_leads_outside(monkeypatch, source, inpath, digest):
    task = make_records(monkeypatch, source, [{"inpath": inpath, "input_digest": digest}])
    with pytest.raises(TooManyFailuresError, match=r"stays inside the stage's directory"):
        build(task)
    assert not WORKED


@pytest.mark.parametrize("make_name", [lambda: "a.txt", lambda: "".join(["a", ".txt"])], ids=["same", "equal"])
def test_an_input_that_occurs_twice_is_a_collision(monkeypatch, source, make_name):
    task = make_records(monkeypatch, source, [{"inpath": make_name()}, {"inpath": make_name()}])
    with pytest.raises(CollisionError, match=r"a\.txt occurs twice among the inputs.*leave one out"):
        build(task)
    assert not WORKED


@pytest.mark.parametrize(
    ("record_given", "reason"),
    [
        ({"inpath": "a.txt", "n": "three"}, r"a\.txt: column 'n' is declared as int and got 'three': declare it as"),
        ({"inpath": "a.txt", "n": 2**63}, r"a\.txt: column 'n' is declared as int and got 9223372036854775808: "),
        ({"label": "x"}, r"record {'label': 'x'} has no 'inpath' that is a path: give each record the path"),
        ({"inpath": None, "n": 1}, r"record {'inpath': None, 'n': 1} has no 'inpath' that is a path"),
    ],
)
def test_a_record_that_cannot_be_used_is_named(monkeypatch, source, record_given, reason):
    task = make_records(monkeypatch, source, [{"inpath": "b.txt"}, record_given], {"n": int})
    with pytest.raises(SettingsError, match=reason):
        build(task)
    assert not WORKED


def test_a_carried_column_may_not_have_a_name_of_the_manifests_own(monkeypatch, source):
    task = make_records(monkeypatch, source, [{"inpath": "a.txt"}], {"status": str})
    with pytest.raises(ManifestError, match="column 'status' is the manifest's own: give the carried column another"):
        build(task)


def test_rows_that_can_be_read_only_once_are_refused(monkeypatch, source):
    once = iter([{"inpath": "a.txt"}, {"inpath": "b.txt"}])
    task = make_records(monkeypatch, source, once)
    with pytest.raises(SettingsError, match=r"rows\(\) gave 2 inputs at first, and then 0: .* any number of times"):
        build(task)
    assert not task.output().exists()


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (
            lambda self: [{"inpath": "a.txt"}],
            r"FromRecords\.rows\(\) returned a list: return RecordRows\(lambda: records",
        ),
        (
            lambda self: RecordRows(cast("Any", [{"inpath": "a.txt"}])),
            "RecordRows got a list: give a function that returns the records",
        ),
    ],
)
def test_rows_that_are_none_say_what_to_give(monkeypatch, source, rows, reason):
    monkeypatch.setattr(FromRecords, "rows", rows)
    with pytest.raises(SettingsError, match=reason):
        build(make_records(monkeypatch, source, []))


def test_a_name_that_is_not_utf_8_has_a_row_where_nothing_is_written(monkeypatch, source):
    name = os.fsdecode(b"caf\xe9.txt")
    (source / name).write_text("x")
    monkeypatch.setattr(FromRecords, "pipeline", lambda self: Pipeline(load_bytes))
    task = make_records(monkeypatch, source, [{"inpath": name}])
    build(task)
    assert columns_of(task, "inpath", "status") == [(r"caf\xe9.txt", "recorded")]


def test_a_stage_without_a_stage_above_says_what_it_needs(tmp_path):
    class Alone(FileStage):
        layer = "interim"

        def pipeline(self):
            return Pipeline(load_bytes, write_func=write_bytes)

    with pytest.raises(SettingsError, match=r"Alone requires \[\]: let it require one stage or several, or override"):
        Alone(base_dir=str(tmp_path)).run()


# Columns


def test_columns_travel_through_three_stages(tmp_path):
    @requires(Copies)
    class Second(Copies):
        recorded_columns = {"initial": str}

        def work(self, data):
            record(initial=data.decode()[:1])
            return data

    @requires(Second)
    class Third(Copies):
        pass

    task = make_copies(tmp_path, "a", "bb", cls=Third)
    build(task)
    assert columns_of(task, "inpath", "length", "initial") == [("a.txt", 1, "a"), ("bb.txt", 2, "b")]
    assert task.output().manifest().schema.names[-2:] == ["length", "initial"]


class Recording(Copies):
    recorded_columns = {"yes": bool, "number": int, "share": float, "text": str}
    values: dict[str, Any] = {}
    not_in_recipe = Copies.not_in_recipe | {"values"}

    def work(self, data):
        if data != b"none":
            record(**self.values)
        return data


def test_recorded_columns_have_their_declared_types(tmp_path, monkeypatch):
    import numpy as np

    values = {"yes": np.bool_(True), "number": np.int64(2**62), "share": 1, "text": np.str_("ü")}
    monkeypatch.setattr(Recording, "values", values)
    task = make_copies(tmp_path, "a", "none", cls=Recording)
    build(task)
    assert columns_of(task, "yes", "number", "share", "text") == [(True, 2**62, 1.0, "ü"), (None, None, None, None)]
    types = [str(task.output().manifest().schema.field(name).type) for name in Recording.recorded_columns]
    assert types == ["bool", "int64", "double", "string"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"colour": "red"}, "'colour' is recorded but not declared: add 'colour': str to the stage's recorded_columns"),
        ({"number": "3"}, "column 'number' is declared as int and got '3', a str"),
        ({"number": True}, "column 'number' is declared as int and got True, a bool"),
        ({"number": 1.5}, "column 'number' is declared as int and got 1.5, a float"),
        (
            {"number": 2**63},
            "column 'number' got 9223372036854775808, which needs more than 64 bits: ",
        ),
        ({"number": -(2**63) - 1}, "more than 64 bits"),
        ({"share": 10**400}, "too large to convert to float"),
        ({"yes": 1}, "column 'yes' is declared as bool and got 1, a int"),
        ({"text": b"x"}, "column 'text' is declared as str and got b'x', a bytes"),
        ({"text": "caf\udce9"}, "surrogates not allowed"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_recorded_value_that_does_not_fit_fails_its_file(tmp_path, monkeypatch, values, reason):
    monkeypatch.setattr(Recording, "values", values)
    monkeypatch.setattr(Recording, "max_failure_rate", 0.5)
    task = make_copies(tmp_path, "a", "none", cls=Recording)
    build(task)
    bad, good = rows_of(task)
    assert (bad["status"], good["status"]) == ("failed", "written")
    assert reason in bad["error"]
    assert task.output().verify().ok


def test_a_recorded_column_that_is_carried_too_is_refused_before_any_work_is_done(tmp_path):
    class Twice(Copies):
        recorded_columns = {"length": int}

    with pytest.raises(ManifestError, match=r"the columns \['length'\] are both carried from upstream and recorded"):
        build(make_copies(tmp_path, "a", cls=Twice))
    assert not WORKED


@pytest.mark.parametrize("kind", [list, "int", None])
def test_a_type_that_no_column_can_have_is_refused(tmp_path, kind):
    class Odd(Copies):
        recorded_columns = {"x": kind}

    with pytest.raises(SettingsError, match=r"column 'x' is declared as .*: declare it as bool, int, float or str"):
        build(make_copies(tmp_path, "a", cls=Odd))
    assert not WORKED


def test_a_pipeline_that_writes_nothing_publishes_rows_only(tmp_path):
    class Measured(Copies):
        recorded_columns = {"first": str}

        def pipeline(self):
            return Pipeline(load_bytes, self.work)

        def work(self, data):
            record(first=data.decode()[:1])
            return data

    task = make_copies(tmp_path, "a", "bb", cls=Measured)
    build(task)
    assert columns_of(task, "inpath", "outpath", "status", "first") == [
        ("a.txt", None, "recorded", "a"),
        ("bb.txt", None, "recorded", "b"),
    ]


def test_a_column_that_has_another_name_now_has_it_downstream_too(tmp_path, monkeypatch):
    @requires(Recording)
    class Below(Copies):
        pass

    for name in ("text", "words"):
        monkeypatch.setattr(Recording, "recorded_columns", {name: str})
        monkeypatch.setattr(Recording, "values", {name: "same"})
        task = make_copies(tmp_path, "a", cls=Below)
        build(task)
        assert task.output().manifest().schema.names[-1] == name


# Dropped files


def test_a_dropped_file_is_a_row_without_a_file(tmp_path):
    task = make_copies(tmp_path, "a", "drop1", "c")
    build(task)
    assert columns_of(task, "outpath", "status") == [("a.txt", "written"), (None, "dropped"), ("c.txt", "written")]
    assert [path.name for path in task.output().files()] == ["a.txt", "c.txt"]
    assert not (task.output().folder / "drop1.txt").exists()


def test_when_every_file_is_dropped_the_directory_is_empty_and_complete(tmp_path):
    task = make_copies(tmp_path, *name_files(30, "drop"))
    build(task)
    assert task.complete()
    assert list(task.output().files()) == []


# Several runs


def test_a_stage_instance_may_run_again_with_other_rows(tmp_path, monkeypatch, source):
    task = make_records(monkeypatch, source, [{"inpath": "a.txt"}])
    task.run()
    monkeypatch.setattr(FromRecords, "version", "2")
    monkeypatch.setattr(FromRecords, "records", [{"inpath": "b.txt"}])
    task.run()
    assert columns_of(task, "inpath") == [("b.txt",)]
