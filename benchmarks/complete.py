"""Whether a published stage is complete, asked of one with a million rows: it reads two stamps and no manifest."""

from __future__ import annotations

from measure import Bench, Case, Figure, pick

GOAL_MS = 2.0


def measure(bench: Bench) -> list[Figure]:
    n_rows = bench.size(1_000_000)
    base_dir = bench.dataset(n_rows, with_stage=True)
    runs = bench.run([Case.of("complete", "time_complete.py", base_dir)])["complete"]
    rows = f"stage and the one above, {n_rows:,} rows each"
    first, repeated = f"first complete() of a process, {rows}", "repeated, median of 99"
    return [
        Figure("complete", first, "ms wall", pick(runs, "first_ms"), GOAL_MS),
        Figure("complete", first, "ms CPU", pick(runs, "first_cpu_ms"), GOAL_MS),
        Figure("complete", repeated, "ms wall", pick(runs, "repeated_ms"), GOAL_MS),
        Figure("complete", repeated, "ms CPU", pick(runs, "repeated_cpu_ms"), GOAL_MS),
        Figure("complete", "slowest of the repeated", "ms wall", pick(runs, "slowest_ms")),
    ]
