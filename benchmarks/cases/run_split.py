"""Split a published manifest: run_split.py BASE_DIR N_FILES make | plan | stage | links [METHOD].

``make`` publishes a manifest of files with labels and groups (with files too, when ``links`` comes after it), ``plan``
decides where each file goes, ``stage`` runs the whole stage without touching a file, and ``links`` with hard links.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

import luigi
from dataset import Photos, WritesNothing
from luigi.configuration import get_config
from luigi.util import requires
from usage import report, spending

from tintype import Pipeline
from tintype.processed import SplitDataset
from tintype.records import report_written

N_LABELS = 100
FILES_PER_GROUP = 20
FILES_PER_LABEL_FOLDER = 1000


@requires(Photos)
class Products(SplitDataset):
    label = "label"
    group = "patient"
    method = luigi.Parameter(default="stable")
    stratify = luigi.BoolParameter(default=False)


class Unlinked(WritesNothing, Products):
    """Links nothing."""

    def requires(self) -> Photos:
        return Photos(base_dir=self.base_dir)

    def pipeline(self) -> Pipeline:
        super().pipeline()
        return Pipeline(load_func=_as_it_is, write_func=_write_nothing)


def _as_it_is(file: Any) -> Any:
    return file


def _write_nothing(file: Any, path: str) -> None:
    report_written(path, file.digest, 200_000)


def make(base_dir: str, n_files: int, *, with_files: bool) -> None:
    """Publish a manifest as a download leaves it: in no order of groups, which are of many sizes."""
    import numpy as np
    import pyarrow as pa

    from tintype.manifest.schema import MANIFEST_NAME, STAMP_NAME
    from tintype.manifest.writer import ManifestWriter
    from tintype.targets.stamp import Stamp

    task = Photos(base_dir=base_dir)
    folder = Path(task.output().path)
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    n_groups = n_files // FILES_PER_GROUP
    weights = random.pareto(3, n_groups) + 0.3
    groups = random.choice(n_groups, n_files, p=weights / weights.sum())
    with ManifestWriter(
        folder / MANIFEST_NAME, pa.schema([("label", pa.string()), ("patient", pa.string())])
    ) as writer:
        for start in range(0, n_files, 10_000):
            numbers = range(start, min(start + 10_000, n_files))
            # One in ten has a name that others have too.
            names = [number % 5000 if number % 10 == 0 else number for number in numbers]
            paths = [
                f"{number // 1000:04d}/photograph_{name:07d}.jpg" for number, name in zip(numbers, names, strict=True)
            ]
            contents = [str(number).encode() for number in numbers]
            if with_files:
                (folder / paths[0]).parent.mkdir(exist_ok=True)
                for path, content in zip(paths, contents, strict=True):
                    (folder / path).parent.mkdir(exist_ok=True)
                    (folder / path).write_bytes(content)
            nothing = [None] * len(paths)
            writer.write(
                {
                    "inpath": paths,
                    "outpath": paths,
                    "status": ["written"] * len(paths),
                    "error_type": nothing,
                    "error": nothing,
                    "input_digest": nothing,
                    "digest": [hashlib.sha256(content).hexdigest() for content in contents],
                    "size_bytes": list(map(len, contents)),
                    "seconds": [0.003] * len(paths),
                    "time_finished": [datetime(2026, 11, 20, tzinfo=UTC)] * len(paths),
                    "label": [f"label_{groups[number] * 7 % N_LABELS:03d}" for number in numbers],
                    "patient": [f"patient_{groups[number]:06d}" for number in numbers],
                }
            )
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


def measure_plan(task: SplitDataset, n_files: int) -> None:
    """Measure until every file has its path."""
    started = perf_counter()
    with spending(n_files) as figures, task.one_look():
        plan = task.plan()
        decided = perf_counter()
        n_paths = sum(len(task.outpaths(batch)) for batch in task.input_rows.batches())
    assert n_paths == n_files
    seconds = perf_counter() - started
    report(**figures, plan_s=decided - started, seconds=seconds, share=plan.n_files[-1] / n_files)


def run_stage(task: SplitDataset, n_files: int) -> dict[str, float]:
    """Run the whole stage; return what it spends."""
    shutil.rmtree(Path(task.output().path).parent, ignore_errors=True)
    started = perf_counter()
    with spending(n_files) as figures:
        task.run()
    stamp = task.output().stamp()
    assert stamp is not None
    assert stamp.n_files == n_files
    return {**figures, "seconds": perf_counter() - started}


def measure_stage(task: SplitDataset, n_files: int) -> None:
    """Measure the whole stage."""
    report(**run_stage(task, n_files))


def measure_links(task: SplitDataset, n_files: int) -> None:
    """Measure the whole stage, and the same links in a bare loop."""
    figures = run_stage(task, n_files)
    target, above = task.output(), Photos(base_dir=task.base_dir).output()
    pairs: list[tuple[str, str]] = []
    for batch in target.manifest().batches(["inpath", "outpath"]):
        pairs += zip(*batch.to_pydict().values(), strict=True)
    bare = Path(f"{target.path}-bare")
    for folder in {os.path.dirname(outpath) for _, outpath in pairs}:
        (bare / folder).mkdir(parents=True)
    started = perf_counter()
    for inpath, outpath in pairs:
        os.link(f"{above.path}/{inpath}", f"{bare}/{outpath}")
    links_us = 1e6 * (perf_counter() - started) / n_files
    shutil.rmtree(bare)
    report(**figures, links_us=links_us)


def main(base_dir: str, n_files: int, what: str, method: str = "stable") -> None:
    get_config().set("tintype", "durable", "false")
    get_config().set("tintype", "progress", "none")
    if what == "make":
        make(base_dir, n_files, with_files=method == "links")
        return
    for name in ("numpy", "pyarrow.compute", "pyarrow.parquet", "tintype.manifest.writer"):
        import_module(name)
    cls = Products if what == "links" else Unlinked
    task = cls(base_dir=base_dir, method=method.removesuffix("-stratified"), stratify=method.endswith("-stratified"))
    {"plan": measure_plan, "stage": measure_stage, "links": measure_links}[what](task, n_files)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
