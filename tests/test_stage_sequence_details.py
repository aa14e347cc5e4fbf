"""Stage.sequence() in detail: rows as the manifest has them, joins, parts, other disks, and what cannot be known."""

from __future__ import annotations

import errno
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pytest
from luigi.configuration import get_config
from luigi.util import requires

from tintype import Pipeline, drop, interim, make_directory_output, ops, processed, raw, record
from tintype.errors import DroppedError, SettingsError, StagingError
from tintype.load_funcs import load_bytes, load_image
from tintype.tasks.graph import upstream_first
from tintype.tasks.rows import RecordRows
from tintype.write_funcs import write_image

PASSING = {"seconds", "time_finished"}


@pytest.fixture(autouse=True)
def _fresh(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")


@pytest.fixture
def settings(photographs: Path, tmp_path: Path) -> dict[str, str]:
    return {"base_dir": str(tmp_path / "data"), "folder": str(photographs)}


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


def build(task: luigi.Task) -> None:
    for above in upstream_first(task):
        if not above.complete():
            above.run()


def items_of(task: Any) -> list[tuple[dict[str, Any], bytes]]:
    """Return the rows and the bytes of all items, one by one."""
    found = []
    for item in task.sequence(load_bytes, columns=True, missing="none"):
        found += item if isinstance(item, list) else [item] if item is not None else []
    return [({name: value for name, value in row.items() if name not in PASSING}, data) for row, data in found]


def check_that_items_are_what_the_build_makes(task: Any) -> None:
    before = items_of(task)
    build(task)
    assert task.sequence().is_built
    assert before == items_of(task)
    assert before


def settings_of(task: Any) -> dict[str, Any]:
    return {"base_dir": task.base_dir, "folder": task.folder}


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter()


class Linked(Photos):
    mode = "hardlink"


class Given(raw.GivenFolder):
    folder: str = luigi.Parameter()


@requires(Photos)
class Small(interim.ImageStage):
    recorded_columns = {"brightness": float, "kind": str}

    def process(self, image):
        record(brightness=image.mean(), kind="dark" if image.mean() < 100 else "light")
        return ops.resize(image, max_side=48)


@requires(Small)
class Wide(interim.ImageStage):
    def process(self, image):
        return image if image.shape[1] > image.shape[0] else drop("upright")


class Both(interim.ImageStage):
    base_dir: str = luigi.Parameter()
    folder: str = luigi.Parameter()
    unmatched = "drop"

    def requires(self):
        return [Small(**settings_of(self)), Wide(**settings_of(self))]

    def process(self, image, other):
        return np.hstack([image, other])


class Together(raw.Concatenate):
    base_dir: str = luigi.Parameter()
    folder: str = luigi.Parameter()

    def requires(self):
        return [Small(**settings_of(self)), Given(**settings_of(self))]


@requires(Small)
class Parts(processed.SplitDataset):
    method = "exact"
    parts = {"train": 5, "valid": 3}


@requires(Given)
class PartsOfGiven(Parts):
    link = "symbolic"


@pytest.mark.parametrize("stage", [Both, Together, Parts, PartsOfGiven])
def test_rows_of_stages_that_bring_files_together_are_those_of_the_manifest(settings, stage):
    check_that_items_are_what_the_build_makes(stage(**settings))


def test_rows_of_a_join_with_a_stage_that_is_built_are_those_of_the_manifest(settings):
    build(Small(**settings))
    check_that_items_are_what_the_build_makes(Both(**settings))


@requires(Photos)
class Bands(interim.ImageStage):
    """Two bands of each image, none of a square."""

    def process(self, image):
        for number in range(0 if image.shape[0] == image.shape[1] else 2):
            yield f"-{number}", image[40 * number : 40 * number + 40, :40]


@requires(Bands)
class Seconds(interim.ImageStage):
    path_matters = True

    def process(self, image):
        seen.append(image.shape)
        return drop("the first") if len(seen) % 2 else image


seen: list[Any] = []


def test_of_several_files_above_a_dropped_one_does_not_take_the_others_with_it(settings):
    seen.clear()
    sequence = Seconds(**settings).sequence(columns=True)
    assert [row["outpath"] for row, _ in sequence[0]] == ["cats/chelsea-1.jpg"]
    with pytest.raises(DroppedError, match="Bands drops people/astronaut"):
        sequence[1]


class TwiceTheSame(interim.ImageStage):
    base_dir: str = luigi.Parameter()
    folder: str = luigi.Parameter()

    def requires(self):
        return [Small(**settings_of(self))] * 2

    def process(self, image, again):
        return np.vstack([image, again])


def test_a_stage_that_is_required_twice_is_two_inputs(settings):
    check_that_items_are_what_the_build_makes(TwiceTheSame(**settings))


class HoldsAFolder(Both):
    def pipeline(self):
        folder = str(self.input()[1].files_folder())
        return Pipeline(partial(load_first, folder), write_func=write_image)


def load_first(folder, paths):
    assert os.path.isdir(folder)
    return load_image(paths[0])


def test_a_pipeline_that_holds_a_path_is_made_for_each_item(settings):
    check_that_items_are_what_the_build_makes(HoldsAFolder(**settings))


@requires(Photos)
class Looking(interim.ImageStage):
    recorded_columns = {"first": int, "second": int}

    def process(self, image):
        record(first=1)
        other = Small(**settings_of(self)).sequence()[0]
        record(second=other.shape[0])
        return image[:8, :8]


def test_an_op_that_looks_at_an_item_of_another_stage_keeps_what_it_recorded(settings):
    rows = [row for row, _ in items_of(Looking(**settings))]
    assert {row["first"] for row in rows} == {1}
    assert {row["second"] for row in rows} == {Small(**settings).sequence()[0].shape[0]}
    check_that_items_are_what_the_build_makes(Looking(**settings))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_gets_through_and_leaves_nothing(settings, scratch, kind):
    @requires(Small)
    class Ending(interim.ImageStage):
        def process(self, image):
            raise kind("enough")

    with pytest.raises(kind, match="enough"):
        Ending(**settings).sequence(missing="none")[0]
    with pytest.raises(kind, match="enough"):
        Ending(**settings).try_it(1)
    assert list(scratch.iterdir()) == []


def test_files_to_be_linked_are_copied_where_temporary_files_are_on_another_disk(settings, monkeypatch):
    link = os.link

    def refuse(source, target, **options):
        if "tintype-item-" in str(target):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source, None, target)
        link(source, target, **options)

    monkeypatch.setattr(os, "link", refuse)
    assert items_of(Linked(**settings))[0][0]["outpath"] == "cats/chelsea.png"


