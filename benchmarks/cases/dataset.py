"""A dataset without files: a published directory that is only manifest and stamp, and a stage that writes nothing.

What is left when such a stage runs is the framework's own work: plan, collision check, blocks, journal, manifest and
digest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from tintype import FileStage, Pipeline, Stage
from tintype.manifest.schema import MANIFEST_NAME, STAMP_NAME
from tintype.records import report_written
from tintype.targets.staging import Staging
from tintype.targets.stamp import Stamp

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ROWS_PER_BATCH = 10_000


class Photos(Stage):
    """The stage above; :func:`publish_rows` publishes it."""

    layer = "raw"

    def build(self, staging: Any) -> None:
        raise RuntimeError("the benchmark publishes this directory itself")


class WritesNothing(FileStage):
    """A stage whose files are nowhere, so that publishing it looks for none of them."""

    def build(self, staging: Staging) -> None:
        super().build(staging)
        staging.files_in = "nowhere"


class Nothing(WritesNothing):
    """Load nothing, write nothing, and say so: every input becomes a whole row, with output path, digest and size."""

    layer = "interim"

    def requires(self) -> Stage:
        return Photos(base_dir=self.base_dir)

    def pipeline(self) -> Pipeline:
        return Pipeline(load_func=load_nothing, write_func=write_nothing)


def load_nothing(path: str) -> bytes:
    return b""


def write_nothing(data: object, path: str) -> None:
    report_written(path, EMPTY_SHA256, 0)


def make_paths(start: int, stop: int) -> list[str]:
    """Return relative paths as a dataset has them, in a hundred folders."""
    return [f"label_{number % 100:02d}/photograph_{number:08d}.jpg" for number in range(start, stop)]


def publish_rows(task: Stage, n_rows: int) -> None:
    """Publish the directory of `task` with a manifest of `n_rows` files, none of which is there."""
    import pyarrow as pa

    from tintype.manifest.writer import ManifestWriter

    folder = Path(task.output().path)
    folder.mkdir(parents=True)
    with ManifestWriter(folder / MANIFEST_NAME, pa.schema([])) as writer:
        for columns in _make_rows(n_rows):
            writer.write(columns)
    summary = writer.summary
    stamp = Stamp(
        recipe=task.recipe(),
        build_id="0" * 32,
        digest=summary.digest,
        n_rows=summary.n_rows,
        n_inputs=summary.n_inputs,
        n_files=summary.n_files,
        size_bytes=summary.size_bytes,
        time_published=datetime.now(UTC).isoformat(timespec="seconds"),
        tintype_version="0",
        statuses=summary.statuses,
    )
    (folder / STAMP_NAME).write_text(json.dumps(stamp.to_json()))


def _make_rows(n_rows: int) -> Iterator[dict[str, Any]]:
    # Digests that do not repeat, as those of real files, so that nothing compresses them.
    for start in range(0, n_rows, ROWS_PER_BATCH):
        paths = make_paths(start, min(start + ROWS_PER_BATCH, n_rows))
        nothing = [None] * len(paths)
        yield {
            "inpath": paths,
            "outpath": paths,
            "status": ["written"] * len(paths),
            "error_type": nothing,
            "error": nothing,
            "input_digest": nothing,
            "digest": [sha256(path.encode()).hexdigest() for path in paths],
            "size_bytes": [200_000] * len(paths),
            "seconds": [0.003] * len(paths),
            "time_finished": [datetime(2026, 11, 20, tzinfo=UTC)] * len(paths),
        }
