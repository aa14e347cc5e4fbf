"""tintype.testing: a user's own tests of stages and graphs, on made files."""

from __future__ import annotations

import gc
import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import luigi
import numpy as np
import pytest
from luigi.configuration import get_config
from luigi.util import requires

from tintype import LoopStage, Pipeline, Stage, drop, interim, ops, processed, raw
from tintype.errors import CollisionError, ManifestError, SettingsError
from tintype.load_funcs import load_array, load_bytes, load_image
from tintype.path_funcs import find_image_files
from tintype.tasks import FileStage
from tintype.testing import File, build, fake_files, fake_images
from tintype.write_funcs import write_bytes

WORKED: list[bytes] = []


class Photos(raw.ImportFolder):
    folder = luigi.Parameter(default="/nowhere/at/all")


@requires(Photos)
class Thumbs(interim.ImageStage):
    max_side = luigi.IntParameter(default=16)

    def process(self, image):
        if image.mean() < 5:
            return drop("it is dark")
        return ops.resize(image, max_side=self.max_side)


@requires(Thumbs)
class Table(processed.DescribeImages):
    pass


@requires(Photos)
class Listing(Stage):
    """A batch stage: it overrides build."""

    layer = "processed"

    def build(self, staging):
        text = "\n".join(path.name for path in self.input().files())
        (staging.files / "listing.txt").write_text(text)
        staging.add("listing.txt")


@requires(Photos)
class Loud(FileStage):
    layer = "interim"
    max_failure_rate = 0.0

    def pipeline(self):
        return Pipeline(load_func=load_bytes, ops=loud, write_func=write_bytes)


def loud(data):
    WORKED.append(data)
    if data.startswith(b"bad"):
        raise ValueError(f"{data!r} is bad")
    return data.upper()


@pytest.fixture(autouse=True)
def _forget():
    WORKED.clear()


def test_a_graph_runs_on_made_images_and_says_what_was_computed():
    first, second = fake_images(2)
    result = build(Table(), files={"cats/1.png": first, "dogs/2.jpg": second})
    result.assert_ok()
    assert result["Photos"].state == "kept"
    assert result["Thumbs"].computed == ["cats/1.png", "dogs/2.jpg"]
    assert result["Thumbs"].files == ["cats/1.jpg", "dogs/2.jpg"]
    assert result["Table"].computed == ["cats/1.jpg", "dogs/2.jpg"]
    assert [row["label"] for row in result.manifest.rows()][:2] == ["cats", "dogs"]
    result.assert_computed(4, Thumbs=2, Table=["dogs/2.jpg", "cats/1.jpg"])
    result.assert_built("Thumbs", "Table")
    result.assert_failed(0)
    result.assert_reused(0)


def test_a_stage_that_overrides_build_runs_too():
    result = build(Listing(), files={"Photos": {"a.jpg": b"...", "b.jpg": b"..."}})
    assert (result.target.folder / "listing.txt").read_text() == "a.jpg\nb.jpg"
    assert result["Listing"].computed == ["listing.txt"]


