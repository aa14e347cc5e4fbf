"""Make images smaller with tintype: run_images.py KIND SOURCE FOLDER SIZE N_FILES N_JOBS.

KIND is ``pipeline``, ``area_pipeline`` or ``stage`` for a folder of images; ``url_pipeline``, ``url_area_pipeline``,
``url_ops`` or ``url_stages`` for a list of URLs.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import luigi
from image_work import ImageWork, Run, measure_images
from luigi.configuration import get_config

from tintype import Pipeline, Stage
from tintype.interim import ResizeImages
from tintype.load_funcs import load_image_from_url, load_resized_image_from_url
from tintype.ops import ResizePlan
from tintype.path_funcs import replace_dir
from tintype.pipelines import download_image_pipeline, resize_image_pipeline
from tintype.raw import DownloadFiles, GivenFolder
from tintype.write_funcs import write_image

_IMPORTS = ("numpy", "pandas", "pyarrow.compute", "pyarrow.parquet", "tintype.manifest.writer")
"""What a run imports: there before the clock starts."""


class FolderPhotographs(GivenFolder):
    """The photographs where they lie."""


class UrlPhotographs(DownloadFiles):
    """The photographs as they come."""


class Resized(ResizeImages):
    """Images of another size, of one of the stages above."""

    source: str = luigi.Parameter(significant=False)
    """A folder, or a list of URLs."""
    not_in_recipe = ResizeImages.not_in_recipe | {"source"}

    def requires(self) -> Stage:
        beside = f"{self.base_dir}-source"
        if self.source.endswith(".csv"):
            return UrlPhotographs(urls=self.source, base_dir=beside, n_jobs=self.n_jobs)
        return FolderPhotographs(folder=self.source, base_dir=beside)


class ResizedPNG(Resized):
    """The same as PNG."""

    image_format = "png"


def wanted_size(work: ImageWork) -> dict[str, Any]:
    """Return the size as one asks for it: a square by its shape, any other by its longer side."""
    width, height = work.size
    return {"shape": (height, width)} if width == height else {"max_side": max(width, height)}


def run_pipeline(pipeline: Pipeline, n_jobs: int) -> Run:
    def run(paths: list[str], folder: Path) -> None:
        run_report = pipeline.run(paths, path_func=partial(replace_dir, outdir=folder), n_jobs=n_jobs)
        assert len(run_report) == len(paths)

    return run


def fetch_pipeline(work: ImageWork, resample: str | None = None) -> Pipeline:
    plan = ResizePlan(**wanted_size(work), resample=resample)
    return Pipeline(partial(load_resized_image_from_url, plan=plan), write_func=write_image)


def fetch_then_resize_pipeline(work: ImageWork) -> Pipeline:
    plan = ResizePlan(**wanted_size(work))
    pipeline = download_image_pipeline(ops=[plan])
    pipeline.load_func = partial(load_image_from_url, target_size=plan.target_size)
    return pipeline


def make_stage(work: ImageWork, folder: Path) -> Resized:
    kind = ResizedPNG if work.extension == ".png" else Resized
    source = folder.parent / f"{folder.name}{'.csv' if work.source.is_file() else '-links'}"
    return kind(source=str(source), base_dir=str(folder), n_jobs=work.n_jobs, **wanted_size(work))


def make_source(work: ImageWork, paths: list[str], folder: Path) -> None:
    """Make a list of the URLs, or a folder of links to the images and the stage of it."""
    stage = make_stage(work, folder)
    source = Path(stage.source)
    if work.source.is_file():
        source.write_text("\n".join(["url", *paths, ""]), encoding="utf-8")
        return
    source.mkdir()
    for path in paths:
        (source / Path(path).name).symlink_to(path)
    stage.requires().run()


def run_stages(work: ImageWork, paths: list[str], folder: Path) -> None:
    stage = make_stage(work, folder)
    if work.source.is_file():
        stage.requires().run()
    stage.run()
    stamp = stage.output().stamp()
    assert stamp is not None
    assert stamp.n_files == len(paths)


def main(work: ImageWork) -> None:
    get_config().set("tintype", "durable", "false")
    for name in _IMPORTS:
        import_module(name)
    if work.kind == "pipeline":
        measure_images(work, run_pipeline(resize_image_pipeline(**wanted_size(work)), work.n_jobs))
    elif work.kind == "area_pipeline":
        measure_images(work, run_pipeline(resize_image_pipeline(**wanted_size(work), resample="area"), work.n_jobs))
    elif work.kind == "url_pipeline":
        measure_images(work, run_pipeline(fetch_pipeline(work), work.n_jobs))
    elif work.kind == "url_area_pipeline":
        measure_images(work, run_pipeline(fetch_pipeline(work, "area"), work.n_jobs))
    elif work.kind == "url_ops":
        measure_images(work, run_pipeline(fetch_then_resize_pipeline(work), work.n_jobs))
    else:
        measure_images(work, partial(run_stages, work), prepare=partial(make_source, work))


if __name__ == "__main__":
    main(ImageWork.read(sys.argv[1:]))
