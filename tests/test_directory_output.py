"""make_directory_output, and stages that read and write in a loop of their own."""

from __future__ import annotations

import gc
import pickle
import re
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pytest
from luigi.util import requires

import tintype
from tintype import DirectoryTarget, LoopStage, make_directory_output
from tintype.errors import FileError, ManifestError, SettingsError
from tintype.load_funcs import load_array, load_image
from tintype.raw import GivenFolder, ImportFolder
from tintype.testing import build, fake_images
from tintype.write_funcs.any_file import write_file

READ: list[str] = []


def read_text(path):
    READ.append(Path(path).name)
    if path.endswith(".txt"):
        return path, Path(path).read_text(encoding="utf-8")
    return None


def read_size(path):
    return path, Path(path).stat().st_size


@pytest.fixture(autouse=True)
def _forget():
    READ.clear()


class Notes(GivenFolder):
    folder = luigi.Parameter(default="/nowhere")


Texts = make_directory_output(read_text)(Notes)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("b.txt", "a.txt", "deep/c.txt", "d.jpg"):
        (tmp_path / "in" / name).write_text(name)
    return tmp_path / "in"


def read(task: Any) -> list[Any]:
    return list(task.output().read())


def published(cls, folder, **parameters):
    task = cls(folder=str(folder), base_dir=str(folder.parent / "data"), **parameters)
    report = tintype.rebuild(task)
    assert report.ok, report
    return task


def test_a_folder_of_others_is_read_file_by_file_in_order_and_stays_where_it_is(folder):
    texts = published(Texts, folder)
    items = list(texts.output().read())
    assert items == [(str(folder / name), name) for name in ("a.txt", "b.txt", "deep/c.txt")]
    assert list(texts.read()) == items
    assert sorted(path.name for path in Path(texts.output().path).iterdir()) == ["_manifest.parquet", "_stamp.json"]


def test_a_file_is_read_when_it_is_asked_for(folder):
    texts = published(Texts, folder)
    generator = texts.output().read()
    assert READ == []
    next(generator)
    assert READ == ["a.txt"]
    next(generator)
    assert READ == ["a.txt", "b.txt"]


def test_nothing_that_was_read_is_held(folder):
    class Big(np.ndarray):
        pass

    alive = []

    def read_big(path):
        gc.collect()
        alive.append(sum(reference() is not None for reference in references))
        big = np.zeros(10).view(Big)
        references.append(weakref.ref(big))
        return path, big

    references: list[weakref.ref[Big]] = []
    task = published(make_directory_output(read_big)(Notes), folder)
    for _, big in task.output().read():
        assert big.size == 10
        del big, _
    assert len(alive) == 4
    assert max(alive) <= 1


def test_decorating_a_second_task_changes_nothing_for_the_first_nor_for_what_both_came_from(folder):
    @make_directory_output(read_size)
    class Sizes(GivenFolder):
        folder = luigi.Parameter()

    again = make_directory_output(read_size)(Texts)
    assert [data for _, data in published(Texts, folder).output().read()] == ["a.txt", "b.txt", "deep/c.txt"]
    sizes = [5, 5, 5, 10]
    assert [data for _, data in read(published(Sizes, folder))] == sizes
    assert [data for _, data in read(again(folder=str(folder), base_dir=str(folder.parent / "data")))] == sizes
    plain = Notes(folder=str(folder), base_dir=str(folder.parent / "data")).output()
    assert type(plain) is DirectoryTarget
    with pytest.raises(TypeError, match="load_func"):
        plain.read()  # type: ignore[call-arg]


def test_a_pattern_chooses_by_the_name_of_the_file(folder):
    cls = make_directory_output(read_text, regex_pattern=r"^[ac]\.")(Notes)
    assert [data for _, data in published(cls, folder).output().read()] == ["a.txt", "deep/c.txt"]
    assert READ == ["a.txt", "c.txt"]


def test_another_reader_can_be_given_for_once(folder):
    items = published(Texts, folder).output().read(lambda path: path.suffix)
    assert [data for _, data in items] == [".txt", ".txt", ".jpg", ".txt"]