def test_a_stage_without_files_runs_as_it_is(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("hello")
    result = build(Listing(folder=str(tmp_path / "in")))  # type: ignore[call-arg] # the decorator adds it
    result.assert_computed(Photos=["a.txt"], Listing=1)


def test_the_second_build_shows_what_was_reused_and_what_has_changed():
    first, second, third = fake_images(3)
    result = build(Thumbs(), files={"a.png": first, "b.png": second})
    again = result.build_again()
    again.assert_computed(0)
    again.assert_built()
    assert again["Thumbs"].state == "kept"
    changed = result.build_again(files={"a.png": first, "b.png": third, "c.png": second})
    changed.assert_computed(1, Thumbs=["b.png"])  # c.png is the b.png of before
    changed.assert_reused(Thumbs=["a.png", "c.png"])
    assert any("input" in reason for reason in changed["Thumbs"].reasons)
    gone = result.build_again(files={"a.png": first})
    assert gone["Thumbs"].files == ["a.jpg"]


def test_a_task_with_other_parameters_is_built_beside_the_first():
    result = build(Thumbs(), files={"a.png": fake_images(1)[0]})
    other = result.build_again(Thumbs(max_side=8))  # type: ignore[call-arg] # mypy does not look through the decorator
    assert max(load_image(next(other.target.files())).shape) == 8
    assert other["Thumbs"].name == "Thumbs-max_side=8"
    other.assert_computed(1)


def test_no_files_and_one_and_many():
    for n in (0, 1, 30):
        result = build(Thumbs(), files={"Photos": fake_files(n)})
        result.assert_computed(n, Thumbs=n)


def test_an_empty_mapping_is_a_source_without_files():
    build(Thumbs(), files={}).assert_computed(Thumbs=0)


def test_failed_and_dropped_files_are_named_with_the_reason():
    dark = np.zeros((32, 32, 3), np.uint8)
    result = build(Thumbs(), files={"ok.png": fake_images(1)[0], "dark.png": dark, "broken.png": b"no image"})
    assert not result.ok
    assert result["Thumbs"].state == "failed"
    result.assert_failed(1, Thumbs=["broken.png"])
    result.assert_dropped(Thumbs=["dark.png"])
    assert "it is dark" in result["Thumbs"].errors["dark.png"]
    assert "broken.png" in result["Thumbs"].errors["broken.png"]
    with pytest.raises(AssertionError, match=r"the build failed\n(.*\n)*Thumbs: failed.*1 of 3 files failed"):
        result.assert_ok()
    with pytest.raises(ManifestError, match="is not published: build its stage first"):
        _ = result.manifest


def test_what_failed_is_tried_again_and_the_rest_is_kept():
    result = build(Loud(), files={"a.txt": "good", "b.txt": "bad"})
    result.assert_failed(1)
    mended = result.build_again(files={"a.txt": "good", "b.txt": "better"})
    mended.assert_ok()
    assert WORKED.count(b"good") == 1


@pytest.mark.parametrize("check", ["computed", "reused", "failed", "dropped"])
def test_an_assertion_that_does_not_hold_says_what_was_there(check):
    result = build(Loud(), files={"a.txt": "good"})
    method = getattr(result, f"assert_{check}")
    with pytest.raises(
        AssertionError, match=rf"Loud: {check} were \[.*\], and \['x'\] was expected\n(.*\n)?Loud: built"
    ):
        method(Loud=["x"])
    with pytest.raises(AssertionError, match=f"were {check}, and 7 was expected"):
        method(7)


def test_what_was_built_is_held_to_exactly():
    result = build(Table(), files={"a.png": fake_images(1)[0]})
    with pytest.raises(AssertionError, match=r"built were \['Table', 'Thumbs'\]"):
        result.assert_built("Table")


def test_contents_become_what_the_extension_says(tmp_path):
    (tmp_path / "copied").write_bytes(b"copied")
    files = {
        "text.txt": "é",
        "bytes.bin": b"\0",
        "values.json": {"a": 1},
        "array.npy": np.arange(3),
        "image.png": fake_images(1)[0],
        "path.dat": tmp_path / "copied",
    }
    seen = build(Listing(), files={"Photos": files})["Photos"].target
    folder = seen.folder
    assert (folder / "text.txt").read_text(encoding="utf-8") == "é"
    assert (folder / "bytes.bin").read_bytes() == b"\0"
    assert (folder / "values.json").read_text() == '{"a": 1}\n'
    assert load_array(folder / "array.npy").tolist() == [0, 1, 2]
    assert (load_image(folder / "image.png") == files["image.png"]).all()
    assert (folder / "path.dat").read_bytes() == b"copied"
    assert seen.verify(deep=True).ok


def test_a_file_carries_columns_of_its_own():
    image = fake_images(1)[0]
    files = {"x/a.png": File(image, label="cat", patient="p1", age=3), "y/b.png": File(image, patient=None)}
    rows = list(build(Thumbs(), files=files)["Thumbs"].manifest.rows())
    assert [(row["label"], row["patient"], row["age"]) for row in rows] == [("cat", "p1", 3), ("y", None, None)]


def test_columns_of_two_types_are_refused():
    with pytest.raises(SettingsError, match="column 'age' of the made files is int here and str there"):
        build(Thumbs(), files={"a.png": File(b"", age=1), "b.png": File(b"", age="old")})


def test_files_can_stand_in_anywhere_in_the_graph():
    result = build(Table(), files={"Thumbs": {"a.jpg": fake_images(1)[0]}})
    result.assert_built("Table")
    assert list(result) == ["Thumbs", "Table"]  # what is above Thumbs is not looked at


def test_several_sources_are_told_apart_by_name():
    class Masks(raw.ImportFolder):
        folder = luigi.Parameter(default="/nowhere")

    class Joined(interim.ImageStage):
        def requires(self):
            return [self.clone(Photos), self.clone(Masks)]

        def process(self, image, mask):
            return np.where(mask > 127, image, 255).astype(np.uint8)

    image, mask = fake_images(2)
    build(Joined(), files={"Photos": {"a.png": image}, "Masks": {"a.png": mask}}).assert_computed(Joined=["a.png"])
    with pytest.raises(SettingsError, match=r"the sources here are (Photos, Masks|Masks, Photos)"):
        build(Joined(), files={"a.png": image})


@pytest.mark.parametrize(
    ("task", "files", "words"),
    [
        (Thumbs(), {"Fotos": {"a.png": b""}}, r"'Fotos', which is none of the stages that Thumbs requires: Photos"),
        (Thumbs(), {"Thumbs": {"a.png": b""}}, r"'Thumbs', which is none of the stages"),
        (Photos(), {"a.png": b""}, r"the sources here are none below the task"),
        (Listing(), {"Photos": {"a.pkl": [1]}}, r"runs code when it is read"),
        (Listing(), {"Photos": {"../a.txt": "x"}}, r"stays inside the stage's directory"),
    ],
)
def test_files_that_fit_nowhere_are_refused_by_name(task, files, words):
    with pytest.raises(SettingsError, match=words):
        build(task, files=files)


def test_a_stage_that_does_not_hand_its_base_dir_on_is_refused(tmp_path, monkeypatch):
    class Astray(interim.ImageStage):
        def requires(self):
            return Photos()

        def process(self, image):
            return image

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="Photos would be built in data/raw/Photos, outside of the test's folder"):
        build(Astray(), files={"a.png": b""})
    assert not any(tmp_path.iterdir())


