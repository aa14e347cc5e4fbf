"""Behaviour of tintype.ops.faces and tintype.ops.face_detectors."""

import hashlib
import pickle
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tintype.errors import ImageError, MissingPackageError, SettingsError
from tintype.ops import (
    Box,
    CascadeDetector,
    HaarDetector,
    SsdDetector,
    YuNetDetector,
    face_detectors,
    find_faces,
    remove_faces,
)
from tintype.ops.face_detectors import make_ssd_input, read_ssd, read_yunet
from tintype.ops.faces import to_uint8_rgb

ASTRONAUT = skimage.data.astronaut()
FACELESS = [skimage.data.chelsea(), skimage.data.coffee(), skimage.data.rocket()]
FACE = Box(66, 176, 95, 95)
NO_DIGEST = "0" * 64


@pytest.fixture(autouse=True)
def _no_models(monkeypatch):
    """Let each test load its models itself."""
    monkeypatch.setattr(face_detectors, "_of_process", {})
    monkeypatch.setattr(face_detectors, "_of_thread", face_detectors.ThreadModels())


def share(a: Box, b: Box) -> float:
    """Return intersection over union."""
    rows = max(0, min(a.bottom, b.bottom) - max(a.top, b.top))
    columns = max(0, min(a.right, b.right) - max(a.left, b.left))
    return rows * columns / (a.height * a.width + b.height * b.width - rows * columns)


def find_nothing(image):
    return []


def find_here(*boxes):
    return lambda image: boxes


# Finding


@pytest.mark.parametrize("scale", [0.6, 1, 2.5])
def test_one_face_is_found_at_every_size(scale):
    side = int(512 * scale)
    photo = np.asarray(Image.fromarray(ASTRONAUT).resize((side, side)))
    [face] = find_faces(photo)
    assert share(face, Box(*(int(number * scale) for number in FACE))) > 0.5


def test_no_face_is_found_in_photographs_without():
    assert [find_faces(photo) for photo in FACELESS] == [[], [], []]


def test_two_faces_are_found_the_larger_first():
    both = np.zeros((512, 1024, 3), np.uint8)
    both[128:384, 100:356] = np.asarray(Image.fromarray(ASTRONAUT).resize((256, 256)))
    both[:, 512:] = ASTRONAUT
    detector = CascadeDetector(max_side=512, min_face=0.04, min_neighbours=5)
    large, small = (face for face in find_faces(both, detector) if face.top < 250)
    assert share(large, Box(66, 688, 95, 95)) > 0.4
    assert share(small, Box(161, 188, 48, 48)) > 0.4


@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64"])
def test_a_face_is_found_in_every_dtype(dtype):
    scale = 257 if dtype == "uint16" else 1 / 255
    assert find_faces((ASTRONAUT * np.float64(scale)).astype(dtype)) == find_faces(ASTRONAUT)


def test_a_face_is_found_in_gray_with_an_axis_and_with_alpha():
    gray = np.asarray(Image.fromarray(ASTRONAUT).convert("L"))
    assert find_faces(gray) == find_faces(gray[..., np.newaxis]) == find_faces(ASTRONAUT)
    assert find_faces(np.dstack([ASTRONAUT, gray])) == find_faces(ASTRONAUT)


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (23, 23), (25, 24), (600, 3)])
def test_tiny_and_narrow_images_have_no_faces(shape):
    assert find_faces(np.full(shape, 100, np.uint8)) == []


def test_a_detector_gets_uint8_rgb_whatever_the_image():
    red = np.zeros((2, 3, 4), np.uint8)
    red[..., 0] = 255
    expected = red[..., :3]
    for image in (red, red / 255, red.astype(np.uint16) * 257, red > 0):
        np.testing.assert_array_equal(to_uint8_rgb(image), expected)
    for gray in (np.full((2, 3), 9, np.uint8), np.full((2, 3, 1), 9, np.uint8)):
        np.testing.assert_array_equal(to_uint8_rgb(gray), np.full((2, 3, 3), 9))
    assert to_uint8_rgb(np.array([[True, False]])).tolist() == [[[255] * 3, [0] * 3]]


