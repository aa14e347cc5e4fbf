"""Behaviour of stages that make several results from one file, and of ops that drop a file with a reason."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pytest
from luigi.configuration import get_config
from luigi.util import requires

from tintype import drop, ops, record
from tintype.errors import CollisionError, FileError, TooManyFailuresError
from tintype.interim import ImageStage
from tintype.load_funcs import load_image
from tintype.raw import ImportFolder
from tintype.tasks.graph import upstream_first

WORKED: list[tuple[int, ...]] = []
"""Shapes of the images that were worked on."""
STOP_AT: list[int] = []
"""How many images may be worked on before the run is stopped."""


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")
    WORKED.clear()
    STOP_AT.clear()


class Photos(ImportFolder):
    folder: str = luigi.Parameter(significant=False)
    label_from = "parent"


@requires(Photos)
class Halves(ImageStage):
    image_format = "png"
    recorded_columns = {"side": str, "height": int}
    exceptions_to_catch = ValueError

    def process(self, image):
        WORKED.append(image.shape)
        if STOP_AT and len(WORKED) > STOP_AT[0]:
            raise KeyError("stopped on purpose")
        record(height=image.shape[0])
        middle = image.shape[1] // 2
        record(side="left")
        yield "-left", image[:, :middle]
        record(side="right")
        yield "-right", image[:, middle:]


@requires(Halves)
class SmallHalves(ImageStage):
    recorded_columns = {"shorter": int}

    def process(self, image):
        record(shorter=min(image.shape[:2]))
        return ops.resize(image, max_side=32)


@requires(Photos)
class Choosy(ImageStage):
    """Yields one result a label folder of its own, nothing for wide ones, and the same twice for cats."""

    max_failure_rate = 1.0

    def process(self, image):
        if image.shape[1] > 1000:
            drop(f"{image.shape[1]} columns are over 1000")
            return
        yield "/part", image
        if image.shape[:2] == (300, 451):
            yield "/part", image


def build(cls: type, folder: Path, **parameters: Any) -> Any:
    task = cls(base_dir=str(folder.parent / "data"), folder=str(folder), **parameters)
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return task


def rows_of(task: Any) -> list[dict[str, Any]]:
    return list(task.output().manifest().rows())


@pytest.fixture
def some(tmp_path, photographs):
    folder = tmp_path / "photographs"
    for name in ("cats/chelsea.png", "people/astronaut.png", "things/coffee.png"):
        (folder / name).parent.mkdir(parents=True)
        os.link(photographs / name, folder / name)
    return folder


def test_each_result_is_a_file_and_a_row_with_the_columns_of_its_input_and_its_own(some):
    halves = build(Halves, some)
    rows = rows_of(halves)
    assert [(row["inpath"], row["outpath"], row["label"], row["side"], row["height"]) for row in rows] == [
        ("cats/chelsea.png", "cats/chelsea-left.png", "cats", "left", 300),
        ("cats/chelsea.png", "cats/chelsea-right.png", "cats", "right", 300),
        ("people/astronaut.png", "people/astronaut-left.png", "people", "left", 512),
        ("people/astronaut.png", "people/astronaut-right.png", "people", "right", 512),
        ("things/coffee.png", "things/coffee-left.png", "things", "left", 400),
        ("things/coffee.png", "things/coffee-right.png", "things", "right", 400),
    ]
    assert {row["status"] for row in rows} == {"written"}
    whole = load_image(some / "cats/chelsea.png")
    halves_of_it = [load_image(halves.output().folder / row["outpath"]) for row in rows[:2]]
    np.testing.assert_array_equal(np.concatenate(halves_of_it, axis=1), whole)
    assert halves.output().stamp().n_inputs == 3
    assert halves.output().stamp().n_files == 6
    assert halves.output().verify(deep=True).ok
    assert len({row["input_digest"] for row in rows}) == 3
    assert halves.complete()


def test_the_next_stage_works_on_every_result(some):
    small = build(SmallHalves, some)
    rows = rows_of(small)
    assert [row["outpath"] for row in rows[:2]] == ["cats/chelsea-left.jpg", "cats/chelsea-right.jpg"]
    assert [row["side"] for row in rows[:2]] == ["left", "right"]
    assert len(rows) == 6


def test_a_stopped_build_keeps_the_results_of_the_files_that_were_finished(some):
    STOP_AT.append(2)
    with pytest.raises(FileError, match="stopped on purpose"):
        build(Halves, some, n_jobs=1)
    STOP_AT.clear()
    WORKED.clear()
    halves = build(Halves, some, n_jobs=1)
    assert len(WORKED) == 1
    assert len(rows_of(halves)) == 6
    assert [row["side"] for row in rows_of(halves)] == ["left", "right"] * 3
    assert halves.output().verify(deep=True).ok


def test_when_one_of_the_results_is_lost_before_a_resume_all_of_its_file_are_made_again(some):
    STOP_AT.append(2)
    with pytest.raises(FileError, match="stopped on purpose"):
        build(Halves, some, n_jobs=1)
    [lost] = (some.parent / "data/interim/.Halves.staging/files/cats").glob("*-right.png")
    lost.unlink()
    STOP_AT.clear()
    WORKED.clear()
    halves = build(Halves, some, n_jobs=1)
    assert sorted(WORKED) == [(300, 451, 3), (400, 600, 3)]
    assert halves.output().verify(deep=True).ok
    assert len(rows_of(halves)) == 6


def test_a_suffix_may_name_a_folder_and_what_yields_nothing_is_dropped_with_its_reason(some, photographs):
    os.link(photographs / "space/hubble_deep_field.jpg", some / "things/hubble.jpg")
    by_path = {row["inpath"]: row for row in rows_of(build(Choosy, some))}
    hubble = by_path["things/hubble.jpg"]
    assert (hubble["status"], hubble["outpath"], hubble["error"]) == ("written", "things/hubble/part.jpg", None)
    assert by_path["people/astronaut.png"]["outpath"] == "people/astronaut/part.jpg"


def test_what_yields_nothing_is_dropped_with_its_reason(tmp_path, photographs):
    folder = tmp_path / "photographs"
    folder.mkdir()
    os.link(photographs / "people/retina.jpg", folder / "retina.jpg")
    os.link(photographs / "people/astronaut.png", folder / "astronaut.png")
    by_path = {row["inpath"]: row for row in rows_of(build(Choosy, folder))}
    retina = by_path["retina.jpg"]
    assert (retina["status"], retina["outpath"], retina["error"]) == ("dropped", None, "1411 columns are over 1000")
    assert retina["error_type"] is None


def test_a_suffix_that_comes_twice_fails_the_file_and_leaves_nothing_of_it(some):
    task = build(Choosy, some)
    by_path = {row["inpath"]: row for row in rows_of(task)}
    cat = by_path["cats/chelsea.png"]
    assert (cat["status"], cat["outpath"]) == ("failed", None)
    assert cat["error"] == "the suffix '/part' was yielded twice: give each result a suffix of its own"
    assert not (task.output().folder / "cats").exists()


def test_results_of_two_files_with_one_path_are_refused_by_name(tmp_path, photographs):
    folder = tmp_path / "photographs"
    folder.mkdir()
    os.link(photographs / "cats/chelsea.png", folder / "a.png")
    os.link(photographs / "things/coffee.png", folder / "a-left.png")

    @requires(Photos)
    class Ambiguous(ImageStage):
        def process(self, image):
            yield ("-left-left" if image.shape[0] == 300 else "-left"), image

    for _ in range(2):  # the second run makes both anew and says the same
        with pytest.raises(
            CollisionError,
            match=r"a-left\.png and a\.png would both become a-left-left\.jpg: yield suffixes that keep them apart",
        ):
            build(Ambiguous, folder)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (np.zeros((2, 2), np.uint8), r"yielded a ndarray: yield \(suffix, data\), such as"),
        ((1, np.zeros((2, 2), np.uint8)), r"yielded a tuple of \(int, ndarray\): yield \(suffix, data\)"),
        (("/../../x", np.zeros((2, 2), np.uint8)), r"the suffix '/\.\./\.\./x' leads out of the folder"),
    ],
)
def test_what_is_no_suffix_and_image_fails_the_file_in_one_sentence(some, result, message):
    @requires(Photos)
    class Wrong(ImageStage):
        def process(self, image):
            yield result

    with pytest.raises(TooManyFailuresError, match=message):
        build(Wrong, some)


def test_threads_and_processes_give_the_same_rows(some):
    rows = {}
    for n_jobs, executor in ((1, "threads"), (4, "threads"), (2, "processes")):
        Halves.executor = executor  # type: ignore[assignment]
        try:
            task = build(Halves, some, n_jobs=n_jobs)
        finally:
            del Halves.executor
        rows[n_jobs, executor] = [
            {name: value for name, value in row.items() if name not in {"seconds", "time_finished"}}
            for row in rows_of(task)
        ]
        task.output().remove()
    assert rows[1, "threads"] == rows[4, "threads"] == rows[2, "processes"]


def test_the_seconds_of_a_file_are_shared_out_over_its_results(some):
    rows = rows_of(build(Halves, some))
    assert rows[0]["seconds"] == rows[1]["seconds"] > 0
