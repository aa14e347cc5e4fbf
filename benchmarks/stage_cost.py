"""The framework's own work per file of a stage: plan, collision check, blocks, journal, manifest and digest."""

from __future__ import annotations

from measure import Bench, Case, Figure, pick

GOAL_US = 8.0
PIPELINE_GOAL_US = 4.0
UNIT = "µs CPU a file"


def measure(bench: Bench) -> list[Figure]:
    n_files = bench.size(100_000)
    base_dir = bench.dataset(n_files)
    runs = bench.run([
        Case.of("warm", "run_stage.py", base_dir, n_files, "warm"),
        Case.of("cold", "run_stage.py", base_dir, n_files),
        Case.of("bare", "run_pipeline.py", n_files, "bare"),
        Case.of("report", "run_pipeline.py", n_files),
    ])  # fmt: skip
    files = f"{n_files:,} files, 2 threads"
    whole = [1e3 * value / n_files for value in pick(runs["cold"], "process_cpu_ms")]
    return [
        Figure("stage", f"Stage.run(), {files}", UNIT, pick(runs["warm"], "cpu_us"), GOAL_US),
        Figure("stage", "the same, with what it imports", UNIT, pick(runs["cold"], "cpu_us")),
        Figure("stage", "the same, the whole process from start to end", UNIT, whole),
        Figure("stage", f"Pipeline alone, no report, {files}", UNIT, pick(runs["bare"], "cpu_us"), PIPELINE_GOAL_US),
        Figure("stage", "Pipeline.run(), with its report as DataFrame", UNIT, pick(runs["report"], "cpu_us")),
    ]
