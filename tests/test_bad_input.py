"""Bad input gets one clear sentence, with the values and the cure in it, and loses nothing.

A full disk, a read-only base directory and two processes building one stage have tests of their own.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import luigi
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from luigi.configuration import get_config
from luigi.util import requires
from PIL import Image

from tintype import interim, ops, processed, raw
from tintype.errors import (
    CollisionError,
    ManifestError,
    SettingsError,
    StampError,
    StrayDirectoryError,
    TooManyFailuresError,
)
from tintype.manifest.schema import MANIFEST_NAME, STAMP_NAME
from tintype.tasks.graph import upstream_first

N_PHOTOGRAPHS = 8

WORKED: list[str] = []
"""Files that the image stage of this module worked on."""


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(significant=False)


@requires(Photos)
class Small(interim.ImageStage):
    def process(self, image):
        WORKED.append("image")
        return ops.resize(image, max_side=16)


@requires(Small)
class Table(processed.DescribeImages):
    pass


@pytest.fixture(autouse=True)
def _nothing_worked_and_no_fsync(_clean_luigi: None) -> None:
    WORKED.clear()
    get_config().set("tintype", "durable", "false")


class Dataset:
    """Real photographs on their way through three stages."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.base_dir = source.parent / "data"

    def task(self, cls: type[Any]) -> Any:
        return cls(base_dir=str(self.base_dir), folder=str(self.source))

    def build(self, cls: type[Any] = Table) -> Any:
        task = self.task(cls)
        for above in upstream_first(task):
            if not above.complete():
                above.run()
        return task

    def snapshot(self, cls: type[Any]) -> dict[str, bytes]:
        """Return every published file of a stage."""
        folder = self.task(cls).output().folder
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def folder(self, cls: type[Any]) -> Path:
        return Path(self.task(cls).output().path)


@pytest.fixture
def dataset(photographs: Path, tmp_path: Path) -> Dataset:
    return Dataset(Path(shutil.copytree(photographs, tmp_path / "source")))


@pytest.fixture
def published(dataset: Dataset) -> Dataset:
    dataset.build()
    WORKED.clear()
    return dataset


def assert_one_sentence(error: BaseException) -> None:
    words = str(error)
    assert "\n" not in words
    assert "Traceback" not in words
    assert len(words) < 1500


# Images


def write_nothing(path: Path) -> None:
    path.write_bytes(b"")


def write_text(path: Path) -> None:
    path.write_text("<html>404 not found</html>")


def write_half(path: Path) -> None:
    good = path.with_name("good.png")
    Image.effect_noise((64, 64), 50).save(good)
    path.write_bytes(good.read_bytes()[:1000])
    good.unlink()


def write_zeros(path: Path) -> None:
    path.write_bytes(bytes(4096))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (write_text, r"is no image that can be read \(it begins with b'<html>404.*\): fetch it again or leave it out"),
        (write_nothing, r"is empty \(0 bytes\): fetch it again or leave it out"),
        (write_half, r"\(1,000 bytes\) cannot be decoded: .*truncated.*; fetch it again or leave it out"),
        (write_zeros, r"is no image that can be read \(it begins with b'\\x00.*\): fetch it again or leave it out"),
    ],
)
def test_an_image_that_cannot_be_read_is_named_and_the_others_are_kept(published, spoil, reason):
    before = published.snapshot(Small)
    spoil(published.source / "cats" / "bad.png")
    with pytest.raises(
        TooManyFailuresError,
        match=rf"1 of 9 files failed, so .*Small was not published; the finished files are kept\. "
        rf"First: cats/bad\.png: ImageError: .*cats/bad\.png {reason}\. Allow some with max_failure_rate \(now 0\)",
    ) as raised:
        published.build()
    assert_one_sentence(raised.value)
    assert WORKED == []  # all others are taken over from what is published
    assert published.snapshot(Small) == before
    with pytest.raises(TooManyFailuresError, match=r"1 of 9 files failed"):
        published.build()
    assert not WORKED


def test_one_bad_image_does_not_stop_a_stage_that_allows_it(dataset, monkeypatch):
    monkeypatch.setattr(Small, "max_failure_rate", 0.2)
    write_half(dataset.source / "cats" / "bad.png")
    table = dataset.build().output().manifest().to_pandas()
    assert (table["status"] == "recorded").sum() == N_PHOTOGRAPHS


