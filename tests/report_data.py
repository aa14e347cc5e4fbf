"""Published directories made of rows alone, for tests of reports: no stage has to run to have a million of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tintype import FileStage, Pipeline, Stage
from tintype.manifest.schema import MANIFEST_NAME, STAMP_NAME
from tintype.manifest.writer import ManifestWriter
from tintype.targets.stamp import Stamp

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIXED: dict[str, Any] = {
    "inpath": None,
    "outpath": None,
    "status": "written",
    "error_type": None,
    "error": None,
    "input_digest": None,
    "digest": None,
    "size_bytes": None,
    "seconds": 0.25,
    "time_finished": NOW,
}


class Photos(Stage):
    layer = "raw"

    def build(self, staging: Any) -> None:
        raise AssertionError("published by hand")


class Products(FileStage):
    """The stage below; what it would record is what a split and a description record."""

    layer = "processed"
    recorded_columns = {
        "leak_of": str,
        "leak_distance": int,
        "leak_hash": str,
        "width": int,
        "height": int,
        "mean_brightness": float,
        "sharpness": float,
    }

    def requires(self) -> Stage:
        return Photos(base_dir=self.base_dir)

    def pipeline(self) -> Pipeline:
        raise AssertionError("published by hand")


class Everything(luigi.WrapperTask):
    base_dir = luigi.Parameter(default="data")

    def requires(self) -> Stage:
        return Products(base_dir=self.base_dir)


def publish_rows(
    task: Stage, rows: Iterable[Mapping[str, Any]], extra: Mapping[str, pa.DataType] | None = None
) -> Path:
    """Publish a directory with these rows; what a row leaves out is as in :data:`FIXED`, or null."""
    extra = extra or {}
    whole = [{**FIXED, **dict.fromkeys(extra), **row} for row in rows]
    names = [*FIXED, *extra]
    return publish_columns(task, [{name: [row[name] for row in whole] for name in names}], extra)


def publish_columns(task: Stage, batches: Iterable[Mapping[str, Any]], extra: Mapping[str, pa.DataType]) -> Path:
    """Publish a directory with the rows of batches of columns."""
    folder = Path(task.output().path)
    folder.mkdir(parents=True, exist_ok=True)
    with ManifestWriter(folder / MANIFEST_NAME, pa.schema(list(extra.items()))) as writer:
        for columns in batches:
            writer.write(columns)
    summary = writer.summary
    stamp = Stamp(
        recipe=task.recipe(),
        build_id=f"{id(summary):032x}",
        digest=summary.digest,
        n_rows=summary.n_rows,
        n_inputs=summary.n_inputs,
        n_files=summary.n_files,
        size_bytes=summary.size_bytes,
        time_published=NOW.isoformat(),
        tintype_version="0",
        statuses=summary.statuses,
    )
    (folder / STAMP_NAME).write_text(json.dumps(stamp.to_json()))
    return folder


PHOTO_COLUMNS = {"url": pa.string(), "label": pa.string(), "patient": pa.string()}
PRODUCT_COLUMNS = {
    **PHOTO_COLUMNS,
    "part": pa.string(),
    "leak_of": pa.string(),
    "leak_distance": pa.int64(),
    "leak_hash": pa.string(),
    "width": pa.int64(),
    "height": pa.int64(),
    "mean_brightness": pa.float64(),
    "sharpness": pa.float64(),
}


def publish_many(base_dir: str | Path, n_rows: int, seed: int = 0) -> None:
    """Publish two stages of `n_rows` rows: downloads of which some failed, and what became of the others."""
    photos, products = Photos(base_dir=str(base_dir)), Products(base_dir=str(base_dir))
    publish_columns(photos, make_photos(n_rows, seed), PHOTO_COLUMNS)
    publish_columns(products, make_products(n_rows, seed), PRODUCT_COLUMNS)


def make_photos(n_rows: int, seed: int = 0) -> Iterable[dict[str, Any]]:
    """Yield rows of a download: one in twenty failed, with one of three errors, from one of five hosts."""
    random = np.random.default_rng(seed)
    for start in range(0, n_rows, 50_000):
        numbers = np.arange(start, min(start + 50_000, n_rows))
        n = len(numbers)
        failed = random.random(n) < 0.05
        errors = random.choice(["HttpStatusError", "DownloadTimeoutError", "ImageError"], n)
        hosts = random.integers(0, 5, n)
        paths = [f"{number % 1000:03d}/{number:08d}.jpg" for number in numbers.tolist()]
        urls = [f"https://host{host}.example/{path}" for host, path in zip(hosts.tolist(), paths, strict=True)]
        labels = random.choice(["cat", "dog", "owl", "fox"], n, p=[0.5, 0.3, 0.15, 0.05]).tolist()
        yield {
            "inpath": urls,
            "outpath": _unless(failed, paths),
            "status": np.where(failed, "failed", "written").tolist(),
            "error_type": _unless(~failed, errors.tolist()),
            "error": ["it did not come" if bad else None for bad in failed],
            "input_digest": [None] * n,
            "digest": _unless(failed, [_make_digest(number) for number in numbers.tolist()]),
            "size_bytes": _unless(failed, random.lognormal(11, 1, n).astype(int).tolist()),
            "seconds": random.exponential(0.2, n).tolist(),
            "time_finished": [NOW] * n,
            "url": urls,
            "label": labels,
            "patient": [f"p{number // 7}" for number in numbers.tolist()],
        }


def make_products(n_rows: int, seed: int = 0) -> Iterable[dict[str, Any]]:
    """Yield rows of a split that describes its images, one for each photo that came."""
    random = np.random.default_rng(seed + 1)
    for photos in make_photos(n_rows, seed):
        there = [place for place, path in enumerate(photos["outpath"]) if path is not None]
        n = len(there)
        taken = {name: [values[place] for place in there] for name, values in photos.items()}
        parts = [("train", "valid")[int(patient[1:]) % 5 == 0] for patient in taken["patient"]]
        paths = [f"{part}/{path}" for part, path in zip(parts, taken["outpath"], strict=True)]
        leaks = random.random(n) < 0.001
        yield {
            **taken,
            "inpath": taken["outpath"],
            "outpath": paths,
            "status": ["written"] * n,
            "part": parts,
            "leak_of": [paths[0] if leak else None for leak in leaks],
            "leak_distance": [2 if leak else None for leak in leaks],
            "leak_hash": ["0" * 16] * n,
            "width": random.integers(200, 4000, n).tolist(),
            "height": random.integers(200, 3000, n).tolist(),
            "mean_brightness": (random.random(n) * 255).tolist(),
            "sharpness": random.lognormal(5, 2, n).tolist(),
        }


def _unless(is_left_out: npt.NDArray[np.bool_], values: list[Any]) -> list[Any]:
    return [None if gone else value for gone, value in zip(is_left_out.tolist(), values, strict=True)]


def _make_digest(number: int) -> str:
    """Return a digest that one file in a hundred shares with the one before it."""
    return f"{number - number % 100 // 99:064x}"
