"""Loading from URLs, from a real server on loopback: what is no whole image is an error that names its URL."""

import io
import multiprocessing
import os
import pickle
import re
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import skimage.data
from PIL import Image
from tests.servers.faults import Handler, fault_server

from tintype import Pipeline
from tintype.errors import (
    ConnectionFailedError,
    DownloadError,
    DownloadTimeoutError,
    HttpStatusError,
    ImageError,
    ImageTooLargeError,
    WrongContentError,
)
from tintype.load_funcs import (
    decode_resized_image,
    load_bytes_from_url,
    load_image_from_url,
    load_resized_image_from_url,
    urls,
)
from tintype.load_funcs.http import FetchPolicy
from tintype.load_funcs.urls import MAX_FETCHERS, find_fetcher
from tintype.ops import ResizePlan

PHOTO = Image.fromarray(skimage.data.astronaut()).resize((90, 60))
ONCE = FetchPolicy(max_attempts=1, deadline_seconds=10.0)


def encode(image_format="JPEG"):
    buffer = io.BytesIO()
    PHOTO.save(buffer, image_format)
    return buffer.getvalue()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(urls, "_fetchers_of_process", {})
    with fault_server() as running:
        running.files |= {f"/{n}.jpg": encode() for n in range(20)} | {"/a.png": encode("PNG"), "/a.txt": b"text"}
        yield running
        for fetchers in urls._fetchers_of_process.values():
            for fetcher in fetchers.made:
                fetcher.close()


def test_an_image_and_bytes_are_loaded(server):
    np.testing.assert_array_equal(load_image_from_url(f"{server.url}/a.png"), np.asarray(PHOTO))
    assert load_image_from_url(f"{server.url}/1.jpg").shape == (60, 90, 3)
    assert load_image_from_url(f"{server.url}/1.jpg", target_size=(20, 10)).shape == (15, 23, 3)
    assert load_bytes_from_url(f"{server.url}/a.txt") == b"text"


@pytest.mark.parametrize("name", ["1.jpg", "a.png"])
def test_an_image_is_loaded_and_resized_as_from_its_bytes(server, name):
    url, plan = f"{server.url}/{name}", ResizePlan(max_side=30)
    image = load_resized_image_from_url(url, plan)
    assert image.shape == (20, 30, 3)
    np.testing.assert_array_equal(image, decode_resized_image(load_bytes_from_url(url), plan=plan))
    assert load_resized_image_from_url(url, plan, gray=True).shape == (20, 30)
    load_resized_image_from_url(f"{server.url}/2.jpg", ResizePlan(scale=1.0), reduced_decode=False)[:] = 0
    np.testing.assert_array_equal(image, load_resized_image_from_url(url, plan))


def test_a_resized_image_that_cannot_be_had_is_an_error_that_names_the_url(server):
    plan = ResizePlan(max_side=30)
    with pytest.raises(HttpStatusError, match=r"missing\.jpg answered 404"):
        load_resized_image_from_url(f"{server.url}/missing.jpg", plan)
    with pytest.raises(ImageError, match=r"a\.txt is no image"):
        load_resized_image_from_url(f"{server.url}/a.txt", plan)
    with pytest.raises(ImageTooLargeError, match=r"1\.jpg has 60 x 90 = 5,400 pixels, and the limit is 99"):
        load_resized_image_from_url(f"{server.url}/1.jpg", plan, max_pixels=99)


def test_a_status_that_is_no_success_is_an_error_even_with_an_image_as_body(server, monkeypatch):
    monkeypatch.setattr(Handler, "fault_status", lambda self, query, count: self.send(int(query["code"]), encode()))
    for code in (403, 404, 410):
        url = f"{server.url}/status?code={code}"
        with pytest.raises(HttpStatusError, match=rf"{re.escape(url)} answered {code}") as caught:
            load_image_from_url(url)
        assert caught.value.http_status == code
        assert server.requests[f"/status?code={code}"] == 1


