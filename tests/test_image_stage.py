"""Behaviour of tintype.interim.ImageStage and ResizeImages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pytest
from luigi.configuration import get_config
from luigi.util import requires
from PIL import Image

from tintype import interim, ops, raw
from tintype.errors import CollisionError, SettingsError, TooManyFailuresError
from tintype.load_funcs import load_image
from tintype.tasks.graph import upstream_first

EXIF_ORIENTATION = 0x0112


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
class Same(interim.ImageStage):
    image_format = "png"

    def process(self, image):
        return image


@requires(Photos)
class Resized(interim.ResizeImages):
    image_format = "png"


def build(cls: type, folder: Path, **parameters: Any) -> Any:
    task = cls(base_dir=str(folder.parent / "data"), folder=str(folder), **parameters)
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return task


def rows_of(task: luigi.Task) -> list[dict[str, Any]]:
    return list(task.output().manifest().rows())


def load_all(task: luigi.Task) -> dict[str, Any]:
    folder = task.output().folder
    return {str(path.relative_to(folder)): load_image(path) for path in task.output().files()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder of two made images, 40 x 60 and 80 x 20 pixels."""
    folder = tmp_path / "source"
    (folder / "gray").mkdir(parents=True)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8)).save(folder / "colour.png")
    Image.fromarray(rng.integers(0, 256, (80, 20), np.uint8)).save(folder / "gray" / "tall.png")
    return folder


def test_every_photograph_is_processed_and_keeps_its_place_and_label(photographs, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(photographs, source)
    task = build(Small, source)
    assert {(row["inpath"], row["outpath"], row["status"]) for row in rows_of(task)} == {
        (str(path.relative_to(source)), f"{path.relative_to(source).with_suffix('')}.jpg", "written")
        for path in source.rglob("*.*")
    }
    assert {row["label"] for row in rows_of(task)} == {"cats", "people", "space", "things"}
    assert all(max(image.shape[:2]) == 32 for image in load_all(task).values())
    assert task.output().verify(deep=True).ok


def test_an_image_arrives_as_it_is_stored(source):
    images = load_all(build(Same, source))
    assert images["colour.png"].shape == (40, 60, 3)
    assert images["gray/tall.png"].shape == (80, 20)
    for path, image in images.items():
        np.testing.assert_array_equal(image, load_image(source / path))


@pytest.mark.parametrize(
    ("image_format", "extension", "pillow_name"),
    [("jpeg", "jpg", "JPEG"), ("png", "png", "PNG"), ("webp", "webp", "WEBP")],
)
def test_the_format_is_that_of_the_class_whatever_came_in(source, monkeypatch, image_format, extension, pillow_name):
    shutil.copyfile(source / "colour.png", source / "shouting.PNG")
    monkeypatch.setattr(Same, "image_format", image_format)
    task = build(Same, source)
    files = [path.relative_to(task.output().folder) for path in task.output().files()]
    assert [str(path) for path in files] == [f"{n}.{extension}" for n in ("colour", "gray/tall", "shouting")]
    for path in task.output().files():
        with Image.open(path) as image:
            assert image.format == pillow_name


def test_a_format_that_is_none_is_refused_before_any_work_is_done(source, monkeypatch):
    monkeypatch.setattr(Same, "image_format", "jpg")
    monkeypatch.setattr(Same, "process", lambda self, image: pytest.fail("worked"))
    with pytest.raises(SettingsError, match=r"Same\.image_format is 'jpg': give one of jpeg, png, webp"):
        build(Same, source)


@pytest.mark.parametrize("quality", [0, 101, 9.5, "high"])
def test_a_quality_that_is_none_is_refused_before_any_work_is_done(source, monkeypatch, quality):
    monkeypatch.setattr(Small, "quality", quality)
    monkeypatch.setattr(Small, "process", lambda self, image: pytest.fail("worked"))
    with pytest.raises(SettingsError, match=rf"Small\.quality is {quality!r}: give a whole number from 1 to 100"):
        build(Small, source)


def test_a_lower_quality_makes_smaller_files_and_is_a_reason_to_build_again(source, monkeypatch):
    sizes = {}
    for quality in (95, 20):
        monkeypatch.setattr(Small, "quality", quality)
        task = build(Small, source)
        sizes[quality] = sum(path.stat().st_size for path in task.output().files())
    assert sizes[20] < sizes[95]
    assert build(Small, source).complete()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_arrive_upright(tmp_path, orientation):
    (tmp_path / "source").mkdir()
    pixels = np.zeros((4, 6), np.uint8)
    pixels[0, 0] = 255
    turns = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    stored = Image.fromarray(pixels)
    stored.save(tmp_path / "source" / "a.png", exif=exif)
    (image,) = load_all(build(Same, tmp_path / "source")).values()
    mirrored = pixels[:, ::-1] if orientation in (2, 4, 5, 7) else pixels
    np.testing.assert_array_equal(image, np.rot90(mirrored, turns[orientation]))
    # What was applied is not applied again by who reads the result.
    with Image.open(next(build(Same, tmp_path / "source").output().files())) as written:
        assert EXIF_ORIENTATION not in written.getexif()


def test_transparency_cannot_become_jpeg_and_the_row_says_what_to_do(source, monkeypatch):
    Image.new("RGBA", (8, 8), (255, 0, 0, 128)).save(source / "glass.png")
    with pytest.raises(
        TooManyFailuresError, match=r"First: glass\.png: ImageError: .*JPEG has no alpha channel, so write \.png"
    ):
        build(Small, source)
    monkeypatch.setattr(Small, "image_format", "png")
    assert load_all(build(Small, source))["glass.png"].shape[2] == 4


def test_an_image_may_be_dropped(source, monkeypatch):
    monkeypatch.setattr(Same, "process", lambda self, image: image if image.ndim == 3 else None)
    task = build(Same, source)
    assert [(row["outpath"], row["status"]) for row in rows_of(task)] == [("colour.png", "written"), (None, "dropped")]


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (np.zeros((4, 4, 3), np.float64), "uint8"),
        (np.zeros((4, 4, 2), np.uint8), "channels"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
        ("a path", "str"),
    ],
    ids=["float", "two channels", "empty", "text"],
)
def test_a_result_that_is_no_image_is_a_failed_row(source, monkeypatch, result, reason):
    monkeypatch.setattr(Same, "max_failure_rate", 1.0)
    monkeypatch.setattr(Same, "process", lambda self, image: result)
    for row in rows_of(build(Same, source)):
        assert row["status"] == "failed"
        assert reason in row["error"]