def test_an_image_beyond_the_pixel_limit_says_which_limit_to_raise(dataset):
    get_config().set("tintype", "max_image_pixels", "500000")
    with pytest.raises(
        TooManyFailuresError,
        match=r"of 8 files failed.*First: .*: ImageTooLargeError: .* has [\d,]+ x [\d,]+ = [\d,]+ pixels, and the "
        r"limit is 500,000: leave it out, or raise max_pixels \(for stages: max_image_pixels in \[tintype\]\)",
    ) as raised:
        dataset.build()
    assert_one_sentence(raised.value)
    finished = len(WORKED)
    assert 0 < finished < N_PHOTOGRAPHS

    # The limit is no part of the recipe, so raising it goes on with what was refused.
    WORKED.clear()
    get_config().set("tintype", "max_image_pixels", "50000000")
    assert dataset.build().complete()
    assert len(WORKED) == N_PHOTOGRAPHS - finished


@pytest.mark.parametrize("text", ["0", "many", "1e9"])
def test_a_pixel_limit_that_is_no_number_says_what_would_do(dataset, text):
    get_config().set("tintype", "max_image_pixels", text)
    with pytest.raises(
        SettingsError, match=rf"\[tintype\] max_image_pixels = '{text}' in Luigi's configuration: give a whole number"
    ):
        dataset.build()


@pytest.mark.parametrize("name", ["durable", "progress"])
def test_a_setting_that_is_no_choice_says_what_would_do(dataset, name):
    get_config().set("tintype", name, "sometimes")
    with pytest.raises(
        SettingsError, match=rf"\[tintype\] {name} = 'sometimes' in Luigi's configuration: give one of \w+, \w+"
    ):
        dataset.build()


# Folders and files


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    dataset = Dataset(tmp_path / "nowhere")
    with pytest.raises(
        SettingsError, match=rf"the folder '{tmp_path}/nowhere' to import does not exist .*set Photos\.folder to the"
    ) as raised:
        dataset.build()
    assert_one_sentence(raised.value)
    assert not dataset.base_dir.exists()


def test_a_folder_that_is_gone_loses_nothing(published):
    before = [published.snapshot(cls) for cls in (Photos, Small, Table)]
    shutil.rmtree(published.source)
    assert published.build().complete()
    assert [published.snapshot(cls) for cls in (Photos, Small, Table)] == before


def test_a_file_that_vanishes_between_listing_and_reading_is_named(published, monkeypatch):
    before = published.snapshot(Photos)
    (published.source / "cats" / "new.png").write_bytes(b"new")
    original = Photos.rows

    def rows(self):
        listed = original(self)
        (published.source / "cats" / "new.png").unlink(missing_ok=True)
        return listed

    monkeypatch.setattr(Photos, "rows", rows)
    with pytest.raises(
        TooManyFailuresError, match=r"1 of 9 files failed.*First: cats/new\.png: FileNotFoundError: .*No such file"
    ) as raised:
        published.build()
    assert_one_sentence(raised.value)
    assert published.snapshot(Photos) == before
    # Without it the folder is what it was, so all is well.
    assert published.build().complete()


def test_a_published_file_that_was_deleted_by_hand_is_named_by_the_stage_below(published, monkeypatch):
    before = published.snapshot(Small)
    (published.folder(Photos) / "cats" / "chelsea.png").unlink()
    monkeypatch.setattr(Small, "version", "2")
    with pytest.raises(TooManyFailuresError, match=r"1 of 8 files failed.*First: cats/chelsea\.png: FileNotFoundError"):
        published.build()
    assert published.snapshot(Small) == before


def test_two_inputs_that_differ_only_by_extension_are_both_named(published):
    before = published.snapshot(Small)
    shutil.copyfile(published.source / "cats" / "chelsea.png", published.source / "cats" / "chelsea.jpg")
    with pytest.raises(
        CollisionError,
        match=r"cats/chelsea\.jpg and cats/chelsea\.png would both become cats/chelsea\.jpg: override outpath\(row\)",
    ) as raised:
        published.build()
    assert_one_sentence(raised.value)
    assert not WORKED
    assert published.snapshot(Small) == before


@pytest.mark.parametrize("name", ["two words.png", 'it\'s "so".png', "two\nlines.png", "Größe 日本.png"])
def test_odd_names_go_through_every_stage(published, name):
    shutil.copyfile(published.source / "cats" / "chelsea.png", published.source / "cats" / name)
    task = published.build()
    paths = pq.read_table(task.output().folder / "description.parquet").column("path").to_pylist()
    assert f"cats/{name.removesuffix('.png')}.jpg" in paths


