"""luisy's template for a directory of many files: read images, keep them as arrays, take the red channel.

    luigi --module images RedChannel --folder PHOTOGRAPHS --local-scheduler

One image is in memory at a time. ``--folder`` is any folder with PNG images, by default the photographs that come with
scikit-image.
"""

from pathlib import Path

import luigi
import skimage
from luigi.util import requires
from skimage import io

from tintype import LoopStage, make_directory_output
from tintype.load_funcs import load_array
from tintype.raw import GivenFolder


def read_image(filepath):
    if filepath.endswith(".png"):
        return filepath, io.imread(filepath)
    return None  # every other file is left out


def read_file(filepath):
    return filepath, load_array(filepath)


def get_image_id(filepath):
    return Path(filepath).stem


image_directory_output = make_directory_output(read_image)
array_directory_output = make_directory_output(read_file)


@image_directory_output
class ExportDirectory(GivenFolder):
    """Input directory with (multiple) image files: it stays where it is, and is never written to."""

    folder = luigi.Parameter(default=str(Path(skimage.__file__).parent / "data"))


@array_directory_output
@requires(ExportDirectory)
class ToNumpy(LoopStage):
    """Every image as an array in a file of its own."""

    def make_files(self):
        for filepath, image in self.input().read():
            self.write(get_image_id(filepath) + ".npy", image, inpath=filepath)


@requires(ToNumpy)
class RedChannel(LoopStage):
    """The red channel of every image that has colours; here the files are yielded."""

    layer = "processed"

    def make_files(self):
        for filepath, data in self.input().read():
            if data.ndim == 3:
                yield get_image_id(filepath) + ".npy", data[:, :, 0]
