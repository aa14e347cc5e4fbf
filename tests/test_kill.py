"""SIGKILL at any moment of a build: nothing partial is seen, and no journalled work is done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest

from tintype import DirectoryTarget, FileStage, Pipeline, raw
from tintype.errors import ManifestError
from tintype.load_funcs import load_bytes
from tintype.targets import Staging, staging
from tintype.targets.renames import ExchangeUnsupportedError
from tintype.write_funcs import write_bytes

N_FILES = 2_000
FEW_FILES = 300
FIRST, SECOND = "1", "2"

# What a user would write. Every file that is computed leaves its name in computed.log.
BUILDS = '''
"""builds.py VERSION [EXECUTOR [VICTIM]]: wait for a line on stdin, then build Shouts by Luigi."""

import os
import signal
import sys
from functools import partial

import luigi
import numpy, pyarrow.parquet  # a build needs them; here, so that no kill falls into their import
from luigi.util import requires

from tintype import FileStage, Pipeline, raw
from tintype.load_funcs import load_bytes
from tintype.write_funcs import write_bytes

VERSION, EXECUTOR, os.environ["VICTIM"] = (sys.argv[1:] + ["threads", ""])[:3]


def shout(data, version):
    victim = os.environ["VICTIM"]  # no constant, which would be other code
    name = data.split()[0].decode()
    if victim == "all":
        open("busy", "x").close()
        sum(range(1 << 60))  # holds the interpreter lock
    if name == victim:
        os.kill(os.getpid(), signal.SIGKILL)
    with open("computed.log", "ab", buffering=0) as log:
        log.write(f"{name}\\n".encode())
    return data.upper() + version.encode()


class Words(raw.ImportFolder):
    folder = "words"


@requires(Words)
class Shouts(FileStage):
    layer = "interim"
    version = VERSION
    executor = EXECUTOR

    def pipeline(self):
        return Pipeline(load_bytes, partial(shout, version=self.version), write_bytes)


if __name__ == "__main__":
    luigi.build([Words()], local_scheduler=True, log_level="WARNING")
    print("ready", flush=True)
    sys.stdin.readline()
    is_built = luigi.build([Shouts(n_jobs=2)], local_scheduler=True, log_level="WARNING")
    sys.exit(0 if is_built else 1)
'''


class Workshop:
    """A folder with a dataset, a program that builds it, and what is known about both."""

    def __init__(self, folder: Path, n_files: int = N_FILES) -> None:
        self.folder = folder
        self.n_files = n_files
        self.published = folder / "data" / "interim" / "Shouts"
        self.staging = self.published.with_name(".Shouts.staging")
        self.target = DirectoryTarget(self.published)
        self.names = [f"d{number % 10}/f{number:04d}.txt" for number in range(n_files)]
        (folder / "builds.py").write_text(BUILDS)
        for name in self.names:
            path = folder / "words" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} in words\n")

    @contextmanager
    def start(self, version: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start the program in a process group of its own, ready to build."""
        process = subprocess.Popen(
            [sys.executable, "builds.py", version, *arguments],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its worker processes, too, when they outlive it
            process.communicate()

    def build(self, version: str, *arguments: str) -> tuple[list[str], float]:
        """Build undisturbed; return the names that were computed, and the seconds it took."""
        before = len(self.computed())
        with self.start(version, *arguments) as process:
            started = time.perf_counter()
            _, errors = process.communicate("go\n")
            seconds = time.perf_counter() - started
        assert process.returncode == 0, errors
        return self.computed()[before:], seconds

    def kill_build(self, version: str, moment: float) -> None:
        """Build, and SIGKILL the program `moment` seconds later; it may have ended by then."""
        with self.start(version) as process:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            try:
                process.wait(moment)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def computed(self) -> list[str]:
        """Return the name of each file that was ever computed, in order."""
        log = self.folder / "computed.log"
        return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []

    def contents(self, version: str) -> dict[str, str]:
        """Return what a whole directory of a version holds."""
        return {name: f"{name} in words\n".upper() + version for name in self.names}

    def journalled(self) -> set[str]:
        """Return the results that the journal of the staging directory vouches for."""
        names: set[str] = set()
        for path in self.staging.glob("rows-*.jsonl"):
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    outpath = json.loads(line)["outpath"]
                    names.update([outpath] if isinstance(outpath, str) else outpath)
        return names

    def check(self, *versions: str | None) -> str | None:
        """Check that a reader sees one of the versions as a whole, or nothing if that is one of them; return which."""
        stamp = self.target.stamp()
        seen = {path.name for path in self.published.parent.glob("[!.]*")} if self.published.parent.exists() else set()
        if stamp is None:
            assert None in versions
            assert seen == set()
            with pytest.raises(ManifestError, match="is not published"):
                self.target.manifest()
            return None
        assert seen == {"Shouts"}
        assert stamp.recipe.version in versions
        assert self.target.verify(deep=True).ok
        assert read_tree(self.published) == self.contents(stamp.recipe.version)
        assert {str(path.relative_to(self.published)) for path in self.target.files()} == set(self.names)
        return stamp.recipe.version

    def leftovers(self) -> set[str]:
        """Return what lies hidden beside the published directory."""
        return {path.name for path in self.published.parent.glob(".*")}


def read_tree(folder: Path) -> dict[str, str]:
    """Return the content of every file in a directory, but not of what tintype keeps for itself."""
    found = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if path.name not in {"_manifest.parquet", "_stamp.json"}:
                found[str(path.relative_to(folder))] = path.read_text()
    return found


class Words(raw.ImportFolder):
    pass


class Signed(FileStage):
    layer = "interim"

    def pipeline(self):
        return Pipeline(load_bytes, lambda data: data + self.version.encode(), write_bytes)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def small_workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path, FEW_FILES)


