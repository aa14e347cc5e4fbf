"""SIGKILL at any moment of a rebuild, a retry, a repair, an accept or a clean: nobody sees half of anything."""

from __future__ import annotations

import os
import random
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest
from tests.processes import SERVES_FORKS, Fork, Program, start

from tintype import DirectoryTarget
from tintype.manifest.schema import RESERVED_NAMES, Status
from tintype.targets.journal import Journal

N_FILES = 200
N_OF_EACH = 20

# What a user would write. Every file that is worked on leaves its name and the process in computed.log.
BUILDS = '''
"""Words in capitals, in several tones. What is told by files and variables is no part of the code."""

import os
import sys
import time
from pathlib import Path

import luigi
import numpy, pandas, pyarrow.compute, pyarrow.parquet  # here, so that no kill falls into their import
from luigi.util import requires

import tintype.rebuilding.building
from tintype import FileStage, Pipeline, raw
from tintype.load_funcs import load_bytes
from tintype.write_funcs import write_bytes


def read_names(path):
    return Path(path).read_text().split() if Path(path).exists() else []


class Words(raw.ImportFolder):
    folder = "words"


@requires(Words)
class Shouts(FileStage):
    layer = "interim"
    version = os.environ.get("VERSION", "1")
    tone = luigi.IntParameter(default=0)
    max_failure_rate = 0.5

    def pipeline(self):
        return Pipeline(load_bytes, self.shout, write_bytes)

    def shout(self, data):
        name = data.split()[0].decode()
        with open("computed.log", "ab", buffering=0) as log:
            log.write(f"{name} {os.getpid()}\\n".encode())
        time.sleep(0.005)  # work that takes so long that a kill falls into it
        if name in read_names("broken"):
            raise ValueError(f"{name} is broken")
        if name in read_names("held"):
            Path(f"waiting-{os.getpid()}").touch()
            while name in read_names("held"):
                time.sleep(0.01)
        return data.upper() + b"!" * self.tone


class All(luigi.WrapperTask):
    n_tones = luigi.IntParameter(default=5)

    def requires(self):
        return [Shouts(tone=tone) for tone in range(self.n_tones)]


if "FORKS" in os.environ:
    from forks import serve_forks

    serve_forks()
if "WAITS" in os.environ:
    print("ready", flush=True)
    sys.stdin.readline()
'''

CONFIGURATION = """
[core]
autoload_range = false
[tintype]
n_jobs = 2
durable = false
[worker]
wait_interval = 0.2
[retcode]
already_running = 10
missing_data = 20
not_run = 25
task_failed = 30
scheduling_error = 35
unhandled_exception = 40
"""

TASK = ("--module", "builds")
REBUILD = ("tintype", "rebuild", *TASK, "Shouts")
RETRY = ("tintype", "retry", *TASK, "Shouts")
REPAIR = ("tintype", "verify", "--deep", "--repair", *TASK, "Shouts")

Tree = dict[str, str]


