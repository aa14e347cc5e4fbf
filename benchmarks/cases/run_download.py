"""Download a list with tintype: run_download.py KIND LIST FOLDER N_JOBS [keep]; KIND is stage or fetcher.

The stage's files are removed in the end, or kept, so that none of many runs is slowed by a file system that has just
removed thousands of files.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from luigi.configuration import get_config
from run_fetch import read_urls, total_bytes, work_in_threads
from usage import report, spending

from tintype.load_funcs.http import Fetcher
from tintype.raw import DownloadFiles

_IMPORTS = ("numpy", "pyarrow.compute", "pyarrow.parquet", "urllib3", "tintype.manifest.writer")
"""What a run imports: there before the clock starts."""


class Photographs(DownloadFiles):
    """The bytes as they come."""


def run_stage(url_list: str, folder: Path, n_jobs: int, *, keep: bool) -> None:
    get_config().set("tintype", "durable", "false")
    n_files = len(read_urls(url_list))
    folder.mkdir(parents=True, exist_ok=True)
    base_dir = tempfile.mkdtemp(dir=folder)
    stage = Photographs(urls=url_list, base_dir=base_dir, n_jobs=n_jobs)
    with spending(n_files) as figures:
        stage.run()
    stamp = stage.output().stamp()
    assert stamp is not None
    assert stamp.n_files == n_files
    assert total_bytes(Path(stage.output().path)) == stamp.size_bytes
    finished = sorted(row["time_finished"] for row in stage.output().manifest().rows())
    seconds = (finished[-1] - finished[0]).total_seconds()
    if not keep:
        shutil.rmtree(base_dir)
    report(**figures, per_second=(n_files - 1) / seconds)


def run_fetcher(url_list: str, n_jobs: int) -> None:
    urls = read_urls(url_list)
    fetcher = Fetcher(n_jobs=n_jobs)
    work_in_threads(lambda url: fetcher(url).data, urls, n_jobs)


if __name__ == "__main__":
    for name in _IMPORTS:
        import_module(name)
    if sys.argv[1] == "stage":
        run_stage(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), keep="keep" in sys.argv[5:])
    else:
        run_fetcher(sys.argv[2], int(sys.argv[4]))
