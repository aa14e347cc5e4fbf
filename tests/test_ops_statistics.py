"""Behaviour of tintype.ops.statistics."""

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFilter
from scipy import ndimage  # type: ignore[import-untyped]

from tintype.errors import ImageError, SettingsError
from tintype.ops import color_histogram, is_blank, mean_brightness, sharpness

ASTRONAUT = skimage.data.astronaut()
CAMERA = skimage.data.camera()
images = arrays(np.uint8, st.tuples(st.integers(1, 8), st.integers(1, 8), st.sampled_from([1, 3, 4])))


@pytest.mark.parametrize(
    ("colour", "brightness"), [((255, 0, 0), 76.245), ((0, 255, 0), 149.685), ((0, 0, 255), 29.07), ((9, 9, 9), 9.0)]
)
def test_colours_count_by_their_luma(colour, brightness):
    assert mean_brightness(np.full((7, 5, 3), colour, np.uint8)) == brightness


def test_brightness_is_the_mean_of_gray_values():
    brightness = mean_brightness(np.array([[0, 0, 0], [1, 1, 1]], np.uint8))
    assert brightness == 0.5
    assert type(brightness) is float


def test_one_pixel_has_its_own_brightness():
    assert mean_brightness(np.array([[17]], np.uint8)) == 17.0


@given(images)
def test_brightness_agrees_with_the_mean_of_the_luma(image):
    weights = [0.299, 0.587, 0.114]
    expected = image.mean() if image.shape[2] == 1 else (image[..., :3] @ weights).mean()
    assert mean_brightness(image) == pytest.approx(expected)


def test_alpha_is_ignored_by_both():
    transparent = np.dstack([ASTRONAUT, np.zeros((512, 512), np.uint8)])
    assert mean_brightness(transparent) == mean_brightness(ASTRONAUT)
    assert sharpness(transparent) == sharpness(ASTRONAUT)


def test_brightness_is_in_the_range_of_the_image():
    brightness = mean_brightness(ASTRONAUT)
    assert mean_brightness(ASTRONAUT / 255) == pytest.approx(brightness / 255)
    assert mean_brightness((ASTRONAUT / 255).astype(np.float32)) == pytest.approx(brightness / 255)
    assert mean_brightness(ASTRONAUT.astype(np.uint16) * 257) == pytest.approx(brightness * 257)
    assert mean_brightness(np.array([[True, False], [False, False]])) == 0.25


def test_brightness_of_many_bright_pixels_does_not_overflow():
    assert mean_brightness(np.full((70_000, 300), 65535, np.uint16)) == 65535.0


def test_sharpness_is_the_variance_of_the_laplacian_with_mirrored_borders():
    expected = ndimage.laplace(CAMERA.astype(float), mode="mirror").var()
    assert sharpness(CAMERA) == pytest.approx(expected)


@given(images)
def test_sharpness_agrees_with_scipy_for_every_small_image(image):
    gray = image[..., 0] if image.shape[2] == 1 else np.asarray(Image.fromarray(image).convert("L"))
    if min(gray.shape) > 1:  # SciPy's mirror differs where there is nothing to mirror
        assert sharpness(image) == pytest.approx(ndimage.laplace(gray.astype(float), mode="mirror").var())
    assert sharpness(image) >= 0


def test_blur_lowers_sharpness_and_sharpening_raises_it():
    photo = Image.fromarray(ASTRONAUT)
    blurred = np.asarray(photo.filter(ImageFilter.GaussianBlur(2)))
    sharpened = np.asarray(photo.filter(ImageFilter.SHARPEN))
    assert sharpness(blurred) < sharpness(ASTRONAUT) < sharpness(sharpened)


def test_extreme_contrast_does_not_overflow():
    checkers = (np.indices((32, 32)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert sharpness(checkers) == 1020.0**2


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_flat_images_of_every_shape_have_no_sharpness(shape):
    assert sharpness(np.full(shape, 200, np.uint8)) == 0.0


def test_sharpness_of_other_dtypes_is_in_their_squared_units():
    gray = sharpness(CAMERA)
    assert sharpness(CAMERA / 255) == pytest.approx(gray / 255**2)
    assert sharpness(CAMERA.astype(np.uint16) * 257) == pytest.approx(gray * 257**2)
    assert sharpness(CAMERA > 128) == pytest.approx(sharpness((CAMERA > 128).astype(float)))
    assert sharpness(ASTRONAUT / 255) == pytest.approx(sharpness(ASTRONAUT) / 255**2, rel=0.01)


def test_none_modifies_its_input():
    image = ASTRONAUT.copy()
    image.flags.writeable = False
    for op in (mean_brightness, sharpness, color_histogram, is_blank):
        op(image)
    np.testing.assert_array_equal(image, ASTRONAUT)


@pytest.mark.parametrize(("op", "action"), [(mean_brightness, "the brightness of"), (sharpness, "the sharpness of")])
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 2), np.uint8), r"a uint8 array of shape \(4, 4, 2\): give"),
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\): it has no pixels"),
        (np.zeros((4, 4), complex), "a complex128 array"),
        ("cat.png", "str: give a NumPy array"),
    ],
)
def test_an_array_that_is_no_image_is_named(op, action, image, message):
    with pytest.raises(ImageError, match=f"cannot take {action} .*{message}"):
        op(image)