def test_a_bad_file_with_an_odd_name_is_still_one_sentence(published):
    (published.source / "cats" / "two\nlines.png").write_bytes(b"")
    with pytest.raises(TooManyFailuresError, match=r"First: cats/two.*lines\.png: ImageError") as raised:
        published.build()
    assert_one_sentence(raised.value)


def test_a_name_that_is_not_utf_8_is_named_with_the_cure(published):
    before = published.snapshot(Photos)
    with open(bytes(published.source) + b"/caf\xe9.png", "wb") as file:
        file.write(b"x")
    with pytest.raises(
        TooManyFailuresError,
        match=r"1 of 9 files failed.*First: caf\\xe9\.png: SettingsError: .*bytes that are not UTF-8: rename it",
    ) as raised:
        published.build()
    assert_one_sentence(raised.value)
    assert published.snapshot(Photos) == before


# Stamps and manifests


def make_corrupt(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def make_foreign(path: Path) -> None:
    path.write_text('["something else"]')


def make_newer(path: Path) -> None:
    if path.name == STAMP_NAME:
        path.write_text(json.dumps({**json.loads(path.read_text()), "tintype_stamp": 99, "tintype_version": "9.9"}))
        return
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"tintype_manifest": b"99"}), path)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            make_corrupt,
            r"is corrupt \(.*\), so .* cannot be trusted: move the directory away or remove it, and run again",
        ),
        (
            make_empty,
            r"is corrupt \(.*\), so .* cannot be trusted: move the directory away or remove it, and run again",
        ),
        (make_foreign, r"is corrupt \(.*\), so .* cannot be trusted: move the directory away or remove it, and run"),
        (make_newer, r"has stamp format 99 and was written by tintype 9\.9; this one reads up to \d+: upgrade tintype"),
    ],
)
@pytest.mark.parametrize("cls", [Small, Photos], ids=["of the stage", "of the stage above"])
def test_a_stamp_that_cannot_be_read_is_named_with_the_cure(published, spoil, reason, cls):
    stamp = published.folder(cls) / STAMP_NAME
    spoil(stamp)
    before = [published.snapshot(each) for each in (Photos, Small, Table)]
    for ask in (published.task(Small).complete, published.task(Small).run, published.build):
        with pytest.raises(StampError, match=rf"{stamp} {reason}") as raised:
            ask()
        assert_one_sentence(raised.value)
    assert [published.snapshot(each) for each in (Photos, Small, Table)] == before
    assert not WORKED

    shutil.rmtree(stamp.parent)
    assert published.build().complete()


def test_a_directory_that_lost_its_stamp_is_not_built_over(published):
    (published.folder(Small) / STAMP_NAME).unlink()
    before = published.snapshot(Small)
    with pytest.raises(
        StrayDirectoryError,
        match=r"Small is there, but tintype did not make it \(it has no _stamp\.json\): move it away",
    ):
        published.build()
    assert published.snapshot(Small) == before


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (make_corrupt, r"cannot be read \(.*\): remove its directory and build the stage again"),
        (make_empty, r"cannot be read \(.*\): remove its directory and build the stage again"),
        (make_foreign, r"cannot be read \(.*\): remove its directory and build the stage again"),
        (make_newer, r"has manifest format 99, and this tintype reads up to \d+: upgrade tintype"),
        (Path.unlink, r"is missing: build the stage again"),
    ],
)
def test_a_manifest_of_the_stage_above_that_cannot_be_read_is_named_with_the_cure(
    published, monkeypatch, spoil, reason
):
    manifest = published.folder(Photos) / MANIFEST_NAME
    spoil(manifest)
    before = published.snapshot(Small)
    monkeypatch.setattr(Small, "version", "2")
    with pytest.raises(ManifestError, match=rf"{manifest} {reason}") as raised:
        published.build()
    assert_one_sentence(raised.value)
    assert published.snapshot(Small) == before
    assert not WORKED

    # The cure works.
    shutil.rmtree(manifest.parent)
    assert published.build().complete()


def test_a_manifest_of_the_stage_itself_that_cannot_be_read_does_not_stop_its_next_build(published, monkeypatch):
    make_corrupt(published.folder(Small) / MANIFEST_NAME)
    monkeypatch.setattr(Small, "version", "2")
    assert published.build().complete()
    assert published.task(Small).output().verify(deep=True).ok


def test_a_parquet_file_that_is_no_manifest_is_told(published, monkeypatch):
    pq.write_table(pa.table({"x": [1]}), published.folder(Photos) / MANIFEST_NAME)
    monkeypatch.setattr(Small, "version", "2")
    with pytest.raises(ManifestError, match=r"is not a manifest written by tintype.*build the stage again"):
        published.build()
