"""A disk that is full or read-only: one clear sentence, nothing lost, and the next run does the rest."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tintype import FileStage, Pipeline, raw
from tintype.errors import StagingError
from tintype.load_funcs import load_bytes
from tintype.write_funcs import write_bytes

N_FILES = 40
FILE_BYTES = 100_000
DISK_BYTES = 8 * 2**20
"""Enough for all files, and not enough when `Disk.fill` has been there."""


class Disk:
    """A small file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, leave: int) -> None:
        """Take all room but `leave` bytes."""
        status = os.statvfs(self.folder)
        with self._ballast.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, status.f_bavail * status.f_bsize - leave))

    def make_room(self) -> None:
        self._ballast.unlink()

    def remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tintype-test", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
        problem = done.stderr.strip() if done.returncode else None
    except OSError as error:
        problem = str(error)
    if problem is not None:
        reason = f"this test needs to mount a tmpfs, which is not permitted here ({problem})"
        if os.environ.get("TINTYPE_REQUIRE_SERVICES") == "1":
            pytest.fail(f"{reason}, and TINTYPE_REQUIRE_SERVICES=1 forbids to skip it")
        pytest.skip(reason)
    yield Disk(folder)
    # Lazy: the traceback of an error may still hold files open.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Words(raw.ImportFolder):
    """Small files that become large ones."""


class Inflated(FileStage):
    layer = "interim"
    n_bytes = FILE_BYTES
    not_in_recipe = FileStage.not_in_recipe | {"computed", "words"}
    computed: ClassVar[list[bytes]]
    words: ClassVar[Words]

    def requires(self) -> Words:
        return self.words

    def pipeline(self) -> Pipeline:
        return Pipeline(load_bytes, self.inflate, write_bytes)

    def inflate(self, data: bytes) -> bytes:
        self.computed.append(data)
        return data + bytes(self.n_bytes - len(data))


@pytest.fixture
def stages(disk: Disk, tmp_path: Path) -> Any:
    """Return a function that makes the stage in a version."""
    folder = tmp_path / "words"
    folder.mkdir()
    for number in range(N_FILES):
        (folder / f"{number:02d}.txt").write_text(f"{number:02d}")
    words = Words(folder=str(folder), base_dir=str(disk.folder))
    words.run()

    def make(version: str, n_bytes: int = FILE_BYTES, **attributes: Any) -> Inflated:
        of_class = {"version": version, "n_bytes": n_bytes, "computed": [], "words": words, **attributes}
        kind: type[Inflated] = type("Inflated", (Inflated,), of_class)
        return kind(base_dir=str(disk.folder), n_jobs=2)

    return make


def check_whole(stage: Inflated) -> None:
    """Check that what is published is this stage, whole."""
    assert stage.complete()
    assert stage.output().verify(deep=True).ok
    contents = {path.name: path.read_bytes() for path in stage.output().files()}
    assert contents == {f"{n:02d}.txt": b"%02d" % n + bytes(stage.n_bytes - 2) for n in range(N_FILES)}


def hidden_names(disk: Disk) -> list[str]:
    return [path.name for path in (disk.folder / "interim").glob(".*")]


def test_a_first_build_that_does_not_fit_publishes_nothing_and_goes_on_when_there_is_room(disk, stages):
    stage = stages("1")
    disk.fill(leave=15 * FILE_BYTES)

    with pytest.raises(StagingError, match=r"^\[Errno 28\] No space left on device while .*") as caught:
        stage.run()

    assert "\n" not in str(caught.value)
    assert not os.path.lexists(stage.output().path)
    n_before = len(stage.computed)
    n_kept = len(list((disk.folder / "interim" / ".Inflated.staging" / "files").iterdir()))
    assert 0 < n_kept < N_FILES
    disk.make_room()
    stage.run()
    check_whole(stage)
    assert len(stage.computed) == n_before + N_FILES - n_kept
    assert hidden_names(disk) == []


def test_a_replacement_that_does_not_fit_leaves_the_old_version_and_goes_on_when_there_is_room(disk, stages):
    old, new = stages("1", n_bytes=1000), stages("2")
    old.run()
    disk.fill(leave=15 * FILE_BYTES)

    with pytest.raises(StagingError, match="No space left on device"):
        new.run()

    check_whole(old)
    with pytest.raises(StagingError, match="No space left on device"):
        new.run()
    check_whole(old)
    disk.make_room()
    n_before = len(new.computed)
    n_kept = len(list((disk.folder / "interim" / ".Inflated.staging" / "files").iterdir()))
    assert 0 < n_kept < N_FILES
    new.run()
    check_whole(new)
    assert len(new.computed) == n_before + N_FILES - n_kept
    assert hidden_names(disk) == []


def test_a_disk_that_is_full_before_anything_begins_is_one_sentence(disk, stages):
    old, new = stages("1", n_bytes=1000), stages("2")
    old.run()
    disk.fill(leave=0)
    with pytest.raises(StagingError, match=r"No space left on device while preparing .*: make room and run again"):
        new.run()
    check_whole(old)
    assert new.computed == []
    disk.make_room()
    new.run()
    check_whole(new)
    assert hidden_names(disk) == []


def test_a_manifest_that_does_not_fit_costs_no_finished_file(disk, stages):
    def fill_first(stage, staging):
        disk.fill(leave=0)
        return FileStage.manifest_batches(stage, staging)

    stages("1", n_bytes=1000).run()
    with pytest.raises(StagingError, match=r"No space left on device while publishing .*Inflated: make room") as caught:
        stages("2", manifest_batches=fill_first).run()

    assert "\n" not in str(caught.value)
    check_whole(stages("1", n_bytes=1000))
    disk.make_room()
    again = stages("2")
    again.run()
    assert again.computed == []
    check_whole(again)
    assert hidden_names(disk) == []


def test_a_journal_that_does_not_fit_is_one_sentence_and_the_next_run_begins_with_a_whole_line(disk, stages):
    def touch(data: bytes, path: str) -> None:
        """Write an empty file, which takes no room: only the journal needs some."""
        Path(path).touch()

    def fill(data: bytes) -> bytes:
        disk.fill(leave=0)
        return data

    with pytest.raises(StagingError, match=r"No space left on device while the journal in .* was written: make room"):
        stages("1", pipeline=lambda _: Pipeline(load_bytes, fill, touch)).run()

    disk.make_room()
    stage = stages("1", pipeline=lambda _: Pipeline(load_bytes, None, touch))
    assert not stage.complete()
    stage.run()
    assert stage.output().verify(deep=True).ok
    assert stage.output().stamp().n_files == N_FILES
    assert hidden_names(disk) == []


def test_a_read_only_disk_is_one_sentence_and_the_old_version_stays_readable(disk, stages):
    old, new = stages("1"), stages("2")
    old.run()
    disk.remount("ro")
    try:
        with pytest.raises(StagingError, match=r"Read-only file system while preparing .*choose a base_dir that can"):
            new.run()
        check_whole(old)
        assert new.computed == []
    finally:
        disk.remount("rw")
    assert hidden_names(disk) == []
