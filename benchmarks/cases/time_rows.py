"""Rows and files by number, out of a published manifest: time_rows.py BASE_DIR."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable
from time import perf_counter, process_time
from typing import Any

import pyarrow.parquet  # noqa: F401, imported before the clock starts
from dataset import Photos
from usage import peak_megabytes, report

N_ITEMS = 20_000


def name_only(path: Any) -> str:
    """Load nothing: what is left is the way to the path."""
    return str(path.name)


def us_each(sequence: Any, indexes: Iterable[int]) -> float:
    indexes = list(indexes)
    started = process_time()
    for index in indexes:
        sequence[index]
    return 1e6 * (process_time() - started) / len(indexes)


def main(base_dir: str) -> None:
    target = Photos(base_dir=base_dir).output()
    started = perf_counter()
    manifest = target.manifest()
    middle = len(manifest) // 2
    assert manifest[middle]["status"] == "written"
    first_ms = 1e3 * (perf_counter() - started)
    near_us = us_each(manifest, range(middle, middle + N_ITEMS))
    files = target.sequence(name_only)
    stream = random.Random(0)
    order = [stream.randrange(len(files)) for _ in range(N_ITEMS)]
    first_items_us = us_each(files, order)
    item_us = us_each(files, order)
    report(
        first_ms=first_ms,
        near_us=near_us,
        first_items_us=first_items_us,
        item_us=item_us,
        peak_mb=peak_megabytes(),
    )


if __name__ == "__main__":
    main(sys.argv[1])
