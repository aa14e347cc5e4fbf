"""Behaviour of JPEGs in tintype.load_funcs: as Pillow reads them, never padded, reduced when that will do."""

import io
import math
import pickle
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tintype.errors import ImageError, ImageTooLargeError, SettingsError
from tintype.load_funcs import decode_image, decode_resized_image, load_image, load_resized_image
from tintype.load_funcs import image as module
from tintype.load_funcs.exif import find_orientation
from tintype.load_funcs.image import decode_at_least
from tintype.load_funcs.jpeg import read_header
from tintype.load_funcs.pillow_formats import decode_with_pillow, open_image, read_orientation
from tintype.load_funcs.scratch import MAX_FILE_BYTES, MAX_PIXEL_BYTES, pixels_for, read_whole
from tintype.ops import ResizePlan

DATA = Path(skimage.data.__file__).parent
PHOTOGRAPHS = ["astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "retina.jpg"]
PHOTO = Image.open(DATA / "astronaut.png").convert("RGB").resize((90, 60))
KINDS: dict[str, dict[str, object]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "optimized": {"optimize": True, "quality": 40},
    "restarts": {"restart_marker_rows": 1},
    "4:4:4": {"subsampling": "4:4:4"},
    "4:2:2": {"subsampling": "4:2:2"},
    "RGB": {"keep_rgb": True},
    "gray": {"mode": "L"},
    "progressive gray": {"mode": "L", "progressive": True},
}
EOI = b"\xff\xd9"


def encode(image=PHOTO, *, mode="RGB", **options):
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def with_segment(data, marker, payload):
    """Return a JPEG with one more segment, the first."""
    return data[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload + data[2:]


def with_orientation(data, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return with_segment(data, 0xE1, exif.tobytes())


def read_with_pillow(data):
    return np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))


@pytest.fixture
def no_pillow(monkeypatch):
    def fail(file, name, *arguments):
        raise AssertionError(f"{name} was left to Pillow")

    monkeypatch.setattr(module, "decode_with_pillow", fail)


@pytest.mark.usefixtures("no_pillow")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_usual_kinds_have_the_pixels_that_pillow_gives(kind, orientation):
    data = with_orientation(encode(**KINDS[kind]), orientation)
    image = decode_image(data)
    np.testing.assert_array_equal(image, read_with_pillow(data))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable


@given(width=st.integers(1, 40), height=st.integers(1, 40), seed=st.integers(0, 9), kind=st.sampled_from(list(KINDS)))
@settings(max_examples=200, deadline=None)
def test_small_images_have_the_pixels_that_pillow_gives(width, height, seed, kind):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    data = encode(Image.fromarray(pixels), **KINDS[kind])
    np.testing.assert_array_equal(decode_image(data), read_with_pillow(data))


@pytest.mark.parametrize("target_size", [None, (10, 10)])
def test_other_kinds_are_pillows(target_size):
    cmyk = encode(mode="CMYK")
    assert read_header(cmyk) is None
    image = decode_image(cmyk, target_size=target_size)
    np.testing.assert_array_equal(image, np.asarray(Image.open(io.BytesIO(cmyk)).convert("RGB")))


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC9, 0xCA, 0xCB], ids=hex)
def test_lossless_hierarchical_and_arithmetic_coding_is_not_looked_into(marker):
    data = encode()
    place = data.index(b"\xff\xc0")
    assert read_header(data) is not None
    assert read_header(data[: place + 1] + bytes([marker]) + data[place + 2 :]) is None