def test_boxes_are_rounded_outwards_cut_at_the_edges_and_sorted():
    boxes = [(8.5, 1.2, 1.1, 1.1), (-5, -5, 10, 8), (0, 0, 0, 5), (20, 0, 5, 5), (0, 5, 1, 2), (0, 3, 2, 1)]
    assert find_faces(np.zeros((10, 10), np.uint8), find_here(*boxes)) == [
        Box(0, 0, 5, 3),
        Box(8, 1, 2, 2),
        Box(0, 3, 2, 1),
        Box(0, 5, 1, 2),
    ]


@pytest.mark.parametrize("found", [None, [(1, 2, 3)], [("a", 0, 0, 0)], [(float("nan"), 0, 1, 1)], 5])
def test_a_detector_that_returns_no_boxes_is_named(found):
    with pytest.raises(SettingsError, match=r"returned .*: give boxes of four numbers, \(top, left, height, width\)"):
        find_faces(ASTRONAUT, lambda image: found)


def test_what_is_no_detector_is_named():
    with pytest.raises(SettingsError, match="detector='haar': give a function from an image to boxes"):
        find_faces(ASTRONAUT, "haar")  # type: ignore[arg-type]


@pytest.mark.parametrize("op", [find_faces, remove_faces])
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\): it has no pixels"),
        (np.array([[0.0, 254.0]]), r"float64 array with values from 0\.0 to 254\.0: give floats from 0 to 1"),
        (np.array([[0.0, np.nan]]), "values from nan to nan"),
        ("cat.png", "str: give a NumPy array"),
    ],
)
def test_an_array_that_is_no_image_is_named(op, image, message):
    with pytest.raises(ImageError, match=message):
        op(image)


# Removing


def test_crop_keeps_what_is_below_the_lowest_face_and_its_pad():
    detector = find_here((10, 40, 30, 30), (100, 5, 20, 20))
    cropped = remove_faces(ASTRONAUT, detector=detector)
    np.testing.assert_array_equal(cropped, ASTRONAUT[135:])
    assert not np.shares_memory(cropped, ASTRONAUT)
    np.testing.assert_array_equal(remove_faces(ASTRONAUT, detector=detector, pad=0), ASTRONAUT[120:])


@pytest.mark.parametrize(
    ("box", "options"), [((400, 0, 62, 9), {}), ((0, 0, 512, 512), {}), ((0, 0, 512, 512), {"min_left": 1e-9})]
)
def test_an_image_that_is_all_face_is_an_error_and_no_empty_image(box, options):
    message = r"an image of 512 rows below its lowest face, which ends at row \d+: with pad=15 that leaves \d+ rows"
    with pytest.raises(ImageError, match=message):
        remove_faces(ASTRONAUT, detector=find_here(box), **options)


def test_crop_leaves_exactly_the_least_part_if_that_is_left():
    image = np.zeros((100, 10), np.uint8)
    assert remove_faces(image, detector=find_here((0, 0, 90, 10)), pad=0, min_left=0.1).shape == (10, 10)
    with pytest.raises(ImageError, match=r"leaves 9 rows, less than min_left=0\.1 of all; blur, pixelate or mask"):
        remove_faces(image, detector=find_here((0, 0, 91, 10)), pad=0, min_left=0.1)


@pytest.mark.parametrize("mode", ["crop", "blur", "pixelate", "mask"])
def test_an_image_without_faces_comes_back_as_a_copy(mode):
    result = remove_faces(ASTRONAUT, mode, detector=find_nothing)
    np.testing.assert_array_equal(result, ASTRONAUT)
    assert not np.shares_memory(result, ASTRONAUT)


@pytest.mark.parametrize("mode", ["blur", "pixelate", "mask"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "bool", "float32", "float64"])
@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_only_the_padded_boxes_change(mode, dtype, channels):
    shape = (60, 50) if channels is None else (60, 50, channels)
    image = np.random.default_rng(0).random(shape)
    image = {"uint8": image * 255, "uint16": image * 65535, "bool": image > 0.5}.get(dtype, image).astype(dtype)
    image.flags.writeable = False
    result = remove_faces(image, mode, pad=3, detector=find_here((20, 10, 9, 14), (0, 44, 5, 6)))
    inside = np.zeros((60, 50), bool)
    inside[17:32, 7:27] = True
    inside[:8, 41:] = True
    assert (result.dtype, result.shape) == (image.dtype, image.shape)
    np.testing.assert_array_equal(result[~inside], image[~inside])
    assert (result[inside] != image[inside]).mean() > 0.3
    assert result.min() >= 0
    assert result.max() <= image.max()