class Workshop:
    """A folder with words, a module of stages, and what was built of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.words = folder / "words"
        self.published = self.layer / "Shouts"
        self.staging = self.layer / ".Shouts.staging"

    @classmethod
    def make(cls, folder: Path, n_files: int = N_FILES) -> Workshop:
        """Make one in which nothing is built."""
        workshop = cls(folder)
        (folder / "builds.py").write_text(BUILDS)
        (folder / "forks.py").write_text(SERVES_FORKS)
        (folder / "luigi.cfg").write_text(CONFIGURATION)
        workshop.write(f"d{number % 10}/f{number:03d}.txt" for number in range(n_files))
        return workshop

    @property
    def layer(self) -> Path:
        """The folder in which the directories of the stages lie."""
        return self.folder / "data" / "interim"

    def copy(self, folder: Path) -> Workshop:
        """Copy the whole folder: a dataset may be moved."""
        return Workshop(shutil.copytree(self.folder, folder, symlinks=True))

    def write(self, names: Iterable[str], more: str = "") -> None:
        """Write some words."""
        for name in names:
            path = self.words / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} in words{more}\n")

    def change_inputs(self, draw: random.Random, more: str) -> None:
        """Remove some words, write some anew and add some."""
        names = draw.sample(self.names(), 2 * N_OF_EACH)
        for name in names[:N_OF_EACH]:
            (self.words / name).unlink()
        self.write(names[N_OF_EACH:], more)
        self.write([f"d{number % 10}/new{more}-{number:03d}.txt" for number in range(N_OF_EACH)])

    def names(self) -> list[str]:
        """Return the names of the words there are."""
        return sorted(read_tree(self.words))

    def say(self, file: str, names: Sequence[str]) -> None:
        """Tell what is ``broken``, or ``held``."""
        draft = self.folder / f"{file}.draft"
        draft.write_text("\n".join(names))
        draft.replace(self.folder / file)

    def release(self) -> None:
        """Let everything that is held go on."""
        self.say("held", [])

    def waiting(self) -> set[int]:
        """Return the processes in which something is held, or was."""
        return {int(path.name.rpartition("-")[2]) for path in self.folder.glob("waiting-*")}

    def wanted(self, broken: Sequence[str] = (), *, tone: int = 0) -> Tree:
        """Return what a directory of the words as they are now holds."""
        words = read_tree(self.words)
        return {name: text.upper() + "!" * tone for name, text in words.items() if name not in broken}

    @contextmanager
    def start(self, command: Sequence[str], **environment: str) -> Iterator[Program]:
        """Start a command line. With WAITS or FORKS it has imported everything when the block begins."""
        with start(command, self.folder, environment) as program:
            if {"WAITS", "FORKS"} & set(environment):
                program.wait_until_ready()
            yield program

    def run(self, command: Sequence[str], **environment: str) -> list[str]:
        """Run a command line that succeeds; return the names of what was worked on."""
        n_before = len(self.computed())
        with self.start(command, **environment) as program:
            assert program.wait() == 0, program.errors
        return self.computed()[n_before:]

    def computed(self) -> list[str]:
        """Return the name of each file that was ever worked on, in order."""
        return [name for name, _ in self.works()]

    def works(self) -> list[tuple[str, int]]:
        """Return the name of each file that was ever worked on, and the process that did it."""
        log = self.folder / "computed.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [(name, int(pid)) for name, pid in (line.split() for line in lines)]

    def journalled(self) -> set[str]:
        """Return the results that the journal of the staging directory vouches for."""
        try:
            found = list(Journal(self.staging, "rows").results())
        except FileNotFoundError:
            return set()  # published in between
        return {str(result.outpath) for result in found if result.status == Status.WRITTEN}

    def leftovers(self, directory: str = "*") -> set[str]:
        """Return what lies hidden beside the directories, or beside one."""
        return {path.name for path in self.folder.glob(f"data/*/.{directory}.*")}

    def check_whole(self, expected: Tree, *, directory: str = "Shouts") -> None:
        """Check that a directory is as its manifest says, and holds what it must."""
        assert DirectoryTarget(self.layer / directory).verify(deep=True).ok
        assert read_tree(self.layer / directory) == expected


def read_tree(folder: Path) -> Tree:
    """Return the content of every file in a directory, but not of what tintype keeps for itself."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if name not in RESERVED_NAMES:
                found[str(path.relative_to(folder))] = path.read_text()
    return found