@pytest.mark.parametrize("target_size", [None, (20, 20)], ids=["full", "reduced"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_truncated_file_is_an_error_that_says_so(kind, target_size):
    data = encode(**KINDS[kind])
    for n_bytes in range(1, len(data), 1 if kind == "baseline" else 7):
        with pytest.raises(ImageError, match=r"truncated|cannot be decoded|is no image that can be read"):
            decode_image(data[:n_bytes], target_size=target_size)


@pytest.mark.parametrize("target_size", [None, (20, 20)], ids=["full", "reduced"])
@pytest.mark.parametrize("kind", ["baseline", "progressive", "gray", "restarts"])
def test_a_truncated_file_that_was_given_an_end_is_an_error_too(kind, target_size):
    data = encode(**KINDS[kind])
    start = data.index(b"\xff\xda") + 40
    for n_bytes in range(start, len(data) - 40, 50):
        if data[n_bytes - 1] == 0xFF:
            continue  # no end, but a byte of 0xFF and garbage
        with pytest.raises(ImageError, match=r"a\.jpg .*(truncated|broken data stream)"):
            decode_image(data[:n_bytes] + EOI, "a.jpg", target_size=target_size)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"trailing garbage",
        lambda data: data + bytes(5000),
        lambda data: data + data,
        lambda data: data[:-2] + b"\0\0\0" + EOI,
        lambda data: data[:2] + b"\xff\xff\xff" + data[2:],
        lambda data: data.replace(b"JFIF\0\x01", b"JFIF\0\x07"),
        lambda data: with_segment(data, 0xE9, b"whatever"),
        lambda data: with_segment(data, 0xFE, b"a comment"),
        lambda data: with_segment(data, 0xE2, b"ICC_PROFILE\0\x01\x02 half of a profile"),
        lambda data: with_segment(data, 0xEE, b"Adobe\0\x64\0\0\0\0\x01"),
        lambda data: with_segment(data, 0xED, b"Photoshop 3.0\0 8BIM"),
    ],
)
def test_what_pillow_takes_without_making_up_pixels_is_taken(change):
    data = change(encode())
    np.testing.assert_array_equal(decode_image(data), read_with_pillow(data))
    assert decode_image(data, target_size=(10, 10)).ndim == 3


def test_both_images_of_a_stereo_file_are_no_trouble(no_pillow):
    buffer = io.BytesIO()
    PHOTO.save(buffer, "MPO", save_all=True, append_images=[PHOTO.rotate(180)])
    with Image.open(buffer) as opened:
        assert opened.format == "MPO"
        np.testing.assert_array_equal(decode_image(buffer.getvalue()), np.asarray(opened))


def test_a_header_that_promises_more_rows_than_there_are_is_an_error():
    data = encode()
    place = data.index(b"\xff\xc0") + 5
    assert struct.unpack_from(">HH", data, place) == (60, 90)
    with pytest.raises(ImageError, match="truncated"):
        decode_image(data[:place] + struct.pack(">H", 600) + data[place + 2 :])


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_a_header_without_pixels_is_an_error(size):
    data = encode()
    place = data.index(b"\xff\xc0") + 5
    with pytest.raises(ImageError, match=r"cannot be decoded|is no image"):
        decode_image(data[:place] + struct.pack(">HH", *size) + data[place + 4 :])


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_is_an_error_or_what_pillow_makes_of_it(data):
    damaged = bytearray(encode(**KINDS[data.draw(st.sampled_from(["baseline", "progressive", "gray"]))]))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(2, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = decode_image(bytes(damaged), max_pixels=10**6)
    except ImageError:
        return
    np.testing.assert_array_equal(image, decode_with_pillow_alone(bytes(damaged)))


def decode_with_pillow_alone(data):
    return decode_with_pillow(io.BytesIO(data), "a.jpg", 10**6, len(data))


def test_too_many_pixels_are_told_before_anything_is_decoded(monkeypatch):
    import simplejpeg

    monkeypatch.setattr(simplejpeg, "decode_jpeg", None)
    with pytest.raises(ImageTooLargeError, match="has 60 x 90 = 5,400 pixels, and the limit is 5,399"):
        decode_image(encode(), max_pixels=5399, target_size=(10, 10))


# Which way up.

ENTRY_TYPES = {1: "B", 2: "c", 3: "H", 4: "I", 5: "II", 6: "b", 7: "c", 8: "h", 9: "i", 11: "f", 12: "d", 77: "B"}


@st.composite
def exif_blocks(draw):
    """Return EXIF data, mostly sound: an orientation among other entries, some of which lie elsewhere or nowhere."""
    order = draw(st.sampled_from("<>"))
    tags = draw(st.lists(st.sampled_from([0x010E, 0x010F, 0x0110, 0x0112, 0x011A, 0x8769]), max_size=5, unique=True))
    values = b"\0" * draw(st.integers(0, 60))
    start = draw(st.sampled_from([8, 8, 8, 10, 200]))
    entries = []
    for tag in sorted(tags) if draw(st.booleans()) else tags:
        kind, count = draw(st.sampled_from(list(ENTRY_TYPES))), draw(st.integers(0, 12))
        value = draw(st.integers(0, 120))
        if tag == 0x0112 and draw(st.sampled_from([True, True, True, False])):
            kind, count = 3, 1
        inline = struct.pack(f"{order}HH", draw(st.integers(0, 9)), 0)
        entries.append(
            struct.pack(f"{order}HHI", tag, kind, count)
            + (inline if kind == 3 and count == 1 else struct.pack(f"{order}I", value))
        )
    n_entries = len(entries) + draw(st.sampled_from([0, 0, 0, 1]))
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start)
    return header + struct.pack(f"{order}H", n_entries) + b"".join(entries) + bytes(4) + values


