"""Plan the download of a list, then let every request be a no-op: plan_downloads.py LIST BASE_DIR N_FILES.

Planning is everything before the first request: reading the list, keeping it, paths, repeated URLs, collisions.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from importlib import import_module
from time import perf_counter

from dataset import WritesNothing, write_nothing
from luigi.configuration import get_config
from usage import cpu_seconds, peak_megabytes, report, spending

from tintype import Pipeline
from tintype.load_funcs.http import Fetched, FetchRequest
from tintype.raw import DownloadFiles


class NoRequests:
    """Stands for the fetcher; notes what has been spent when the first file is asked for."""

    def __init__(self) -> None:
        self.at_first: tuple[float, float, float] | None = None

    def __call__(self, request: FetchRequest) -> Fetched:
        if self.at_first is None:
            self.at_first = (perf_counter(), cpu_seconds(), peak_megabytes())
        return Fetched(b"", request.url, 200, "image/jpeg", None, None, attempts=1, seconds=0.01)


class Planned(WritesNothing, DownloadFiles):
    """Downloads nothing and stores nothing."""

    def pipeline(self) -> Pipeline:
        self.no_requests = NoRequests()
        load = replace(super().pipeline().load_func, fetcher=self.no_requests)
        return Pipeline(load_func=load, write_func=write_nothing)


def main(url_list: str, base_dir: str, n_files: int) -> None:
    get_config().set("tintype", "durable", "false")
    shutil.rmtree(base_dir, ignore_errors=True)
    for name in ("numpy", "pyarrow.compute", "pyarrow.parquet", "urllib3", "tintype.manifest.writer"):
        import_module(name)
    stage = Planned(urls=url_list, base_dir=base_dir)
    wall, cpu = perf_counter(), cpu_seconds()
    with spending(n_files) as figures:
        stage.run()
    stamp = stage.output().stamp()
    assert stamp is not None
    assert stamp.n_files == n_files
    assert stage.no_requests.at_first is not None
    first_wall, first_cpu, first_mb = stage.no_requests.at_first
    report(**figures, plan_wall_s=first_wall - wall, plan_cpu_s=first_cpu - cpu, plan_mb=first_mb)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