def test_a_full_disk_is_told_with_the_temporary_folder(settings, scratch):
    @requires(Photos)
    class Filling(interim.ImageStage):
        def process(self, image):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(
        StagingError, match=f"No space left.*temporary folder {scratch}: make room there, or set TMPDIR"
    ):
        Filling(**settings).sequence(missing="none")[0]


@requires(Small)
class PartsByKind(Parts):
    label = "kind"


class JoinedByKind(Both):
    join_on = "brightness"


@requires(Small)
class Named(interim.ImageStage):
    def outpath(self, row):
        return f"{row['brightness']:.3f}/{row.inpath}"

    def process(self, image):
        return image


@requires(Named)
class PartsOfNamed(Parts):
    pass


@pytest.mark.parametrize(
    ("stage", "what"),
    [
        (PartsByKind, "PartsByKind.label is 'kind' .* and column 'kind'"),
        (JoinedByKind, "^JoinedByKind joins on 'brightness', and column 'brightness'"),
        (PartsOfNamed, r"outpath\(row\) of Named fails for cats/chelsea.jpg .* and column 'brightness'"),
    ],
)
def test_what_goes_by_a_recorded_column_says_what_to_build_first(settings, stage, what):
    with pytest.raises(SettingsError, match=f"{what} has no values before Small is built: build it first.*Small$"):
        stage(**settings).sequence()
    build(Small(**settings))
    if stage is not JoinedByKind:
        check_that_items_are_what_the_build_makes(stage(**settings))


def test_a_path_that_goes_by_a_recorded_column_is_right_in_a_chain(settings):
    check_that_items_are_what_the_build_makes(Named(**settings))


@requires(Photos)
class Described(processed.DescribeImages):
    pass


@requires(Described)
class OfDescription(interim.ConvertImages):
    pass


def test_below_a_stage_that_writes_no_file_for_each_input_it_is_to_be_built_first(settings):
    with pytest.raises(
        SettingsError, match=r"OfDescription requires Described.*no file for each input.*build it first"
    ):
        OfDescription(**settings).sequence()


@make_directory_output(load_bytes)
class Readable(Small):
    pass


@requires(Readable)
class ReadsAll(interim.ConvertImages):
    def rows(self):
        return RecordRows(lambda: [{"inpath": str(len(data))} for data in self.input().read()])


def test_rows_that_read_all_files_above_say_what_to_build_first(settings):
    with pytest.raises(SettingsError, match=r"Readable.* is not built, and all of its files are asked for: build it"):
        ReadsAll(**settings).sequence()


def test_processes_that_fork_off_find_the_same_items(settings):
    expected = items_of(Both(**settings))
    sequence = Both(**settings).sequence(load_bytes, missing="none")
    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            found = [data for data in sequence if data is not None]
            os._exit(0 if found == [data for _, data in expected] else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
