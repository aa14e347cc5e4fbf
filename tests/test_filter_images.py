"""Behaviour of tintype.interim.FilterImages, and of what it shares with other stages that keep files as they are."""

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

from tintype import interim, raw
from tintype.errors import FileError, SettingsError, TooManyFailuresError
from tintype.interim import filter_images
from tintype.load_funcs import load_image
from tintype.tasks.graph import upstream_first

EXIF_ORIENTATION = 0x0112


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(significant=False)


@requires(Photos)
class Filtered(interim.FilterImages):
    pass


def build(folder: Path, cls: type = Filtered, **parameters: Any) -> Any:
    task = cls(base_dir=str(folder.parent / "data"), folder=str(folder), **parameters)
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return task


def rows_of(task: luigi.Task) -> list[dict[str, Any]]:
    return list(task.output().manifest().rows())


def states_of(task: luigi.Task) -> dict[str, str]:
    return {row["inpath"]: row["status"] for row in rows_of(task)}


def reason_of(task: luigi.Task, inpath: str) -> str:
    (row,) = [row for row in rows_of(task) if row["inpath"] == inpath]
    assert (row["status"], row["outpath"], row["digest"], row["error_type"]) == ("dropped", None, None, None)
    return str(row["error"])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder of made images: 40 x 60 noise, 100 x 20 noise, 50 x 50 of one gray."""
    folder = tmp_path / "source"
    folder.mkdir()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8)).save(folder / "noise.png")
    Image.fromarray(rng.integers(0, 256, (100, 20), np.uint8)).save(folder / "tall.png")
    Image.new("L", (50, 50), 128).save(folder / "gray.png")
    return folder


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the images that were decoded."""
    names: list[str] = []

    def load_and_note(path: str, **options: Any) -> Any:
        names.append(Path(path).name)
        return load_image(path, **options)

    monkeypatch.setattr(filter_images, "load_image", load_and_note)
    return names


# Criteria


@pytest.mark.parametrize(
    ("parameters", "dropped", "reason"),
    [
        ({"min_side": 21}, "tall.png", "the shorter side has 20 pixels, and at least 21 are asked for"),
        (
            {"max_aspect_ratio": 4.9},
            "tall.png",
            "the longer side is 5 times as long as the shorter one (100 x 20 pixels), and at most 4.9 are asked for",
        ),
        ({"max_pixels": 2499}, "gray.png", "it has 50 x 50 = 2,500 pixels, and at most 2,499 are asked for"),
        ({"min_sharpness": 0.5}, "gray.png", "its sharpness is 0, and at least 0.5 is asked for"),
    ],
)
def test_an_image_beyond_a_limit_is_dropped_and_its_row_says_why(source, parameters, dropped, reason):
    task = build(source, **parameters)
    assert [name for name, state in states_of(task).items() if state == "dropped"] == [dropped]
    assert reason_of(task, dropped) == reason
    assert task.output().verify(deep=True).ok
    assert task.complete()


@pytest.mark.parametrize("parameters", [{"min_side": 20}, {"max_aspect_ratio": 5.0}, {"max_pixels": 2500}])
def test_an_image_at_a_limit_is_kept(source, parameters):
    assert set(states_of(build(source, **parameters)).values()) == {"written"}


def test_blank_images_are_dropped(source):
    task = build(source, drop_blank=True)
    assert states_of(task) == {"gray.png": "dropped", "noise.png": "written", "tall.png": "written"}
    assert reason_of(task, "gray.png") == "it is blank"


def test_of_several_faults_the_first_is_the_reason(source):
    task = build(source, min_side=100, max_pixels=1, drop_blank=True)
    assert reason_of(task, "gray.png").startswith("the shorter side has 50 pixels")


def test_real_photographs_are_told_apart_by_their_sharpness(photographs, tmp_path):
    source = Path(shutil.copytree(photographs, tmp_path / "source"))
    with Image.open(source / "cats" / "chelsea.png") as image:
        image.resize((40, 30)).resize(image.size, Image.Resampling.BICUBIC).save(source / "cats" / "blurred.png")
    task = build(source, min_sharpness=5.0)
    assert [name for name, state in states_of(task).items() if state == "dropped"] == ["cats/blurred.png"]
    assert {row["label"] for row in rows_of(task)} == {"cats", "people", "space", "things"}


def test_a_class_may_have_a_criterion_of_its_own(source):
    class NoTallNames(Filtered):
        def find_faults(self, path):
            yield from super().find_faults(path)
            if "tall" in path:
                yield f"{Path(path).name} is tall"

    task = build(source, NoTallNames)
    assert reason_of(task, "tall.png") == "tall.png is tall"
    assert states_of(build(source, NoTallNames, min_side=50))["noise.png"] == "dropped"


# What is read


