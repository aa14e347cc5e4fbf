"""ConvertImages: every image in one format and one kind of colour."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import luigi

from tintype.errors import SettingsError
from tintype.interim.filter_images import is_whole
from tintype.interim.image_stage import EXTENSIONS, ImageStage
from tintype.interim.kept_files import FileAbove, keep_file, list_files_above, refuse_several_above
from tintype.load_funcs.pillow_formats import open_image
from tintype.ops.tone import to_grayscale, to_rgb
from tintype.pipelines.core import Pipeline
from tintype.write_funcs.image import write_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from tintype.pipelines.file_work import LoadFunc
    from tintype.tasks.rows import RowBatch

MODES = {"keep": None, "rgb": "RGB", "gray": "L"}
"""For each colour, Pillow's mode of an image that has it already."""
WHITE = 255
"""What shows through transparent pixels where transparency goes."""


class ConvertImages(ImageStage):
    """Convert every image above to one format, and to colour or gray where that is asked for.

    An image that is in the format already, and has the colour, keeps its bytes: it is a hard link, or a copy where
    none can be made, perhaps with another extension. Nothing is gained by decoding it, and JPEG would lose. So an
    EXIF orientation stays in such a file, it keeps a quality of its own, and one that is cut off behind its header is
    not noticed. Any other is decoded, brought upright, and written anew; of an animation the first frame.

    With ``colour="keep"`` an image with transparency cannot become JPEG, and is a failed row; ``rgb`` and ``gray`` show
    it on white.

    Examples
    --------
    >>> class Gray(ConvertImages):
    ...     colour = luigi.Parameter(default="gray")
    >>> Gray(image_format="png").output().path
    'data/interim/Gray-image_format=png'
    """

    image_format: str = luigi.Parameter(default="jpeg", description="jpeg, png, webp or tiff")
    colour: str = luigi.Parameter(default="keep", description="rgb, gray, or keep")
    quality: int = luigi.IntParameter(default=95, description="of JPEG and WebP that is written: 1 to 100")

    own_settings = frozenset({"image_format", "colour", "quality"})

    def pipeline(self) -> Pipeline:
        """Return the pipeline: load what must be converted, convert and write it; link the others.

        Raises
        ------
        SettingsError
            When the format, the colour or the quality is none: told before any work is done.
        """
        self._check_settings()
        refuse_several_above(self)
        return Pipeline(
            load_func=partial(
                load_to_convert,
                load_func=self.load_func(),
                image_format=self.image_format.upper(),
                mode=MODES[self.colour],
            ),
            ops=self.convert,
            write_func=partial(write_converted, quality=self.quality),
        )

    def load_arguments(self, batch: RowBatch) -> Sequence[FileAbove]:
        """Return where each file is, and its digest."""
        return list_files_above(self, batch)

    def convert(self, data: FileAbove | npt.NDArray[np.uint8]) -> FileAbove | npt.NDArray[np.uint8] | None:
        """Return a file that stays as it is, or an image with its colour converted."""
        return data if isinstance(data, FileAbove) else self.process(data)

    def process(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
        """Return the image in the colour that is asked for; to drop one, or to do more to it, override it."""
        if self.colour == "keep":
            return image
        return (
            to_rgb(image, background=WHITE) if self.colour == "rgb" else to_grayscale(to_rgb(image, background=WHITE))
        )

    def _check_settings(self) -> None:
        name = type(self).__name__
        if self.image_format not in EXTENSIONS:
            raise SettingsError(f"{name}.image_format is {self.image_format!r}: give one of {', '.join(EXTENSIONS)}")
        if self.colour not in MODES:
            raise SettingsError(f"{name}.colour is {self.colour!r}: give one of {', '.join(MODES)}")
        if not is_whole(self.quality, least=1) or self.quality > 100:
            raise SettingsError(f"{name}.quality is {self.quality!r}: give a whole number from 1 to 100")


def load_to_convert(
    file: FileAbove, *, load_func: LoadFunc, image_format: str, mode: str | None
) -> FileAbove | npt.NDArray[np.uint8]:
    """Return the image in a file, or the file itself when it has the format and the colour already.

    Parameters
    ----------
    file
        The image file.
    load_func
        Loads an image from its path.
    image_format
        Pillow's name of the format.
    mode
        Pillow's mode of an image that has the colour; None when any will do.
    """
    if is_right_already(file.path, image_format, mode):
        return file
    image: npt.NDArray[np.uint8] = load_func(file.path)
    return image


def is_right_already(path: str, image_format: str, mode: str | None) -> bool:
    """Return whether an image file has a format and a mode, and only one frame, going by its header."""
    with open(path, "rb") as file:
        header = open_image(file, path)
        has_colour = mode is None or (header.mode == mode and not header.has_transparency_data)
        return header.format == image_format and has_colour and not getattr(header, "is_animated", False)


def write_converted(data: FileAbove | npt.NDArray[np.uint8], path: str, *, quality: int) -> None:
    """Write an image in the format that the extension of the path names, or link a file that stays as it is."""
    if isinstance(data, FileAbove):
        keep_file(data, path)
    else:
        write_image(data, path, quality=quality)
