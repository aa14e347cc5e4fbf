"""Behaviour of tintype.processed.SplitDataset, from photographs to parts, through Luigi."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from math import inf
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pandas as pd
import pytest
from luigi.configuration import get_config
from luigi.util import requires
from PIL import Image

from tintype import interim, ops, processed, raw
from tintype.errors import FileError, SettingsError, SplitError, StagingError
from tintype.executors.pools import open_executor
from tintype.interim.kept_files import FileAbove
from tintype.load_funcs import load_image
from tintype.processed import split_dataset
from tintype.processed.splits import links as split_links
from tintype.processed.splits.plan import SplitMethod
from tintype.processed.splits.table import read_table
from tintype.targets.staging import Staging
from tintype.tasks import file_stage
from tintype.tasks.graph import upstream_first


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(significant=False)


@requires(Photos)
class Products(processed.SplitDataset):
    """As the design has it; the seed leaves no part empty."""

    label = "label"
    seed = 1


@requires(Photos)
class Halves(processed.SplitDataset):
    parts = {"train": 0.5, "valid": 0.5}
    method: SplitMethod | None = "exact"


class Links(Halves):
    link = "symbolic"


class Copies(Halves):
    link = "copy"


def make(folder: Path, cls: Any = Halves, *, base_dir: str = "data", **parameters: Any) -> Any:
    return cls(base_dir=str(folder.parent / base_dir), folder=str(folder), **parameters)


def build(folder: Path, cls: Any = Halves, **parameters: Any) -> Any:
    """Build a stage and those above it; errors come out as they are."""
    task = make(folder, cls, **parameters)
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return task


def rows_of(task: Any) -> dict[str, dict[str, Any]]:
    return {row["inpath"]: row for row in task.output().manifest().rows()}


def outpaths_of(task: Any) -> dict[str, str]:
    return {inpath: row["outpath"] for inpath, row in rows_of(task).items()}


def statuses_of(task: Any) -> Counter[str]:
    return Counter(row["status"] for row in rows_of(task).values())


def folders_of(task: Any) -> set[str]:
    folder = task.output().folder
    return {path.relative_to(folder).as_posix() for path in folder.glob("*/*") if path.is_dir()}


@pytest.fixture
def source(photographs: Path, tmp_path: Path) -> Path:
    """Return a folder of real photographs that may be changed."""
    return Path(shutil.copytree(photographs, tmp_path / "source"))


def add_photographs(folder: Path, *names: str) -> None:
    """Add files that are like no other."""
    for name in names:
        pixels = np.random.default_rng(len(name) * 1000 + sum(name.encode())).integers(0, 256, (9, 9, 3), np.uint8)
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).resize((72, 72), Image.Resampling.BICUBIC).save(folder / name)


# What is built


def test_the_class_of_the_design_is_built_by_luigi_in_the_layout_of_imagenet(source):
    task = make(source, Products)
    assert luigi.build([task], local_scheduler=True, no_lock=True)
    assert task.complete()
    assert task.output().path == f"{source.parent}/data/processed/Products"
    rows = rows_of(task)
    assert len(rows) == 8
    for inpath, row in rows.items():
        label, name = inpath.split("/")
        assert row["outpath"] == f"{row['part']}/{label}/{name}"
        assert row["label"] == label
        assert (task.output().folder / row["outpath"]).read_bytes() == (source / inpath).read_bytes()
    assert {row["part"] for row in rows.values()} == {"train", "valid"}
    assert task.output().verify(deep=True).ok


def test_a_file_is_the_same_file_as_that_of_the_stage_above(source):
    task = build(source)
    for inpath, outpath in outpaths_of(task).items():
        assert os.path.samefile(task.requires().output().folder / inpath, task.output().folder / outpath)


def test_copies_are_files_of_their_own(source):
    task = build(source, Copies)
    for inpath, outpath in outpaths_of(task).items():
        assert not os.path.samefile(task.requires().output().folder / inpath, task.output().folder / outpath)
    assert task.output().verify(deep=True).ok


def test_every_label_has_a_folder_in_every_part(source):
    task = build(source)
    labels = ["cats", "people", "space", "things"]
    assert folders_of(task) == {f"{part}/{label}" for part in ("train", "valid") for label in labels}
    assert not any((task.output().folder / "train" / "cats").iterdir()) or not any(
        (task.output().folder / "valid" / "cats").iterdir()
    )


def test_three_parts_with_counts(source):
    class Three(Halves):
        parts = {"train": None, "valid": 2, "test": 1}

    assert Counter(row["part"] for row in rows_of(build(source, Three)).values()) == {"train": 5, "valid": 2, "test": 1}


@pytest.mark.parametrize(("size", "n_valid"), [(3, 3), (0.25, 2)])
def test_the_size_of_valid_alone_will_do(source, size, n_valid):
    class Sized(processed.SplitDataset):
        folder = luigi.Parameter(significant=False)
        valid_size = size
        method = "exact"

        def requires(self):
            return Photos(base_dir=self.base_dir, folder=self.folder)

    assert Counter(row["part"] for row in rows_of(build(source, Sized)).values())["valid"] == n_valid


def test_another_seed_is_another_directory_with_another_split(source):
    tasks = [build(source, seed=seed) for seed in range(4)]
    assert [task.output().folder.name for task in tasks] == [
        "Halves",
        "Halves-seed=1",
        "Halves-seed=2",
        "Halves-seed=3",
    ]
    assert len({tuple(outpaths_of(task).values()) for task in tasks}) > 1


def test_files_of_one_name_and_label_are_all_there(source):
    for folder in ("monday", "tuesday", "friday"):
        add_photographs(source, f"{folder}/1.png")
    table = pd.DataFrame({"path": [path.relative_to(source).as_posix() for path in source.rglob("*.*")], "label": "x"})

    class OneLabel(Halves):
        pass

    OneLabel.table = table
    outpaths = outpaths_of(build(source, OneLabel))
    assert len(set(outpaths.values())) == 11
    assert all(
        re.fullmatch(r"(train|valid)/x/1-[0-9a-f]{8}\.png", outpaths[f"{folder}/1.png"])
        for folder in ("monday", "tuesday", "friday")
    )
    assert outpaths["cats/chelsea.png"].endswith("/x/chelsea.png")


# Labels and groups from elsewhere


def test_label_and_group_come_from_a_table_and_a_change_of_it_builds_anew(source, tmp_path):
    class FromTable(Halves):
        group = "patient"
        table = luigi.Parameter(significant=False)

    paths = sorted(path.relative_to(source).as_posix() for path in source.rglob("*.*"))
    table = pd.DataFrame(
        {"path": paths, "label": [f"l{n % 2}" for n in range(8)], "patient": [n // 2 for n in range(8)]}
    )
    table.to_csv(tmp_path / "rows.csv", index=False)
    task = build(source, FromTable, table=str(tmp_path / "rows.csv"))
    rows = rows_of(task)
    assert [rows[path]["label"] for path in paths] == ["l0", "l1"] * 4
    assert [rows[path]["patient"] for path in paths] == list("00112233")
    for one, other in zip(paths[::2], paths[1::2], strict=True):
        assert rows[one]["part"] == rows[other]["part"]
    assert task.complete()
    table.assign(label="same").to_csv(tmp_path / "rows.csv", index=False)
    assert not task.complete()
    again = build(source, FromTable, table=str(tmp_path / "rows.csv"))
    assert {row["label"] for row in rows_of(again).values()} == {"same"}


def test_a_table_may_be_joined_on_a_column_of_the_files(source):
    class ByFolder(Halves):
        label = "kind"
        table = pd.DataFrame(
            {"folder": ["cats", "people", "space", "things"], "kind": ["alive", "alive", "not", "not"]}
        )
        table_key = "folder"
        table_on = "label"

    task = build(source, ByFolder)
    assert {row["outpath"].split("/")[1] for row in rows_of(task).values()} == {"alive", "not"}
    assert task.complete()


def test_rows_of_a_table_without_a_file_are_counted(source, caplog):
    class More(Halves):
        table = pd.DataFrame({"folder": ["cats", "people", "space", "things", "dogs"], "label": list("abcde")})
        table_key = "folder"
        table_on = "label"

    with caplog.at_level(logging.INFO, "luigi-interface.tintype"):
        build(source, More)
    assert "1 of 5 rows of the table belong to no file" in caplog.text


def test_a_file_that_the_table_does_not_have_has_no_label(source):
    class Half(Halves):
        table = pd.DataFrame({"path": ["cats/chelsea.jpg"], "label": ["cat"]})

    with pytest.raises(SplitError, match=r"7 of 8 files have no label, the first is people/astronaut.png"):
        build(source, Half)


def test_a_change_of_a_data_frame_builds_anew(source):
    class Framed(Halves):
        pass

    frame = pd.DataFrame({"folder": ["cats", "people", "space", "things"], "label": list("abcd")})
    Framed.table, Framed.table_key, Framed.table_on = frame, "folder", "label"
    task = build(source, Framed)
    assert task.complete()
    Framed.table = frame.assign(label=list("aacd"))
    assert not task.complete()


@pytest.mark.parametrize(
    "values", [[b"x", b"y"], [["x"], ["y"]], [1.5, "x"], [1j, 2j], [1e300, 2.0], ["x", np.float32(1)]]
)
def test_what_is_no_name_is_no_label(values):
    frame = pd.DataFrame({"path": ["a", "b"], "label": values})
    with pytest.raises(SplitError, match=r"column 'label' .* labels and groups are names: make it text"):
        read_table(frame, ["path", "label"])


def test_truth_values_have_one_name_whatever_the_type_of_their_column():
    plain = pd.DataFrame({"path": ["a", "b"], "label": [True, False]})
    mixed = pd.DataFrame({"path": ["a", "b", "c"], "label": [True, np.False_, None]})
    assert read_table(plain, ["label"])["label"].to_pylist() == ["true", "false"]
    assert read_table(mixed, ["label"])["label"].to_pylist() == ["true", "false", None]


def test_a_column_that_a_file_has_twice_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("path,label,label\na.png,x,y\n")
    with pytest.raises(SplitError, match=r"labels.csv has 2 columns 'label': leave one of them"):
        read_table(tmp_path / "labels.csv", ["path", "label"])


# What cannot be


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"label": "species"}, SplitError, r"no column 'species', which is the label; there are: .*'label'"),
        ({"group": "patient"}, SplitError, "no column 'patient', which is the group"),
        ({"part_column": "label"}, SplitError, "carry a column 'label' already: set part_column"),
        ({"parts": {"train": 0.5}}, SettingsError, "add up to 0.5"),
        ({"parts": {"train": 5, "valid": 5}}, SettingsError, "there are 8 files, and the parts are to have 10"),
        ({"valid_size": 0.1}, SettingsError, "has both valid_size = 0.1 and parts"),
        ({"link": "soft"}, SettingsError, "Wrong.link is 'soft': give 'hard', 'symbolic', 'copy'"),
        ({"leaks": "no"}, SettingsError, "Wrong.leaks is 'no'"),
        ({"leak_distance": 64}, SettingsError, "Wrong.leak_distance is 64"),
        ({"method": "any"}, SettingsError, "method is 'any'"),
        ({"label": None}, SettingsError, "Wrong.label is None: give the name of a column"),
        ({"table_key": 0}, SettingsError, "Wrong.table_key is 0: give the name of a column"),
        ({"group": 3}, SettingsError, "Wrong.group is 3: give the name of a column"),
        (
            {"outpath": lambda self, row: row.inpath},
            SettingsError,
            r"Wrong overrides outpath\(row\), which a split does",
        ),
        ({"table": Path(__file__).parent / "."}, SplitError, r"the table .*tests cannot be read \(Is a directory\)"),
        (
            {"table": pd.DataFrame([["a.png", "x", "y"]], columns=["path", "label", "label"])},
            SplitError,
            "the table has 2 columns 'label': leave one of them",
        ),
        (
            {"table": pd.DataFrame({"path": ["./cats/chelsea.png"], "label": ["cat"]})},
            SplitError,
            r"none of the 1 rows of the table belongs .* is './cats/chelsea.png', .*first of the files '\w+/\w+.\w+'",
        ),
        (
            {"table_on": "city", "table": pd.DataFrame({"path": []})},
            SplitError,
            "no column 'city' to join the table on",
        ),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_written(source, settings, error, words):
    wrong = type("Wrong", (Halves,), settings)
    with pytest.raises(error, match=words):
        build(source, wrong)
    processed_folder = source.parent / "data" / "processed"
    assert [path for path in processed_folder.rglob("*.*") if path.suffix in (".png", ".jpg")] == []
    assert not (processed_folder / "Wrong").exists()


def test_several_stages_above_are_refused(source):
    class Others(Photos):
        pass

    class OfTwo(processed.SplitDataset):
        folder = luigi.Parameter(significant=False)

        def requires(self):
            return [
                Photos(base_dir=self.base_dir, folder=self.folder),
                Others(base_dir=self.base_dir, folder=self.folder),
            ]

    with pytest.raises(SettingsError, match="OfTwo requires Photos, Others, and works on the files of one stage"):
        build(source, OfTwo)


def test_a_label_that_would_leave_the_directory_is_refused(source):
    class Evil(Halves):
        table = pd.DataFrame({"folder": ["cats", "people", "space", "things"], "label": ["a", "b", "c", "../../evil"]})
        table_key = "folder"
        table_on = "label"

    with pytest.raises(SplitError, match=r"things/coffee.png has the label '../../evil', which begins with a '.'"):
        build(source, Evil)
    assert not list(source.parent.rglob("evil*"))


# Plans without a build


def test_a_plan_shows_what_a_build_will_do(source):
    photos = build(source, Photos)
    task = make(source)
    plan = task.plan()
    paths = [row["outpath"] for row in photos.output().manifest().rows()]
    assert not task.output().folder.parent.exists()
    assert plan.outpaths(0, paths) == list(outpaths_of(build(source)).values())


@pytest.mark.parametrize("cls", [Halves, Links, Copies])
def test_the_items_of_a_split_that_is_not_built_are_those_of_the_build(source, cls):
    build(source, Photos)
    sequence = make(source, cls).sequence(columns=True)
    assert not sequence.is_built
    before = [(row["outpath"], data.tobytes()) for row, data in sequence]
    built = build(source, cls).sequence(columns=True)
    assert [(row["outpath"], data.tobytes()) for row, data in built] == before


# Rebuilds


@pytest.fixture
def touched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the paths that were linked or copied from the stage above, or hashed for their looks."""
    paths: list[str] = []

    def choose(*given: Any, real: Any = split_links.choose_add_func, **options: Any) -> Any:
        add = real(*given, **options)

        def note(file: Any, path: str) -> None:
            paths.append(path.partition("/files/")[2])
            add(file, path)

        return note

    monkeypatch.setattr(split_dataset, "choose_add_func", choose)
    return paths


