"""What a rebuild costs when little has changed, and a look at a graph in which nothing has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from fast_folder import open_fast_folder
from measure import CASES, Bench, Case, Figure, pick

N_FILES, N_CHANGED = 100_000, 100
GOAL_BEYOND_US, GOAL_SECONDS = 3.0, 5.0
GOAL_STATUS_SECONDS = 1.0
REPEAT = 3
"""Rounds at most: each writes and links the files three times."""


def measure(bench: Bench) -> list[Figure]:
    n_files = bench.size(N_FILES)
    with open_fast_folder(bench.folder) as folder:
        case = Case.of("rebuild", "run_rebuild.py", folder / "dataset", n_files, N_CHANGED)
        runs = bench.run([case], repeat=min(bench.repeat, REPEAT))["rebuild"]
    what = f"rebuild of a stage of {n_files:,} files, {N_CHANGED} changed"
    unit = "µs CPU a file"
    return [
        Figure("rebuild", what, "s wall", pick(runs, "stage_s"), GOAL_SECONDS),
        Figure("rebuild", "the same", unit, pick(runs, "stage_us")),
        Figure("rebuild", "looking at, linking and unlinking the files in a bare loop", unit, pick(runs, "links_us")),
        Figure("rebuild", "the stage beyond that", unit, pick(runs, "beyond_us"), GOAL_BEYOND_US),
        Figure("rebuild", "the import above it, listing its folder too", unit, pick(runs, "import_us")),
    ]


def measure_status(bench: Bench) -> list[Figure]:
    program = Path(sys.executable).with_name("tintype")
    arguments = ("--module", "chain", "Last", "--base-dir", str(bench.folder / "chain"))
    _run(program, "rebuild", *arguments)
    seconds = [_run(program, "status", *arguments) for _ in range(max(bench.repeat, 3))]
    return [
        Figure(
            "status", "tintype status of a chain of 20 stages, nothing changed", "s wall", seconds, GOAL_STATUS_SECONDS
        )
    ]


def _run(*command: str | Path) -> float:
    """Run a command; return its wall time in seconds."""
    started = perf_counter()
    subprocess.run(command, cwd=CASES, env={**os.environ, "PYTHONPATH": "."}, check=True, capture_output=True)
    return perf_counter() - started
