"""Behaviour of tintype.ops.tone."""

import numpy as np
import pytest
import skimage.color
import skimage.data
import skimage.exposure
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tintype.errors import ImageError, SettingsError
from tintype.ops import adjust_gamma, autocontrast, equalize, normalize, to_grayscale, to_rgb
from tintype.ops.checks import DTYPES, WHITE

COFFEE = skimage.data.coffee()
DIM = COFFEE // 3 + 20
CAMERA = skimage.data.camera()
ALPHA = np.indices((400, 600)).sum(axis=0).astype(np.uint8)
CUT_OUT = np.dstack([COFFEE, ALPHA])

TONE_OPS = {
    "autocontrast": autocontrast,
    "equalize": equalize,
    "adjust_gamma": lambda image: adjust_gamma(image, 0.7),
}
ALL_OPS = {"to_grayscale": to_grayscale, "to_rgb": to_rgb, "normalize": normalize, **TONE_OPS}


def as_dtype(image, dtype):
    """Return a uint8 image with the same tones in another dtype."""
    if dtype == "bool":
        return image > 127
    return (image / 255 * WHITE[dtype]).astype(dtype) if dtype != "uint8" else image


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, dtype) for name in ALL_OPS for dtype in DTYPES if dtype != "bool" or name not in TONE_OPS],
)
def test_results_are_new_arrays_of_the_same_dtype_and_the_input_is_left_alone(name, dtype):
    for image in (CAMERA[:40, :50], CAMERA[:40, :50, np.newaxis], COFFEE[:40, :50], CUT_OUT[:40, :50]):
        given_image = np.asfortranarray(as_dtype(image, dtype))
        before = given_image.copy()
        result = ALL_OPS[name](given_image)
        assert result.dtype == (np.float32 if name == "normalize" else dtype)
        assert result.shape[:2] == (40, 50)
        assert result.flags.c_contiguous
        assert result.flags.writeable
        assert not np.shares_memory(result, given_image)
        np.testing.assert_array_equal(given_image, before)


@pytest.mark.parametrize("name", TONE_OPS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_alpha_stays_and_colours_come_out_as_without_it(name, dtype):
    image = as_dtype(np.dstack([DIM, ALPHA]), dtype)
    result = TONE_OPS[name](image)
    np.testing.assert_array_equal(result[..., 3], image[..., 3])
    np.testing.assert_array_equal(result[..., :3], TONE_OPS[name](image[..., :3]))


@pytest.mark.parametrize("name", TONE_OPS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_an_axis_of_one_channel_makes_no_difference(name, dtype):
    image = as_dtype(CAMERA, dtype)
    np.testing.assert_array_equal(TONE_OPS[name](image[..., np.newaxis])[..., 0], TONE_OPS[name](image))


@pytest.mark.parametrize("name", TONE_OPS)
@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_other_dtypes_agree_with_uint8(name, dtype):
    result = TONE_OPS[name](as_dtype(DIM, dtype))
    expected = TONE_OPS[name](DIM)
    assert np.abs(result * (255 / WHITE[dtype]) - expected).mean() < 2


@pytest.mark.parametrize("name", ALL_OPS)
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\): it has no pixels"),
        (np.zeros((4, 4), np.int64), "int64 array"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\): give \(rows, columns\)"),
        (None, "NoneType: give a NumPy array"),
    ],
)
def test_what_is_no_image_is_named(name, image, message):
    with pytest.raises(ImageError, match=message):
        ALL_OPS[name](image)


@pytest.mark.parametrize("name", TONE_OPS)
def test_a_mask_has_no_tones(name):
    with pytest.raises(ImageError, match=rf"cannot {name} a bool array"):
        TONE_OPS[name](np.zeros((4, 4), bool))


@pytest.mark.parametrize("name", ["normalize", *TONE_OPS])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused(name, value):
    with pytest.raises(ImageError, match=r"NaN or infinity|give floats from 0 to 1"):
        ALL_OPS[name](np.array([[0.0, value, 1.0]]))


# to_grayscale and to_rgb


def test_gray_is_the_luma_of_bt_601():
    np.testing.assert_array_equal(to_grayscale(COFFEE), np.asarray(Image.fromarray(COFFEE).convert("L")))
    exact = COFFEE @ (0.299, 0.587, 0.114)
    assert np.abs(to_grayscale(COFFEE) - exact).max() < 0.51
    assert np.abs(to_grayscale(as_dtype(COFFEE, "uint16")) - exact * 257).max() < 0.51
    assert np.abs(to_grayscale(as_dtype(COFFEE, "float64")) * 255 - exact).max() < 1e-9


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [3, 4])
def test_black_and_white_stay_black_and_white(dtype, channels):
    image = np.zeros((1, 2, channels), dtype)
    image[0, 1] = WHITE[dtype]
    np.testing.assert_array_equal(to_grayscale(image), np.array([[0, WHITE[dtype]]], dtype))


