"""What finds faces: detectors that hold settings only, and the loading of their models."""

from __future__ import annotations

import hashlib
import importlib
import math
import re
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from tintype.errors import MissingPackageError, SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SSD_SIDE = 300
"""Rows and columns of the images that OpenCV's SSD face network was trained on."""

SSD_MEAN_BGR = (104.0, 177.0, 123.0)
"""What that network wants taken off blue, green and red, by the README of its training."""

_loading = threading.Lock()
_of_process: dict[Hashable, Any] = {}


class ThreadModels(threading.local):
    """The models of the thread that asks."""

    def __init__(self) -> None:
        self.models: dict[Hashable, Any] = {}


_of_thread = ThreadModels()


class Box(NamedTuple):
    """A rectangle of pixels.

    Examples
    --------
    >>> box = Box(top=10, left=20, height=30, width=40)
    >>> box.bottom, box.right
    (40, 60)
    """

    top: int
    """Number of rows above it."""
    left: int
    """Number of columns to the left of it."""
    height: int
    """Its number of rows."""
    width: int
    """Its number of columns."""

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The first column to the right of it."""
        return self.left + self.width


class FaceDetector(Protocol):
    """Any function from an image, uint8 RGB of shape (rows, columns, 3), to boxes.

    A box is (top, left, height, width) in pixels of that image. It may have fractions and reach over the edge:
    `find_faces` rounds, cuts and sorts.
    """

    def __call__(self, image: NDArray[np.uint8], /) -> Iterable[Sequence[float]]:
        """Return the boxes of the faces in an image."""


@dataclass(frozen=True, kw_only=True)
class CascadeDetector:
    """scikit-image's cascade of local binary patterns: faces seen from the front, offline, with nothing to install.

    The image is first reduced to `max_side`; with the defaults that takes about 40 ms an image. Of 50 faces of
    scikit-image's ``lfw_subset``, each pasted into photographs at two sizes, it found 91 of 100, and `HaarDetector` 96;
    in 21 images without a face and their mirror images it saw one, and `HaarDetector` none. The defaults of both were
    chosen on these images.

    Source: Liao, Zhu, Lei, Zhang and Li, "Learning Multi-scale Block Local Binary Patterns for Face
    Recognition" (ICB 2007).

    Examples
    --------
    >>> import skimage.data
    >>> CascadeDetector()(skimage.data.coffee())
    []
    """

    max_side: int = 256
    """Longer side in pixels at which faces are looked for. The cost grows with its square."""
    min_face: float = 0.08
    """Side of the smallest face, as part of the image's longer side; never below 24 pixels of the reduced image."""
    scale_step: float = 1.1
    """Factor from one size of face to the next."""
    stride: float = 1.5
    """Step of the search in pixels of the reduced image, for the smallest size."""
    min_neighbours: int = 3
    """Number of overlapping finds that make a face."""

    def __call__(self, image: NDArray[np.uint8], /) -> list[tuple[float, ...]]:
        """Return the boxes of the faces in a uint8 RGB image."""
        # Read-only while it searches, so that threads share it.
        cascade = load_once("scikit-image cascade", load_skimage_cascade)
        gray = reduce(image, self.max_side, gray=True)
        found = cascade.detect_multi_scale(
            gray,
            scale_factor=self.scale_step,
            step_ratio=self.stride,
            min_size=(find_smallest(gray, self.min_face),) * 2,
            max_size=gray.shape,
            min_neighbor_number=self.min_neighbours,
        )
        boxes = [(face["r"], face["c"], face["height"], face["width"]) for face in found]
        return enlarge(boxes, small=gray, large=image)


@dataclass(frozen=True, kw_only=True)
class HaarDetector:
    """OpenCV's Haar cascade: faces seen from the front, offline, with the `faces` extra.

    Takes no longer than `CascadeDetector` and errs less. Source: Viola and Jones, "Rapid Object Detection using a
    Boosted Cascade of Simple Features" (CVPR 2001).
    """

    cascade: str = "haarcascade_frontalface_alt2.xml"
    """Name of a file that comes with OpenCV, in ``cv2.data.haarcascades``."""
    max_side: int = 448
    """Longer side in pixels at which faces are looked for. The cost grows with its square."""
    min_face: float = 0.08
    """Side of the smallest face, as part of the image's longer side; never below 24 pixels of the reduced image."""
    scale_step: float = 1.2
    """Factor from one size of face to the next."""
    min_neighbours: int = 6
    """Number of overlapping finds that make a face."""

    def __call__(self, image: NDArray[np.uint8], /) -> list[tuple[float, ...]]:
        """Return the boxes of the faces in a uint8 RGB image."""
        # It keeps the image while it searches: one for each thread.
        cascade = load_in_thread(("Haar", self.cascade), lambda: load_haar_cascade(self.cascade))
        gray = reduce(image, self.max_side, gray=True)
        side = find_smallest(gray, self.min_face)
        found = cascade.detectMultiScale(
            gray, scaleFactor=self.scale_step, minNeighbors=self.min_neighbours, minSize=(side, side)
        )
        boxes = [(top, left, height, width) for left, top, width, height in found]
        return enlarge(boxes, small=gray, large=image)


