"""Load every image of a published folder: run_loading.py WAY SOURCE FOLDER N_FILES."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from luigi.configuration import get_config
from PIL import Image
from usage import measured

from tintype.load_funcs import load_image
from tintype.raw import GivenFolder
from tintype.targets import DirectoryTarget

SHAPE = (224, 224, 3)
N_THREADS = 2


class Photos(GivenFolder):
    pass


def publish(source: Path, folder: Path) -> DirectoryTarget:
    """Publish the images where they lie."""
    get_config().set("tintype", "durable", "false")
    photos = Photos(base_dir=str(folder / "data"), folder=str(source))
    if not photos.complete():
        photos.run()
    target: DirectoryTarget = photos.output()
    return target


def decode(path: Path) -> Any:
    with open(path, "rb") as file:
        return simplejpeg.decode_jpeg(file.read())


def decode_with_pillow(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image)


def fill_by_hand(load: Callable[[Path], Any], array: Any, paths: list[Path]) -> Any:
    def fill(index: int) -> None:
        array[index] = load(paths[index])

    with ThreadPoolExecutor(N_THREADS) as pool:
        for _ in pool.map(fill, range(len(paths))):
            pass
    return array


def map_by_hand(path: Path, paths: list[Path]) -> Any:
    array = np.lib.format.open_memmap(path, "w+", np.uint8, (len(paths), *SHAPE))
    fill_by_hand(decode, array, paths).flush()
    return array


def index_all(items: Any, order: list[int]) -> int:
    return sum(items[index].shape == SHAPE for index in order)


class LoadedList:
    """Loads a path of a list when it is asked for."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __getitem__(self, index: int) -> Any:
        return load_image(self.paths[index])


def choose(way: str, source: Path, folder: Path) -> Callable[[], Any]:
    target = publish(source, folder)
    order = list(range(len(target.manifest())))
    random.Random(0).shuffle(order)
    if way in {"arrays", "mapped"}:
        out = folder / "all.npy" if way == "mapped" else None
        return lambda: target.load_arrays(SHAPE, n_jobs=N_THREADS, out=out)
    if way == "sequence":
        return lambda: index_all(target.sequence(load_image), order)
    paths = list(target.files())
    if way == "list":
        return partial(index_all, LoadedList(paths), order)
    if way == "memmap":
        return partial(map_by_hand, folder / "all.npy", paths)
    load = {"simplejpeg": decode, "load_image": load_image, "pillow": decode_with_pillow}[way]
    return lambda: fill_by_hand(load, np.empty((len(paths), *SHAPE), np.uint8), paths)


def main(way: str, source: Path, folder: Path, n_files: int) -> None:
    run = choose(way, source, folder)
    import tintype.targets.load_arrays  # noqa: F401, what a run imports is there before the clock starts

    load_image(next(source.iterdir()))
    with measured(n_files):
        result = run()
    assert (result if isinstance(result, int) else len(result)) == n_files


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
