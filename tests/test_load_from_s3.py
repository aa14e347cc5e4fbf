"""Loading images from S3, against a server that speaks its protocol over real HTTP."""

import io
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import skimage.data
from PIL import Image
from tests import test_s3_stages

from tintype.errors import ImageError, ImageTooLargeError, SettingsError, SourceNotFoundError
from tintype.load_funcs import load_image_from_s3
from tintype.load_funcs.s3 import make_s3_client

PHOTO = Image.fromarray(skimage.data.astronaut()).resize((90, 60))

# The server and the settings that lead to it.
moto_port = test_s3_stages.moto_port
s3 = test_s3_stages.s3


def encode(image_format):
    buffer = io.BytesIO()
    PHOTO.save(buffer, image_format)
    return buffer.getvalue()


def test_an_image_is_loaded_whole_or_reduced(s3):
    s3.put("pets/Größe & more+.png", encode("PNG"))
    s3.put("pets/1.jpg", encode("JPEG"))
    np.testing.assert_array_equal(load_image_from_s3("s3://photos/pets/Größe & more+.png"), np.asarray(PHOTO))
    assert load_image_from_s3("s3://photos/pets/1.jpg", target_size=(20, 10)).shape == (15, 23, 3)


def test_many_threads_use_one_client(s3):
    s3.put("1.jpg", encode("JPEG"))
    load = pickle.loads(pickle.dumps(load_image_from_s3))
    client = make_s3_client()
    with ThreadPoolExecutor(10) as executor:
        assert {image.shape for image in executor.map(load, ["s3://photos/1.jpg"] * 20)} == {(60, 90, 3)}
    assert make_s3_client() is client
    assert s3.calls["GetObject"] == 20


def test_what_is_not_there_is_named(s3):
    with pytest.raises(SourceNotFoundError, match=r"s3://photos/1\.jpg is not there"):
        load_image_from_s3("s3://photos/1.jpg")
    with pytest.raises(SettingsError, match=r"'photos/1\.jpg' names no S3 object: give s3://bucket/key"):
        load_image_from_s3("photos/1.jpg")


def test_what_is_no_image_or_too_large_is_named(s3):
    s3.put("half.jpg", encode("JPEG")[:1500])
    with pytest.raises(ImageError, match=r"s3://photos/half\.jpg \(1,500 bytes\) cannot be decoded: .*truncated"):
        load_image_from_s3("s3://photos/half.jpg")
    s3.put("large.jpg", encode("JPEG"))
    with pytest.raises(ImageTooLargeError, match=r"s3://photos/large\.jpg has 60 x 90 = 5,400 pixels"):
        load_image_from_s3("s3://photos/large.jpg", max_pixels=5399)
