"""Contact sheets: many images small on one, each group with a caption."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tintype.errors import SettingsError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image, ImageDraw

    Picture = npt.NDArray[Any] | str

GAP = 8
"""Pixels between two pictures, and at the edges."""
LINE = 14
"""Height of a line of a caption, in pixels."""
TEXT = 11
"""Size of the letters, in pixels."""
_PAPER, _INK, _PALE, _ALARM = (250, 250, 248), (30, 30, 30), (228, 228, 224), (176, 0, 32)


def contact_sheet(
    groups: Sequence[Sequence[Picture]], captions: Sequence[str], *, side: int = 192, n_columns: int | None = None
) -> npt.NDArray[np.uint8]:
    """Return one image with small ones on it, in groups that stand side by side: before and after, say.

    Parameters
    ----------
    groups
        Of each group its pictures: images of shape (rows, columns), (rows, columns, 3) RGB or (rows, columns, 4) RGBA;
        uint8, bool, or floats in [0, 1], where NaN is black; other integers are shown up to their greatest as white. A
        text stands for a picture that there is none of. Not modified.
    captions
        The text below each group, of one or several lines; too long ones are cut.
    side
        Longest side of a small image in pixels, at least 32; smaller images are not enlarged.
    n_columns
        Groups in a row; by default as many as fit into some 1,600 pixels.

    Returns
    -------
    numpy.ndarray
        uint8, shape (rows, columns, 3), RGB.

    Raises
    ------
    SettingsError
        When `side` is less than 32, or there are not as many captions as groups.

    Examples
    --------
    >>> import numpy as np
    >>> before, after = np.zeros((60, 80, 3), np.uint8), np.full((30, 40, 3), 255, np.uint8)
    >>> contact_sheet([[before, after]], ["cats/7.jpg"], side=64).shape
    (94, 168, 3)
    """
    import numpy as np
    from PIL import Image, ImageDraw

    if side < 32:
        raise SettingsError(f"side is {side}: give at least 32 pixels")
    if len(groups) != len(captions):
        raise SettingsError(f"there are {len(captions)} captions for {len(groups)} groups: give each group one")
    n_pictures = max([len(group) for group in groups], default=1)
    width = n_pictures * (side + GAP) + 2 * GAP
    columns = n_columns or max(1, min(len(groups), 1600 // width))
    n_lines = max([len(caption.splitlines()) for caption in captions], default=1)
    height = side + GAP + n_lines * LINE
    n_rows = max(1, -(-len(groups) // columns))
    sheet = Image.new("RGB", (columns * width + GAP, n_rows * height + GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (group, caption) in enumerate(zip(groups, captions, strict=True)):
        left, top = GAP + number % columns * width, GAP + number // columns * height
        for place, picture in enumerate(group):
            _put(sheet, draw, picture, (left + place * (side + GAP), top), side)
        for line, text in enumerate(caption.splitlines()):
            fitting = _fit(draw, text, n_pictures * (side + GAP) - GAP)
            draw.text((left, top + side + 2 + line * LINE), fitting, fill=_INK, font_size=TEXT)
    return np.asarray(sheet)


def _put(sheet: Image.Image, draw: ImageDraw.ImageDraw, picture: Picture, corner: tuple[int, int], side: int) -> None:
    """Draw one picture in the middle of its square, or the text that stands for it."""
    left, top = corner
    if isinstance(picture, str):
        draw.rectangle((left, top, left + side - 1, top + side - 1), outline=_ALARM)
        lines = textwrap.wrap(picture, max(8, side // 6))[: side // LINE - 1]
        draw.multiline_text((left + 4, top + 4), "\n".join(lines), fill=_ALARM, font_size=TEXT, spacing=2)
        return
    small = to_small(picture, side)
    place = left + (side - small.width) // 2, top + (side - small.height) // 2
    draw.rectangle((left, top, left + side - 1, top + side - 1), fill=_PALE)
    sheet.paste(small, place, small if small.mode == "RGBA" else None)


def to_small(picture: npt.NDArray[Any], side: int) -> Image.Image:
    """Return an image as Pillow has it, RGB or RGBA, with no side longer than `side` pixels."""
    import numpy as np
    from PIL import Image

    if picture.dtype == bool or np.issubdtype(picture.dtype, np.floating):
        picture = (np.clip(np.nan_to_num(picture, nan=0.0), 0, 1) * 255.0).round().astype(np.uint8)
    elif picture.dtype != np.uint8:
        brightest = max(1, int(picture.max(initial=1)))
        picture = (np.clip(picture, 0, None) * (255.0 / brightest)).round().astype(np.uint8)
    image = Image.fromarray(picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture)
    image = image if image.mode in ("RGB", "RGBA") else image.convert("RGB")
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def is_picture(data: object) -> bool:
    """Return whether data is an image that a contact sheet can show.

    Examples
    --------
    >>> import numpy as np
    >>> is_picture(np.zeros((4, 4))), is_picture(np.zeros((4, 4, 2))), is_picture(b"...")
    (True, False, False)
    """
    shape = getattr(data, "shape", None)
    if not isinstance(shape, tuple) or not hasattr(data, "dtype") or 0 in shape:
        return False
    return (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))) and data.dtype.kind in "buif"


def as_picture(data: Any) -> Picture:
    """Return data as a contact sheet shows it: an image as it is, or a text that says what else it is.

    Examples
    --------
    >>> import numpy as np
    >>> as_picture(b"..."), as_picture(np.zeros((2, 3, 2)))
    ('3 bytes', 'float64 of shape (2, 3, 2)')
    """
    if is_picture(data):
        return data  # type: ignore[no-any-return]
    shape = getattr(data, "shape", None)
    if shape is not None:
        return f"{data.dtype} of shape {shape}"
    return f"{len(data):,} bytes" if isinstance(data, bytes) else type(data).__name__


def _fit(draw: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """Return a text that is no wider than so many pixels: its end counts more than its beginning."""
    if draw.textlength(text, font_size=TEXT) <= width:
        return text
    while text and draw.textlength("…" + text, font_size=TEXT) > width:
        text = text[1:]
    return "…" + text