def test_a_task_without_a_base_dir_is_refused():
    class Everything(luigi.WrapperTask):
        pass

    with pytest.raises(SettingsError, match="Everything takes no base_dir"):
        build(Everything())


def test_a_wrapper_of_several_stages_is_built():
    class Everything(luigi.WrapperTask):
        base_dir = luigi.Parameter(default="data")

        def requires(self):
            return [self.clone(Listing), self.clone(Thumbs)]

    result = build(Everything, files={"a.png": fake_images(1)[0]})
    result.assert_built("Listing", "Thumbs")
    with pytest.raises(AssertionError, match="is no stage"):
        _ = result.target


def test_a_path_of_a_result_that_nobody_holds_can_still_be_read():
    path = next(build(Listing(), files={"a.jpg": b"..."}).target.files())
    gc.collect()
    assert path.read_text() == "a.jpg"


def test_a_process_that_was_forked_leaves_the_folder_to_its_parent(monkeypatch):
    result = build(Listing(), files={"a.jpg": b"..."})
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        result.close()
    assert result.base_dir.is_dir()
    result.close()
    assert not result.base_dir.exists()


def test_a_block_removes_the_folder_at_its_end():
    with build(Listing(), files={"a.jpg": b"..."}) as result:
        assert result.base_dir.is_dir()
    assert not result.base_dir.exists()


def test_a_folder_that_was_given_is_kept_and_luigi_is_as_before(tmp_path):
    result = build(Listing(), files={"a.jpg": b"..."}, base_dir=tmp_path)
    folder = result.base_dir
    result.close()
    assert (folder / "processed" / "Listing" / "listing.txt").is_file()
    photos = Photos(base_dir=str(tmp_path))
    assert "decide" not in vars(photos)
    assert not get_config().has_option("tintype", "progress")
    assert not any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("luigi").handlers)


def test_stages_stand_on_their_own_feet_again_after_a_build_that_raises(monkeypatch, tmp_path):
    monkeypatch.setattr("tintype.testing.building.rebuild", lambda task: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="division"):
        build(Listing(), files={"a.jpg": b"..."}, base_dir=tmp_path)
    assert not get_config().has_option("tintype", "durable")
    assert "requires" not in vars(Photos(base_dir=str(tmp_path)))


