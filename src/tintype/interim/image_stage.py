"""ImageStage: a stage from images to images, of which a user writes one method."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from luigi.task import flatten

from tintype.errors import SettingsError
from tintype.load_funcs.image import load_image
from tintype.pipelines.core import Pipeline
from tintype.pipelines.file_work import LoadFunc
from tintype.pipelines.several_inputs import load_each, unpacked
from tintype.settings import read_settings
from tintype.tasks.file_stage import FileStage
from tintype.tasks.rows import InputRow, RowBatch, Trouble
from tintype.write_funcs.image import write_image

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Processed = npt.NDArray[np.uint8] | None | Iterator[tuple[str, npt.NDArray[np.uint8]]]

EXTENSIONS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "tiff": ".tif"}


class ImageStage(FileStage):
    """A stage that makes images from the images above it, one from each or several: write :meth:`process`.

    Examples
    --------
    >>> from tintype import ops
    >>> class Thumbnails(ImageStage):
    ...     def process(self, image):
    ...         return ops.resize(image, max_side=64)
    >>> class Halves(ImageStage):
    ...     def process(self, image):
    ...         middle = image.shape[1] // 2
    ...         yield "-left", image[:, :middle]
    ...         yield "-right", image[:, middle:]
    >>> class Cutouts(ImageStage):
    ...     def requires(self):
    ...         return [Photos(), Masks()]
    ...     def process(self, image, mask):
    ...         return np.where(mask[..., np.newaxis] > 127, image, 255).astype(np.uint8)
    """

    layer = "interim"
    image_format: str = "jpeg"
    """What is written: ``jpeg``, ``png``, ``webp`` or ``tiff``."""
    quality: int = 95
    """Of JPEG and WebP, 1 to 100."""
    path_matters = False
    """``process`` sees no path, so that an image that was only moved is not worked on again. True where your own
    :meth:`pipeline` or :meth:`load_func` goes by the path."""

    @abstractmethod
    def process(self, *args: Any, **kwargs: Any) -> Processed:
        """Return the image to write, or None to drop this one; or yield several.

        Write it as ``process(self, image)``. Where the stage requires several stages, it gets an image of each, in the
        order of ``requires``: ``process(self, image, mask)``; ``join_on`` says which belong together.

        As a generator it yields ``(suffix, image)`` for each result: of ``cats/7.png`` the one with the suffix
        ``"-left"`` becomes ``cats/7-left.jpg``. What is recorded before a ``yield`` is in the row of that result
        and of those after it, until it is recorded anew.

        Parameters
        ----------
        *args
            Images: uint8, shape (rows, columns), (rows, columns, 3) RGB or (rows, columns, 4) RGBA, the right way up.
            Not to be modified.
        **kwargs
            Never given; there so that type checkers accept a ``process`` of any number of images.

        Returns
        -------
        numpy.ndarray or None
            uint8, of such a shape; None, or what :func:`tintype.drop` returns, drops the input.
        """

    def load_func(self) -> LoadFunc:
        """Return the function that loads an image from its path."""
        return partial(load_image, max_pixels=read_settings().max_image_pixels)

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
        is_joined = len(flatten(self.requires())) > 1
        return Pipeline(
            load_func=load_each(self.load_func()) if is_joined else self.load_func(),
            ops=unpacked(self.process) if is_joined else self.process,
            write_func=partial(write_image, quality=self.quality),
        )

    def outpath(self, row: InputRow) -> str:
        """Return the input's own path with the extension of the format that is written."""
        return os.path.splitext(row.inpath)[0] + EXTENSIONS[self.image_format]

    def outpaths(self, batch: RowBatch) -> list[str | Trouble]:
        """Return the output path of each input of a batch."""
        if type(self).outpath is not ImageStage.outpath or batch.trouble is not None:
            return super().outpaths(batch)
        extension = EXTENSIONS[self.image_format]
        return [os.path.splitext(inpath)[0] + extension for inpath in batch.inpaths]
