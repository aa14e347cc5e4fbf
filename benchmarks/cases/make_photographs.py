"""Make JPEGs of 1024x768 out of the photographs of scikit-image: make_photographs.py FOLDER N_FILES.

Each is another crop, mirrored or not, with a little noise, so that no two are alike and all are as large as those of
a camera: about 190 kB at quality 90. The same call makes the same files.
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
SIZE = (1024, 768)
QUALITY = 90
NOISE = 3.2
"""Standard deviation of the noise, out of 255; it makes the files as large as they are to be."""


def load_photographs() -> list[Image.Image]:
    folder = Path(skimage.__file__).parent / "data"
    return [Image.open(folder / name).convert("RGB") for name in PHOTOGRAPHS]


def make_photograph(sources: list[Image.Image], folder: Path, number: int) -> None:
    random = np.random.default_rng(number)
    source = sources[number % len(sources)]
    width = source.width * random.uniform(0.5, 1.0)
    height = min(width * SIZE[1] / SIZE[0], source.height)
    width = height * SIZE[0] / SIZE[1]
    left, top = random.uniform(0, source.width - width), random.uniform(0, source.height - height)
    image = source.resize(SIZE, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
    image = ImageOps.mirror(image) if random.random() < 0.5 else image
    noise = random.normal(0, NOISE, (SIZE[1], SIZE[0], 1)).astype(np.float32)
    pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(folder / f"{number:05d}.jpg", quality=QUALITY)


def main(folder: Path, n_files: int) -> None:
    folder.mkdir(parents=True)
    sources = load_photographs()
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(partial(make_photograph, sources, folder), range(n_files)):
            pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
