"""Behaviour of Stage.try_it() and `tintype preview`."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pytest
from luigi.util import requires
from PIL import Image
from tests.processes import make_environment

from tintype import drop, interim, ops, raw, record
from tintype.errors import SettingsError

PRODUCTS = """
import luigi
from luigi.util import requires
from tintype import interim, ops, processed, raw


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(default="photographs")


@requires(Photos)
class Cutouts(interim.ImageStage):
    def process(self, image):
        return ops.resize(image, max_side=64)


@requires(Cutouts)
class Described(processed.DescribeImages):
    pass


class Everything(luigi.WrapperTask):
    def requires(self):
        return Described()
"""


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter()


@requires(Photos)
class Cutouts(interim.ImageStage):
    recorded_columns = {"brightness": float}

    def process(self, image):
        if image.shape[0] == image.shape[1]:
            raise ValueError("a square")
        if image.shape[1] > 700:
            return drop("too wide")
        record(brightness=float(image.mean()))
        return ops.resize(image, max_side=64)


@requires(Photos)
class Tiles(interim.ImageStage):
    def process(self, image):
        for number in range(6):
            yield f"-{number}", image[:32, :32]


@pytest.fixture
def settings(photographs: Path, tmp_path: Path) -> dict[str, str]:
    return {"base_dir": str(tmp_path / "data"), "folder": str(photographs)}


def test_a_stage_is_tried_on_a_seeded_choice_before_anything_is_built(settings, tmp_path):
    preview = Cutouts(**settings).try_it(4, seed=1)
    assert [item.number for item in preview.items] == sorted({item.number for item in preview.items})
    assert len(preview.items) == 4
    assert preview.n_items == 8
    assert preview.items == Cutouts(**settings).try_it(4, seed=1).items
    assert preview.items != Cutouts(**settings).try_it(4, seed=2).items
    assert not (tmp_path / "data").exists()


def test_what_fails_or_is_dropped_is_there_with_the_reason(settings):
    preview = Cutouts(**settings).try_it(100)
    by_path = {item.inpath: item for item in preview.items}
    assert len(by_path) == 8
    assert by_path["people/astronaut.png"].status == "failed"
    assert by_path["people/astronaut.png"].error == "ValueError: a square"
    assert by_path["space/hubble_deep_field.jpg"].error == "too wide"
    assert by_path["cats/chelsea.png"].status == "made"
    assert by_path["cats/chelsea.png"].outpaths == ("cats/chelsea.jpg",)
    assert by_path["cats/chelsea.png"].columns["brightness"] > 0
    text = str(preview)
    assert text.startswith("Cutouts: 8 of 8 items, ")
    assert "people/astronaut.png: failed: ValueError: a square" in text


def test_the_time_of_each_step_is_told(settings):
    preview = Cutouts(**settings).try_it(8)
    assert list(preview.seconds) == ["stages above", "load", "process", "write"]
    assert all(seconds > 0 for seconds in preview.seconds.values())
    for step in preview.seconds:
        assert step in str(preview)


class Paired(interim.ImageStage):
    base_dir: str = luigi.Parameter()
    folder: str = luigi.Parameter()

    def requires(self):
        settings: dict[str, Any] = {"base_dir": self.base_dir, "folder": self.folder}
        return [Photos(**settings), Cutouts(**settings)]

    def process(self, image, cutout):
        return cutout


def test_the_time_of_stages_that_are_brought_together_is_told_too(settings):
    preview = Paired(**settings).try_it(8)
    assert "made" in {item.status for item in preview.items}
    assert list(preview.seconds) == ["stages above", "load", "process", "write"]


def test_the_contact_sheet_shows_before_and_after(settings, tmp_path):
    preview = Cutouts(**settings).try_it(1, side=100, seed=3)
    sheet = preview.image
    assert sheet.dtype == np.uint8
    assert sheet.shape[2] == 3
    before, after = sheet[8:108, 8:108], sheet[8:108, 116:216]
    assert before.std() > 5
    assert after.std() > 5
    preview.save(tmp_path / "sheet.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "sheet.png")), sheet)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(preview._repr_png_()))), sheet)


def test_of_many_results_the_first_are_shown(settings):
    preview = Tiles(**settings).try_it(1, side=40)
    assert len(preview.items[0].outpaths) == 6
    assert preview.image.shape[1] == 5 * 48 + 16 + 8


@requires(Tiles)
class Brighter(interim.ImageStage):
    def process(self, image):
        return image


def test_of_many_files_that_an_item_is_made_from_the_first_are_shown(settings):
    preview = Brighter(**settings).try_it(1, side=40)
    assert len(preview.items[0].outpaths) == 6
    assert preview.image.shape[1] == 8 * 48 + 16 + 8


@requires(Photos)
class Slow(interim.ImageStage):
    def process(self, image):
        yield "-1", image[:8, :8]
        clock.now += 3.0
        yield "-2", image[:8, :8]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


clock = Clock()


def test_the_time_between_two_results_is_that_of_the_generator(settings, monkeypatch):
    monkeypatch.setattr("tintype.tasks.item_sources.perf_counter", clock)
    assert Slow(**settings).try_it(2).seconds == {"stages above": 0.0, "load": 0.0, "process": 3.0, "write": 0.0}


def test_two_previews_of_the_same_can_be_compared(settings, monkeypatch):
    monkeypatch.setattr("tintype.tasks.item_sources.perf_counter", lambda: 0.0)
    assert Tiles(**settings).try_it(2) == Tiles(**settings).try_it(2)


def test_a_name_that_is_no_text_or_has_two_lines_is_shown_on_one(tmp_path, photographs):
    (tmp_path / "photos").mkdir()
    for name in (b"caf\xe9.png", b"two\nlines.png"):
        shutil.copyfile(photographs / "cats" / "chelsea.png", os.fsencode(tmp_path / "photos") + b"/" + name)
    settings: dict[str, Any] = {"base_dir": str(tmp_path / "data"), "folder": str(tmp_path / "photos")}
    preview = Cutouts(**settings).try_it()
    assert [item.inpath for item in preview.items] == ["caf\\xe9.png", "two\\nlines.png"]
    assert "caf\\xe9.png: failed: SettingsError" in str(preview)
    str(preview).encode()


def test_a_stage_that_is_built_is_tried_with_the_code_as_it_is_now(settings):
    photos = Photos(**settings)
    photos.run()

    def make(value: int) -> type:
        @requires(Photos)
        class Filled(interim.ImageStage):
            def process(self, image):
                record(value=value)
                return image

            recorded_columns = {"value": int}

        return Filled

    make(1)(**settings).run()
    assert make(1)(**settings).complete()
    assert make(2)(**settings).try_it(1).items[0].columns == {"value": 2}


def test_no_items_make_an_empty_sheet(tmp_path):
    (tmp_path / "none").mkdir()
    settings: dict[str, Any] = {"base_dir": str(tmp_path / "data"), "folder": str(tmp_path / "none")}
    preview = Cutouts(**settings).try_it()
    assert preview.items == ()
    assert str(preview) == "Cutouts: 0 of 0 items (seed 0)"
    assert preview.image.size > 0


def test_it_takes_at_least_one_item(settings):
    with pytest.raises(SettingsError, match="n is 0: give the number of items to try, at least 1"):
        Cutouts(**settings).try_it(0)


@pytest.fixture
def workshop(tmp_path: Path, photographs: Path) -> Path:
    (tmp_path / "products.py").write_text(PRODUCTS)
    (tmp_path / "photographs").symlink_to(photographs)
    return tmp_path


def preview(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("tintype")), "preview", *arguments]
    return subprocess.run(command, cwd=folder, env=make_environment(), capture_output=True, text=True, check=False)


def test_the_command_writes_one_image_and_prints_the_times(workshop):
    done = preview(workshop, "--stage", "Cutouts", "-n", "3", "--module", "products", "Everything")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Cutouts: 3 of 8 items (seed 0)\n")
    assert "process" in done.stdout
    assert done.stdout.endswith("See Cutouts-preview.png\n")
    with Image.open(workshop / "Cutouts-preview.png") as image:
        assert image.size[0] > 192
    assert not (workshop / "data").exists()


def test_the_command_shows_the_edited_code_at_the_next_call(workshop):
    arguments = ["-n", "1", "--json", "--out", "out.png", "--module", "products", "Cutouts"]
    first = json.loads(preview(workshop, *arguments).stdout)
    source = workshop / "products.py"
    source.write_text(source.read_text().replace("return ops.resize(image, max_side=64)", "raise ValueError('edited')"))
    os.utime(source)
    second = json.loads(preview(workshop, *arguments).stdout)
    assert first["items"][0]["status"] == "made"
    assert second["items"][0]["error"] == "ValueError: edited"
    assert second["image"] == "out.png"


def test_the_command_says_which_stages_there_are(workshop):
    done = preview(workshop, "--stage", "Cutout", "--module", "products", "Everything")
    assert done.returncode == 1
    assert "the graph has no stage 'Cutout': it has Photos, Cutouts, Described" in done.stderr
    done = preview(workshop, "--module", "products", "Everything")
    assert "Everything is no stage: say which to try with --stage" in done.stderr


def test_a_name_that_is_no_image_is_told_before_anything_is_computed(workshop):
    source = workshop / "products.py"
    source.write_text(
        source.read_text().replace("return ops.resize", "open('computed', 'w').close(); return ops.resize")
    )
    done = preview(workshop, "--out", "sheet.xyz", "--module", "products", "Cutouts")
    assert done.returncode == 1
    assert "--out sheet.xyz names no kind of image: end it in one of .jpg, " in done.stderr
    assert not (workshop / "computed").exists()