@dataclass(frozen=True)
class YuNetDetector:
    """OpenCV's YuNet network, with the `faces` extra and a model file of your own (``face_detection_yunet_*.onnx``).

    Source: Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector" (2023).
    """

    model_path: str
    """The ONNX file. Read once a process."""
    sha256: str
    """Digest that the file must have, 64 hexadecimal digits."""
    min_score: float = 0.7
    """Least certainty of a face, 0.0 to 1.0."""
    max_overlap: float = 0.3
    """Of two faces that share a larger part (intersection over union), only the more certain one is kept."""
    max_side: int = 640
    """Longer side in pixels at which faces are looked for. The cost grows with its square."""

    def __post_init__(self) -> None:
        """Check the digest."""
        check_sha256(self.sha256, "YuNetDetector")

    def __call__(self, image: NDArray[np.uint8], /) -> list[tuple[float, ...]]:
        """Return the boxes of the faces in a uint8 RGB image."""
        # It holds the size of its image: one for each thread.
        network = load_in_thread(self, self.load)
        small = reduce(image, self.max_side)
        network.setInputSize((small.shape[1], small.shape[0]))
        _, faces = network.detect(to_bgr(small))
        return enlarge(read_yunet(faces), small=small, large=image)

    def load(self) -> Any:
        """Return a new network with these settings."""
        model = np.frombuffer(read_model(self.model_path, self.sha256), np.uint8)
        create = find_in_opencv("FaceDetectorYN").create
        size = (SSD_SIDE, SSD_SIDE)  # replaced before each image
        return create("onnx", model, np.empty(0, np.uint8), size, self.min_score, self.max_overlap)


@dataclass(frozen=True)
class SsdDetector:
    """OpenCV's SSD face network of 300 by 300 pixels, with the `faces` extra and model files of your own.

    Reads the Caffe files (``res10_300x300_ssd_iter_140000.caffemodel`` and ``deploy.prototxt``) and the TensorFlow
    ones (``opencv_face_detector_uint8.pb`` and ``opencv_face_detector.pbtxt``); the name's ending tells which.
    Source: Liu et al., "SSD: Single Shot MultiBox Detector" (ECCV 2016).
    """

    model_path: str
    """The file of weights, ``.caffemodel`` or ``.pb``. Read once a process."""
    sha256: str
    """Digest that the file of weights must have, 64 hexadecimal digits."""
    config_path: str
    """The file that describes the network, ``.prototxt`` or ``.pbtxt``. Read once a process."""
    config_sha256: str
    """Digest that this file must have."""
    min_score: float = 0.5
    """Least certainty of a face, 0.0 to 1.0."""

    def __post_init__(self) -> None:
        """Check the digests and the kind of model."""
        check_sha256(self.sha256, "SsdDetector")
        check_sha256(self.config_sha256, "SsdDetector")
        if not self.model_path.endswith((".caffemodel", ".pb")):
            raise SettingsError(f"SsdDetector got model_path={self.model_path!r}: give a .caffemodel or a .pb file")

    def __call__(self, image: NDArray[np.uint8], /) -> list[tuple[float, ...]]:
        """Return the boxes of the faces in a uint8 RGB image."""
        # It holds its input: one for each thread.
        network = load_in_thread(self, self.load)
        network.setInput(make_ssd_input(image))
        return read_ssd(network.forward(), self.min_score, shape=image.shape[:2])

    def load(self) -> Any:
        """Return a new network."""
        model = np.frombuffer(read_model(self.model_path, self.sha256), np.uint8)
        config = np.frombuffer(read_model(self.config_path, self.config_sha256), np.uint8)
        dnn = find_in_opencv("dnn")
        if self.model_path.endswith(".pb"):
            return dnn.readNetFromTensorflow(model, config)
        return dnn.readNetFromCaffe(config, model)


def load_once(key: Hashable, load: Callable[[], Any]) -> Any:
    """Return what `load` returns, called once in a process, however many threads ask at once."""
    if key not in _of_process:
        with _loading:
            if key not in _of_process:
                _of_process[key] = load()
    return _of_process[key]


def load_in_thread(key: Hashable, load: Callable[[], Any]) -> Any:
    """Return what `load` returns, called once in each thread, and let go when the thread ends."""
    models = _of_thread.models
    if key not in models:
        models[key] = load()
    return models[key]


def load_skimage_cascade() -> Any:
    """Return scikit-image's own cascade."""
    from skimage import data, feature

    return feature.Cascade(data.lbp_frontal_face_cascade_filename())


