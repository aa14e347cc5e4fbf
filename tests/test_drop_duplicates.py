"""Behaviour of tintype.interim.DropDuplicates."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
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
from tintype.errors import FileError, SettingsError, StagingError, TooManyFailuresError
from tintype.interim import drop_duplicates
from tintype.load_funcs import load_image
from tintype.targets.staging import Staging
from tintype.tasks import RecordRows
from tintype.tasks.graph import upstream_first


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter(significant=False)


@requires(Photos)
class Different(interim.DropDuplicates):
    pass


@requires(Photos)
class Unlike(interim.DropDuplicates):
    distance = luigi.IntParameter(default=4)


def build(folder: Path, cls: type = Different, **parameters: Any) -> Any:
    task = cls(base_dir=str(folder.parent / "data"), folder=str(folder), **parameters)
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return task


def rows_of(task: luigi.Task) -> list[dict[str, Any]]:
    return list(task.output().manifest().rows())


def timeless_rows_of(task: luigi.Task) -> list[dict[str, Any]]:
    return [{**row, "seconds": 0, "time_finished": 0} for row in rows_of(task)]


def originals_of(task: luigi.Task) -> dict[str, str | None]:
    """Return, for each input, its original, or its status when it has none."""
    return {row["inpath"]: row["duplicate_of"] or row["status"] for row in rows_of(task)}


def write_images(folder: Path, **seeds: int) -> Path:
    """Write noise for each name; equal seeds make equal bytes."""
    folder.mkdir(exist_ok=True)
    for name, seed in seeds.items():
        pixels = np.random.default_rng(seed).integers(0, 256, (9, 9), np.uint8)
        Image.fromarray(pixels).resize((72, 72), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    return folder


ORIGINALS = {
    "a.png": "written",
    "b.png": "written",
    "c.png": "a.png",
    "d.png": "written",
    "e.png": "a.png",
    "f.png": "b.png",
}
"""What becomes of the images of `source`."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_images(tmp_path / "source", a=1, b=2, c=1, d=3, e=1, f=2)


