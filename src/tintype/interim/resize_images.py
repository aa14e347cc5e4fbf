"""ResizeImages: every image to one size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import luigi

from tintype.interim.image_stage import ImageStage
from tintype.ops.geometry import plan_shape, resize
from tintype.pipelines.core import Pipeline

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class ResizeImages(ImageStage):
    """Resize every image above: give exactly one of ``shape``, ``min_dim`` and ``max_side``.

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
    only_if_bigger: bool = luigi.BoolParameter(default=False, description="leave smaller images at their size")

    def pipeline(self) -> Pipeline:
        """Return the pipeline; SettingsError, before any work is done, when not exactly one size is given."""
        plan_shape(1, 1, shape=self.shape, min_dim=self.min_dim, max_side=self.max_side)
        return super().pipeline()

    def process(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
        """Return the image at its new size."""
        return resize(
            image,
            shape=self.shape,
            min_dim=self.min_dim,
            max_side=self.max_side,
            only_if_bigger=self.only_if_bigger,
        )
