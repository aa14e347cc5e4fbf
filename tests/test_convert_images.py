"""Behaviour of tintype.interim.ConvertImages."""

from __future__ import annotations

import os
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
from tintype.errors import CollisionError, SettingsError, TooManyFailuresError
from tintype.interim import image_stage
from tintype.load_funcs import load_image
from tintype.tasks.graph import upstream_first

EXIF_ORIENTATION = 0x0112


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(significant=False)


@requires(Photos)
class Converted(interim.ConvertImages):
    pass


def build(folder: Path, cls: type = Converted, **parameters: Any) -> Any:
    task = cls(base_dir=str(folder.parent / "data"), folder=str(folder), **parameters)
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return task


def rows_of(task: luigi.Task) -> list[dict[str, Any]]:
    return list(task.output().manifest().rows())


def is_linked(task: Any, outpath: str, inpath: str) -> bool:
    above = task.requires().output().folder
    return os.path.samefile(task.output().folder / outpath, above / inpath)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def make_pixels(mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(0)
    n_channels = {"L": (), "RGB": (3,), "RGBA": (4,)}
    if mode in n_channels:
        return Image.fromarray(rng.integers(0, 256, (16, 24, *n_channels[mode]), np.uint8))
    return make_pixels("RGB").convert(mode)


@pytest.mark.parametrize(
    ("image_format", "extension", "pillow_name"),
    [("jpeg", "jpg", "JPEG"), ("png", "png", "PNG"), ("webp", "webp", "WEBP"), ("tiff", "tif", "TIFF")],
)
def test_real_photographs_become_what_is_asked_for(photographs, tmp_path, image_format, extension, pillow_name):
    source = Path(shutil.copytree(photographs, tmp_path / "source"))
    task = build(source, image_format=image_format)
    assert {path.suffix for path in task.output().files()} == {f".{extension}"}
    for path in task.output().files():
        with Image.open(path) as image:
            assert image.format == pillow_name
    assert {row["label"] for row in rows_of(task)} == {"cats", "people", "space", "things"}
    assert task.output().verify(deep=True).ok


@pytest.mark.parametrize("image_format", ["png", "tiff"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_formats_without_loss_keep_every_pixel(source, image_format, mode):
    make_pixels(mode).save(source / "a.bmp" if mode != "RGBA" else source / "a.tga")
    (path,) = build(source, image_format=image_format).output().files()
    np.testing.assert_array_equal(load_image(path), load_image(next(source.iterdir())))


def test_an_image_in_the_format_already_is_the_same_file(photographs, tmp_path, monkeypatch):
    source = Path(shutil.copytree(photographs, tmp_path / "source"))
    decoded = []

    def load_and_note(path, **options):
        decoded.append(Path(path).suffix)
        return load_image(path, **options)

    monkeypatch.setattr(image_stage, "load_image", load_and_note)
    task = build(source)
    assert set(decoded) == {".png"}
    assert is_linked(task, "space/rocket.jpg", "space/rocket.jpg")
    assert (task.output().folder / "space" / "rocket.jpg").read_bytes() == (source / "space/rocket.jpg").read_bytes()


@pytest.mark.parametrize(
    ("mode", "image_format", "colour", "is_kept"),
    [
        ("L", "png", "keep", True),
        ("P", "png", "keep", True),
        ("RGB", "png", "rgb", True),
        ("L", "png", "gray", True),
        ("RGB", "jpeg", "rgb", True),
        ("CMYK", "jpeg", "keep", True),
        ("CMYK", "jpeg", "rgb", False),
        ("RGBA", "png", "rgb", False),
        ("P", "png", "rgb", False),
        ("1", "png", "gray", False),
        ("L", "png", "rgb", False),
        ("RGB", "png", "gray", False),
        ("RGB", "jpeg", "gray", False),
    ],
)
def test_a_file_is_written_anew_only_when_its_colour_is_another(source, mode, image_format, colour, is_kept):
    name = "a.jpg" if image_format == "jpeg" else "a.png"
    make_pixels(mode).save(source / name)
    task = build(source, image_format=image_format, colour=colour)
    assert is_linked(task, name, name) == is_kept
    with Image.open(task.output().folder / name) as image:
        assert image.mode == {"keep": mode, "rgb": "RGB", "gray": "L"}[colour]


def test_a_file_with_another_extension_than_its_format_gets_the_right_one(source):
    make_pixels().save(source / "a.png", format="JPEG")
    make_pixels().save(source / "b.jpeg")
    task = build(source)
    assert is_linked(task, "a.jpg", "a.png")
    assert is_linked(task, "b.jpg", "b.jpeg")


def test_an_animation_becomes_its_first_frame(source):
    frames = [Image.new("RGB", (8, 8), (value, 0, 0)) for value in (0, 255)]
    frames[0].save(source / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    task = build(source, image_format="webp")
    assert not is_linked(task, "a.webp", "a.webp")
    with Image.open(task.output().folder / "a.webp") as image:
        assert not getattr(image, "is_animated", False)


def test_gray_is_that_of_the_op(source):
    make_pixels().save(source / "a.png")
    (path,) = build(source, image_format="png", colour="gray").output().files()
    np.testing.assert_array_equal(load_image(path), ops.to_grayscale(load_image(source / "a.png")))


@pytest.mark.parametrize(("colour", "expected"), [("rgb", (255, 255, 255)), ("gray", 255)])
def test_transparency_shows_white(source, colour, expected):
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(source / "a.png")
    (path,) = build(source, image_format="png", colour=colour).output().files()
    assert np.array_equal(np.unique(load_image(path).reshape(64, -1), axis=0)[0], np.atleast_1d(expected))


def test_transparency_that_is_to_be_kept_cannot_become_jpeg(source):
    make_pixels("RGBA").save(source / "a.png")
    with pytest.raises(TooManyFailuresError, match=r"First: a\.png: ImageError: .*JPEG has no alpha channel"):
        build(source)


def test_what_is_written_anew_is_upright_and_what_is_kept_stays_as_it_is(source):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    for name in ("a.png", "b.jpg"):
        make_pixels().save(source / name, exif=exif)
    task = build(source)
    with Image.open(task.output().folder / "a.jpg") as image:
        assert (image.size, EXIF_ORIENTATION in image.getexif()) == ((16, 24), False)
    with Image.open(task.output().folder / "b.jpg") as image:
        assert (image.size, image.getexif()[EXIF_ORIENTATION]) == ((24, 16), 6)


def test_a_lower_quality_makes_smaller_files(photographs, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    shutil.copyfile(photographs / "cats" / "chelsea.png", source / "a.png")
    sizes = [build(source, quality=quality).output().stamp().size_bytes for quality in (95, 20)]
    assert sizes[1] < sizes[0] / 2


@pytest.mark.parametrize("n_images", [0, 1])
def test_none_or_one_image_will_do(source, n_images):
    for number in range(n_images):
        make_pixels().save(source / f"{number}.png")
    task = build(source)
    assert [row["outpath"] for row in rows_of(task)] == ["0.jpg"][:n_images]
    assert task.complete()


def test_failed_and_dropped_images_stand_between_others(source):
    class NoBlack(Converted):
        max_failure_rate = 0.5

        def process(self, image):
            return super().process(image) if image.any() else None

    (source / "bad.png").write_bytes(b"no image")
    Image.new("RGB", (8, 8)).save(source / "black.png")
    make_pixels().save(source / "cats.png")
    make_pixels().save(source / "dogs.jpg")
    manifests = []
    for n_jobs in (1, 4):
        task = build(source, NoBlack, n_jobs=n_jobs)
        manifests.append([{**row, "seconds": 0, "time_finished": 0} for row in rows_of(task)])
        shutil.rmtree(task.output().folder)
    assert manifests[0] == manifests[1]
    assert [row["status"] for row in manifests[0]] == ["failed", "dropped", "written", "written"]


def test_two_images_that_differ_by_extension_only_are_named_before_any_work_is_done(source):
    make_pixels().save(source / "a.png")
    make_pixels().save(source / "a.jpg")
    with pytest.raises(CollisionError, match=r"a\.jpg and a\.png would both become a\.jpg: override"):
        build(source)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"image_format": "jpg"}, "Converted.image_format is 'jpg': give one of jpeg, png, webp, tiff"),
        ({"colour": "blue"}, "Converted.colour is 'blue': give one of keep, rgb, gray"),
        ({"quality": 0}, "Converted.quality is 0: give a whole number from 1 to 100"),
        ({"quality": 101}, "Converted.quality is 101: give a whole number from 1 to 100"),
    ],
)
def test_a_setting_that_is_none_is_refused_before_any_work_is_done(source, monkeypatch, parameters, reason):
    make_pixels().save(source / "a.png")
    monkeypatch.setattr(interim.ConvertImages, "process", lambda self, image: pytest.fail("worked"))
    with pytest.raises(SettingsError, match=reason):
        build(source, **parameters)


def test_two_in_a_row_have_formats_of_their_own(source):
    make_pixels("RGBA").save(source / "a.bmp")

    @requires(Photos)
    class AsPng(interim.ConvertImages):
        image_format = luigi.Parameter(default="png")

    @requires(AsPng)
    class AsJpeg(interim.ConvertImages):
        colour = luigi.Parameter(default="rgb")

    task = build(source, AsJpeg)
    assert [row["inpath"] for row in rows_of(task)] == ["a.png"]
    assert [row["outpath"] for row in rows_of(task)] == ["a.jpg"]


def test_the_command_line_gives_format_colour_and_quality():
    arguments = "--image-format webp --colour gray --quality 80"
    with CmdlineParser.global_instance(["ConvertImages", *arguments.split()]) as parser:
        task = parser.get_task_obj()
    assert (task.image_format, task.colour, task.quality) == ("webp", "gray", 80)
