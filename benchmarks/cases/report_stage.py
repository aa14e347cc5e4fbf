"""The stage whose directory is reported on; make_report_rows.py publishes it."""

from __future__ import annotations

from typing import Any

from tintype import Stage

EXTRA: dict[str, type] = {
    "url": str,
    "label": str,
    "group": str,
    "part": str,
    "leak_of": str,
    "leak_distance": int,
    "leak_hash": str,
    "width": int,
    "height": int,
    "mean_brightness": float,
    "sharpness": float,
}


class Products(Stage):
    layer = "processed"
    recorded_columns = EXTRA

    def build(self, staging: Any) -> None:
        raise RuntimeError("the benchmark publishes this directory itself")
