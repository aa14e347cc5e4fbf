"""What a benchmark case spends: processor time, wall time and peak memory of its own process.

Imports nothing but the standard library, so that the peers' cases can use it in their own environments.
"""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter


def cpu_seconds() -> float:
    """Return the user and system time that all threads of this process have spent."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_megabytes() -> float:
    """Return the most memory this process has had resident. VmHWM: ru_maxrss of a child begins at its parent's."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def measured(n_files: int) -> Iterator[None]:
    """Print what the block spends as one JSON line."""
    before_megabytes = peak_megabytes()
    cpu, wall = cpu_seconds(), perf_counter()
    yield
    cpu, wall = cpu_seconds() - cpu, perf_counter() - wall
    report(
        cpu_us=1e6 * cpu / n_files,
        wall_us=1e6 * wall / n_files,
        before_mb=before_megabytes,
        peak_mb=peak_megabytes(),
    )


def report(**figures: float) -> None:
    """Print figures as the one line that the benchmark reads."""
    print(json.dumps(figures), flush=True)