def test_a_colour_mask_becomes_gray_by_its_luma():
    assert to_grayscale(np.array([[[False, True, False], [True, False, True]]])).tolist() == [[True, False]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_gray_is_repeated_and_comes_back(dtype):
    gray = as_dtype(CAMERA, dtype)
    rgb = to_rgb(gray)
    np.testing.assert_array_equal(rgb, np.dstack([gray] * 3))
    np.testing.assert_array_equal(to_rgb(gray[..., np.newaxis]), rgb)
    np.testing.assert_array_equal(to_grayscale(rgb), gray)


@pytest.mark.parametrize("dtype", DTYPES)
def test_alpha_is_dropped_unless_there_is_a_background(dtype):
    image = as_dtype(CUT_OUT, dtype)
    np.testing.assert_array_equal(to_rgb(image), image[..., :3])
    np.testing.assert_array_equal(to_rgb(image[..., :3], background=0), image[..., :3])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("background", [0, 1, (1, 0, 1)])
def test_transparent_pixels_show_the_background(dtype, background):
    image = as_dtype(CUT_OUT, dtype)
    weight = image[..., 3:] / WHITE[dtype]
    expected = image[..., :3] * weight + np.array(background) * (1 - weight)
    result = to_rgb(image, background=background)
    tolerance = 0.51 if dtype in {"uint8", "uint16"} else 1e-6
    assert np.abs(result - expected).max() <= tolerance


def test_a_background_that_the_image_cannot_hold_is_named():
    with pytest.raises(ImageError, match=r"cannot to_rgb a uint8 array of .* with background=256: uint8 cannot hold"):
        to_rgb(CUT_OUT, background=256)
    with pytest.raises(ImageError, match=r"background=\(1, 2\): give one number, or 3"):
        to_rgb(CUT_OUT, background=(1, 2))  # type: ignore[arg-type]


# autocontrast and equalize


@pytest.mark.parametrize("image", [CAMERA, DIM, CAMERA // 9 + 90], ids=["gray", "colour", "dull"])
def test_uint8_images_come_out_as_from_pillow(image):
    for cutoff in (0, 2, 12.5):
        expected = ImageOps.autocontrast(Image.fromarray(image), cutoff)
        np.testing.assert_array_equal(autocontrast(image, cutoff), np.asarray(expected))
    np.testing.assert_array_equal(equalize(image), np.asarray(ImageOps.equalize(Image.fromarray(image))))


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_autocontrast_goes_from_black_to_white_in_each_channel(dtype):
    result = autocontrast(as_dtype(DIM, dtype))
    assert result.min(axis=(0, 1)).tolist() == [0, 0, 0]
    assert result.max(axis=(0, 1)).tolist() == [WHITE[dtype]] * 3


def test_autocontrast_loses_the_percentage_that_it_may():
    ramp = np.arange(1000, dtype=np.uint16).reshape(20, 50)
    result = autocontrast(ramp, 10)
    assert 95 <= (result == 0).sum() <= 105
    assert 95 <= (result == 65535).sum() <= 105
    spike = np.zeros((10, 10), np.float32)
    spike[0, 0] = 0.5  # under the cutoff, but the only other value
    assert autocontrast(spike, 10).max() == 1


def test_floats_of_any_range_are_stretched_and_equalized():
    depth = np.linspace(-40, 900, 256).reshape(16, 16)
    for result in (autocontrast(depth), equalize(depth)):
        assert result.min() >= 0
        assert result.max() == 1
        assert (np.diff(result.ravel()) >= 0).all()


@pytest.mark.parametrize("name", ["autocontrast", "equalize"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_a_channel_of_one_value_stays_as_it_is(name, dtype):
    image = as_dtype(DIM, dtype)
    image[..., 1] = image[0, 0, 1]
    np.testing.assert_array_equal(TONE_OPS[name](image)[..., 1], image[..., 1])
    one = image[:1, :1]
    np.testing.assert_array_equal(TONE_OPS[name](one), one)


@pytest.mark.parametrize("cutoff", [-1, 50, float("nan"), "10", None, True])
def test_a_cutoff_that_is_no_percentage_is_named(cutoff):
    with pytest.raises(SettingsError, match=f"autocontrast got cutoff={cutoff!r}: give percent, from 0 to less than"):
        autocontrast(DIM, cutoff)


# normalize


@pytest.mark.parametrize("dtype", DTYPES)
def test_normalize_goes_by_the_dtype_and_not_by_the_brightest_pixel(dtype):
    image = np.zeros((2, 2, 3), dtype)
    assert normalize(image).max() == 0
    image[0] = WHITE[dtype]
    assert normalize(image).max() == 1
    faint = np.ones((2, 2), np.uint8)
    np.testing.assert_array_equal(normalize(faint), np.full((2, 2), 1 / 255, np.float32))


def test_mean_and_std_are_one_for_each_channel_or_for_all():
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    expected = (COFFEE / 255 - mean) / std
    np.testing.assert_allclose(normalize(COFFEE, mean=mean, std=std), expected, atol=1e-5)
    np.testing.assert_allclose(normalize(CAMERA, mean=0.5, std=0.25), (CAMERA / 255 - 0.5) / 0.25, atol=1e-5)
    np.testing.assert_array_equal(normalize(CAMERA, mean=[0.5]), normalize(CAMERA, mean=0.5))


def test_normalize_only_scales_alpha():
    result = normalize(CUT_OUT, mean=(0.4, 0.5, 0.6), std=2)
    np.testing.assert_array_equal(result[..., 3], (ALPHA / 255).astype(np.float32))
    np.testing.assert_array_equal(result[..., :3], normalize(COFFEE, mean=(0.4, 0.5, 0.6), std=2))


@pytest.mark.parametrize(
    ("image", "arguments", "error", "message"),
    [
        (CAMERA, {"mean": (0.4, 0.5, 0.6)}, ImageError, r"image with 1 channels by mean=\(0\.4, 0\.5, 0\.6\)"),
        (COFFEE, {"std": (1, 2)}, ImageError, r"image with 3 channels by std=\(1, 2\): give one number"),
        (COFFEE, {"std": 0}, SettingsError, "std=0: give numbers above 0"),
        (COFFEE, {"std": (1, 1, -1)}, SettingsError, r"std=\(1, 1, -1\): give numbers above 0"),
        (COFFEE, {"mean": "gray"}, SettingsError, "mean='gray': give one number"),
        (COFFEE, {"mean": float("nan")}, SettingsError, "mean=nan: give one number"),
        (COFFEE.astype(np.float32), {}, ImageError, r"values from 0\.0 to 255\.0: give floats from 0 to 1"),
    ],
)
def test_what_cannot_be_normalized_is_named(image, arguments, error, message):
    with pytest.raises(error, match=message):
        normalize(image, **arguments)


# adjust_gamma


@settings(deadline=None)
@given(st.floats(0.05, 8))
def test_gamma_keeps_black_white_and_order_and_is_rounded(gamma):
    ramp = np.arange(256, dtype=np.uint8)[np.newaxis]
    result = adjust_gamma(ramp, gamma)
    assert result[0, 0] == 0
    assert result[0, 255] == 255
    assert (np.diff(result[0].astype(int)) >= 0).all()
    assert np.abs(result - (ramp / 255) ** gamma * 255).max() <= 0.5 + 1e-9


def test_gamma_is_scikit_images_but_for_the_rounding():
    for image in (COFFEE, CAMERA, as_dtype(COFFEE, "uint16")):
        expected = skimage.exposure.adjust_gamma(image, 1.8).astype(int)
        assert (adjust_gamma(image, 1.8) - expected).min() >= 0
        assert (adjust_gamma(image, 1.8) - expected).max() <= 1
    floats = as_dtype(COFFEE, "float64")
    np.testing.assert_allclose(adjust_gamma(floats, 1.8), skimage.exposure.adjust_gamma(floats, 1.8))


def test_a_gamma_of_one_changes_nothing():
    for dtype in ("uint8", "uint16", "float32", "float64"):
        np.testing.assert_array_equal(adjust_gamma(as_dtype(COFFEE, dtype), 1), as_dtype(COFFEE, dtype))


@pytest.mark.parametrize("gamma", [0, -1, float("inf"), "2", None])
def test_a_gamma_that_cannot_be_is_named(gamma):
    with pytest.raises(SettingsError, match=f"adjust_gamma got gamma={gamma!r}: give a number above 0"):
        adjust_gamma(COFFEE, gamma)


def test_floats_beyond_0_to_1_have_no_gamma():
    with pytest.raises(ImageError, match=r"cannot adjust_gamma a float64 array with values from -0\.5 to 1\.0"):
        adjust_gamma(np.array([[-0.5, 1.0]]), 2)
