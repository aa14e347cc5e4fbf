"""Peak memory of a process that runs a stage over many files: at most 200 MB, whatever their number."""

from __future__ import annotations

from measure import Bench, Case, Figure, pick
from peer_environments import PeerMissingError, find_python

GOAL_MB = 200.0
GOAL_RATIO = 1.15
SIZES = (100_000, 300_000, 1_000_000)


def measure(bench: Bench) -> list[Figure]:
    sizes = [bench.size(n_files) for n_files in SIZES]
    cases = [Case.of(str(size), "run_stage.py", bench.dataset(size), size) for size in sizes]
    runs = bench.run(cases, repeat=min(bench.repeat, 3))
    peaks = {size: pick(runs[str(size)], "peak_mb") for size in sizes}
    imports = [min(values) for values in zip(*(pick(runs[str(size)], "before_mb") for size in sizes), strict=True)]
    figures = [Figure("memory", "before the run: Python, Luigi, tintype", "MB", imports)]
    figures += [Figure("memory", f"Stage.run(), {size:,} files", "MB at the peak", peaks[size]) for size in sizes]
    figures[-1].most = GOAL_MB
    ratios = [most / least for least, most in zip(peaks[sizes[0]], peaks[sizes[-1]], strict=True)]
    figures.append(Figure("memory", f"{sizes[-1]:,} files to {sizes[0]:,}", "ratio of peaks", ratios, GOAL_RATIO))
    us = pick(runs[str(sizes[-1])], "cpu_us")
    figures.append(Figure("memory", f"Stage.run(), {sizes[-1]:,} files, with imports", "µs CPU a file", us))
    return [*figures, _measure_wildebeest(bench, sizes[-1])]


def _measure_wildebeest(bench: Bench, n_files: int) -> Figure:
    what = f"wildebeest 5.0.0, {n_files:,} paths, no manifest"
    try:
        python = find_python("wildebeest")
    except PeerMissingError as error:
        return Figure("memory", what, "MB at the peak", note=f"skipped: {error}")
    runs = bench.run([Case.of("wildebeest", "run_peer.py", "wildebeest", n_files, python=python)], repeat=1)
    us = runs["wildebeest"][0]["cpu_us"]
    return Figure("memory", what, "MB at the peak", pick(runs["wildebeest"], "peak_mb"), note=f"{us:.1f} µs CPU a path")
