"""Behaviour of tintype.raw.ImportFolder."""

from __future__ import annotations

import logging
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.configuration import get_config

from tintype import raw
from tintype.errors import SettingsError, TooManyFailuresError
from tintype.raw import import_folder
from tintype.tasks import FileStage
from tintype.tasks.failures import Failures

# What Linux allows in a name, and people use.
ODD_NAMES = ["two words.txt", 'it\'s "so".txt', "two\nlines.txt", "Größe 日本.txt", "100%.txt", "-rf.txt", "a=b.txt"]


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(significant=False)


def import_from(folder: Path, base_dir: Path | None = None, cls: type[raw.ImportFolder] = Photos) -> raw.ImportFolder:
    """Import `folder` if that is not done, and return the task."""
    task = cls(base_dir=str(base_dir or folder.parent / "data"), folder=str(folder))
    if not task.complete():
        task.run()
    return task


def paths_of(task: raw.ImportFolder) -> list[str]:
    return [os.path.relpath(path, task.output().path) for path in task.output().files()]


def rows_of(task: raw.ImportFolder) -> list[dict[str, Any]]:
    return list(task.output().manifest().rows())


def make_files(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"this is {path}")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_files(tmp_path / "source", "b.txt", "a.txt", "cats/tom.TXT", "cats/old/kitty.md", "dogs/rex.txt")


ALL = ["a.txt", "b.txt", "cats/old/kitty.md", "cats/tom.TXT", "dogs/rex.txt"]


# What comes in


def test_every_file_keeps_its_path_and_its_bytes(source):
    task = import_from(source)
    assert paths_of(task) == ALL
    for path in ALL:
        assert (task.output().folder / path).read_bytes() == (source / path).read_bytes()
    assert task.output().verify(deep=True).ok


def test_real_photographs_come_in_with_their_folders_as_labels(photographs, tmp_path):
    task = import_from(photographs, tmp_path / "data")
    labels = {row["outpath"]: row["label"] for row in rows_of(task)}
    assert labels["cats/chelsea.png"] == "cats"
    assert len(labels) == 8
    assert task.output().verify(deep=True).ok


@pytest.mark.parametrize("paths", [[], ["one.txt"]])
def test_a_folder_of_none_or_one_is_imported_too(tmp_path, paths):
    (tmp_path / "source").mkdir()
    task = import_from(make_files(tmp_path / "source", *paths))
    assert paths_of(task) == paths
    assert task.complete()
    assert task.output().manifest().schema.field("label").type == "string"


def test_an_import_of_no_files_is_said(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "luigi-interface.tintype")
    (tmp_path / "source").mkdir()
    import_from(tmp_path / "source")
    assert "no files to import" in caplog.text


@pytest.mark.parametrize(
    ("patterns", "exclude", "expected"),
    [
        (("*",), (), ALL),
        (("*.txt",), (), ["a.txt", "b.txt", "cats/tom.TXT", "dogs/rex.txt"]),
        (("*.md", "a.*"), (), ["a.txt", "cats/old/kitty.md"]),
        (("cats/*",), (), ["cats/old/kitty.md", "cats/tom.TXT"]),
        (("CATS/*.txt",), (), ["cats/tom.TXT"]),
        (("*",), ("*.txt",), ["cats/old/kitty.md"]),
        (("*.txt",), ("dogs/*", "b.*"), ["a.txt", "cats/tom.TXT"]),
        (["[ab].txt"], (), ["a.txt", "b.txt"]),
        (("*.jpg",), (), []),
        ((), (), []),
    ],
)
def test_patterns_say_what_comes_in_and_exclude_what_does_not(source, monkeypatch, patterns, exclude, expected):
    monkeypatch.setattr(Photos, "patterns", patterns)
    monkeypatch.setattr(Photos, "exclude", exclude)
    assert paths_of(import_from(source)) == expected


@pytest.mark.parametrize("name", ["patterns", "exclude"])
def test_a_single_pattern_that_is_no_tuple_is_refused(source, monkeypatch, name):
    monkeypatch.setattr(Photos, name, "*.jpg")
    with pytest.raises(SettingsError, match=rf"{name} is the text '\*\.jpg': give a tuple of patterns, \('\*\.jpg',\)"):
        import_from(source)


def test_hidden_files_and_folders_stay_out(source):
    make_files(source, ".DS_Store", ".git/config", "cats/.hidden.txt")
    assert paths_of(import_from(source)) == ALL


def test_a_folder_that_a_stage_published_comes_in_without_its_manifest_and_stamp(source, tmp_path):
    published = import_from(source)
    again = import_from(published.output().folder, tmp_path / "other")
    assert paths_of(again) == ALL
    assert again.output().verify(deep=True).ok


