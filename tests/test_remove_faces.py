"""Behaviour of tintype.interim.RemoveFaces."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
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

LOOKED_AT: list[tuple[int, ...]] = []
"""Shape of each image in which a detector of this module has looked for faces."""


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    LOOKED_AT.clear()
    get_config().set("tintype", "durable", "false")


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(significant=False)


@requires(Photos)
class Faceless(interim.RemoveFaces):
    image_format = "png"


@dataclass(frozen=True)
class TopRows:
    """Finds one face over the whole width, in the given rows of each image that is not square."""

    n_rows: int = 10

    def __call__(self, image):
        LOOKED_AT.append(image.shape)
        return [] if image.shape[0] == image.shape[1] else [(0, 0, self.n_rows, image.shape[1])]


class TopLess(Faceless):
    n_rows = 10

    def detector(self):
        return TopRows(self.n_rows)


def build(folder: Path, cls: type = Faceless, **parameters: Any) -> Any:
    task = cls(base_dir=str(folder.parent / "data"), folder=str(folder), **parameters)
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return task


def rows_of(task: luigi.Task) -> list[dict[str, Any]]:
    return list(task.output().manifest().rows())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder of noise: 40 x 60, 30 x 30, 50 x 20."""
    folder = tmp_path / "source"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, shape in {"a": (40, 60, 3), "b": (30, 30), "c": (50, 20, 3)}.items():
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(folder / f"{name}.png")
    return folder


def test_no_face_is_left_in_a_real_photograph(photographs, tmp_path):
    (tmp_path / "source").mkdir()
    for path in (photographs / "people" / "astronaut.png", photographs / "things" / "coffee.png"):
        shutil.copyfile(path, tmp_path / "source" / path.name)
    task = build(tmp_path / "source")
    assert {row["inpath"]: row["n_faces"] for row in rows_of(task)} == {"astronaut.png": 1, "coffee.png": 0}
    for path in task.output().files():
        assert ops.find_faces(load_image(path)) == []
    np.testing.assert_array_equal(
        load_image(task.output().folder / "astronaut.png"),
        ops.remove_faces(load_image(tmp_path / "source" / "astronaut.png")),
    )


@pytest.mark.parametrize("mode", ["crop", "blur", "pixelate", "mask"])
def test_mode_and_pad_are_those_of_the_op(source, mode):
    task = build(source, TopLess, mode=mode, pad=3)
    for path in task.output().files():
        expected = ops.remove_faces(load_image(source / path.name), mode, pad=3, detector=TopRows())
        np.testing.assert_array_equal(load_image(path), expected)


def test_faces_are_looked_for_once_an_image(source):
    task = build(source, TopLess, pad=0)
    assert sorted(LOOKED_AT) == [(30, 30, 3), (40, 60, 3), (50, 20, 3)]
    assert [row["n_faces"] for row in rows_of(task)] == [1, 0, 1]
    assert load_image(task.output().folder / "a.png").shape == (30, 60, 3)


def test_an_image_that_is_all_face_is_a_failed_row_between_others(source, monkeypatch):
    monkeypatch.setattr(TopLess, "n_rows", 40)
    with pytest.raises(TooManyFailuresError, match=r"1 of 3 files failed.*First: a\.png: ImageError: cannot crop"):
        build(source, TopLess, pad=0)
    monkeypatch.setattr(TopLess, "max_failure_rate", 0.5)
    task = build(source, TopLess, pad=0)
    rows = rows_of(task)
    assert [row["status"] for row in rows] == ["failed", "written", "written"]
    assert rows[0]["n_faces"] == 1
    assert not (task.output().folder / "a.png").exists()


@pytest.mark.parametrize("n_images", [0, 1])
def test_none_or_one_image_will_do(tmp_path, n_images):
    (tmp_path / "source").mkdir()
    for number in range(n_images):
        Image.new("L", (60, 60)).save(tmp_path / "source" / f"{number}.png")
    task = build(tmp_path / "source")
    assert [row["n_faces"] for row in rows_of(task)] == [0] * n_images
    assert task.complete()


def test_the_manifest_is_the_same_for_one_thread_and_four(source):
    manifests = []
    for n_jobs in (1, 4):
        task = build(source, TopLess, pad=0, n_jobs=n_jobs)
        manifests.append([{**row, "seconds": 0, "time_finished": 0} for row in rows_of(task)])
        shutil.rmtree(task.output().folder)
    assert manifests[0] == manifests[1]


class InProcesses(TopLess):
    executor = "processes"


def test_work_may_run_in_processes(source):
    assert [row["n_faces"] for row in rows_of(build(source, InProcesses, pad=0, n_jobs=2))] == [1, 0, 1]


def test_another_detector_or_other_options_of_it_are_a_reason_to_build_again(source, monkeypatch):
    monkeypatch.setattr(TopLess, "triggers", ("parameters",))  # and not because another function returns it
    task = build(source, TopLess, pad=0)
    assert task.complete()
    monkeypatch.setattr(TopLess, "detector", lambda self: TopRows(n_rows=11))
    assert not task.complete()
    assert "detector" in str(task.decide())
    monkeypatch.setattr(TopLess, "detector", lambda self: TopRows())
    assert task.complete()


def find_none(image: Any) -> list[Any]:
    return []


@pytest.mark.parametrize(
    ("detector", "text"),
    [
        (None, "None"),
        (TopRows(3), "TopRows(n_rows=3)"),
        (find_none, f"{__name__}.find_none"),
        (type("Own", (), {"__call__": lambda self, image: []})(), f"{__name__}.Own"),
    ],
    ids=["default", "dataclass", "function", "object"],
)
def test_a_detector_has_the_same_text_in_every_process(detector, text):
    class WithDetector(interim.RemoveFaces):
        def detector(self):
            return detector

        def requires(self):
            return []

    assert WithDetector().recipe().attributes["detector"] == text


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"mode": "hide"}, "TopLess.mode is 'hide': give one of crop, blur, pixelate, mask"),
        ({"pad": -1}, "TopLess.pad is -1: give a whole number of pixels, at least 0"),
    ],
)
def test_a_setting_that_is_none_is_refused_before_any_work_is_done(source, parameters, reason):
    with pytest.raises(SettingsError, match=reason):
        build(source, TopLess, **parameters)
    assert LOOKED_AT == []


def test_the_command_line_gives_mode_and_pad():
    with CmdlineParser.global_instance(["RemoveFaces", "--mode", "blur", "--pad", "3"]) as parser:
        task = parser.get_task_obj()
    assert (task.mode, task.pad) == ("blur", 3)