@pytest.mark.filterwarnings("ignore")  # Pillow's, about what is wrong with EXIF
@given(block=exif_blocks(), xmp=st.none() | st.integers(0, 9), n_blocks=st.sampled_from([1, 1, 1, 0, 2]))
@settings(max_examples=600, deadline=None)
def test_the_orientation_is_the_one_that_pillow_reads(block, xmp, n_blocks):
    segments = [b"Exif\0\0" + block] * n_blocks
    if xmp is not None:
        segments.append(b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation=" + f'"{xmp}"/>'.encode())
    data = encode()
    for segment in reversed(segments):
        data = with_segment(data, 0xE1, segment)
    found = find_orientation(segments)
    expected = read_orientation(open_image(io.BytesIO(data), "a.jpg"))
    assert found in (None, expected if 1 <= expected <= 8 else 1)
    np.testing.assert_array_equal(decode_image(data), decode_with_pillow_alone(data))


@pytest.mark.usefixtures("no_pillow")
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_usual_exif_is_read_without_pillow(order):
    exif = Image.Exif()
    exif.endian = order
    for tag, value in {
        0x010F: "Camera maker",
        0x0110: "Model 3",
        0x0112: 6,
        0x011A: 72.0,
        0x0132: "2024:01:01",
    }.items():
        exif[tag] = value
    image = decode_image(with_segment(encode(), 0xE1, exif.tobytes()))
    np.testing.assert_array_equal(image, np.rot90(decode_image(encode()), -1))


def test_an_orientation_that_only_xmp_gives_is_applied():
    packet = b'http://ns.adobe.com/xap/1.0/\0<rdf tiff:Orientation="6"/>'
    assert decode_image(with_segment(encode(), 0xE1, packet)).shape == (90, 60, 3)


# At a reduced scale.


@given(
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    wanted=st.tuples(st.integers(1, 220), st.integers(1, 220)),
    orientation=st.integers(1, 8),
    mode=st.sampled_from(["L", "RGB"]),
)
@settings(max_examples=150, deadline=None)
def test_a_reduced_image_is_never_below_the_wanted_size(width, height, wanted, orientation, mode):
    data = with_orientation(encode(PHOTO.resize((width, height)), mode=mode), orientation)
    full = (height, width) if orientation >= 5 else (width, height)
    decoded = decode_at_least(data, "a.jpg", max_pixels=10**6, target_size=wanted)
    rows, columns = decoded.pixels.shape[:2]
    assert decoded.full_size == full
    possible = [n for n in (1, 2, 4) if all(math.ceil(s * n / 8) >= w for s, w in zip(full, wanted, strict=True))]
    eighths = possible[0] if possible else 8
    assert (columns, rows) == tuple(math.ceil(side * eighths / 8) for side in full)
    assert decoded.pixels.flags.c_contiguous
    assert decoded.pixels.flags.writeable


def test_a_hint_may_be_a_function_of_the_upright_size():
    seen = []

    def halve(width, height):
        seen.append((width, height))
        return width // 2, height // 2

    assert decode_image(with_orientation(encode(), 6), target_size=halve).shape == (45, 30, 3)
    assert seen == [(60, 90)]


def test_other_formats_come_in_full(tmp_path):
    PHOTO.save(tmp_path / "a.png")
    np.testing.assert_array_equal(load_image(tmp_path / "a.png", target_size=(9, 6)), np.asarray(PHOTO))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    "target_size", [(0, 5), (5,), (5.5, 5), "ab", 7, lambda width, height: (width, -1), lambda width, height: None]
)
def test_a_hint_that_is_no_size_is_named(tmp_path, image_format, target_size):
    PHOTO.save(tmp_path / "a", image_format)
    with pytest.raises(SettingsError, match=r"target_size=.* of an image of \(90, 60\): give \(width, height\)"):
        load_image(tmp_path / "a", target_size=target_size)