def test_the_base_directory_may_lie_inside_the_folder(source):
    for _ in range(2):
        task = import_from(source, source / "data")
        assert paths_of(task) == ALL
        assert task.complete()


def test_the_folder_may_lie_inside_the_base_directory(tmp_path):
    make_files(tmp_path / "data" / "incoming", "a.txt")
    assert paths_of(import_from(tmp_path / "data" / "incoming", tmp_path / "data")) == ["a.txt"]


def test_the_folder_may_not_be_the_base_directory(source):
    with pytest.raises(SettingsError, match=r"is the base directory itself.*: set Photos.folder"):
        import_from(source, source)


def test_the_folder_may_be_a_link_and_a_linked_folder_inside_is_not_followed(source, tmp_path):
    (source / "loop").symlink_to(source)
    (tmp_path / "link").symlink_to(source)
    assert paths_of(import_from(tmp_path / "link")) == ALL


def test_sockets_and_pipes_stay_out_linked_or_not(source, tmp_path, monkeypatch):
    os.mkfifo(source / "pipe.txt")
    (source / "linked pipe.txt").symlink_to(source / "pipe.txt")
    monkeypatch.chdir(source)
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind("socket.txt")
        assert paths_of(import_from(source)) == ALL


# Labels


def test_the_label_is_the_name_of_the_folder_that_a_file_lies_in(source):
    labels = {row["outpath"]: row["label"] for row in rows_of(import_from(source))}
    assert labels == {
        "a.txt": None,
        "b.txt": None,
        "cats/old/kitty.md": "old",
        "cats/tom.TXT": "cats",
        "dogs/rex.txt": "dogs",
    }


def test_a_class_may_give_its_own_labels(source):
    class Tops(raw.ImportFolder):
        folder = str(source)

        def label(self, inpath):
            return inpath.split("/")[0]

    task = Tops(base_dir=str(source.parent / "data"))
    task.run()
    assert task.output().path.endswith("data/raw/Tops")
    assert [row["label"] for row in rows_of(task)] == ["a.txt", "b.txt", "cats", "cats", "dogs"]


# Modes


def test_a_copy_is_a_file_of_its_own_with_the_time_of_the_original(source):
    os.utime(source / "a.txt", ns=(10**18, 10**18))
    copy = import_from(source).output().folder / "a.txt"
    assert not copy.is_symlink()
    assert copy.stat().st_ino != (source / "a.txt").stat().st_ino
    assert copy.stat().st_mtime_ns == 10**18


def test_a_hard_link_is_the_same_file(source, monkeypatch):
    monkeypatch.setattr(Photos, "mode", "hardlink")
    task = import_from(source)
    assert (task.output().folder / "cats/tom.TXT").samefile(source / "cats/tom.TXT")
    assert not (task.output().folder / "cats/tom.TXT").is_symlink()
    assert task.output().verify(deep=True).ok


@pytest.mark.parametrize("is_relative", [True, False])
def test_a_symlink_leads_to_the_original_from_anywhere(source, monkeypatch, is_relative):
    monkeypatch.setattr(Photos, "mode", "symlink")
    monkeypatch.chdir(source.parent)
    task = import_from(Path("source"), Path("data")) if is_relative else import_from(source)
    link = task.output().folder / "cats/tom.TXT"
    assert link.is_symlink()
    assert Path(os.readlink(link)).is_absolute()
    monkeypatch.chdir("/")
    assert (source.parent / "data/raw/Photos/cats/tom.TXT").read_text() == "this is cats/tom.TXT"


def test_another_mode_imports_again_but_changes_no_digest(source, monkeypatch):
    before = import_from(source).output().stamp()
    monkeypatch.setattr(Photos, "mode", "hardlink")
    after = import_from(source).output().stamp()
    assert before is not None
    assert after is not None
    assert after.build_id != before.build_id
    assert after.digest == before.digest


def test_a_mode_that_is_none_is_refused(source, monkeypatch):
    monkeypatch.setattr(Photos, "mode", "move")
    with pytest.raises(SettingsError, match=r"Photos\.mode is 'move': give one of copy, hardlink, symlink"):
        import_from(source)


@pytest.mark.parametrize("mode", ["copy", "hardlink", "symlink"])
def test_a_failed_import_leaves_the_originals_alone_and_goes_on_where_it_was(source, monkeypatch, mode):
    monkeypatch.setattr(Photos, "mode", mode)
    (source / "broken.txt").symlink_to(source / "nowhere")
    with pytest.raises(TooManyFailuresError, match="1 of 6 files failed"):
        import_from(source)
    (source / "nowhere.md").write_text("now it is there")
    (source / "broken.txt").unlink()
    assert paths_of(import_from(source)) == [*ALL, "nowhere.md"]
    assert all((source / path).read_text() == f"this is {path}" for path in ALL)


