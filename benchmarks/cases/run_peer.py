"""Do nothing to many paths, the way others do it: run_peer.py KIND N_FILES, in an environment that has the peer."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from usage import measured


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


def main(kind: str, n_files: int) -> None:
    makers: dict[str, Callable[[], Callable[[list[str]], Any]]] = {
        "loop": lambda: loop,
        "executor_map": lambda: executor_map,
        "joblib": joblib_threads,
        "wildebeest": wildebeest,
    }
    run = makers[kind]()
    paths = [f"label_{number % 100:02d}/photograph_{number:08d}.jpg" for number in range(n_files)]
    with measured(n_files):
        results = run(paths)
    assert len(results) == n_files


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
