"""Behaviour of tintype.load_funcs."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageFile

from tintype.errors import ImageError, ImageTooLargeError, SettingsError
from tintype.load_funcs import load_array, load_bytes, load_image, load_resized_image
from tintype.ops import ResizePlan, to_grayscale
from tintype.write_funcs import write_array

DATA = Path(skimage.data.__file__).parent
PHOTO = Image.open(DATA / "astronaut.png").convert("RGB").resize((90, 60))
FORMATS: dict[str, dict[str, object]] = {
    "JPEG": {},
    "progressive JPEG": {"format": "JPEG", "progressive": True},
    "PNG": {},
    "GIF": {},
    "BMP": {},
    "TIFF": {},
    "LZW TIFF": {"format": "TIFF", "compression": "tiff_lzw"},
    "WEBP": {},
    "lossless WEBP": {"format": "WEBP", "lossless": True},
    "JPEG2000": {},
    "PPM": {},
}


def encode(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


@pytest.fixture
def save(tmp_path):
    """Save a Pillow image, or bytes, and return the path, which has no extension."""

    def save_to_file(image, image_format="PNG", **options):
        path = tmp_path / "image"
        path.write_bytes(image if isinstance(image, bytes) else encode(image, format=image_format, **options))
        return path

    return save_to_file


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("camera.png", (512, 512)),
        ("astronaut.png", (512, 512, 3)),
        ("retina.jpg", (1411, 1411, 3)),
        ("horse.png", (328, 400, 4)),
        ("logo.png", (500, 500, 4)),
        ("multipage.tif", (15, 10)),
        ("no_time_for_that_tiny.gif", (25, 14, 3)),
    ],
)
@pytest.mark.parametrize("kind", [str, Path])
def test_photographs_load_with_their_shape(kind, name, shape):
    image = load_image(kind(DATA / name))
    assert image.shape == shape
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable


def test_pixels_are_exact_and_in_the_order_red_green_blue(save):
    np.testing.assert_array_equal(load_image(DATA / "astronaut.png"), skimage.data.astronaut())
    assert load_image(save(Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_loads_whole_and_no_truncated_file_loads_padded(save, name):
    data = encode(PHOTO, **{"format": name, **FORMATS[name]})
    whole = load_image(save(data))
    assert whole.shape == (60, 90, 3)
    for n_bytes in [
        1,
        2,
        4,
        10,
        100,
        len(data) // 4,
        len(data) // 2,
        len(data) * 3 // 4,
        len(data) - 30,
        len(data) - 1,
    ]:
        try:
            image = load_image(save(data[:n_bytes]))
        except ImageError:
            continue
        np.testing.assert_array_equal(image, whole)  # only what follows the last pixel was cut


@pytest.mark.parametrize("n_bytes", [200, 2000])
def test_a_truncated_file_is_named_with_its_size_and_the_cure(save, n_bytes):
    path = save(encode(PHOTO, format="JPEG", quality=95)[:n_bytes])
    with pytest.raises(
        ImageError, match=rf"image \({n_bytes:,} bytes\) cannot be decoded: .*; fetch it again or leave"
    ):
        load_image(path)


def test_an_empty_file_is_named(save):
    with pytest.raises(ImageError, match=r"image is empty \(0 bytes\): fetch it again or leave it out"):
        load_image(save(b""))


def test_a_web_page_is_no_image_and_its_beginning_is_shown(save):
    with pytest.raises(ImageError, match=r"is no image that can be read \(it begins with b'<!doctype html>"):
        load_image(save(b"<!doctype html><p>404 not found</p>"))


def test_a_damaged_header_names_the_format(save):
    with pytest.raises(ImageError, match=r"PNG: "):
        load_image(save(encode(PHOTO, format="PNG")[:20] + b"garbage" * 10))


def test_postscript_is_not_run(save):
    with pytest.raises(ImageError, match="is no image that can be read"):
        load_image(save(encode(PHOTO, format="EPS")))


def test_a_missing_file_stays_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        load_image(tmp_path / "missing.png")
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        load_bytes(tmp_path / "missing.png")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        load_image(tmp_path)


def test_a_disk_that_fails_is_not_taken_for_a_bad_image(save, monkeypatch):
    def fail(self):
        raise OSError(5, "Input/output error")

    path = save(PHOTO)
    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(OSError, match="Input/output error") as caught:
        load_image(path)
    assert not isinstance(caught.value, ImageError)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied(save, image_format, orientation):
    upright = np.asarray(PHOTO)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright),
        7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = load_image(save(Image.fromarray(stored), image_format, exif=exif))
    assert image.shape == upright.shape
    assert np.abs(image.astype(int) - upright).mean() < 8
    assert image.flags.c_contiguous


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_an_unreadable_exif_block_does_not_cost_the_image(save, exif):
    assert load_image(save(PHOTO, "JPEG", exif=exif)).shape == (60, 90, 3)


def test_a_palette_becomes_rgb_or_rgba_when_it_has_transparency(save):
    palette = PHOTO.convert("P")
    np.testing.assert_array_equal(load_image(save(palette)), np.asarray(palette.convert("RGB")))
    transparent = load_image(save(palette, transparency=palette.getpixel((0, 0))))
    assert transparent.shape == (60, 90, 4)
    assert transparent[0, 0, 3] == 0
    assert 255 in transparent[..., 3]
    by_bytes = load_image(save(palette, transparency=bytes([100] * 256)))
    assert np.unique(by_bytes[..., 3]).tolist() == [100]


def test_one_bit_becomes_gray_of_0_and_255(save):
    bits = np.array([[True, False, False], [False, True, True]])
    image = load_image(save(Image.fromarray(bits)))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, bits * 255)


def test_gray_with_alpha_becomes_rgba(save):
    gray = Image.new("LA", (2, 1), (50, 99))
    assert load_image(save(gray)).tolist() == [[[50, 50, 50, 99]] * 2]


def test_a_transparent_colour_of_a_gray_or_rgb_file_becomes_alpha(save):
    assert load_image(save(Image.new("L", (1, 1), 7), transparency=7)).tolist() == [[[7, 7, 7, 0]]]
    assert load_image(save(Image.new("RGB", (1, 1), (1, 2, 3)), transparency=(1, 2, 3))).tolist() == [[[1, 2, 3, 0]]]


@pytest.mark.parametrize(
    ("mode", "image_format"),
    [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("YCbCr", "TIFF"), ("YCbCr", "JPEG"), ("LAB", "TIFF")],
)
def test_other_colour_spaces_become_rgb(save, mode, image_format):
    if mode == "LAB":
        from PIL import ImageCms

        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        photo = ImageCms.profileToProfile(PHOTO, srgb, lab, outputMode="LAB")
    else:
        photo = PHOTO.convert(mode)
    image = load_image(save(photo, image_format))
    assert image.shape == (60, 90, 3)
    assert np.abs(image.astype(int) - np.asarray(PHOTO)).mean() < 9


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_gray_loses_its_low_byte(save, image_format):
    values = np.array([[0, 255, 256], [0x1234, 0xFF00, 0xFFFF]], np.uint16)
    assert load_image(save(Image.fromarray(values), image_format)).tolist() == [[0, 0, 1], [0x12, 0xFF, 0xFF]]


@pytest.mark.parametrize("value", [-1, 65536])
def test_integers_beyond_sixteen_bits_are_an_error_with_their_range(save, value):
    path = save(Image.fromarray(np.array([[0, value]], np.int32)), "TIFF")
    with pytest.raises(ImageError, match=f"holds integers from {min(0, value)} to {max(0, value)}"):
        load_image(path)


def test_floats_are_an_error(save):
    with pytest.raises(ImageError, match="mode F, which are no colours from 0 to 255: write a load function"):
        load_image(save(Image.new("F", (2, 2)), "TIFF"))


def test_an_animation_gives_its_first_frame(save):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    image = load_image(save(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert image[0, 0].tolist() == [255, 0, 0]


def test_an_image_over_the_limit_is_refused_with_both_numbers_before_it_is_decoded(save):
    path = save(encode(PHOTO, format="BMP")[:200])  # too short to decode
    with pytest.raises(
        ImageTooLargeError, match="has 60 x 90 = 5,400 pixels, and the limit is 5,399: leave it out, or"
    ):
        load_image(path, max_pixels=5399)


def test_an_image_at_the_limit_loads(save):
    assert load_image(save(PHOTO), max_pixels=5400).shape == (60, 90, 3)


@pytest.mark.parametrize(
    ("image_format", "pillow_limit"),
    [("PNG", 4000), ("JPEG", 4000), ("GIF", 4000), ("WEBP", 4000), ("PNG", 100), ("JPEG", 100), ("GIF", 100)],
)
def test_our_limit_holds_in_place_of_those_where_pillow_warns_and_refuses(
    save, monkeypatch, recwarn, image_format, pillow_limit
):
    path = save(PHOTO, image_format)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow_limit)
    assert load_image(path).shape == (60, 90, 3)
    assert len(recwarn) == 0


@pytest.mark.parametrize("image_format", ["WEBP", "TIFF"])
def test_what_a_decoder_of_pillow_refuses_is_too_large(save, monkeypatch, image_format):
    path = save(PHOTO, image_format)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageTooLargeError, match=r"is larger than Pillow allows .* raise PIL\.Image\.MAX_IMAGE_PIXELS"):
        load_image(path)


def test_pillows_switch_for_truncated_files_is_refused(save, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(SettingsError, match=r"LOAD_TRUNCATED_IMAGES is set, .*: set it to False"):
        load_image(save(PHOTO))


def test_many_threads_load_what_one_loads(tmp_path):
    paths = [DATA / name for name in ("camera.png", "chelsea.png", "rocket.jpg", "horse.png")] * 4
    barrier = threading.Barrier(8)

    def load(path):
        barrier.wait(timeout=60)
        return load_image(path)

    with ThreadPoolExecutor(8) as executor:
        for path, image in zip(paths, executor.map(load, paths), strict=True):
            np.testing.assert_array_equal(image, load_image(path))


@pytest.mark.parametrize("data", [b"", b"\0", b"many bytes" * 1000])
def test_bytes_are_loaded_as_they_are(save, data):
    assert load_bytes(save(data)) == data
    assert load_bytes(str(save(data))) == data


@pytest.mark.parametrize("memory_map", [False, True])
def test_an_array_is_loaded_or_mapped(tmp_path, memory_map):
    array = np.arange(12.0).reshape(3, 4)
    write_array(array, tmp_path / "a.npy")
    loaded = load_array(tmp_path / "a.npy", memory_map=memory_map)
    np.testing.assert_array_equal(loaded, array)
    assert isinstance(loaded, np.memmap) is memory_map
    assert loaded.flags.writeable is not memory_map


@pytest.mark.parametrize("memory_map", [False, True])
def test_an_array_of_objects_is_never_unpickled(tmp_path, memory_map):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(ImageError, match=r"a\.npy \([\d,]+ bytes\) holds Python objects, which are code: write"):
        load_array(tmp_path / "a.npy", memory_map=memory_map)


@pytest.mark.parametrize("data", [b"", b"\x80\x04N.", b"PK\x03\x04", b"<html>"], ids=["empty", "pickle", "npz", "web"])
def test_what_is_no_array_file_is_named(save, data):
    with pytest.raises(ImageError, match=rf"image \({len(data)} bytes\) is no \.npy file: write it with"):
        load_array(save(data))


@pytest.mark.parametrize("memory_map", [False, True])
@pytest.mark.parametrize("n_bytes", [6, 8, 20, 100, 127, 128, 200])
def test_a_truncated_array_file_is_named(save, n_bytes, memory_map):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((5, 5)))
    with pytest.raises(ImageError, match=rf"image \({n_bytes} bytes\) is no whole \.npy file \(.+\): make it again or"):
        load_array(save(buffer.getvalue()[:n_bytes]), memory_map=memory_map)


def test_a_missing_array_file_stays_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.npy"):
        load_array(tmp_path / "missing.npy")


@pytest.mark.parametrize("name", ["rocket.jpg", "retina.jpg", "coffee.png", "horse.png", "camera.png"])
def test_an_image_that_is_loaded_gray_is_what_to_grayscale_makes_of_it(name):
    path = Path(skimage.__file__).parent / "data" / name
    if not path.exists():
        path = path.with_name("chelsea.png")
    gray, colour = load_image(path, gray=True), load_image(path)
    expected = to_grayscale(colour)
    assert gray.shape == expected.shape
    difference = np.abs(gray.astype(int) - expected)
    assert difference.mean() < 0.6
    assert difference.max() <= (0 if name.endswith(".png") else 8)


def test_a_gray_image_may_be_decoded_at_a_reduced_scale_and_resized():
    path = Path(skimage.__file__).parent / "data" / "retina.jpg"
    assert load_image(path, gray=True, target_size=(300, 300)).shape == (353, 353)
    plan = ResizePlan(shape=(100, 100), mode="center_crop")
    gray, colour = load_resized_image(path, plan, gray=True), load_resized_image(path, plan)
    assert gray.shape == (100, 100)
    assert np.abs(gray.astype(int) - to_grayscale(colour)).mean() < 1
