"""Behaviour of Stage.sequence(): any item of a stage, built or not."""

from __future__ import annotations

import pickle
import shutil
import tarfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pytest
from luigi.configuration import get_config
from luigi.util import requires
from tests.servers.faults import fault_server

from tintype import FileStage, Pipeline, drop, interim, ops, processed, raw, record
from tintype.errors import DroppedError, EvaluationError, SettingsError
from tintype.load_funcs import load_bytes, load_image
from tintype.sequences import smap
from tintype.tasks.graph import upstream_first
from tintype.write_funcs import write_bytes

CALLS: Counter[str] = Counter()
_counting = threading.Lock()


def count(name: str) -> None:
    with _counting:
        CALLS[name] += 1


@pytest.fixture(autouse=True)
def _fresh(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")
    CALLS.clear()


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter()


@requires(Photos)
class Small(interim.ImageStage):
    recorded_columns = {"brightness": float}

    def process(self, image):
        count("Small")
        record(brightness=image.mean())
        return ops.resize(image, max_side=48)


@requires(Small)
class Gray(interim.ImageStage):
    image_format = "png"

    def process(self, image):
        count("Gray")
        return ops.to_grayscale(image)


@requires(Gray)
class Halves(interim.ImageStage):
    def process(self, image):
        middle = image.shape[1] // 2
        yield "-left", image[:, :middle]
        yield "-right", image[:, middle:]


@requires(Halves)
class Mirrored(interim.ImageStage):
    def process(self, image):
        return image[:, ::-1]


@requires(Photos)
class Described(processed.DescribeImages):
    pass


@pytest.fixture
def settings(photographs: Path, tmp_path: Path) -> dict[str, str]:
    return {"base_dir": str(tmp_path / "data"), "folder": str(photographs)}


def build(task: luigi.Task) -> None:
    for above in upstream_first(task):
        if not above.complete():
            above.run()


def test_an_item_of_a_chain_that_was_never_built_is_what_the_build_makes_to_the_last_bit(settings, tmp_path):
    before = list(Gray(**settings).sequence())
    assert not (tmp_path / "data").exists()
    assert CALLS == {"Small": 8, "Gray": 8}
    build(Gray(**settings))
    CALLS.clear()
    after = Gray(**settings).sequence()
    assert len(before) == len(after) == 8
    assert after.is_built
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not CALLS


def test_only_the_item_that_is_asked_for_is_computed(settings):
    sequence = Gray(**settings).sequence()
    assert len(sequence) == 8
    assert not CALLS
    assert sequence[5].ndim == 2
    assert CALLS == {"Small": 1, "Gray": 1}
    assert repr(sequence) == "<Gray, not built: 8 items>"


def test_items_are_computed_from_the_nearest_directory_that_is_up_to_date(settings):
    build(Small(**settings))
    CALLS.clear()
    sequence = Gray(**settings).sequence()
    sequence[0], sequence[-1]
    assert CALLS == {"Gray": 2}


def test_a_directory_that_is_out_of_date_is_not_read(settings, monkeypatch):
    build(Small(**settings))
    monkeypatch.setattr(Small, "version", "2")
    CALLS.clear()
    Gray(**settings).sequence()[0]
    assert CALLS == {"Small": 1, "Gray": 1}
    assert not Small(**settings).sequence().is_built


def test_a_class_that_is_written_anew_computes_afresh(settings):
    def make(value: int) -> type:
        @requires(Photos)
        class Filled(interim.ImageStage):
            image_format = "png"

            def process(self, image):
                return np.full((4, 4), value, np.uint8)

        return Filled

    assert make(7)(**settings).sequence()[3].max() == 7
    assert make(9)(**settings).sequence()[3].max() == 9


def test_an_input_with_several_results_is_the_list_of_them_here_and_below(settings):
    left, right = Halves(**settings).sequence()[0]
    mirrored = Mirrored(**settings).sequence(columns=True)[0]
    build(Mirrored(**settings))
    assert [row["outpath"] for row, _ in mirrored] == ["cats/chelsea-left.jpg", "cats/chelsea-right.jpg"]
    built = Mirrored(**settings).sequence()
    assert len(built) == 16
    for (_, image), other in zip(mirrored, built[:2], strict=True):
        np.testing.assert_array_equal(image, other)
    np.testing.assert_array_equal(left, Halves(**settings).sequence()[0])
    np.testing.assert_array_equal(right, Halves(**settings).sequence()[1])


def test_with_columns_an_item_has_the_row_that_the_manifest_will_have(settings):
    rows = [row for row, _ in Gray(**settings).sequence(columns=True)]
    build(Gray(**settings))
    passing = {"seconds", "time_finished"}
    for row, published in zip(rows, Gray(**settings).output().manifest().rows(), strict=True):
        assert list(row) == list(published)
        assert {k: v for k, v in row.items() if k not in passing} == {
            k: v for k, v in published.items() if k not in passing
        }
    assert rows[0]["label"] == "cats"
    assert rows[0]["brightness"] > 0


@requires(Photos)
class Picky(interim.ImageStage):
    def process(self, image):
        if image.shape[0] == image.shape[1]:
            raise ValueError("a square")
        if image.shape[1] > 600:
            return drop("too wide")
        return image


@requires(Picky)
class AfterPicky(interim.ImageStage):
    def process(self, image):
        return image


@pytest.mark.parametrize("stage", [Picky, AfterPicky])
def test_a_failed_item_names_stage_file_and_number_and_a_dropped_one_its_reason(settings, stage):
    names = [p.relative_to(settings["folder"]).as_posix() for p in sorted(Path(settings["folder"]).rglob("*.*"))]
    sequence = stage(**settings).sequence()
    square, wide = names.index("people/astronaut.png"), names.index("space/hubble_deep_field.jpg")
    with pytest.raises(
        EvaluationError, match=f"item {square} failed in Picky for 'people/astronaut.png'.*a square"
    ) as caught:
        sequence[square]
    assert isinstance(caught.value.__cause__, ValueError)
    assert "test_stage_sequence.py" in caught.value.place
    with pytest.raises(DroppedError, match=f"item {wide}: Picky drops space/hubble_deep_field.jpg: too wide"):
        sequence[wide]
    with pytest.raises(EvaluationError, match="item 0 failed"):
        smap(np.mean, sequence[square:])[0]


def test_items_that_are_missing_can_be_left_out_or_be_none(settings):
    assert len(list(Picky(**settings).sequence(missing="skip"))) < 8
    everything = list(Picky(**settings).sequence(missing="none"))
    assert len(everything) == 8
    assert sum(item is None for item in everything) == 8 - len(list(Picky(**settings).sequence(missing="skip")))
    with pytest.raises(SettingsError, match="missing is 'zero': give 'raise', 'skip' or 'none'"):
        Picky(**settings).sequence(missing="zero")  # type: ignore[arg-type]


class Masks(raw.GivenFolder):
    folder: str = luigi.Parameter()


class Pairs(interim.ImageStage):
    base_dir: str = luigi.Parameter()
    folder: str = luigi.Parameter()

    def requires(self):
        settings: dict[str, Any] = {"base_dir": self.base_dir, "folder": self.folder}
        return [Small(**settings), Gray(**settings)]

    def process(self, image, gray):
        return np.dstack([image[..., :2], gray]) if image.ndim == 3 else gray


def test_several_stages_that_are_not_built_are_joined(settings):
    before = list(Pairs(**settings).sequence())
    assert len(before) == 8
    build(Pairs(**settings))
    for one, other in zip(before, Pairs(**settings).sequence(), strict=True):
        np.testing.assert_array_equal(one, other)


class Both(raw.Concatenate):
    base_dir: str = luigi.Parameter()
    folder: str = luigi.Parameter()

    def requires(self):
        settings: dict[str, Any] = {"base_dir": self.base_dir, "folder": self.folder}
        return [Photos(**settings), Gray(**settings)]


@requires(Both)
class Thumbs(interim.ResizeImages):
    shape = (8, 8)


def test_stages_that_are_brought_together_are_computed_too(settings):
    sequence = Thumbs(**settings).sequence(columns=True)
    assert len(sequence) == 16
    row, image = sequence[8]
    assert row["outpath"].startswith("Gray-folder=")
    assert row["outpath"].endswith("/cats/chelsea.jpg")
    assert image.shape == (8, 8)


def test_a_folder_that_is_used_where_it_lies_is_read_there(settings):
    @requires(Masks)
    class FromMasks(interim.ImageStage):
        def process(self, image):
            return image

    path = next(Path(settings["folder"]).rglob("chelsea.png"))
    np.testing.assert_array_equal(Masks(**settings).sequence()[0], load_image(path))
    assert FromMasks(**settings).sequence()[0].shape == load_image(path).shape


def test_a_stage_that_writes_no_files_gives_what_comes_out_of_it(settings):
    row, image = Described(**settings).sequence(columns=True)[0]
    assert (row["height"], row["width"]) == image.shape[:2]
    build(Described(**settings))
    assert len(Described(**settings).sequence()) == 8


def test_a_download_is_made_when_its_item_is_asked_for(photographs, tmp_path):
    class Fetched(raw.DownloadFiles):
        urls: str = luigi.Parameter()

    @requires(Fetched)
    class Thumb(interim.ResizeImages):
        shape = (16, 16)

    with fault_server() as server:
        paths = sorted(path.relative_to(photographs).as_posix() for path in photographs.rglob("*.*"))
        server.files = {f"/{path}": (photographs / path).read_bytes() for path in paths}
        (tmp_path / "urls.txt").write_text("".join(f"{server.url}/{path}\n" for path in paths))
        settings: dict[str, Any] = {"base_dir": str(tmp_path / "data"), "urls": str(tmp_path / "urls.txt")}
        sequence = Thumb(**settings).sequence()
        assert len(sequence) == 8
        assert not server.requests
        assert sequence[2].shape == (16, 16, 3)
        assert dict(server.requests) == {f"/{paths[2]}": 1}


def test_a_stage_that_makes_its_directory_as_a_whole_says_to_build_it_first(photographs, tmp_path):
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(photographs, ".")

    class Unpacked(raw.ExtractArchive):
        archive: str = luigi.Parameter(default=str(tmp_path / "photos.tar"))

    @requires(Unpacked)
    class Thumb(interim.ResizeImages):
        shape = (16, 16)

    task = Thumb(base_dir=str(tmp_path / "data"))
    with pytest.raises(
        SettingsError, match=r"Unpacked is not built, and makes its directory as a whole.*--stage Unpacked"
    ):
        task.sequence()
    build(task.requires())
    assert task.sequence()[0].shape[:2] == (16, 16)


def test_a_task_above_that_is_no_stage_has_to_be_run_first(tmp_path):
    class Listing(luigi.ExternalTask):
        def output(self):
            return luigi.LocalTarget(tmp_path / "listing.txt")

    class Listed(FileStage):
        layer = "raw"

        def requires(self):
            return Listing()

        def rows(self):
            from tintype.tasks.rows import RecordRows

            return RecordRows(lambda: ({"inpath": line} for line in Path(self.input().path).read_text().split()))

        def input_folder(self):
            return str(tmp_path)

        def pipeline(self):
            return Pipeline(load_bytes, bytes.upper, write_bytes)

    with pytest.raises(SettingsError, match=r"Listed requires Listing.*is no stage and not complete: run it first"):
        Listed(base_dir=str(tmp_path / "data")).sequence()
    (tmp_path / "listing.txt").write_text("listing.txt")
    assert list(Listed(base_dir=str(tmp_path / "data")).sequence()) == [b"LISTING.TXT"]


def test_one_sequence_serves_many_threads(settings):
    expected = list(Gray(**settings).sequence())
    sequence = Gray(**settings).sequence()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda index: sequence[index % 8], range(32)))
    for index, image in enumerate(found):
        np.testing.assert_array_equal(image, expected[index % 8])


