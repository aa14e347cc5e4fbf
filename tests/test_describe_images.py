"""Behaviour of tintype.processed.DescribeImages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from luigi.configuration import get_config
from luigi.util import requires
from PIL import Image

from tintype import interim, ops, processed, raw
from tintype.errors import ManifestError, TooManyFailuresError
from tintype.load_funcs import load_image
from tintype.tasks.graph import upstream_first

COLUMNS = ["path", "label", "width", "height", "n_channels", "mean_brightness", "sharpness"]


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(significant=False)


@requires(Photos)
class Description(processed.DescribeImages):
    pass


def build(folder: Path, cls: type = Description) -> Any:
    task = cls(base_dir=str(folder.parent / "data"), folder=str(folder))
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return task


def read_tables(task: luigi.Task) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = task.output().folder
    csv = pd.read_csv(folder / "description.csv", keep_default_na=False, na_values=[""], dtype={"label": str})
    return pd.read_parquet(folder / "description.parquet"), csv


@pytest.fixture
def source(photographs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(photographs, tmp_path / "source"))


def test_there_is_one_row_an_image_and_both_tables_are_equal(source):
    task = build(source)
    parquet, csv = read_tables(task)
    assert list(parquet.columns) == list(csv.columns) == COLUMNS
    assert list(parquet["path"]) == sorted(str(path.relative_to(source)) for path in source.rglob("*.*"))
    pd.testing.assert_frame_equal(parquet, csv, check_dtype=False, check_exact=True)
    assert task.output().verify(deep=True).ok


def test_a_row_says_what_the_image_is(source):
    parquet, _ = read_tables(build(source))
    for row in parquet.to_dict("records"):
        image = load_image(source / row["path"])
        assert (row["height"], row["width"]) == image.shape[:2]
        assert row["n_channels"] == (1 if image.ndim == 2 else image.shape[2])
        assert row["mean_brightness"] == ops.mean_brightness(image)
        assert row["sharpness"] == ops.sharpness(image)
        assert row["label"] == Path(row["path"]).parent.name


def test_the_manifest_has_the_same_columns_and_names_both_tables(source):
    task = build(source)
    frame = task.output().manifest().to_pandas()
    assert list(frame["outpath"].dropna()) == ["description.parquet", "description.csv"]
    assert (frame["status"] == "recorded").sum() == 8
    assert set(COLUMNS[1:]) <= set(frame.columns)


@pytest.mark.parametrize("n_images", [0, 1])
def test_none_or_one_image_has_the_same_columns(tmp_path, n_images):
    (tmp_path / "source").mkdir()
    for number in range(n_images):
        Image.new("L", (3, 2), 255).save(tmp_path / "source" / f"{number}.png")
    task = build(tmp_path / "source")
    parquet, csv = read_tables(task)
    assert list(parquet.columns) == list(csv.columns) == COLUMNS
    assert len(parquet) == len(csv) == n_images
    types = {"path": "string", "width": "int64", "sharpness": "double"}
    schema = pq.read_schema(task.output().folder / "description.parquet")
    assert {name: str(schema.field(name).type) for name in types} == types


def test_gray_colour_and_transparency_have_one_three_and_four_channels(tmp_path):
    (tmp_path / "source").mkdir()
    for mode in ("L", "RGB", "RGBA"):
        Image.new(mode, (3, 2)).save(tmp_path / "source" / f"{mode}.png")
    parquet, _ = read_tables(build(tmp_path / "source"))
    assert dict(zip(parquet["path"], parquet["n_channels"], strict=True)) == {"L.png": 1, "RGB.png": 3, "RGBA.png": 4}


def test_a_bad_image_stops_it_by_default(source):
    (source / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(TooManyFailuresError, match=r"1 of 9 files failed.*First: bad\.jpg: ImageError"):
        build(source)


def test_a_bad_image_is_left_out_of_the_tables_where_that_is_allowed(source, monkeypatch):
    monkeypatch.setattr(Description, "max_failure_rate", 0.2)
    (source / "bad.jpg").write_bytes(b"no image")
    task = build(source)
    parquet, csv = read_tables(task)
    assert len(parquet) == len(csv) == 8
    assert not parquet["path"].eq("bad.jpg").any()
    assert (task.output().manifest().to_pandas()["status"] == "failed").sum() == 1
    assert task.complete()


def test_what_is_allowed_to_fail_is_a_share_of_the_images_not_of_all_rows(tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a", "b"):
        Image.new("L", (3, 2)).save(source / f"{name}.png")
    for name in ("c", "d"):
        (source / f"{name}.png").write_bytes(b"no image")
    monkeypatch.setattr(Description, "max_failure_rate", 0.5)
    task = build(source)
    assert task.complete()
    monkeypatch.setattr(Description, "max_failure_rate", 0.4)
    assert not task.complete()


@pytest.mark.parametrize("name", ['quo"ted', "comma, space", "two\nlines", "Größe", "semi;colon", "NA", "007"])
def test_odd_names_and_labels_read_back_from_both(tmp_path, name):
    folder = tmp_path / "source" / name
    folder.mkdir(parents=True)
    Image.new("L", (3, 2)).save(folder / f"{name}.png")
    for table in read_tables(build(tmp_path / "source")):
        assert table[["path", "label"]].to_numpy().tolist() == [[f"{name}/{name}.png", name]]


def test_a_missing_label_is_empty_in_both(tmp_path):
    (tmp_path / "source").mkdir()
    Image.new("L", (3, 2)).save(tmp_path / "source" / "top.png")
    for table in read_tables(build(tmp_path / "source")):
        assert table["label"].isna().all()


def test_it_describes_what_the_stage_above_made(source):
    @requires(Photos)
    class Small(interim.ResizeImages):
        max_side = luigi.OptionalIntParameter(default=16)

    @requires(Small)
    class OfSmall(processed.DescribeImages):
        pass

    parquet, _ = read_tables(build(source, OfSmall))
    assert (parquet[["width", "height"]].max(axis=1) == 16).all()
    assert set(parquet["label"]) == {"cats", "people", "space", "things"}


def test_a_carried_column_of_the_name_of_one_of_its_own_is_refused_before_any_work_is_done(source):
    class WithPath(Photos):
        carried_columns = {"path": str}

    @requires(WithPath)
    class OfPath(processed.DescribeImages):
        def pipeline(self):
            pytest.fail("worked")

    with pytest.raises(ManifestError, match=r"the column 'path' .*: carry it under another name"):
        build(source, OfPath)


def test_brightness_and_sharpness_mean_what_they_say(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    checks = np.indices((16, 16)).sum(axis=0) % 2 * 255
    for name, pixels in {"black": np.zeros((16, 16)), "white": np.full((16, 16), 255), "checks": checks}.items():
        Image.fromarray(pixels.astype(np.uint8)).save(source / f"{name}.png")
    parquet, _ = read_tables(build(source))
    table = parquet.set_index("path")
    assert list(table["mean_brightness"].sort_values().index) == ["black.png", "checks.png", "white.png"]
    assert list(table["sharpness"].sort_values().index)[-1] == "checks.png"
