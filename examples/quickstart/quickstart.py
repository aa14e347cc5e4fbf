"""From a folder of photographs to thumbnails and a table that describes them.

    luigi --module quickstart Quickstart --local-scheduler

The photographs are those that come with scikit-image. Everything is written below ``data``, or below ``--base-dir``.
"""

from pathlib import Path

import luigi
import skimage
from luigi.util import requires

from tintype import interim, ops, processed, raw

PHOTOGRAPHS = Path(skimage.__file__).parent / "data"
LABELS = {
    "astronaut": "person",
    "chelsea": "cat",
    "coffee": "cup",
    "hubble_deep_field": "sky",
    "motorcycle_left": "motorcycle",
    "motorcycle_right": "motorcycle",
    "retina": "retina",
    "rocket": "rocket",
}


class Photographs(raw.ImportFolder):
    """Real photographs, as they come."""

    folder = str(PHOTOGRAPHS)
    patterns = tuple(f"{name}.*g" for name in LABELS)  # .png and .jpg

    def label(self, inpath):
        return LABELS[Path(inpath).stem]


@requires(Photographs)
class Thumbnails(interim.ImageStage):
    """Each photograph with its longer side at most ``max_side`` pixels long."""

    max_side = luigi.IntParameter(default=256)

    def process(self, image):
        return ops.resize(image, max_side=self.max_side, only_if_bigger=True)


@requires(Thumbnails)
class Quickstart(processed.DescribeImages):
    """Size, brightness, sharpness and label of each thumbnail, as Parquet and CSV."""
