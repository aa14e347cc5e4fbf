"""Behaviour of tintype.ops.background."""

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype.errors import ImageError, SettingsError
from tintype.ops import pad, trim_background, trim_padding
from tintype.ops.checks import DTYPES, WHITE

ASTRONAUT = skimage.data.astronaut()
CHELSEA = skimage.data.chelsea()
# Without pixels of pure white or black at the edges.
INSIDE = np.clip(ASTRONAUT[100:200, 200:330], 5, 200)

GRAY = INSIDE[..., 1]
RGBA = np.dstack([INSIDE, np.full(INSIDE.shape[:2], 255, np.uint8)])
KINDS = {"gray": GRAY, "gray with an axis": GRAY[..., np.newaxis], "RGB": INSIDE, "RGBA": RGBA}


def as_dtype(image, dtype):
    """Return a uint8 image with the same tones in another dtype."""
    return image if dtype == "uint8" else (image / 255 * WHITE[dtype]).astype(dtype)


# trim_padding


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize(("fill", "comparison", "threshold"), [(1, ">=", 0.95), (0, "<", 0.01), (1, "==", 1)])
def test_the_padding_and_nothing_else_is_cut_off(kind, dtype, fill, comparison, threshold):
    image = as_dtype(KINDS[kind], dtype)
    padded = pad(image, top=3, bottom=1, left=20, fill=fill * WHITE[dtype])
    before = padded.copy()
    trimmed = trim_padding(padded, comparison=comparison, threshold=threshold)
    np.testing.assert_array_equal(trimmed, image)
    assert trimmed.dtype == dtype
    assert trimmed.flags.c_contiguous
    assert not np.shares_memory(trimmed, padded)
    np.testing.assert_array_equal(padded, before)


EDGES = st.fixed_dictionaries({name: st.integers(0, 40) for name in ("top", "bottom", "left", "right")})


@settings(deadline=None)
@given(EDGES, st.sampled_from(list(KINDS)), st.booleans())
def test_padding_of_any_width_is_cut_off(edges, kind, is_white):
    padded = pad(KINDS[kind], **edges, fill=255 if is_white else 0)
    comparison, threshold = (">", 0.9) if is_white else ("<=", 0)
    np.testing.assert_array_equal(trim_padding(padded, comparison=comparison, threshold=threshold), KINDS[kind])


def test_an_image_without_padding_is_copied():
    trimmed = trim_padding(INSIDE, comparison=">", threshold=0.95)
    np.testing.assert_array_equal(trimmed, INSIDE)
    assert not np.shares_memory(trimmed, INSIDE)


def test_padding_inside_the_image_stays():
    image = np.zeros((9, 9), np.uint8)
    image[2, 2] = image[6, 7] = 200
    np.testing.assert_array_equal(trim_padding(image, comparison="==", threshold=0), image[2:7, 2:8])


def test_one_pixel_may_be_all_that_is_left():
    mask = np.zeros((9, 9), bool)
    mask[8, 0] = True
    np.testing.assert_array_equal(trim_padding(mask, comparison="<", threshold=0.5), [[True]])


def test_the_threshold_follows_the_dtype_and_not_the_brightest_pixel():
    faint = np.ones((4, 4), np.uint8)  # nearly black; creevey took such an image for one of 0 to 1
    with pytest.raises(ImageError, match="nothing would be left"):
        trim_padding(faint, comparison="<", threshold=0.1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_image_that_is_all_padding_is_an_error_and_never_an_empty_array(dtype):
    image = np.full((6, 7, 3), WHITE[dtype], dtype)
    with pytest.raises(ImageError, match=r"shape \(6, 7, 3\): the gray of all its pixels is >= 0.95, so that nothing"):
        trim_padding(image, comparison=">=", threshold=0.95)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"comparison": "=>", "threshold": 0.5}, "comparison='=>': give one of < <= == >= >"),
        ({"comparison": "<", "threshold": 255}, "threshold=255: give a number from 0 to 1"),
        ({"comparison": "<", "threshold": -0.1}, r"threshold=-0\.1: give a number from 0 to 1"),
        ({"comparison": "<", "threshold": None}, "threshold=None: give a number from 0 to 1"),
    ],
)
def test_a_comparison_that_cannot_be_is_named(arguments, message):
    with pytest.raises(SettingsError, match=message):
        trim_padding(INSIDE, **arguments)


# trim_background


def put_on_ground(image, ground, edges):
    return pad(image, **edges, fill=ground)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("ground", [0, 1])
def test_a_plain_ground_is_cut_off_to_a_few_pixels(kind, dtype, ground):
    image = as_dtype(KINDS[kind], dtype)
    placed = pad(image, top=40, bottom=30, left=50, right=20, fill=ground * WHITE[dtype])
    before = placed.copy()
    trimmed = trim_background(placed)
    assert trimmed.dtype == dtype
    assert trimmed.ndim == image.ndim
    assert 98 <= trimmed.shape[0] <= 106
    assert 128 <= trimmed.shape[1] <= 136
    assert trimmed.flags.c_contiguous
    assert not np.shares_memory(trimmed, placed)
    np.testing.assert_array_equal(placed, before)


def test_the_result_is_a_part_of_the_image():
    placed = pad(INSIDE, top=40, left=50, fill=255)
    trimmed = trim_background(placed)
    windows = np.lib.stride_tricks.sliding_window_view(placed, trimmed.shape)[:, :, 0]
    assert (windows == trimmed).all(axis=(2, 3, 4)).sum() == 1


