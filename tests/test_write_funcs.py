"""Behaviour of tintype.write_funcs."""

import errno
import hashlib
import io
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw, JpegImagePlugin

from tintype.errors import ImageError, SettingsError
from tintype.load_funcs import load_array, load_image
from tintype.records import WrittenFile, current_file
from tintype.write_funcs import copy_file, files, link_file, symlink_file, write_array, write_bytes, write_image

ASTRONAUT = skimage.data.astronaut()
DATA = Path(skimage.data.__file__).parent
PHOTOGRAPHS = ["astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "retina.jpg"]
WRITERS = [copy_file, link_file, symlink_file]

one_channel = st.tuples(st.integers(1, 12), st.integers(1, 12))
channels = st.tuples(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3, 4]))


@pytest.fixture
def report(monkeypatch):
    """Be inside a run, and return what was reported last."""
    monkeypatch.setattr(current_file, "columns", {})
    monkeypatch.setattr(current_file, "written", None)
    return lambda: current_file.written


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in" / "source.bin"
    path.parent.mkdir()
    path.write_bytes(os.urandom(3_000_000))
    return path


def describe(data, path):
    return WrittenFile(str(path), hashlib.sha256(data).hexdigest(), len(data))


@given(
    image=arrays(np.uint8, one_channel | channels),
    compress_level=st.none() | st.integers(0, 9),
    extension=st.sampled_from(["png", "tif", "tiff"]),
)
@settings(deadline=None)
def test_png_and_tiff_read_back_exactly(tmp_path_factory, image, compress_level, extension):
    path = tmp_path_factory.getbasetemp() / "round" / f"trip.{extension}"
    write_image(image, path, compress_level=compress_level)
    expected = image[..., 0] if image.shape[2:] == (1,) else image
    np.testing.assert_array_equal(load_image(path), expected)


@pytest.mark.parametrize("extension", [".jpg", ".jpeg", ".JPG", ".webp", ".WebP"])
def test_lossy_formats_read_back_much_the_same(tmp_path, extension):
    write_image(ASTRONAUT, tmp_path / f"a{extension}")
    image = load_image(tmp_path / f"a{extension}")
    assert np.abs(image.astype(int) - ASTRONAUT).mean() < 3


def test_the_extension_names_the_format(tmp_path):
    for name, format_name in [
        ("a.jpg", "JPEG"),
        ("a.JPEG", "JPEG"),
        ("a.PNG", "PNG"),
        ("a.webp", "WEBP"),
        ("a.tif", "TIFF"),
        ("a.Tiff", "TIFF"),
    ]:
        write_image(ASTRONAUT, str(tmp_path / name))
        with Image.open(tmp_path / name) as image:
            assert image.format == format_name


def count_bytes(image, tmp_path, name="a.png", **options):
    write_image(image, tmp_path / name, **options)
    return (tmp_path / name).stat().st_size


