"""Behaviour of tintype.raw.Concatenate: several raw directories as one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.configuration import get_config

from tintype.errors import CollisionError, ManifestError, SettingsError
from tintype.raw import Concatenate, GivenFolder, ImportFolder, known_files
from tintype.tasks import RecordRows, Stage
from tintype.tasks.graph import upstream_first


@pytest.fixture(autouse=True)
def _place(_clean_luigi: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get_config().set("tintype", "durable", "false")
    get_config().set("tintype", "progress", "none")
    monkeypatch.chdir(tmp_path)
    put("cats", {"a/1.txt": b"cat one", "2.txt": b"cat two"})
    put("dogs", {"a/1.txt": b"dog one"})
    put("none", {})


def put(top: str, files: dict[str, bytes]) -> None:
    Path(top).mkdir(exist_ok=True)
    for name, data in files.items():
        path = Path(top, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class Cats(ImportFolder):
    folder = luigi.Parameter(default="cats")


class Dogs(ImportFolder):
    folder = luigi.Parameter(default="dogs")


class Nobody(ImportFolder):
    folder = luigi.Parameter(default="none")


class GivenDogs(GivenFolder):
    folder = luigi.Parameter(default="dogs")


class Aged(ImportFolder):
    """Its files carry an age and no label."""

    folder = luigi.Parameter(default="dogs")
    age: int | str = 7

    def rows(self):
        return RecordRows(lambda: [{"inpath": "a/1.txt", "age": self.age}], {"age": type(self.age)})


class Pets(Concatenate):
    pieces: list[type[Stage]] = [Cats, Dogs]

    def requires(self):
        return [source(base_dir=self.base_dir) for source in self.pieces]


def build(task: luigi.Task) -> None:
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    assert task.complete()


def rows(task: luigi.Task) -> dict[str, dict[str, Any]]:
    return {row["outpath"]: row for row in task.output().manifest().rows()}


@pytest.mark.parametrize(
    ("sources", "outpaths"),
    [
        ([Nobody], []),
        ([Cats], ["Cats/2.txt", "Cats/a/1.txt"]),
        ([Nobody, Cats, Dogs], ["Cats/2.txt", "Cats/a/1.txt", "Dogs/a/1.txt"]),
    ],
    ids=["zero", "one", "many"],
)
def test_files_of_every_source_go_below_its_name(monkeypatch, sources, outpaths):
    monkeypatch.setattr(Pets, "pieces", sources)
    build(Pets())
    found = rows(Pets())
    assert list(found) == outpaths
    for outpath, row in found.items():
        source, _, path = outpath.partition("/")
        assert (row["source"], row["inpath"]) == (source, outpath)
        assert row["label"] == ("a" if path.startswith("a/") else None)
        upstream = Path("data/raw", source, path)
        assert os.path.samefile(upstream, Path("data/raw/Pets", outpath))
        assert row["input_digest"] == row["digest"]
    assert Pets().output().verify(deep=True).ok


def test_no_bytes_are_read(monkeypatch):
    for source in (Cats, Dogs):
        source().run()
    monkeypatch.setattr(known_files, "copy_file", None)
    monkeypatch.setattr("tintype.pipelines.file_writers.hash_file", None)
    Pets().run()
    assert len(rows(Pets())) == 3


def test_where_no_link_can_be_made_files_are_copied(monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(18, "Invalid cross-device link", source)

    for source in (Cats, Dogs):
        source().run()
    monkeypatch.setattr(os, "link", refuse)
    build(Pets())
    assert not os.path.samefile("data/raw/Cats/2.txt", "data/raw/Pets/Cats/2.txt")
    assert Pets().output().verify(deep=True).ok


def test_paths_can_be_kept(monkeypatch):
    monkeypatch.setattr(Pets, "prefix_paths", False)
    monkeypatch.setattr(Pets, "pieces", [Cats, Nobody])
    build(Pets())
    assert set(rows(Pets())) == {"2.txt", "a/1.txt"}


def test_two_files_with_one_kept_path_are_an_error_that_names_both(monkeypatch):
    monkeypatch.setattr(Pets, "prefix_paths", False)
    with pytest.raises(CollisionError, match=r"Cats/a/1.txt and Dogs/a/1.txt would both become a/1.txt"):
        build(Pets())
    assert not Path("data/raw/Pets").exists()


def test_columns_are_those_of_all_sources_and_null_where_a_source_has_none(monkeypatch):
    monkeypatch.setattr(Pets, "pieces", [Cats, Aged])
    build(Pets())
    found = rows(Pets())
    assert found["Aged/a/1.txt"]["age"] == 7
    assert found["Aged/a/1.txt"]["label"] is None
    assert found["Cats/a/1.txt"]["age"] is None
    assert found["Cats/a/1.txt"]["label"] == "a"


def test_a_column_of_two_types_is_one_error(monkeypatch):
    class Older(Aged):
        age = "old"

    monkeypatch.setattr(Pets, "pieces", [Aged, Older])
    with pytest.raises(ManifestError, match=r"column 'age' is int64 in Aged and string in Older: declare it with one"):
        build(Pets())


def test_a_concatenation_of_concatenations_needs_another_name_for_its_column(monkeypatch):
    class More(Concatenate):
        def requires(self):
            return [Pets(base_dir=self.base_dir), Nobody(base_dir=self.base_dir)]

    with pytest.raises(ManifestError, match="Pets has a column 'source' already: set source_column to another name"):
        build(More())
    monkeypatch.setattr(More, "source_column", "dataset")
    build(More())
    row = rows(More())["Pets/Dogs/a/1.txt"]
    assert (row["dataset"], row["source"]) == ("Pets", "Dogs")


def test_files_from_outside_are_copied(monkeypatch):
    monkeypatch.setattr(Pets, "pieces", [Cats, GivenDogs])
    build(Pets())
    assert not os.path.samefile("dogs/a/1.txt", "data/raw/Pets/GivenDogs/a/1.txt")
    Path("dogs/a/1.txt").write_bytes(b"changed")
    assert Pets().output().verify(deep=True).ok

    class Linked(Dogs):
        mode = "symlink"

    monkeypatch.setattr(Pets, "pieces", [Linked])
    build(Pets())
    assert not Path("data/raw/Pets/Linked/a/1.txt").is_symlink()
    assert not os.path.samefile("dogs/a/1.txt", "data/raw/Pets/Linked/a/1.txt")


def test_a_source_that_changed_has_it_built_again():
    build(Pets())
    put("dogs", {"new.txt": b"new"})
    assert not Pets().complete()
    build(Pets())
    assert "Dogs/new.txt" in rows(Pets())


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        ([], "Pets requires nothing: let it require the stages to bring together"),
        ([Cats, Cats], "data/raw/Cats and data/raw/Cats have one name"),
    ],
)
def test_sources_that_cannot_be_brought_together_are_told(monkeypatch, sources, words):
    monkeypatch.setattr(Pets, "pieces", sources)
    with pytest.raises(SettingsError, match=words):
        build(Pets())


def test_a_source_that_is_no_stage_is_told(monkeypatch):
    class Something(luigi.ExternalTask):
        def output(self):
            return luigi.LocalTarget("cats")

    monkeypatch.setattr(Pets, "requires", lambda self: [Something()])
    with pytest.raises(SettingsError, match=r"Pets requires .*: let it require stages only"):
        Pets().run()


def test_columns_that_count_in_no_digest_keep_their_mark(tmp_path):
    import pyarrow as pa

    from tintype.manifest.schema import is_digested, mark_undigested
    from tintype.raw.concatenate import unite_schemas

    schema = mark_undigested(pa.schema([("label", pa.string()), ("attempts", pa.int64())]), ["attempts"])
    united = unite_schemas({"Cats": schema, "Dogs": pa.schema([("label", pa.string())])}, "source")
    assert {field.name: is_digested(field) for field in united} == {"source": True, "label": True, "attempts": False}