class Reader:
    """A thread that looks at a published directory all the time, and notes whenever it is none of some whole ones."""

    def __init__(self, published: Path, whole: Sequence[Tree]) -> None:
        self._published = published
        self._whole = whole
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.n_whole = 0
        self.problems: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Check that there was nothing but whole directories to see."""
        assert self.problems == []
        assert self.n_whole > 0

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            try:
                self._look_once()
            except Exception as error:
                self.problems.append(repr(error))

    def _look_once(self) -> None:
        # Held by a descriptor, so that all of it is read from the directory that had the name at one instant.
        descriptor = os.open(self._published, os.O_RDONLY | os.O_DIRECTORY)
        try:
            held = Path(f"/proc/self/fd/{descriptor}")
            try:
                is_whole = read_tree(held) in self._whole and DirectoryTarget(held).stamp() is not None
            except OSError:
                is_whole = False
            if is_whole:
                self.n_whole += 1
            elif os.path.samestat(os.fstat(descriptor), os.stat(self._published)):
                # What has been replaced may be half cleared away; what has the name may not.
                self.problems.append("the published directory was not whole")
        finally:
            os.close(descriptor)


class Case:
    """What is killed, and what is known about it.

    Parameters
    ----------
    workshop
        Everything is as it was before what is killed. Read only: copied for each kill.
    command
        What is killed, and then run again.
    old, new
        What the published directory holds before and after.
    needed
        The names that must be worked on.
    left
        Those of them that fail, and are tried again whenever the command is run.
    """

    def __init__(
        self,
        workshop: Workshop,
        command: Sequence[str],
        *,
        old: Tree,
        new: Tree,
        needed: Sequence[str],
        left: Sequence[str] = (),
    ) -> None:
        self.workshop = workshop
        self.command = command
        self.old = old
        self.new = new
        self.needed = set(needed)
        self.left = set(left)

    def measure(self, program: Program, folder: Path) -> float:
        """Run the command undisturbed; return the seconds it takes, without the import."""
        workshop = self.workshop.copy(folder)
        started = time.perf_counter()
        run = Fork(program, folder)
        assert run.wait() == 0, run.errors
        seconds = time.perf_counter() - started
        assert sorted(workshop.computed()) == sorted(self.needed)
        workshop.check_whole(self.new)
        shutil.rmtree(folder)
        return seconds

    def kill(self, program: Program, folder: Path, moment: float, n_computed: int | None = None) -> bool:
        """Kill the command and run it again; return whether the kill came in the middle of the files.

        It is killed when it has begun to work on so many files and some have come into the journal, or at the moment.
        """
        workshop = self.workshop.copy(folder)
        with Reader(workshop.published, [self.old, self.new]) as reader:
            killed = Fork(program, folder)
            if n_computed is not None:
                killed.wait_until(lambda: len(workshop.computed()) >= n_computed and workshop.journalled())
            killed.kill(0.0 if n_computed is not None else moment)
            is_new = self._check_killed(workshop)
            n_before = len(workshop.computed())
            journalled = workshop.journalled()
            run = Fork(program, folder)
            assert run.wait() == 0, run.errors
        reader.check()
        expected = self.left if is_new else self.needed - journalled
        assert sorted(workshop.computed()[n_before:]) == sorted(expected)
        workshop.check_whole(self.new)
        # Luigi has no reason to run a stage that is complete, so what a kill left after publishing waits for the next.
        assert (is_new and not self.left) or workshop.leftovers("Shouts") == set()
        shutil.rmtree(folder)
        return not is_new and 0 < len(journalled) < len(self.needed)

    def _check_killed(self, workshop: Workshop) -> bool:
        """Check that the directory is the whole old one or the whole new one; return which."""
        assert [path.name for path in workshop.layer.glob("[!.]*")] == ["Shouts"]
        is_new = read_tree(workshop.published) == self.new
        if is_new:
            workshop.check_whole(self.new)
        else:
            assert read_tree(workshop.published) == self.old
        computed = workshop.computed()
        assert len(computed) == len(set(computed))
        assert set(computed) <= self.needed
        return is_new


def draw_moments(n_kills: int, seed: int) -> list[float]:
    """Return moments spread at random over the time that something takes, and a little beyond, in any order."""
    draw = random.Random(seed)
    return [1.05 * (place + draw.random()) / n_kills for place in draw.sample(range(n_kills), n_kills)]


def kill_all_over(case: Case, folder: Path, n_kills: int, seed: int) -> int:
    """Kill a command at moments spread at random over it, every second time at a random moment of its work on files.

    Returns how many kills came in the middle of the files.
    """
    draw = random.Random(seed)
    n_amid = 0
    seconds = 0.0
    with case.workshop.start(case.command, FORKS="1") as program:
        for number, moment in enumerate(draw_moments(n_kills, seed)):
            if number % 10 == 0:
                seconds = case.measure(program, folder / "measured")  # anew now and then, as machines vary
            n_computed = draw.randrange(1, len(case.needed)) if number % 2 else None
            n_amid += case.kill(program, folder / f"killed-{number}", moment * seconds, n_computed)
    return n_amid


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Return a workshop in which everything is built. Read only: copy it."""
    workshop = Workshop.make(tmp_path_factory.mktemp("built"))
    assert sorted(workshop.run(REBUILD)) == workshop.names()
    workshop.check_whole(workshop.wanted())
    (workshop.folder / "computed.log").unlink()
    return workshop


def change_the_inputs(workshop: Workshop) -> Case:
    """Return the rebuild after 20 words were added, 20 changed and 20 removed."""
    old, before = workshop.wanted(), read_tree(workshop.words)
    workshop.change_inputs(random.Random(1), "-anew")
    needed = [name for name, text in read_tree(workshop.words).items() if before.get(name) != text]
    assert len(needed) == 2 * N_OF_EACH
    return Case(workshop, REBUILD, old=old, new=workshop.wanted(), needed=needed)