@pytest.mark.parametrize("mode", ["blur", "pixelate", "mask", "crop"])
def test_a_real_face_cannot_be_found_again(mode):
    assert find_faces(remove_faces(ASTRONAUT, mode)) == []


def test_pixelate_leaves_square_blocks_of_their_mean():
    image = ASTRONAUT[:60, :60]
    result = remove_faces(image, "pixelate", pad=0, n_blocks=3, detector=find_here((0, 0, 60, 40)))
    means = image[:, :40].reshape(3, 20, 2, 20, 3).mean(axis=(1, 3))
    np.testing.assert_array_equal(result[:, :40], np.rint(means).repeat(20, axis=0).repeat(20, axis=1))


def test_blur_goes_smoothly_through_the_means_of_the_blocks():
    image = np.zeros((60, 60), np.float64)
    image[20:40, 20:40] = 1
    result = remove_faces(image, "blur", pad=0, n_blocks=3, detector=find_here((0, 0, 60, 60)))
    assert np.abs(np.diff(result, axis=0)).max() < 0.06
    assert result[29:31, 29:31].min() > 0.9
    assert result[0, 0] == 0


def test_one_block_is_one_colour_and_more_blocks_than_pixels_are_fine():
    image = ASTRONAUT[:20, :20]
    one = remove_faces(image, "pixelate", n_blocks=1, detector=find_here((5, 5, 1, 1)))
    assert len(np.unique(one.reshape(-1, 3), axis=0)) == 1
    many = remove_faces(image, "pixelate", n_blocks=99, detector=find_here((5, 5, 1, 1)))
    np.testing.assert_array_equal(many, image)


@pytest.mark.parametrize(
    ("shape", "fill", "expected"),
    [
        ((4, 4), 7, 7),
        ((4, 4, 1), [7], [7]),
        ((4, 4, 3), 7, [7, 7, 7]),
        ((4, 4, 3), (1, 2, 3), [1, 2, 3]),
        ((4, 4, 4), 7, [7, 7, 7, 7]),
        ((4, 4, 4), (1, 2, 3, 4), [1, 2, 3, 4]),
    ],
)
def test_a_mask_has_the_colour_that_was_given(shape, fill, expected):
    image = np.full(shape, 50, np.uint8)
    result = remove_faces(image, "mask", pad=0, fill=fill, detector=find_here((1, 1, 2, 2)))
    np.testing.assert_array_equal(result[1, 1], expected)
    np.testing.assert_array_equal(result[0, 0], image[0, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "erase"}, "mode='erase': give one of crop, blur, pixelate, mask"),
        ({"pad": -1}, "pad=-1: give whole numbers of pixels, at least 0"),
        ({"pad": 1.5}, "pad=1.5: give whole"),
        ({"pad": True}, "pad=True"),
        ({"n_blocks": 0}, "n_blocks=0: give whole numbers of pixels, at least 1"),
        ({"min_left": 0}, "min_left=0: give a part of the rows"),
        ({"min_left": 1.1}, "min_left=1.1"),
        ({"min_left": "1"}, "min_left='1'"),
    ],
)
def test_an_option_that_cannot_be_used_is_named_before_faces_are_looked_for(options, message):
    with pytest.raises(SettingsError, match=message):
        remove_faces(ASTRONAUT, **options, detector=lambda image: pytest.fail("looked for faces"))


@pytest.mark.parametrize("fill", [256, -1, 0.5, (1, 2), float("nan"), "red"])
def test_a_mask_that_the_image_cannot_hold_is_named(fill):
    with pytest.raises(ImageError, match=r"cannot remove faces from a uint8 array .* with fill="):
        remove_faces(ASTRONAUT, "mask", fill=fill, detector=lambda image: pytest.fail("looked for faces"))


# Models

DETECTORS = [
    CascadeDetector(),
    HaarDetector(),
    YuNetDetector("a.onnx", NO_DIGEST),
    SsdDetector("a.pb", NO_DIGEST, "a.pbtxt", NO_DIGEST),
]


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: type(detector).__name__)
def test_detectors_are_values(detector):
    assert pickle.loads(pickle.dumps(detector)) == detector
    assert hash(pickle.loads(pickle.dumps(detector))) == hash(detector)
    with pytest.raises(AttributeError, match="cannot assign"):
        detector.max_side = 3


