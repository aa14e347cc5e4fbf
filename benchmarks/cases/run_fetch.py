"""Download a list the way others do it: run_fetch.py KIND LIST FOLDER N_JOBS, in an environment that has the peer.

``urllib3`` and ``requests`` only fetch, into memory; ``wildebeest`` and ``img2dataset`` store the bytes as they come.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from typing import Any

from usage import measured


def read_urls(url_list: str) -> list[str]:
    """Return the URLs of a list: its first column, below its name."""
    lines = Path(url_list).read_text(encoding="utf-8").splitlines()
    return [line.partition(",")[0] for line in lines[1:]]


def total_bytes(folder: Path) -> int:
    """Return the bytes of all JPEGs below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*.jpg"))


def work_in_threads(fetch: Callable[[str], Any], urls: Sequence[str], n_jobs: int) -> None:
    """Fetch each URL, and print what it cost."""

    def work(url: str) -> int:
        return len(fetch(url))

    with measured(len(urls)), ThreadPoolExecutor(n_jobs) as pool:
        n_bytes = sum(pool.map(work, urls))
    assert n_bytes > 10_000 * len(urls), n_bytes


def run_urllib3(urls: list[str], folder: Path, n_jobs: int) -> None:
    import urllib3

    pool = urllib3.PoolManager(maxsize=n_jobs)
    work_in_threads(lambda url: pool.request("GET", url).data, urls, n_jobs)


def run_requests(urls: list[str], folder: Path, n_jobs: int) -> None:
    import requests

    of_thread = local()

    def fetch(url: str) -> bytes:
        if not hasattr(of_thread, "session"):
            of_thread.session = requests.Session()
        content: bytes = of_thread.session.get(url, timeout=30).content
        return content

    work_in_threads(fetch, urls, n_jobs)


def run_wildebeest(urls: list[str], folder: Path, n_jobs: int) -> None:
    from wildebeest import Pipeline
    from wildebeest.load_funcs import get_response

    def load(url: str) -> bytes:
        content: bytes = get_response(url).content
        return content

    def write(data: bytes, path: str) -> None:
        Path(path).write_bytes(data)

    pipeline = Pipeline(load_func=load, write_func=write)
    folder.mkdir(parents=True)
    with measured(len(urls)):
        pipeline(inpaths=urls, path_func=lambda url: str(folder / url.rpartition("/")[2]), n_jobs=n_jobs)
    assert len(list(folder.iterdir())) == len(urls)


def run_img2dataset(url_list: str, n_urls: int, folder: Path, n_jobs: int) -> None:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # what it imports asks the network for newer versions
    from img2dataset import download

    with measured(n_urls):
        download(
            url_list=url_list,
            input_format="csv",
            output_folder=str(folder),
            output_format="files",
            disable_all_reencoding=True,
            processes_count=1,
            thread_count=n_jobs,
        )
    assert len(list(folder.rglob("*.jpg"))) == n_urls


def main(kind: str, url_list: str, folder: Path, n_jobs: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    urls = read_urls(url_list)
    if kind == "img2dataset":
        run_img2dataset(url_list, len(urls), folder, n_jobs)
    else:
        {"urllib3": run_urllib3, "requests": run_requests, "wildebeest": run_wildebeest}[kind](urls, folder, n_jobs)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
