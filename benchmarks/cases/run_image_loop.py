"""Make images smaller by a loop over threads: run_image_loop.py KIND SOURCE FOLDER SIZE N_FILES N_JOBS.

KIND is one of ``image_loops.LOOPS``, or ``seqtools``: Pillow's under SeqTools' prefetch, as in its tutorial.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from image_loops import LOOPS
from image_work import ImageWork, Run, measure_images


def make_one(shrink: Callable[[bytes], bytes], folder: Path, path: str) -> None:
    with open(path, "rb") as file:
        data = file.read()
    with open(f"{folder}/{os.path.basename(path)}", "wb") as file:
        file.write(shrink(data))


def in_executor(work: ImageWork) -> Run:
    shrink = LOOPS[work.kind](work)

    def run(paths: list[str], folder: Path) -> None:
        with ThreadPoolExecutor(work.n_jobs) as pool:
            for _ in pool.map(partial(make_one, shrink, folder), paths):
                pass

    return run


def in_seqtools(work: ImageWork) -> Run:
    import seqtools

    shrink = LOOPS["pillow"](work)

    def run(paths: list[str], folder: Path) -> None:
        made = seqtools.smap(partial(make_one, shrink, folder), paths)
        for _ in seqtools.prefetch(made, method="thread", nworkers=work.n_jobs):
            pass

    return run


if __name__ == "__main__":
    given = ImageWork.read(sys.argv[1:])
    measure_images(given, in_seqtools(given) if given.kind == "seqtools" else in_executor(given))
