"""The same no-op over the same paths by others, in the same minutes; CPU time per path and its ratio to tintype's."""

from __future__ import annotations

from statistics import median

from measure import Bench, Case, Figure, pick
from peer_environments import PeerMissingError, find_python

# Kind, the environment it is in, and how many paths it is measured with.
PEERS = (
    ("wildebeest", "wildebeest", 100_000),
    ("joblib", "wildebeest", 100_000),
    ("creevey", "creevey", 100_000),
    ("seqtools", "seqtools", 20_000),
)
WHAT = {
    "stage": "tintype Stage.run(): journal, manifest, digests",
    "pipeline": "tintype Pipeline.run(): report as DataFrame",
    "wildebeest": "wildebeest 5.0.0 Pipeline, n_jobs=2: report as DataFrame",
    "creevey": "creevey 1.3.3 Pipeline, n_jobs=2: report as DataFrame",
    "seqtools": "SeqTools 1.4.1 prefetch, two threads, 20,000 paths: results in a list",
    "joblib": "joblib threads, n_jobs=2: results in a list",
    "executor_map": "ThreadPoolExecutor(2).map: results in a list",
    "blocks": "two threads, blocks of 64: results in a list",
    "loop": "a plain loop",
}


def measure(bench: Bench) -> list[Figure]:
    n_files = bench.size(100_000)
    base_dir = bench.dataset(n_files)
    cases = {
        "stage": Case.of("stage", "run_stage.py", base_dir, n_files, "warm"),
        "pipeline": Case.of("pipeline", "run_pipeline.py", n_files),
        "executor_map": Case.of("executor_map", "run_peer.py", "executor_map", n_files),
        "blocks": Case.of("blocks", "run_peer.py", "blocks", n_files),
        "loop": Case.of("loop", "run_peer.py", "loop", n_files),
    }
    missing: dict[str, str] = {}
    for kind, environment, n_of_peer in PEERS:
        try:
            cases[kind] = Case.of(kind, "run_peer.py", kind, bench.size(n_of_peer), python=find_python(environment))
        except PeerMissingError as error:
            missing[kind] = f"skipped: {error}"
    runs = bench.run(list(cases.values()))
    stage_us = median(pick(runs["stage"], "cpu_us"))
    figures = []
    for kind, what in WHAT.items():
        if kind not in runs:
            figures.append(Figure("peers", what, "µs CPU a path", note=missing[kind]))
            continue
        values = pick(runs[kind], "cpu_us")
        ratio = f"{median(values) / stage_us:.2f} times tintype's stage" if kind != "stage" else ""
        figures.append(Figure("peers", what, "µs CPU a path", values, note=ratio))
    return figures
