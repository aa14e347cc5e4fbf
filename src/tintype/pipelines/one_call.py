"""Whole runs in one call: download images as PNG, resize files. A file that fails is a row and a logged error."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tintype.errors import SettingsError
from tintype.ops import ResizePlan, to_rgb
from tintype.path_funcs import join_outdir_filename_extension, replace_dir
from tintype.pipelines.ready_made import download_image_pipeline, resize_image_pipeline

if TYPE_CHECKING:
    import pandas as pd

    from tintype.load_funcs.http import FetchPolicy
    from tintype.pipelines.run_plan import PathFunc, PathLike


def download_images_as_png(
    urls: Iterable[str],
    outdir: PathLike | None = None,
    n_jobs: int = 1,
    *,
    path_func: PathFunc | None = None,
    skip_existing: bool = True,
    resize_shape: int | tuple[int, int] | None = None,
    policy: FetchPolicy | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Download images, whatever their format, and write each as an RGB file in PNG.

    What may pass, such as a server that is busy, is tried again. A URL that fails for good, such as a 404 (also one
    that comes with an image), is logged as an error and is a row of the report; the others go on. Gray images become
    RGB, and transparency is dropped, so that all files are alike; :func:`tintype.pipelines.download_image_pipeline`
    keeps images as they are.

    Parameters
    ----------
    urls
        ``http://`` or ``https://``.
    outdir
        Folder of the files, which have the names of the URLs with the extension ``.png``. None is the current folder.
    n_jobs
        Downloads at once, at least 1. Be kind: `policy` has limits for each host.
    path_func
        Called with a URL; returns the path of its file, which ends in ``.png``. In place of `outdir`.
    skip_existing
        Leave a URL out when its file is already there.
    resize_shape
        (rows, columns) to stretch each image to; one number for a square. None keeps its size.
    policy
        How to fetch: attempts, time-outs, the largest file, headers, limits for each host. None is the defaults.
    progress
        Whether to show a bar on the terminal, as for :meth:`Pipeline.run`.

    Returns
    -------
    pandas.DataFrame
        The run report, as of :meth:`Pipeline.run`.

    Raises
    ------
    SettingsError
        When both `outdir` and `path_func` are given, or an argument cannot be used. A ValueError.
    CollisionError
        When two URLs have one name; raised before any work is done. A ValueError.
    StagingError
        When the disk is full or read-only. An OSError.

    Examples
    --------
    >>> from tintype import download_images_as_png
    >>> download_images_as_png([], "photos", n_jobs=3).empty
    True
    """
    if outdir is not None and path_func is not None:
        raise SettingsError(f"both outdir={os.fspath(outdir)!r} and path_func are given: give one of them")
    if path_func is None:
        path_func = partial(join_outdir_filename_extension, outdir=outdir or ".", extension=".png")
    resize = [] if resize_shape is None else [ResizePlan(shape=_as_shape(resize_shape))]
    pipeline = download_image_pipeline([*resize, to_rgb], policy=policy)
    return pipeline.run(
        urls, _PngPath(path_func), n_jobs, skip_existing, exceptions_to_catch=Exception, progress=progress
    )


def resize_multiple_files(
    paths: Iterable[PathLike],
    shape: int | tuple[int, int],
    outdir: PathLike,
    n_jobs: int = 1,
    *,
    mode: str = "stretch",
    skip_existing: bool = False,
    quality: int = 95,
    reduced_decode: bool = True,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Resize image files, and write each under its own name, so in its own format, in another folder.

    A file that fails, such as one that is no image, is logged as an error and is a row of the report; the others go
    on. Gray stays gray, and transparency stays where the format has it.

    Parameters
    ----------
    paths
        The files.
    shape
        The wanted (rows, columns); one number for a square.
    outdir
        Folder for the resized files. Two files of one name are refused.
    n_jobs
        Files worked on at once, at least 1.
    mode
        How an image of other proportions comes to `shape`, as for :func:`tintype.ops.resize`.
    skip_existing
        Leave a file out when there is one of its name in `outdir`.
    quality
        Of JPEG and WebP: 1 (small) to 100 (good).
    reduced_decode
        Whether JPEGs may be decoded at a reduced scale, which takes half the time or less.
    progress
        Whether to show a bar on the terminal, as for :meth:`Pipeline.run`.

    Returns
    -------
    pandas.DataFrame
        The run report, as of :meth:`Pipeline.run`.

    Raises
    ------
    SettingsError
        When an argument cannot be used. A ValueError.
    CollisionError
        When two files have one name; raised before any work is done. A ValueError.
    StagingError
        When the disk is full or read-only. An OSError.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import skimage
    >>> from tintype import resize_multiple_files
    >>> photograph = Path(skimage.__file__).parent / "data" / "rocket.jpg"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = resize_multiple_files([photograph], (100, 100), folder)
    >>> report["exception_handled"].to_list()
    [False]
    """
    pipeline = resize_image_pipeline(shape=_as_shape(shape), mode=mode, quality=quality, reduced_decode=reduced_decode)
    keep_name = partial(replace_dir, outdir=outdir)
    return pipeline.run(paths, keep_name, n_jobs, skip_existing, exceptions_to_catch=Exception, progress=progress)


def _as_shape(shape: int | tuple[int, int]) -> tuple[int, int]:
    return (shape, shape) if isinstance(shape, int) else shape


@dataclass(frozen=True)
class _PngPath:
    """A path function that refuses paths whose extension names another format."""

    path_func: PathFunc

    def __call__(self, url: Any) -> str:
        path = os.fsdecode(self.path_func(url))
        if not path.lower().endswith(".png"):
            raise SettingsError(f"path_func gave {path!r} for {url}: let it end in '.png'")
        return path