def count_bytes_by_default(image, image_format="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, image_format, **options)
    return buffer.tell()


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("size", [224, 512, None])
def test_a_photograph_as_png_is_at_most_a_tenth_larger_than_by_pillows_default(tmp_path, name, size):
    with Image.open(DATA / name) as photo:
        image = np.asarray(photo if size is None else photo.resize((size, size)))
    assert count_bytes(image, tmp_path) <= 1.1 * count_bytes_by_default(image)


def draw_screenshot():
    image = Image.new("RGB", (600, 400), "white")
    draw = ImageDraw.Draw(image)
    for line in range(28):
        draw.text((20, 14 * line), "The quick brown fox jumps over the lazy dog, again and again. " * 2, fill="black")
    return np.asarray(image)


@pytest.mark.parametrize(
    "image",
    [
        draw_screenshot(),
        np.asarray(Image.open(DATA / "chessboard_RGB.png")),
        np.asarray(Image.fromarray(ASTRONAUT).quantize(16).convert("RGB")),
        np.kron(np.eye(20, dtype=np.uint8), np.full((20, 20), 255, np.uint8)),
        np.zeros((1, 1), np.uint8),
        np.zeros((50, 1, 3), np.uint8),
    ],
    ids=["screenshot", "chessboard", "poster", "mask", "pixel", "column"],
)
def test_a_drawing_as_png_is_no_larger_than_by_pillows_default(tmp_path, image):
    assert count_bytes(image, tmp_path) <= 1.01 * count_bytes_by_default(image)


def test_a_png_level_is_zlibs_with_its_usual_strategy(tmp_path):
    for level in (0, 1, 6, 9):
        assert count_bytes(ASTRONAUT, tmp_path, compress_level=level) == count_bytes_by_default(
            ASTRONAUT, compress_level=level
        )


def test_tiff_is_compressed(tmp_path):
    assert count_bytes(ASTRONAUT, tmp_path, "a.tif") < 0.8 * ASTRONAUT.nbytes
    with Image.open(tmp_path / "a.tif") as image:
        assert image.info["compression"] == "tiff_lzw"


def measure_psnr(image, reference):
    return 10 * np.log10(255**2 / np.mean((image.astype(float) - reference) ** 2))


@pytest.mark.parametrize("quality", [20, 75, 95, 96, 100])
@pytest.mark.parametrize(
    "image", [ASTRONAUT, ASTRONAUT[..., 0], ASTRONAUT[..., :1]], ids=["RGB", "gray", "one channel"]
)
def test_a_jpeg_is_much_like_one_that_pillow_writes(tmp_path, quality, image):
    plane = image[..., 0] if image.shape[2:] == (1,) else image
    buffer = io.BytesIO()
    Image.fromarray(plane).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    assert count_bytes(image, tmp_path, "a.jpg", quality=quality) < 1.02 * buffer.tell()
    ours, pillows = load_image(tmp_path / "a.jpg"), np.asarray(Image.open(buffer))
    if quality >= 96:  # where both take the exact transform
        np.testing.assert_array_equal(ours, pillows)
    assert measure_psnr(ours, plane) > measure_psnr(pillows, plane) - 1


@pytest.mark.parametrize("extension", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize(
    "view",
    [lambda a: a[::-2, :, ::-1], lambda a: a.swapaxes(0, 1), np.asfortranarray, lambda a: a[..., 1:2], np.flipud],
    ids=["strided", "turned", "Fortran", "one channel", "upside down"],
)
def test_views_and_read_only_arrays_are_written_as_their_copies_are(tmp_path, extension, view):
    image = ASTRONAUT.copy()
    image.flags.writeable = False
    write_image(view(image), tmp_path / f"a.{extension}")
    write_image(view(image).copy(order="C"), tmp_path / f"b.{extension}")
    assert (tmp_path / f"a.{extension}").read_bytes() == (tmp_path / f"b.{extension}").read_bytes()
    np.testing.assert_array_equal(image, ASTRONAUT)


def test_webp_keeps_alpha(tmp_path):
    image = np.dstack([ASTRONAUT, np.full((512, 512), 77, np.uint8)])
    write_image(image, tmp_path / "a.webp")
    assert np.unique(load_image(tmp_path / "a.webp")[..., 3]).tolist() == [77]


@pytest.mark.parametrize("extension", ["jpg", "webp"])
def test_lower_quality_makes_smaller_files(tmp_path, extension):
    for quality in (95, 20):
        write_image(ASTRONAUT, tmp_path / f"{quality}.{extension}", quality=quality)
    assert (tmp_path / f"20.{extension}").stat().st_size < (tmp_path / f"95.{extension}").stat().st_size


def test_jpeg_halves_the_chroma(tmp_path):
    write_image(ASTRONAUT, tmp_path / "a.jpg", quality=100)
    with Image.open(tmp_path / "a.jpg") as image:
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        assert JpegImagePlugin.get_sampling(image) == 2  # Pillow's number for 4:2:0


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_pillow_image_is_written_as_it_is(tmp_path, mode):
    image = Image.fromarray(ASTRONAUT).convert(mode)
    write_image(image, tmp_path / "a.png")
    np.testing.assert_array_equal(load_image(tmp_path / "a.png"), np.asarray(image))


def test_the_callers_array_is_not_changed_and_may_be_read_only_or_strided(tmp_path):
    image = ASTRONAUT.copy()
    image.flags.writeable = False
    write_image(image[::-2, :, ::-1], tmp_path / "a.png")
    np.testing.assert_array_equal(image, ASTRONAUT)
    np.testing.assert_array_equal(load_image(tmp_path / "a.png"), ASTRONAUT[::-2, :, ::-1])


@pytest.mark.parametrize(
    ("image", "name", "message"),
    [
        (ASTRONAUT, "a.bmp", r"a\.bmp: '\.bmp' is none of the extensions \.jpg, \.jpeg, \.png, \.tif, \.tiff, \.webp"),
        (ASTRONAUT, "a", "'' is none of the extensions"),
        (
            np.zeros((2, 2, 4), np.uint8),
            "a.jpg",
            r"a\.jpg: JPEG has no alpha channel, so write \.png or \.webp, or drop",
        ),
        (np.zeros((0, 2), np.uint8), "a.png", r"a\.png from a uint8 array of shape \(0, 2\): it has no pixels"),
        (np.zeros((2, 0, 3), np.uint8), "a.png", r"shape \(2, 0, 3\): it has no pixels"),
        (np.zeros((2, 2)), "a.png", r"float64 array of shape \(2, 2\): give uint8, for example with skimage"),
        (np.zeros((2, 2), bool), "a.png", "bool array"),
        (np.zeros((2, 2, 2), np.uint8), "a.png", r"shape \(2, 2, 2\): give \(rows, columns\)"),
        (np.zeros(2, np.uint8), "a.png", r"shape \(2,\)"),
        (None, "a.png", r"a\.png from NoneType: give a NumPy array"),
        (Image.new("CMYK", (2, 2)), "a.jpg", "Pillow image of mode CMYK: give one of L, RGB, RGBA"),
        (Image.new("RGB", (0, 2)), "a.png", r"size \(0, 2\): it has no pixels"),
        (np.zeros((1, 70_000), np.uint8), "a.jpg", "as JPEG from 1 x 70000 pixels"),
        (np.zeros((1, 17_000), np.uint8), "a.webp", "as WEBP from 1 x 17000 pixels"),
    ],
)
def test_what_cannot_be_written_is_named_and_leaves_nothing(tmp_path, image, name, message):
    with pytest.raises(ImageError, match=message):
        write_image(image, tmp_path / "new" / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"quality": 0}, {"quality": 101}, {"compress_level": 10}, {"compress_level": -1}])