def test_an_error_in_a_hint_is_not_taken_for_a_bad_image():
    def divide(width, height):
        return width // 0, height

    with pytest.raises(ZeroDivisionError, match="by zero"):
        decode_image(encode(), target_size=divide)


PLANS = [
    ResizePlan(shape=(30, 40)),
    ResizePlan(shape=(30, 40), mode="keep_ratio"),
    ResizePlan(shape=(30, 40), mode="border", fill=9),
    ResizePlan(shape=(30, 40), mode="center_crop"),
    ResizePlan(shape=(30, 40), mode="center_crop", only_if_bigger=True),
    ResizePlan(min_dim=20),
    ResizePlan(max_side=33),
    ResizePlan(max_side=150, only_if_bigger=True),
    ResizePlan(max_side=33, resample="nearest"),
    ResizePlan(scale=0.3),
    ResizePlan(scale=2),
]


@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    orientation=st.sampled_from([1, 6]),
    plan=st.sampled_from(PLANS),
    mode=st.sampled_from(["L", "RGB"]),
)
@settings(max_examples=150, deadline=None)
@example(width=240, height=240, orientation=1, plan=PLANS[0], mode="RGB")
def test_a_resized_image_has_the_shape_that_resizing_the_whole_gives(width, height, orientation, plan, mode):
    data = with_orientation(encode(PHOTO.resize((width, height)), mode=mode), orientation)
    expected = plan(decode_image(data))
    image = decode_resized_image(data, plan=plan)
    assert image.shape == expected.shape
    np.testing.assert_array_equal(decode_resized_image(data, plan=plan, reduced_decode=False), expected)
    if plan.resample == "nearest":
        np.testing.assert_array_equal(image, expected)


def test_a_resized_image_of_another_format_is_exact(tmp_path):
    plan = ResizePlan(max_side=30)
    PHOTO.save(tmp_path / "a.png")
    np.testing.assert_array_equal(load_resized_image(tmp_path / "a.png", plan), plan(np.asarray(PHOTO)))


def measure_psnr(image, reference):
    return 10 * math.log10(255**2 / np.mean((image.astype(float) - reference) ** 2))


