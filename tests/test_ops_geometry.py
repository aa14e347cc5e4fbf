"""Behaviour of tintype.ops.geometry."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype.errors import ImageError, SettingsError
from tintype.ops import (
    crop,
    crop_center,
    flip_horizontal,
    flip_vertical,
    pad,
    rotate_90,
    rotate_180,
    rotate_270,
    trim_edges,
)
from tintype.ops.checks import DTYPES

ASTRONAUT = skimage.data.astronaut()
GRAY = skimage.data.camera()[:34, :25]

TURNS: dict[Any, Any] = {
    flip_horizontal: np.fliplr,
    flip_vertical: np.flipud,
    rotate_90: np.rot90,
    rotate_180: lambda image: np.rot90(image, 2),
    rotate_270: lambda image: np.rot90(image, 3),
}
KEEPING = {
    crop: crop,
    crop_center: lambda image: crop_center(image, fraction=1),
    trim_edges: trim_edges,
    pad: pad,
}


def make_image(rows, columns, channels, dtype):
    return np.random.default_rng(7).integers(0, 65535, (rows, columns, *channels)).astype(dtype)


def check_is_new(result, image):
    assert result.flags.c_contiguous
    assert result.flags.writeable
    assert not np.shares_memory(result, image)
    assert result.dtype == image.dtype


@pytest.mark.parametrize("dtype", [*DTYPES, ">u2"])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: turn.__name__)
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 5), (4, 7)])
def test_flips_and_rotations_are_numpys_but_always_new_arrays(turn, rows, columns, channels, dtype):
    image = make_image(rows, columns, channels, dtype)
    before = image.copy()
    result = turn(image)
    np.testing.assert_array_equal(result, TURNS[turn](image))
    check_is_new(result, image)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: turn.__name__)
@pytest.mark.parametrize(
    "view",
    [ASTRONAUT[::3, ::-2], ASTRONAUT.transpose(1, 0, 2), np.asfortranarray(ASTRONAUT), ASTRONAUT[..., ::-1]],
    ids=["strided", "transposed", "Fortran", "BGR"],
)
def test_views_of_any_layout_are_turned_too(turn, view):
    result = turn(view)
    np.testing.assert_array_equal(result, TURNS[turn](view))
    check_is_new(result, view)


def test_rotations_are_counter_clockwise():
    image = np.array([[1, 2], [3, 4]], np.uint8)
    np.testing.assert_array_equal(rotate_90(image), [[2, 4], [1, 3]])
    np.testing.assert_array_equal(rotate_270(image), [[3, 1], [4, 2]])


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([(), (1,), (3,), (4,)]))
def test_turns_come_back_to_where_they_began(rows, columns, channels):
    image = make_image(rows, columns, channels, np.uint8)
    for turned in (
        flip_horizontal(flip_horizontal(image)),
        flip_vertical(flip_vertical(image)),
        rotate_180(rotate_180(image)),
        rotate_270(rotate_90(image)),
        flip_vertical(flip_horizontal(rotate_180(image))),
    ):
        np.testing.assert_array_equal(turned, image)


@pytest.mark.parametrize("keep", KEEPING.values(), ids=[op.__name__ for op in KEEPING])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_what_keeps_the_whole_image_is_still_a_copy(keep, channels):
    for dtype in DTYPES:
        image = np.asfortranarray(make_image(4, 5, channels, dtype))
        np.testing.assert_array_equal(keep(image), image)
        check_is_new(keep(image), image)


@pytest.mark.parametrize("op", [*TURNS, *KEEPING], ids=lambda op: op.__name__)
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\): it has no pixels"),
        (np.zeros((4, 4), np.int64), "int64 array"),
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\): give \(rows, columns\)"),
        ("photo.jpg", "str: give a NumPy array"),
    ],
)
def test_what_is_no_image_is_named(op, image, message):
    with pytest.raises(ImageError, match=message):
        op(image)


# crop


def test_a_crop_is_the_rectangle_and_nothing_else():
    cropped = crop(ASTRONAUT, top=10, left=20, height=30, width=40)
    np.testing.assert_array_equal(cropped, ASTRONAUT[10:40, 20:60])
    check_is_new(cropped, ASTRONAUT)
    np.testing.assert_array_equal(crop(ASTRONAUT, top=500), ASTRONAUT[500:])
    np.testing.assert_array_equal(crop(ASTRONAUT, left=511, width=1), ASTRONAUT[:, 511:])


@pytest.mark.parametrize(
    "rectangle", [{"top": 34}, {"left": 99}, {"height": 35}, {"top": 1, "height": 34}, {"left": 24, "width": 2}]
)
def test_a_rectangle_beyond_the_image_is_an_error_with_its_numbers(rectangle):
    with pytest.raises(ImageError, match=r"image of 34 rows and 25 columns to .* give a rectangle within it"):
        crop(GRAY, **rectangle)


@pytest.mark.parametrize(
    ("rectangle", "message"),
    [
        ({"top": -1}, "crop got top=-1: give whole numbers of pixels, at least 0"),
        ({"left": 1.0}, r"left=1\.0"),
        ({"height": 0}, "height=0: give whole numbers of pixels, at least 1"),
        ({"width": -5}, "width=-5"),
        ({"width": True}, "width=True"),
    ],
)
def test_a_rectangle_that_no_image_has_is_an_error(rectangle, message):
    with pytest.raises(SettingsError, match=message):
        crop(GRAY, **rectangle)


# crop_center


@pytest.mark.parametrize(
    ("image", "fraction", "shape"),
    [
        (ASTRONAUT[:32, :32], 0.5, (16, 16, 3)),
        (GRAY, 0.5, (17, 12)),
        (np.zeros((32, 32, 4), np.uint8), 0.5, (16, 16, 4)),
        (ASTRONAUT[:32, :32], 0.6, (19, 19, 3)),
        (GRAY, 1, (34, 25)),
        (GRAY, 1e-9, (1, 1)),
    ],
)
def test_a_fraction_of_each_side_is_kept_as_creevey_did(image, fraction, shape):
    assert crop_center(image, fraction=fraction).shape == shape


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.02, 1))
def test_the_fraction_is_the_middle(rows, columns, fraction):
    image = np.arange(rows * columns, dtype=np.uint16).reshape(rows, columns)
    cropped = crop_center(image, fraction=fraction)
    top, left = divmod(int(cropped[0, 0]), columns)
    below, right = rows - top - cropped.shape[0], columns - left - cropped.shape[1]
    assert abs(top - below) <= 1
    assert abs(left - right) <= 1
    assert abs(cropped.shape[0] - rows * fraction) <= 1
    assert abs(cropped.shape[1] - columns * fraction) <= 1


def test_a_shape_or_a_side_is_cut_from_the_middle():
    np.testing.assert_array_equal(crop_center(GRAY, shape=(32, 5)), GRAY[1:33, 10:15])
    np.testing.assert_array_equal(crop_center(GRAY, side=20), GRAY[7:27, 2:22])  # odd columns: one more on the right
    np.testing.assert_array_equal(crop_center(GRAY, shape=(34, 25)), GRAY)
    check_is_new(crop_center(GRAY, side=20), GRAY)


@pytest.mark.parametrize("size", [{"shape": (35, 10)}, {"shape": (10, 26)}, {"side": 26}])
def test_a_middle_larger_than_the_image_is_an_error(size):
    with pytest.raises(ImageError, match=r"of 34 rows and 25 columns to .* resize or pad it first"):
        crop_center(GRAY, **size)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({}, "exactly one of shape, side and fraction, and got none of them"),
        ({"side": 4, "fraction": 0.5}, "got side=4, fraction=0.5"),
        ({"fraction": 0}, "fraction=0: give a number above 0 and at most 1"),
        ({"fraction": -0.5}, r"fraction=-0\.5"),
        ({"fraction": 2}, "fraction=2"),
        ({"fraction": float("nan")}, "fraction=nan"),
        ({"fraction": "half"}, "fraction='half'"),
        ({"shape": (0, 3)}, r"shape=\(0, 3\): give whole numbers"),
        ({"shape": 3}, r"shape=3: give \(rows, columns\)"),
        ({"side": 0}, "side=0: give whole numbers of pixels, at least 1"),
    ],
)
def test_a_middle_that_no_image_has_is_an_error(sizes, message):
    with pytest.raises(SettingsError, match=message):
        crop_center(GRAY, **sizes)


# trim_edges and pad


def test_edges_are_cut_off():
    np.testing.assert_array_equal(trim_edges(ASTRONAUT, bottom=100), ASTRONAUT[:-100])
    np.testing.assert_array_equal(trim_edges(GRAY, top=1, bottom=2, left=3, right=4), GRAY[1:-2, 3:-4])
    assert trim_edges(GRAY, top=33, left=24).shape == (1, 1)


def test_edges_that_are_the_whole_image_are_an_error():
    with pytest.raises(ImageError, match="34 rows and 25 columns by top=30, bottom=4, left=0, right=0: nothing would"):
        trim_edges(GRAY, top=30, bottom=4)
    with pytest.raises(SettingsError, match="trim_edges got right=-1: give whole numbers of pixels, at least 0"):
        trim_edges(GRAY, right=-1)


EDGES = st.fixed_dictionaries({name: st.integers(0, 12) for name in ("top", "bottom", "left", "right")})


@settings(deadline=None)
@given(EDGES, st.sampled_from(["fill", "edge", "reflect"]), st.sampled_from([(), (1,), (3,), (4,)]))
def test_trim_edges_undoes_pad(edges, mode, channels):
    image = make_image(4, 5, channels, np.uint8)
    padded = pad(image, **edges, mode=mode)
    assert padded.shape[:2] == (4 + edges["top"] + edges["bottom"], 5 + edges["left"] + edges["right"])
    check_is_new(padded, image)
    np.testing.assert_array_equal(trim_edges(padded, **edges), image)


@settings(deadline=None)
@given(EDGES, st.sampled_from(["edge", "reflect"]))
def test_padding_goes_on_as_numpys_does(edges, mode):
    widths = ((edges["top"], edges["bottom"]), (edges["left"], edges["right"]), (0, 0))
    image = make_image(4, 5, (3,), np.float32)
    np.testing.assert_array_equal(pad(image, **edges, mode=mode), np.pad(image, widths, mode=mode))


def test_padding_has_one_colour_for_each_channel_or_for_all():
    padded = pad(ASTRONAUT, top=2, right=3, fill=(1, 2, 3))
    np.testing.assert_array_equal(padded[2:, :-3], ASTRONAUT)
    assert (padded[:2] == (1, 2, 3)).all()
    assert (padded[:, -3:] == (1, 2, 3)).all()
    assert (pad(GRAY, left=4, fill=255)[:, :4] == 255).all()
    assert pad(GRAY > 128, left=4, fill=True)[:, :4].all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"top": -1}, SettingsError, "pad got top=-1: give whole numbers of pixels, at least 0"),
        ({"left": 0.5}, SettingsError, r"pad got left=0\.5"),
        ({"mode": "wrap"}, SettingsError, "pad got mode='wrap': give one of fill, edge, reflect"),
        ({"fill": 300}, ImageError, r"cannot pad a uint8 array of shape \(34, 25\) with fill=300: uint8 cannot hold"),
        ({"fill": (1, 2, 3)}, ImageError, "give one number, or 1, one for each channel"),
        ({"fill": "white"}, ImageError, "fill='white': give one number"),
    ],
)
def test_padding_that_cannot_be_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        pad(GRAY, **arguments)


# Imports


def find_loaded(statement, packages):
    code = f"import sys; {statement}; print(*sorted({packages!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.split()


def test_the_rooms_load_nothing_heavy_when_imported():
    rooms = "tintype.ops, tintype.load_funcs, tintype.write_funcs, tintype.path_funcs"
    assert find_loaded(f"import {rooms}", {"numpy", "PIL", "skimage", "scipy", "pandas"}) == []


def test_ops_load_what_decodes_and_computes_only_where_they_use_it():
    modules = ", ".join(f"tintype.ops.{name}" for name in ("geometry", "resizing", "tone", "background"))
    assert find_loaded(f"import {modules}", {"PIL", "skimage", "scipy", "pandas"}) == []