class Stable(Copies):
    method = "stable"


class StableLinks(Links):
    method = "stable"


@pytest.mark.parametrize("cls", [Stable, StableLinks])
def test_when_files_come_the_others_stay_and_are_taken_over(source, cls, touched):
    add_photographs(source, "cats/1.png", "cats/2.png", "things/1.png")
    first = build(source, cls)
    before, inodes = outpaths_of(first), inodes_of(first)
    touched.clear()
    add_photographs(source, "cats/3.png", "dogs/1.png")
    again = build(source, cls)
    after = outpaths_of(again)
    assert {inpath: after[inpath] for inpath in before} == before
    assert sorted(touched) == sorted(after[inpath] for inpath in ("cats/3.png", "dogs/1.png"))
    assert statuses_of(again) == {"reused": 11, "written": 2}
    assert {path: inodes_of(again)[path] for path in inodes} == inodes
    assert {"train/dogs", "valid/dogs"} <= folders_of(again)
    assert again.output().verify(deep=True).ok
    assert again.complete()


def inodes_of(task: Any) -> dict[str, int]:
    return {path: os.lstat(task.output().folder / path).st_ino for path in outpaths_of(task).values()}


def test_when_the_last_file_of_a_label_goes_its_folders_go(source):
    add_photographs(source, "dogs/1.png", "dogs/2.png")
    assert "valid/dogs" in folders_of(build(source))
    shutil.rmtree(source / "dogs")
    assert not {folder for folder in folders_of(build(source)) if folder.endswith("dogs")}


