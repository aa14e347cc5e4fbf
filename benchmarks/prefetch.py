"""Items that workers compute ahead, and items that are kept, by tintype and by SeqTools in the same minutes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from statistics import median

from measure import Bench, Case, Figure, Run, pick
from peer_environments import PeerMissingError, find_python

LIBRARIES = ("tintype", "seqtools")


@dataclass(frozen=True)
class Work:
    """One way to read, as the script knows it."""

    kind: str
    what: str
    unit: str
    per_us: float
    """How many of the unit are a microsecond of an item."""
    most: float | None = None
    """The goal."""
    figure: str = "cpu_us"


WORKS = (
    Work("threads", "prefetch, 2 threads, no-op, 10 ahead", "µs CPU an item", 1, 4),
    Work("threads_100", "prefetch, 2 threads, no-op, 100 ahead", "µs CPU an item", 1, 4),
    Work("processes", "prefetch, 2 processes, no-op", "µs CPU an item", 1, 20),
    Work("batches", "prefetch, 2 processes, batches of 100", "µs CPU an item", 0.01, 1),
    Work("arrays", "prefetch, 2 processes, arrays of 12 MB", "ms CPU an array", 1e-3, 2.3),
    Work(
        "out_of_order", "prefetch, 2 threads, 40 items of 20 ms out of order", "ms wall an item", 1e-3, None, "wall_us"
    ),
    Work("direct", "the same without prefetch", "ms wall an item", 1e-3, None, "wall_us"),
    Work("hit", "add_cache, an item that is kept", "ns CPU an item", 1e3, 250),
)


def measure(bench: Bench) -> list[Figure]:
    pythons: dict[str, object] = {"tintype": sys.executable}
    missing = ""
    try:
        pythons["seqtools"] = find_python("seqtools")
    except PeerMissingError as error:
        missing = f"skipped: {error}"
    cases = [
        Case.of(f"{library} {work.kind}", "run_prefetch.py", library, work.kind, python=str(python))
        for work in WORKS
        for library, python in pythons.items()
    ]
    runs = bench.run(cases)
    figures = []
    for work in WORKS:
        for library in LIBRARIES:
            what = f"{'tintype' if library == 'tintype' else 'SeqTools 1.4.1'}: {work.what}"
            if library not in pythons:
                figures.append(Figure("prefetch", what, work.unit, note=missing))
                continue
            values = _pick(runs[f"{library} {work.kind}"], work)
            ours = median(_pick(runs[f"tintype {work.kind}"], work))
            note = "" if library == "tintype" else f"{median(values) / ours:.2f} times tintype's"
            figures.append(Figure("prefetch", what, work.unit, values, work.most if not note else None, note=note))
    return figures


def _pick(runs: list[Run], work: Work) -> list[float]:
    return [value * work.per_us for value in pick(runs, work.figure)]