def test_noise_and_grain_do_not_count():
    noise = np.random.default_rng(5).normal(0, 12, (300, 400))
    shelf = np.full((300, 400), 225.0)
    shelf[80:240, 100:290] = 60
    shelf = np.clip(shelf + noise, 0, 255).astype(np.uint8)
    assert abs(trim_background(shelf).shape[0] - 164) <= 6
    assert abs(trim_background(shelf).shape[1] - 194) <= 6
    rough = trim_background(shelf, initial_variance=100, blur_sigma=0)
    assert rough.shape == shelf.shape


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (40, 60), (40, 60, 3), (40, 60, 4)])
@pytest.mark.parametrize("value", [0, 77, 255])
def test_a_blank_image_stays_as_it_is(shape, value):
    image = np.full(shape, value, np.uint8)
    np.testing.assert_array_equal(trim_background(image), image)


@pytest.mark.parametrize("image", [CHELSEA, ASTRONAUT, ASTRONAUT[..., 0]], ids=["chelsea", "astronaut", "gray"])
def test_a_photograph_that_is_full_of_subject_keeps_its_last_row_and_column(image):
    np.testing.assert_array_equal(trim_background(image, initial_variance=50), image)


def test_an_image_of_400_rows_keeps_400():
    image = np.random.default_rng(6).integers(0, 2, (20, 30), np.uint8).repeat(20, axis=0).repeat(20, axis=1) * 255
    assert trim_background(image).shape == (400, 600)


@settings(deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 30),
    st.sampled_from([(), (1,), (3,), (4,)]),
    st.integers(0, 255),
    st.floats(0, 1),
    st.integers(0, 2**32),
)
def test_at_least_the_area_is_left_whatever_the_image(rows, columns, channels, amplitude, fraction, seed):
    image = np.random.default_rng(seed).integers(0, amplitude + 1, (rows, columns, *channels)).astype(np.uint8)
    trimmed = trim_background(image, min_area_fraction=fraction)
    assert trimmed.size >= fraction * image.size
    assert trimmed.size > 0
    assert trimmed.shape[2:] == image.shape[2:]


def test_the_threshold_falls_until_enough_is_left():
    image = np.full((100, 100), 100, np.uint8)
    image[:, 50:] = 108  # every row's variance is 16
    image[40:60, 40:60] = 255
    few = trim_background(image, blur_sigma=0, min_area_fraction=0.01)
    np.testing.assert_array_equal(few, image[40:60, 40:60])
    assert trim_background(image, blur_sigma=0, min_area_fraction=0.041).shape == (100, 100)
    assert trim_background(image, blur_sigma=0, min_area_fraction=1).shape == (100, 100)


def test_the_fraction_is_of_the_area():
    image = np.zeros((100, 100), np.uint8)
    image[:, 35:65:2] = 255  # thin enough for all rows to vary, and only these columns of which none does
    image[::2] = 0
    trimmed = trim_background(image, blur_sigma=0, min_area_fraction=0.28)
    assert trimmed.shape == (99, 29)  # more than a quarter of the area, less than a third of one side
    assert trim_background(image, blur_sigma=0, min_area_fraction=0.3).shape == (100, 100)


def test_a_first_threshold_of_zero_cuts_nothing_off():
    placed = pad(INSIDE, top=40, fill=255)
    np.testing.assert_array_equal(trim_background(placed, initial_variance=0), placed)


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_a_cut_out_is_found_by_its_alpha_whatever_its_colour(colour):
    image = np.random.default_rng(8).integers(0, 256, (100, 120, 4)).astype(np.uint8)
    image[..., 3] = 0  # what transparent pixels hide does not count
    image[20:80, 30:100] = (colour, colour, colour, 255)
    trimmed = trim_background(image)
    assert 60 <= trimmed.shape[0] <= 66
    assert 70 <= trimmed.shape[1] <= 76


def test_a_mask_is_cut_to_what_it_marks():
    mask = np.zeros((60, 80), bool)
    mask[10:50, 20:70] = True
    np.testing.assert_array_equal(trim_background(mask, blur_sigma=0), mask[10:50, 20:70])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"initial_variance": -1}, "initial_variance=-1 and delta_variance=25: give one of at least 0, one above 0"),
        ({"delta_variance": 0}, "delta_variance=0: give one of at least 0, one above 0"),
        ({"delta_variance": 1e-9}, "delta_variance=1e-09: .* at most 10,000 steps"),
        ({"initial_variance": "250"}, "initial_variance='250': give a number, at least 0"),
        ({"delta_variance": float("nan")}, "delta_variance=nan: give a number above 0"),
        ({"min_area_fraction": 1.5}, r"min_area_fraction=1\.5: give a number from 0 to 1"),
        ({"blur_sigma": -1}, "blur_sigma=-1: give pixels, at least 0"),
    ],
)
def test_a_number_out_of_its_range_is_named(arguments, message):
    with pytest.raises(SettingsError, match=message):
        trim_background(INSIDE, **arguments)


@pytest.mark.parametrize("trim", [trim_background, lambda image: trim_padding(image, comparison="<", threshold=0.5)])
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\): it has no pixels"),
        (np.zeros((4, 4), np.int64), "int64 array"),
        (np.full((4, 4), 2.0), "values from 2.0 to 2.0: give floats from 0 to 1"),
        (np.full((4, 4), np.nan, np.float32), "values from nan to nan"),
        ([[1]], "list: give a NumPy array"),
    ],
)
def test_what_is_no_image_is_named(trim, image, message):
    with pytest.raises(ImageError, match=message):
        trim(image)