def draw_moments(n_kills: int, seed: int, measure: Callable[[], float]) -> Iterator[float]:
    """Yield moments spread at random over a build and a little beyond; measured anew now and then, as machines vary."""
    draw = random.Random(seed)
    places = list(range(n_kills))
    draw.shuffle(places)
    seconds = 0.0
    for number, place in enumerate(places):
        if number % 10 == 0:
            seconds = measure()
        yield 1.05 * seconds * (place + draw.random()) / n_kills


def kill_first_builds(workshop: Workshop, n_kills: int) -> int:
    """Kill first builds all over; return how many of the kills came in the middle of the files."""

    def measure() -> float:
        workshop.target.remove()
        return workshop.build(FIRST)[1]

    n_amid = 0
    for moment in draw_moments(n_kills, 1, measure):
        workshop.target.remove()
        workshop.kill_build(FIRST, moment)
        n_amid += resume(workshop, FIRST, None)
    return n_amid


def kill_replacements(workshop: Workshop, n_kills: int) -> int:
    """Kill replacements all over, under the eyes of a reader; return how many kills came in the middle of the files."""
    old, new = FIRST, SECOND

    def measure() -> float:
        workshop.build(new)
        return workshop.build(old)[1]

    n_amid = 0
    for moment in draw_moments(n_kills, 2, measure):
        with Reader(workshop, {old, new}) as reader:
            workshop.kill_build(new, moment)
            n_amid += resume(workshop, new, old)
        assert reader.problems == []
        assert reader.n_whole > 0
        old, new = new, old
    return n_amid


def resume(workshop: Workshop, version: str, before: str | None) -> bool:
    """Look, build and look again after a kill; return whether it came in the middle of the files."""
    seen = workshop.check(before, version)
    journalled = workshop.journalled()
    computed, _ = workshop.build(version)
    expected = set() if seen == version else set(workshop.names) - journalled
    assert set(computed) == expected
    assert len(computed) == len(expected)
    assert workshop.check(version) == version
    # Luigi has no reason to run a stage that is complete, so what a kill left after publishing waits for the next.
    assert seen == version or workshop.leftovers() == set()
    return 0 < len(journalled) < workshop.n_files


class Reader:
    """A thread that looks at a published directory all the time, and notes whenever it is not a whole version."""

    def __init__(self, workshop: Workshop, versions: set[str]) -> None:
        self._workshop = workshop
        self._versions = versions
        self._contents = {version: workshop.contents(version) for version in versions}
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

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            try:
                self._look_once()
            except Exception as error:
                self.problems.append(repr(error))

    def _look_once(self) -> None:
        published = self._workshop.published
        # Held by a descriptor, so that all of it is read from the directory that had the name at one instant.
        descriptor = os.open(published, os.O_RDONLY | os.O_DIRECTORY)
        try:
            held = Path(f"/proc/self/fd/{descriptor}")
            try:
                stamp = DirectoryTarget(held).stamp()
                version = None if stamp is None else stamp.recipe.version
                is_whole = version is not None and read_tree(held) == self._contents[version]
            except OSError:
                is_whole = False
            if is_whole:
                self.n_whole += 1
            elif os.path.samestat(os.fstat(descriptor), os.stat(published)):
                # What has been replaced may be half cleared away; what has the name may not.
                self.problems.append("the published directory was not whole")
        finally:
            os.close(descriptor)
        stamp = self._workshop.target.stamp()
        if stamp is None or stamp.recipe.version not in self._versions:
            self.problems.append(f"the stamp was {stamp}")


def test_a_killed_first_build_shows_nothing_and_resumes(small_workshop):
    kill_first_builds(small_workshop, 3)


def test_a_killed_replacement_leaves_a_whole_version_and_resumes(small_workshop):
    kill_replacements(small_workshop, 3)


@pytest.mark.slow
def test_fifty_killed_first_builds_show_nothing_and_resume(workshop):
    assert kill_first_builds(workshop, 50) >= 5  # otherwise the moments were not where the work is


@pytest.mark.slow
def test_fifty_killed_replacements_leave_a_whole_version_and_resume(workshop):
    assert kill_replacements(workshop, 50) >= 5


