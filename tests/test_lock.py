"""One writer at a time: two processes that build one stage, and the lock that keeps them apart."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tintype import FileStage, Pipeline, raw
from tintype.errors import StagingError, StagingLockedError
from tintype.load_funcs import load_bytes
from tintype.recipe import Recipe
from tintype.targets import DirectoryTarget, Staging
from tintype.targets.lock import LOCK_NAME, FolderLock
from tintype.write_funcs import write_bytes

N_FILES = 20

# What a user would write. The last file waits for a line on stdin.
BUILDS = '''
"""Build Shouts."""

import os
import sys

from luigi.util import requires

from tintype import FileStage, Pipeline, raw
from tintype.load_funcs import load_bytes
from tintype.write_funcs import write_bytes


def shout(data):
    if data == b"19":
        print("waiting", flush=True)
        sys.stdin.readline()
    return data + b" by %d" % os.getpid()


class Words(raw.ImportFolder):
    folder = "words"


@requires(Words)
class Shouts(FileStage):
    layer = "interim"

    def pipeline(self):
        return Pipeline(load_bytes, shout, write_bytes)


if __name__ == "__main__":
    Words().run()
    Shouts(n_jobs=2).run()
'''


class Workshop:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = DirectoryTarget(folder / "data" / "interim" / "Shouts")
        (folder / "builds.py").write_text(BUILDS)
        (folder / "words").mkdir()
        for number in range(N_FILES):
            (folder / "words" / f"{number:02d}.txt").write_text(f"{number:02d}")

    @contextmanager
    def start(self) -> Iterator[subprocess.Popen[str]]:
        """Start a process that builds."""
        process = subprocess.Popen(
            [sys.executable, "builds.py"],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    @contextmanager
    def start_amid(self) -> Iterator[subprocess.Popen[str]]:
        """Start a process that builds, and wait until it is at its last file."""
        with self.start() as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "waiting\n", process.communicate()[1]
            yield process

    def authors(self) -> set[int]:
        """Return the processes that made the files that are published."""
        return {int(path.read_text().rpartition(" ")[2]) for path in self.target.files()}


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".Photos.staging"


def test_of_two_processes_that_build_one_stage_the_second_is_told_who_is_first(workshop):
    before = datetime.now(UTC).replace(microsecond=0)
    with workshop.start_amid() as first:
        with workshop.start() as second:
            said = second.communicate("")[1]
        assert second.returncode == 1
        [sentence] = [line for line in said.splitlines() if "Shouts is being built by" in line]
        match = re.fullmatch(
            r"tintype\.errors\.StagingLockedError: data/interim/Shouts is being built by process (\d+) on (\S+) "
            r"since (.+): wait for it, or stop it; what it finished is kept",
            sentence,
        )
        assert match
        assert int(match[1]) == first.pid
        assert match[2] == socket.gethostname()
        assert before <= datetime.fromisoformat(match[3]) <= datetime.now(UTC)
        assert not workshop.target.exists()

        assert first.stdin is not None
        first.stdin.write("\n")
        first.stdin.flush()
        assert first.wait(60) == 0

    assert workshop.target.verify(deep=True).ok
    assert workshop.authors() == {first.pid}
    assert [path.name for path in workshop.target.folder.parent.iterdir()] == ["Shouts"]


def test_the_lock_of_a_killed_process_is_free_and_its_work_is_kept(workshop):
    with workshop.start_amid() as first:
        first.kill()
        assert first.wait() == -signal.SIGKILL
    with workshop.start() as second:
        said = second.communicate("\n")[1]
    assert second.returncode == 0, said
    assert workshop.target.verify(deep=True).ok
    assert workshop.authors() <= {first.pid, second.pid}
    assert second.pid in workshop.authors()


def test_an_error_in_a_build_lets_go_of_the_lock(tmp_path):
    class Fails(raw.ImportFolder):
        def pipeline(self):
            return Pipeline(load_bytes, fail, write_bytes)

    def fail(_):
        raise MemoryError

    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").touch()
    stage = Fails(folder=str(tmp_path / "words"), base_dir=str(tmp_path))
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"1 of 1 files failed.*First: a\.txt: MemoryError"):
            stage.run()


def test_a_lock_is_held_until_it_is_released_and_released_twice_harmlessly(folder):
    lock = FolderLock(folder, Path("data/Photos"))
    with pytest.raises(StagingLockedError, match=rf"^data/Photos is being built by process {os.getpid()} on "):
        FolderLock(folder, Path("data/Photos"))
    lock.release()
    lock.release()
    FolderLock(folder, Path("data/Photos")).release()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "\udcff"])
def test_an_owner_who_has_not_signed_yet_is_another_process(folder, text):
    lock = FolderLock(folder, Path("Photos"))
    (folder / LOCK_NAME).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StagingLockedError, match="Photos is being built by another process: wait for it"):
        FolderLock(folder, Path("Photos"))
    lock.release()


def test_a_lock_goes_with_its_folder_and_leaves_the_name_to_the_next(folder):
    first = FolderLock(folder, Path("Photos"))
    folder.rename(folder.with_name("trash"))
    second = FolderLock(folder, Path("Photos"))
    with pytest.raises(StagingLockedError, match="Photos is being built by"):
        FolderLock(folder, Path("Photos"))
    first.release()
    with pytest.raises(StagingLockedError, match="Photos is being built by"):
        FolderLock(folder, Path("Photos"))
    second.release()


def test_a_lock_on_a_folder_that_was_renamed_meanwhile_is_none(folder, monkeypatch):
    trash = folder.with_name("trash")
    flock = fcntl.flock

    def rename_first(descriptor: int, operation: int) -> None:
        # The owner publishes between our open and our flock.
        if not trash.exists():
            folder.rename(trash)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", rename_first)
    lock = FolderLock(folder, Path("Photos"))
    monkeypatch.undo()

    assert (folder / LOCK_NAME).exists()
    with pytest.raises(StagingLockedError, match="Photos is being built by"):
        FolderLock(folder, Path("Photos"))
    FolderLock(trash, Path("the renamed one")).release()
    lock.release()


def test_a_folder_that_is_removed_before_it_can_be_locked_is_made_again(folder, monkeypatch):
    n_removed = 0
    open_file = os.open

    def remove_first(*arguments: object) -> int:
        nonlocal n_removed
        if n_removed < 2:
            n_removed += 1
            folder.rmdir()
        return open_file(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", remove_first)
    lock = FolderLock(folder, Path("Photos"))
    monkeypatch.undo()
    assert n_removed == 2
    with pytest.raises(StagingLockedError, match="Photos is being built by"):
        FolderLock(folder, Path("Photos"))
    lock.release()


def test_of_many_that_want_the_lock_at_one_moment_exactly_one_has_it(folder):
    n_rivals = 8
    barrier = threading.Barrier(n_rivals)
    locks, told = [], []

    def want() -> None:
        barrier.wait()
        try:
            locks.append(FolderLock(folder, Path("Photos")))
        except StagingLockedError as error:
            told.append(str(error))

    for _ in range(20):
        rivals = [threading.Thread(target=want) for _ in range(n_rivals)]
        for rival in rivals:
            rival.start()
        for rival in rivals:
            rival.join()
        assert len(locks) == 1
        assert len(told) == n_rivals - 1
        locks.pop().release()
        told.clear()


def test_a_staging_directory_that_cannot_be_locked_is_one_sentence(tmp_path):
    path = tmp_path / "Photos"
    path.with_name(".Photos.staging").write_text("a file has the name")
    with pytest.raises(StagingError, match=r"File exists while preparing .*\.Photos\.staging"):
        Staging(path, Recipe("Photos", "1"))


def test_two_processes_may_sweep_the_same_trash(tmp_path, monkeypatch):
    path = tmp_path / "Photos"
    trash = tmp_path / ".Photos.trash-1"
    (trash / "files").mkdir(parents=True)
    for number in range(3):
        (trash / "files" / f"{number}.txt").touch()
    unlink, rmdir = os.unlink, os.rmdir

    def after_a_rival(remove, *arguments, **options):
        # The rival, who has just published, is one step ahead all the time.
        with suppress(FileNotFoundError):
            remove(*arguments, **options)
        remove(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", lambda *arguments, **options: after_a_rival(unlink, *arguments, **options))
        patch.setattr(os, "rmdir", lambda *arguments, **options: after_a_rival(rmdir, *arguments, **options))
        Staging(path, Recipe("Photos", "1")).close()

    assert not trash.exists()


def test_a_stage_that_is_published_meanwhile_by_a_rival_is_not_built_again(tmp_path):
    class Words(raw.ImportFolder):
        pass

    class Shouts(FileStage):
        layer = "interim"

        def requires(self):
            return words

        def pipeline(self):
            return Pipeline(load_bytes, computed.append, write_bytes)

    computed: list[bytes] = []
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").write_bytes(b"a")
    words = Words(folder=str(tmp_path / "words"), base_dir=str(tmp_path))
    words.run()
    stage, rival = Shouts(base_dir=str(tmp_path)), Shouts(base_dir=str(tmp_path))
    assert not stage.complete()  # Luigi asks both, and runs both
    rival.run()
    stage.run()
    assert computed == [b"a"]
    assert [path.name for path in (tmp_path / "interim").iterdir()] == ["Shouts"]
