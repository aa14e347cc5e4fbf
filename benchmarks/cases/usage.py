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
    """Return the user and system time that all threads of this process have spent, and its children that ended."""
    usages = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_megabytes() -> float:
    """Return the most memory this process has had resident. VmHWM: ru_maxrss of a child begins at its parent's."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def page_faults() -> int:
    """Return the pages that the kernel has given this process without reading a disk: fresh memory, above all."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


@contextmanager
def spending(n_files: int) -> Iterator[dict[str, float]]:
    """Give a dict that holds what the block spent once it has ended."""
    figures: dict[str, float] = {}
    before_megabytes = peak_megabytes()
    faults, cpu, wall = page_faults(), cpu_seconds(), perf_counter()
    yield figures
    cpu, wall = cpu_seconds() - cpu, perf_counter() - wall
    figures.update(
        cpu_us=1e6 * cpu / n_files,
        wall_us=1e6 * wall / n_files,
        before_mb=before_megabytes,
        peak_mb=peak_megabytes(),
        faults=(page_faults() - faults) / n_files,
    )


@contextmanager
def measured(n_files: int) -> Iterator[None]:
    """Print what the block spends as one JSON line."""
    with spending(n_files) as figures:
        yield
    report(**figures)


def report(**figures: float) -> None:
    """Print figures as the one line that the benchmark reads."""
    print(json.dumps(figures), flush=True)