def run_in_threads(work, n_threads):
    """Call work(number) in so many threads that all start at once."""
    barrier = threading.Barrier(n_threads)

    def start(number):
        barrier.wait(timeout=30)
        return work(number)

    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(start, range(n_threads)))


def count_calls(monkeypatch, name):
    calls: list[object] = []
    original = getattr(face_detectors, name)

    def count(*args):
        calls.append(args)
        return original(*args)

    monkeypatch.setattr(face_detectors, name, count)
    return calls


def test_the_cascade_is_loaded_once_for_all_images_and_threads(monkeypatch):
    calls = count_calls(monkeypatch, "load_skimage_cascade")
    found = run_in_threads(lambda number: [find_faces(ASTRONAUT) for _ in range(2)], n_threads=4)
    assert len(calls) == 1
    assert all(faces == found[0][0] for of_thread in found for faces in of_thread)
    assert len(found[0][0]) == 1


def test_the_haar_cascade_is_loaded_once_in_each_thread(monkeypatch, cv2):
    calls = count_calls(monkeypatch, "load_haar_cascade")
    found = run_in_threads(lambda number: [find_faces(ASTRONAUT, HaarDetector()) for _ in range(3)], n_threads=4)
    assert len(calls) == 4
    assert all(faces == found[0][0] for of_thread in found for faces in of_thread)


def test_a_model_file_is_read_once_for_all_threads(monkeypatch, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    calls = count_calls(monkeypatch, "read_checked")
    contents = run_in_threads(lambda number: face_detectors.read_model(str(path), digest.upper()), n_threads=8)
    assert contents == [b"weights"] * 8
    assert len(calls) == 1


def test_a_model_that_failed_to_load_is_tried_again(tmp_path):
    path = tmp_path / "model.onnx"
    digest = hashlib.sha256(b"weights").hexdigest()
    with pytest.raises(SettingsError, match=r"model\.onnx cannot be read"):
        face_detectors.read_model(str(path), digest)
    path.write_bytes(b"weights")
    assert face_detectors.read_model(str(path), digest) == b"weights"


def test_a_model_file_that_is_missing_or_another_is_named(tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(SettingsError, match=r"model.onnx cannot be read \(No such file or directory\): put it there"):
        YuNetDetector(str(path), NO_DIGEST).load()
    path.write_bytes(b"weights")
    found = hashlib.sha256(b"weights").hexdigest()
    with pytest.raises(SettingsError, match=rf"model.onnx \(7 bytes\) has the sha256 {found}, and {NO_DIGEST} was exp"):
        YuNetDetector(str(path), NO_DIGEST).load()


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64, None, "0" * 65])
def test_what_is_no_sha256_is_named_at_once(digest):
    with pytest.raises(SettingsError, match="give 64 hexadecimal digits, as sha256sum prints them"):
        YuNetDetector("a.onnx", digest)
    with pytest.raises(SettingsError, match="SsdDetector got the sha256"):
        SsdDetector("a.pb", NO_DIGEST, "a.pbtxt", digest)


def test_an_ssd_model_of_unknown_kind_is_named():
    with pytest.raises(SettingsError, match=r"model_path='a.onnx': give a .caffemodel or a .pb file"):
        SsdDetector("a.onnx", NO_DIGEST, "a.pbtxt", NO_DIGEST)


def test_a_missing_opencv_names_its_cure(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    message = r"^finding faces with OpenCV needs opencv-python-headless: pip install 'tintype\[faces\]'$"
    with pytest.raises(MissingPackageError, match=message):
        find_faces(ASTRONAUT, HaarDetector())


def test_an_opencv_without_cascades_names_its_cure(monkeypatch):
    fake = type(sys)("cv2")
    fake.__version__ = "5.0.0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cv2", fake)
    with pytest.raises(
        MissingPackageError, match=r"OpenCV 5.0.0 has no CascadeClassifier; a version before 5 does: pip"
    ):
        find_faces(ASTRONAUT, HaarDetector())


def test_importing_ops_loads_neither_skimage_nor_opencv():
    code = "import sys, tintype.ops.faces; print(*sorted({'cv2', 'skimage', 'PIL', 'scipy'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "", "")