def mend_what_failed(workshop: Workshop) -> Case:
    """Return the retry after 40 words were broken and all but 3 of them mended."""
    broken = random.Random(2).sample(workshop.names(), 2 * N_OF_EACH)
    workshop.write(broken, " that break")
    workshop.say("broken", broken)
    assert sorted(workshop.run(REBUILD)) == sorted(broken)
    (workshop.folder / "computed.log").unlink()
    workshop.say("broken", broken[:3])
    old, new = workshop.wanted(broken), workshop.wanted(broken[:3])
    return Case(workshop, RETRY, old=old, new=new, needed=broken, left=broken[:3])


def damage_the_published(workshop: Workshop) -> Case:
    """Return the repair after of the published files 20 were removed and 20 changed, half of these to one size."""
    damaged = random.Random(3).sample(workshop.names(), 2 * N_OF_EACH)
    for number, name in enumerate(damaged):
        path = workshop.published / name
        text = path.read_text()
        path.unlink()
        if number < N_OF_EACH:
            path.write_text(text.lower() if number % 2 else "")
    return Case(workshop, REPAIR, old=read_tree(workshop.published), new=workshop.wanted(), needed=damaged)


@pytest.mark.parametrize(
    "make_case",
    [
        pytest.param(change_the_inputs, id="rebuild"),
        pytest.param(mend_what_failed, id="retry", marks=pytest.mark.slow),
        pytest.param(damage_the_published, id="repair", marks=pytest.mark.slow),
    ],
)
def test_a_kill_leaves_the_old_or_the_new_and_costs_nothing_that_was_finished(built, tmp_path, make_case):
    kill_all_over(make_case(built.copy(tmp_path / "before")), tmp_path, 5, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make_case", [change_the_inputs, mend_what_failed, damage_the_published], ids=["rebuild", "retry", "repair"]
)
def test_fifty_kills_leave_the_old_or_the_new_and_cost_nothing_that_was_finished(built, tmp_path, make_case):
    n_amid = kill_all_over(make_case(built.copy(tmp_path / "before")), tmp_path, 50, seed=2)
    assert n_amid >= 5  # otherwise the moments were not where the work is


