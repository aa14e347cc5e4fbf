"""What builds leave behind: found, shown to be tintype's, removed or put back, and nothing else touched."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from tests.test_rebuilding_graph import Lengths, Loud, Summary, home, states
from tests.test_rebuilding_repair import digests, kill_at

import tintype
from tintype.targets.staging import Staging

__all__ = ["home"]

BUILD = "0123456789abcdef0123456789abcdef"
MARK = BUILD[:12]


def actions(report: tintype.rebuilding.CleanReport) -> dict[str, str]:
    return {leftover.path.name: leftover.action for leftover in report.leftovers}


def fail_once(home, monkeypatch) -> Path:
    """Leave a build of Loud that waits to be resumed; return its staging."""
    monkeypatch.setattr(Loud, "max_failure_rate", 0.0)
    home.write(bad="bad one")
    assert not home.build().ok
    return Path(home.folder(Loud)).with_name(".Loud.staging")


def test_a_graph_that_left_nothing_has_nothing_to_clean(home):
    home.build()
    assert str(tintype.clean(home.task())) == "nothing to clean"


def test_directories_that_no_stage_writes_are_removed_when_asked_and_not_before(home):
    home.build()
    tintype.rebuild(home.task(sign="!"))
    other = home.folder(Loud, sign="!")
    report = tintype.clean(home.task())
    assert actions(report) == {"Loud-sign=!": "remove"}
    assert other.exists()
    report = tintype.clean(home.task(), dry_run=False)
    assert report.ok
    assert not other.exists()
    assert json.loads(json.dumps(report.to_json()))["leftovers"][0]["kind"] == "directory"
    assert set(os.listdir(other.parent)) == {"Loud", "Lengths"}


def test_what_tintype_did_not_make_stays(home):
    home.build()
    layer = home.folder(Loud).parent
    for name in ("Mine", ".Mine.staging", f".Mine.trash-{MARK}", f".Mine.old-{BUILD}"):
        (layer / name).mkdir()
        (layer / name / "notes.txt").write_text("mine")
    shutil.copytree(home.folder(Loud), layer / ".hidden")  # another name
    shutil.copytree(home.folder(Loud), layer / f".Loud.trash-{MARK}x")
    (layer / "link").symlink_to(home.folder(Loud))
    (layer / "file").write_text("")
    before = home.listing()
    report = tintype.clean(home.task(), dry_run=False, staging=True)
    assert set(actions(report).values()) == {"keep"}
    assert home.listing() == before


def test_a_corrupt_stamp_proves_nothing(home):
    home.build()
    shutil.copytree(home.folder(Loud), home.folder(Loud).with_name("Other"))
    (home.folder(Loud).with_name("Other") / "_stamp.json").write_text("{")
    assert actions(tintype.clean(home.task(), dry_run=False)) == {"Other": "keep"}
    assert home.folder(Loud).with_name("Other").exists()


def test_staging_that_can_be_resumed_stays_unless_asked(home, monkeypatch):
    staging = fail_once(home, monkeypatch)
    assert actions(tintype.clean(home.task(), dry_run=False)) == {".Loud.staging": "keep"}
    assert staging.exists()
    assert actions(tintype.clean(home.task(), dry_run=False, staging=True)) == {".Loud.staging": "remove"}
    assert not staging.exists()


def test_staging_with_other_inputs_stays_because_some_of_it_is_of_use(home, monkeypatch):
    fail_once(home, monkeypatch)
    home.write(d="four")
    home.build(stages="Words")
    assert actions(tintype.clean(home.task())) == {".Loud.staging": "keep"}


def test_staging_of_another_recipe_and_of_no_stage_goes(home, monkeypatch):
    staging = fail_once(home, monkeypatch)
    shutil.copytree(staging, staging.with_name(".Gone.staging"))
    monkeypatch.setattr(Loud, "version", "2")
    report = tintype.clean(home.task(), dry_run=False)
    assert actions(report) == {".Gone.staging": "remove", ".Loud.staging": "remove"}
    assert not [name for name in os.listdir(staging.parent) if name.startswith(".")]


def test_what_is_being_built_stays(home):
    home.build()
    tintype.rebuild(home.task(sign="!"))
    task = home.task(Loud, sign="!")
    with Staging(task.output().folder, task.recipe()):
        report = tintype.clean(home.task(), dry_run=False, staging=True)
        assert set(actions(report).values()) == {"keep"}
        assert "being built by process" in str(report)
    assert task.output().exists()


def test_leftovers_of_replacements_go_and_a_directory_without_a_replacement_comes_back(home):
    home.build()
    before = digests(home)
    loud, lengths = home.folder(Loud), home.folder(Lengths)
    shutil.copytree(loud, loud.with_name(f".Loud.trash-{MARK}"))
    shutil.copytree(loud, loud.with_name(f".Loud.old-{BUILD}"))
    os.rename(lengths, lengths.with_name(f".Lengths.old-{BUILD}"))
    assert tintype.clean(home.task(), dry_run=False).ok
    assert sorted(os.listdir(loud.parent)) == ["Lengths", "Loud"]
    assert digests(home) == before
    assert set(states(home).values()) == {"complete"}


def test_the_old_directory_of_no_stage_comes_back_too(home):
    home.build()
    loud = home.folder(Loud)
    shutil.copytree(loud, loud.with_name(f".Gone.old-{BUILD}"))
    report = tintype.clean(home.task(), dry_run=False)
    assert actions(report) == {f".Gone.old-{BUILD}": "put back"}
    assert loud.with_name("Gone").exists()


def test_a_removal_that_fails_is_told_and_the_rest_goes_on(home, monkeypatch):
    home.build()
    for sign in "!?":
        tintype.rebuild(home.task(sign=sign))
    rename = os.rename

    def refuse(source, target, **options):
        if "Loud-sign=!" in str(source):
            raise PermissionError(13, "Permission denied", str(source))
        return rename(source, target, **options)

    monkeypatch.setattr(os, "rename", refuse)
    report = tintype.clean(home.task(), dry_run=False)
    assert not report.ok
    assert "Permission denied" in report.errors[0]
    assert not home.folder(Loud, sign="?").exists()


def test_cleaning_that_is_killed_anywhere_loses_nothing_and_can_be_done_again(home):
    home.build()
    before = digests(home)
    loud, lengths = home.folder(Loud), home.folder(Lengths)
    for number in range(1, 400):
        if not loud.with_name("Gone").exists():
            shutil.copytree(loud, loud.with_name("Gone"))
        old = lengths.with_name(f".Lengths.old-{BUILD}")
        if lengths.exists() and not old.exists():
            os.rename(lengths, old)
        is_through = kill_at(number, lambda: tintype.clean(home.task(), dry_run=False, staging=True))
        assert lengths.exists() != old.exists()
        assert loud.exists()
        if is_through:
            break
    else:
        pytest.fail("never came to an end")
    assert number > 5
    assert tintype.clean(home.task(), dry_run=False, staging=True).ok
    assert digests(home) == before
    assert [name for name in os.listdir(loud.parent) if name.startswith(".")] == []
    assert home.folder(Summary).exists()
