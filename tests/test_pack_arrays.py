"""Behaviour of tintype.processed.PackArrays."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pandas as pd
import pytest
from luigi.configuration import get_config
from luigi.util import requires
from PIL import Image

from tintype import processed, raw
from tintype.errors import FileError, ManifestError, SettingsError
from tintype.load_funcs import load_array, load_image
from tintype.targets import DirectoryTarget
from tintype.tasks import progress
from tintype.tasks.graph import upstream_first


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(significant=False)


@requires(Photos)
class Arrays(processed.PackArrays):
    pass


@requires(Photos)
class Split(processed.SplitDataset):
    parts = {"train": 0.75, "valid": 0.25}
    method = "exact"


@requires(Split)
class SplitArrays(processed.PackArrays):
    pass


def build(source: Path, base_dir: Path | None = None, cls: Any = Arrays, **parameters: Any) -> Any:
    task = cls(base_dir=str(base_dir or source.parent / "data"), folder=str(source), **parameters)
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return task


def make_images(folder: Path, n_images: int, size: tuple[int, int] = (6, 4)) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(n_images):
        path = folder / ("cats" if number % 3 else "dogs") / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", size, (number, 255 - number, 7)).save(path)
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_images(tmp_path / "source", 8)


def read_all(folder: Path, name: str) -> tuple[Any, pd.DataFrame, Any]:
    return (
        np.load(folder / f"{name}.npy", mmap_mode="r"),
        pd.read_parquet(folder / f"{name}.parquet"),
        np.load(folder / f"{name}_labels.npy"),
    )


def test_row_i_of_each_file_is_of_image_i(source):
    task = build(source)
    array, rows, labels = read_all(task.output().folder, "arrays")
    classes = json.loads((task.output().folder / "classes.json").read_text())
    assert isinstance(array, np.memmap)
    assert (array.shape, array.dtype) == ((8, 4, 6, 3), np.uint8)
    assert classes == ["cats", "dogs"]
    assert len(rows) == len(labels) == 8
    for image, row, label in zip(array, rows.to_dict("records"), labels, strict=True):
        np.testing.assert_array_equal(image, load_image(source / row["outpath"]))
        assert classes[label] == row["label"] == Path(row["outpath"]).parent.name
    assert task.output().verify(deep=True).ok


def test_a_split_gives_an_array_of_each_part_with_one_list_of_classes(source):
    task = build(source, cls=SplitArrays)
    folder = task.output().folder
    classes = json.loads((folder / "classes.json").read_text())
    n_images = {}
    for part in ("train", "valid"):
        array, rows, labels = read_all(folder, part)
        n_images[part] = len(array)
        assert set(rows["part"]) == {part}
        assert [classes[label] for label in labels] == list(rows["label"])
        for image, outpath in zip(array, rows["outpath"], strict=True):
            label, name = Path(outpath).parts[1:]
            np.testing.assert_array_equal(image, load_image(source / label / name))
    assert n_images == {"train": 6, "valid": 2}
    assert {path.name for path in folder.iterdir() if path.suffix == ".npy"} == {
        f"{part}{ending}.npy" for part in n_images for ending in ("", "_labels")
    }


def test_equal_images_give_equal_bytes_with_any_number_of_threads(source, tmp_path):
    one, four = (build(source, tmp_path / str(n_jobs), n_jobs=n_jobs) for n_jobs in (1, 4))
    for path in one.output().files():
        assert path.read_bytes() == (four.output().folder / path.name).read_bytes()
    assert one.output().stamp().digest == four.output().stamp().digest


def test_an_image_of_another_shape_is_named_with_both_shapes_and_the_cure(source):
    Image.new("RGB", (5, 5)).save(source / "cats" / "odd.png")
    message = r"^cats/odd.png: it has shape \(5, 5, 3\), and the array is made for \(4, 6, 3\): .*interim.ResizeImages"
    with pytest.raises(FileError, match=message):
        build(source)
    assert not (source.parent / "data" / "processed" / "Arrays").exists()


def test_a_shape_that_is_asked_for_is_held_to(source):
    class Square(Arrays):
        shape = (4, 4, 3)

    with pytest.raises(
        FileError, match=r"^cats/1.png: it has shape \(4, 6, 3\), and the array is made for \(4, 4, 3\)"
    ):
        build(source, cls=Square, n_jobs=1)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_file_that_is_no_image_is_named(source, is_first):
    (source / "cats" / ("0.png" if is_first else "z.png")).write_bytes(b"nothing")
    with pytest.raises(FileError, match=r"^cats/(0|z).png: ImageError: "):
        build(source)


def test_of_no_images_there_is_an_empty_array_of_the_shape_that_is_asked_for(tmp_path):
    class Shaped(Arrays):
        shape = (4, 6, 3)

    task = build(make_images(tmp_path / "source", 0), cls=Shaped)
    array, rows, labels = read_all(task.output().folder, "arrays")
    assert (array.shape, len(rows), len(labels)) == ((0, 4, 6, 3), 0, 0)


def test_of_no_images_no_shape_can_be_taken(tmp_path):
    with pytest.raises(SettingsError, match=r"Arrays has no images above .*: set shape, such as \(224, 224, 3\)"):
        build(make_images(tmp_path / "source", 0))


def test_one_image_is_an_array_of_one(tmp_path):
    task = build(make_images(tmp_path / "source", 1))
    assert read_all(task.output().folder, "arrays")[0].shape == (1, 4, 6, 3)


def test_arrays_and_other_dtypes_are_packed_by_a_load_function_of_ones_own(tmp_path):
    class OfArrays(Arrays):
        dtype = "float32"

        def load_func(self):
            return load_array

    values = np.random.default_rng(0).random((3, 2, 5), np.float32)
    (tmp_path / "source" / "noise").mkdir(parents=True)
    for number, value in enumerate(values):
        np.save(tmp_path / "source" / "noise" / f"{number}.npy", value)
    task = build(tmp_path / "source", cls=OfArrays)
    array = np.load(task.output().folder / "arrays.npy")
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, values)


def test_a_file_without_a_label_is_refused_and_no_labels_may_be_asked_for(tmp_path):
    class Unlabelled(Arrays):
        label_column = None

    source = make_images(tmp_path / "source", 3)
    Image.new("RGB", (6, 4)).save(source / "top.png")
    with pytest.raises(ManifestError, match=r"^top.png has no label, its 'label' is empty: give each file a label"):
        build(source)
    folder = build(source, cls=Unlabelled).output().folder
    assert {path.name for path in folder.iterdir() if not path.name.startswith("_")} == {"arrays.npy", "arrays.parquet"}


def test_numbers_are_labels_as_they_are(source):
    class BySize(Arrays):
        label_column = "size_bytes"

    task = build(source, cls=BySize)
    _, rows, labels = read_all(task.output().folder, "arrays")
    assert labels.dtype == np.int64
    assert list(labels) == [(source / outpath).stat().st_size for outpath in rows["outpath"]]
    assert not (task.output().folder / "classes.json").exists()


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"label_column": "breed"}, r"has no column 'breed' to take labels from: name one of inpath, "),
        ({"label_column": "time_finished"}, r"'time_finished' holds timestamp.*, and labels are text or numbers"),
        ({"part_column": "fold"}, r"there is no column 'fold' that says which part"),
    ],
)
def test_columns_that_are_no_labels_or_parts_are_refused(source, attributes, message):
    with pytest.raises(ManifestError, match=message):
        build(source, cls=type("Odd", (Arrays,), attributes))


def test_a_part_that_a_stopped_build_has_finished_is_not_loaded_again(source, tmp_path, monkeypatch):
    whole = build(source, tmp_path / "whole", cls=SplitArrays)
    loaded: list[Any] = []
    load_arrays = DirectoryTarget.load_arrays

    def stop_at_the_second(self: DirectoryTarget, *args: Any, **kwargs: Any) -> Any:
        loaded.append(kwargs["out"].name)
        if len(loaded) == 2:
            raise KeyboardInterrupt("stopped")
        return load_arrays(self, *args, **kwargs)

    monkeypatch.setattr(DirectoryTarget, "load_arrays", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt, match="stopped"):
        build(source, cls=SplitArrays)
    task = build(source, cls=SplitArrays)
    assert loaded == ["train.npy", "valid.npy", "valid.npy"]
    for path in whole.output().files():
        assert path.read_bytes() == (task.output().folder / path.name).read_bytes()


def test_memory_holds_no_array_of_all_images(source, monkeypatch):
    """What is filled is the file: load_arrays is given its path, and no array."""
    outs: list[Any] = []
    load_arrays = DirectoryTarget.load_arrays

    def note(self: DirectoryTarget, *args: Any, **kwargs: Any) -> Any:
        outs.append(kwargs["out"])
        return load_arrays(self, *args, **kwargs)

    monkeypatch.setattr(DirectoryTarget, "load_arrays", note)
    build(source)
    assert [type(out).__name__ for out in outs] == ["PosixPath"]


def test_luigi_is_told_how_many_images_are_packed_those_of_an_earlier_run_too(source, monkeypatch):
    monkeypatch.setattr(progress, "LUIGI_SECONDS", 0.0)
    load_arrays = DirectoryTarget.load_arrays

    def stop_at_valid(self: DirectoryTarget, *args: Any, **kwargs: Any) -> Any:
        if kwargs["out"].name == "valid.npy":
            raise KeyboardInterrupt("stopped")
        return load_arrays(self, *args, **kwargs)

    def build_and_listen(cls: Any = SplitArrays) -> list[tuple[str, Any]]:
        task = cls(base_dir=str(source.parent / "data"), folder=str(source), n_jobs=1)
        told: list[tuple[str, Any]] = []
        task.set_progress_percentage = lambda percentage: told.append(("percentage", percentage))
        task.set_status_message = lambda message: told.append(("message", message))
        with suppress(KeyboardInterrupt):
            task.run()
        return told

    build(source, cls=Split)
    with monkeypatch.context() as patch:
        patch.setattr(DirectoryTarget, "load_arrays", stop_at_valid)
        percentages = [value for kind, value in build_and_listen() if kind == "percentage"]
    assert percentages == sorted(percentages)
    assert percentages[0] < 75 == percentages[-1]
    told = build_and_listen()
    assert told[0] == ("percentage", 75)
    assert told[-2] == ("percentage", 100)
    assert told[-1][1].startswith("8 of 8 files")
