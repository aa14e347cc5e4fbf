"""Behaviour of stages that require several stages: files that belong together are one input."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pytest
from luigi.configuration import get_config

from tintype import record
from tintype.errors import JoinError, ManifestError, SettingsError, TooManyFailuresError
from tintype.interim import ImageStage
from tintype.load_funcs import load_image
from tintype.pipelines import Pipeline
from tintype.raw import ImportFolder
from tintype.tasks import FileStage, Stage
from tintype.tasks.graph import upstream_first
from tintype.write_funcs import write_image

SEEN: list[tuple[tuple[int, ...], ...]] = []


@pytest.fixture(autouse=True)
def _no_fsync(_clean_luigi: None) -> None:
    get_config().set("tintype", "durable", "false")
    SEEN.clear()


class Photos(ImportFolder):
    folder: str = luigi.Parameter(significant=False)
    label_from = "parent"


class Masks(ImportFolder):
    folder: str = luigi.Parameter(significant=False)


class Cutouts(ImageStage):
    """White where the mask is black."""

    home: str = luigi.Parameter()
    image_format = "png"

    def requires(self):
        return [
            Photos(base_dir=self.base_dir, folder=f"{self.home}/photos"),
            Masks(base_dir=self.base_dir, folder=f"{self.home}/masks"),
        ]

    def process(self, image, mask):
        SEEN.append((image.shape, mask.shape))
        return np.where(mask[..., np.newaxis] > 127, image, 255).astype(np.uint8)


class DroppingCutouts(Cutouts):
    unmatched = "drop"


def build(task: luigi.Task) -> Any:
    for above in upstream_first(task):
        if not above.complete():
            above.run()
    return task


def rows_of(task: Any) -> list[dict[str, Any]]:
    return list(task.output().manifest().rows())


@pytest.fixture
def home(tmp_path, photographs):
    for name in ("cats/chelsea.png", "things/coffee.png", "people/retina.jpg"):
        photo = tmp_path / "photos" / name
        photo.parent.mkdir(parents=True, exist_ok=True)
        os.link(photographs / name, photo)
        image = load_image(photo)
        mask = np.zeros(image.shape[:2], np.uint8)
        mask[: len(mask) // 2] = 255
        write_image(mask, (tmp_path / "masks" / name).with_suffix(".png"))
    return tmp_path


def test_process_gets_the_image_and_its_mask_joined_by_path_without_extension(home):
    task = build(Cutouts(base_dir=str(home / "data"), home=str(home)))
    rows = rows_of(task)
    assert [(row["inpath"], row["outpath"], row["label"], row["status"]) for row in rows] == [
        ("cats/chelsea.png", "cats/chelsea.png", "cats", "written"),
        ("people/retina.jpg", "people/retina.png", "people", "written"),
        ("things/coffee.png", "things/coffee.png", "things", "written"),
    ]
    whole = load_image(home / "photos/cats/chelsea.png")
    cut = load_image(task.output().folder / "cats/chelsea.png")
    np.testing.assert_array_equal(cut[:150], whole[:150])
    assert (cut[150:] == 255).all()
    assert task.complete()


def test_a_mask_that_changes_has_the_stage_built_again_with_another_input_digest(home):
    task = build(Cutouts(base_dir=str(home / "data"), home=str(home)))
    before = {row["inpath"]: row["input_digest"] for row in rows_of(task)}
    write_image(np.full((400, 600), 255, np.uint8), home / "masks/things/coffee.png")
    assert not task.complete()
    after = {row["inpath"]: row["input_digest"] for row in rows_of(build(task))}
    assert {path for path in before if before[path] != after[path]} == {"things/coffee.png"}


def test_a_file_without_a_partner_fails_by_name_on_either_side(home):
    (home / "masks/cats/chelsea.png").rename(home / "masks/cats/chelsea_mask.png")
    task = Cutouts(base_dir=str(home / "data"), home=str(home))
    with pytest.raises(
        TooManyFailuresError, match=r"2 of 4 files failed.*cats/chelsea\.png of .*Photos has no partner"
    ):
        build(task)
    assert len(SEEN) == 2  # and what has a partner was worked on


def test_files_without_a_partner_are_dropped_where_that_is_wanted(home):
    (home / "masks/cats/chelsea.png").rename(home / "masks/cats/chelsea_mask.png")
    task = build(DroppingCutouts(base_dir=str(home / "data"), home=str(home)))
    dropped = [row for row in rows_of(task) if row["status"] == "dropped"]
    data = home / "data/raw"
    by = "joined by relative path without extension"
    assert [(row["inpath"], row["label"], row["error"]) for row in dropped] == [
        ("cats/chelsea.png", "cats", f"cats/chelsea.png of {data}/Photos has no partner in {data}/Masks, {by}"),
        (
            "cats/chelsea_mask.png",
            "cats",
            f"cats/chelsea_mask.png of {data}/Masks has no partner in {data}/Photos, {by}",
        ),
    ]
    assert task.output().stamp().n_files == 2
    assert task.complete()


def test_two_partners_for_one_file_are_refused_by_name(home):
    os.link(home / "masks/cats/chelsea.png", home / "masks/cats/chelsea.bmp")
    with pytest.raises(JoinError, match=r"cats/chelsea\.bmp and cats/chelsea\.png of .*Masks would both be partners"):
        build(Cutouts(base_dir=str(home / "data"), home=str(home)))


class Texts(Stage):
    """A text file for each line of a table, which carries its columns."""

    layer = "raw"
    table: str = luigi.Parameter()
    recorded_columns = {"patient": str, "visit": int}

    def build(self, staging):
        with open(self.table, newline="") as file:
            for row in csv.DictReader(file):
                (staging.files / row["path"]).write_text(row["text"])
                visit = int(row["visit"]) if row["visit"] else None
                staging.add(row["path"], columns={"patient": row["patient"] or None, "visit": visit})


class Scans(Texts):
    pass


class Notes(Texts):
    pass


class Read(FileStage):
    layer = "interim"
    home: str = luigi.Parameter()
    join_on = ("patient", "visit")
    unmatched = "drop"
    recorded_columns = {"both": str}

    def requires(self):
        return {
            "scan": Scans(base_dir=self.base_dir, table=f"{self.home}/scans.csv"),
            "note": Notes(base_dir=self.base_dir, table=f"{self.home}/notes.csv"),
        }

    def pipeline(self):
        return Pipeline(load_func=read_texts, ops=record_both)


def read_texts(paths):
    return [Path(path).read_text() for path in paths]


def record_both(texts):
    record(both="+".join(texts))
    return texts


def write_table(path: Path, *rows: str) -> None:
    path.write_text("\n".join(["path,text,patient,visit", *rows]) + "\n")


def test_files_are_joined_on_columns_many_to_one_and_a_missing_value_matches_nothing(tmp_path):
    write_table(tmp_path / "scans.csv", "a1,A1,ann,1", "a2,A2,ann,1", "b1,B1,bob,2", "c1,C1,,3", "d1,D1,dan,")
    write_table(tmp_path / "notes.csv", "x,X,bob,2", "y,Y,ann,1", "z,Z,,3", "w,W,dan,")
    rows = rows_of(build(Read(base_dir=str(tmp_path / "data"), home=str(tmp_path))))
    assert [(row["inpath"], row["status"], row["both"], row["patient"]) for row in rows] == [
        ("a1", "recorded", "A1+Y", "ann"),
        ("a2", "recorded", "A2+Y", "ann"),
        ("b1", "recorded", "B1+X", "bob"),
        ("c1", "dropped", None, None),
        ("d1", "dropped", None, "dan"),
        ("z", "dropped", None, None),
        ("w", "dropped", None, "dan"),
    ]


def test_stages_without_files_give_no_rows(tmp_path):
    write_table(tmp_path / "scans.csv")
    write_table(tmp_path / "notes.csv")
    assert rows_of(build(Read(base_dir=str(tmp_path / "data"), home=str(tmp_path)))) == []


def test_a_column_that_is_not_carried_cannot_be_joined_on(tmp_path):
    class Wrong(Read):
        join_on = ("doctor", "visit")

    write_table(tmp_path / "scans.csv", "a1,A1,ann,1")
    write_table(tmp_path / "notes.csv", "y,Y,ann,1")
    with pytest.raises(ManifestError, match=r"Notes-table=.* carries no columns \['doctor'\] to join on: it carries"):
        build(Wrong(base_dir=str(tmp_path / "data"), home=str(tmp_path)))


def test_another_word_for_unmatched_is_refused(tmp_path):
    class Wrong(Read):
        unmatched = "ignore"  # type: ignore[assignment]

    write_table(tmp_path / "scans.csv")
    write_table(tmp_path / "notes.csv")
    with pytest.raises(SettingsError, match="unmatched is 'ignore': give 'fail' or 'drop'"):
        build(Wrong(base_dir=str(tmp_path / "data"), home=str(tmp_path)))