def test_sizes_are_read_without_decoding(source, decoded):
    build(source, min_side=30, max_aspect_ratio=3.0, max_pixels=10_000)
    assert decoded == []


def test_only_images_of_a_good_size_are_decoded_and_once_each(source, decoded):
    build(source, min_side=30, drop_blank=True, min_sharpness=1.0)
    assert sorted(decoded) == ["gray.png", "noise.png"]


def test_a_file_that_is_cut_off_behind_its_header_fails_only_where_pixels_are_looked_at(source, monkeypatch):
    whole = (source / "noise.png").read_bytes()
    (source / "noise.png").write_bytes(whole[: len(whole) // 2])
    assert states_of(build(source, min_side=1))["noise.png"] == "written"
    with pytest.raises(TooManyFailuresError, match=r"1 of 3 files failed.*First: noise\.png: ImageError"):
        build(source, min_sharpness=1.0)


def test_the_way_an_image_is_turned_does_not_matter(source):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    Image.new("L", (60, 30)).save(source / "turned.png", exif=exif)
    assert states_of(build(source, min_side=30))["turned.png"] == "written"
    assert states_of(build(source, max_aspect_ratio=2.0))["turned.png"] == "written"


# What is kept


def test_what_is_kept_is_the_same_file(source):
    task = build(source, min_side=30)
    above = task.requires().output().folder
    kept = list(task.output().files())
    assert sorted(path.name for path in kept) == ["gray.png", "noise.png"]
    for path in kept:
        assert os.path.samefile(path, above / path.name)
        assert path.read_bytes() == (source / path.name).read_bytes()
    digests = {row["inpath"]: (row["input_digest"], row["digest"]) for row in rows_of(task) if row["outpath"]}
    assert all(before == after for before, after in digests.values())


def test_where_no_link_can_be_made_it_is_copied(source, monkeypatch):
    def refuse(*args, **options):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    task = build(source, min_side=30)
    for path in task.output().files():
        assert path.stat().st_nlink == 1
        assert path.read_bytes() == (source / path.name).read_bytes()
    assert task.output().verify(deep=True).ok


def test_files_of_a_given_folder_are_copied_because_their_owner_may_write_into_them(source):
    class Given(raw.GivenFolder):
        folder: str = luigi.Parameter(significant=False)

    @requires(Given)
    class OfGiven(interim.FilterImages):
        min_side = luigi.OptionalIntParameter(default=30)

    task = build(source, OfGiven)
    assert [path.name for path in task.output().files()] == ["gray.png", "noise.png"]
    for path in task.output().files():
        assert not os.path.samefile(path, source / path.name)
    assert task.output().verify(deep=True).ok
    assert all(len(row["digest"]) == 64 for row in rows_of(task) if row["outpath"])


@pytest.mark.parametrize("n_images", [0, 1])
def test_none_or_one_image_will_do(tmp_path, n_images):
    (tmp_path / "source").mkdir()
    for number in range(n_images):
        Image.new("L", (3, 2)).save(tmp_path / "source" / f"{number}.png")
    task = build(tmp_path / "source", min_side=1)
    assert list(states_of(task).values()) == ["written"] * n_images
    assert task.complete()


def test_the_manifest_is_the_same_for_one_thread_and_four(photographs, tmp_path):
    source = Path(shutil.copytree(photographs, tmp_path / "source"))
    (source / "bad.jpg").write_bytes(b"no image")

    class Lenient(Filtered):
        max_failure_rate = 0.5

    kept = []
    for n_jobs in (1, 4):
        task = build(source, Lenient, min_side=450, min_sharpness=60.0, n_jobs=n_jobs)
        kept.append([{**row, "seconds": 0, "time_finished": 0} for row in rows_of(task)])
        shutil.rmtree(task.output().folder)
    assert kept[0] == kept[1]
    assert {row["status"] for row in kept[0]} == {"written", "dropped", "failed"}


def test_a_file_that_is_no_image_is_a_failed_row_between_others(source, monkeypatch):
    (source / "later.png").write_bytes(b"no image")
    monkeypatch.setattr(Filtered, "max_failure_rate", 0.5)
    task = build(source, min_side=30)
    assert [(row["inpath"], row["status"], row["error_type"]) for row in rows_of(task)] == [
        ("gray.png", "written", None),
        ("later.png", "failed", "ImageError"),
        ("noise.png", "written", None),
        ("tall.png", "dropped", None),
    ]


def test_an_interrupted_build_goes_on_where_it_was(source, monkeypatch):
    judged = []
    judge = interim.FilterImages.judge

    def judge_and_stop(self, file):
        if file.path.endswith("tall.png") and "tall.png" not in judged:
            judged.append("tall.png")
            raise KeyboardInterrupt
        judged.append(Path(file.path).name)
        return judge(self, file)

    monkeypatch.setattr(interim.FilterImages, "judge", judge_and_stop)
    with pytest.raises(FileError, match=r"tall\.png: KeyboardInterrupt"):
        build(source, min_side=30, n_jobs=1)
    assert judged == ["gray.png", "noise.png", "tall.png"]
    task = build(source, min_side=30, n_jobs=1)
    assert judged == ["gray.png", "noise.png", "tall.png", "tall.png"]
    assert states_of(task) == {"gray.png": "written", "noise.png": "written", "tall.png": "dropped"}


# Settings


def test_no_criterion_at_all_is_refused_before_any_work_is_done(source, monkeypatch):
    monkeypatch.setattr(interim.FilterImages, "judge", lambda self, file: pytest.fail("worked"))
    with pytest.raises(
        SettingsError, match=r"Filtered has no criterion .*: give at least one of min_side, max_aspect_"
    ):
        build(source)
    assert not (source.parent / "data/interim/Filtered").exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("min_side", 0, "a whole number of pixels, at least 1"),
        ("min_side", -3, "a whole number of pixels, at least 1"),
        ("min_side", True, "a whole number of pixels, at least 1"),
        ("max_aspect_ratio", 0.5, "a number of at least 1"),
        ("max_aspect_ratio", float("nan"), "a number of at least 1"),
        ("max_pixels", 0, "a whole number of pixels, at least 1"),
        ("min_sharpness", 0.0, "a number above 0"),
        ("min_sharpness", float("inf"), "a number above 0"),
    ],
)
def test_a_limit_that_is_none_is_refused_before_any_work_is_done(source, monkeypatch, name, value, words):
    monkeypatch.setattr(interim.FilterImages, "judge", lambda self, file: pytest.fail("worked"))
    with pytest.raises(SettingsError, match=rf"Filtered\.{name} is {value!r}: give {words}"):
        build(source, **{name: value})


