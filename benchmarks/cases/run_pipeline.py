"""Run a pipeline that does nothing, without a stage: run_pipeline.py N_FILES [bare].

A pipeline refuses a write function that returns and has written nothing, so this one has none. ``bare`` leaves out the
run report, a pandas DataFrame.
"""

from __future__ import annotations

import sys

from dataset import load_nothing, make_paths
from usage import measured

from tintype import Pipeline
from tintype.executors.blocks import BlockRun
from tintype.executors.pools import open_executor
from tintype.pipelines.file_result import FileItem
from tintype.pipelines.file_work import FileWork


def run_with_report(n_files: int) -> None:
    import pandas  # noqa: F401, ICN001, not part of the measurement

    paths = make_paths(0, n_files)
    pipeline = Pipeline(load_func=load_nothing)
    with measured(n_files):
        frame = pipeline.run(paths, path_func=None, n_jobs=2)
    assert len(frame) == n_files


def run_bare(n_files: int) -> None:
    paths = make_paths(0, n_files)
    work = FileWork(load_nothing, [], None)
    n_done = 0
    with measured(n_files), open_executor("threads", 2) as pool:
        items = (FileItem(number, path, None) for number, path in enumerate(paths))
        for results in BlockRun(pool, work, items, n_jobs=2):
            n_done += len(results)
    assert n_done == n_files


if __name__ == "__main__":
    (run_bare if "bare" in sys.argv[2:] else run_with_report)(int(sys.argv[1]))