@pytest.fixture
def lookalikes(photographs: Path, tmp_path: Path) -> Path:
    """Return a folder of real photographs, among them some that were encoded or resized again."""
    folder = tmp_path / "lookalikes"
    shutil.copytree(photographs, folder)
    with Image.open(folder / "cats" / "chelsea.png") as image:
        image.save(folder / "cats" / "encoded.jpg", quality=70)
        image.resize((image.width // 2, image.height // 2)).save(folder / "things" / "small.png")
    return folder


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the images that were decoded."""
    names: list[str] = []

    def load_and_note(path: str, **options: Any) -> Any:
        names.append(Path(path).name)
        return load_image(path, **options)

    monkeypatch.setattr(drop_duplicates, "load_image", load_and_note)
    return names


# Equal bytes


def test_of_equal_files_the_first_is_kept(source):
    task = build(source)
    assert originals_of(task) == ORIGINALS
    assert [path.name for path in task.output().files()] == ["a.png", "b.png", "d.png"]
    assert task.output().verify(deep=True).ok
    assert task.complete()


def test_a_row_says_what_it_was_a_duplicate_of(source):
    row = rows_of(build(source))[2]
    assert row["error"] == "it has the same bytes as a.png"
    assert (row["outpath"], row["status"], row["digest"], row["size_bytes"]) == (None, "dropped", None, None)
    assert (row["distance"], row["phash"]) == (None, None)


def test_no_file_is_read_to_find_equal_ones(source, monkeypatch, decoded):
    build(source, Photos)
    above = source.parent / "data" / "raw" / "Photos"
    opened = []
    real_open = open

    def open_and_note(path, *arguments, **options):
        opened.append(str(path))
        return real_open(path, *arguments, **options)

    monkeypatch.setattr("builtins.open", open_and_note)
    build(source)
    assert [path for path in opened if path.startswith(str(above)) and path.endswith(".png")] == []
    assert decoded == []


def test_what_is_kept_is_the_same_file(source):
    task = build(source)
    for path in task.output().files():
        assert os.path.samefile(path, task.requires().output().folder / path.name)
        assert path.read_bytes() == (source / path.name).read_bytes()


@pytest.mark.parametrize("distance", [None, -1, -5])
def test_without_a_distance_or_below_zero_bytes_are_compared(source, decoded, distance):
    assert originals_of(build(source, distance=distance))["c.png"] == "a.png"
    assert decoded == []


@pytest.mark.parametrize("cls", [Different, Unlike])
@pytest.mark.parametrize("n_images", [0, 1])
def test_none_or_one_image_will_do(tmp_path, cls, n_images):
    task = build(write_images(tmp_path / "source", **dict.fromkeys("a"[:n_images], 1)), cls)
    assert list(originals_of(task).values()) == ["written"] * n_images
    assert task.complete()


@pytest.mark.parametrize("cls", [Different, Unlike])
def test_hundreds_of_equal_images_leave_one(tmp_path, cls, monkeypatch):
    monkeypatch.setattr(drop_duplicates, "DROPPED_AT_ONCE", 7)
    source = write_images(tmp_path / "source", a000=1)
    for number in range(1, 300):
        shutil.copyfile(source / "a000.png", source / f"a{number:03d}.png")
    task = build(source, cls)
    assert set(list(originals_of(task).values())[1:]) == {"a000.png"}
    assert [path.name for path in task.output().files()] == ["a000.png"]


def test_files_of_one_size_and_time_that_were_never_read_are_no_duplicates(tmp_path):
    class Given(raw.GivenFolder):
        folder: str = luigi.Parameter(significant=False)

    @requires(Given)
    class OfGiven(interim.DropDuplicates):
        pass

    folder = tmp_path / "given"
    folder.mkdir()
    for name, text in {"a.png": "one", "b.png": "two", "c.png": "one"}.items():
        (folder / name).write_text(text)
        os.utime(folder / name, ns=(0, 0))
    task = build(folder, OfGiven)
    assert originals_of(task) == {"a.png": "written", "b.png": "written", "c.png": "a.png"}
    assert not os.path.samefile(folder / "a.png", task.output().folder / "a.png")


def test_inputs_without_digests_are_hashed(source):
    class FromRecords(interim.DropDuplicates):
        folder: str = luigi.Parameter(significant=False)

        def rows(self):
            return RecordRows(lambda: [{"inpath": name} for name in ("c.png", "b.png", "a.png")])

        def input_folder(self):
            return self.folder

    assert originals_of(build(source, FromRecords)) == {"c.png": "written", "b.png": "written", "a.png": "c.png"}


def test_a_chance_collision_of_what_is_compared_drops_nothing(source, monkeypatch):
    monkeypatch.setattr(interim.DropDuplicates, "_hash_of", lambda self, result: "0" * 16)
    assert list(originals_of(build(source)).values()) == [
        "written", "written", "a.png", "written", "a.png", "written",
    ]  # fmt: skip


# Images that look alike


def test_an_image_encoded_or_resized_again_is_a_duplicate(lookalikes):
    task = build(lookalikes, Unlike)
    assert {name: original for name, original in originals_of(task).items() if original != "written"} == {
        "cats/encoded.jpg": "cats/chelsea.png",
        "things/small.png": "cats/chelsea.png",
    }
    assert task.output().verify(deep=True).ok


def test_the_row_of_a_near_duplicate_has_its_hash_and_its_distance(lookalikes):
    rows = {row["inpath"]: row for row in rows_of(build(lookalikes, Unlike))}
    kept, dropped = rows["cats/chelsea.png"], rows["things/small.png"]
    assert kept["phash"] == ops.phash(load_image(lookalikes / "cats" / "chelsea.png"))
    assert dropped["phash"] == ops.phash(load_image(lookalikes / "things" / "small.png"))
    assert dropped["distance"] == ops.hamming_distance(kept["phash"], dropped["phash"])
    n_bits = dropped["distance"]
    assert dropped["error"] == f"its hash is {n_bits} bits from that of cats/chelsea.png, and 4 make a duplicate"
    assert (kept["distance"], kept["duplicate_of"], kept["error"]) == (None, None, None)


def test_each_image_is_decoded_once(lookalikes, decoded):
    build(lookalikes, Unlike)
    assert len(decoded) == len(set(decoded)) == 10


class ByName(Unlike):
    """Has the hash that stands in a file's name after a dash."""

    hashes: dict[str, str] = {}
    not_in_recipe = frozenset({"hashes"})
    max_failure_rate = 0.5

    def hash_image(self, image):
        return self.hashes[f"{image.shape[0]}"]


def write_hashes(monkeypatch: pytest.MonkeyPatch, folder: Path, **hashes: str) -> Path:
    """Write images of as many rows as they have a place, whose hashes are given."""
    folder.mkdir()
    for place, name in enumerate(hashes, 1):
        Image.new("L", (3, place)).save(folder / f"{name}.png")
    monkeypatch.setattr(ByName, "hashes", {str(place): text for place, text in enumerate(hashes.values(), 1)})
    return folder


def test_what_is_near_a_duplicate_only_is_kept(monkeypatch, tmp_path):
    source = write_hashes(monkeypatch, tmp_path / "s", a="0" * 16, b="0" * 15 + "f", c="0" * 14 + "ff")
    assert originals_of(build(source, ByName)) == {"a.png": "written", "b.png": "a.png", "c.png": "written"}


@pytest.mark.parametrize("text", ["", "0" * 15, "0" * 17, "g" * 16, "A" * 16, 7, None])
def test_a_hash_that_is_none_fails_its_file(monkeypatch, tmp_path, text):
    source = write_hashes(monkeypatch, tmp_path / "s", a="0" * 16, b=text)
    row = rows_of(build(source, ByName))[1]
    assert (row["status"], row["error_type"]) == ("failed", "ValueError")
    assert row["error"] == f"hash_image returned {text!r}: return 16 hexadecimal digits, as tintype.ops.phash does"


def test_a_failed_file_is_never_kept_and_never_a_reason(source, monkeypatch):
    monkeypatch.setattr(Unlike, "max_failure_rate", 0.5)
    (source / "a.png").write_bytes(b"no image")
    (source / "d2.png").write_bytes(b"no image")
    task = build(source, Unlike)
    assert originals_of(task) == {
        "a.png": "failed", "b.png": "written", "c.png": "written", "d.png": "written", "d2.png": "failed",
        "e.png": "c.png", "f.png": "b.png",
    }  # fmt: skip
    assert task.output().verify(deep=True).ok


@pytest.mark.parametrize("cls", [Different, Unlike])
def test_the_manifest_is_the_same_for_one_thread_and_four(lookalikes, cls):
    shutil.copyfile(lookalikes / "cats" / "chelsea.png", lookalikes / "things" / "again.png")
    manifests = []
    for n_jobs in (1, 4):
        task = build(lookalikes, cls, n_jobs=n_jobs)
        manifests.append(timeless_rows_of(task))
        shutil.rmtree(task.output().folder)
    assert manifests[0] == manifests[1]
    assert {row["duplicate_of"] for row in manifests[0]} > {None}


class InProcesses(Unlike):
    executor = "processes"


def test_work_may_run_in_processes(lookalikes):
    assert originals_of(build(lookalikes, InProcesses, n_jobs=2))["things/small.png"] == "cats/chelsea.png"


# Builds that were interrupted


def test_after_an_interruption_no_image_is_decoded_twice(lookalikes, monkeypatch, decoded):
    expected = timeless_rows_of(build(lookalikes, Unlike))
    shutil.rmtree(lookalikes.parent / "data")
    decoded.clear()

    def stop(self, image, real=interim.DropDuplicates.hash_image):
        if len(decoded) == 5:
            raise KeyboardInterrupt
        return real(self, image)

    with monkeypatch.context() as patch:
        patch.setattr(interim.DropDuplicates, "hash_image", stop)
        with pytest.raises(FileError, match="KeyboardInterrupt"):
            build(lookalikes, Unlike, n_jobs=1)
    finished = {path.name for path in (lookalikes.parent / "data/interim/.Unlike.staging/files").rglob("*.*")}
    assert len(finished) >= 4
    decoded.clear()
    task = build(lookalikes, Unlike)
    assert sorted([*decoded, *finished]) == sorted(path.name for path in lookalikes.rglob("*.*"))
    assert timeless_rows_of(task) == expected


@pytest.mark.parametrize("cls", [Different, Unlike])
def test_when_nothing_but_publishing_was_left_no_image_is_decoded_again(source, monkeypatch, decoded, cls):
    with monkeypatch.context() as patch:
        patch.setattr(Staging, "publish", interrupt_interim(Staging.publish))
        with pytest.raises(StagingError, match="stopped"):
            build(source, cls)
    decoded.clear()
    task = build(source, cls)
    assert decoded == []
    assert originals_of(task) == ORIGINALS
    assert task.output().verify(deep=True).ok


KILLED = """
import os, signal, sys
import test_drop_duplicates as tests
from pathlib import Path

described = []
def describe(self, result, original, real=tests.interim.DropDuplicates._describe):
    described.append(result)
    if len(described) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, result, original)

tests.interim.DropDuplicates._describe = describe
tests.build(Path(sys.argv[1]), getattr(tests, sys.argv[2]))
"""


@pytest.mark.parametrize("cls", [Different, Unlike])
@pytest.mark.parametrize("n_described", [1, 2, 3])
def test_a_kill_between_a_file_and_its_row_changes_nothing(source, cls, n_described):
    expected = timeless_rows_of(build(source, cls))
    shutil.rmtree(source.parent / "data")
    script = [sys.executable, "-c", KILLED, str(source), cls.__name__, str(n_described)]
    killed = subprocess.run(script, cwd=Path(__file__).parent, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    assert killed.returncode == -signal.SIGKILL
    staged = source.parent / "data" / "interim" / f".{cls.__name__}.staging" / "files"
    assert len(list(staged.iterdir())) == 6 - n_described
    task = build(source, cls)
    assert timeless_rows_of(task) == expected
    assert task.output().verify(deep=True).ok


@pytest.mark.parametrize("cls", [Different, Unlike])
def test_when_the_original_is_gone_after_an_interruption_the_next_one_is_kept(source, monkeypatch, cls):
    with monkeypatch.context() as patch:
        patch.setattr(Staging, "publish", interrupt_interim(Staging.publish))
        with pytest.raises(StagingError, match="stopped"):
            build(source, cls)
    (source / "a.png").unlink()
    assert originals_of(build(source, cls)) == {
        "b.png": "written", "c.png": "written", "d.png": "written", "e.png": "c.png", "f.png": "b.png",
    }  # fmt: skip


def test_when_the_original_can_be_read_after_all_the_later_ones_are_duplicates_again(source, monkeypatch):
    monkeypatch.setattr(Unlike, "max_failure_rate", 0.5)

    def fail(path, **options):
        if path.endswith("a.png"):
            raise OSError(5, "the network is down")
        return load_image(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(drop_duplicates, "load_image", fail)
        patch.setattr(Staging, "publish", interrupt_interim(Staging.publish))
        with pytest.raises(StagingError, match="stopped"):
            build(source, Unlike)
    task = build(source, Unlike)
    assert originals_of(task)["c.png"] == originals_of(task)["e.png"] == "a.png"
    assert task.output().verify(deep=True).ok


def interrupt_interim(publish):
    """Return a way to publish that stops before the directory of an interim stage is."""

    def publish_or_stop(self, *args, **options):
        if self.path.parent.name == "interim":
            raise StagingError(5, "stopped")
        return publish(self, *args, **options)

    return publish_or_stop


# Several in a row, and settings


def test_equal_ones_may_be_dropped_first_and_near_ones_then(lookalikes):
    shutil.copyfile(lookalikes / "cats" / "chelsea.png", lookalikes / "things" / "again.png")

    @requires(Photos)
    class Exact(interim.DropDuplicates):
        pass

    @requires(Exact)
    class Near(interim.DropDuplicates):
        distance = luigi.IntParameter(default=4)

    task = build(lookalikes, Near)
    assert task.requires().distance is None
    assert originals_of(task.requires())["things/again.png"] == "cats/chelsea.png"
    assert originals_of(task)["things/small.png"] == "cats/chelsea.png"
    assert "things/again.png" not in originals_of(task)
    assert {row["label"] for row in rows_of(task)} == {"cats", "people", "space", "things"}


def test_later_stages_do_not_get_its_columns(source):
    @requires(Unlike)
    class Small(interim.ResizeImages):
        max_side = luigi.OptionalIntParameter(default=8)

    names = build(source, Small).output().manifest().schema.names
    assert "label" in names
    assert not {"duplicate_of", "distance", "phash"} & set(names)


@pytest.mark.parametrize("distance", [17, 2.5, "4", True])
def test_a_distance_that_is_none_is_refused_before_any_work_is_done(source, monkeypatch, distance):
    monkeypatch.setattr(Different, "distance", distance)
    with pytest.raises(
        SettingsError, match=rf"Different\.distance is {distance!r}: give a whole number of bits from 0 to 16, or None"
    ):
        build(source)
    assert list((source.parent / "data" / "interim").glob("[!.]*")) == []


@pytest.mark.parametrize(("arguments", "distance"), [([], None), (["--distance", "6"], 6), (["--distance", "0"], 0)])
def test_the_command_line_gives_the_distance(arguments, distance):
    with CmdlineParser.global_instance(["DropDuplicates", *arguments]) as parser:
        assert parser.get_task_obj().distance == distance


def test_bad_images_stop_it_by_default_and_only_where_they_are_looked_at(source):
    (source / "a.png").write_bytes(b"no image")
    assert originals_of(build(source))["c.png"] == "written"
    with pytest.raises(TooManyFailuresError, match=r"1 of 6 files failed.*First: a\.png: ImageError"):
        build(source, Unlike)
