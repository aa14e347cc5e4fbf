"""Saves scikit-image's photographs as JPEG files of about 640 pixels, as those of the tutorial are."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from PIL import Image

PHOTOGRAPHS = {
    "cat": "chelsea.png",
    "astronaut": "astronaut.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
    "motorcycle": "motorcycle_left.png",
}


def save_sample_files(folder: str) -> None:
    """Write six JPEG files, ``cat.jpg`` and others, of which ``tower.jpg`` is higher than wide."""
    spec = importlib.util.find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent / "data"
    for label, name in PHOTOGRAPHS.items():
        with Image.open(source / name) as image:
            image.convert("RGB").resize((640, 640 * image.height // image.width)).save(f"{folder}/{label}.jpg")
    with Image.open(source / "rocket.jpg") as image:
        image.crop((200, 0, 440, image.height)).resize((400, 640)).save(f"{folder}/tower.jpg")
