"""Splitting many files by group: how long it takes to decide, the whole stage, and links against a bare loop."""

from __future__ import annotations

from fast_folder import open_fast_folder
from measure import Bench, Case, Figure, pick, run_process

N_FILES, N_LINKS = 1_000_000, 100_000
GOAL_SECONDS, GOAL_MEGABYTES = 20.0, 600.0
METHODS = {"stable": "stable", "exact": "exact", "exact-stratified": "exact and stratified"}
REPEAT = 3


def measure(bench: Bench) -> list[Figure]:
    n_files, n_links = bench.size(N_FILES), bench.size(N_LINKS)
    dataset = bench.folder / "split"
    run_process(Case.of("make", "run_split.py", dataset, n_files, "make").command)
    cases = [Case.of(method, "run_split.py", dataset, n_files, "plan", method) for method in METHODS]
    cases.append(Case.of("stage", "run_split.py", dataset, n_files, "stage"))
    runs = bench.run(cases, repeat=min(bench.repeat, REPEAT))
    figures = []
    for name in [*METHODS, "stage"]:
        how = METHODS.get(name, "the whole stage without links")
        what = f"split, {how}, {n_files:,} files in {n_files // 20:,} groups"
        figures.append(Figure("split", what, "s wall", pick(runs[name], "seconds"), GOAL_SECONDS))
        figures.append(Figure("split", "the same", "MB at the peak", pick(runs[name], "peak_mb"), GOAL_MEGABYTES))
    return [*figures, *_measure_links(bench, n_links)]


def _measure_links(bench: Bench, n_files: int) -> list[Figure]:
    with open_fast_folder(bench.folder) as folder:
        run_process(Case.of("make", "run_split.py", folder / "links", n_files, "make", "links").command)
        case = Case.of("links", "run_split.py", folder / "links", n_files, "links")
        runs = bench.run([case], repeat=min(bench.repeat, REPEAT))["links"]
    return [
        Figure("split", f"the whole stage with hard links, {n_files:,} files", "µs wall a file", pick(runs, "wall_us")),
        Figure("split", "the same links in a bare loop", "µs wall a file", pick(runs, "links_us")),
    ]