def test_a_reader_that_fails_names_the_file(folder):
    def read_bad(path):
        raise ValueError(f"bad {Path(path).suffix}")

    task = published(make_directory_output(read_bad)(Notes), folder)
    with pytest.raises(FileError, match=r"in/a\.txt: ValueError: bad \.txt"):
        next(task.output().read())


def test_what_is_not_published_cannot_be_read(tmp_path):
    with pytest.raises(ManifestError, match="is not published"):
        read(Texts(base_dir=str(tmp_path)))


def test_an_empty_folder_has_no_items(tmp_path):
    (tmp_path / "in").mkdir()
    assert list(published(Texts, tmp_path / "in").output().read()) == []


def test_what_cannot_be_decorated_or_called_is_refused():
    with pytest.raises(SettingsError, match=r"derive the class from tintype\.raw\.GivenFolder"):
        make_directory_output(read_text)(luigi.ExternalTask)  # type: ignore[type-var]
    with pytest.raises(SettingsError, match="make_directory_output got a str"):
        make_directory_output("read")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"'\[', which is no regular expression"):
        make_directory_output(read_text, regex_pattern="[")(Notes)(base_dir="x").output()


def test_a_decorated_stage_keeps_its_name_and_goes_to_another_process(folder):
    assert (Texts.__name__, Texts.__module__, Texts.__doc__) == ("Notes", __name__, Notes.__doc__)
    task = Module(folder=str(folder))
    assert pickle.loads(pickle.dumps(task)) == task
    assert task.output().path == "data/raw/Module"


@make_directory_output(read_text)
class Module(ImportFolder):
    """In a module, under its own name."""

    folder = luigi.Parameter(default="in", significant=False)


@requires(Module)
class Upper(LoopStage):
    recorded_columns = {"n": int}

    def make_files(self):
        for path, text in self.input().read():
            self.write(f"{Path(path).stem}.txt", text.upper(), inpath=path, columns={"n": len(text)})


def test_a_loop_writes_files_with_their_columns():
    result = build(Upper(), files={"a.txt": "one", "b.txt": "three", "c.bin": b"?"})
    result.assert_ok()
    assert [(Path(row["inpath"]).name, row["outpath"], row["n"]) for row in result.manifest.rows()] == [
        ("a.txt", "a.txt", 3),
        ("b.txt", "b.txt", 5),
    ]
    assert [path.read_text() for path in result.target.files()] == ["ONE", "THREE"]
    assert result.target.verify(deep=True).ok


def test_a_loop_that_yields_is_written_as_it_goes():
    @requires(Module)
    class Yielded(LoopStage):
        def make_files(self):
            for path, text in self.input().read():
                yield Path(path).with_suffix(".json").name, {"text": text}
                assert self.is_finished(Path(path).with_suffix(".json").name)

    result = build(Yielded(), files={f"{number}.txt": str(number) for number in range(3)})
    result.assert_ok()
    assert [path.read_text() for path in result.target.files()] == [f'{{"text": "{n}"}}\n' for n in range(3)]


@pytest.mark.parametrize("n", [0, 1, 40])
def test_any_number_of_files(n):
    result = build(Upper(), files={f"{number:02}.txt": "x" for number in range(n)})
    assert len(result["Upper"].files) == n


def test_a_loop_that_raises_publishes_nothing_and_readers_keep_what_there_was():
    result = build(Upper(), files={"a.txt": "one"})
    broken = result.build_again(files={"a.txt": "two", "b.txt": b"\xff"})
    assert broken["Upper"].state == "failed"
    assert "UnicodeDecodeError" in broken["Upper"].error
    assert [path.read_text() for path in result.target.files()] == ["ONE"]
    mended = result.build_again(files={"a.txt": "two"})
    assert [path.read_text() for path in mended.target.files()] == ["TWO"]
    assert mended["Upper"].files == ["a.txt"]


