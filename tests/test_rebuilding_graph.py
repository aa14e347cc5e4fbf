"""The state of a graph, and what a build would do with it, seen without touching anything."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.configuration import get_config
from luigi.util import requires

import tintype
from tintype import FileStage, Pipeline, Stage
from tintype.errors import SettingsError
from tintype.load_funcs import load_bytes
from tintype.raw import ImportFolder
from tintype.targets.staging import Staging
from tintype.write_funcs import write_bytes

WORKED: list[str] = []
"""What went through an op, in order."""
BUILT: list[str] = []
"""What was built as a whole, in order."""


def mend(*words: str) -> None:
    """Let words fail no longer. Not by a constant, which would be other code."""
    get_config().set("words", "mended", ",".join(words))


def shout(data: bytes) -> bytes:
    word = data.decode()
    WORKED.append(word)
    if word.startswith("bad") and word not in get_config().get("words", "mended", "").split(","):
        raise ValueError(f"{word} is a bad word") if "type" not in word else TypeError(f"{word} is no word")
    return word.upper().encode()


def count_letters(data: bytes) -> bytes:
    return str(len(data)).encode()


class Words(ImportFolder):
    folder: str = luigi.Parameter(significant=False)


@requires(Words)
class Loud(FileStage):
    """A shouted word for each word."""

    layer = "interim"
    max_failure_rate = 0.9
    sign: str = luigi.Parameter(default="", description="comes after each word")

    def pipeline(self) -> Pipeline:
        return Pipeline(load_bytes, ops=[shout, self.add_sign], write_func=write_bytes)

    def add_sign(self, data: bytes) -> bytes:
        return data + str(self.sign).encode()


@requires(Words)
class Lengths(FileStage):
    """The length of each word."""

    layer = "interim"

    def pipeline(self) -> Pipeline:
        return Pipeline(load_bytes, ops=count_letters, write_func=write_bytes)


class Summary(Stage):
    """How many files there are in both."""

    layer = "processed"
    folder: str = luigi.Parameter(significant=False)
    sign: str = luigi.Parameter(default="", significant=False)

    def requires(self) -> list[Stage]:
        loud: Stage = self.clone(Loud)
        lengths: Stage = self.clone(Lengths)
        return [loud, lengths]

    def build(self, staging: Staging) -> None:
        BUILT.append("Summary")
        n_files = [sum(1 for _ in target.files()) for target in self.input()]
        (staging.files / "summary.txt").write_text(str(n_files))
        staging.add("summary.txt")


class Home:
    """A folder of words, and the graph over it: Words, from them Loud and Lengths, from both the Summary."""

    def __init__(self, folder: Path) -> None:
        self.words = folder / "words"
        self.data = folder / "data"

    def write(self, **words: str) -> None:
        self.words.mkdir(exist_ok=True)
        for name, word in words.items():
            (self.words / f"{name}.txt").write_text(word)

    def task(self, cls: type = Summary, **parameters: Any) -> Any:
        return cls(base_dir=str(self.data), folder=str(self.words), **parameters)

    def build(self, **options: Any) -> tintype.rebuilding.RebuildReport:
        WORKED.clear()
        BUILT.clear()
        return tintype.rebuild(self.task(), **options)

    def folder(self, cls: type, **parameters: Any) -> Path:
        return Path(self.task(cls, **parameters).output().path)

    def listing(self) -> dict[str, tuple[int, int]]:
        """Return what lies where, and when it was changed."""
        paths = [self.data.parent, *self.data.parent.rglob("*")]
        return {str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in paths}


@pytest.fixture
def home(tmp_path, _clean_luigi):
    for notes in (WORKED, BUILT):
        notes.clear()
    get_config().set("tintype", "durable", "false")
    home = Home(tmp_path)
    home.write(a="one", b="two", c="three")
    return home


def states(home: Home) -> dict[str, str]:
    return {task.name: task.state for task in tintype.status(home.task()).tasks}


def test_before_anything_is_built_every_stage_is_never_built(home):
    status = tintype.status(home.task())
    assert [task.name for task in status.tasks][-1] == "Summary"
    assert set(states(home).values()) == {"never built"}
    assert not status.is_complete
    assert status["Loud"].waits_for == ("Words",)


def test_after_a_build_every_stage_is_complete_and_says_what_it_holds(home):
    assert home.build().ok
    status = tintype.status(home.task())
    assert status.is_complete
    loud = status["Loud"]
    assert loud.stamp is not None
    assert (loud.stamp.n_files, loud.stamp.size_bytes) == (3, 11)
    assert json.loads(json.dumps(status.to_json()))["tasks"][-1]["n_files"] == 1


def test_a_shared_stage_stands_in_full_once(home):
    home.build()
    lines = str(tintype.status(home.task())).splitlines()
    words = [line for line in lines if line.strip().startswith("Words")]
    assert len(words) == 2
    assert "see above" in words[1]
    assert "see above" not in words[0]
    assert lines[1].startswith("Summary")
    assert lines[2].startswith("  Lo") or lines[2].startswith("  Le")


def test_a_changed_parameter_is_stale_with_its_old_and_new_value(home, monkeypatch):
    home.build()
    monkeypatch.setattr(Loud, "version", "2")
    status = tintype.status(home.task())
    assert status["Loud"].state == "stale"
    assert [(reason.trigger, reason.before, reason.after) for reason in status["Loud"].reasons] == [
        ("version", "1", "2")
    ]
    assert status["Lengths"].state == "complete"
    assert (status["Summary"].state, status["Summary"].waits_for) == ("stale", ("Loud",))
    assert "version changed from 1 to 2" in str(status)


def test_a_build_that_failed_waits_and_says_how_far_it_came(home, monkeypatch):
    monkeypatch.setattr(Loud, "max_failure_rate", 0.0)
    home.write(bad="bad one")
    assert not home.build().ok
    loud = tintype.status(home.task())["Loud"]
    assert loud.state == "failed"
    assert loud.staging is not None
    assert (loud.staging.n_finished, loud.staging.n_failed, loud.staging.builder) == (3, 1, None)
    assert "3 finished, 1 failed, wait to be resumed" in loud.describe()


def test_a_stage_that_another_process_builds_says_who(home):
    home.build()
    task = home.task(Loud)
    with Staging(task.output().folder, task.recipe()):
        loud = tintype.status(home.task())["Loud"]
        assert loud.state == "building"
        assert f"by process {os.getpid()} on " in loud.describe()


def test_what_cannot_be_said_of_one_stage_is_an_error_of_that_stage(home):
    home.build()
    (home.folder(Lengths) / "_stamp.json").write_text("{")
    status = tintype.status(home.task())
    assert status["Lengths"].state == "error"
    assert "is corrupt" in status["Lengths"].error
    assert status["Loud"].state == "complete"
    assert len(status.errors) == 1


def test_a_look_reads_each_task_of_the_graph_once(home, monkeypatch):
    home.build()
    asked: list[str] = []
    decide = Stage.decide

    def note(self: Stage, wanted: Any = None) -> Any:
        asked.append(type(self).__name__)
        return decide(self, wanted)

    monkeypatch.setattr(Stage, "decide", note)
    monkeypatch.setattr(Stage, "complete", None)
    tintype.status(home.task())
    assert sorted(asked) == ["Lengths", "Loud", "Summary", "Words"]


def test_looking_touches_nothing(home, monkeypatch):
    before = home.listing()
    tintype.status(home.task())
    tintype.explain(home.task())
    tintype.rebuild(home.task(), dry_run=True)
    tintype.rebuild(home.task(), dry_run=True, force=True)
    assert home.listing() == before
    home.build()
    home.write(d="four")
    monkeypatch.setattr(Lengths, "version", "2")
    before = home.listing()
    for look in (tintype.status, tintype.explain, tintype.verify_graph, tintype.clean):
        look(home.task())
    tintype.rebuild(home.task(), dry_run=True, force=True)
    tintype.retry(home.task(), dry_run=True)
    tintype.accept(home.task(), dry_run=True)
    assert home.listing() == before


class Sorted(luigi.Task):
    """No stage: a list of the words in one file."""

    base_dir: str = luigi.Parameter()
    folder: str = luigi.Parameter()

    def requires(self) -> Words:
        return Words(base_dir=self.base_dir, folder=self.folder)

    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(f"{self.base_dir}/sorted.txt")

    def run(self) -> None:
        BUILT.append("Sorted")
        with self.output().open("w") as file:
            file.write(",".join(sorted(path.name for path in self.input().files())))


@requires(Sorted)
class Printed(Stage):
    layer = "processed"

    def build(self, staging: Staging) -> None:
        BUILT.append("Printed")
        (staging.files / "printed.txt").write_text(Path(self.input().path).read_text())
        staging.add("printed.txt")


@requires(Printed, Lengths)
class Everything(luigi.WrapperTask):
    pass


def test_plain_luigi_tasks_in_the_middle_and_at_the_end_belong_to_the_graph(home):
    task = home.task(Everything)
    status = tintype.status(task)
    assert [(one.name, one.is_stage, one.state) for one in status.tasks if not one.is_stage] == [
        ("Sorted", False, "never built"),
        ("Everything", False, "never built"),
    ]
    report = tintype.rebuild(task)
    assert report.ok
    assert BUILT == ["Sorted", "Printed"]
    assert report["Sorted"].state == "built"
    assert tintype.status(task).is_complete


def test_what_is_stale_above_a_complete_plain_task_is_built_too(home):
    task = home.task(Everything)
    tintype.rebuild(task)
    home.write(d="four")
    assert tintype.status(task)["Words"].state == "stale"
    assert tintype.rebuild(task).ok
    assert tintype.status(task).is_complete


def test_explain_counts_what_a_build_would_do(home):
    home.build()
    home.write(b="TWO", d="four")
    (home.words / "a.txt").unlink()
    explanation = tintype.explain(home.task())
    words = explanation["Words"]
    assert words.forecast is not None
    assert (words.forecast.n_computed, words.forecast.n_reused, words.forecast.n_removed) == (2, 1, 1)
    assert explanation["Loud"].forecast is None
    assert "after Words is built" in str(explanation)
    tintype.rebuild(home.task(Words))
    loud = tintype.explain(home.task())["Loud"]
    assert loud.forecast is not None
    assert (loud.forecast.n_computed, loud.forecast.n_reused, loud.forecast.n_removed) == (2, 1, 1)
    assert [reason.trigger for reason in loud.status.reasons] == ["inputs"]
    assert json.loads(json.dumps(explanation.to_json()))["stages"][0]["forecast"]["n_computed"] == 2


def test_explain_of_one_stage_that_is_complete_says_so(home):
    home.build()
    assert str(tintype.explain(home.task(), "Loud")) == "Loud: up to date"
    assert str(tintype.explain(home.task())) == "everything is up to date"


def test_explain_names_what_of_the_code_cannot_be_read(home, monkeypatch):
    hidden = eval("lambda self, data: data")  # has no source
    monkeypatch.setattr(Loud, "add_sign", hidden)
    explained = tintype.explain(home.task(), "Loud")["Loud"]
    assert explained.unread_code
    assert f"  not read: {explained.unread_code[0]}" in explained.lines()


@pytest.mark.parametrize("name", ["Loud", "interim/Loud", "Loud,Lengths"])
def test_stages_are_named_by_family_or_directory(home, name):
    assert tintype.explain(home.task(), name).stages[-1].name in ("Loud", "Lengths")


def test_an_unknown_stage_is_an_error_that_names_those_there_are(home):
    with pytest.raises(SettingsError, match="no stage 'Quiet': it has Words, L"):
        tintype.explain(home.task(), ["Quiet"])


def test_an_unknown_kind_of_difference_is_an_error(home):
    with pytest.raises(SettingsError, match="'colour' cannot be ignored: give any of version, parameters"):
        tintype.explain(home.task(), ignore="code,colour")