def test_two_images_that_differ_by_extension_only_are_named_before_any_work_is_done(source, monkeypatch):
    shutil.copyfile(source / "colour.png", source / "colour.jpg")
    monkeypatch.setattr(Small, "process", lambda self, image: pytest.fail("worked"))
    with pytest.raises(CollisionError, match=r"colour\.jpg and colour\.png would both become colour\.jpg: override"):
        build(Small, source)


@pytest.mark.parametrize("name", ["no extension", "dots.in.name", "ending.in.dot.", "日本 (1)"])
def test_odd_names_keep_all_but_their_extension(tmp_path, name):
    (tmp_path / "source").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "source" / f"{name}.png")
    assert list(load_all(build(Small, tmp_path / "source"))) == [f"{name}.jpg"]


def test_zero_images_make_an_empty_stage(tmp_path):
    (tmp_path / "source").mkdir()
    task = build(Small, tmp_path / "source")
    assert task.complete()
    assert rows_of(task) == []
    assert "label" in task.output().manifest().schema.names


# ResizeImages


@pytest.mark.parametrize(
    ("parameters", "name", "shapes"),
    [
        ({"shape": (10, 12)}, "Resized-shape=[10, 12]", [(10, 12), (10, 12)]),
        ({"min_dim": 10}, "Resized-min_dim=10", [(10, 15), (40, 10)]),
        ({"max_side": 30}, "Resized-max_side=30", [(20, 30), (30, 8)]),
        ({"max_side": 120}, "Resized-max_side=120", [(80, 120), (120, 30)]),
        (
            {"max_side": 70, "only_if_bigger": True},
            "Resized-max_side=70-only_if_bigger=True",
            [(40, 60), (70, 18)],
        ),
    ],
)
def test_images_are_resized_to_the_one_size_that_is_given(source, parameters, name, shapes):
    task = build(Resized, source, **parameters)
    assert task.output().folder.name == name
    assert [image.shape[:2] for image in load_all(task).values()] == shapes


@pytest.mark.parametrize("parameters", [{}, {"shape": (4, 4), "min_dim": 4}, {"min_dim": 4, "max_side": 4}])
def test_not_exactly_one_size_is_refused_before_any_work_is_done(source, parameters):
    with pytest.raises(SettingsError, match=r"exactly one of shape, min_dim and max_side"):
        build(Resized, source, **parameters)
    assert not (source.parent / "data" / "interim").exists() or not any((source.parent / "data/interim").glob("[!.]*"))


@pytest.mark.parametrize("parameters", [{"max_side": 0}, {"min_dim": -1}, {"shape": (0, 3)}, {"shape": (3,)}])
def test_a_size_that_is_none_is_refused_before_any_work_is_done(source, parameters):
    (name,) = parameters
    with pytest.raises(SettingsError, match=name):
        build(Resized, source, **parameters)


def test_a_class_may_fix_its_size(source):
    @requires(Photos)
    class Thumbnails(interim.ResizeImages):
        max_side = luigi.OptionalIntParameter(default=8)
        image_format = "png"

    task = build(Thumbnails, source)
    assert task.output().folder.name == "Thumbnails"
    assert max(load_all(task)["colour.png"].shape[:2]) == 8
