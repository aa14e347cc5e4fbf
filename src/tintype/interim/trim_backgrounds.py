"""TrimBackgrounds: every image without the plain border around what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import luigi

from tintype.interim.image_stage import ImageStage
from tintype.ops.background import list_thresholds, read_share, trim_background
from tintype.records import record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tintype.pipelines.core import Pipeline


class TrimBackgrounds(ImageStage):
    """Cut away the rows and columns at the border of every image above that hold nothing but background.

    See :func:`tintype.ops.trim_background` for how it tells. The column ``area_kept`` is the share of the pixels that
    is left, 0 to 1: 1.0 where nothing was trimmed.

    Examples
    --------
    >>> class Cutouts(TrimBackgrounds):
    ...     min_area_fraction = luigi.FloatParameter(default=0.5)
    >>> Cutouts(initial_variance=100.0).output().path
    'data/interim/Cutouts-initial_variance=100.0'
    """

    initial_variance: float = luigi.FloatParameter(
        default=250.0, description="rows and columns at the edges that vary less than this are background"
    )
    delta_variance: float = luigi.FloatParameter(
        default=25.0, description="how much lower that is tried next, when too little of the image was left"
    )
    min_area_fraction: float = luigi.FloatParameter(
        default=0.25, description="least share of the image's area, 0 to 1, that must be left"
    )

    own_settings = frozenset({"initial_variance", "delta_variance", "min_area_fraction"})
    recorded_columns = {"area_kept": float}

    def pipeline(self) -> Pipeline:
        """Return the pipeline; SettingsError, before any work is done, when a number is out of range."""
        list_thresholds(self.initial_variance, self.delta_variance)
        read_share(self.min_area_fraction, action="trim_background", name="min_area_fraction")
        return super().pipeline()

    def process(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
        """Return the image without its background, and record how much of it that is."""
        trimmed = trim_background(
            image,
            initial_variance=self.initial_variance,
            delta_variance=self.delta_variance,
            min_area_fraction=self.min_area_fraction,
        )
        record(area_kept=trimmed.shape[0] * trimmed.shape[1] / (image.shape[0] * image.shape[1]))
        return trimmed
