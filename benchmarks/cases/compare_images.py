"""How near resized images are to a full decode and Lanczos' filter: compare_images.py KIND SOURCE - SIZE N_FILES 1.

KIND is ``tintype`` or one of ``image_loops.LOOPS``. Prints the peak signal-to-noise ratio in decibels, mean and least
over the images, of the pixels before they are encoded.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from image_loops import LOOPS
from image_work import ImageWork
from PIL import Image
from usage import report

BGR_KINDS = ("cv2_linear", "cv2_area", "cv2_scaled_area")


def make_function(work: ImageWork) -> Callable[[str], Any]:
    """Return the function from a path to the pixels."""
    if work.kind == "tintype":
        from run_images import wanted_size

        from tintype.pipelines import resize_image_pipeline

        return resize_image_pipeline(**wanted_size(work))
    loop = LOOPS[work.kind](work)

    def shrink(path: str) -> Any:
        pixels = np.asarray(loop.shrink(Path(path).read_bytes()))
        return pixels[..., ::-1] if work.kind in BGR_KINDS else pixels

    return shrink


def measure_decibels(pixels: Any, wanted: Any) -> float:
    """Return the peak signal-to-noise ratio of uint8 pixels."""
    assert pixels.shape == wanted.shape, (pixels.shape, wanted.shape)
    error = float(np.mean(np.square(pixels.astype(np.float64) - wanted)))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def main(work: ImageWork) -> None:
    make = make_function(work)
    decibels = []
    for path in work.paths:
        with Image.open(path) as image:
            wanted = np.asarray(image.convert("RGB").resize(work.size, Image.Resampling.LANCZOS))
        decibels.append(measure_decibels(np.asarray(make(path)), wanted))
    assert len(decibels) == work.n_files
    report(mean_decibels=sum(decibels) / len(decibels), least_decibels=min(decibels))


if __name__ == "__main__":
    main(ImageWork.read(sys.argv[1:]))
