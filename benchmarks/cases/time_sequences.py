"""Time an item of sequences of SeqTools or tintype, with functions that do nothing: time_sequences.py MODULE.

MODULE is ``seqtools`` or ``tintype.sequences``; their functions have the same names.
"""

from __future__ import annotations

import sys
from importlib import import_module
from time import process_time
from timeit import Timer
from types import ModuleType
from typing import Any

from usage import report

N_ITEMS = 1000
N_TIMES = 60
"""Timings of each; the least one counts, which a neighbour has not disturbed."""


def same(value: Any) -> Any:
    return value


def deep(module: ModuleType, n_functions: int) -> Any:
    sequence: Any = list(range(N_ITEMS))
    for _ in range(n_functions):
        sequence = module.smap(same, sequence)
    return sequence


def time_index(sequence: Any) -> float:
    """Return the nanoseconds of CPU that one item in the middle takes."""
    n_reads = 2000
    timer = Timer("sequence[501]", timer=process_time, globals={"sequence": sequence})
    return min(timer.repeat(N_TIMES, n_reads)) / n_reads * 1e9


def time_iteration(sequence: Any) -> float:
    timer = Timer("for _ in sequence: pass", timer=process_time, globals={"sequence": sequence})
    return min(timer.repeat(N_TIMES, 2)) / 2 / len(sequence) * 1e9


def time_construction(module: ModuleType, n_calls: int, depth: int) -> float:
    """Return the microseconds that ``smap()`` takes, called so many functions deep."""
    if depth:
        return time_construction(module, n_calls, depth - 1)
    timer = Timer("smap(same, items)", timer=process_time, globals={"smap": module.smap, "same": same, "items": [1, 2]})
    return min(timer.repeat(10, n_calls)) / n_calls * 1e6


def main(module: ModuleType) -> None:
    items = list(range(N_ITEMS))
    cached = module.add_cache(module.smap(same, items), cache_size=N_ITEMS)
    cached[501]
    sequences = {
        "smap": deep(module, 1),
        "smap_5": deep(module, 5),
        "smap_20": deep(module, 20),
        "concatenate": module.concatenate([items, items]),
        "collate": module.collate([items, items]),
        "interleave": module.interleave(items, items),
        "batch": module.batch(items * 10, 10),
        "unbatch": module.unbatch([items] * 10, N_ITEMS),
        "gather": module.gather(items, items),
        "cache_hit": cached,
        "slice": module.concatenate([items])[10:900],
    }
    figures = {f"{name}_index_ns": time_index(sequence) for name, sequence in sequences.items()}
    for name in ("smap", "smap_5", "concatenate", "collate"):
        figures[f"{name}_iteration_ns"] = time_iteration(sequences[name])
    figures["construction_us"] = time_construction(module, 20, 0)
    figures["deep_construction_us"] = time_construction(module, 20, 100)
    report(**figures)


if __name__ == "__main__":
    main(import_module(sys.argv[1]))