def kill_while_inputs_change(workshop: Workshop, n_kills: int) -> None:
    """Kill rebuilds of which each finds other inputs than the one before, and then let one get through."""
    draw = random.Random(4)
    trees = [workshop.wanted()]
    for number in range(n_kills):
        workshop.change_inputs(draw, f"-{number}")
        trees.append(workshop.wanted())
        workshop.say("held", draw.sample(sorted(set(trees[-1]) - set(trees[0])), N_OF_EACH // 2))
        with workshop.start(REBUILD) as killed, Reader(workshop.published, trees) as reader:
            wait_for_held(workshop, killed)
            killed.kill()
        reader.check()
        workshop.check_whole(trees[0])
    journalled = workshop.journalled()
    workshop.release()
    computed = workshop.run(REBUILD)
    assert len(computed) == len(set(computed))
    assert journalled.isdisjoint(computed)
    changed = [name for name, text in trees[-1].items() if trees[0].get(name) != text]
    assert set(computed) <= set(changed)
    workshop.check_whole(trees[-1])
    assert workshop.leftovers() == set()


def wait_for_held(workshop: Workshop, program: Program) -> None:
    """Wait until a program is in the middle of its files."""
    program.wait_until(lambda: program.pid in workshop.waiting(), "a file in hand")


@pytest.mark.slow
def test_inputs_that_change_between_twenty_kills_never_mix(built, tmp_path):
    kill_while_inputs_change(built.copy(tmp_path / "workshop"), 20)


# Accept and clean

N_TONES = 5
N_KEPT = 3
ALL = (*TASK, "All")
BUILD_ALL = ("tintype", "rebuild", *ALL)
ACCEPT = ("tintype", "accept", *ALL)
CLEAN = ("tintype", "clean", "--yes", *ALL, "--n-tones", str(N_KEPT))


def directory_of(tone: int) -> str:
    return f"Shouts-tone={tone}" if tone else "Shouts"


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Return a workshop in which several directories are built. Read only: copy it."""
    workshop = Workshop.make(tmp_path_factory.mktemp("tones"), 30)
    workshop.run(BUILD_ALL)
    (workshop.folder / "computed.log").unlink()
    return workshop


def kill_and_check(
    tones: Workshop, folder: Path, n_kills: int, command: Sequence[str], check: Callable[[Workshop, bool], None]
) -> None:
    """Kill a command at random moments, each time in a workshop as it was before, and run it again."""
    with tones.start(command, FORKS="1", VERSION="2") as program:
        started = time.perf_counter()
        run = Fork(program, tones.copy(folder / "measured").folder)
        assert run.wait() == 0, run.errors
        seconds = time.perf_counter() - started
        for number, moment in enumerate(draw_moments(n_kills, 5)):
            workshop = tones.copy(folder / f"killed-{number}")
            Fork(program, workshop.folder).kill(moment * seconds)
            check(workshop, False)
            run = Fork(program, workshop.folder)
            assert run.wait() == 0, run.errors
            check(workshop, True)
            assert workshop.computed() == []


def check_accepted(workshop: Workshop, is_done: bool) -> None:
    """Check that every directory is whole, and is accepted or not."""
    assert {path.name for path in workshop.layer.glob("[!.]*")} == {directory_of(tone) for tone in range(N_TONES)}
    for tone in range(N_TONES):
        workshop.check_whole(workshop.wanted(tone=tone), directory=directory_of(tone))
        stamp = DirectoryTarget(workshop.layer / directory_of(tone)).stamp()
        assert stamp is not None
        assert stamp.recipe.version in ({"2"} if is_done else {"1", "2"})


def kill_accepts(tones: Workshop, folder: Path, n_kills: int) -> None:
    """Kill accepts of another version, and check that what was accepted is not built again."""
    kill_and_check(tones, folder, n_kills, ACCEPT, check_accepted)
    assert Workshop(folder / "killed-0").run(BUILD_ALL, VERSION="2") == []


def test_a_killed_accept_leaves_every_directory_whole(tones, tmp_path):
    kill_accepts(tones, tmp_path, 3)


@pytest.mark.slow
def test_ten_killed_accepts_leave_every_directory_whole(tones, tmp_path):
    kill_accepts(tones, tmp_path, 10)


def leave_behind(workshop: Workshop) -> None:
    """Leave what builds leave: a staging directory of another recipe, a replaced directory, one moved aside."""
    workshop.say("held", workshop.names()[-5:])
    with workshop.start(REBUILD, VERSION="3") as killed:
        wait_for_held(workshop, killed)
        killed.kill()
    workshop.release()
    (workshop.folder / "computed.log").unlink()
    replaced, aside = directory_of(2), directory_of(1)
    shutil.copytree(workshop.layer / replaced, workshop.layer / f".{replaced}.trash-{uuid.uuid4().hex[:12]}")
    os.rename(workshop.layer / aside, workshop.layer / f".{aside}.old-{uuid.uuid4().hex}")


def check_cleaned(workshop: Workshop, is_done: bool) -> None:
    """Check that what the graph writes is there and whole, and the rest is whole or gone."""
    kept = {directory_of(tone) for tone in range(N_KEPT)}
    seen = {path.name for path in workshop.layer.glob("[!.]*")}
    for tone in range(N_TONES):
        name = directory_of(tone)
        if name not in seen:
            [name] = [path.name for path in workshop.layer.glob(f".{name}.old-*")] or [""]
        assert name or tone >= N_KEPT, f"{directory_of(tone)} is lost"
        if name:
            workshop.check_whole(workshop.wanted(tone=tone), directory=name)
    if is_done:
        assert seen == kept
        assert {name for name in workshop.leftovers() if not is_bare(workshop.layer / name)} == set()


def is_bare(folder: Path) -> bool:
    """Return whether a folder is a lock that was killed before it was signed: nothing shows whose it is."""
    return [(path.name, path.stat().st_size) for path in folder.iterdir()] == [("lock", 0)]


def kill_cleans(tones: Workshop, folder: Path, n_kills: int) -> None:
    workshop = tones.copy(folder / "before")
    leave_behind(workshop)
    assert len(workshop.leftovers()) == 3
    kill_and_check(workshop, folder, n_kills, CLEAN, check_cleaned)


def test_a_killed_clean_loses_no_directory(tones, tmp_path):
    kill_cleans(tones, tmp_path, 3)


@pytest.mark.slow
def test_ten_killed_cleans_lose_no_directory(tones, tmp_path):
    kill_cleans(tones, tmp_path, 10)
