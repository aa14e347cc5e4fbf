"""Behaviour of tintype.ops.contact_sheets."""

from __future__ import annotations

import numpy as np
import pytest

from tintype.errors import SettingsError
from tintype.ops.contact_sheets import GAP, contact_sheet, is_picture, to_small


def test_each_picture_lies_in_its_square_in_reading_order():
    groups = [[np.full((50, 50, 3), value, np.uint8)] for value in (10, 90, 170)]
    sheet = contact_sheet(groups, ["", "", ""], side=50, n_columns=2)
    step = 50 + GAP
    across = step + 2 * GAP
    assert sheet[GAP + 25, GAP + 25].tolist() == [10] * 3
    assert sheet[GAP + 25, GAP + 25 + across].tolist() == [90] * 3
    assert sheet[GAP + 25 + step, GAP + 25].tolist() == [170] * 3


def test_large_images_are_made_small_and_small_ones_are_left():
    assert to_small(np.zeros((400, 100, 3), np.uint8), 40).size == (10, 40)
    assert to_small(np.zeros((4, 8), np.uint8), 40).size == (8, 4)


def test_kinds_of_images_come_out_as_what_they_show():
    assert to_small(np.ones((2, 2), bool), 40).getpixel((0, 0)) == (255, 255, 255)
    assert to_small(np.full((2, 2, 3), 0.5), 40).getpixel((0, 0)) == (128, 128, 128)
    assert to_small(np.array([[0, 4095]], np.uint16), 40).getpixel((1, 0)) == (255, 255, 255)
    assert to_small(np.zeros((2, 2, 4), np.uint8), 40).mode == "RGBA"
    assert to_small(np.full((2, 2, 1), 7, np.uint8), 40).getpixel((0, 0)) == (7, 7, 7)


def test_values_that_are_no_brightness_are_shown_as_the_nearest_one():
    odd = np.array([[np.nan, np.inf, -np.inf, 1e38, -1.0]], np.float32)
    assert np.asarray(to_small(odd, 40))[0, :, 0].tolist() == [0, 255, 0, 255, 0]
    assert to_small(np.array([[-5, 10]]), 40).getpixel((0, 0)) == (0, 0, 0)
    assert to_small(np.full((1, 1), 2**64 - 1, np.uint64), 40).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("shape", [(1, 1), (10_000, 3, 3), (3, 10_000)])
def test_images_of_any_proportions_fit_their_square(shape):
    assert contact_sheet([[np.zeros(shape, np.uint8)]], [""], side=40).shape == (40 + 2 * GAP, 40 + 4 * GAP, 3)


def test_what_is_transparent_shows_the_square_behind():
    clear = np.zeros((40, 40, 4), np.uint8)
    sheet = contact_sheet([[clear]], [""], side=40)
    assert sheet[GAP + 20, GAP + 20].tolist() == [228, 228, 224]


def test_a_text_stands_for_a_picture_that_there_is_none_of():
    sheet = contact_sheet([["failed: a long reason " * 20]], [""], side=64)
    assert (sheet.reshape(-1, 3) == (176, 0, 32)).all(axis=1).any()


def test_a_caption_that_is_too_long_keeps_its_end():
    pixels = np.zeros((40, 40, 3), np.uint8)
    long = contact_sheet([[pixels]], ["folder/" * 30 + "7.png"], side=40)
    assert long.shape == contact_sheet([[pixels]], ["7.png"], side=40).shape


def test_nothing_to_show_is_a_sheet_too():
    assert contact_sheet([], []).shape[2] == 3


def test_arguments_that_cannot_be_used_are_refused():
    with pytest.raises(SettingsError, match="side is 8: give at least 32 pixels"):
        contact_sheet([], [], side=8)
    with pytest.raises(SettingsError, match="there are 0 captions for 1 groups"):
        contact_sheet([[]], [])


def test_what_is_no_image_is_told_apart():
    assert is_picture(np.zeros((2, 2, 3), np.uint8))
    assert not is_picture(np.zeros((0, 2), np.uint8))
    assert not is_picture(np.zeros(3))
    assert not is_picture(np.array([["a"]]))
    assert not is_picture("text")
