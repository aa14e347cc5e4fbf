"""What is missing, changed or extra in published directories, and making just that again."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable

import pytest
from tests.test_rebuilding_graph import BUILT, WORKED, Lengths, Loud, Summary, home, states

import tintype
from tintype.targets.staging import Staging

__all__ = ["home"]

CALLS = ("rename", "replace", "unlink", "rmdir", "mkdir", "link", "fsync")
"""What changes a disk."""


def kill_at(number: int, work: Callable[[], object]) -> bool:
    """Do something in a process that is gone right before its n-th change of the disk; whether it got through."""
    child = os.fork()
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, 9), status
        return status == 0
    left = [number]

    def countdown(name: str) -> None:
        original = getattr(os, name)

        def call(*args: object, **kwargs: object) -> object:
            left[0] -= 1
            if left[0] <= 0:
                os._exit(9)
            return original(*args, **kwargs)

        setattr(os, name, call)

    try:
        for name in CALLS:
            countdown(name)
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def digests(home) -> dict[str, str]:
    return {task.name: task.stamp.digest for task in tintype.status(home.task()).tasks if task.stamp is not None}


def test_a_graph_that_is_whole_has_nothing_wrong(home):
    home.build()
    found = tintype.verify_graph(home.task(), deep=True)
    assert found.ok
    assert len(found.directories) == 4
    assert json.loads(json.dumps(found.to_json()))["ok"] is True


def test_what_is_not_published_is_not_wrong(home):
    found = tintype.verify_graph(home.task())
    assert found.ok
    assert "Summary: not published" in str(found)


def test_what_is_missing_or_changed_is_made_again_and_nothing_else(home):
    home.build()
    before = digests(home)
    folder = home.folder(Loud)
    (folder / "a.txt").unlink()
    (folder / "b.txt").unlink()
    (folder / "b.txt").write_text("SIX")  # as long as before
    WORKED.clear()
    BUILT.clear()
    assert not tintype.verify_graph(home.task(), deep=True).ok
    report = tintype.repair(home.task(), deep=True)
    assert report.ok
    assert sorted(WORKED) == ["one", "two"]
    assert report.rebuilt.built == ("Loud",)
    assert digests(home) == before
    assert home.build().built == ()
    assert tintype.verify_graph(home.task(), deep=True).ok
    assert json.loads(json.dumps(report.to_json()))["before"]["ok"] is False


def test_without_a_look_at_bytes_only_what_is_missing_or_of_another_size_is_made_again(home):
    home.build()
    (home.folder(Lengths) / "a.txt").write_text("longer")
    report = tintype.repair(home.task())
    assert report.ok
    assert report.rebuilt["Lengths"].n_computed == 1
    assert report.rebuilt["Lengths"].n_reused == 2


def test_a_stage_that_is_made_as_a_whole_is_repaired_as_a_whole(home):
    home.build()
    (home.folder(Summary) / "summary.txt").unlink()
    BUILT.clear()
    assert tintype.repair(home.task()).ok
    assert BUILT == ["Summary"]


def test_a_manifest_that_is_gone_is_made_again(home):
    home.build()
    (home.folder(Loud) / "_manifest.parquet").unlink()
    assert tintype.verify_graph(home.task()).errors
    assert tintype.repair(home.task()).ok
    assert tintype.verify_graph(home.task()).ok


def test_extra_files_are_named_and_removed_only_when_asked(home):
    home.build()
    extra = home.folder(Loud) / "mine" / "notes.txt"
    extra.parent.mkdir()
    extra.write_text("mine")
    report = tintype.repair(home.task())
    assert not report.ok
    assert "extra: mine/notes.txt" in str(report)
    assert extra.exists()
    assert tintype.repair(home.task(), remove_extra=True).ok
    assert not extra.parent.exists()
    assert set(states(home).values()) == {"complete"}


def test_a_repair_that_would_lose_extra_files_is_not_made(home):
    home.build()
    (home.folder(Loud) / "notes.txt").write_text("mine")
    (home.folder(Loud) / "a.txt").unlink()
    report = tintype.repair(home.task())
    assert not report.ok
    assert "files that no manifest names would be lost" in report.errors[0]
    assert (home.folder(Loud) / "notes.txt").exists()
    assert tintype.repair(home.task(), remove_extra=True).ok


def test_extra_files_of_a_directory_that_is_being_built_stay(home):
    home.build()
    task = home.task(Loud)
    (home.folder(Loud) / "notes.txt").write_text("mine")
    with (
        Staging(task.output().folder, task.recipe()),
        pytest.raises(tintype.errors.StagingLockedError, match="is being built by"),
    ):
        tintype.repair(home.task(), remove_extra=True)
    assert (home.folder(Loud) / "notes.txt").exists()


def test_a_repair_that_is_killed_anywhere_leaves_every_directory_published(home):
    home.build()
    before = digests(home)
    for number in range(1, 400):
        (home.folder(Loud) / "a.txt").unlink(missing_ok=True)
        is_through = kill_at(number, lambda: tintype.repair(home.task(Loud)))
        assert digests(home) == before
        if is_through:
            break
    else:
        pytest.fail("never came to an end")
    assert number > 5
    assert tintype.repair(home.task()).ok
    assert tintype.verify_graph(home.task(), deep=True).ok
