"""Read items through a prefetch, or from a cache: run_prefetch.py LIBRARY WORK, in an environment that has the library.

The workers are started and ended within the time that is measured.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from typing import Any

from usage import measured

N_WORKERS = 2


def keep(item: Any) -> Any:
    return item


def stay(item: Any) -> Any:
    time.sleep(0.02)
    return item


def fill(number: int) -> Any:
    import numpy as np

    return np.full(12_000_000, number % 250, np.uint8)


def find_library(name: str) -> Any:
    if name == "tintype":
        import tintype.sequences as library
    else:
        import seqtools as library
    return library


def make_prefetch(name: str, sequence: Any, method: str, max_buffered: int) -> Any:
    options: dict[str, Any] = {"method": method, "max_buffered": max_buffered}
    if name == "seqtools" and method == "process":
        options["shm_size"] = (max_buffered + 2) * 12_100_000
    return find_library(name).prefetch(sequence, nworkers=N_WORKERS, **options)


def iterate(name: str, function: Callable[[Any], Any], items: Any, method: str, max_buffered: int) -> None:
    """Read in order, and give up the workers."""
    smap = find_library(name).smap
    with measured(len(items)):
        view = make_prefetch(name, smap(function, items), method, max_buffered)
        n_read = 0
        for _ in view:
            n_read += 1
        del view, _
        gc.collect()
    assert n_read == len(items)


def read_out_of_order(name: str, *, is_direct: bool) -> None:
    """Read 40 items of 20 ms in an order that is no pattern, through a prefetch or without."""
    sequence = find_library(name).smap(stay, range(1000))
    order = [(number * number * 31 + 7) % 1000 for number in range(40)]
    with measured(len(order)):
        view = sequence if is_direct else make_prefetch(name, sequence, "thread", 10)
        assert [view[index] for index in order] == order
        del view


def hit_cache(name: str) -> None:
    library = find_library(name)
    view = library.add_cache(library.smap(keep, range(100)), 100)
    assert [view[index] for index in range(100)] == list(range(100))
    with measured(1_000_000):
        for _ in range(1_000_000):
            view[50]


def main(name: str, work: str) -> None:
    works: dict[str, Callable[[], None]] = {
        "threads": lambda: iterate(name, keep, range(100_000), "thread", 10),
        "threads_100": lambda: iterate(name, keep, range(100_000), "thread", 100),
        "processes": lambda: iterate(name, keep, range(50_000), "process", 10),
        "batches": lambda: iterate(name, keep, [list(range(100)) for _ in range(5_000)], "process", 10),
        "arrays": lambda: iterate(name, fill, range(400), "process", 10),
        "out_of_order": lambda: read_out_of_order(name, is_direct=False),
        "direct": lambda: read_out_of_order(name, is_direct=True),
        "hit": lambda: hit_cache(name),
    }
    works[work]()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
