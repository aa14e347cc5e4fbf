"""Run the pipeline of SeqTools' tutorial: run_tutorial.py MODULE WAY FOLDER N_IMAGES.

MODULE is ``seqtools`` or ``tintype.sequences``. WAY is ``loop``, one item after the other; ``threads``, two of them;
``cached``, with each image beside its mirror image; or ``own_ops``: as ``cached``, with tintype's functions for images
in place of Pillow's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image, ImageOps
from usage import report, spending


def normalize_size(im: Any) -> Any:
    w, h = im.size
    side = min(w, h)
    left, top = (w - side) // 2, (h - side) // 2
    return im.resize((200, 200), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))


def contrast(im: Any) -> Any:
    return ImageOps.autocontrast(im, cutoff=3)


def make_contrasted(module: ModuleType, files: list[str]) -> tuple[Any, Callable[[Any], Any]]:
    """Return the images, gray and with more contrast, and the function that mirrors one."""
    images = module.smap(normalize_size, module.smap(Image.open, files))
    return module.smap(contrast, module.smap(ImageOps.grayscale, images)), ImageOps.mirror


def make_contrasted_by_own_ops(module: ModuleType, files: list[str]) -> tuple[Any, Callable[[Any], Any]]:
    from functools import partial

    from tintype.load_funcs import load_resized_image
    from tintype.ops import ResizePlan, autocontrast, flip_horizontal

    plan = ResizePlan(shape=(200, 200), mode="center_crop", resample="bilinear")
    images = module.smap(partial(load_resized_image, plan=plan, gray=True), files)
    return module.smap(partial(autocontrast, cutoff=3), images), flip_horizontal


def make_dataset(module: ModuleType, way: str, files: list[str]) -> Any:
    make = make_contrasted_by_own_ops if way == "own_ops" else make_contrasted
    contrasted, mirror = make(module, files)
    if way in {"loop", "threads"}:
        dataset = module.concatenate([contrasted, module.smap(mirror, contrasted)])
    else:
        contrasted = module.add_cache(contrasted, cache_size=10)
        dataset = module.unbatch(module.collate([contrasted, module.smap(mirror, contrasted)]), 2)
    return dataset if way == "loop" else module.prefetch(dataset, max_buffered=10, nworkers=2)


def main(module: ModuleType, way: str, folder: Path, n_images: int) -> None:
    files = sorted(map(str, folder.iterdir()))
    files = [files[index % len(files)] for index in range(n_images // 2)]
    make_dataset(module, way, files)[0]  # imports and tables
    dataset = make_dataset(module, way, files)
    with spending(n_images) as figures:
        images = list(dataset)
    assert len(images) == n_images
    assert not any(isinstance(image, tuple) for image in images)
    report(**figures)


if __name__ == "__main__":
    main(import_module(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
