"""RemoveFaces: every image without the faces in it."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from typing import TYPE_CHECKING

import luigi

from tintype.errors import SettingsError
from tintype.interim.filter_images import is_whole
from tintype.interim.image_stage import ImageStage
from tintype.ops.faces import MODES, find_faces, remove_faces
from tintype.records import record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tintype.ops.face_detectors import FaceDetector
    from tintype.pipelines.core import Pipeline
    from tintype.recipe import Recipe


class RemoveFaces(ImageStage):
    """Crop the faces off every image above, or make them unrecognisable.

    See :func:`tintype.ops.remove_faces` for the modes. The column ``n_faces`` is the number of faces that were found.
    An image that is all face leaves nothing to crop, and is a failed row.

    To have another detector find them, override :meth:`detector`.

    Examples
    --------
    >>> from tintype.ops import HaarDetector
    >>> class Anonymous(RemoveFaces):
    ...     mode = luigi.Parameter(default="pixelate")
    ...     def detector(self):
    ...         return HaarDetector()
    >>> Anonymous(pad=0).output().path
    'data/interim/Anonymous-pad=0'
    """

    mode: str = luigi.Parameter(default="crop", description="crop, blur, pixelate or mask")
    pad: int = luigi.IntParameter(default=15, description="pixels around each face that go with it")

    own_settings = frozenset({"mode", "pad"})
    recorded_columns = {"n_faces": int}

    def detector(self) -> FaceDetector | None:
        """Return what finds the faces; None for the one that comes with scikit-image.

        Asked for with every image, so let it be light: those in :mod:`tintype.ops` load their model once a process. A
        dataclass, as those are, is part of the recipe: with other options the stage is built again. Of any other
        function only the name is.
        """
        return None

    def recipe(self) -> Recipe:
        """Return everything that decides the bytes of this directory, with the detector."""
        recipe = super().recipe()
        return replace(recipe, attributes={**recipe.attributes, "detector": describe_detector(self.detector())})

    def pipeline(self) -> Pipeline:
        """Return the pipeline; SettingsError, before any work is done, when mode or pad is none."""
        if self.mode not in MODES:
            raise SettingsError(f"{type(self).__name__}.mode is {self.mode!r}: give one of {', '.join(MODES)}")
        if not is_whole(self.pad, least=0):
            raise SettingsError(f"{type(self).__name__}.pad is {self.pad!r}: give a whole number of pixels, at least 0")
        return super().pipeline()

    def process(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
        """Return the image without its faces, and record how many there were."""
        boxes = find_faces(image, self.detector())
        record(n_faces=len(boxes))
        return remove_faces(image, self.mode, pad=self.pad, detector=lambda _: boxes)


def describe_detector(detector: FaceDetector | None) -> str:
    """Return a text that is another one for another detector, and the same in every process."""
    if detector is None or is_dataclass(detector):
        return repr(detector)
    named = detector if hasattr(detector, "__qualname__") else type(detector)
    return f"{named.__module__}.{named.__qualname__}"
