"""FilterImages: the images that are good enough, as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import luigi

from tintype.errors import SettingsError
from tintype.interim.kept_files import FileAbove, as_it_is, keep_file, list_files_above, refuse_several_above
from tintype.load_funcs.image import load_image
from tintype.load_funcs.pillow_formats import open_image
from tintype.ops.statistics import is_blank, sharpness
from tintype.pipelines.core import Pipeline
from tintype.records import drop
from tintype.settings import read_settings
from tintype.tasks.file_stage import FileStage
from tintype.tasks.rows import RowBatch

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class FilterImages(FileStage):
    """Keep the images above that are large, small, sharp or interesting enough; give at least one criterion.

    What is kept keeps its bytes: it is a hard link, or a copy where none can be made. What is dropped has a row that
    says why. Size and proportions are read from the header of a file; only ``drop_blank`` and ``min_sharpness`` look
    at pixels, so only with them a file that is cut off behind its header is a failed row. Its EXIF orientation does
    not matter.

    Examples
    --------
    >>> class Kept(FilterImages):
    ...     min_side = luigi.IntParameter(default=64)
    ...     max_aspect_ratio = luigi.FloatParameter(default=4.0)
    >>> Kept(max_aspect_ratio=2.5).output().path
    'data/interim/Kept-max_aspect_ratio=2.5'
    """

    min_side: int | None = luigi.OptionalIntParameter(
        default=None, description="least length of the shorter side in pixels"
    )
    max_aspect_ratio: float | None = luigi.OptionalFloatParameter(
        default=None, description="most times that the longer side may be as long as the shorter one"
    )
    max_pixels: int | None = luigi.OptionalIntParameter(default=None, description="largest area in pixels")
    drop_blank: bool = luigi.BoolParameter(default=False, description="drop images of nearly one colour")
    min_sharpness: float | None = luigi.OptionalFloatParameter(
        default=None, description="least variance of the Laplacian; see tintype.ops.sharpness"
    )

    layer = "interim"
    own_settings = frozenset({"min_side", "max_aspect_ratio", "max_pixels", "drop_blank", "min_sharpness"})

    def pipeline(self) -> Pipeline:
        """Return the pipeline that judges a file and links it.

        Raises
        ------
        SettingsError
            When there is no criterion, or one that nothing or everything meets: told before any work is done.
        """
        self._check_settings()
        refuse_several_above(self)
        return Pipeline(load_func=as_it_is, ops=self.judge, write_func=keep_file)

    def load_arguments(self, batch: RowBatch) -> Sequence[FileAbove]:
        """Return where each file is, and its digest."""
        return list_files_above(self, batch)

    def judge(self, file: FileAbove) -> FileAbove | None:
        """Return the file, or None to drop it."""
        for fault in self.find_faults(file.path):
            drop(fault)
            return None
        return file

    def find_faults(self, path: str) -> Iterator[str]:
        """Yield why an image is not wanted, in a sentence each; what costs most comes last.

        To add a criterion, override it: ``yield from super().find_faults(path)``, then your own.

        Parameters
        ----------
        path
            The image file.
        """
        if self.min_side is not None or self.max_aspect_ratio is not None or self.max_pixels is not None:
            yield from self._find_faults_of_size(*read_size(path))
        if self.drop_blank or self.min_sharpness is not None:
            image = load_image(path, max_pixels=read_settings().max_image_pixels)
            yield from self._find_faults_of_pixels(image)

    def _find_faults_of_size(self, rows: int, columns: int) -> Iterator[str]:
        shorter, longer = sorted((rows, columns))
        if self.min_side is not None and shorter < self.min_side:
            yield f"the shorter side has {shorter:,} pixels, and at least {self.min_side:,} are asked for"
        if self.max_aspect_ratio is not None and longer > self.max_aspect_ratio * shorter:
            yield (
                f"the longer side is {longer / shorter:.4g} times as long as the shorter one ({rows:,} x {columns:,} "
                f"pixels), and at most {self.max_aspect_ratio:g} are asked for"
            )
        if self.max_pixels is not None and rows * columns > self.max_pixels:
            yield (
                f"it has {rows:,} x {columns:,} = {rows * columns:,} pixels, and at most {self.max_pixels:,} are "
                "asked for"
            )

    def _find_faults_of_pixels(self, image: npt.NDArray[np.uint8]) -> Iterator[str]:
        if self.drop_blank and is_blank(image):
            yield "it is blank"
        if self.min_sharpness is not None and (found := sharpness(image)) < self.min_sharpness:
            yield f"its sharpness is {found:.4g}, and at least {self.min_sharpness:g} is asked for"

    def _check_settings(self) -> None:
        # What may be given, in words, and whether it was; not (a >= b) also refuses NaN.
        wanted = {
            "min_side": ("a whole number of pixels, at least 1", is_whole(self.min_side, least=1)),
            "max_aspect_ratio": ("a number of at least 1", is_number(self.max_aspect_ratio, least=1)),
            "max_pixels": ("a whole number of pixels, at least 1", is_whole(self.max_pixels, least=1)),
            "min_sharpness": ("a number above 0", is_number(self.min_sharpness, least=0) and self.min_sharpness != 0),
        }
        given = [name for name in wanted if getattr(self, name) is not None]
        for name in given:
            words, is_good = wanted[name]
            if not is_good:
                raise SettingsError(f"{type(self).__name__}.{name} is {getattr(self, name)!r}: give {words}")
        if not given and not self.drop_blank and type(self).find_faults is FilterImages.find_faults:
            raise SettingsError(
                f"{type(self).__name__} has no criterion and would keep every image: give at least one of "
                "min_side, max_aspect_ratio, max_pixels, drop_blank and min_sharpness"
            )


def read_size(path: str) -> tuple[int, int]:
    """Return the number of rows and columns that the header of an image file names, as they are stored.

    Raises
    ------
    ImageError
        When the file is no image.
    """
    with open(path, "rb") as file:
        columns, rows = open_image(file, path).size
    return rows, columns


def is_whole(value: object, *, least: int | None = None) -> bool:
    """Return whether a setting is a whole number, and of at least so much."""
    return isinstance(value, int) and not isinstance(value, bool) and (least is None or value >= least)


def is_number(value: object, *, least: float) -> bool:
    """Return whether a setting is a number of at least so much, and no NaN or infinity."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value < float("inf")
