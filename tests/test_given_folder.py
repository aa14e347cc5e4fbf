"""Behaviour of tintype.raw.GivenFolder: files that are used where they lie."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import luigi
import pytest
from luigi.configuration import get_config
from luigi.util import requires

from tintype import FileStage, Pipeline
from tintype.errors import SettingsError, TooManyFailuresError
from tintype.load_funcs import load_bytes
from tintype.raw import GivenFolder, given_folder
from tintype.tasks.graph import upstream_first
from tintype.write_funcs import write_bytes
from tintype.write_funcs.files import hash_file

FILES = {"cats/1.txt": b"one", "cats/2.txt": b"two", "dogs/deep/3.txt": b"three", "top.txt": b""}


@pytest.fixture(autouse=True)
def place(_clean_luigi: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    get_config().set("tintype", "durable", "false")
    get_config().set("tintype", "progress", "none")
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


class Photos(GivenFolder):
    folder = luigi.Parameter(default="photos")


class Contents(Photos):
    compare = "content"


SHOUTED: list[bytes] = []


def shout(data: bytes) -> bytes:
    SHOUTED.append(data)
    return data.upper()


class ShoutStage(FileStage):
    layer = "interim"

    def pipeline(self):
        return Pipeline(load_bytes, shout, write_bytes)


@requires(Photos)
class Shouts(ShoutStage):
    pass


@requires(Contents)
class ContentShouts(ShoutStage):
    pass


def put(files: dict[str, bytes], top: str = "photos") -> None:
    for name, data in files.items():
        path = Path(top, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    Path(top).mkdir(exist_ok=True)


def build(task: luigi.Task) -> list[bytes]:
    """Build what is not complete; return what was shouted."""
    SHOUTED.clear()
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    assert task.complete()
    return sorted(SHOUTED)


def names(top: str) -> set[str]:
    return {str(path.relative_to(top)) for path in Path(top).rglob("*")}


@pytest.mark.parametrize("stage", [Photos, Contents])
@pytest.mark.parametrize("files", [{}, {"a/1.txt": b"1"}, FILES], ids=["zero", "one", "many"])
def test_a_folder_is_described_and_nothing_is_copied(stage, files):
    put(files)
    before = names("photos")
    build(stage())
    assert names(stage().output().path) == {"_manifest.parquet", "_stamp.json"}
    assert names("photos") == before
    rows = {row["outpath"]: row for row in stage().output().manifest().rows()}
    assert list(rows) == sorted(files)
    for name, data in files.items():
        status = os.stat(f"photos/{name}")
        assert rows[name]["size_bytes"] == len(data)
        assert rows[name]["digest"] == (
            hashlib.sha256(data).hexdigest() if stage is Contents else f"{len(data)} bytes at {status.st_mtime_ns}"
        )
        assert rows[name]["label"] == (name.split("/")[-2] if "/" in name else None)
    target = stage().output()
    assert [path.read_bytes() for path in target.files()] == [files[name] for name in sorted(files)]
    assert [data for _, data in target.read(load_bytes)] == [files[name] for name in sorted(files)]
    assert target.verify(deep=True).ok
    assert not list(Path("data/raw").glob(".*"))


def test_the_next_stage_reads_the_files_where_they_lie():
    put(FILES)
    build(Shouts())
    assert Path("data/interim/Shouts/dogs/deep/3.txt").read_bytes() == b"THREE"
    rows = {row["outpath"]: row for row in Shouts().output().manifest().rows()}
    assert rows["cats/1.txt"]["label"] == "cats"
    assert build(Shouts()) == []


def test_a_changed_file_is_seen_and_a_touched_one_counts_only_in_a_listing():
    put(FILES)
    build(Shouts())
    build(ContentShouts())
    os.utime("photos/cats/1.txt", ns=(5, 5))
    assert not Photos().complete()
    assert build(Shouts()) != []
    assert build(ContentShouts()) == []
    put({"cats/1.txt": b"1!!"})
    assert b"1!!" in build(Shouts())
    assert b"1!!" in build(ContentShouts())


def test_new_and_vanished_files_are_seen():
    put(FILES)
    build(Shouts())
    os.unlink("photos/top.txt")
    put({"new.txt": b"new"})
    build(Shouts())
    assert {str(path.name) for path in Photos().output().files()} == {"1.txt", "2.txt", "3.txt", "new.txt"}


def test_verify_tells_changed_and_missing_files():
    put(FILES)
    build(Photos())
    build(Contents())
    os.unlink("photos/top.txt")
    Path("photos/cats/1.txt").write_bytes(b"longer")
    status = os.stat("photos/cats/2.txt")
    Path("photos/cats/2.txt").write_bytes(b"TWO")
    os.utime("photos/cats/2.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
    put({"not/of/the/manifest.txt": b""})
    quick, listed = Contents().output().verify(), Photos().output().verify(deep=True)
    assert (quick.changed, quick.missing, quick.extra) == (("cats/1.txt",), ("top.txt",), ())
    assert (listed.changed, listed.missing) == (("cats/1.txt",), ("top.txt",))
    assert Contents().output().verify(deep=True).changed == ("cats/1.txt", "cats/2.txt")


def test_without_the_folder_the_stage_is_not_complete_and_says_so():
    put(FILES)
    build(Photos())
    os.rename("photos", "elsewhere")
    with pytest.raises(
        SettingsError, match=r"the folder 'photos' .* does not exist .*: set Photos.folder to the folder"
    ):
        Photos().complete()


def test_patterns_and_hidden_files_are_those_of_an_import(monkeypatch):
    put({**FILES, ".hidden": b"", "a.bin": b""})
    monkeypatch.setattr(Photos, "patterns", ("*.txt",))
    monkeypatch.setattr(Photos, "exclude", ("dogs/*",))
    build(Photos())
    assert [path.name for path in Photos().output().files()] == ["1.txt", "2.txt", "top.txt"]
    assert Photos().output().verify(deep=True).ok


def test_a_file_that_cannot_be_read_is_a_failed_row():
    put(FILES)
    os.symlink("nowhere", "photos/broken.txt")
    with pytest.raises(TooManyFailuresError, match=r"1 of 5 files failed.*broken.txt: FileNotFoundError"):
        Photos().run()
    assert not Path("data/raw/Photos").exists()


def test_a_project_that_is_moved_whole_stays_complete(place, monkeypatch):
    put(FILES)
    build(Shouts())
    moved = place.with_name("moved")
    os.rename(place, moved)
    monkeypatch.chdir(moved)
    assert build(Shouts()) == []
    assert Photos().output().verify(deep=True).ok
    assert Photos().output().files_folder() == moved / "photos"


def test_a_folder_that_is_moved_alone_is_described_again_and_nothing_below_is_rebuilt(place, monkeypatch):
    class Loud(ShoutStage):
        def requires(self):  # luigi.util.requires would make the folder a parameter of this stage too
            return Photos(base_dir=self.base_dir)

    put(FILES)
    monkeypatch.setattr(Photos, "folder", str(place / "photos"))
    build(Loud())
    shutil.move(place / "photos", place / "other")
    monkeypatch.setattr(Photos, "folder", str(place / "other"))
    assert str(Photos().decide()) == "input place changed"
    assert build(Loud()) == []
    assert Photos().output().verify(deep=True).ok


def test_a_data_folder_behind_a_link_works(place):
    put(FILES)
    (place / "disk").mkdir()
    os.symlink("disk", "data")
    build(Shouts())
    assert Photos().output().verify(deep=True).ok


def test_the_given_files_are_left_alone_when_the_stage_is_removed():
    put(FILES)
    build(Photos())
    Photos().output().remove()
    assert not Photos().output().exists()
    assert {name: Path("photos", name).read_bytes() for name in FILES} == FILES


def test_a_way_to_compare_that_there_is_not_is_told(monkeypatch):
    put(FILES)
    monkeypatch.setattr(Photos, "compare", "hash")
    with pytest.raises(SettingsError, match=r"Photos.compare is 'hash': give 'listing' or 'content'"):
        Photos().run()


def test_only_files_of_another_size_or_time_are_read_again(monkeypatch):
    put(FILES)
    build(Contents())
    before = {row["outpath"]: row["digest"] for row in Contents().output().manifest().rows()}
    read = []

    def note_and_hash(path):
        read.append(os.path.relpath(path, "photos"))
        return hash_file(path)

    monkeypatch.setattr(given_folder, "hash_file", note_and_hash)
    put({"cats/2.txt": b"two!", "new.txt": b"new"})
    build(Contents())
    assert sorted(read) == ["cats/2.txt", "new.txt"]
    after = {row["outpath"]: (row["digest"], row["status"]) for row in Contents().output().manifest().rows()}
    assert after["cats/1.txt"] == (before["cats/1.txt"], "reused")
    assert after["cats/2.txt"] == (hashlib.sha256(b"two!").hexdigest(), "written")
    assert Contents().output().verify(deep=True).ok
    assert names(Contents().output().path) == {"_manifest.parquet", "_stamp.json"}
