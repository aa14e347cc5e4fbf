"""Behaviour of rebuilds in which only inputs have changed: what is the same is taken over, and nothing else."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.configuration import get_config
from luigi.util import requires

from tintype import Pipeline, drop, record
from tintype.errors import FileError, SettingsError, TooManyFailuresError
from tintype.load_funcs import load_bytes
from tintype.raw import ImportFolder
from tintype.tasks import FileStage
from tintype.tasks.forecast import Forecast
from tintype.tasks.graph import upstream_first
from tintype.tasks.orders import standing_order
from tintype.write_funcs import write_bytes

WORKED: list[str] = []
"""What went through an op, in order."""
MEND: set[str] = set()
"""Words that fail no longer."""
STOP_AT: list[int] = []


@pytest.fixture(autouse=True)
def _nothing_worked_and_no_fsync(_clean_luigi: None) -> None:
    for notes in (WORKED, MEND, STOP_AT):
        notes.clear()
    get_config().set("tintype", "durable", "false")


def shout(data: bytes) -> bytes | None:
    """Work on a word: fail on "bad...", drop "no..."."""
    word = data.decode()
    WORKED.append(word)
    if STOP_AT and len(WORKED) >= STOP_AT[0]:
        raise KeyError("stopped on purpose")
    if word.startswith("bad") and word not in MEND:
        raise ValueError(f"{word} is a bad word") if "type" not in word else TypeError(f"{word} is no word")
    if word.startswith("no"):
        drop(f"{word} is not wanted")
        return None
    record(length=len(word))
    return word.upper().encode()


class Words(ImportFolder):
    folder: str = luigi.Parameter(significant=False)


@requires(Words)
class Loud(FileStage):
    layer = "interim"
    recorded_columns = {"length": int}
    max_failure_rate = 0.9
    exceptions_to_catch = (ValueError, TypeError)

    def pipeline(self) -> Pipeline:
        return Pipeline(load_bytes, ops=shout, write_func=write_bytes)


@requires(Words)
class LoudAnywhere(Loud):
    path_matters = False


@requires(Words)
class Letters(Loud):
    """A file for each letter."""

    def pipeline(self) -> Pipeline:
        return Pipeline(load_bytes, ops=[shout, spell], write_func=write_bytes)


@requires(Words)
class Counted(Loud):
    """Records and writes nothing."""

    def pipeline(self) -> Pipeline:
        return Pipeline(load_bytes, ops=shout)


def note(data: bytes) -> bytes:
    WORKED.append(data.decode())
    return data


def spell(data: bytes) -> Any:
    for number, letter in enumerate(data.decode()):
        yield f"-{number}", letter.encode()


class Home:
    """A folder of words, and stages over it."""

    def __init__(self, folder: Path) -> None:
        self.words = folder / "words"
        self.data = folder / "data"

    def write(self, **words: str) -> None:
        for name, word in words.items():
            path = self.words / f"{name.replace('__', '/')}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(word)

    def task(self, cls: type, **parameters: Any) -> Any:
        return cls(base_dir=str(self.data), folder=str(self.words), **parameters)

    def build(self, cls: type, **parameters: Any) -> Any:
        WORKED.clear()
        task = self.task(cls, **parameters)
        for above in upstream_first(task):
            if not above.complete():
                above.run()
        assert task.complete()
        assert task.output().verify(deep=True).ok
        return task


def rows_of(task: Any) -> dict[str, dict[str, Any]]:
    return {row["inpath"]: row for row in task.output().manifest().rows()}


def statuses(task: Any) -> dict[str, str]:
    return {path.removesuffix(".txt"): row["status"] for path, row in rows_of(task).items()}


def text(task: Any, name: str) -> str:
    return str((task.output().folder / f"{name}.txt").read_text())


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path)
    home.write(a="one", b="two", c="three", d="four")
    return home


def test_only_what_is_new_or_changed_is_worked_on_and_what_is_gone_leaves(home):
    before = rows_of(home.build(Loud))
    home.write(b="TWO!", e="five")
    (home.words / "d.txt").unlink()
    loud = home.build(Loud)
    assert sorted(WORKED) == ["TWO!", "five"]
    assert statuses(loud) == {"a": "reused", "b": "written", "c": "reused", "e": "written"}
    assert [text(loud, name) for name in "abce"] == ["ONE", "TWO!", "THREE", "FIVE"]
    after = rows_of(loud)
    for name in ("a.txt", "c.txt"):
        same = ("outpath", "digest", "size_bytes", "input_digest", "length", "label")
        assert {key: after[name][key] for key in same} == {key: before[name][key] for key in same}
        assert after[name]["seconds"] == 0.0
    assert statuses(home.task(Words)) == {"a": "reused", "b": "written", "c": "reused", "e": "written"}


def test_what_is_taken_over_is_the_same_file(home):
    def inode(task, name):
        return (task.output().folder / name).stat().st_ino

    first = inode(home.build(Loud), "a.txt")
    home.write(e="five")
    assert inode(home.build(Loud), "a.txt") == first


def test_a_second_rebuild_takes_over_what_the_first_took_over(home):
    home.build(Loud)
    home.write(e="five")
    home.build(Loud)
    home.write(f="six")
    loud = home.build(Loud)
    assert WORKED == ["six"]
    assert Counter(statuses(loud).values()) == {"reused": 5, "written": 1}


def test_another_version_has_everything_worked_on(home, monkeypatch):
    home.build(Loud)
    monkeypatch.setattr(Loud, "version", "2")
    loud = home.build(Loud)
    assert len(WORKED) == 4
    assert set(statuses(loud).values()) == {"written"}


def test_another_version_and_another_input_have_everything_worked_on(home, monkeypatch):
    home.build(Loud)
    monkeypatch.setattr(Loud, "version", "2")
    home.write(e="five")
    home.build(Loud)
    assert len(WORKED) == 5


def test_what_failed_is_tried_again_and_what_was_dropped_is_not(home):
    home.write(bad="bad one", bad2="bad two", no="no thanks")
    loud = home.build(Loud)
    MEND.add("bad one")
    home.write(e="five")
    loud = home.build(Loud)
    assert sorted(WORKED) == ["bad one", "bad two", "five"]
    assert statuses(loud) == {
        "a": "reused", "b": "reused", "c": "reused", "d": "reused",
        "bad": "written", "bad2": "failed", "no": "dropped", "e": "written",
    }  # fmt: skip
    assert rows_of(loud)["no.txt"]["error"] == "no thanks is not wanted"


def test_a_carried_column_that_changed_has_its_file_worked_on(home, monkeypatch):
    home.build(Loud)
    monkeypatch.setattr(Words, "label", lambda self, inpath: "vowel" if inpath in {"a.txt", "e.txt"} else None)
    monkeypatch.setattr(Words, "version", "2")
    loud = home.build(Loud)
    assert WORKED == ["one"]
    assert rows_of(loud)["a.txt"]["label"] == "vowel"


def test_a_file_that_lies_elsewhere_now_is_worked_on_where_its_path_matters(home):
    home.write(x__a="uno")
    home.build(Loud)
    (home.words / "x/b.txt").write_text("due")
    (home.words / "x/a.txt").rename(home.words / "x/c.txt")
    loud = home.build(Loud)
    assert sorted(WORKED) == ["due", "uno"]
    assert text(loud, "x/c") == "UNO"


def test_a_file_that_lies_elsewhere_now_is_taken_over_where_its_path_does_not_matter(home):
    home.write(x__a="uno")
    home.build(LoudAnywhere)
    (home.words / "x/a.txt").rename(home.words / "x/c.txt")
    loud = home.build(LoudAnywhere)
    assert WORKED == []
    assert statuses(loud)["x/c"] == "reused"
    assert text(loud, "x/c") == "UNO"
    assert not (loud.output().folder / "x/a.txt").exists()


@pytest.mark.parametrize("cls", [Loud, LoudAnywhere])
def test_two_files_that_swapped_names_swap_their_results(home, cls):
    home.build(cls)
    (home.words / "a.txt").rename(home.words / "t")
    (home.words / "b.txt").rename(home.words / "a.txt")
    (home.words / "t").rename(home.words / "b.txt")
    loud = home.build(cls)
    assert [text(loud, name) for name in "ab"] == ["TWO", "ONE"]
    assert len(WORKED) == (2 if cls is Loud else 0)


@pytest.mark.parametrize("harm", ["remove", "shorten"])
def test_a_published_file_that_is_gone_or_of_another_size_is_made_again(home, harm):
    loud = home.build(Loud)
    victim = loud.output().folder / "c.txt"
    victim.unlink()
    if harm == "shorten":
        victim.write_text("TH")
    home.write(e="five")
    loud = home.build(Loud)
    assert sorted(WORKED) == ["five", "three"]
    assert statuses(loud)["c"] == "written"
    assert text(loud, "c") == "THREE"


def test_several_results_of_a_file_are_taken_over_together(home):
    home.write(no="no thanks")
    letters = home.build(Letters)
    home.write(b="ten", e="up")
    letters = home.build(Letters)
    assert sorted(WORKED) == ["ten", "up"]
    rows = [(row["inpath"], row["outpath"], row["status"]) for row in letters.output().manifest().rows()]
    assert rows[:9] == [
        *[("a.txt", f"a-{n}.txt", "reused") for n in range(3)],
        *[("b.txt", f"b-{n}.txt", "written") for n in range(3)],
        *[("c.txt", f"c-{n}.txt", "reused") for n in range(3)],
    ]
    assert ("no.txt", None, "dropped") in rows
    assert letters.output().stamp().n_inputs == 6


def test_when_one_of_several_results_is_gone_its_file_is_worked_on_again(home):
    letters = home.build(Letters)
    (letters.output().folder / "c-1.txt").unlink()
    home.write(e="up")
    letters = home.build(Letters)
    assert sorted(WORKED) == ["three", "up"]
    assert Counter(row["status"] for row in letters.output().manifest().rows()) == {"reused": 10, "written": 7}


def test_columns_that_were_recorded_without_a_file_are_taken_over(home):
    home.build(Counted)
    home.write(e="five")
    counted = home.build(Counted)
    assert WORKED == ["five"]
    assert {path: row["length"] for path, row in rows_of(counted).items()} == {
        "a.txt": 3, "b.txt": 3, "c.txt": 5, "d.txt": 4, "e.txt": 4,
    }  # fmt: skip


def test_a_stage_that_says_so_takes_nothing_over(home, monkeypatch):
    monkeypatch.setattr(Loud, "reuses_results", False)
    home.build(Loud)
    home.write(e="five")
    home.build(Loud)
    assert len(WORKED) == 5


def test_a_rebuild_that_is_stopped_goes_on_with_what_it_finished_and_the_old_directory_stays(home):
    loud = home.build(Loud)
    home.write(e="five", f="six", g="seven")
    STOP_AT.append(3)
    with pytest.raises(FileError, match="stopped on purpose"):
        home.build(Loud, n_jobs=1)
    assert text(loud, "a") == "ONE"
    assert loud.output().verify(deep=True).ok
    STOP_AT.clear()
    loud = home.build(Loud, n_jobs=1)
    assert WORKED == ["seven"]
    assert Counter(statuses(loud).values()) == {"reused": 4, "written": 3}


def test_a_rebuild_with_too_many_failures_publishes_nothing(home, monkeypatch):
    monkeypatch.setattr(Loud, "max_failure_rate", 0.0)
    loud = home.build(Loud)
    home.write(e="bad news")
    with pytest.raises(TooManyFailuresError, match="1 of 5 files failed"):
        home.build(Loud)
    assert statuses(loud) == dict.fromkeys("abcd", "written")
    home.write(e="five")
    assert statuses(home.build(Loud)) == {**dict.fromkeys("abcd", "reused"), "e": "written"}


def test_nothing_left_is_published_as_nothing(home):
    home.build(Loud)
    for path in home.words.iterdir():
        path.unlink()
    assert rows_of(home.build(Loud)) == {}


def test_a_rebuild_to_the_same_leaves_what_comes_after_alone(home):
    @requires(Loud)
    class After(FileStage):
        layer = "interim"

        def pipeline(self) -> Pipeline:
            return Pipeline(load_bytes, ops=note, write_func=write_bytes)

    home.build(After)
    home.write(no="no thanks")  # dropped by Loud, so that what it publishes is the same
    home.build(After)
    assert WORKED == ["no thanks"]


def test_retry_tries_failed_files_alone(home):
    home.write(bad="bad one", badtype="bad type")
    loud = home.build(Loud)
    MEND.update({"bad one", "bad type"})
    assert loud.complete()
    with standing_order(loud.output(), "retry"):
        assert not loud.complete()
        assert str(loud.decide()) == "asked to try failed files again"
        home.build(Loud)
        assert sorted(WORKED) == ["bad one", "bad type"]
    assert Counter(statuses(loud).values()) == {"reused": 4, "written": 2}


def test_retry_of_one_type_of_error_leaves_the_others_failed(home):
    home.write(bad="bad one", badtype="bad type")
    loud = home.build(Loud)
    MEND.update({"bad one", "bad type"})
    with standing_order(loud.output(), "retry", error_types={"TypeError"}):
        home.build(Loud)
    assert WORKED == ["bad type"]
    assert statuses(loud)["bad"] == "failed"
    assert rows_of(loud)["bad.txt"]["error"] == "bad one is a bad word"


def test_force_works_on_everything_once(home):
    loud = home.build(Loud)
    with standing_order(loud.output(), "force"):
        home.build(Loud)
        assert len(WORKED) == 4
        home.build(Loud)
        assert WORKED == []


def test_repair_makes_the_named_files_again(home):
    loud = home.build(Loud)
    path = loud.output().folder / "b.txt"
    path.unlink()
    path.write_text("XXX")
    with standing_order(loud.output(), "repair", outpaths=["b.txt"]):
        assert str(loud.decide()) == "1 files missing or changed"
        home.build(Loud)
    assert WORKED == ["two"]
    assert text(loud, "b") == "TWO"


def test_a_million_rows_are_not_needed_to_see_that_order_does_not_matter(home, monkeypatch):
    """Inputs that come in another order are found too, over many row groups."""
    import tintype.manifest.writer
    import tintype.tasks.published_rows

    monkeypatch.setattr(tintype.manifest.writer, "ROWS_PER_GROUP", 4)
    home.write(**{f"w{number}": f"word {number}" for number in range(40)})
    loud = home.build(LoudAnywhere)
    for number in range(40):  # in the reverse order of names
        os.rename(home.words / f"w{number}.txt", home.words / f"v{99 - number}.txt")
    home.write(zz="last")
    loud = home.build(LoudAnywhere)
    assert WORKED == ["last"]
    assert text(loud, "v60") == "WORD 39"


def test_the_forecast_says_what_a_build_would_do(home):
    loud = home.build(Loud)
    assert loud.forecast() == Forecast()
    home.write(b="TWO!", e="five")
    (home.words / "d.txt").unlink()
    home.build(Words)
    assert loud.forecast() == Forecast(n_reused=2, n_computed=2, n_removed=1)
    STOP_AT.append(2)
    with pytest.raises(FileError, match="stopped on purpose"):
        home.build(Loud, n_jobs=1)
    assert loud.forecast() == Forecast(n_reused=2, n_finished=1, n_computed=1, n_removed=1)
    STOP_AT.clear()
    home.build(Loud)
    assert loud.forecast() == Forecast()


def test_the_forecast_of_what_was_never_built_is_everything(home):
    home.build(Words)
    assert home.task(Loud).forecast() == Forecast(n_computed=4)


def test_with_the_code_trigger_off_other_code_goes_on_with_what_was_finished(home, monkeypatch):
    get_config().set("tintype", "triggers", "version,parameters,inputs")
    STOP_AT.append(3)
    with pytest.raises(FileError, match="stopped on purpose"):
        home.build(Loud, n_jobs=1)
    STOP_AT.clear()
    with monkeypatch.context() as other_code:
        other_code.setattr(
            Loud, "pipeline", lambda self: Pipeline(load_bytes, ops=[shout, note], write_func=write_bytes)
        )
        home.build(Loud, n_jobs=1)
    assert WORKED == ["three", "THREE", "four", "FOUR"]
    assert home.task(Loud).complete()
    get_config().set("tintype", "triggers", "version,parameters,inputs,code")
    assert not home.task(Loud).complete()


def test_an_unknown_trigger_is_refused_by_name(home, monkeypatch):
    get_config().set("tintype", "triggers", "version,colour")
    with pytest.raises(SettingsError, match=r"\[tintype\] triggers = 'version,colour'.*'colour' is none of version"):
        home.build(Loud)
    monkeypatch.setattr(Loud, "triggers", ("colour",))
    get_config().set("tintype", "triggers", "version")
    with pytest.raises(SettingsError, match=r"Loud\.triggers is \('colour',\): give any of version, parameters"):
        home.build(Loud)


def test_where_no_hard_link_can_be_made_files_are_copied(home, monkeypatch):
    loud = home.build(Loud)
    before = (loud.output().folder / "a.txt").stat().st_ino

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    home.write(e="five")
    home.build(Words)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(os, "link", refuse)
        loud = home.build(Loud)
    assert WORKED == ["five"]
    assert statuses(loud)["a"] == "reused"
    assert (loud.output().folder / "a.txt").stat().st_ino != before


WITHOUT_PANDAS = """
import sys
from pathlib import Path
from test_reuse import Home, LoudAnywhere

home = Home(Path(sys.argv[1]))
home.write(a="one", b="two", c="bad")
home.build(LoudAnywhere)
home.write(b="TWO!", e="five")
(home.words / "a.txt").rename(home.words / "z.txt")
print(home.build(LoudAnywhere).output().stamp().statuses)
print("pandas" in sys.modules, "numpy.ma" in sys.modules)
"""


def test_a_rebuild_does_without_pandas(tmp_path):
    """Arrow would import it to turn its arrays into NumPy's, which takes 0.2 s in each process that Luigi forks."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_PANDAS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[:2]))},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [
        "{'failed': 1, 'reused': 1, 'written': 2}",
        "False False",
    ], done.stderr