def test_options_out_of_range_are_named(tmp_path, options):
    [(name, value)] = options.items()
    with pytest.raises(SettingsError, match=f"{name}={value}: give a whole number from"):
        write_image(ASTRONAUT, tmp_path / "a.png", **options)


def test_an_image_reports_the_digest_of_its_file(tmp_path, report):
    write_image(ASTRONAUT, tmp_path / "a.png")
    assert report() == describe((tmp_path / "a.png").read_bytes(), tmp_path / "a.png")


@pytest.mark.parametrize("data", [b"", b"\0", b"many bytes" * 1000], ids=["zero", "one", "many"])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_written_and_reported(tmp_path, report, kind, data):
    path = tmp_path / "a" / "b" / "c.bin"
    write_bytes(kind(data), path)
    assert path.read_bytes() == data
    assert report() == describe(data, path)


def test_nothing_is_reported_outside_a_run(tmp_path):
    write_bytes(b"data", tmp_path / "a")
    assert current_file.written is None


def test_a_bare_file_name_is_written_to_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_bytes(b"data", "a.bin")
    assert Path("a.bin").read_bytes() == b"data"


def test_permissions_follow_the_umask(tmp_path):
    write_bytes(b"data", tmp_path / "ours")
    (tmp_path / "theirs").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


def test_many_threads_make_one_folder(tmp_path):
    barrier = threading.Barrier(16)

    def write(number):
        barrier.wait(timeout=60)
        write_bytes(b"data", tmp_path / "a" / "b" / "c" / str(number))

    with ThreadPoolExecutor(16) as executor:
        list(executor.map(write, range(16)))
    assert len(list((tmp_path / "a" / "b" / "c").iterdir())) == 16


