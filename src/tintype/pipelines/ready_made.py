"""Pipelines for what is done most: download images, resize images. Each call returns a new one, to be changed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from tintype.load_funcs import load_image_from_url, load_resized_image
from tintype.ops import ResizePlan
from tintype.pipelines.core import Pipeline
from tintype.write_funcs import write_image

if TYPE_CHECKING:
    from tintype.load_funcs.http import FetchPolicy
    from tintype.pipelines.file_work import Op


def download_image_pipeline(
    ops: Iterable[Op] | Op | None = None, *, policy: FetchPolicy | None = None, quality: int = 95
) -> Pipeline:
    """Return a new pipeline from URLs of images to image files.

    Parameters
    ----------
    ops
        What is done to each image, as for :class:`Pipeline`; or set ``pipeline.ops`` later.
    policy
        How to fetch: attempts, time-outs, the largest file, headers. None is the defaults.
    quality
        Of JPEG and WebP: 1 (small) to 100 (good).

    Examples
    --------
    >>> from tintype.pipelines import download_image_pipeline
    >>> pipeline = download_image_pipeline()
    >>> pipeline.ops = [lambda image: image[:-100]]
    >>> pipeline
    Pipeline(load_image_from_url > <lambda> > write_image)
    """
    load_func = load_image_from_url if policy is None else partial(load_image_from_url, policy=policy)
    return Pipeline(load_func, ops, partial(write_image, quality=quality))


def resize_image_pipeline(
    *,
    shape: tuple[int, int] | None = None,
    min_dim: int | None = None,
    max_side: int | None = None,
    scale: float | None = None,
    mode: str = "stretch",
    only_if_bigger: bool = False,
    resample: str | None = None,
    fill: float | tuple[float, ...] = 0,
    reduced_decode: bool = True,
    quality: int = 95,
    ops: Iterable[Op] | Op | None = None,
) -> Pipeline:
    """Return a new pipeline from image files to resized ones.

    Parameters
    ----------
    shape, min_dim, max_side, scale
        The wanted size: exactly one of them, as for :func:`tintype.ops.resize`.
    mode, only_if_bigger, resample, fill
        As for :func:`tintype.ops.resize`.
    reduced_decode
        Whether JPEGs may be decoded at a reduced scale, which takes half the time or less. False decodes every pixel.
    quality
        Of JPEG and WebP: 1 (small) to 100 (good).
    ops
        What is done to each resized image.

    Raises
    ------
    SettingsError
        When not exactly one size is given, or an argument cannot be used with any image. A ValueError.

    Examples
    --------
    >>> from pathlib import Path
    >>> import skimage
    >>> from tintype.pipelines import resize_image_pipeline
    >>> thumbnail = resize_image_pipeline(max_side=64)
    >>> thumbnail(Path(skimage.__file__).parent / "data" / "rocket.jpg").shape
    (43, 64, 3)
    """
    plan = ResizePlan(
        shape=shape,
        min_dim=min_dim,
        max_side=max_side,
        scale=scale,
        mode=mode,
        only_if_bigger=only_if_bigger,
        resample=resample,
        fill=fill,
    )
    load_func = partial(load_resized_image, plan=plan, reduced_decode=reduced_decode)
    return Pipeline(load_func, ops, partial(write_image, quality=quality))
