"""Time ``complete()`` of a published stage: time_complete.py BASE_DIR. Times in milliseconds."""

from __future__ import annotations

import sys
from statistics import median
from time import perf_counter, thread_time

from dataset import Nothing
from usage import report

N_CALLS = 100


def main(base_dir: str) -> None:
    stage = Nothing(base_dir=base_dir)
    wall, cpu = [], []
    for _ in range(N_CALLS):
        started, cpu_started = perf_counter(), thread_time()
        is_complete = stage.complete()
        cpu.append(1e3 * (thread_time() - cpu_started))
        wall.append(1e3 * (perf_counter() - started))
        assert is_complete, stage.decide()
    report(
        first_ms=wall[0],
        first_cpu_ms=cpu[0],
        repeated_ms=median(wall[1:]),
        repeated_cpu_ms=median(cpu[1:]),
        slowest_ms=max(wall[1:]),
    )


if __name__ == "__main__":
    main(sys.argv[1])
