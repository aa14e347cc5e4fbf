"""Make images out of the photographs of scikit-image: make_photographs.py FOLDER N_FILES 1024x768.jpg.

Each is another crop, mirrored or not, with a little noise, so that no two are alike and all are as large as those of
a camera: JPEGs of 1024x768 about 190 kB at quality 90. The same call makes the same files.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import skimage
from PIL import Image, ImageOps

PHOTOGRAPHS = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "retina.jpg",
    "rocket.jpg",
)
QUALITY = 90
"""Of JPEGs."""
NOISE = 3.2
"""Standard deviation of the noise, out of 255; it makes the files as large as they are to be."""


def load_photographs() -> list[Image.Image]:
    folder = Path(skimage.__file__).parent / "data"
    return [Image.open(folder / name).convert("RGB") for name in PHOTOGRAPHS]


def make_photograph(
    sources: list[Image.Image], folder: Path, width: int, height: int, extension: str, number: int
) -> None:
    random = np.random.default_rng(number)
    source = sources[number % len(sources)]
    crop_width = source.width * random.uniform(0.5, 1.0)
    crop_height = min(crop_width * height / width, source.height)
    crop_width = crop_height * width / height
    left, top = random.uniform(0, source.width - crop_width), random.uniform(0, source.height - crop_height)
    box = (left, top, left + crop_width, top + crop_height)
    image = source.resize((width, height), Image.Resampling.BICUBIC, box)
    image = ImageOps.mirror(image) if random.random() < 0.5 else image
    noise = random.normal(0, NOISE, (height, width, 1)).astype(np.float32)
    pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    options = {"quality": QUALITY} if extension == "jpg" else {}
    Image.fromarray(pixels).save(folder / f"{number:05d}.{extension}", **options)


def main(folder: Path, n_files: int, kind: str) -> None:
    size, extension = kind.split(".")
    width, height = map(int, size.split("x"))
    folder.mkdir(parents=True)
    make = partial(make_photograph, load_photographs(), folder, width, height, extension)
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(make, range(n_files)):
            pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