# OpenCV


def test_haar_finds_the_face_and_none_where_there_is_none(cv2):
    [face] = find_faces(ASTRONAUT, HaarDetector())
    assert share(face, FACE) > 0.5
    assert [find_faces(photo, HaarDetector()) for photo in FACELESS] == [[], [], []]


def test_a_cascade_that_opencv_does_not_bring_is_named(cv2):
    with pytest.raises(SettingsError, match=r"cascade='cats.xml', and OpenCV brings no such cascade at .*cats.xml"):
        find_faces(ASTRONAUT, HaarDetector(cascade="cats.xml"))


def test_ssd_input_is_blue_first_and_less_the_mean():
    blob = make_ssd_input(np.full((40, 70, 3), (200, 100, 50), np.uint8))
    assert blob.shape == (1, 3, 300, 300)
    assert blob.dtype == np.float32
    np.testing.assert_array_equal(blob[0, :, 7, 9], [50 - 104, 100 - 177, 200 - 123])


def test_ssd_input_agrees_with_opencv(cv2):
    side = np.ascontiguousarray(ASTRONAUT[:300, :300])
    expected = cv2.dnn.blobFromImage(np.ascontiguousarray(side[..., ::-1]), 1.0, (300, 300), (104, 177, 123))
    np.testing.assert_allclose(make_ssd_input(side), expected)


def test_ssd_output_becomes_boxes_of_the_certain_and_finite():
    rows = [
        (0, 1, 0.9, 0.1, 0.2, 0.3, 0.6),
        (0, 1, 0.4, 0.1, 0.2, 0.3, 0.6),
        (0, 1, 0.8, 0.1, np.nan, 0.3, 0.6),
    ]
    output = np.array(rows, np.float32).reshape(1, 1, 3, 7)
    [box] = read_ssd(output, 0.5, shape=(100, 200))
    assert box == pytest.approx((20, 20, 40, 40), abs=1e-3)
    assert read_ssd(np.zeros((1, 1, 0, 7), np.float32), 0.5, shape=(100, 200)) == []


def test_yunet_output_becomes_boxes():
    assert read_yunet(None) == []
    faces = np.zeros((2, 15), np.float32)
    faces[0, :4] = 1, 2, 3, 4
    faces[1, 0] = np.inf
    assert read_yunet(faces) == [(2, 1, 4, 3)]


# Small networks, written byte by byte: real files for OpenCV's readers, with no weights from elsewhere.


def write_varint(number):
    digits = []
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def field(number, value):
    """Return one field of a protocol buffer: an int, bytes, or text."""
    if isinstance(value, int):
        return write_varint(number << 3) + write_varint(value)
    content = value.encode() if isinstance(value, str) else value
    return write_varint(number << 3 | 2) + write_varint(len(content)) + content


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


PROTOTXT = """
name: "red_finder"
input: "data"
input_shape { dim: 1 dim: 3 dim: 300 dim: 300 }
layer { name: "mean" type: "Pooling" bottom: "data" top: "mean" pooling_param { pool: AVE global_pooling: true } }
layer { name: "row" type: "InnerProduct" bottom: "mean" top: "row" inner_product_param { num_output: 7 } }
layer { name: "out" type: "Reshape" bottom: "row" top: "out" reshape_param { shape { dim: 1 dim: 1 dim: 1 dim: 7 } } }
"""


@pytest.fixture
def red_finder(tmp_path):
    """A Caffe network that sees a face in the middle of an image that is redder than blue."""
    weights = np.zeros((7, 3), np.float32)
    weights[2] = -1 / 255, 0, 1 / 255  # the score: red less blue
    bias = np.array([0, 1, (123 - 104) / 255, 0.25, 0.25, 0.75, 0.5], np.float32)

    def blob(array):
        shape = b"".join(field(1, size) for size in array.shape)
        return field(7, field(7, shape) + field(5, floats(*array.ravel())))

    layer = field(1, "row") + field(2, "InnerProduct") + blob(weights) + blob(bias)
    files = {"red.caffemodel": field(100, layer), "red.prototxt": PROTOTXT.encode()}
    digests = []
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        digests.append(hashlib.sha256(content).hexdigest())
    return SsdDetector(str(tmp_path / "red.caffemodel"), digests[0], str(tmp_path / "red.prototxt"), digests[1])


