"""Behaviour of tintype.interim.TrimBackgrounds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pytest
from luigi.cmdline_parser import CmdlineParser
from luigi.configuration import get_config
from luigi.util import requires
from PIL import Image

from tintype import interim, ops, raw
from tintype.errors import SettingsError, TooManyFailuresError
from tintype.load_funcs import load_image
from tintype.tasks.graph import upstream_first


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(significant=False)


@requires(Photos)
class Trimmed(interim.TrimBackgrounds):
    image_format = "png"


def build(folder: Path, cls: type = Trimmed, **parameters: Any) -> Any:
    task = cls(base_dir=str(folder.parent / "data"), folder=str(folder), **parameters)
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return task


def rows_of(task: luigi.Task) -> list[dict[str, Any]]:
    return list(task.output().manifest().rows())


def timeless_rows_of(task: luigi.Task) -> list[dict[str, Any]]:
    return [{**row, "seconds": 0, "time_finished": 0} for row in rows_of(task)]


@pytest.fixture
def source(photographs: Path, tmp_path: Path) -> Path:
    """Return a folder with a real photograph on white, one as it is, and a blank image."""
    folder = tmp_path / "source"
    folder.mkdir()
    with Image.open(photographs / "things" / "coffee.png") as coffee:
        page = Image.new("RGB", (800, 700), "white")
        page.paste(coffee, (100, 150))
        page.save(folder / "page.png")
    shutil.copyfile(photographs / "cats" / "chelsea.png", folder / "chelsea.png")
    Image.new("L", (30, 20), 128).save(folder / "blank.png")
    return folder


def test_what_is_written_is_what_the_op_returns(source):
    task = build(source)
    for path in task.output().files():
        np.testing.assert_array_equal(load_image(path), ops.trim_background(load_image(source / path.name)))
    assert task.output().verify(deep=True).ok


def test_the_share_of_the_image_that_is_left_is_a_column(source):
    shares = {row["inpath"]: row["area_kept"] for row in rows_of(build(source))}
    assert shares["blank.png"] == 1.0
    assert shares["page.png"] == pytest.approx(600 * 400 / (800 * 700), rel=0.05)
    assert 0.5 < shares["chelsea.png"] <= 1.0


def test_the_parameters_are_those_of_the_op(source):
    options: dict[str, Any] = {"initial_variance": 1000.0, "delta_variance": 100.0, "min_area_fraction": 0.4}
    task = build(source, **options)
    page = load_image(task.output().folder / "page.png")
    np.testing.assert_array_equal(page, ops.trim_background(load_image(source / "page.png"), **options))


@pytest.mark.parametrize("n_images", [0, 1])
def test_none_or_one_image_will_do(tmp_path, n_images):
    (tmp_path / "source").mkdir()
    for number in range(n_images):
        Image.new("L", (3, 2)).save(tmp_path / "source" / f"{number}.png")
    task = build(tmp_path / "source")
    assert [row["status"] for row in rows_of(task)] == ["written"] * n_images
    assert task.complete()


def test_a_file_that_is_no_image_is_a_failed_row_between_others(source, monkeypatch):
    (source / "bad.png").write_bytes(b"no image")
    with pytest.raises(TooManyFailuresError, match=r"1 of 4 files failed.*First: bad\.png: ImageError"):
        build(source)
    monkeypatch.setattr(Trimmed, "max_failure_rate", 0.5)
    assert [row["status"] for row in rows_of(build(source))] == ["failed", "written", "written", "written"]


def test_the_manifest_is_the_same_for_one_thread_and_four(source):
    manifests = []
    for n_jobs in (1, 4):
        task = build(source, n_jobs=n_jobs)
        manifests.append(timeless_rows_of(task))
        shutil.rmtree(task.output().folder)
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("initial_variance", -1.0),
        ("initial_variance", float("nan")),
        ("delta_variance", 0.0),
        ("delta_variance", 1e-9),
        ("min_area_fraction", 1.5),
        ("min_area_fraction", -0.1),
    ],
)
def test_a_number_out_of_range_is_refused_before_any_work_is_done(source, monkeypatch, name, value):
    monkeypatch.setattr(interim.TrimBackgrounds, "process", lambda self, image: pytest.fail("worked"))
    with pytest.raises(SettingsError, match=rf"trim_background got .*{name}={value!r}"):
        build(source, **{name: value})


def test_the_command_line_gives_the_parameters():
    arguments = "--initial-variance 100 --delta-variance 10 --min-area-fraction 0.5"
    with CmdlineParser.global_instance(["TrimBackgrounds", *arguments.split()]) as parser:
        task = parser.get_task_obj()
    assert (task.initial_variance, task.delta_variance, task.min_area_fraction) == (100.0, 10.0, 0.5)


def test_a_class_may_fix_them_and_do_more(source):
    @requires(Photos)
    class Thumbnails(interim.TrimBackgrounds):
        min_area_fraction = luigi.FloatParameter(default=0.5)

        def process(self, image):
            trimmed = super().process(image)
            assert trimmed is not None
            return ops.resize(trimmed, max_side=16)

    task = build(source, Thumbnails)
    assert task.output().folder.name == "Thumbnails"
    assert {max(load_image(path).shape[:2]) for path in task.output().files()} == {16}