def test_a_class_may_fix_its_criteria(source):
    @requires(Photos)
    class Kept(interim.FilterImages):
        min_side = luigi.IntParameter(default=30)
        max_aspect_ratio = 2.0

    task = build(source, Kept)
    assert task.output().folder.name == "Kept"
    assert states_of(task)["tall.png"] == "dropped"


def test_the_command_line_gives_the_criteria():
    arguments = "--min-side 64 --max-aspect-ratio 2.5 --max-pixels 1000000 --drop-blank --min-sharpness 3"
    with CmdlineParser.global_instance(["FilterImages", *arguments.split()]) as parser:
        task = parser.get_task_obj()
    assert (task.min_side, task.max_aspect_ratio, task.max_pixels) == (64, 2.5, 1_000_000)
    assert (task.drop_blank, task.min_sharpness) == (True, 3.0)


def test_every_parameter_is_described():
    ready_made = [getattr(interim, name) for name in dir(interim) if name[0].isupper() and name != "ImageStage"]
    described = {cls: [name for name, parameter in cls.get_params() if not parameter.description] for cls in ready_made}
    assert {cls: names for cls, names in described.items() if names} == {}


def test_a_stage_that_requires_two_is_told_so(source):
    class Other(Photos):
        pass

    class OfTwo(interim.FilterImages):
        min_side = 3
        folder: str = luigi.Parameter(significant=False)

        def requires(self):
            return [self.clone(Photos), self.clone(Other)]

    with pytest.raises(SettingsError, match=r"OfTwo requires Photos, Other, and works on the files of one stage: let"):
        build(source, OfTwo)


# Two in a row


def test_two_filters_in_a_row_have_settings_of_their_own(source):
    @requires(Photos)
    class Large(interim.FilterImages):
        min_side = luigi.IntParameter(default=30)

    @requires(Large)
    class Lively(interim.FilterImages):
        drop_blank = luigi.BoolParameter(default=True)

    task = build(source, Lively)
    assert (task.requires().min_side, task.requires().drop_blank) == (30, False)
    assert states_of(task.requires()) == {"gray.png": "written", "noise.png": "written", "tall.png": "dropped"}
    assert states_of(task) == {"gray.png": "dropped", "noise.png": "written"}


def test_other_parameters_are_handed_on_as_ever(source):
    class Below(Filtered):
        folder: str = luigi.Parameter()

    task = Below(base_dir="elsewhere", folder="photos", min_side=3, n_jobs=2)
    assert task.clone(Photos) == Photos(base_dir="elsewhere", folder="photos", n_jobs=2)
    assert task.clone(Filtered).min_side is None
    assert task.clone(Filtered, min_side=5, unknown=1).min_side == 5
    assert task.clone(n_jobs=3).min_side == 3
    assert task.clone(Below, n_jobs=3) == Below(base_dir="elsewhere", folder="photos", min_side=3, n_jobs=3)