# When it is imported again


@pytest.fixture
def n_imported(monkeypatch) -> list[int]:
    """Hold the number of files that each build imported."""
    counts: list[int] = []
    original = FileStage.build

    def build(self, staging):
        counts.append(sum(len(batch) for batch in self.rows().batches()))
        original(self, staging)

    monkeypatch.setattr(FileStage, "build", build)
    return counts


def add_file(source):
    make_files(source, "cats/new.txt")


def change_file(source):
    (source / "a.txt").write_text("changed")


def touch_file(source):
    os.utime(source / "a.txt", ns=(1, 1))


def remove_file(source):
    (source / "b.txt").unlink()


def rename_file(source):
    (source / "b.txt").rename(source / "c.txt")


@pytest.mark.parametrize("change", [add_file, change_file, touch_file, remove_file, rename_file])
def test_a_changed_folder_is_imported_again(source, n_imported, change):
    import_from(source)
    change(source)
    task = import_from(source)
    assert len(n_imported) == 2
    present = sorted(str(path.relative_to(source)) for path in source.rglob("*") if path.is_file())
    assert sorted(paths_of(task)) == present
    assert all((task.output().folder / path).read_text() == (source / path).read_text() for path in present)


def test_an_unchanged_folder_is_not_imported_again(source, n_imported):
    for _ in range(3):
        import_from(source)
    assert n_imported == [5]


def test_files_that_no_pattern_wants_may_change(source, n_imported, monkeypatch):
    monkeypatch.setattr(Photos, "patterns", ("*.txt",))
    import_from(source)
    make_files(source, "notes.md", ".hidden")
    import_from(source)
    assert n_imported == [4]


def test_the_same_folder_in_another_place_is_not_imported_again(source, n_imported):
    import_from(source)
    moved = source.rename(source.parent / "moved")
    import_from(moved, source.parent / "data")
    assert n_imported == [5]