def test_what_an_interrupted_run_has_written_is_there_in_the_next():
    stops = [True]
    seen = []

    @requires(Module)
    class Interrupted(LoopStage):
        def make_files(self):
            for name in ("a.txt", "b.txt"):
                if self.is_finished(name):
                    seen.append(name)
                    continue
                if name == "b.txt" and stops.pop():
                    stops.append(False)
                    raise RuntimeError("power cut")
                self.write(name, name)

    result = build(Interrupted(), files={"x.txt": "x"})
    assert result["Interrupted"].state == "failed"
    again = result.build_again()
    again.assert_ok()
    assert seen == ["a.txt"]
    assert again["Interrupted"].files == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    ("path", "data", "words"),
    [
        ("../a.txt", "x", "stays inside the stage's directory"),
        ("a.pkl", np.zeros(3), "such a file runs code when it is read"),
        ("a.xyz", np.zeros(3), "name it .npy for an array"),
        ("a.json", {1: object()}, "give plain values"),
        ("a.npy", "text is written as it is", None),
    ],
)
def test_what_cannot_be_written_is_told(path, data, words):
    @requires(Module)
    class Writer(LoopStage):
        def make_files(self):
            self.write(path, data)

    result = build(Writer(), files={"x.txt": "x"})
    assert (words or "") in result["Writer"].error
    assert result.ok == (words is None)


def test_what_is_yielded_must_be_a_path_and_data():
    @requires(Module)
    class Writer(LoopStage):
        def make_files(self):
            yield np.zeros(2)

    assert "make_files yielded a ndarray: yield (path, data)" in build(Writer(), files={"x.txt": "x"})["Writer"].error


def test_writing_outside_of_a_build_is_refused():
    with pytest.raises(SettingsError, match="was called while nothing is being built: call it in make_files"):
        Upper().write("a.txt", "x")
    assert not Upper().is_finished("a.txt")


def test_a_loop_may_write_with_a_function_of_its_own():
    @requires(Module)
    class Own(LoopStage):
        def write_func(self):
            return lambda data, path: Path(path).write_text(data[::-1])

        def make_files(self):
            self.write("a.own", "abc")

    assert next(build(Own(), files={"x.txt": "x"}).target.files()).read_text() == "cba"


def test_another_reader_of_what_is_above_has_the_loop_run_again(monkeypatch):
    result = build(Upper(), files={"a.txt": "one"})
    result.build_again().assert_built()
    monkeypatch.setitem(globals(), "read_size", read_size)

    def read_twice(path):
        return path, "twice"

    other = make_directory_output(read_twice)(Module)
    monkeypatch.setattr(Upper, "requires", lambda self: self.clone(other))
    again = result.build_again(files={"a.txt": "one"})
    again.assert_built("Upper")
    assert any("read_twice is new" in reason for reason in again["Upper"].reasons)


def test_data_is_written_as_the_extension_says(tmp_path):
    image = fake_images(1)[0]
    for name, data in {"a.png": image, "a.npy": image, "a.txt": "é", "a.bin": b"x", "deep/a.json": [1, "é"]}.items():
        write_file(data, tmp_path / name)
    assert (load_image(tmp_path / "a.png") == image).all()
    assert (load_array(tmp_path / "a.npy") == image).all()
    assert (tmp_path / "a.txt").read_bytes() == "é".encode()
    assert (tmp_path / "a.bin").read_bytes() == b"x"
    assert (tmp_path / "deep" / "a.json").read_text(encoding="utf-8") == '[1, "é"]\n'


def test_the_how_to_page_runs(tmp_path, photographs):
    page = Path(__file__).parents[1] / "docs" / "how-to" / "directory-outputs.md"
    [code] = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    (tmp_path / "page.py").write_text(f"{code}\nimport tintype\nprint(tintype.rebuild(RedChannels()).ok)\n")
    (tmp_path / "photos").symlink_to(photographs)
    ran = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ran.stdout == "True\n", ran.stderr
    assert len(list((tmp_path / "data" / "interim" / "RedChannels").glob("*.npy"))) == 5
