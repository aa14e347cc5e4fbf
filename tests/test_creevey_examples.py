"""The examples in examples/creevey run, as their reader would run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.servers.faults import Handler, fault_server

from tintype.load_funcs import load_image

FOLDER = Path(__file__).parents[1] / "examples" / "creevey"
SCRIPTS = ["bulk_download_and_resize.py", "custom_report.py", "ready_made_pipeline.py", "trim_resize.py"]
NOT_RUN = {"README.md", "photo_server.py"}
"""Read by people, and by the scripts."""

PHOTOGRAPHS = {
    "2RsJ8EQ": "people/astronaut.png",
    "2TqoToT": "cats/chelsea.png",
    "2VocS58": "things/coffee.png",
    "2scKPIp": "space/hubble_deep_field.jpg",
    "2TsO6Pc": "things/motorcycle_left.png",
    "2SCv0q7": "space/rocket.jpg",
}
NAMES = [f"{name}.png" for name in PHOTOGRAPHS]


class WithBrokenLink(Handler):
    """One link is gone, and the server says so with an image."""

    def do_GET(self):  # noqa: N802, the name is http.server's
        if self.path == "/broken/2scKPIp":
            self.send(404, self.server.files["/2RsJ8EQ"], Content_Type="image/png")
        else:
            self.path = self.path.removeprefix("/broken")
            super().do_GET()


@pytest.fixture
def server(photographs):
    with fault_server() as server:
        server.RequestHandlerClass = WithBrokenLink
        server.files = {f"/{name}": (photographs / path).read_bytes() for name, path in PHOTOGRAPHS.items()}
        yield server


def run(folder, script, *arguments):
    ran = subprocess.run(
        [sys.executable, str(FOLDER / script), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran


def shapes_in(folder):
    return {path.name: load_image(path).shape for path in sorted(Path(folder).glob("*.png"))}


def column(output, name):
    """Return a column of a printed report whose cells have no spaces; the header's line lacks the index."""
    lines = output.splitlines()
    place = lines[0].split().index(name)
    return [line.split()[place + 1] for line in lines[2 : 2 + len(PHOTOGRAPHS)]]


def test_every_file_is_run_or_known_not_to_be():
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == {*SCRIPTS, *NOT_RUN}


def test_every_script_is_in_the_readme():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for script in SCRIPTS:
        assert f"`{script}`" in text


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_offline_without_an_argument(tmp_path, script):
    ran = run(tmp_path, script)
    assert column(ran.stdout, "skipped_existing") == ["False"] * 6
    assert len(list(tmp_path.rglob("*.png"))) in {6, 12}
    assert ran.stderr == ""


@pytest.mark.parametrize("script", ["trim_resize.py", "ready_made_pipeline.py", "custom_report.py"])
def test_photographs_are_trimmed_and_resized_and_then_left_out(server, tmp_path, script):
    first = run(tmp_path, script, server.url)
    assert shapes_in(tmp_path) == dict.fromkeys(sorted(NAMES), (224, 224, 3))
    assert column(first.stdout, "outpath") == NAMES
    assert column(first.stdout, "skipped_existing") == ["False"] * 6
    assert [f"{server.url}/{name}" in first.stdout for name in PHOTOGRAPHS] == [True] * 6
    second = run(tmp_path, script, server.url)
    assert column(second.stdout, "skipped_existing") == ["True"] * 6
    assert second.stderr == "6 of 6 files were left out, as skip_existing or skip_func says\n"
    assert set(server.requests.values()) == {1}


def test_the_bottom_is_trimmed_before_the_resizing(server, tmp_path, photographs):
    from tintype.ops import resize

    run(tmp_path, "trim_resize.py", server.url)
    astronaut = load_image(photographs / PHOTOGRAPHS["2RsJ8EQ"])
    assert (load_image(tmp_path / "2RsJ8EQ.png") == resize(astronaut[:-100], shape=(224, 224))).all()


def test_the_custom_report_has_each_mean_brightness_and_none_for_what_was_left_out(server, tmp_path):
    from tintype.ops import mean_brightness

    brightness = column(run(tmp_path, "custom_report.py", server.url).stdout, "mean_brightness")
    expected = [mean_brightness(load_image(tmp_path / name)) for name in NAMES]
    assert [float(value) for value in brightness] == pytest.approx(expected)
    (tmp_path / "2TqoToT.png").unlink()
    again = column(run(tmp_path, "custom_report.py", server.url).stdout, "mean_brightness")
    assert again == ["NaN", brightness[1], *["NaN"] * 4]


def test_a_broken_link_stops_neither_the_download_nor_the_resizing(server, tmp_path):
    ran = run(tmp_path, "bulk_download_and_resize.py", f"{server.url}/broken")
    whole = sorted(set(NAMES) - {"2scKPIp.png"})
    assert list(shapes_in(tmp_path / "example")) == whole
    assert shapes_in(tmp_path / "example_resized") == dict.fromkeys(whole, (100, 100, 3))
    assert column(ran.stdout, "exception_handled") == ["False", "False", "False", "True", "False", "False"]
    url = f"{server.url}/broken/2scKPIp"
    assert ran.stderr == f"{url}: HttpStatusError: {url} answered 404 Not Found\n"


def test_the_bulk_download_keeps_every_pixel(server, tmp_path, photographs):
    run(tmp_path, "bulk_download_and_resize.py", server.url)
    for name, path in PHOTOGRAPHS.items():
        assert (load_image(tmp_path / "example" / f"{name}.png") == load_image(photographs / path)).all()