def test_a_file_whose_name_is_shared_now_is_taken_over_under_its_new_name(source, touched):
    class OneLabel(Stable):
        table_key = "folder"
        table_on = "label"

    folders = ["cats", "people", "space", "things"]
    OneLabel.table = pd.DataFrame({"folder": [*folders, "more"], "label": "x"})
    build(source, OneLabel)
    touched.clear()
    add_photographs(source, "more/chelsea.png")
    again = build(source, OneLabel)
    assert touched == [outpaths_of(again)["more/chelsea.png"]]
    assert re.fullmatch(r"\w+/x/chelsea-[0-9a-f]{8}.png", outpaths_of(again)["cats/chelsea.png"])
    assert again.output().verify(deep=True).ok


def test_another_setting_builds_all_anew(source, touched, monkeypatch):
    build(source)
    touched.clear()
    monkeypatch.setattr(Halves, "parts", {"train": 0.75, "valid": 0.25})
    task = make(source)
    assert not task.complete()
    assert Counter(row["part"] for row in rows_of(build(source)).values()) == {"train": 6, "valid": 2}
    assert len(touched) == 8


# Symbolic links


def test_symbolic_links_lead_to_the_stage_above_and_survive_moving_the_dataset(source):
    task = build(source, Links)
    folder = task.output().folder
    for outpath in outpaths_of(task).values():
        assert os.readlink(folder / outpath).startswith("../../../../raw/Photos/")
    (source.parent / "data").rename(source.parent / "elsewhere")
    moved = make(source, Links, base_dir="elsewhere")
    assert moved.complete()
    assert moved.output().verify(deep=True).ok
    for inpath, outpath in outpaths_of(moved).items():
        assert (moved.output().folder / outpath).read_bytes() == (source / inpath).read_bytes()


def test_links_in_a_moved_dataset_are_taken_over_when_files_come(source, touched):
    build(source, StableLinks)
    (source.parent / "data").rename(source.parent / "there")
    (source.parent / "there").rename(source.parent / "data")
    touched.clear()
    add_photographs(source, "cats/1.png")
    task = build(source, StableLinks)
    assert len(touched) == 1
    assert task.output().verify(deep=True).ok


def test_links_to_files_outside_of_the_dataset_are_absolute(source):
    class Given(raw.GivenFolder):
        folder: str = luigi.Parameter(significant=False)

    @requires(Given)
    class OfGiven(processed.SplitDataset):
        method = "exact"
        link = "symbolic"

        table = pd.DataFrame({"folder": ["x"], "label": ["x"]})

        def rows(self):
            OfGiven.table = pd.DataFrame(
                {"path": [path.relative_to(source).as_posix() for path in source.rglob("*.*")], "label": "x"}
            )
            return super().rows()

    task = build(source, OfGiven)
    for inpath, outpath in outpaths_of(task).items():
        assert os.readlink(task.output().folder / outpath) == f"{source}/{inpath}"
    assert task.output().verify(deep=True).ok


# How many links at once


def made_links(folder: Path) -> tuple[list[FileAbove], Path]:
    """Return files that may be linked, and a folder beside them."""
    files = [FileAbove(str(path), "00" * 32) for path in sorted(folder.rglob("*.*"))]
    (folder.parent / "staging").mkdir()
    return files, folder.parent / "staging"


@pytest.mark.parametrize(("most", "are_quick"), [(inf, True), (0, False)])
def test_links_are_quick_when_one_takes_less_than_it_may_and_nothing_is_left_of_the_trial(
    source, monkeypatch, most, are_quick
):
    files, folder = made_links(source)
    monkeypatch.setattr(split_links, "QUICK_SECONDS", most)
    assert split_links.links_are_quick(split_links.add_hard, files, folder) is are_quick
    assert not list(folder.iterdir())
    assert {os.stat(file.path).st_nlink for file in files} == {1}


def test_copies_missing_files_and_none_at_all_are_not_taken_for_quick_links(source, monkeypatch):
    files, folder = made_links(source)
    monkeypatch.setattr(split_links, "QUICK_SECONDS", inf)
    for few in ([files[0], FileAbove(files[1].path, None)], [FileAbove(f"{source}/gone.jpg", "00")]):
        assert not split_links.links_are_quick(split_links.add_hard, few, folder)
    monkeypatch.setattr(split_links, "QUICK_SECONDS", 1.0)
    assert not split_links.links_are_quick(split_links.add_hard, [], folder)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("cls", "most", "n_jobs", "expected"),
    [(Halves, inf, None, 1), (Links, inf, None, 1), (Halves, 0, None, 3), (Halves, inf, 2, 2), (Copies, inf, None, 3)],
)
def test_one_thread_makes_quick_links_unless_a_number_is_given(source, monkeypatch, cls, most, n_jobs, expected):
    monkeypatch.setattr(split_links, "QUICK_SECONDS", most)
    get_config().set("tintype", "n_jobs", "3")
    opened = []

    def note(kind: Any, n_workers: int) -> Any:
        opened.append(n_workers)
        return open_executor(kind, n_workers)

    task = make(source, cls, n_jobs=n_jobs)
    task.requires().run()
    monkeypatch.setattr(file_stage, "open_executor", note)
    task.run()
    assert opened == [expected]
    assert task.output().verify(deep=True).ok