def load_haar_cascade(name: str) -> Any:
    """Return one of the cascades that come with OpenCV."""
    cascade = find_in_opencv("CascadeClassifier")()
    path = find_in_opencv("data").haarcascades + name
    try:
        with open(path, "rb"):
            loaded = cascade.load(path)
    except OSError:
        loaded = False
    if not loaded:
        raise SettingsError(f"HaarDetector got cascade={name!r}, and OpenCV brings no such cascade at {path}")
    return cascade


def find_in_opencv(name: str) -> Any:
    """Return something of OpenCV, or say what to install."""
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        raise MissingPackageError(
            "finding faces with OpenCV needs opencv-python-headless: pip install 'tintype[faces]'"
        ) from error
    if not hasattr(cv2, name):
        raise MissingPackageError(
            f"OpenCV {cv2.__version__} has no {name}; a version before 5 does: pip install 'tintype[faces]'"
        )
    return getattr(cv2, name)


def read_model(path: str, sha256: str) -> bytes:
    """Return the content of a model file, read and checked once in a process."""
    content: bytes = load_once((path, sha256.lower()), lambda: read_checked(path, sha256.lower()))
    return content


def read_checked(path: str, sha256: str) -> bytes:
    """Return the content of a file that has this digest, or say what is wrong with it."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise SettingsError(
            f"the face model {path} cannot be read ({error.strerror}): put it there, or give another path"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SettingsError(
            f"the face model {path} ({len(content)} bytes) has the sha256 {found}, and {sha256} was expected: "
            "fetch the file again, or give its new digest if the change was meant"
        )
    return content


def check_sha256(sha256: object, name: str) -> None:
    """Refuse what is no sha256."""
    if not isinstance(sha256, str) or not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise SettingsError(f"{name} got the sha256 {sha256!r}: give 64 hexadecimal digits, as sha256sum prints them")


def reduce(image: NDArray[np.uint8], max_side: int, *, gray: bool = False) -> NDArray[np.uint8]:
    """Return a uint8 RGB image with no side above `max_side`, perhaps as gray; perhaps itself."""
    from PIL import Image

    picture = Image.fromarray(image)
    if gray:
        picture = picture.convert("L")
    if max(picture.size) > max_side:
        scale = max_side / max(picture.size)
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(picture)


def find_smallest(gray: NDArray[np.uint8], min_face: float) -> int:
    """Return the side of the smallest face in pixels; the cascades were trained on faces of 20 and 24."""
    return max(24, round(min_face * float(max(gray.shape))))


def enlarge(
    boxes: Iterable[Sequence[float]], *, small: NDArray[np.uint8], large: NDArray[np.uint8]
) -> list[tuple[float, ...]]:
    """Return boxes in a reduced image as boxes in the whole one."""
    down, across = large.shape[0] / small.shape[0], large.shape[1] / small.shape[1]
    scales = (down, across, down, across)
    return [tuple(float(side) * scale for side, scale in zip(box, scales, strict=True)) for box in boxes]


def to_bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a contiguous copy with blue first, as OpenCV's networks were trained."""
    return np.ascontiguousarray(image[..., ::-1])


def read_yunet(faces: NDArray[np.float32] | None) -> list[tuple[float, ...]]:
    """Return the boxes in YuNet's output: a row of 15 for each face, first left, top, width, height; None for none."""
    if faces is None:
        return []
    boxes: list[tuple[float, ...]] = [(row[1], row[0], row[3], row[2]) for row in faces.astype(float).tolist()]
    return [box for box in boxes if all(map(math.isfinite, box))]


def make_ssd_input(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what the SSD network reads: shape (1, 3, 300, 300), blue first, less the mean of its training."""
    from PIL import Image

    # Stretched, not padded: so was the training. Bilinear over all pixels, which OpenCV's own resizing skips.
    resized = Image.fromarray(image).resize((SSD_SIDE, SSD_SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0)
    centred = to_bgr(np.asarray(resized)).astype(np.float32) - np.array(SSD_MEAN_BGR, np.float32)
    return np.ascontiguousarray(centred.transpose(2, 0, 1)[np.newaxis])


def read_ssd(output: NDArray[np.float32], min_score: float, *, shape: tuple[int, ...]) -> list[tuple[float, ...]]:
    """Return the boxes in an SSD network's output.

    Its shape is (1, 1, n, 7). A row is image, class, score, left, top, right, bottom, the last four as parts of the
    image's sides.
    """
    rows, columns = shape
    boxes: list[tuple[float, ...]] = []
    for _, _, score, left, top, right, bottom in output.reshape(-1, 7).astype(float).tolist():
        box = (top * rows, left * columns, (bottom - top) * rows, (right - left) * columns)
        if score >= min_score and all(map(math.isfinite, box)):
            boxes.append(box)
    return boxes
