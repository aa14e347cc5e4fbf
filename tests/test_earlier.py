"""Resuming a build after its inputs have changed: what was made from unchanged inputs is not made again."""

import os
from collections import Counter
from pathlib import Path

import luigi
import pytest

from tintype.errors import TooManyFailuresError
from tintype.pipelines import Pipeline
from tintype.processed import DescribeImages
from tintype.raw import ImportFolder
from tintype.tasks import FileStage

calls: Counter[str] = Counter()


class Letters(ImportFolder):
    folder = "letters"


class Numbers(FileStage):
    """A number for each text; what is none fails."""

    layer = "interim"
    recorded_columns = {"n_digits": int}
    version = "1"

    def requires(self):
        return Letters()

    def pipeline(self):
        return Pipeline(load_func=read_number, write_func=write_number)


def read_number(path):
    from tintype import record

    calls[Path(path).name] += 1
    text = Path(path).read_text()
    record(n_digits=len(text))
    return int(text)


def write_number(number, path):
    Path(path).write_text(str(number))


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls.clear()
    for n in range(10):
        put(f"{n}.txt", str(n))


def put(name, text):
    path = Path("letters", name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def build():
    """Import the letters and build the numbers; return what was computed."""
    luigi.task_register.Register.clear_instance_cache()
    calls.clear()
    letters = Letters()
    if not letters.complete():
        letters.run()
    Numbers().run()
    return sorted(calls)


def test_a_mended_input_is_the_only_one_that_is_worked_on_again():
    put("3.txt", "three")
    with pytest.raises(TooManyFailuresError, match="1 of 10 files failed"):
        build()
    assert len(calls) == 10
    put("3.txt", "333")
    assert build() == ["3.txt"]
    target = Numbers().output()
    assert target.verify(deep=True).ok
    rows = {row["inpath"]: row for row in target.manifest().rows()}
    assert {row["status"] for row in rows.values()} == {"written"}
    assert rows["3.txt"]["n_digits"] == 3
    assert rows["4.txt"]["n_digits"] == 1
    assert [row["inpath"] for row in target.manifest().rows()] == [f"{n}.txt" for n in range(10)]
    assert sorted(os.listdir("data/interim")) == ["Numbers"]


def test_added_and_vanished_inputs_shift_the_rows_and_nothing_else():
    put("3.txt", "three")
    with pytest.raises(TooManyFailuresError, match="1 of 10 files failed"):
        build()
    Path("letters/0.txt").unlink()
    Path("letters/3.txt").unlink()
    put("00.txt", "100")
    assert build() == ["00.txt"]
    target = Numbers().output()
    assert target.verify(deep=True).ok
    assert sorted(path.name for path in target.files()) == sorted(f"{n}.txt" for n in ("00", 1, 2, 4, 5, 6, 7, 8, 9))


def test_inputs_may_change_more_than_once_before_the_build_succeeds():
    put("3.txt", "three")
    put("7.txt", "seven")
    with pytest.raises(TooManyFailuresError, match="2 of 10 files failed"):
        build()
    put("3.txt", "3")
    with pytest.raises(TooManyFailuresError, match="1 of 10 files failed"):
        build()
    assert sorted(calls) == ["3.txt", "7.txt"]
    put("7.txt", "7")
    assert build() == ["7.txt"]
    assert Numbers().output().verify(deep=True).ok


def test_swapped_contents_are_not_mistaken_for_each_other():
    put("3.txt", "three")
    with pytest.raises(TooManyFailuresError, match="1 of 10 files failed"):
        build()
    put("1.txt", "2")
    put("2.txt", "1")
    put("3.txt", "3")
    assert build() == ["1.txt", "2.txt", "3.txt"]
    folder = Numbers().output().folder
    assert [(folder / name).read_text() for name in ("1.txt", "2.txt")] == ["2", "1"]


def test_another_version_starts_from_nothing(monkeypatch):
    put("3.txt", "three")
    with pytest.raises(TooManyFailuresError, match="1 of 10 files failed"):
        build()
    put("3.txt", "3")
    monkeypatch.setattr(Numbers, "version", "2")
    assert len(build()) == 10


def test_a_finished_file_that_was_damaged_meanwhile_is_made_again():
    put("3.txt", "three")
    with pytest.raises(TooManyFailuresError, match="1 of 10 files failed"):
        build()
    (Path("data/interim/.Numbers.staging/files") / "5.txt").write_text("longer than before")
    put("3.txt", "3")
    assert build() == ["3.txt", "5.txt"]
    assert (Numbers().output().folder / "5.txt").read_text() == "5"


def test_tables_of_a_whole_directory_are_made_anew(photographs):
    class Photographs(ImportFolder):
        folder = "pictures"

    class Description(DescribeImages):
        def requires(self):
            return Photographs()

    pictures = Path("pictures")
    pictures.mkdir()
    sources = sorted(photographs.rglob("*.png"))[:2]
    for source in sources:
        (pictures / source.name).write_bytes(source.read_bytes())
    (pictures / "bad.png").write_bytes(b"no image")
    Photographs().run()
    with pytest.raises(TooManyFailuresError, match=r"bad\.png"):
        Description().run()
    (pictures / "bad.png").unlink()
    luigi.task_register.Register.clear_instance_cache()
    Photographs().run()
    task = Description()
    task.run()
    assert task.output().verify(deep=True).ok
    lines = (task.output().folder / "description.csv").read_text().splitlines()
    assert len(lines) == 1 + len(sources)


def test_the_import_itself_goes_on_after_a_change_of_its_folder(monkeypatch):
    copied: list[str] = []

    def copy_but_not_five(source, path):
        from tintype.write_funcs import copy_file

        if Path(source).name == "5.txt" and Path(source).read_text() == "5":
            raise ValueError("not this one")
        copied.append(Path(source).name)
        copy_file(source, path)

    monkeypatch.setattr("tintype.raw.import_folder.copy_file", copy_but_not_five)
    with pytest.raises(TooManyFailuresError, match=r"First: 5\.txt: ValueError: not this one"):
        Letters().run()
    put("5.txt", "55")
    copied.clear()
    luigi.task_register.Register.clear_instance_cache()
    Letters().run()
    assert copied == ["5.txt"]
    assert Letters().output().verify(deep=True).ok