# Interruptions


@pytest.mark.parametrize("cls", [Halves, Links, Copies])
def test_an_interrupted_build_goes_on_where_it_stopped(source, cls, monkeypatch, touched):
    expected = outpaths_of(build(source, cls))
    shutil.rmtree(source.parent / "data" / "processed")
    touched.clear()
    choose_before = vars(split_dataset)["choose_add_func"]

    def choose(*given: Any, real: Any = choose_before, **options: Any) -> Any:
        add = real(*given, **options)

        def stop_at_the_sixth(file: Any, path: str) -> None:
            if len(touched) == 5:
                raise KeyboardInterrupt
            add(file, path)

        return stop_at_the_sixth

    with monkeypatch.context() as patch:
        patch.setattr(split_dataset, "choose_add_func", choose)
        with pytest.raises(FileError, match="KeyboardInterrupt"):
            build(source, cls, n_jobs=1)
    staged = source.parent / "data" / "processed" / f".{cls.__name__}.staging" / "files"
    finished = sorted(path.relative_to(staged).as_posix() for path in staged.rglob("*.*"))
    assert len(finished) >= 4
    assert not (staged.parents[1] / cls.__name__).exists()
    touched.clear()
    task = build(source, cls)
    assert sorted([*touched, *finished]) == sorted(expected.values())
    assert outpaths_of(task) == expected
    assert task.output().verify(deep=True).ok


KILLED = """
import os, signal, sys
import test_split_dataset as tests
from pathlib import Path
from tintype.processed import split_dataset

done = []
def choose(*given, real=split_dataset.choose_add_func, **options):
    add = real(*given, **options)
    def kill_at_the_fifth(file, path):
        if len(done) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        done.append(path)
        add(file, path)
    return kill_at_the_fifth

split_dataset.choose_add_func = choose
tests.get_config().set("tintype", "durable", "false")
tests.build(Path(sys.argv[1]), getattr(tests, sys.argv[2]), n_jobs=1)
"""