def test_a_sequence_travels_to_another_process(settings):
    sequence = pickle.loads(pickle.dumps(Gray(**settings).sequence()))
    np.testing.assert_array_equal(sequence[3], Gray(**settings).sequence()[3])


def test_nothing_is_left_of_the_work_on_an_item(settings, tmp_path, monkeypatch):
    import tempfile

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    sequence = Picky(**settings).sequence(missing="none")
    assert len(list(sequence)) == 8
    assert list(scratch.iterdir()) == []


def test_luigis_own_task_is_not_changed_by_looking(settings):
    task = Gray(**settings)
    task.sequence()[0]
    assert not task.complete()
    build(task)
    assert task.complete()
    shutil.rmtree(task.output().path)
    assert not task.complete()


def test_no_files_at_all_is_an_empty_sequence(tmp_path):
    (tmp_path / "empty").mkdir()
    settings: dict[str, Any] = {"base_dir": str(tmp_path / "data"), "folder": str(tmp_path / "empty")}
    sequence = Gray(**settings).sequence()
    assert list(sequence) == []
    with pytest.raises(IndexError, match="no item 0"):
        sequence[0]


def test_the_load_function_may_be_named(settings):
    data: Any = Small(**settings).sequence(load_bytes)[0]
    assert data.startswith(b"\xff\xd8")


def test_of_diamonds_upon_diamonds_each_stage_is_looked_at_once(settings, monkeypatch):
    def make(above: type, number: int) -> type:
        class Both(raw.Concatenate):
            base_dir: str = luigi.Parameter()
            folder: str = luigi.Parameter()

            def requires(self):
                given: Any = {"base_dir": self.base_dir, "folder": self.folder}
                return [left(**given), right(**given)]

        left: Any = requires(above)(type(f"Left{number}", (interim.ResizeImages,), {"shape": (8, 8)}))
        right: Any = requires(above)(type(f"Right{number}", (interim.ResizeImages,), {"shape": (9, 9)}))
        return type(f"Both{number}", (Both,), {"source_column": f"source{number}"})

    looked: Counter[str] = Counter()
    items = FileStage.items

    def count_looks(self, **options):
        looked[self.get_task_family()] += 1
        return items(self, **options)

    monkeypatch.setattr(FileStage, "items", count_looks)
    stage: Any = Photos
    for number in range(4):
        stage = make(stage, number)
    assert len(stage(**settings).sequence()) == 8 * 2**4
    assert set(looked.values()) == {1}
