"""ImageStage: a stage from images to images, of which a user writes one method."""

from __future__ import annotations

import os
from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING

from tintype.errors import SettingsError
from tintype.load_funcs.image import load_image
from tintype.pipelines.core import Pipeline
from tintype.settings import read_settings
from tintype.tasks.file_stage import FileStage
from tintype.tasks.rows import InputRow
from tintype.write_funcs.image import write_image

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

EXTENSIONS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}


class ImageStage(FileStage):
    """A stage that makes one image from each image above it: write :meth:`process`.

    Examples
    --------
    >>> from tintype import ops
    >>> class Thumbnails(ImageStage):
    ...     def process(self, image):
    ...         return ops.resize(image, max_side=64)
    """

    layer = "interim"
    image_format: str = "jpeg"
    """What is written: ``jpeg``, ``png`` or ``webp``."""
    quality: int = 95
    """Of JPEG and WebP, 1 to 100."""

    @abstractmethod
    def process(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
        """Return the image to write, or None to drop this one.

        Parameters
        ----------
        image
            uint8, shape (rows, columns), (rows, columns, 3) RGB or (rows, columns, 4) RGBA, the right way up.
        """

    def pipeline(self) -> Pipeline:
        """Return the pipeline: load, :meth:`process`, write.

        Raises
        ------
        SettingsError
            When ``image_format`` or ``quality`` is none: told here, before any work is done.
        """
        if self.image_format not in EXTENSIONS:
            raise SettingsError(
                f"{type(self).__name__}.image_format is {self.image_format!r}: give one of {', '.join(EXTENSIONS)}"
            )
        if self.quality not in range(1, 101):
            raise SettingsError(f"{type(self).__name__}.quality is {self.quality!r}: give a whole number from 1 to 100")
        return Pipeline(
            load_func=partial(load_image, max_pixels=read_settings().max_image_pixels),
            ops=self.process,
            write_func=partial(write_image, quality=self.quality),
        )

    def outpath(self, row: InputRow) -> str:
        """Return the input's own path with the extension of the format that is written."""
        return os.path.splitext(row.inpath)[0] + EXTENSIONS[self.image_format]
