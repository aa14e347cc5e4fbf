"""Do nothing to many paths, the way others do it: run_peer.py KIND N_FILES, in an environment that has the peer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from usage import measured

BLOCK = 64


def load_nothing(path: str) -> bytes:
    return b""


def write_nothing(data: bytes, path: str) -> None:
    """Write nothing."""


def keep_path(path: str) -> str:
    return path


def loop(paths: list[str]) -> Any:
    return [load_nothing(path) for path in paths]


def executor_map(paths: list[str]) -> Any:
    with ThreadPoolExecutor(2) as executor:
        return list(executor.map(load_nothing, paths))


def blocks(paths: list[str]) -> Any:
    """Load blocks of 64 paths, each a task of two threads."""
    starts = range(0, len(paths), BLOCK)
    with ThreadPoolExecutor(2) as executor:
        loaded = executor.map(lambda start: [load_nothing(path) for path in paths[start : start + BLOCK]], starts)
        return [data for block in loaded for data in block]


def joblib_threads() -> Callable[[list[str]], Any]:
    from joblib import Parallel, delayed

    return lambda paths: Parallel(n_jobs=2, prefer="threads")(delayed(load_nothing)(path) for path in paths)


def wildebeest() -> Callable[[list[str]], Any]:
    from wildebeest import Pipeline

    pipeline = Pipeline(load_func=load_nothing, write_func=write_nothing)

    def run(paths: list[str]) -> Any:
        pipeline(inpaths=paths, path_func=keep_path, n_jobs=2)
        return pipeline.run_report_

    return run


def creevey() -> Callable[[list[str]], Any]:
    from creevey import Pipeline

    pipeline = Pipeline(load_nothing, [], write_nothing)
    return lambda paths: pipeline.run(inpaths=paths, path_func=keep_path, n_jobs=2, skip_existing=False)


def seqtools() -> Callable[[list[str]], Any]:
    from seqtools import prefetch, smap

    return lambda paths: list(prefetch(smap(load_nothing, paths), method="thread", nworkers=2, max_buffered=100))


def main(kind: str, n_files: int) -> None:
    makers: dict[str, Callable[[], Callable[[list[str]], Any]]] = {
        "loop": lambda: loop,
        "executor_map": lambda: executor_map,
        "blocks": lambda: blocks,
        "joblib": joblib_threads,
        "wildebeest": wildebeest,
        "creevey": creevey,
        "seqtools": seqtools,
    }
    run = makers[kind]()
    paths = [f"label_{number % 100:02d}/photograph_{number:08d}.jpg" for number in range(n_files)]
    with measured(n_files):
        results = run(paths)
    assert len(results) == n_files


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
