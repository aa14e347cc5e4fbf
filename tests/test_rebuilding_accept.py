"""Saying that what is published is right for the code and parameters of now, without computing."""

from __future__ import annotations

import json
import os

import pytest
from tests.test_rebuilding_graph import BUILT, WORKED, Lengths, Loud, home, states
from tests.test_rebuilding_repair import digests, kill_at

import tintype
from tintype.targets.staging import Staging
from tintype.targets.stamp import read_stamp

__all__ = ["home"]


def test_another_version_and_other_code_are_accepted_without_computing(home, monkeypatch):
    home.build()
    before = digests(home)
    monkeypatch.setattr(Loud, "version", "2")
    monkeypatch.setattr(Lengths, "more_code", lambda self: [json.dumps])
    acceptance = tintype.accept(home.task())
    assert acceptance.ok
    assert [reason.text for reason in acceptance["Loud"].accepted] == ["version changed from 1 to 2"]
    assert {reason.trigger for reason in acceptance["Lengths"].accepted} == {"code"}
    assert set(states(home).values()) == {"complete"}
    assert digests(home) == before
    assert home.build().built == ()
    assert str(tintype.accept(home.task())) == "nothing to accept"


def test_only_the_named_stage_is_accepted(home, monkeypatch):
    home.build()
    monkeypatch.setattr(Loud, "version", "2")
    monkeypatch.setattr(Lengths, "version", "2")
    tintype.accept(home.task(), stages="Loud")
    assert (states(home)["Loud"], states(home)["Lengths"]) == ("complete", "stale")


def test_changed_inputs_stay_a_reason_and_then_only_they_are_worked_on(home, monkeypatch):
    home.build()
    monkeypatch.setattr(Loud, "version", "2")
    home.write(d="four")
    home.build(stages="Words")
    acceptance = tintype.accept(home.task(), stages="Loud")
    assert [reason.trigger for reason in acceptance["Loud"].left] == ["inputs"]
    report = home.build()
    assert WORKED == ["four"]
    assert report["Loud"].n_reused == 3


def test_changed_inputs_are_accepted_when_asked(home):
    home.build()
    home.write(d="four")
    home.build(stages="Words")
    acceptance = tintype.accept(home.task(), stages="Loud", inputs=True)
    assert [reason.trigger for reason in acceptance["Loud"].accepted] == ["inputs"]
    assert states(home)["Loud"] == "complete"


def test_a_dry_run_says_the_same_and_changes_nothing(home, monkeypatch):
    home.build()
    monkeypatch.setattr(Loud, "version", "2")
    acceptance = tintype.accept(home.task(), dry_run=True)
    assert "would be accepted: version changed from 1 to 2" in str(acceptance)
    assert json.loads(json.dumps(acceptance.to_json()))["dry_run"] is True
    assert states(home)["Loud"] == "stale"


def test_what_is_not_published_is_refused(home):
    acceptance = tintype.accept(home.task(), stages="Loud")
    assert not acceptance.ok
    assert acceptance.errors == ("Loud: not published, so there is nothing to accept: build it",)


def test_a_stage_that_reads_what_is_not_published_is_refused(home, monkeypatch):
    home.build()
    monkeypatch.setattr(Loud, "version", "2")
    tintype.DirectoryTarget(home.folder(Loud).parents[1] / "raw" / "Words").remove()
    acceptance = tintype.accept(home.task(), stages="Loud")
    assert "Words, which it reads, is not published: build that first" in acceptance["Loud"].error


def test_a_stage_that_is_being_built_is_refused(home, monkeypatch):
    home.build()
    monkeypatch.setattr(Loud, "version", "2")
    task = home.task(Loud)
    with Staging(task.output().folder, task.recipe()):
        acceptance = tintype.accept(home.task(), stages="Loud")
    assert f"is being built by process {os.getpid()}" in acceptance["Loud"].error
    assert states(home)["Loud"] != "complete"


def test_more_failures_than_are_allowed_cannot_be_accepted(home, monkeypatch):
    home.write(bad="bad one")
    home.build()
    monkeypatch.setattr(Loud, "max_failure_rate", 0.0)
    acceptance = tintype.accept(home.task(), stages="Loud")
    assert [reason.trigger for reason in acceptance["Loud"].left] == ["failures"]
    assert acceptance["Loud"].accepted == ()


def test_a_build_that_waits_to_be_resumed_still_does(home, monkeypatch):
    home.build()
    monkeypatch.setattr(Loud, "version", "2")
    monkeypatch.setattr(Loud, "max_failure_rate", 0.0)
    home.write(bad="bad one")
    assert not home.build().ok
    staging = home.folder(Loud).with_name(".Loud.staging")
    assert staging.is_dir()
    tintype.accept(home.task(), stages="Loud")
    assert staging.is_dir()


def test_an_acceptance_that_is_killed_anywhere_leaves_the_old_stamp_or_the_new(home, monkeypatch):
    home.build()
    folder = home.folder(Loud)
    files = sorted(os.listdir(folder))
    monkeypatch.setattr(Loud, "version", "2")
    versions = []
    for number in range(1, 100):
        is_through = kill_at(number, lambda: tintype.accept(home.task()))
        stamp = read_stamp(folder)
        assert stamp is not None
        versions.append(stamp.recipe.version)
        assert sorted(os.listdir(folder)) == files
        if is_through:
            break
    else:
        pytest.fail("never came to an end")
    assert versions[0] == "1"
    assert versions[-1] == "2"
    assert tintype.clean(home.task(), dry_run=False).ok
    assert not [name for name in os.listdir(folder.parent) if name.startswith(".")]
    assert home.build().built == ()
    assert BUILT == []
