"""Publish a split of so many described images, none of which is there: make_report_rows.py BASE_DIR N_ROWS."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from report_stage import EXTRA, Products

from tintype.manifest.schema import MANIFEST_NAME, STAMP_NAME
from tintype.manifest.writer import ManifestWriter
from tintype.targets.stamp import Stamp

ROWS_PER_BATCH = 50_000


def publish(base_dir: str, n_rows: int) -> None:
    import pyarrow as pa

    task = Products(base_dir=base_dir)
    folder = Path(task.output().path)
    folder.mkdir(parents=True)
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    with ManifestWriter(
        folder / MANIFEST_NAME, pa.schema([(name, kinds[kind]) for name, kind in EXTRA.items()])
    ) as out:
        for columns in make_rows(n_rows):
            out.write(columns)
    summary = out.summary
    stamp = Stamp(
        recipe=task.recipe(),
        build_id="0" * 32,
        digest=summary.digest,
        n_rows=summary.n_rows,
        n_inputs=summary.n_inputs,
        n_files=summary.n_files,
        size_bytes=summary.size_bytes,
        time_published=datetime.now(UTC).isoformat(),
        tintype_version="0",
        statuses=summary.statuses,
    )
    (folder / STAMP_NAME).write_text(json.dumps(stamp.to_json()))


def make_rows(n_rows: int) -> Iterator[dict[str, Any]]:
    random = np.random.default_rng(0)
    for start in range(0, n_rows, ROWS_PER_BATCH):
        numbers = range(start, min(start + ROWS_PER_BATCH, n_rows))
        n = len(numbers)
        is_bad = (random.random(n) < 0.02).tolist()
        paths = [f"{number % 1000:03d}/photograph_{number:08d}.jpg" for number in numbers]
        urls = [f"https://host{number % 7}.example/{path}" for number, path in zip(numbers, paths, strict=True)]
        digests = [f"{number:064x}" for number in numbers]

        def unless_bad(values: list[Any], is_bad: list[bool] = is_bad) -> list[Any]:
            return [None if bad else value for bad, value in zip(is_bad, values, strict=True)]

        yield {
            "inpath": paths,
            "outpath": unless_bad(paths),
            "status": ["failed" if bad else "written" for bad in is_bad],
            "error_type": ["ImageError" if bad else None for bad in is_bad],
            "error": ["it is truncated" if bad else None for bad in is_bad],
            "input_digest": digests,
            "digest": unless_bad(digests),
            "size_bytes": unless_bad(random.lognormal(11, 1, n).astype(int).tolist()),
            "seconds": random.exponential(0.1, n).tolist(),
            "time_finished": [datetime(2026, 11, 20, tzinfo=UTC)] * n,
            "url": urls,
            "label": [f"label {number % 40}" for number in random.integers(0, 1000, n).tolist()],
            "group": [f"patient {number // 20}" for number in numbers],
            "part": [("train", "valid")[number // 20 % 5 == 0] for number in numbers],
            "leak_of": [paths[0] if number % 5000 == 0 else None for number in numbers],
            "leak_distance": [2] * n,
            "leak_hash": ["0" * 16] * n,
            "width": random.integers(200, 4000, n).tolist(),
            "height": random.integers(200, 3000, n).tolist(),
            "mean_brightness": (random.random(n) * 255).tolist(),
            "sharpness": random.lognormal(5, 2, n).tolist(),
        }


if __name__ == "__main__":
    publish(sys.argv[1], int(sys.argv[2]))
