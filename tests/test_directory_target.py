"""Behaviour of tintype.targets.directory."""

import os
import shutil
from pathlib import Path

import pytest

from tintype import DirectoryTarget
from tintype.errors import ManifestError, StampError, StrayDirectoryError
from tintype.load_funcs import load_bytes, load_image
from tintype.manifest.schema import MANIFEST_NAME, STAMP_NAME, columns_schema
from tintype.recipe import Recipe
from tintype.targets import Staging, Verification
from tintype.tasks.result_columns import added_batches
from tintype.testing import DirectoryTargetContract

NO_COLUMNS = columns_schema({})


def fill(path, files, *, publish=True):
    with Staging(path, Recipe("Letters", "1", parameters={"names": str(list(files))})) as staging:
        for outpath, data in files.items():
            (staging.files / outpath).parent.mkdir(parents=True, exist_ok=True)
            (staging.files / outpath).write_bytes(data)
            staging.add(outpath)
        if publish:
            staging.publish(added_batches(staging.added, NO_COLUMNS), NO_COLUMNS, durable=False)


class TestLocalDirectoryTarget(DirectoryTargetContract):
    def open_target(self, tmp_path):
        return DirectoryTarget(tmp_path / "interim" / "Letters")

    def fill(self, tmp_path, files, *, publish):
        fill(self.open_target(tmp_path).folder, files, publish=publish)

    def put(self, tmp_path, outpath, data):
        path = self.open_target(tmp_path).folder / outpath
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def take(self, tmp_path, outpath):
        (self.open_target(tmp_path).folder / outpath).unlink()

    def outpath_of(self, tmp_path, place):
        return place.relative_to(self.open_target(tmp_path).folder).as_posix()

    def load(self, place):
        return load_bytes(place)


@pytest.fixture
def target(tmp_path):
    """Return a target that is published: a.txt and b/c.txt."""
    fill(tmp_path / "Letters", {"a.txt": b"first", "b/c.txt": b"second"})
    return DirectoryTarget(tmp_path / "Letters")


@pytest.mark.parametrize("kind", [str, Path])
def test_a_target_is_named_by_its_path(tmp_path, kind):
    target = DirectoryTarget(kind(tmp_path / "Letters"))
    assert target.path == str(target) == f"{tmp_path}/Letters"
    assert target.folder == tmp_path / "Letters"
    assert repr(target) == f"DirectoryTarget('{tmp_path}/Letters')"


def test_targets_of_one_path_are_one_key(tmp_path):
    assert DirectoryTarget(tmp_path) == DirectoryTarget(str(tmp_path))
    assert DirectoryTarget(tmp_path) != DirectoryTarget(tmp_path / "other")
    assert DirectoryTarget(tmp_path) != str(tmp_path)
    assert len({DirectoryTarget(tmp_path), DirectoryTarget(str(tmp_path))}) == 1


def test_asking_makes_nothing(tmp_path):
    target = DirectoryTarget(tmp_path / "data" / "interim" / "Letters")
    assert not target.exists()
    assert target.stamp() is None
    with pytest.raises(ManifestError, match=r"Letters is not published: build its stage first"):
        target.manifest()
    target.remove()
    assert list(tmp_path.iterdir()) == []


def test_neither_an_empty_folder_nor_one_with_files_exists_without_a_stamp(tmp_path):
    assert not DirectoryTarget(tmp_path).exists()
    (tmp_path / "a.txt").write_text("mine")
    assert not DirectoryTarget(tmp_path).exists()


def test_a_file_in_the_place_of_the_directory_is_nothing_published(tmp_path):
    (tmp_path / "Letters").write_text("mine")
    assert not DirectoryTarget(tmp_path / "Letters").exists()


def test_existence_costs_one_small_read_and_no_walk(target):
    shutil.rmtree(target.folder / "b")
    (target.folder / MANIFEST_NAME).unlink()
    assert target.exists()
    assert target.stamp().n_files == 2


def test_the_stamp_says_what_the_directory_adds_up_to(target):
    stamp = target.stamp()
    assert (stamp.n_rows, stamp.n_files, stamp.size_bytes, stamp.n_failed) == (2, 2, 11, 0)
    assert stamp.statuses == {"written": 2}
    assert stamp.recipe.family == "Letters"


