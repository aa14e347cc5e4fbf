"""Ready-made pipelines and whole runs in one call."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.servers.faults import Handler, fault_server

from tintype import download_images_as_png, ops, resize_multiple_files
from tintype.errors import CollisionError, SettingsError
from tintype.load_funcs import decode_image, load_image
from tintype.load_funcs.http import FetchPolicy
from tintype.path_funcs import find_image_files, join_outdir_filename_extension
from tintype.pipelines import download_image_pipeline, resize_image_pipeline
from tintype.write_funcs import write_image


@pytest.fixture
def server(photographs):
    """Serve two photographs behind names that tell no format."""
    with fault_server() as server:
        server.files = {
            "/2RsJ8EQ": (photographs / "people" / "astronaut.png").read_bytes(),
            "/2SCv0q7": (photographs / "space" / "rocket.jpg").read_bytes(),
        }
        yield server


def names_in(folder):
    return sorted(path.name for path in Path(folder).iterdir())


# Pipelines


def test_each_call_returns_a_new_pipeline():
    changed = download_image_pipeline()
    changed.ops = [ops.flip_vertical]
    assert download_image_pipeline().ops == []
    assert download_image_pipeline(ops.flip_vertical).ops == [ops.flip_vertical]
    assert resize_image_pipeline(max_side=8) is not resize_image_pipeline(max_side=8)


def test_the_download_pipeline_writes_what_a_url_shows_in_the_format_of_the_output(server, tmp_path):
    to_jpeg = partial(join_outdir_filename_extension, outdir=tmp_path, extension=".jpg")
    urls = [f"{server.url}{path}" for path in server.files]
    report = download_image_pipeline(partial(ops.resize, max_side=100)).run(urls, to_jpeg, n_jobs=2)
    assert [load_image(path).shape for path in report["outpath"]] == [(100, 100, 3), (67, 100, 3)]
    assert names_in(tmp_path) == ["2RsJ8EQ.jpg", "2SCv0q7.jpg"]


def test_the_download_pipeline_fetches_as_the_policy_says(server):
    pipeline = download_image_pipeline(policy=FetchPolicy(headers={"X-Asked-By": "test"}))
    pipeline(f"{server.url}/2SCv0q7")
    assert server.seen_headers["/2SCv0q7"]["X-Asked-By"] == "test"


def test_the_quality_is_that_of_the_files(photographs, tmp_path):
    path = photographs / "space" / "rocket.jpg"
    for quality in (10, 95):
        resize_image_pipeline(max_side=200, quality=quality)(path, tmp_path / f"{quality}.jpg")
    assert 2 * os.path.getsize(tmp_path / "10.jpg") < os.path.getsize(tmp_path / "95.jpg")


@pytest.mark.parametrize(
    "options",
    [
        {"shape": (60, 80)},
        {"shape": (60, 80), "mode": "center_crop"},
        {"shape": (60, 80), "mode": "border", "fill": 255},
        {"min_dim": 50},
        {"max_side": 90},
        {"scale": 0.25},
        {"max_side": 5000, "only_if_bigger": True},
        {"max_side": 64, "resample": "nearest"},
    ],
    ids=repr,
)
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_the_resizing_pipeline_gives_the_shapes_of_resize(photographs, tmp_path, options, executor):
    paths = find_image_files(photographs / "space")
    pipeline = resize_image_pipeline(**options)
    report = pipeline.run(paths, partial(join_outdir_filename_extension, outdir=tmp_path), n_jobs=2, executor=executor)
    for inpath, outpath in zip(paths, report["outpath"], strict=True):
        assert load_image(outpath).shape == ops.resize(load_image(inpath), **options).shape


def test_without_reduced_decoding_pixels_are_those_of_resize(photographs):
    path = photographs / "space" / "hubble_deep_field.jpg"
    exact = resize_image_pipeline(max_side=100, reduced_decode=False)(path)
    np.testing.assert_array_equal(exact, ops.resize(load_image(path), max_side=100))


def test_ops_come_after_the_resizing(photographs):
    pipeline = resize_image_pipeline(shape=(20, 30), ops=[lambda image: image[:10]])
    assert pipeline(photographs / "cats" / "chelsea.png").shape == (10, 30, 3)


@pytest.mark.parametrize("options", [{}, {"max_side": 3, "min_dim": 3}, {"max_side": 0}, {"shape": 3, "mode": "odd"}])
def test_a_size_that_cannot_be_is_refused_before_any_work(options):
    with pytest.raises(SettingsError, match="resize"):
        resize_image_pipeline(**options)


# Download in one call


def test_images_are_downloaded_as_png_whatever_their_format(server, tmp_path):
    urls = [f"{server.url}{path}" for path in server.files]
    report = download_images_as_png(urls, tmp_path / "new", n_jobs=3)
    assert list(report.index) == urls
    assert names_in(tmp_path / "new") == ["2RsJ8EQ.png", "2SCv0q7.png"]
    for path, outpath in zip(server.files, report["outpath"], strict=True):
        np.testing.assert_array_equal(load_image(outpath), decode_image(server.files[path]))


def test_no_urls_are_an_empty_report(tmp_path):
    assert len(download_images_as_png([], tmp_path / "new")) == 0


def test_names_lose_their_extension_and_query(server, tmp_path, photographs):
    server.files["/a.jpg?w=320"] = server.files["/2SCv0q7"]
    download_images_as_png([f"{server.url}/a.jpg?w=320"], tmp_path)
    assert names_in(tmp_path) == ["a.png"]


def test_without_a_folder_files_go_to_the_current_one(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    download_images_as_png([f"{server.url}/2SCv0q7"])
    assert names_in(tmp_path) == ["2SCv0q7.png"]


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 4)])
def test_gray_and_transparent_images_become_rgb(server, tmp_path, shape):
    image = np.full(shape, 77, np.uint8)
    write_image(image, tmp_path / "given.png")
    server.files["/given"] = (tmp_path / "given.png").read_bytes()
    download_images_as_png([f"{server.url}/given"], tmp_path / "out")
    np.testing.assert_array_equal(load_image(tmp_path / "out" / "given.png"), np.full((30, 40, 3), 77))


@pytest.mark.parametrize(("resize_shape", "expected"), [(50, (50, 50, 3)), ((40, 60), (40, 60, 3))])
def test_downloads_are_resized_when_asked_for(server, tmp_path, resize_shape, expected):
    download_images_as_png([f"{server.url}/2SCv0q7"], tmp_path, resize_shape=resize_shape)
    assert load_image(tmp_path / "2SCv0q7.png").shape == expected


def test_what_is_there_is_not_fetched_again_unless_asked_for(server, tmp_path):
    urls = [f"{server.url}{path}" for path in server.files]
    assert not download_images_as_png(urls, tmp_path)["skipped_existing"].any()
    assert download_images_as_png(urls, tmp_path)["skipped_existing"].all()
    assert set(server.requests.values()) == {1}
    assert not download_images_as_png(urls, tmp_path, skip_existing=False)["skipped_existing"].any()
    assert set(server.requests.values()) == {2}


class WithImageAt404(Handler):
    def do_GET(self):  # noqa: N802, the name is http.server's
        if self.path == "/broken":
            self.send(404, self.server.files["/2SCv0q7"], Content_Type="image/jpeg")
        else:
            super().do_GET()


def test_broken_links_are_rows_and_logged_errors_and_the_others_go_on(server, tmp_path, caplog):
    server.RequestHandlerClass = WithImageAt404
    names = ["broken", "2SCv0q7", "empty", "false-image", "2RsJ8EQ"]
    urls = [f"{server.url}/{name}" for name in names]
    report = download_images_as_png(urls, tmp_path, n_jobs=2)
    assert list(report["exception_handled"]) == [True, False, True, True, False]
    assert report["error_type"].fillna("").to_list() == ["HttpStatusError", "", "WrongContentError", "ImageError", ""]
    assert report.loc[urls[0], "error"] == f"{urls[0]} answered 404 Not Found"
    assert names_in(tmp_path) == ["2RsJ8EQ.png", "2SCv0q7.png"]
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3
    assert sum(f"{urls[0]}: HttpStatusError: " in record.getMessage() for record in caplog.records) == 1


def test_a_url_without_a_name_is_a_row(server, tmp_path):
    report = download_images_as_png([f"{server.url}/", f"{server.url}/2SCv0q7"], tmp_path)
    assert list(report["exception_handled"]) == [True, False]
    assert "does not end in a file's name" in report["error"].iloc[0]


def test_a_path_function_says_where_files_go(server, tmp_path):
    download_images_as_png([f"{server.url}/2SCv0q7"], path_func=lambda url: tmp_path / "rockets" / "1.PNG")
    assert names_in(tmp_path / "rockets") == ["1.PNG"]


def test_a_path_function_that_names_another_format_is_told(server, tmp_path):
    report = download_images_as_png([f"{server.url}/2SCv0q7"], path_func=lambda url: tmp_path / "rocket.jpg")
    assert report["error"].iloc[0] == (
        f"path_func gave '{tmp_path}/rocket.jpg' for {server.url}/2SCv0q7: let it end in '.png'"
    )
    assert names_in(tmp_path) == []


def test_a_folder_and_a_path_function_are_refused_together():
    with pytest.raises(SettingsError, match="both outdir='photos' and path_func are given: give one of them"):
        download_images_as_png([], "photos", path_func=str)


def test_two_urls_of_one_name_are_refused_before_any_request(server, tmp_path):
    with pytest.raises(CollisionError, match=r"/a/1\.jpg and .*/b/1\.png would both become .*1\.png"):
        download_images_as_png([f"{server.url}/a/1.jpg", f"{server.url}/b/1.png"], tmp_path)
    assert not server.requests


# Resize in one call


@pytest.mark.parametrize(("shape", "expected"), [((224, 200), (224, 200)), (64, (64, 64))])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_files_are_resized_and_keep_names_and_formats(photographs, tmp_path, shape, expected, n_jobs):
    paths = [path for path in find_image_files(photographs) if path.suffix in {".jpg", ".png"}]
    report = resize_multiple_files(paths, shape, tmp_path / "new", n_jobs)
    assert names_in(tmp_path / "new") == sorted(path.name for path in paths)
    assert {load_image(path).shape[:2] for path in report["outpath"]} == {expected}
    assert not report["exception_handled"].any()


def test_names_in_a_list_may_be_text(photographs, tmp_path):
    folder = str(photographs / "space")
    paths = [os.path.join(folder, name) for name in os.listdir(folder)]
    assert len(resize_multiple_files(paths=paths, shape=(10, 10), outdir=str(tmp_path), n_jobs=3)) == len(paths)


def test_gray_stays_gray(tmp_path):
    write_image(np.zeros((30, 40), np.uint8), tmp_path / "gray.png")
    resize_multiple_files([tmp_path / "gray.png"], (400, 500), tmp_path / "new")
    assert load_image(tmp_path / "new" / "gray.png").shape == (400, 500)


def test_a_file_that_is_no_image_is_a_row_and_a_logged_error(photographs, tmp_path, caplog):
    (tmp_path / "notes.png").write_text("no image")
    paths = [tmp_path / "notes.png", photographs / "cats" / "chelsea.png"]
    report = resize_multiple_files(paths, 20, tmp_path / "new")
    assert list(report["error_type"].fillna("")) == ["ImageError", ""]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert names_in(tmp_path / "new") == ["chelsea.png"]


def test_two_files_of_one_name_are_refused(tmp_path):
    with pytest.raises(CollisionError, match=r"a/1\.jpg and b/1\.jpg would both become .*1\.jpg"):
        resize_multiple_files(["a/1.jpg", "b/1.jpg"], 10, tmp_path)


def test_existing_files_are_left_out_when_asked_for(photographs, tmp_path):
    paths = find_image_files(photographs / "cats")
    resize_multiple_files(paths, 20, tmp_path)
    assert resize_multiple_files(paths, 30, tmp_path, skip_existing=True)["skipped_existing"].all()
    assert load_image(tmp_path / "chelsea.png").shape[:2] == (20, 20)


def test_a_file_may_be_resized_in_its_place(photographs, tmp_path):
    resize_multiple_files(find_image_files(photographs / "cats"), 40, tmp_path)
    resize_multiple_files([tmp_path / "chelsea.png"], 20, tmp_path)
    assert load_image(tmp_path / "chelsea.png").shape[:2] == (20, 20)
