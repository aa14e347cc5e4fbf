"""Behaviour of tintype.ops.hashes."""

import io
import itertools

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy import fft  # type: ignore[import-untyped]

from tintype.errors import ImageError, SettingsError
from tintype.ops import dhash, hamming_distance, phash
from tintype.ops.hashes import make_cosines

ASTRONAUT = skimage.data.astronaut()
PHOTOGRAPHS = [ASTRONAUT, *(load() for load in (skimage.data.chelsea, skimage.data.coffee, skimage.data.rocket))]
images = arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3, 4])))

both = pytest.mark.parametrize("op", [dhash, phash])


def reduce(image, scale):
    size = (int(image.shape[1] * scale), int(image.shape[0] * scale))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def encode_as_jpeg(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


CHANGES = {
    "a half": lambda image: reduce(image, 0.5),
    "a quarter": lambda image: reduce(image, 0.24),
    "24 by 24": lambda image: np.asarray(Image.fromarray(image).resize((24, 24))),
    "JPEG of quality 50": lambda image: encode_as_jpeg(image, 50),
    "brighter": lambda image: np.clip(image * 1.1 + 5, 0, 255).astype(np.uint8),
    "darker": lambda image: np.clip(image * 0.85, 0, 255).astype(np.uint8),
}


@both
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_photograph_stays_near(op, change):
    assert max(hamming_distance(op(photo), op(change(photo))) for photo in PHOTOGRAPHS) < 10


@both
def test_different_photographs_are_far(op):
    hashes = [op(photo) for photo in PHOTOGRAPHS]
    assert min(hamming_distance(a, b) for a, b in itertools.combinations(hashes, 2)) > 10


@both
@pytest.mark.parametrize(("hash_size", "n_digits"), [(2, 1), (5, 7), (8, 16), (16, 64), (64, 1024)])
def test_a_hash_is_lower_case_hexadecimal_of_one_length(op, hash_size, n_digits):
    for image in (ASTRONAUT, np.zeros((9, 9), np.uint8)):
        text = op(image, hash_size=hash_size)
        assert len(text) == n_digits
        assert set(text) <= set("0123456789abcdef")


def test_the_first_bit_of_dhash_is_the_top_left_and_the_highest():
    image = np.zeros((2, 3), np.uint8)
    image[0, 1:] = 255  # brighter only from the first to the second pixel of the first row
    assert dhash(image, hash_size=2) == "8"
    assert dhash(image[::-1], hash_size=2) == "2"


def test_phash_takes_the_same_cosine_transform_as_scipy():
    square = ASTRONAUT[:32, :32, 0].astype(float)
    cosines = make_cosines(8, 32)
    np.testing.assert_allclose(4 * cosines @ square @ cosines.T, fft.dctn(square)[:8, :8])


@both
@given(image=images)
def test_every_small_image_has_a_hash_and_the_same_one_again(op, image):
    assert op(image) == op(image.copy())
    assert len(op(image)) == 16


@both
def test_gray_is_hashed_alike_with_and_without_an_axis_and_alpha_is_ignored(op):
    gray = skimage.data.camera()
    assert op(gray[..., np.newaxis]) == op(gray)
    assert hamming_distance(op(np.dstack([gray] * 3)), op(gray)) == 0
    assert op(np.dstack([ASTRONAUT, np.zeros((512, 512), np.uint8)])) == op(ASTRONAUT)


@both
@pytest.mark.parametrize(("dtype", "scale"), [("uint16", 257), ("float32", 1 / 255), ("float64", 1.0)])
def test_other_dtypes_are_hashed_like_uint8(op, dtype, scale):
    assert hamming_distance(op((ASTRONAUT * np.float64(scale)).astype(dtype)), op(ASTRONAUT)) <= 2


@both
def test_a_mask_is_hashed_like_black_and_white(op):
    mask = skimage.data.camera() > 100
    assert op(mask) == op(mask.astype(np.uint8) * np.uint8(255))


@both
@pytest.mark.parametrize("value", [0, 1, 0.1, 77])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_flat_images_of_every_size_share_a_hash(op, value, dtype):
    hashes = {op(np.full(shape, value, dtype)) for shape in [(1, 1), (40, 30), (333, 517), (100, 100, 3)]}
    assert len(hashes) == 1
    assert hashes <= {"0" * 16, "8" + "0" * 15}


@both
def test_the_image_is_not_modified(op):
    image = ASTRONAUT.copy()
    image.flags.writeable = False
    op(image)
    np.testing.assert_array_equal(image, ASTRONAUT)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_the_distance_counts_bits_of_text_and_of_numbers_alike(a, b):
    expected = bin(a ^ b).count("1")
    assert hamming_distance(f"{a:016x}", f"{b:016x}") == expected
    assert hamming_distance(a, b) == expected
    assert hamming_distance(b, a) == expected
    assert hamming_distance(np.uint64(a), f"{b:016X}") == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["", "xyz", "0x1f", "+1", " 1", "1_0", -1, 1.5, None, True, b"ff"])
def test_what_is_no_hash_is_named(wrong):
    for a, b in [(wrong, 5), (5, wrong)]:
        with pytest.raises(SettingsError, match="is no hash: give hexadecimal digits as of dhash, or a whole"):
            hamming_distance(a, b)


def test_hashes_of_different_lengths_are_not_compared():
    with pytest.raises(SettingsError, match=r"hashes of 16 and 9 digits, .* make both with one hash_size"):
        hamming_distance(dhash(ASTRONAUT), dhash(ASTRONAUT, 6))


@both
@pytest.mark.parametrize("hash_size", [1, 0, -8, 65, 8.0, "8", None])
def test_a_hash_size_that_cannot_be_used_is_named(op, hash_size):
    with pytest.raises(SettingsError, match=f"hash got hash_size={hash_size!r}: give a whole number from 2 to 64"):
        op(ASTRONAUT, hash_size)


@both
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\): it has no pixels"),
        (np.array([[0.0, np.inf]]), r"shape \(1, 2\) that holds NaN or infinity"),
        ("cat.png", "str: give a NumPy array"),
    ],
)
def test_an_array_that_is_no_image_is_named(op, image, message):
    with pytest.raises(ImageError, match=f"cannot take the {op.__name__} of .*{message}"):
        op(image)