@pytest.mark.parametrize("makes_file", [True, False])
def test_a_folder_that_does_not_exist_is_told_with_the_cure(tmp_path, monkeypatch, makes_file):
    monkeypatch.chdir(tmp_path)
    if makes_file:
        Path("photos").write_text("no folder")
    found = "is a file" if makes_file else "does not exist"
    with pytest.raises(
        SettingsError,
        match=rf"the folder 'photos' to import {found} \(looked in .*\): set Photos\.folder to the folder that holds",
    ):
        import_from(Path("photos"), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_folder_that_goes_after_the_import_leaves_it_complete(source, n_imported, caplog):
    caplog.set_level(logging.WARNING, "luigi-interface.tintype")
    task = import_from(source)
    shutil.rmtree(source)
    assert import_from(source).complete()
    assert n_imported == [5]
    assert "is not there (any more)" in caplog.text
    assert task.output().verify(deep=True).ok


# Files that vanish, and links to nothing


def remove_after_listing(source, monkeypatch):
    original = Photos.rows

    def rows(self):
        rows = original(self)
        (source / "b.txt").unlink()
        return rows

    monkeypatch.setattr(Photos, "rows", rows)


def test_a_file_that_vanishes_between_listing_and_reading_is_named(source, monkeypatch):
    remove_after_listing(source, monkeypatch)
    with pytest.raises(TooManyFailuresError, match=r"1 of 5 files failed.*First: b\.txt: FileNotFoundError: .*b\.txt"):
        import_from(source)
    monkeypatch.undo()
    assert paths_of(import_from(source)) == [path for path in ALL if path != "b.txt"]


def test_a_file_that_vanishes_is_a_row_where_that_is_allowed_and_the_next_run_looks_again(source, monkeypatch):
    monkeypatch.setattr(Photos, "max_failure_rate", 0.5)
    remove_after_listing(source, monkeypatch)
    task = Photos(base_dir=str(source.parent / "data"), folder=str(source))
    task.run()
    assert [row["status"] for row in rows_of(task)].count("failed") == 1
    assert task.output().verify().ok
    assert not task.complete()


def test_the_folder_is_listed_once_a_run_so_that_what_is_built_is_what_was_decided(source, monkeypatch):
    n_listings = []
    original = import_folder.walk_sorted

    def walk(*arguments, **options):
        n_listings.append(1)
        return original(*arguments, **options)

    monkeypatch.setattr(import_folder, "walk_sorted", walk)
    Photos(base_dir=str(source.parent / "data"), folder=str(source)).run()
    assert len(n_listings) == 1


def test_a_folder_that_vanishes_while_it_is_walked_is_no_error(source, monkeypatch):
    original = os.scandir

    def scandir(path):
        entries = original(path)
        if not isinstance(path, int) and Path(path) == source:
            monkeypatch.undo()
            shutil.rmtree(source / "dogs", ignore_errors=True)
            monkeypatch.setattr(os, "scandir", scandir)
        return entries

    monkeypatch.setattr(os, "scandir", scandir)
    task = Photos(base_dir=str(source.parent / "data"), folder=str(source))
    task.run()
    assert paths_of(task) == ALL[:-1]


def test_a_broken_link_is_a_failed_file_with_its_name(source):
    (source / "broken.txt").symlink_to(source / "nowhere.txt")
    with pytest.raises(TooManyFailuresError, match=r"First: broken\.txt: FileNotFoundError"):
        import_from(source)


def test_a_link_that_was_mended_is_imported(source, monkeypatch, n_imported):
    monkeypatch.setattr(Photos, "max_failure_rate", 1.0)
    (source / "link.txt").symlink_to(source.parent / "elsewhere.txt")
    assert "link.txt" not in paths_of(import_from(source))
    (source.parent / "elsewhere.txt").write_text("mended")
    assert "link.txt" in paths_of(import_from(source))
    assert n_imported == [6, 6]


# Names


@pytest.mark.parametrize("mode", ["copy", "hardlink", "symlink"])
@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_come_in_as_they_are(tmp_path, monkeypatch, mode, name):
    monkeypatch.setattr(Photos, "mode", mode)
    make_files(tmp_path / "source", f"{name} folder/{name}")
    task = import_from(tmp_path / "source")
    assert [(row["inpath"], row["outpath"], row["label"]) for row in rows_of(task)] == [
        (f"{name} folder/{name}", f"{name} folder/{name}", f"{name} folder")
    ]
    assert task.output().verify(deep=True).ok
    assert import_from(tmp_path / "source").complete()


def test_a_name_that_is_not_utf_8_is_a_failed_file_with_the_cure(source, monkeypatch):
    monkeypatch.setattr(Photos, "max_failure_rate", 0.5)
    folder = os.fsencode(source) + b"/caf\xe9"
    os.mkdir(folder)
    with open(folder + b"/gar\xe7on.txt", "wb") as file:
        file.write(b"latin 1")
    task = import_from(source)
    failed = [row for row in rows_of(task) if row["status"] == "failed"]
    assert [row["inpath"] for row in failed] == [r"caf\xe9/gar\xe7on.txt"]
    assert "holds bytes that are not UTF-8: rename it" in failed[0]["error"]
    assert failed[0]["label"] == r"caf\xe9"
    assert paths_of(task) == ALL
    assert import_from(source).complete()


def test_the_folder_itself_may_have_a_name_that_is_not_utf_8(tmp_path):
    folder = make_files(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")), "a.txt")
    task = import_from(folder, tmp_path / "data")
    assert paths_of(task) == ["a.txt"]


def test_names_that_a_directory_keeps_for_itself_are_failed_files(source, monkeypatch):
    monkeypatch.setattr(Photos, "max_failure_rate", 0.5)
    make_files(source, "_stamp.json", "_manifest.parquet", "cats/_stamp.json")
    task = import_from(source)
    assert [row["inpath"] for row in rows_of(task) if row["status"] == "failed"] == ["_manifest.parquet", "_stamp.json"]
    assert "cats/_stamp.json" in paths_of(task)
    assert task.complete()


def test_two_names_that_differ_in_case_only_are_two_files(tmp_path):
    assert paths_of(import_from(make_files(tmp_path / "source", "A.txt", "a.txt"))) == ["A.txt", "a.txt"]


# How much work it is


def test_asking_whether_it_is_complete_reads_no_file(source, monkeypatch):
    task = import_from(source)
    monkeypatch.setattr(Failures, "count", lambda *_: pytest.fail("worked on files"))
    original = open

    def open_stamp(path, *arguments, **options):
        assert Path(path).name == "_stamp.json"
        return original(path, *arguments, **options)

    monkeypatch.setattr("builtins.open", open_stamp)
    assert task.complete()


def test_a_listing_counts_for_as_long_as_it_took(monkeypatch):
    times = iter([0.0, 2.0, 3.9, 4.0, 4.0, 4.5, 4.6])
    monkeypatch.setattr(import_folder, "monotonic", lambda: next(times))
    digests = iter(["first", "second", "third"])
    recent = import_folder.RecentDigests()
    assert recent.find("a", lambda: next(digests)) == "first"  # made from 0 to 2
    assert recent.find("a", lambda: next(digests)) == "first"  # at 3.9
    assert recent.find("a", lambda: next(digests)) == "second"  # made from 4 to 4: of no duration
    assert recent.find("a", lambda: next(digests)) == "third"  # at 4.5
