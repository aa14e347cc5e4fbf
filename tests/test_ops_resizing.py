"""Behaviour of tintype.ops.resizing and tintype.ops.resampling."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tintype import interim
from tintype.errors import ImageError, MissingPackageError, SettingsError
from tintype.ops import ResizePlan, resize
from tintype.ops.resampling import FILTERS
from tintype.ops.resizing import MODES

ASTRONAUT = skimage.data.astronaut()
COFFEE = skimage.data.coffee()
COFFEE_PATH = Path(skimage.__file__).parent / "data" / "coffee.png"


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


@settings(deadline=None)
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


@pytest.mark.parametrize("name", ["bilinear", "hamming", "bicubic", "lanczos"])
def test_a_large_reduction_differs_little_from_the_filter_alone(name):
    pure = np.asarray(Image.fromarray(ASTRONAUT).resize((40, 40), Image.Resampling[name.upper()]))
    assert np.abs(resize(ASTRONAUT, max_side=40, resample=name).astype(int) - pure).mean() < 1


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
        ({}, "exactly one of shape, min_dim and max_side, or scale in their place, and got none of them"),
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


# scale


@pytest.mark.parametrize(
    ("scale", "expected"), [(0.5, (200, 300)), (2, (800, 1200)), (0.29, (116, 174)), (1, (400, 600)), (1e-9, (1, 1))]
)
def test_scale_multiplies_both_sides(scale, expected):
    assert resize(COFFEE, scale=scale).shape == (*expected, 3)


def test_scale_rounds_halves_up():
    assert resize(np.zeros((5, 3), np.uint8), scale=0.5).shape == (3, 2)


# Modes


@pytest.mark.parametrize(
    ("rows", "columns", "kept", "covering"),
    [
        (400, 600, (67, 100), (80, 120)),
        (600, 400, (80, 53), (150, 100)),
        (80, 100, (80, 100), (80, 100)),
        (8, 10, (80, 100), (80, 100)),
        (1, 900, (1, 100), (80, 72000)),
    ],
)
def test_a_mode_says_how_an_image_comes_to_a_shape(rows, columns, kept, covering):
    image = np.zeros((rows, columns), np.uint8)
    assert resize(image, shape=(80, 100), mode="keep_ratio").shape == kept
    for mode in ("stretch", "border", "center_crop"):
        assert resize(image, shape=(80, 100), mode=mode).shape == (80, 100)
    assert ResizePlan(shape=(80, 100), mode="center_crop").target_size(columns, rows) == covering[::-1]
    assert ResizePlan(shape=(80, 100), mode="border").target_size(columns, rows) == kept[::-1]


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 80), st.integers(1, 80))
def test_keep_ratio_is_the_largest_that_fits_and_center_crop_covers(rows, columns, height, width):
    kept = ResizePlan(shape=(height, width), mode="keep_ratio").shape_of(rows, columns)
    assert kept[0] <= height and kept[1] <= width  # noqa: PT018
    assert kept[0] == height or kept[1] == width
    cover_width, cover_height = ResizePlan(shape=(height, width), mode="center_crop").target_size(columns, rows)
    assert cover_height >= height and cover_width >= width  # noqa: PT018
    assert cover_height == height or cover_width == width


def test_a_border_is_filled_and_the_image_is_in_its_centre():
    resized = resize(COFFEE, shape=(101, 90), mode="border", fill=(9, 8, 7))
    inside = resize(COFFEE, shape=(101, 90), mode="keep_ratio")
    assert inside.shape == (60, 90, 3)
    np.testing.assert_array_equal(resized[20:80], inside)  # 41 rows over: 20 above, 21 below
    assert (resized[:20] == (9, 8, 7)).all()
    assert (resized[80:] == (9, 8, 7)).all()


@pytest.mark.parametrize(
    ("image", "fill", "expected"),
    [
        (np.ones((2, 4), np.uint8), 255, 255),
        (np.ones((2, 4), np.uint8), (255,), 255),
        (np.ones((2, 4, 1), np.uint8), (255,), [255]),
        (np.ones((2, 4, 4), np.uint8), (1, 2, 3, 4), [1, 2, 3, 4]),
        (np.ones((2, 4), np.uint16), 65535, 65535),
        (np.zeros((2, 4), bool), True, True),
        (np.zeros((2, 4), np.float32), 0.5, 0.5),
        (np.zeros((2, 4), np.float64), -1e300, -1e300),
        (np.ones((2, 4), np.uint8), np.array([7]), 7),
    ],
)
def test_a_fill_suits_the_dtype_and_the_channels(image, fill, expected):
    resized = resize(image, shape=(4, 4), mode="border", fill=fill)
    assert resized.dtype == image.dtype
    np.testing.assert_array_equal(resized[0, 0], expected)
    np.testing.assert_array_equal(resized[3, 3], expected)
    np.testing.assert_array_equal(resized[1:3], image)


@pytest.mark.parametrize(
    ("image", "fill", "message"),
    [
        (ASTRONAUT, 256, r"uint8 array of shape \(512, 512, 3\) with fill=256: uint8 cannot hold that"),
        (ASTRONAUT, -1, "uint8 cannot hold that"),
        (ASTRONAUT, 0.5, "uint8 cannot hold that"),
        (ASTRONAUT, (1, 2), "give one number, or 3, one for each channel"),
        (ASTRONAUT, (1, 2, 3, 4), "or 3, one for each"),
        (ASTRONAUT[..., 0], (1, 2, 3), "or 1, one for each"),
        (np.zeros((4, 5), bool), 2, "bool cannot hold that"),
        (np.zeros((4, 5), np.float32), 1e300, "float32 cannot hold that"),
    ],
)
def test_a_fill_that_does_not_suit_the_image_is_named(image, fill, message):
    with pytest.raises(ImageError, match=message):
        resize(image, shape=(40, 40), mode="border", fill=fill)


@pytest.mark.parametrize("image", [ASTRONAUT, COFFEE, COFFEE[..., 0], np.rot90(COFFEE), add_alpha(COFFEE)])
@pytest.mark.parametrize("name", FILTERS)
def test_center_crop_computes_only_what_it_keeps_and_gives_the_same(image, name):
    plan = ResizePlan(shape=(91, 120), mode="center_crop", resample=name)
    width, height = plan.target_size(*image.shape[1::-1])
    top, left = (height - 91) // 2, (width - 120) // 2
    whole = resize(image, shape=(height, width), resample=name)[top : top + 91, left : left + 120]
    assert np.abs(plan(image).astype(int) - whole).max() <= (0 if name == "nearest" else 2)


# Filters


def test_the_filter_is_hamming_when_no_side_grows_and_otherwise_lanczos():
    for shape, name in [
        ((200, 300), "hamming"),
        ((400, 300), "hamming"),
        ((500, 800), "lanczos"),
        ((401, 9), "lanczos"),
    ]:
        np.testing.assert_array_equal(resize(COFFEE, shape=shape), resize(COFFEE, shape=shape, resample=name))


@pytest.mark.parametrize("name", FILTERS[1:])  # Pillow's nearest adds up positions, and is off where they should tie
@pytest.mark.parametrize("shape", [(200, 300), (160, 900)])
def test_a_filter_is_pillows(name, shape):
    expected = np.asarray(Image.fromarray(COFFEE).resize(shape[::-1], Image.Resampling[name.upper()]))
    np.testing.assert_array_equal(resize(COFFEE, shape=shape, resample=name), expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "bool", "float32", "float64", ">u2"])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
@pytest.mark.parametrize("shape", [(7, 5), (23, 31), (100, 3)])
def test_nearest_makes_no_new_values_and_takes_the_pixel_at_the_centre(dtype, channels, shape):
    image = np.random.default_rng(1).integers(0, 65535, (20, 30, *channels)).astype(dtype)
    rows = [int((row + 0.5) * 20 / shape[0]) for row in range(shape[0])]
    columns = [int((column + 0.5) * 30 / shape[1]) for column in range(shape[1])]
    resized = resize(image, shape=shape, resample="nearest")
    assert resized.dtype == image.dtype
    assert resized.flags.c_contiguous
    np.testing.assert_array_equal(resized, image[rows][:, columns])


def test_nearest_keeps_what_is_no_number():
    depth = np.array([[1.0, np.nan], [np.inf, 2.0]])
    np.testing.assert_array_equal(resize(depth, scale=2, resample="nearest"), depth.repeat(2, axis=0).repeat(2, axis=1))


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(1, 60), st.sampled_from(FILTERS))
def test_one_colour_stays_that_colour(rows, columns, height, width, name):
    for colour in (np.uint8(201), np.uint16(40000), np.bool_(True), np.float32(0.3)):
        resized = resize(np.full((rows, columns), colour), shape=(height, width), resample=name)
        np.testing.assert_array_equal(resized, np.full((height, width), colour))


# only_if_bigger


@pytest.mark.parametrize(
    ("mode", "rows", "columns", "expected"),
    [
        ("stretch", 50, 60, (50, 60)),
        ("stretch", 50, 200, (80, 100)),  # one side grows, the other shrinks
        ("keep_ratio", 50, 60, (50, 60)),
        ("keep_ratio", 50, 200, (25, 100)),
        ("keep_ratio", 160, 200, (80, 100)),
        ("border", 50, 60, (80, 100)),
        ("border", 50, 200, (80, 100)),
        ("center_crop", 50, 60, (50, 60)),
        ("center_crop", 50, 200, (50, 100)),  # covering would enlarge it, so it is only cut
        ("center_crop", 160, 300, (80, 100)),
    ],
)
def test_only_if_bigger_never_enlarges_the_whole_in_any_mode(mode, rows, columns, expected):
    image = np.random.default_rng(2).integers(0, 256, (rows, columns), np.uint8)
    plan = ResizePlan(shape=(80, 100), mode=mode, only_if_bigger=True)
    assert plan(image).shape == plan.shape_of(rows, columns) == expected


def test_only_if_bigger_copies_the_pixels_that_border_and_center_crop_keep():
    image = np.random.default_rng(3).integers(0, 256, (50, 70), np.uint8)
    bordered = resize(image, shape=(80, 100), mode="border", only_if_bigger=True)
    np.testing.assert_array_equal(bordered[15:65, 15:85], image)
    cropped = resize(image, shape=(80, 40), mode="center_crop", only_if_bigger=True)
    np.testing.assert_array_equal(cropped, image[:, 15:55])
    assert not np.shares_memory(cropped, image)


def test_only_if_bigger_leaves_an_image_that_a_scale_would_enlarge():
    assert resize(COFFEE, scale=1.5, only_if_bigger=True).shape == COFFEE.shape
    assert resize(COFFEE, scale=0.5, only_if_bigger=True).shape == (200, 300, 3)


# ResizePlan

SIZES = st.one_of(
    st.tuples(st.just("shape"), st.tuples(st.integers(1, 50), st.integers(1, 50))),
    st.tuples(st.sampled_from(["min_dim", "max_side"]), st.integers(1, 50)),
    st.tuples(st.just("scale"), st.floats(0.01, 1.5)),
)


@st.composite
def plans(draw):
    name, value = draw(SIZES)
    mode = draw(st.sampled_from(MODES)) if name == "shape" else "stretch"
    return ResizePlan(**{name: value}, mode=mode, only_if_bigger=draw(st.booleans()))


@settings(deadline=None)
@given(plans(), st.integers(1, 200), st.integers(1, 200))
def test_shape_of_tells_the_shape_without_an_image(plan, rows, columns):
    assert plan(np.zeros((rows, columns), np.uint8)).shape == plan.shape_of(rows, columns)


@settings(deadline=None)
@given(plans(), st.integers(1, 200), st.integers(1, 200), st.integers(1, 8), st.booleans())
def test_a_reduced_image_comes_to_the_shape_of_the_whole(plan, rows, columns, eighths, rounds_up):
    up = 7 if rounds_up else 0
    reduced = np.zeros((max(1, (rows * eighths + up) // 8), max(1, (columns * eighths + up) // 8), 3), np.uint8)
    resized = plan.apply(reduced, full_size=(columns, rows))
    assert resized.shape == (*plan.shape_of(rows, columns), 3)


@pytest.mark.parametrize("mode", MODES)
def test_a_reduced_image_gives_nearly_the_same_pixels(mode):
    whole = COFFEE[:399, :599]
    half = np.asarray(Image.fromarray(whole).reduce(2))
    assert half.shape == (200, 300, 3)
    plan = ResizePlan(shape=(90, 80), mode=mode)
    assert np.abs(plan.apply(half, full_size=(599, 399)).astype(int) - plan(whole)).mean() < 3


def test_the_whole_size_decides_whether_an_image_is_bigger():
    plan = ResizePlan(max_side=300, only_if_bigger=True)
    half = resize(COFFEE, scale=0.5)
    np.testing.assert_array_equal(plan.apply(half, full_size=(600, 400)), half)
    assert plan.apply(half, full_size=(600, 400)).shape == plan(COFFEE).shape


@pytest.mark.parametrize("full_size", [(400, 600), (299, 200), (300, 199), (600, 410), (900, 400), (0, 0)])
def test_an_image_that_is_no_reduced_form_of_the_size_is_named(full_size):
    with pytest.raises(ImageError, match=rf"shape \(200, 300, 3\) as a reduced form .* {full_size[1]} rows and"):
        ResizePlan(max_side=30).apply(resize(COFFEE, scale=0.5), full_size=full_size)


def test_a_plan_can_be_pickled_compared_and_hashed():
    plan = ResizePlan(shape=[224, np.int64(224)], mode="border", fill=np.array([1, 2, 3]))  # type: ignore[arg-type]
    assert plan == ResizePlan(shape=(224, 224), mode="border", fill=(1, 2, 3))
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert len({plan, pickle.loads(pickle.dumps(plan))}) == 1
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(plan))(COFFEE), plan(COFFEE))


def test_a_plan_cannot_be_changed():
    with pytest.raises(AttributeError, match="max_side"):
        ResizePlan(max_side=3).max_side = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_side": 4, "scale": 0.5}, "got max_side=4, scale=0.5"),
        ({"scale": 0}, "scale=0: give a factor above 0"),
        ({"scale": -1.0}, "scale=-1.0: give a factor"),
        ({"scale": float("nan")}, "scale=nan: give a factor"),
        ({"scale": float("inf")}, "scale=inf: give a factor"),
        ({"scale": "0.5"}, "scale='0.5': give a factor"),
        ({"scale": True}, "scale=True: give a factor"),
        ({"shape": (2, 3), "mode": "fit"}, "mode='fit': give one of stretch, keep_ratio, border, center_crop"),
        ({"max_side": 4, "mode": "border"}, "mode='border' with max_side=4: a mode goes with shape only"),
        ({"max_side": 4, "resample": "cubic"}, "resample='cubic': give one of nearest, box, .*, or None"),
        ({"max_side": 4, "resample": ""}, "resample='': give one of"),
        ({"shape": (2, 3), "mode": "border", "fill": "white"}, "fill='white': give one number, or one for each"),
        ({"shape": (2, 3), "mode": "border", "fill": ()}, r"fill=\(\): give one number"),
        ({"shape": (2, 3), "mode": "border", "fill": float("nan")}, "fill=nan: give one number"),
        ({"shape": (2, 3), "mode": "border", "fill": ((1, 2, 3),)}, r"fill=\(\(1, 2, 3\),\): give one number"),
    ],
)
def test_an_argument_that_no_image_can_use_is_named(arguments, message):
    with pytest.raises(SettingsError, match=message):
        ResizePlan(**arguments)
    with pytest.raises(SettingsError, match=message):
        resize(ASTRONAUT, **arguments)


# The stage that passes everything on


@pytest.mark.parametrize(
    ("written", "plan"),
    [
        ({"shape": "(80,100)", "mode": "border"}, ResizePlan(shape=(80, 100), mode="border")),
        ({"scale": "0.5", "resample": "nearest"}, ResizePlan(scale=0.5, resample="nearest")),
        ({"max_side": "64", "resample": "", "only_if_bigger": "true"}, ResizePlan(max_side=64, only_if_bigger=True)),
        ({"min_dim": "64", "scale": "", "mode": "stretch"}, ResizePlan(min_dim=64)),
    ],
)
def test_resize_images_reads_from_the_command_line_what_resize_takes(written, plan):
    assert interim.ResizeImages.from_str_params(written).resize_plan() == plan


@pytest.mark.parametrize("wrong", [{"mode": "fit"}, {"resample": "cubic"}])
def test_resize_images_refuses_a_choice_that_there_is_not(wrong):
    with pytest.raises(ValueError, match="is not a valid choice"):
        interim.ResizeImages(max_side=64, **wrong)


def test_resize_images_gives_what_resize_gives():
    task = interim.ResizeImages(shape=(30, 40), mode="center_crop", resample="box")
    expected = resize(COFFEE, shape=(30, 40), mode="center_crop", resample="box")
    np.testing.assert_array_equal(task.load_func()(COFFEE_PATH), expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "bool"])
def test_area_averages_whole_blocks(dtype, cv2):
    blocks = np.array([[0, 1], [1, 0]]).repeat(10, axis=0).repeat(10, axis=1)
    image = (blocks * (1 if dtype == "bool" else 200)).astype(dtype)
    expected = (np.array([[0, 1], [1, 0]]) * (1 if dtype == "bool" else 200)).astype(dtype)
    small = resize(image, shape=(2, 2), resample="area")
    assert small.dtype == image.dtype
    np.testing.assert_array_equal(small, expected)
    np.testing.assert_array_equal(
        resize(np.dstack([image] * 3), shape=(2, 2), resample="area"), np.dstack([expected] * 3)
    )


def test_area_is_near_to_lanczos_on_a_photograph_and_cuts_its_centre(cv2):
    small = resize(COFFEE, max_side=200, resample="area")
    difference = small.astype(float) - resize(COFFEE, max_side=200, resample="lanczos")
    assert 10 * np.log10(255**2 / np.mean(difference**2)) > 30
    plan = ResizePlan(shape=(50, 50), mode="center_crop", resample="area")
    whole = resize(COFFEE, shape=(50, 75), resample="area")
    np.testing.assert_array_equal(plan(COFFEE), whole[:, 12:62])


def test_area_leaves_what_grows_or_has_alpha_to_the_usual_filter():
    transparent = np.dstack([COFFEE, np.full(COFFEE.shape[:2], 9, np.uint8)])
    for image, size in ((COFFEE, {"scale": 1.5}), (transparent, {"max_side": 100})):
        np.testing.assert_array_equal(resize(image, resample="area", **size), resize(image, **size))


def test_area_without_opencv_names_the_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingPackageError, match=r"resample='area' needs opencv-python-headless: pip install"):
        resize(COFFEE, max_side=100, resample="area")