def test_it_works_outside_the_main_thread_and_in_several_at_once():
    results = {}

    def run(name):
        results[name] = build(Thumbs(), files={f"{name}.png": fake_images(1, seed=ord(name))[0]})

    threads = [threading.Thread(target=run, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: result["Thumbs"].computed for name, result in results.items()} == {
        name: [f"{name}.png"] for name in "abc"
    }


def test_a_loop_that_writes_a_path_twice_is_a_failed_stage():
    @requires(Photos)
    class Twice(LoopStage):
        def make_files(self):
            yield "a.txt", "1"
            yield "a.txt", "2"

    result = build(Twice(), files={"x.jpg": b""})
    assert CollisionError.__name__ in result["Twice"].error


USERS_TEST = """
import luigi
from luigi.util import requires
from tintype import interim, ops, raw
from tintype.testing import build, fake_images


class Photos(raw.DownloadFiles):
    urls = luigi.Parameter(default="urls.csv")


@requires(Photos)
class Thumbs(interim.ImageStage):
    def process(self, image):
        return ops.resize(image, max_side=16)


def test_thumbs():
    first, second = fake_images(2)
    result = build(Thumbs(), files={"a.png": first, "b.png": b"broken"})
    result.assert_failed(1)
    again = result.build_again(files={"a.png": first, "b.png": second})
    again.assert_ok()
    again.assert_computed(Thumbs=2)


if __name__ == "__main__":
    test_thumbs()
    print("done")
"""


@pytest.mark.parametrize("way", ["pytest", pytest.param("script", marks=pytest.mark.slow)])
def test_a_users_test_runs_without_configuration_quietly_and_leaves_nothing(tmp_path, way):
    folder, temporary = tmp_path / "somewhere", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    (folder / "test_thumbs.py").write_text(USERS_TEST)
    command = ["-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"] if way == "pytest" else ["test_thumbs.py"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(temporary)}
    ran = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    if way == "script":
        assert ran.stdout == "done\n"
        assert [line for line in ran.stderr.splitlines() if "autoload" not in line.lower()] == []
    assert [path.name for path in folder.iterdir()] == ["test_thumbs.py"]
    assert list(temporary.iterdir()) == []


def test_fake_images_are_equal_for_equal_seeds_and_distinct():
    images = fake_images(50, seed=3)
    assert all((a == b).all() for a, b in zip(images, fake_images(50, seed=3), strict=True))
    assert len({image.tobytes() for image in [*images, *fake_images(50, seed=4)]}) == 100
    assert {(image.shape, image.dtype.name) for image in images} == {((96, 128, 3), "uint8")}
    assert (fake_images(2, seed=3)[1] == images[1]).all()
    assert [image.sum() for image in fake_images(2, shape=(8, 8))] == FIRST_SUMS  # the same on every machine


FIRST_SUMS = [8685, 7874]


def test_fake_images_are_no_duplicates_of_each_other_and_have_no_plain_background():
    files = {f"{number}.png": image for number, image in enumerate(fake_images(40))}

    @requires(Photos)
    class Distinct(interim.DropDuplicates):
        pass

    result = build(Distinct(), files=files)
    result.assert_ok()
    result.assert_dropped(Distinct=0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5, 1), (7, 3, 4), (200, 10, 3)])
def test_fake_images_have_any_shape(shape):
    assert fake_images(1, shape=shape)[0].shape == shape


@pytest.mark.parametrize(("options", "words"), [({"n": -1}, "n=-1"), ({"n": 1, "shape": (4,)}, r"shape=\(4,\)")])
def test_fake_images_refuse_what_is_no_image(options, words):
    with pytest.raises(SettingsError, match=words):
        fake_images(**options)


def test_fake_files_are_whole_image_files(tmp_path):
    files = fake_files(3, labels=["cats", "dogs"], extension=".webp")
    assert list(files) == ["cats/0.webp", "dogs/1.webp", "cats/2.webp"]
    for path, data in files.items():
        write_bytes(data, tmp_path / path)
    assert len(find_image_files(tmp_path)) == 3
    assert {load_image(path).shape for path in find_image_files(tmp_path)} == {(96, 128, 3)}
    assert fake_files(0) == {}


def test_the_how_to_page_runs(tmp_path):
    page = Path(__file__).parents[1] / "docs" / "how-to" / "test-your-stages.md"
    [code] = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    (tmp_path / "test_page.py").write_text(code)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr
