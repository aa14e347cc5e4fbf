"""Behaviour of tintype.ops.geometry."""

import subprocess
import sys

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tintype.errors import ImageError, SettingsError
from tintype.ops import resize

ASTRONAUT = skimage.data.astronaut()
COFFEE = skimage.data.coffee()


def add_alpha(image):
    return np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])


@pytest.mark.parametrize(
    ("image", "shape"),
    [
        (skimage.data.camera(), (5, 8)),
        (skimage.data.camera()[..., np.newaxis], (5, 8, 1)),
        (ASTRONAUT, (5, 8, 3)),
        (add_alpha(ASTRONAUT), (5, 8, 4)),
    ],
    ids=["gray", "gray with an axis", "RGB", "RGBA"],
)
def test_shape_gives_those_rows_and_columns_and_keeps_the_channels(image, shape):
    resized = resize(image, shape=(5, 8))
    assert resized.shape == shape
    assert resized.dtype == np.uint8
    assert resized.flags.c_contiguous
    assert resized.flags.owndata or resized.base is not image


@pytest.mark.parametrize(
    ("rows", "columns", "expected"), [(32, 32, (50, 50)), (34, 25, (68, 50)), (25, 34, (50, 68)), (200, 100, (100, 50))]
)
def test_min_dim_sets_the_shorter_side(rows, columns, expected):
    assert resize(np.zeros((rows, columns, 3), np.uint8), min_dim=50).shape[:2] == expected


@pytest.mark.parametrize(
    ("rows", "columns", "expected"), [(32, 32, (50, 50)), (400, 600, (33, 50)), (600, 400, (50, 33)), (5, 10, (25, 50))]
)
def test_max_side_sets_the_longer_side(rows, columns, expected):
    assert resize(np.zeros((rows, columns), np.uint8), max_side=50).shape == expected


def test_the_other_side_is_rounded_and_not_cut():
    assert resize(np.zeros((100, 299), np.uint8), max_side=100).shape == (33, 100)
    assert resize(np.zeros((100, 298), np.uint8), max_side=100).shape == (34, 100)
    assert resize(np.zeros((5, 2), np.uint8), max_side=1).shape == (1, 1)
    assert resize(np.zeros((10, 4), np.uint8), min_dim=1).shape == (3, 1)  # 2.5 goes up


def test_no_side_goes_below_one_pixel():
    assert resize(np.zeros((1, 3000), np.uint8), max_side=10).shape == (1, 10)


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 60))
def test_max_side_is_always_met_and_proportions_kept_to_half_a_pixel(rows, columns, max_side):
    height, width = resize(np.zeros((rows, columns), np.uint8), max_side=max_side).shape
    assert max(height, width) == max_side
    scale = max_side / max(rows, columns)
    assert abs(height - rows * scale) <= 0.5 or height == 1
    assert abs(width - columns * scale) <= 0.5 or width == 1


@pytest.mark.parametrize(
    "size", [{"shape": (400, 600)}, {"min_dim": 400}, {"max_side": 600}], ids=lambda size: next(iter(size))
)
def test_only_if_bigger_copies_an_image_that_is_within_the_size(size):
    resized = resize(COFFEE, only_if_bigger=True, **size)
    np.testing.assert_array_equal(resized, COFFEE)
    assert not np.shares_memory(resized, COFFEE)


@pytest.mark.parametrize(
    ("size", "expected"),
    [({"shape": (399, 700)}, (399, 700)), ({"min_dim": 399}, (399, 599)), ({"max_side": 599}, (399, 599))],
)
def test_only_if_bigger_resizes_an_image_that_is_not(size, expected):
    assert resize(COFFEE, only_if_bigger=True, **size).shape[:2] == expected


def test_only_if_bigger_does_not_enlarge():
    assert resize(COFFEE, max_side=5000, only_if_bigger=True).shape == COFFEE.shape
    assert resize(COFFEE, max_side=1200).shape == (800, 1200, 3)


def test_the_input_is_not_modified_and_may_be_read_only_or_strided():
    image = ASTRONAUT.copy()
    image.flags.writeable = False
    resized = resize(image[:, ::-1], max_side=100)
    np.testing.assert_array_equal(image, ASTRONAUT)
    np.testing.assert_array_equal(resized, resize(np.ascontiguousarray(ASTRONAUT[:, ::-1]), max_side=100))
    resized[:] = 0


def test_the_present_size_gives_an_exact_copy():
    resized = resize(ASTRONAUT, shape=(512, 512))
    np.testing.assert_array_equal(resized, ASTRONAUT)
    assert not np.shares_memory(resized, ASTRONAUT)


def test_a_reduction_averages_so_that_nothing_aliases():
    stripes = np.zeros((512, 512), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(resize(stripes, max_side=64)[:, 4:-4].astype(int) - 128).max() <= 2


def test_a_large_reduction_differs_little_from_pure_lanczos():
    pure = np.asarray(Image.fromarray(ASTRONAUT).resize((40, 40), Image.Resampling.LANCZOS))
    assert np.abs(resize(ASTRONAUT, max_side=40).astype(int) - pure).mean() < 1


def test_transparent_pixels_do_not_bleed_their_colour():
    image = np.zeros((64, 64, 4), np.uint8)
    image[:, :, 0] = 255  # red where transparent
    image[:, 32:] = (0, 0, 255, 255)
    resized = resize(image, max_side=16)
    visible = resized[..., 3] > 128
    assert resized[visible][:, 0].max() <= 2


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_other_dtypes_are_kept_and_agree_with_uint8(dtype):
    scale = 257 if dtype == "uint16" else 1 / 255
    image = (ASTRONAUT * np.float64(scale)).astype(dtype)
    resized = resize(image, max_side=100)
    assert resized.dtype == dtype
    assert np.abs(resized / scale - resize(ASTRONAUT, max_side=100)).mean() < 1


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_values_stay_in_range_beside_sharp_edges(dtype):
    high = 65535 if dtype == "uint16" else 1
    image = np.zeros((40, 40), dtype)
    image[10:30, 10:30] = high
    resized = resize(image, max_side=90)
    assert resized.min() == 0
    assert resized.max() == high


def test_a_mask_stays_a_mask_and_keeps_its_place():
    mask = np.zeros((100, 100), bool)
    mask[:, 50:] = True
    resized = resize(mask, max_side=10)
    assert resized.dtype == bool
    np.testing.assert_array_equal(resized, np.repeat([[False] * 5 + [True] * 5], 10, axis=0))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({}, "exactly one of shape, min_dim and max_side, and got none of them"),
        ({"shape": (2, 3), "min_dim": 4}, r"got shape=\(2, 3\), min_dim=4"),
        ({"min_dim": 2, "max_side": 4}, "got min_dim=2, max_side=4"),
        ({"max_side": 0}, "max_side=0: give whole numbers of pixels, at least 1"),
        ({"min_dim": -3}, "min_dim=-3"),
        ({"max_side": 2.5}, "max_side=2.5"),
        ({"max_side": True}, "max_side=True"),
        ({"shape": (0, 5)}, r"shape=\(0, 5\)"),
        ({"shape": 224}, r"shape=224: give \(rows, columns\)"),
        ({"shape": (2, 3, 3)}, r"shape=\(2, 3, 3\): give \(rows, columns\)"),
    ],
)
def test_a_size_that_cannot_be_used_is_named(sizes, message):
    with pytest.raises(SettingsError, match=message):
        resize(ASTRONAUT, **sizes)
    with pytest.raises(ValueError, match=message):
        resize(ASTRONAUT, **sizes)


def test_numpy_integers_are_sizes_too():
    assert resize(ASTRONAUT, max_side=np.int64(4)).shape == (4, 4, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), np.float16), r"float16 array of shape \(4, 4\): give uint8 or"),
        (np.zeros((4, 4), np.int64), "int64 array"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\): give \(rows, columns\), or"),
        (np.zeros(4, np.uint8), r"shape \(4,\)"),
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\): it has no pixels"),
        (np.array([[0.0, np.nan, 1.0]]), "holds NaN or infinity"),
        ([[1, 2], [3, 4]], "cannot resize list: give a NumPy array"),
    ],
)
def test_an_array_that_is_no_image_is_named(image, message):
    with pytest.raises(ImageError, match=message):
        resize(image, max_side=2)


def test_the_rooms_load_nothing_heavy_when_imported():
    rooms = "tintype.ops, tintype.load_funcs, tintype.write_funcs, tintype.path_funcs"
    code = f"import sys, {rooms}; print(*sorted({{'numpy', 'PIL', 'skimage', 'pandas'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "", "")
