"""Rebuild a stage of which few inputs changed: run_rebuild.py FOLDER N_FILES N_CHANGED.

The files are real and tiny. Printed are what the rebuild of one stage spends, and what the links alone cost: to look at
each file's size, link it into another directory and remove its old name, as a bare loop does it.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib import import_module
from pathlib import Path

from luigi.configuration import get_config
from usage import report, spending

from tintype import FileStage, Pipeline
from tintype.load_funcs import load_bytes
from tintype.raw import ImportFolder
from tintype.write_funcs import write_bytes

N_FOLDERS = 100


class Photos(ImportFolder):
    mode = "hardlink"


class Copies(FileStage):
    layer = "interim"

    def requires(self) -> Photos:
        return Photos(base_dir=self.base_dir, folder=f"{self.base_dir}/source")

    def pipeline(self) -> Pipeline:
        return Pipeline(load_bytes, write_func=write_bytes)


def write_sources(folder: Path, names: list[str], text: str) -> None:
    for name in names:
        path = folder / name
        path.unlink(missing_ok=True)  # it may be linked into the dataset
        path.write_text(f"{name} {text}")


def link_alone(published: Path, folder: Path, names: list[str]) -> None:
    for name in names:
        os.stat(f"{published}/{name}")
        os.link(f"{published}/{name}", f"{folder}/{name}", follow_symlinks=False)
    for name in names:
        os.unlink(f"{folder}/{name}")


def make_folders(folder: Path) -> None:
    for number in range(N_FOLDERS):
        (folder / f"label_{number:02d}").mkdir(parents=True)


def main(folder: Path, n_files: int, n_changed: int) -> None:
    get_config().set("tintype", "durable", "false")
    get_config().set("tintype", "progress", "none")
    for name in ("pyarrow.compute", "pyarrow.parquet", "tintype.manifest.writer"):
        import_module(name)  # before the clock starts
    shutil.rmtree(folder, ignore_errors=True)
    source = folder / "source"
    make_folders(source)
    names = [f"label_{number % N_FOLDERS:02d}/photograph_{number:08d}.jpg" for number in range(n_files)]
    write_sources(source, names, "at first")
    stage = Copies(base_dir=str(folder), n_jobs=2)
    for task in (stage.requires(), stage):
        task.run()
    write_sources(source, names[:: n_files // n_changed], "changed")
    with spending(n_files) as of_import:
        stage.requires().run()
    make_folders(folder / "links")
    with spending(n_files) as of_links:
        link_alone(stage.output().folder, folder / "links", names)
    with spending(n_files) as of_stage:
        stage.run()
    stamp = stage.output().stamp()
    assert stamp is not None
    assert stamp.statuses == {"reused": n_files - n_changed, "written": n_changed}
    report(
        import_us=of_import["cpu_us"],
        links_us=of_links["cpu_us"],
        stage_us=of_stage["cpu_us"],
        beyond_us=of_stage["cpu_us"] - of_links["cpu_us"],
        stage_s=of_stage["wall_us"] * n_files / 1e6,
    )
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
