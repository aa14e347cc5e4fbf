"""What a dataset goes through in months: after each change exactly what it asks for is done again, and no more.

Through the real command lines, in processes of their own, with code and data that are edited on the disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAMS = Path(sys.executable).parent

PRODUCTS = '''
"""Words, made loud, measured, and listed."""

import json
import os

import luigi
from luigi.util import requires

import clean
from tintype import Pipeline, Stage, record
from tintype.load_funcs import load_bytes
from tintype.raw import ImportFolder
from tintype.tasks import FileStage
from tintype.write_funcs import write_bytes


def note(stage, word):
    with open(os.environ["WORK_LOG"], "a") as log:
        log.write(f"{stage} {word}\\n")


class Words(ImportFolder):
    folder = luigi.Parameter(default="words", significant=False)


@requires(Words)
class Loud(FileStage):
    layer = "interim"

    def pipeline(self):
        return Pipeline(load_bytes, ops=self.work, write_func=write_bytes)

    def work(self, data):
        note("Loud", data.decode())
        return clean.shout(data)  # a comment


@requires(Loud)
class Pause(luigi.Task):
    """No stage: a task of another kind in the middle of the graph."""

    base_dir = luigi.Parameter(default="data")

    def output(self):
        return luigi.LocalTarget(f"{self.base_dir}/pause.json")

    def run(self):
        note("Pause", "")
        with self.output().open("w") as file:
            json.dump({"digest": self.input().stamp().digest}, file)


class Long(FileStage):
    layer = "interim"
    recorded_columns = {"length": int}
    least = luigi.IntParameter(default=1)

    def requires(self):
        return self.clone(Loud)

    def pipeline(self):
        return Pipeline(load_bytes, ops=self.work, write_func=write_bytes)

    def work(self, data):
        note("Long", data.decode())
        record(length=len(data))
        return data if len(data) >= self.least else None


class Listing(Stage):
    layer = "processed"

    def requires(self):
        return [self.clone(Long), self.clone(Pause)]

    def build(self, staging):
        note("Listing", "")
        rows = self.input()[0].manifest().rows()
        words = [f"{row['outpath']} {row['length']}" for row in rows if row["outpath"]]
        (staging.files / "listing.txt").write_text("\\n".join(words))
        staging.add("listing.txt")


@requires(Listing)
class Everything(Stage):
    """Loud, measured, listed."""

    layer = "processed"

    def build(self, staging):
        note("Everything", "")
        (staging.files / "done.txt").write_text("done")
        staging.add("done.txt")
'''
CLEAN = '''
"""Ops."""

import marks


def shout(data):
    """Return a word in capitals."""
    return data.upper() + marks.mark()


def whisper(data):
    return data.lower()
'''
MARKS = '''
"""Marks: two modules away from the stages."""

MARK = b"!"


def mark():
    return MARK
'''
N_WORDS = 20
ALL = {"Loud": N_WORDS, "Pause": 1, "Long": N_WORDS, "Listing": 1, "Everything": 1}


class Workplace:
    """A folder with code, words and what was built of them, and a command to build it."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder = folder
        self._command = command

    def build(self, *options: str) -> dict[str, int]:
        """Run the command; return how many files each stage worked on."""
        log = self.folder / "work.log"
        log.write_text("")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LUIGI_CONFIG")}
        environment |= {
            "WORK_LOG": str(log),
            "PYTHONPATH": ".",
            "PATH": os.pathsep.join([str(PROGRAMS), os.environ["PATH"]]),
        }
        ran = subprocess.run(
            [*self._command, *options], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return dict(Counter(line.split()[0] for line in log.read_text().splitlines()))

    def edit(self, name: str, before: str, after: str) -> None:
        """Change a line of the code."""
        path = self.folder / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def word(self, name: str) -> Path:
        return self.folder / "words" / name

    def built(self, *parts: str) -> Path:
        return self.folder.joinpath("data", *parts)


COMMANDS = {
    "luigi": ["luigi", "--module", "products", "Everything", "--local-scheduler"],
    "tintype": ["tintype", "rebuild", "--module", "products", "Everything"],
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which everything is built. Read only: copy it."""
    folder = tmp_path_factory.mktemp("template")
    for name, text in {"products.py": PRODUCTS, "clean.py": CLEAN, "marks.py": MARKS}.items():
        (folder / name).write_text(text)
    (folder / "luigi.cfg").write_text("[tintype]\ndurable = false\nn_jobs = 2\n[retcode]\ntask_failed = 30\n")
    (folder / "words").mkdir()
    for number in range(N_WORDS):
        (folder / "words" / f"w{number:02d}.txt").write_text(f"word{number:02d}")
    workplace = Workplace(folder, COMMANDS["luigi"])
    assert workplace.build() == ALL
    assert workplace.build() == {}
    return folder


@pytest.fixture(params=["tintype", pytest.param("luigi", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, template: Path, tmp_path: Path) -> Workplace:
    folder = shutil.copytree(template, tmp_path / "place", symlinks=True)
    return Workplace(folder, COMMANDS[request.param])


def edit_body(place: Workplace) -> None:
    place.edit("products.py", "return clean.shout(data)", "return clean.shout(data).title()")


def edit_helper(place: Workplace) -> None:
    place.edit("clean.py", "return data.upper() + marks.mark()", "return data.title() + marks.mark()")


def edit_constant_two_modules_away(place: Workplace) -> None:
    place.edit("marks.py", 'MARK = b"!"', 'MARK = b"!!"')


def edit_comments_and_docstrings(place: Workplace) -> None:
    place.edit("products.py", "# a comment", "# another comment")
    place.edit("clean.py", '"""Return a word in capitals."""', '"""Return a word in capitals, and a mark."""')
    place.edit("marks.py", "def mark():", "\n\ndef mark() -> bytes:")


def edit_what_nobody_uses(place: Workplace) -> None:
    place.edit("clean.py", "return data.lower()", "return data.strip()")


def edit_one_word(place: Workplace) -> None:
    place.word("w07.txt").write_text("another word")


def add_ten_and_remove_ten(place: Workplace) -> None:
    for number in range(10):
        place.word(f"w{number:02d}.txt").unlink()
        place.word(f"x{number:02d}.txt").write_text(f"new{number}")


def rewrite_a_word_as_it_was(place: Workplace) -> None:
    place.word("w07.txt").write_text("word07")


def swap_two_names(place: Workplace) -> None:
    place.word("w01.txt").rename(place.word("t"))
    place.word("w02.txt").rename(place.word("w01.txt"))
    place.word("t").rename(place.word("w02.txt"))


def remove_a_middle_stage(place: Workplace) -> None:
    shutil.rmtree(place.built("interim", "Long"))


def remove_the_first_stage(place: Workplace) -> None:
    shutil.rmtree(place.built("raw", "Words"))


def raise_the_version_of_the_last(place: Workplace) -> None:
    place.edit(
        "products.py", '    """Loud, measured, listed."""', '    """Loud, measured, listed."""\n    version = "2"'
    )


def remove_the_task_that_is_no_stage(place: Workplace) -> None:
    place.built("pause.json").unlink()


def touch_nothing(place: Workplace) -> None:
    pass


SCENARIOS: list[tuple[Callable[[Workplace], None], dict[str, int]]] = [
    (touch_nothing, {}),
    # In capitals or not, "WORD07!" is of one length: what Long gives is new, what Listing gives is the same.
    (edit_body, {"Loud": N_WORDS, "Long": N_WORDS, "Listing": 1}),
    (edit_helper, {"Loud": N_WORDS, "Long": N_WORDS, "Listing": 1}),
    (edit_constant_two_modules_away, {"Loud": N_WORDS, "Long": N_WORDS, "Listing": 1, "Everything": 1}),
    (edit_comments_and_docstrings, {}),
    (edit_what_nobody_uses, {}),
    (edit_one_word, {"Loud": 1, "Long": 1, "Listing": 1, "Everything": 1}),
    (add_ten_and_remove_ten, {"Loud": 10, "Long": 10, "Listing": 1, "Everything": 1}),
    # Its time is new, so it is imported again; it is the same, so that is all.
    (rewrite_a_word_as_it_was, {}),
    (swap_two_names, {"Loud": 2, "Long": 2, "Listing": 1}),
    (remove_a_middle_stage, {"Long": N_WORDS}),
    (remove_the_first_stage, {}),
    (raise_the_version_of_the_last, {"Everything": 1}),
    # Of what is no stage's only size and time are known.
    (remove_the_task_that_is_no_stage, {"Pause": 1, "Listing": 1}),
]


@pytest.mark.parametrize(("change", "expected"), SCENARIOS, ids=[change.__name__ for change, _ in SCENARIOS])
def test_exactly_what_a_change_asks_for_is_done_again(place, change, expected):
    change(place)
    assert place.build() == expected
    assert place.build() == {}


def test_a_change_that_is_reverted_has_its_stage_built_again_and_nothing_else(place):
    edit_body(place)
    place.build()
    place.edit("products.py", "return clean.shout(data).title()", "return clean.shout(data)")
    assert place.build() == {"Loud": N_WORDS, "Long": N_WORDS, "Listing": 1}


def test_another_parameter_has_a_directory_of_its_own_and_the_first_one_stays_good(place):
    assert place.build("--Long-least", "3") == {"Long": N_WORDS, "Listing": 1}
    assert place.built("interim", "Long-least=3").is_dir()
    assert place.build("--Long-least", "3") == {}
    assert place.build() == {"Listing": 1}


def test_a_published_file_that_was_deleted_is_made_again_by_repair_alone(place):
    place.built("interim", "Loud", "w03.txt").unlink()
    assert place.build() == {}
    repair = ["tintype", "verify", "--module", "products", "Everything", "--repair"]
    assert Workplace(place.folder, repair).build() == {"Loud": 1}
    assert place.built("interim", "Loud", "w03.txt").read_text() == "WORD03!"
    assert place.build() == {}


def test_a_dataset_that_was_moved_is_complete(place, tmp_path):
    place.folder.rename(tmp_path / "elsewhere")
    assert Workplace(tmp_path / "elsewhere", place._command).build() == {}


def test_two_workers_do_the_same_work(place):
    edit_one_word(place)
    assert place.build("--workers", "2") == {"Loud": 1, "Long": 1, "Listing": 1, "Everything": 1}
    assert place.build("--workers", "2") == {}