@pytest.mark.parametrize("cls", [Halves, Links, Copies])
def test_a_killed_build_changes_nothing_about_the_next(source, cls):
    expected = outpaths_of(build(source, cls))
    shutil.rmtree(source.parent / "data" / "processed")
    script = [sys.executable, "-c", KILLED, str(source), cls.__name__]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONPATH": f"{Path(__file__).parent}"}
    killed = subprocess.run(script, cwd=Path(__file__).parent, env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    staged = source.parent / "data" / "processed" / f".{cls.__name__}.staging" / "files"
    assert len([path for path in staged.rglob("*") if path.is_symlink() or path.is_file()]) == 4
    task = build(source, cls)
    assert outpaths_of(task) == expected
    assert task.output().verify(deep=True).ok


def test_folders_of_labels_that_went_while_a_build_was_interrupted_are_not_published(source, monkeypatch):
    add_photographs(source, "dogs/1.png", "dogs/2.png")
    with monkeypatch.context() as patch:
        patch.setattr(Staging, "publish", stop_before(Staging.publish))
        with pytest.raises(StagingError, match="stopped"):
            build(source)
    shutil.rmtree(source / "dogs")
    task = build(source)
    assert not {folder for folder in folders_of(task) if folder.endswith("dogs")}
    assert task.output().verify(deep=True).ok


def stop_before(publish: Any) -> Any:
    """Return a way to publish that stops before a split is."""

    def publish_or_stop(self: Staging, *given: Any, **options: Any) -> Any:
        if self.path.parent.name == "processed":
            raise StagingError(4, "stopped")
        return publish(self, *given, **options)

    return publish_or_stop


# Leaks


def leaks_of(task: Any) -> dict[str, tuple[str | None, int | None]]:
    return {
        inpath: (row["leak_of"], row["leak_distance"])
        for inpath, row in rows_of(task).items()
        if row["leak_of"] is not None
    }


@pytest.fixture
def leaking(source: Path) -> Path:
    """Return photographs of which one is there in enough copies to be in both parts."""
    for number in range(6):
        shutil.copyfile(source / "cats" / "chelsea.png", source / "cats" / f"again{number}.png")
    return source


def test_equal_files_in_both_parts_are_reported_on_both_sides(leaking, caplog):
    task = build(leaking)
    outpaths, rows = outpaths_of(task), rows_of(task)
    leaks = leaks_of(task)
    assert sorted(leaks) == sorted(["cats/chelsea.png", *(f"cats/again{number}.png" for number in range(6))])
    for inpath, (other, distance) in leaks.items():
        assert distance == 0
        assert other in outpaths.values()
        assert str(other).split("/")[0] != rows[inpath]["part"]
    assert "7 of 14 files have one like them in another part, the first is" in caplog.text
    assert "which has the same bytes as" in caplog.text


def test_leaks_can_fail_the_stage_before_a_file_is_touched(leaking, touched):
    class Strict(Halves):
        leaks = "fail"

    with pytest.raises(SplitError, match=r"7 of 14 files have one like them in another part.* set group to a column"):
        build(leaking, Strict)
    assert touched == []
    assert not (leaking.parent / "data" / "processed" / "Strict").exists()


def test_leaks_may_be_ignored(leaking, caplog):
    class Careless(Halves):
        leaks = "ignore"

    assert leaks_of(build(leaking, Careless)) == {}
    assert "in another part" not in caplog.text


def test_a_group_that_keeps_equal_files_together_leaks_nothing(leaking):
    class Grouped(Halves):
        group = "label"
        leaks = "fail"

    assert leaks_of(build(leaking, Grouped)) == {}


class Alike(Halves):
    leak_distance = 10
    seed = 5


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the images that were decoded."""
    names: list[str] = []

    def load_and_note(path: str, **options: Any) -> Any:
        names.append(Path(path).name)
        return load_image(path, **options)

    monkeypatch.setattr(split_dataset, "load_image", load_and_note)
    return names


def add_lookalikes(folder: Path) -> None:
    with Image.open(folder / "cats" / "chelsea.png") as image:
        for quality in range(50, 90, 10):
            image.save(folder / "cats" / f"quality{quality}.jpg", quality=quality)
        image.resize((image.width // 2, image.height // 2)).save(folder / "things" / "small.png")


def test_files_that_look_alike_are_reported_with_the_nearest(source, caplog):
    add_lookalikes(source)
    task = build(source, Alike)
    rows = rows_of(task)
    hashes = {row["outpath"]: ops.phash(load_image(source / inpath)) for inpath, row in rows.items()}
    part_of = {row["outpath"]: row["part"] for row in rows.values()}
    for row in rows.values():
        assert row["leak_hash"] == hashes[row["outpath"]]
        near = {
            other: ops.hamming_distance(row["leak_hash"], hash_)
            for other, hash_ in hashes.items()
            if part_of[other] != row["part"]
        }
        if min(near.values()) <= 10:
            assert row["leak_distance"] == near[row["leak_of"]] == min(near.values())
        else:
            assert (row["leak_of"], row["leak_distance"]) == (None, None)
    assert len(leaks_of(task)) > 4
    assert "bits from that of" in caplog.text


def test_lookalikes_can_fail_the_stage_and_no_image_is_decoded_again(source, decoded):
    class Strict(Alike):
        leaks = "fail"

    add_lookalikes(source)
    for _ in range(2):
        with pytest.raises(SplitError, match=r"which has a hash .* bits from that of"):
            build(source, Strict)
    assert len(decoded) == len(set(decoded)) == 13
    assert not (source.parent / "data" / "processed" / "Strict").exists()


def test_when_files_come_only_they_are_decoded_and_old_rows_report_new_leaks(source, decoded):
    class Apart(Alike):
        method = "stable"
        seed = 0

    before = build(source, Apart)
    assert "cats/chelsea.png" not in leaks_of(before)
    decoded.clear()
    add_lookalikes(source)
    again = build(source, Apart)
    assert len(decoded) == 5
    assert statuses_of(again) == {"reused": 8, "written": 5}
    assert "cats/chelsea.png" in leaks_of(again)
    for name in ("quality50.jpg", "quality60.jpg", "quality70.jpg", "quality80.jpg"):
        (source / "cats" / name).unlink()
    (source / "things" / "small.png").unlink()
    decoded.clear()
    assert "cats/chelsea.png" not in leaks_of(build(source, Apart))
    assert decoded == []


def test_a_file_that_is_no_image_fails_only_where_images_are_looked_at(source):
    (source / "cats" / "notes.txt").write_text("no image")
    assert statuses_of(build(source)) == {"written": 9}

    class Lenient(Alike):
        max_failure_rate = 0.2

    task = build(source, Lenient)
    assert statuses_of(task) == {"written": 8, "failed": 1}
    assert rows_of(task)["cats/notes.txt"]["leak_of"] is None


def test_equal_files_that_were_never_read_leak_too(source):
    class Given(raw.GivenFolder):
        folder: str = luigi.Parameter(significant=False)

    @requires(Given)
    class OfGiven(Halves):
        pass

    OfGiven.table = pd.DataFrame({"path": [f"{n}" for n in range(6)], "label": "x"})
    folder = source.parent / "given"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.txt").write_text("same")
    assert len(leaks_of(build(folder, OfGiven))) == 6


def test_what_leaks_stays_and_what_part_a_file_is_in_travels(source):
    @requires(Halves)
    class Smaller(interim.ResizeImages):
        max_side = luigi.IntParameter(default=32)

    task = build(source, Smaller)
    row = next(iter(rows_of(task).values()))
    assert row["part"] in ("train", "valid")
    assert "leak_of" not in row