@pytest.fixture(scope="module")
def photographs():
    """Return photographs as JPEGs of quality 90, at their own size and at widths of 1024 and 3000 pixels."""
    files = []
    for name in PHOTOGRAPHS:
        photo = Image.open(DATA / name).convert("RGB")
        for width in (photo.width, 1024, 3000):
            size = (width, round(width * photo.height / photo.width))
            files.append(encode(photo.resize(size, Image.Resampling.LANCZOS), quality=90))
    return files


@pytest.mark.parametrize("plan", [ResizePlan(max_side=224), ResizePlan(shape=(224, 224))], ids=["max_side", "shape"])
def test_photographs_from_a_reduced_scale_are_near_to_what_lanczos_makes_of_the_whole(photographs, plan):
    ours, aliased = [], []
    for data in photographs:
        whole = Image.open(io.BytesIO(data))
        size = plan.target_size(*whole.size)
        reference = np.asarray(whole.resize(size, Image.Resampling.LANCZOS))
        ours.append(measure_psnr(decode_resized_image(data, plan=plan), reference))
        corners = (0, 0, *whole.size)
        without_averaging = whole.transform(size, Image.Transform.EXTENT, corners, Image.Resampling.BILINEAR)
        aliased.append(measure_psnr(np.asarray(without_averaging), reference))
    assert np.mean(ours) >= 38.5
    assert min(ours) >= 31
    assert np.mean(aliased) < 35  # what this test would find


def test_a_load_function_with_a_plan_travels_between_processes(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encode())
    load = pickle.loads(pickle.dumps(partial(load_resized_image, plan=ResizePlan(max_side=30))))
    assert load(tmp_path / "a.jpg").shape == (20, 30, 3)


def test_many_threads_share_nothing(photographs):
    plan = ResizePlan(max_side=100)
    expected = [decode_resized_image(data, plan=plan) for data in photographs[:6]]
    barrier = threading.Barrier(6)

    def decode(number):
        barrier.wait(timeout=60)
        return [decode_resized_image(data, plan=plan) for data in photographs[:6]]

    with ThreadPoolExecutor(6) as executor:
        for images in executor.map(decode, range(6)):
            for image, whole in zip(images, expected, strict=True):
                np.testing.assert_array_equal(image, whole)


def test_a_very_large_file_is_not_read_as_a_whole(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(encode())
    monkeypatch.setattr(module, "MAX_JPEG_BYTES", 100)
    assert load_image(tmp_path / "a.jpg", target_size=(10, 10)).shape == (60, 90, 3)


def test_memory_that_is_used_again_never_shows_in_what_was_given_out(tmp_path):
    paths = []
    for number, colour in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255)]):
        paths.append(tmp_path / f"{number}.jpg")
        Image.new("RGB", (400, 300), colour).save(paths[-1], quality=95)
    for plan in (ResizePlan(max_side=400), ResizePlan(max_side=100), ResizePlan(max_side=100, resample="nearest")):
        images = [load_resized_image(path, plan) for path in paths]
        for channel, image in enumerate(images):
            assert image.mean(axis=(0, 1)).argmax() == channel
            assert image[..., channel].min() > 250
            assert image.flags.owndata or image.base is None or not np.shares_memory(image, images[channel - 1])
    whole = [load_image(path) for path in paths]
    assert [int(image.mean(axis=(0, 1)).argmax()) for image in whole] == [0, 1, 2]


def test_a_file_that_grows_while_it_is_read_is_read_to_its_end(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 1000)
    with open(path, "rb", buffering=0) as file:
        assert bytes(read_whole(file, 400)) == b"x" * 1000
        file.seek(0)
        assert bytes(read_whole(file, 1000)) == b"x" * 1000
        file.seek(0)
        assert bytes(read_whole(file, 2000)) == b"x" * 1000


def test_large_images_and_files_are_not_kept_in_memory():
    assert pixels_for(MAX_PIXEL_BYTES + 1) is None
    assert len(read_whole(io.BytesIO(bytes(MAX_FILE_BYTES)), MAX_FILE_BYTES)) == MAX_FILE_BYTES
