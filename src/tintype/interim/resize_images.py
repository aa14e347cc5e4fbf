"""ResizeImages: every image to one size."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import luigi

from tintype.interim.image_stage import ImageStage
from tintype.load_funcs.resized import load_resized_image
from tintype.ops.resampling import AREA, FILTERS
from tintype.ops.resizing import MODES, ResizePlan
from tintype.pipelines.core import Pipeline
from tintype.pipelines.file_work import LoadFunc
from tintype.settings import read_settings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class ResizeImages(ImageStage):
    """Resize every image above: give exactly one of ``shape``, ``min_dim``, ``max_side`` and ``scale``.

    What each parameter means stands in :func:`tintype.ops.resize`.

    Examples
    --------
    >>> class Thumbnails(ResizeImages):
    ...     max_side = luigi.OptionalIntParameter(default=256)
    >>> Thumbnails(max_side=64).output().path
    'data/interim/Thumbnails-max_side=64'
    """

    shape: tuple[int, int] | None = luigi.OptionalTupleParameter(
        default=None, description="rows and columns in pixels, as (224,224)"
    )
    min_dim: int | None = luigi.OptionalIntParameter(default=None, description="length of the shorter side in pixels")
    max_side: int | None = luigi.OptionalIntParameter(default=None, description="length of the longer side in pixels")
    scale: float | None = luigi.OptionalFloatParameter(default=None, description="factor for both sides")
    mode: str = luigi.ChoiceParameter(
        default="stretch", choices=MODES, description="how an image of other proportions comes to shape."
    )
    only_if_bigger: bool = luigi.BoolParameter(default=False, description="leave smaller images at their size")
    resample: str | None = luigi.OptionalChoiceParameter(
        default=None,
        choices=(*FILTERS, AREA),
        description="Pillow's filter, or OpenCV's area; empty is hamming to reduce, lanczos to enlarge.",
    )

    full_decode: bool = luigi.BoolParameter(
        default=False, description="decode JPEGs in full: up to four times slower, a little closer to the plain filter"
    )
    fill: int | tuple[int, ...] = 0
    """Colour of the border that ``mode="border"`` adds: one value, or one a channel."""

    own_settings = frozenset(
        {"shape", "min_dim", "max_side", "scale", "mode", "only_if_bigger", "resample", "full_decode"}
    )

    def resize_plan(self) -> ResizePlan:
        """Return what is asked for; SettingsError when not exactly one size is given, or one that cannot be used."""
        return ResizePlan(
            shape=self.shape,
            min_dim=self.min_dim,
            max_side=self.max_side,
            scale=self.scale,
            mode=self.mode,
            only_if_bigger=self.only_if_bigger,
            resample=self.resample,
            fill=self.fill,
        )

    def pipeline(self) -> Pipeline:
        """Return the pipeline; SettingsError, before any work is done, when the sizes cannot be used."""
        self.resize_plan()
        return super().pipeline()

    def load_func(self) -> LoadFunc:
        """Return the function that loads an image at its new size: a JPEG is decoded no larger than that takes."""
        return partial(
            load_resized_image,
            plan=self.resize_plan(),
            max_pixels=read_settings().max_image_pixels,
            reduced_decode=not self.full_decode,
        )

    def process(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
        """Return the image, which has its new size already; to drop one, or to do more to it, override it."""
        return image