@pytest.mark.slow
def test_a_build_that_is_killed_over_and_over_still_gets_done(workshop):
    _, seconds = workshop.build(FIRST)
    workshop.target.remove()
    draw = random.Random(3)
    n_runs = 0
    while workshop.check(FIRST, None) is None:
        n_runs += 1
        assert n_runs < 200
        journalled = workshop.journalled()
        before = len(workshop.computed())
        workshop.kill_build(FIRST, draw.uniform(0.2, 0.6) * seconds)
        assert journalled.isdisjoint(workshop.computed()[before:])
    assert n_runs > 1


def make_signed_stages(base_dir: Path, monkeypatch: pytest.MonkeyPatch) -> list[Signed]:
    """Return two versions of a stage whose input is there."""
    (base_dir / "words").mkdir()
    (base_dir / "words" / "a.txt").write_text("hello ")
    words = Words(folder=str(base_dir / "words"), base_dir=str(base_dir))
    words.run()
    monkeypatch.setattr(Signed, "requires", lambda _: words)
    return [type("Signed", (Signed,), {"version": version})(base_dir=str(base_dir)) for version in "12"]


@pytest.mark.parametrize("n_renames", [1, 2])
def test_a_ctrl_c_between_the_renames_leaves_a_whole_version(tmp_path, monkeypatch, n_renames):
    first, second = make_signed_stages(tmp_path, monkeypatch)
    first.run()

    def refuse(*_):
        raise ExchangeUnsupportedError

    def rename_and_stop(source, target):
        nonlocal n_renames
        rename(source, target)
        if first.output().folder in (source, target):
            n_renames -= 1
            if n_renames == 0:
                raise KeyboardInterrupt("here")

    rename = os.rename
    with monkeypatch.context() as patch:
        patch.setattr(staging, "exchange", refuse)
        patch.setattr(os, "rename", rename_and_stop)
        with pytest.raises(KeyboardInterrupt, match="here"):
            second.run()

    assert first.output().verify(deep=True).ok
    assert (tmp_path / "interim" / "Signed" / "a.txt").read_text() in {"hello 1", "hello 2"}
    second.run()
    assert second.complete()
    assert (tmp_path / "interim" / "Signed" / "a.txt").read_text() == "hello 2"
    assert not list((tmp_path / "interim").glob(".*"))


def test_what_was_replaced_is_never_taken_for_finished_work(tmp_path, monkeypatch):
    first, second = make_signed_stages(tmp_path, monkeypatch)
    first.run()
    with monkeypatch.context() as patch:
        patch.setattr(Staging, "discard", Staging.close)  # as if killed between the exchange and the clean-up
        second.run()
    assert (tmp_path / "interim" / ".Signed.staging" / "files" / "a.txt").read_text() == "hello 1"
    second.output().remove()

    second.run()

    # The journal knew a file of this name and size, but what lay there by then was the first version's.
    assert (tmp_path / "interim" / "Signed" / "a.txt").read_text() == "hello 2"
    assert second.output().verify(deep=True).ok
    assert not list((tmp_path / "interim").glob(".*"))


@pytest.mark.slow
def test_worker_processes_end_when_their_parent_is_killed(workshop):
    with workshop.start(FIRST, "processes") as process:
        process.stdin.write("go\n")
        process.stdin.flush()
        wait_until(workshop.journalled)
        workers = children_of(process.pid)
        assert len(workers) >= 2
        process.kill()
        wait_until(lambda: not any(map(is_alive, workers)))
    assert workshop.check(None) is None
    check_rest(workshop)


def test_a_worker_process_that_holds_the_interpreter_lock_ends_too_when_its_parent_is_killed(small_workshop):
    with small_workshop.start(FIRST, "processes", "all") as process:
        process.stdin.write("go\n")
        process.stdin.flush()
        wait_until((small_workshop.folder / "busy").exists)
        workers = children_of(process.pid)
        process.kill()
        wait_until(lambda: not any(map(is_alive, workers)))


def test_a_worker_process_that_dies_is_an_error_that_names_its_files(small_workshop):
    workshop = small_workshop
    with workshop.start(FIRST, "processes", "d3/f0233.txt") as process:
        _, errors = process.communicate("go\n")
    assert process.returncode == 1
    [sentence] = [line for line in errors.splitlines() if line.startswith("tintype.errors.FileError")]
    assert "a worker process died" in sentence
    assert workshop.check(None) is None
    check_rest(workshop)


def check_rest(workshop: Workshop) -> None:
    """Check that the next run, in processes, makes what is not in the journal yet, and publishes."""
    journalled = workshop.journalled()
    computed, _ = workshop.build(FIRST, "processes")
    assert sorted(computed) == sorted(set(workshop.names) - journalled)
    assert workshop.check(FIRST) == FIRST
    assert workshop.leftovers() == set()


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, seconds: float = 60.0) -> None:
    """Wait for something that another process does; fail when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