def test_short_writes_are_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    write_bytes(b"many bytes" * 10, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"many bytes" * 10


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt("stop")], ids=["disk", "Ctrl-C"]
)
def test_an_error_half_way_leaves_no_file_and_no_descriptor(tmp_path, monkeypatch, report, error):
    write = os.write
    calls: list[int] = []

    def write_once(descriptor, data):
        if calls:
            raise error
        calls.append(descriptor)
        return write(descriptor, data[:7])

    monkeypatch.setattr(os, "write", write_once)
    with pytest.raises(type(error), match=str(error.args[-1])):
        write_bytes(b"many bytes", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
    assert report() is None
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(calls[0])


def test_a_write_error_names_the_file(tmp_path, monkeypatch):
    def fail(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OSError, match=r"No space left on device: '.*/a\.bin'"):
        write_bytes(b"data", tmp_path / "a.bin")


@pytest.mark.parametrize("call", ["write_bytes(bytes(10**6), path)", "copy_file(source, path)"])
def test_a_limit_on_file_size_leaves_no_file(tmp_path, source, call):
    code = (
        "import resource, sys\n"
        "from tintype.write_funcs import copy_file, write_bytes\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5 * 2**16, 5 * 2**16))\n"
        "source, path = sys.argv[1:]\n" + call
    )
    path = tmp_path / "out" / "a.bin"
    result = subprocess.run([sys.executable, "-c", code, str(source), str(path)], capture_output=True, text=True)
    assert result.returncode == 1
    assert f"File too large: '{path}'" in result.stderr
    assert list(path.parent.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB; only root can mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if (
        sys.platform != "linux"
        or shutil.which("mount") is None
        or subprocess.run(mount, capture_output=True).returncode
    ):
        pytest.skip("no right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_no_file_and_room_for_a_smaller_one(small_disk, source):
    with pytest.raises(OSError, match=r"No space left on device: '.*disk/a\.bin'"):
        write_bytes(bytes(10**6), small_disk / "a.bin")
    with pytest.raises(OSError, match=r"No space left on device: '.*disk/a\.png'"):
        write_image(ASTRONAUT, small_disk / "a.png")
    with pytest.raises(OSError, match=r"No space left on device: '.*disk/b\.bin'"):
        copy_file(source, small_disk / "b.bin")
    assert list(small_disk.iterdir()) == []
    write_bytes(bytes(1000), small_disk / "c.bin")


def test_a_hard_link_to_another_disk_says_to_copy(small_disk, source, report):
    with pytest.raises(OSError, match="no hard link can be made here, so use copy_file or symlink_file") as caught:
        link_file(source, small_disk / "a.bin")
    assert caught.value.errno == errno.EXDEV
    assert (caught.value.filename, caught.value.filename2) == (str(source), str(small_disk / "a.bin"))
    assert report() is None


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("kind", [str, Path])
def test_the_new_file_has_the_bytes_and_reports_them(tmp_path, source, report, writer, kind):
    path = tmp_path / "out" / "a" / "b.bin"
    assert writer(kind(source), kind(path)) is None
    assert path.read_bytes() == source.read_bytes()
    assert report() == describe(source.read_bytes(), path)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("data", [b"", b"1"], ids=["zero", "one"])
def test_small_files_arrive_too(tmp_path, report, writer, data):
    (tmp_path / "small").write_bytes(data)
    writer(tmp_path / "small", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data
    assert report() == describe(data, tmp_path / "out")


@pytest.mark.parametrize("writer", WRITERS)
def test_a_link_as_source_is_followed(tmp_path, source, writer):
    (tmp_path / "link").symlink_to(source)
    writer(tmp_path / "link", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == source.read_bytes()
    if writer is not symlink_file:
        assert not (tmp_path / "out").is_symlink()


@pytest.mark.parametrize("writer", WRITERS)
def test_a_missing_source_is_named_and_nothing_is_made(tmp_path, report, writer):
    with pytest.raises(FileNotFoundError, match=r"missing\.bin"):
        writer(tmp_path / "missing.bin", tmp_path / "out" / "a.bin")
    assert list(tmp_path.iterdir()) == []
    assert report() is None


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_can_be_replaced_again_and_again(tmp_path, source, writer):
    path = tmp_path / "out"
    path.write_bytes(b"old")
    for _ in range(3):
        writer(source, path)
        assert path.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_does_not_replace_itself(tmp_path, source, writer):
    data = source.read_bytes()
    (tmp_path / "link").symlink_to(source)
    for first, second in [(source, source), (tmp_path / "link", source), (tmp_path / "link", tmp_path / "link")]:
        with pytest.raises(shutil.SameFileError, match="is the same file: give another path"):
            writer(first, second)
        with pytest.raises(shutil.SameFileError, match="is the same file"):
            writer(first, second.parent / ".." / second.parent.name / second.name)
    assert source.read_bytes() == data
    assert (tmp_path / "link").readlink() == source


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_writing_over_a_link_leaves_the_other_file_alone(tmp_path, source, link):
    data = source.read_bytes()
    link(source, tmp_path / "out")
    write_bytes(b"new", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"new"
    assert source.read_bytes() == data
    assert not (tmp_path / "out").is_symlink()


@pytest.mark.parametrize("write", [write_bytes, *WRITERS])
def test_a_folder_is_not_replaced(tmp_path, source, write):
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError, match="a folder or device has this name, and only files are replaced"):
        write(b"data" if write is write_bytes else source, tmp_path / "out")
    assert (tmp_path / "out").is_dir()


def test_a_copy_keeps_the_time_and_not_the_permissions(tmp_path, source):
    os.utime(source, ns=(10**18, 10**18 + 5))
    source.chmod(0o400)
    copy_file(source, tmp_path / "out")
    assert (tmp_path / "out").stat().st_mtime_ns == 10**18 + 5
    assert (tmp_path / "out").stat().st_mode & 0o200


def test_a_file_that_grows_while_it_is_copied_is_reported_as_copied(tmp_path, source, report, monkeypatch):
    write_all = files.write_all
    grown: list[int] = []

    def grow_and_write(descriptor, data, name):
        if not grown:
            with source.open("ab") as file:
                grown.append(file.write(b"more"))
        write_all(descriptor, data, name)

    monkeypatch.setattr(files, "write_all", grow_and_write)
    copy_file(source, tmp_path / "out")
    copied = (tmp_path / "out").read_bytes()
    assert len(copied) == 3_000_004
    assert report() == describe(copied, tmp_path / "out")


def test_a_hard_link_is_the_same_file(tmp_path, source):
    link_file(source, tmp_path / "out" / "a")
    assert (tmp_path / "out" / "a").samefile(source)
    assert source.stat().st_nlink == 2


def test_a_symbolic_link_is_absolute_even_from_a_relative_source(tmp_path, source, monkeypatch):
    monkeypatch.chdir(source.parent)
    symlink_file(source.name, tmp_path / "out" / "a")
    assert (tmp_path / "out" / "a").readlink() == source


plain_dtypes = st.one_of(
    st.just(np.dtype(bool)),
    npst.integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?"),
    npst.complex_number_dtypes(endianness="?"),
    npst.datetime64_dtypes(endianness="?"),
    npst.timedelta64_dtypes(endianness="?"),
    npst.byte_string_dtypes(),
    npst.unicode_string_dtypes(endianness="?"),
)
dtypes = plain_dtypes | npst.array_dtypes(plain_dtypes, max_size=3)


@given(data=st.data(), dtype=dtypes, shape=npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
@settings(deadline=None)
def test_arrays_of_every_dtype_and_order_read_back_as_they_were(tmp_path_factory, data, dtype, shape):
    array = np.asarray(data.draw(arrays(dtype, shape)))
    array = data.draw(st.sampled_from([array, np.asfortranarray(array), array.T, array[..., ::-1] if shape else array]))
    path = tmp_path_factory.getbasetemp() / "round" / "trip.npy"
    write_array(array, path)
    loaded = load_array(path)
    assert (loaded.dtype, loaded.shape) == (array.dtype, array.shape)
    assert loaded.tobytes() == array.tobytes()
    if array.flags.c_contiguous or array.flags.f_contiguous:
        assert loaded.flags.f_contiguous == array.flags.f_contiguous
    assert np.load(path, allow_pickle=False).tobytes() == array.tobytes()


def test_an_array_reports_the_digest_of_its_file_however_large(tmp_path, report):
    array = np.arange(5_000_000, dtype=np.float64).reshape(1000, 5000).T  # more than NumPy writes at once
    write_array(array, tmp_path / "new" / "a.npy")
    assert report() == describe((tmp_path / "new" / "a.npy").read_bytes(), tmp_path / "new" / "a.npy")
    np.testing.assert_array_equal(load_array(tmp_path / "new" / "a.npy"), array)


def test_an_array_whose_header_is_long_or_has_other_letters_is_written_without_a_warning(tmp_path):
    for dtype in ([("größe", "i4"), ("面", "f8")], [(f"column_{n}", "i4") for n in range(300)]):
        write_array(np.zeros(2, dtype), tmp_path / "a.npy")
        assert load_array(tmp_path / "a.npy").dtype.names == np.dtype(dtype).names


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{}]), r"a\.npy from an array of dtype object, which holds Python objects: give one of numbers, or"),
        (np.zeros(2, [("a", object)]), r"which holds Python objects"),
        (
            np.ma.masked_array([1, 2], [True, False]),
            r"from a masked array, whose mask would be lost: give array\.filled",
        ),
        ([1, 2], r"a\.npy from list: give a NumPy array, such as numpy\.asarray\(data\)"),
        (None, "from NoneType: give a NumPy array"),
    ],
)
def test_an_array_that_cannot_be_read_back_is_refused_and_leaves_nothing(tmp_path, array, message):
    with pytest.raises(SettingsError, match=message):
        write_array(array, tmp_path / "new" / "a.npy")
    assert list(tmp_path.iterdir()) == []