def test_an_ssd_network_gets_its_channels_in_order_and_its_boxes_fit_the_image(cv2, red_finder):
    red = np.full((80, 120, 3), (250, 90, 20), np.uint8)
    assert find_faces(red, red_finder) == [Box(20, 30, 20, 60)]
    assert find_faces(red[..., ::-1], red_finder) == []
    assert find_faces(red[..., 1], red_finder) == []


def test_an_ssd_network_is_read_once_and_made_once_in_each_thread(cv2, red_finder, monkeypatch):
    reads = count_calls(monkeypatch, "read_checked")
    networks = count_calls(monkeypatch, "find_in_opencv")  # asked once for each network
    red = np.full((80, 120, 3), (250, 90, 20), np.uint8)
    images = [red, red[..., ::-1]]
    found = run_in_threads(lambda number: [len(find_faces(images[number % 2], red_finder)) for _ in range(5)], 4)
    assert found == [[1] * 5, [0] * 5, [1] * 5, [0] * 5]
    assert (len(reads), len(networks)) == (2, 4)


def write_yunet():
    """Return an ONNX network with YuNet's twelve outputs: it sees a face of stride pixels where red outdoes blue."""

    def ints(name, *values):
        content = field(1, name) + b"".join(field(8, value) for value in values) + field(20, 7)
        return field(5, content)

    def tensor(name, array):
        kind = 1 if array.dtype == np.float32 else 7
        sizes = b"".join(field(1, size) for size in array.shape)
        return field(5, sizes + field(2, kind) + field(8, name) + field(9, array.tobytes()))

    def node(kind, inputs, output, attributes=b""):
        names = b"".join(field(1, name) for name in inputs) + field(2, output)
        return field(1, names + field(3, output) + field(4, kind) + attributes)

    def value(number, name, *sizes):
        shape = b"".join(field(1, field(1, size)) for size in sizes)
        return field(number, field(1, name) + field(2, field(1, field(1, 1) + field(2, shape))))

    graph, outputs = field(2, "yunet"), b""
    for name, n_values in {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}.items():
        for stride in (8, 16, 32):
            output = f"{name}_{stride}"
            weights = np.zeros((n_values, 3, stride, stride), np.float32)
            bias = np.zeros(n_values, np.float32)
            if name == "cls" and stride == 8:
                weights[0, 0], weights[0, 2] = -1 / 255 / 64, 1 / 255 / 64
            elif name == "obj":
                bias[:] = 1
            elif name == "bbox":
                bias[:2] = 0.5  # in the middle of its cell
            graph += tensor(f"{output}_w", weights) + tensor(f"{output}_b", bias)
            graph += tensor(f"{output}_shape", np.array([1, -1, n_values], np.int64))
            attributes = ints("kernel_shape", stride, stride) + ints("strides", stride, stride)
            graph += node("Conv", ["input", f"{output}_w", f"{output}_b"], f"{output}_map", attributes)
            graph += node("Transpose", [f"{output}_map"], f"{output}_last", ints("perm", 0, 2, 3, 1))
            graph += node("Reshape", [f"{output}_last", f"{output}_shape"], output)
            outputs += value(12, output, 1, 320 * 320 // stride**2, n_values)
    graph += value(11, "input", 1, 3, 320, 320) + outputs
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 11))


@pytest.fixture
def yunet(tmp_path):
    content = write_yunet()
    (tmp_path / "yunet.onnx").write_bytes(content)
    return YuNetDetector(str(tmp_path / "yunet.onnx"), hashlib.sha256(content).hexdigest(), max_side=160)


def test_a_yunet_network_gets_its_channels_in_order_and_its_boxes_fit_the_image(cv2, yunet):
    image = np.zeros((96, 160, 3), np.uint8)
    image[40:48, 64:72, 0] = 255
    image[16:24, 24:32, 2] = 255  # blue is no face to it
    [small] = find_faces(image, yunet)
    [large] = find_faces(image.repeat(4, axis=0).repeat(4, axis=1), yunet)
    assert small == Box(40, 64, 8, 8)
    assert large == Box(160, 256, 32, 32)
    assert find_faces(image[..., ::-1], yunet) == [Box(16, 24, 8, 8)]
    assert find_faces(np.zeros((50, 70), np.uint8), yunet) == []
