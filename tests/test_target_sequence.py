"""Behaviour of DirectoryTarget.sequence(): the files of a published directory, loaded when they are asked for."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from luigi.configuration import get_config
from luigi.util import requires
from PIL import Image

from tintype import DirectoryTarget, interim, ops, raw
from tintype.errors import EvaluationError, ImageError, ManifestError, SettingsError
from tintype.load_funcs import load_bytes, load_file, load_image
from tintype.manifest import Manifest
from tintype.manifest.held_file import HeldFile
from tintype.manifest.schema import columns_schema
from tintype.recipe import Recipe
from tintype.sequences import smap
from tintype.targets import Staging
from tintype.tasks.graph import upstream_first
from tintype.tasks.result_columns import added_batches
from tintype.write_funcs import write_array

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
indexes = st.none() | st.integers(-12, 12)


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(significant=False)


@requires(Photos)
class Small(interim.ImageStage):
    def process(self, image):
        return ops.resize(image, max_side=32)


@requires(Photos)
class Some(interim.ImageStage):
    """Drops the gray images and fails on those of 5 rows."""

    image_format = "png"
    max_failure_rate = 0.9

    def process(self, image):
        if image.shape[0] == 5:
            raise ValueError("five rows")
        return None if image.ndim == 2 else image


class Given(raw.GivenFolder):
    folder: str = luigi.Parameter(significant=False)


def build(cls: type, folder: Path) -> Any:
    task = cls(base_dir=str(folder.parent / "data"), folder=str(folder))
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return task.output()


def write_images(folder: Path, shapes: list[tuple[int, ...]]) -> Path:
    """Write an image of each shape, ``00.png`` and so on, whose pixels are all its number."""
    folder.mkdir()
    for number, shape in enumerate(shapes):
        Image.fromarray(np.full(shape, number, np.uint8)).save(folder / f"{number:02d}.png")
    return folder


def fill(path: Path, files: dict[str, bytes]) -> DirectoryTarget:
    """Publish files by their relative paths."""
    with Staging(path, Recipe("Letters", "1", parameters={"names": str(list(files))})) as staging:
        for outpath, data in files.items():
            (staging.files / outpath).parent.mkdir(parents=True, exist_ok=True)
            (staging.files / outpath).write_bytes(data)
            staging.add(outpath)
        schema = columns_schema({})
        staging.publish(added_batches(staging.added, schema), schema, durable=False)
    return DirectoryTarget(path)


@pytest.fixture
def letters(tmp_path):
    """Return a target of ten files, ``folder/0`` to ``folder/9``, that hold their number."""
    return fill(tmp_path / "Letters", {f"folder/{number}": str(number).encode() for number in range(10)})


# Items


def test_every_photograph_is_an_item_with_its_row(photographs, tmp_path):
    shutil.copytree(photographs, tmp_path / "source")
    target = build(Small, tmp_path / "source")
    files = target.sequence()
    assert len(files) == 8
    for index, path in enumerate(target.files()):
        np.testing.assert_array_equal(files[index], load_image(path))
        assert files.path(index) == path
        assert files.row(index) == target.manifest()[index]
    rows, images = zip(*target.sequence(columns=True), strict=True)
    assert [row["label"] for row in rows] == [
        "cats",
        "people",
        "people",
        "space",
        "space",
        "things",
        "things",
        "things",
    ]
    assert rows == tuple(target.manifest().rows())
    assert all(max(image.shape) == 32 for image in images)


def test_an_item_is_loaded_when_it_is_asked_for_and_no_other(letters):
    loaded = []

    def load(path):
        loaded.append(path)
        return path.name

    files = letters.sequence(load)
    assert len(files) == 10
    assert files.path(3) == letters.folder / "folder" / "3"
    part = files[5:]
    assert loaded == []
    assert (part[1], files[-1], files[np.int64(2)]) == ("6", "9", "2")
    assert [path.name for path in loaded] == ["6", "9", "2"]


@SHARED
@given(st.lists(st.builds(slice, indexes, indexes, indexes.filter(lambda step: step != 0)), min_size=1, max_size=3))
def test_slices_of_slices_are_those_of_a_list(letters, slices):
    part, listed = letters.sequence(load_bytes), [str(number).encode() for number in range(10)]
    for each in slices:
        part, listed = part[each], listed[each]
    assert len(part) == len(listed)
    assert list(part) == listed
    assert [part[index] for index in range(-len(listed), len(listed))] == listed + listed


@pytest.mark.parametrize("index", [10, -11])
def test_an_item_that_is_not_there_is_an_index_error(letters, index):
    files = letters.sequence()
    for ask in (files.__getitem__, files.path, files.row):
        with pytest.raises(IndexError, match=rf"no item {index} in <load_file of files in .*Letters: 10 items>"):
            ask(index)


@pytest.mark.parametrize("n_files", [0, 1])
def test_zero_files_and_one_are_a_sequence_too(tmp_path, n_files):
    target = fill(tmp_path / "Few", dict([("a", b"first")][:n_files]))
    assert list(target.sequence()) == [b"first"][:n_files]
    assert list(target.sequence(where="True")) == [b"first"][:n_files]
    assert len(target.sequence()[:]) == n_files


def test_its_representation_is_short_and_says_where_the_files_are(letters):
    assert repr(letters.sequence(load_bytes)) == f"<load_bytes of files in {letters.folder}: 10 items>"


def test_a_function_over_it_names_the_file(letters):
    with pytest.raises(EvaluationError, match=r"item 3 failed in len for '.*Letters/folder/3'"):
        smap(len, smap(int, letters.sequence(load_bytes)))[3]


# Which files


def test_rows_without_a_file_are_left_out(tmp_path):
    shapes: list[tuple[int, ...]] = [(4, 4), (4, 6, 3), (5, 5, 3), (7, 7, 3), (3, 3), (5, 1, 3), (8, 8, 3)]
    target = build(Some, write_images(tmp_path / "source", shapes))
    assert [row["status"] for row in target.manifest()].count("written") == 3
    files = target.sequence(columns=True)
    assert len(files) == 3
    assert [(row["inpath"], image.shape, int(image[0, 0, 0])) for row, image in files] == [
        ("01.png", (4, 6, 3), 1),
        ("03.png", (7, 7, 3), 3),
        ("06.png", (8, 8, 3), 6),
    ]
    assert [files.row(index)["inpath"] for index in range(-3, 0)] == ["01.png", "03.png", "06.png"]
    assert [path.name for path in target.files()] == [files.path(index).name for index in range(3)]
    assert len(target.sequence(where="status == 'dropped'")) == 0
    of_others = target.sequence(where="inpath > '01.png'")
    assert [of_others.row(index)["inpath"] for index in range(len(of_others))] == ["03.png", "06.png"]


def test_files_are_chosen_by_a_condition_or_by_rows_of_the_manifest(letters):
    assert list(letters.sequence(load_bytes, where="endswith(outpath, '3') or outpath > 'folder/8'")) == [b"3", b"9"]
    chosen = letters.manifest().where("outpath > 'folder/4'").sample(3, seed=1)
    assert [b"folder/" + data for data in letters.sequence(where=chosen)] == [row["outpath"].encode() for row in chosen]
    with pytest.raises(ManifestError, match="there is no column lable"):
        len(letters.sequence(where="lable == 'cat'"))


def test_rows_of_another_directory_are_refused(letters, tmp_path):
    other = fill(tmp_path / "Other", {"a": b"first"})
    with pytest.raises(SettingsError, match=r"are rows of another directory than .*Letters: choose from its own"):
        letters.sequence(where=other.manifest().sample(1))


def test_some_columns_come_with_the_items(photographs, tmp_path):
    shutil.copytree(photographs, tmp_path / "source")
    target = build(Small, tmp_path / "source")
    files = target.sequence(load_bytes, columns=["label", "outpath"], where="label == 'space'")
    assert [row for row, _ in files] == [
        {"label": "space", "outpath": "space/hubble_deep_field.jpg"},
        {"label": "space", "outpath": "space/rocket.jpg"},
    ]
    with pytest.raises(ManifestError, match=r"has no columns \['lable'\]: it has \['inpath'"):
        target.sequence(columns=["lable"])[0]


def test_files_that_lie_elsewhere_are_found_there(tmp_path):
    folder = write_images(tmp_path / "source", [(2, 2), (3, 3)])
    target = build(Given, folder)
    files = target.sequence()
    assert [image.shape for image in files] == [(2, 2), (3, 3)]
    assert files.path(1) == Path(os.path.realpath(folder)) / "01.png"


def test_what_is_not_published_says_so(tmp_path):
    with pytest.raises(ManifestError, match="Letters is not published: build its stage first"):
        DirectoryTarget(tmp_path / "Letters").sequence()


# What is read


def test_the_length_reads_no_row_and_an_item_only_its_own_paths(tmp_path, monkeypatch):
    shapes: list[tuple[int, ...]] = [(2, 2, 3) if number % 3 else (2, 2) for number in range(40)]
    target = build(Some, write_images(tmp_path / "source", shapes))
    path = target.manifest().path
    pq.write_table(pq.read_table(path), path, row_group_size=4)
    read = []
    read_group = HeldFile.read_group

    def note(self, ordinal, columns):
        read.append((ordinal, columns))
        return read_group(self, ordinal, columns)

    monkeypatch.setattr(HeldFile, "read_group", note)
    files = target.sequence()
    assert len(files) == 26
    assert read == []
    assert files[-1][0, 0, 0] == 38
    assert read == [(9, ["outpath"])]
    assert [int(image[0, 0, 0]) for image in files] == [number for number in range(40) if number % 3]
    assert sorted(ordinal for ordinal, _ in read) == list(range(10))


# Errors


def test_a_load_function_that_fails_is_named_with_its_item_and_file(letters):
    def load_number(path):
        return 1 // int(path.read_bytes())

    with pytest.raises(
        EvaluationError,
        match=r"item 0 failed in load_number for '.*Letters/folder/0' \(sequence built at .*test_target_sequence\.py:"
        r"\d+\): ZeroDivisionError: ",
    ) as caught:
        letters.sequence(load_number)[-10]
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(EvaluationError, match=r"item 3 failed in load_number for '.*folder/0'"):
        letters.sequence(load_number)[6::-2][3]
    assert letters.sequence(load_number)[1] == 1


def test_an_image_that_is_damaged_is_named(tmp_path):
    target = fill(tmp_path / "Damaged", {"a.jpg": b"\xff\xd8\xff no more"})
    with pytest.raises(EvaluationError, match=r"item 0 failed in load_file for '.*a\.jpg'.*ImageError") as caught:
        target.sequence()[0]
    assert isinstance(caught.value.__cause__, ImageError)


def test_a_file_that_was_removed_is_named_with_what_to_do(letters):
    files = letters.sequence()
    files.path(4).unlink()
    with pytest.raises(EvaluationError, match=r"item 4 .*FileNotFoundError.* removed .*: tintype verify .*Letters$"):
        files[4]
    assert files[5] == b"5"


def test_a_file_that_a_rebuild_took_away_is_named_with_what_to_do(letters):
    files = letters.sequence()
    assert files[4] == b"4"
    fill(letters.folder, {"a": b"new"})
    with pytest.raises(
        EvaluationError, match=r"item 4 .* was built again since it was opened: make the sequence again"
    ):
        files[4]
    assert list(letters.sequence()) == [b"new"]


def test_an_exit_is_no_failed_item(letters):
    def leave(path):
        raise SystemExit(3)

    with pytest.raises(SystemExit, match="3"):
        letters.sequence(leave)[0]


# Threads and processes


def read_all(files):
    return [files[index] for index in range(len(files))]


@pytest.mark.parametrize("where", [None, "outpath > 'folder/4'"])
def test_it_pickles_before_and_after_it_was_read(letters, where):
    files = letters.sequence(load_bytes, columns=["outpath"], where=where)
    expected = read_all(pickle.loads(pickle.dumps(files)))
    assert len(expected) == 10 if where is None else 5
    assert read_all(files) == expected
    assert read_all(pickle.loads(pickle.dumps(files))) == expected
    assert read_all(pickle.loads(pickle.dumps(files[2:5]))) == expected[2:5]


def test_one_that_travels_says_that_the_directory_was_built_again(letters):
    files = letters.sequence()
    len(files)
    data = pickle.dumps(files)
    fill(letters.folder, {"a": b"new"})
    with pytest.raises(ManifestError, match="was replaced since it was opened"):
        pickle.loads(data)[0]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_worker_processes_read_it(letters, method):
    files = letters.sequence(load_bytes)
    assert files[0] == b"0"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        assert pool.submit(read_all, files).result(60) == read_all(files)


def test_many_threads_read_it(letters):
    files = letters.sequence(load_bytes)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(files.__getitem__, list(range(10)) * 20)) == read_all(files) * 20


# The load function that is used by default


def test_a_file_is_loaded_by_its_extension(photographs, tmp_path):
    shutil.copyfile(photographs / "space" / "rocket.jpg", tmp_path / "rocket.JPG")
    np.testing.assert_array_equal(load_file(tmp_path / "rocket.JPG"), load_image(tmp_path / "rocket.JPG"))
    array = np.arange(6.0).reshape(2, 3)
    write_array(array, tmp_path / "a.npy")
    np.testing.assert_array_equal(load_file(str(tmp_path / "a.npy")), array)


@pytest.mark.parametrize("extension", ["bmp", "gif", "jp2", "jpeg", "pgm", "png", "tif", "tiff", "tga", "webp"])
def test_any_image_that_pillow_decodes_is_an_image(tmp_path, extension):
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(image).save(tmp_path / f"a.{extension}")
    assert load_file(tmp_path / f"a.{extension}").shape[:2] == (8, 8)


@pytest.mark.parametrize("name", ["a.txt", "a", "a.jpg.part", ".png", "a.h5", "a.pdf", "a.mpg", "a.eps", "a.wmf"])
def test_what_is_no_image_is_bytes(tmp_path, name):
    (tmp_path / name).write_bytes(b"anything")
    assert load_file(tmp_path / name) == b"anything"


@pytest.mark.parametrize(("name", "words"), [("a.png", "is no image"), ("a.npy", r"is no \.npy file")])
def test_what_says_that_it_is_an_image_or_array_has_to_be_one(tmp_path, name, words):
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(ImageError, match=words):
        load_file(tmp_path / name)


def test_rows_are_a_manifest_s_own(letters):
    assert isinstance(letters.sequence().paths.manifest, Manifest)
