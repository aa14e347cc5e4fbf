"""Make images smaller the way others do it: run_image_peer.py KIND SOURCE FOLDER SIZE N_FILES N_JOBS.

KIND is ``wildebeest``, ``creevey`` or ``img2dataset``; runs in an environment that has it. img2dataset's resizer works
on one image at a time, because it turns off the output of the whole process meanwhile, and cuts a square.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from image_work import ImageWork, Run, measure_images


def keep_name(folder: Path, path: str) -> str:
    return f"{folder}/{os.path.basename(path)}"


def wildebeest(work: ImageWork) -> Run:
    from wildebeest import Pipeline
    from wildebeest.load_funcs.image import load_image_from_disk
    from wildebeest.ops.image import resize
    from wildebeest.write_funcs.image import write_image

    pipeline = Pipeline(
        load_func=load_image_from_disk, ops=[partial(resize, shape=work.size[::-1])], write_func=write_image
    )

    def run(paths: list[str], folder: Path) -> None:
        pipeline(inpaths=paths, path_func=partial(keep_name, folder), n_jobs=work.n_jobs)

    return run


def creevey(work: ImageWork) -> Run:
    from creevey import Pipeline
    from creevey.load_funcs.image import load_image_from_disk
    from creevey.ops.image import resize
    from creevey.write_funcs.image import write_image

    pipeline = Pipeline(load_image_from_disk, [partial(resize, shape=work.size[::-1])], write_image)

    def run(paths: list[str], folder: Path) -> None:
        pipeline.run(inpaths=paths, path_func=partial(keep_name, folder), n_jobs=work.n_jobs)

    return run


def img2dataset(work: ImageWork) -> Run:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # what it imports asks the network for newer versions
    from img2dataset.resizer import Resizer

    resizer = Resizer(image_size=work.size[0], resize_mode="center_crop", resize_only_if_bigger=False)

    def run(paths: list[str], folder: Path) -> None:
        for path in paths:
            with open(path, "rb") as file:
                data, *_, error = resizer(io.BytesIO(file.read()))
            assert error is None, error
            Path(keep_name(folder, path)).write_bytes(data)

    return run


PEERS: dict[str, Callable[[ImageWork], Run]] = {
    "wildebeest": wildebeest,
    "creevey": creevey,
    "img2dataset": img2dataset,
}

if __name__ == "__main__":
    given = ImageWork.read(sys.argv[1:])
    measure_images(given, PEERS[given.kind](given))
