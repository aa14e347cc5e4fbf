"""Download images and make them smaller the way others do it: run_image_fetch.py KIND LIST FOLDER SIZE N_FILES N_JOBS.

KIND is ``urllib3`` (with simplejpeg), ``requests`` (with OpenCV), ``wildebeest``, ``img2dataset`` or, for another call
of it, ``img2dataset_part``; runs in an environment that has it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import local
from typing import Any

from image_loops import LOOPS
from image_work import ImageWork, Run, check_images, measure_images
from run_image_peer import keep_name
from usage import report, spending


def run_loop(work: ImageWork, get: Callable[[str], bytes], loop_name: str) -> Run:
    """Fetch, make smaller and write each, all in one thread."""
    shrink = LOOPS[loop_name](work)

    def make_one(folder: Path, url: str) -> None:
        with open(keep_name(folder, url), "wb") as file:
            file.write(shrink(get(url)))

    def run(urls: list[str], folder: Path) -> None:
        with ThreadPoolExecutor(work.n_jobs) as pool:
            for _ in pool.map(partial(make_one, folder), urls):
                pass

    return run


def urllib3_loop(work: ImageWork) -> Run:
    import urllib3

    pool = urllib3.PoolManager(maxsize=work.n_jobs)

    def get(url: str) -> bytes:
        answer = pool.request("GET", url)
        assert answer.status == 200, answer.status
        return answer.data

    return run_loop(work, get, "simplejpeg_area")


def requests_loop(work: ImageWork) -> Run:
    import requests

    of_thread = local()

    def get(url: str) -> bytes:
        if not hasattr(of_thread, "session"):
            of_thread.session = requests.Session()
        answer = of_thread.session.get(url, timeout=30)
        answer.raise_for_status()
        content: bytes = answer.content
        return content

    return run_loop(work, get, "cv2_linear")


def wildebeest(work: ImageWork) -> Run:
    from wildebeest.ops.image import resize
    from wildebeest.pipelines.image import DownloadImagePipeline

    pipeline = DownloadImagePipeline(ops=[partial(resize, shape=work.size[::-1])])

    def run(urls: list[str], folder: Path) -> None:
        pipeline(inpaths=urls, path_func=partial(keep_name, folder), n_jobs=work.n_jobs)

    return run


def measure_img2dataset(work: ImageWork) -> None:
    """Measure one call, with the processes that it starts."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # what it imports asks the network for newer versions
    from img2dataset import download

    assert len(work.paths) == work.n_files
    shutil.rmtree(work.folder, ignore_errors=True)
    work.folder.mkdir(parents=True)
    url_list = work.folder / "urls.csv"
    url_list.write_text("\n".join(["url", *work.paths, ""]), encoding="utf-8")
    images = work.folder / "images"
    options: dict[str, Any] = {"image_size": work.size[0], "resize_mode": "center_crop", "encode_quality": 95}
    with spending(work.n_files) as figures:
        download(
            url_list=str(url_list),
            input_format="csv",
            output_folder=str(images),
            output_format="files",
            processes_count=1,
            thread_count=work.n_jobs,
            **options,
        )
    report(**figures, mean_bytes=check_images(images, work.n_files, work.size))
    shutil.rmtree(work.folder)


KINDS: dict[str, Callable[[ImageWork], Run]] = {
    "urllib3": urllib3_loop,
    "requests": requests_loop,
    "wildebeest": wildebeest,
}

if __name__ == "__main__":
    given = ImageWork.read(sys.argv[1:])
    if given.kind.startswith("img2dataset"):
        measure_img2dataset(given)
    else:
        measure_images(given, KINDS[given.kind](given))