@given(images, st.integers(2, 256))
def test_a_histogram_agrees_with_numpy_and_each_row_adds_up_to_one(image, n_bins):
    histogram = color_histogram(image, n_bins)
    channels = [image[..., channel] for channel in range(1 if image.shape[2] == 1 else 3)]
    edges = np.arange(n_bins + 1) * 256 / n_bins
    expected = [np.histogram(channel, bins=edges)[0] / channel.size for channel in channels]
    np.testing.assert_allclose(histogram, expected)
    np.testing.assert_allclose(histogram.sum(axis=1), 1)


def test_histograms_of_other_dtypes_agree_with_uint8():
    expected = color_histogram(ASTRONAUT, 16)
    np.testing.assert_allclose(color_histogram(ASTRONAUT.astype(np.uint16) * 257, 16), expected)
    np.testing.assert_allclose(color_histogram(ASTRONAUT / 255, 16), expected)
    np.testing.assert_array_equal(color_histogram(np.array([[True, False, True, True]]), 3), [[0.25, 0, 0.75]])


def test_a_histogram_ignores_alpha_and_an_axis_of_one_channel():
    np.testing.assert_array_equal(color_histogram(CAMERA[..., np.newaxis]), color_histogram(CAMERA))
    transparent = np.dstack([ASTRONAUT, np.zeros((512, 512), np.uint8)])
    np.testing.assert_array_equal(color_histogram(transparent), color_histogram(ASTRONAUT))


@pytest.mark.parametrize("n_bins", [1, 0, -3, 257, 8.0, True, None])
def test_a_number_of_bins_that_cannot_be_used_is_named(n_bins):
    with pytest.raises(SettingsError, match=f"n_bins={n_bins!r}: give a whole number from 2 to 256"):
        color_histogram(ASTRONAUT, n_bins)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "bool", "float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (30, 40), (30, 40, 1), (30, 40, 3), (30, 40, 4)])
def test_one_colour_is_blank_in_every_dtype_and_shape(dtype, shape):
    assert is_blank(np.zeros(shape, dtype)) is True
    assert is_blank(np.ones(shape, dtype)) is True


def test_photographs_are_not_blank_not_even_faint_ones():
    assert is_blank(ASTRONAUT) is False
    assert is_blank(CAMERA) is False
    assert is_blank((CAMERA // 8 + 100).astype(np.uint8)) is False
    assert is_blank(CAMERA > 128) is False


def test_noise_and_specks_leave_an_image_blank_and_a_shape_does_not():
    paper = np.random.default_rng(0).normal(240, 1, (200, 200, 3)).clip(0, 255).astype(np.uint8)
    assert is_blank(paper)
    paper[:6, :6] = 0  # 36 of 40,000
    assert is_blank(paper)
    paper[:7, :7] = 0  # 49
    assert not is_blank(paper)
    assert is_blank(paper, max_different=0.002)
    assert is_blank(paper, tolerance=1.0)


def test_a_gradient_and_two_halves_are_not_blank():
    assert not is_blank(np.tile(np.arange(100, 140, dtype=np.uint8), (40, 1)))
    halves = np.zeros((10, 10), np.uint8)
    halves[5:] = 255
    assert not is_blank(halves)


def test_blank_tolerance_is_part_of_the_range():
    image = np.array([[100, 110]], np.uint8)
    for same in (image, image / 255, image.astype(np.uint16) * 257):
        assert not is_blank(same, tolerance=0.03)
        assert is_blank(same, tolerance=0.05)


def test_a_shape_cut_out_by_alpha_is_not_blank():
    logo = np.zeros((20, 20, 4), np.uint8)
    logo[5:15, 5:15, 3] = 255
    assert not is_blank(logo)


@pytest.mark.parametrize("name", ["tolerance", "max_different"])
@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_a_limit_of_blankness_that_cannot_be_used_is_named(name, value):
    with pytest.raises(SettingsError, match=f"is_blank got {name}={value}: give a part of the whole"):
        is_blank(ASTRONAUT, **{name: value})


@pytest.mark.parametrize("op", [color_histogram, is_blank])
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.array([[0.0, 254.0]]), r"a float64 array with values from 0\.0 to 254\.0: give floats from 0 to 1"),
        (np.array([[0.0, np.nan]], np.float32), "values from nan to nan"),
        (np.zeros((4, 4), complex), "a complex128 array"),
        ("cat.png", "str: give a NumPy array"),
    ],
)
def test_an_array_that_has_no_known_range_is_named(op, image, message):
    with pytest.raises(ImageError, match=message):
        op(image)