def test_what_may_pass_is_tried_again(server, monkeypatch):
    def recover(self, query, count):
        self.send(503 if count <= 2 else 200, encode())

    monkeypatch.setattr(Handler, "fault_twice_503", recover)
    policy = FetchPolicy(backoff_seconds=0.01)
    assert load_image_from_url(f"{server.url}/twice-503", policy=policy).shape == (60, 90, 3)
    assert server.requests["/twice-503"] == 3


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/hang", DownloadTimeoutError),
        ("/drip", DownloadTimeoutError),
        ("/short", ConnectionFailedError),
        ("/empty", WrongContentError),
    ],
)
def test_what_does_not_come_whole_is_an_error_that_names_the_url(server, path, error):
    with pytest.raises(error, match=re.escape(server.url + path)):
        load_image_from_url(server.url + path, policy=ONCE, deadline_seconds=1.0)


def test_what_is_no_image_is_an_error_that_names_the_url(server):
    url = f"{server.url}/lie"
    with pytest.raises(ImageError, match=rf"{re.escape(url)} is no image .* b'<html>no image"):
        load_image_from_url(url)
    server.files["/half.jpg"] = encode()[:1500]
    with pytest.raises(
        ImageError, match=rf"{re.escape(server.url)}/half\.jpg \(1,500 bytes\) cannot be decoded: .*trunc"
    ):
        load_image_from_url(f"{server.url}/half.jpg")
    with pytest.raises(ImageTooLargeError, match=r"a\.png has 60 x 90 = 5,400 pixels, and the limit is 99"):
        load_image_from_url(f"{server.url}/a.png", max_pixels=99)


@pytest.mark.parametrize("url", ["", "photos/cat.jpg", "ftp://h/a.jpg", "file:///etc/passwd"])
def test_what_is_no_url_is_named(server, url):
    with pytest.raises(DownloadError, match=rf"{re.escape(repr(url))} is no .*URL"):
        load_image_from_url(url)


def test_one_fetcher_serves_all_threads_and_keeps_its_connection(server):
    barrier = threading.Barrier(8)

    def find(_):
        barrier.wait(timeout=60)
        return find_fetcher(None, None)

    with ThreadPoolExecutor(8) as executor:
        assert len(set(executor.map(find, range(8)))) == 1
    for n in range(5):
        load_bytes_from_url(f"{server.url}/{n}.jpg")
    assert server.n_connections == 1


def test_equal_policies_share_a_fetcher_and_their_number_is_bounded(server):
    headers = {"X-Token": "1"}
    first = find_fetcher(FetchPolicy(headers=headers), None)
    assert find_fetcher(FetchPolicy(headers=dict(headers)), None) is first
    assert find_fetcher(FetchPolicy(headers=headers), 5.0) is not first
    assert find_fetcher(None, 5.0).policy == FetchPolicy(deadline_seconds=5.0)
    for n in range(1, MAX_FETCHERS + 10):
        find_fetcher(None, float(n))
    assert len(urls._fetchers_of_process[os.getpid()].made) == MAX_FETCHERS


def load_in_child(url, parents_fetcher, queue):
    fetcher = find_fetcher(None, None)
    queue.put((load_image_from_url(url).shape, id(fetcher) == parents_fetcher))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_makes_its_own_fetcher_even_while_its_parent_holds_the_lock(server):
    url = f"{server.url}/1.jpg"
    load_image_from_url(url)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    with urls._fetchers_of_process[os.getpid()].lock:
        child = context.Process(target=load_in_child, args=(url, id(find_made()), queue))
        child.start()
    child.join(timeout=60)
    assert child.exitcode == 0
    assert queue.get() == ((60, 90, 3), False)


def find_made():
    return urls._fetchers_of_process[os.getpid()].made[0]


def test_a_pipeline_loads_urls_in_ten_threads(server):
    inpaths = [f"{server.url}/{n}.jpg" for n in range(20)] + [f"{server.url}/missing.jpg"]
    pipeline = Pipeline(load_func=load_image_from_url, ops=np.shape, write_func=None)
    report = pipeline.run(inpaths, path_func=None, n_jobs=10, exceptions_to_catch=HttpStatusError)
    assert len(report) == 21
    assert report["exception_handled"].sum() == 1


def test_processes_load_urls(server):
    load = pickle.loads(pickle.dumps(partial(load_image_from_url, policy=ONCE, target_size=(10, 10))))
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        shapes = {image.shape for image in executor.map(load, [f"{server.url}/{n}.jpg" for n in range(4)])}
    assert shapes == {(15, 23, 3)}
