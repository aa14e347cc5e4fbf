"""Behaviour of tintype.ops.statistics."""

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFilter
from scipy import ndimage  # type: ignore[import-untyped]

from tintype.errors import ImageError
from tintype.ops import mean_brightness, sharpness

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


def test_neither_modifies_its_input():
    image = ASTRONAUT.copy()
    image.flags.writeable = False
    mean_brightness(image)
    sharpness(image)
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
