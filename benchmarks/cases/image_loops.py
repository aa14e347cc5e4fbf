"""One image from bytes to a smaller one, by hand, in the way that each library is quickest at or known for.

Each loop is made of two functions: ``shrink`` gives the pixels, ``encode`` a JPEG of quality 95 with 4:2:0 chroma, or
a PNG as the library makes it when nothing is asked for.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from image_work import ImageWork

QUALITY = 95


class Loop(NamedTuple):
    """What is done to one image."""

    shrink: Callable[[bytes], Any]
    encode: Callable[[Any], bytes]

    def __call__(self, data: bytes) -> bytes:
        return self.encode(self.shrink(data))


def pillow(work: ImageWork, *, draft: bool) -> Loop:
    from PIL import Image

    options = (
        {"format": "PNG"}
        if work.extension == ".png"
        else {"format": "JPEG", "quality": QUALITY, "subsampling": "4:2:0"}
    )

    def shrink(data: bytes) -> Any:
        with Image.open(io.BytesIO(data)) as image:
            if draft:
                image.draft("RGB", work.size)
            return image.resize(work.size, Image.Resampling.BILINEAR)

    def encode(image: Any) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, **options)
        return buffer.getvalue()

    return Loop(shrink, encode)


def opencv(work: ImageWork, *, scaled: bool, filter_name: str) -> Loop:
    import cv2
    import numpy as np

    cv2.setNumThreads(1)
    interpolation = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA}[filter_name]
    scale = work.scale if scaled else 1
    flags = {
        1: cv2.IMREAD_COLOR,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }[scale]
    options = [] if work.extension == ".png" else [cv2.IMWRITE_JPEG_QUALITY, QUALITY]

    def shrink(data: bytes) -> Any:
        return cv2.resize(cv2.imdecode(np.frombuffer(data, np.uint8), flags), work.size, interpolation=interpolation)

    def encode(image: Any) -> bytes:
        return cv2.imencode(work.extension, image, options)[1].tobytes()

    return Loop(shrink, encode)


def simplejpeg_area(work: ImageWork) -> Loop:
    import cv2
    import simplejpeg

    cv2.setNumThreads(1)
    scale = work.scale

    def shrink(data: bytes) -> Any:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        image = simplejpeg.decode_jpeg(data, min_height=height // scale, min_width=width // scale)
        return cv2.resize(image, work.size, interpolation=cv2.INTER_AREA)

    def encode(image: Any) -> bytes:
        return simplejpeg.encode_jpeg(image, quality=QUALITY, colorsubsampling="420")

    return Loop(shrink, encode)


def vips(work: ImageWork) -> Loop:
    os.environ["VIPS_CONCURRENCY"] = "1"  # the loop's own threads are enough
    import pyvips

    width, height = work.size

    def shrink(data: bytes) -> Any:
        return pyvips.Image.thumbnail_buffer(data, width, height=height, size="force")

    def encode(image: Any) -> bytes:
        return image.jpegsave_buffer(Q=QUALITY, subsample_mode="on")

    return Loop(shrink, encode)


def skimage(work: ImageWork) -> Loop:
    import imageio.v3
    from skimage.transform import resize
    from skimage.util import img_as_ubyte

    width, height = work.size

    def shrink(data: bytes) -> Any:
        image = imageio.v3.imread(data, extension=work.extension)
        return img_as_ubyte(resize(image, (height, width), anti_aliasing=True))

    def encode(image: Any) -> bytes:
        return imageio.v3.imwrite("<bytes>", image, extension=work.extension, quality=QUALITY, subsampling="4:2:0")

    return Loop(shrink, encode)


LOOPS: dict[str, Callable[[ImageWork], Loop]] = {
    "pillow": lambda work: pillow(work, draft=False),
    "pillow_draft": lambda work: pillow(work, draft=True),
    "cv2_linear": lambda work: opencv(work, scaled=False, filter_name="linear"),
    "cv2_area": lambda work: opencv(work, scaled=False, filter_name="area"),
    "cv2_scaled_area": lambda work: opencv(work, scaled=True, filter_name="area"),
    "simplejpeg_area": simplejpeg_area,
    "vips": vips,
    "skimage": skimage,
}