def test_a_corrupt_stamp_is_no_missing_directory(target):
    (target.folder / STAMP_NAME).write_text("{")
    with pytest.raises(StampError, match=r"_stamp\.json is corrupt .*cannot be trusted: move the directory away"):
        target.exists()


@pytest.mark.parametrize("read", [len, lambda manifest: list(manifest.rows())], ids=["len", "rows"])
def test_a_published_directory_without_its_manifest_says_so(target, read):
    (target.folder / MANIFEST_NAME).unlink()
    with pytest.raises(ManifestError, match=r"_manifest\.parquet is missing: build the stage again"):
        read(target.manifest())


def test_reading_a_real_photograph(photographs, tmp_path):
    fill(tmp_path / "Cats", {"chelsea.png": (photographs / "cats" / "chelsea.png").read_bytes()})
    ((path, image),) = DirectoryTarget(tmp_path / "Cats").read(load_image)
    assert path == tmp_path / "Cats" / "chelsea.png"
    assert image.shape == (300, 451, 3)


def test_a_load_function_that_fails_does_so_at_its_file(target):
    def load(path):
        if path.name == "c.txt":
            raise ValueError("torn")
        return path.name

    pairs = target.read(load)
    assert next(pairs) == (target.folder / "a.txt", "a.txt")
    with pytest.raises(ValueError, match="torn"):
        next(pairs)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 8])
def test_many_files_are_verified(tmp_path, deep, n_jobs):
    fill(tmp_path / "Many", {f"{n % 7}/{n}.txt": str(n).encode() for n in range(2_000)})
    target = DirectoryTarget(tmp_path / "Many")
    assert target.verify(deep=deep, n_jobs=n_jobs) == Verification(2_000)
    for number in (8, 15, 1999):
        (target.folder / str(number % 7) / f"{number}.txt").unlink()
    (target.folder / "more").mkdir()
    os.link(target.folder / "0" / "0.txt", target.folder / "more" / "0.txt")
    assert target.verify(deep=deep, n_jobs=n_jobs) == Verification(
        2_000, missing=("1/15.txt", "1/8.txt", "4/1999.txt"), extra=("more/0.txt",)
    )


def test_a_folder_in_the_place_of_a_file_is_a_change(target):
    size = os.stat(target.folder / "b").st_size
    fill(target.folder.with_name("Same"), {"a.txt": bytes(size)})
    same = DirectoryTarget(target.folder.with_name("Same"))
    (same.folder / "a.txt").unlink()
    (same.folder / "a.txt").mkdir()
    assert same.verify() == same.verify(deep=True) == Verification(1, changed=("a.txt",))


def test_a_file_in_the_place_of_a_folder_hides_what_was_in_it(target):
    shutil.rmtree(target.folder / "b")
    (target.folder / "b").write_text("now a file")
    assert target.verify() == Verification(2, missing=("b/c.txt",), extra=("b",))


def test_links_are_files_and_those_to_nothing_are_missing(target):
    elsewhere = target.folder.with_name("elsewhere.txt")
    elsewhere.write_bytes(b"first")
    (target.folder / "a.txt").unlink()
    (target.folder / "a.txt").symlink_to(elsewhere)
    assert target.verify(deep=True).ok
    elsewhere.unlink()
    assert target.verify() == Verification(2, missing=("a.txt",))


def test_a_manifest_that_breaks_off_stops_verifying(target):
    content = bytearray((target.folder / MANIFEST_NAME).read_bytes())
    content[4:60] = bytes(56)
    (target.folder / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(ManifestError, match="cannot be read"):
        target.verify()


def test_removing_leaves_nothing_hidden_behind(target):
    target.remove()
    assert list(target.folder.parent.iterdir()) == []


def test_what_tintype_did_not_make_is_not_removed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("mine")
    with pytest.raises(StrayDirectoryError, match=r"mine is there, but tintype did not make it .*: move it away"):
        DirectoryTarget(tmp_path / "mine").remove()
    assert (tmp_path / "mine" / "a.txt").read_text() == "mine"


def test_a_directory_that_is_moved_is_whole_at_its_new_place(target, tmp_path):
    os.rename(target.folder, tmp_path / "Moved")
    assert not target.exists()
    assert DirectoryTarget(tmp_path / "Moved").verify(deep=True) == Verification(2)
