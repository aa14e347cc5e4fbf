"""Rebuilds and retries of a graph: exactly which stages and files are worked on, and what is said of it."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import ClassVar

import luigi
import pytest
from luigi.configuration import get_config
from tests.test_rebuilding_graph import BUILT, WORKED, Loud, Summary, home, mend, states

import tintype
from tintype.errors import StagingLockedError
from tintype.rebuilding import running
from tintype.targets.staging import Staging

__all__ = ["home"]


def test_everything_stale_is_built_and_the_second_time_nothing(home):
    first = home.build()
    assert first.ok
    assert first.built[-1] == "Summary"
    assert len(first.built) == 4
    assert sorted(WORKED) == ["one", "three", "two"]
    second = home.build()
    assert second.ok
    assert second.built == ()
    assert WORKED == BUILT == []


def test_the_report_says_how_many_were_computed_reused_failed_and_removed(home):
    home.build()
    home.write(b="TWO", d="four", bad="bad one")
    (home.words / "a.txt").unlink()
    report = home.build()
    assert report.ok
    loud = report["Loud"]
    assert (loud.n_computed, loud.n_reused, loud.n_failed, loud.n_removed) == (2, 1, 1, 1)
    assert loud.seconds > 0
    assert sorted(WORKED) == ["TWO", "bad one", "four"]
    assert json.loads(json.dumps(report.to_json()))["stages"][0]["name"] == "Words"
    assert "input" in str(report) or "changed" in str(report)


def test_one_stage_is_built_with_what_it_requires_and_without_what_comes_after(home):
    report = home.build(stages="Loud")
    assert report.built == ("Words", "Loud")
    assert BUILT == []
    assert states(home)["Lengths"] == "never built"


def test_downstream_builds_what_comes_after_too(home, monkeypatch):
    home.build()
    monkeypatch.setattr(Loud, "version", "2")
    monkeypatch.setattr(Loud, "add_sign", lambda self, data: data + b"!")
    assert home.build(stages="Loud", downstream=True).built == ("Loud", "Summary")


def test_force_builds_a_stage_from_nothing_and_what_comes_after_only_if_it_changed(home):
    home.build()
    report = home.build(stages="Loud", force=True, downstream=True)
    assert report.built == ("Loud",)
    assert report["Loud"].n_computed == 3
    assert sorted(WORKED) == ["one", "three", "two"]
    assert home.build().built == ()  # the wish does not outlive the call


def test_a_forced_build_goes_through_two_workers(home):
    home.build()
    report = home.build(stages="Loud", force=True, workers=2)
    assert (report.built, report["Loud"].n_computed) == (("Loud",), 3)


class Watched:
    """A context of a user's own for every task that Luigi runs."""

    seen: ClassVar[list[str]] = []

    def __init__(self, process):
        self._process = process

    def __enter__(self):
        self.seen.append(type(self._process.task).__name__)

    def __exit__(self, *_):
        pass


def test_a_context_of_task_processes_that_the_user_has_set_is_left_alone(home):
    get_config().set("worker", "task_process_context", f"{__name__}.Watched")
    home.build(stages="Loud")
    assert Watched.seen[-1] == "Loud"
    assert get_config().get("worker", "task_process_context") == f"{__name__}.Watched"


def test_force_builds_everything_from_nothing(home):
    home.build()
    report = home.build(force=True)
    assert len(report.built) == 4
    assert (len(WORKED), BUILT) == (3, ["Summary"])


def test_force_drops_what_an_interrupted_build_had_finished(home, monkeypatch):
    monkeypatch.setattr(Loud, "max_failure_rate", 0.0)
    home.write(bad="bad one")
    assert not home.build().ok
    mend("bad one")
    assert home.build(stages="Loud", force=True).ok
    assert len(WORKED) == 4


def test_a_dry_run_of_a_forced_build_says_what_it_would_compute(home):
    home.build()
    report = home.build(stages="Loud", force=True, dry_run=True)
    assert report.plan is not None
    loud = report.plan["Loud"]
    assert loud.forecast is not None
    assert (loud.forecast.n_computed, loud.forecast.n_reused) == (3, 0)
    assert WORKED == []


def test_ignored_differences_build_nothing_and_count_again_afterwards(home, monkeypatch):
    home.build()
    monkeypatch.setattr(Loud, "version", "2")
    assert home.build(ignore="version").built == ()
    assert not get_config().has_option("tintype", "triggers")
    assert states(home)["Loud"] == "stale"
    get_config().set("tintype", "triggers", "version,inputs")
    assert home.build(ignore=["version", "inputs"]).built == ()
    assert get_config().get("tintype", "triggers") == "version,inputs"


def test_a_failed_stage_is_told_in_one_line_and_what_comes_after_is_not_built(home, monkeypatch):
    monkeypatch.setattr(Loud, "max_failure_rate", 0.0)
    home.write(bad="bad one")
    report = home.build()
    assert not report.ok
    (error,) = report.errors
    assert error.startswith("Loud: TooManyFailuresError: 1 of 4 files failed")
    assert "\n" not in error
    assert report["Summary"].state == "not built"
    assert report["Lengths"].state == "built"


def test_handlers_and_settings_are_as_before_after_a_build(home):
    before = {event: set(found) for event, found in luigi.Task._event_callbacks.get(luigi.Task, {}).items() if found}
    home.build()
    after = {event: set(found) for event, found in luigi.Task._event_callbacks.get(luigi.Task, {}).items() if found}
    assert after == before


def test_two_workers_build_the_same_and_their_errors_are_told(home, monkeypatch):
    report = home.build(workers=2)
    assert report.ok
    assert len(report.built) == 4
    assert report["Loud"].n_computed == 3
    monkeypatch.setattr(Loud, "max_failure_rate", 0.0)
    home.write(bad="bad one")
    report = home.build(workers=2)
    assert report.errors[0].startswith("Loud: TooManyFailuresError: 1 of 4 files failed")
    assert report["Loud"].seconds > 0


def test_a_worker_that_is_killed_is_a_failed_stage(home, monkeypatch):
    def die(self: Summary, staging: Staging) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(Summary, "build", die)
    report = home.build(workers=2)
    assert "died unexpectedly" in report["Summary"].error


def test_it_works_outside_the_main_thread(home):
    reports = []
    thread = threading.Thread(target=lambda: reports.append(home.build()))
    thread.start()
    thread.join(timeout=60)
    assert reports[0].ok
    assert not get_config().has_option("worker", "no_install_shutdown_handler")


def test_ctrl_c_ends_the_build_and_keeps_what_is_finished(home, monkeypatch):
    def interrupt(self: Loud, data: bytes) -> bytes:
        if data == b"TWO":
            signal.raise_signal(signal.SIGINT)
        return data

    get_config().set("tintype", "n_jobs", "1")
    home.build(stages="Words")
    monkeypatch.setattr(Loud, "add_sign", interrupt)
    with pytest.raises(KeyboardInterrupt, match="SIGINT"):
        home.build()
    assert states(home)["Loud"] == "failed"
    monkeypatch.setattr(Loud, "add_sign", lambda self, data: data)
    assert home.build().ok
    assert states(home)["Loud"] == "complete"


# Two at once


def test_a_stage_that_another_is_building_is_waited_for(home, monkeypatch, caplog):
    home.build(stages="Words")
    task = home.task(Loud)
    other = Staging(task.output().folder, task.recipe())
    looked = []

    def finish_other(seconds: float) -> None:
        looked.append(seconds)
        other.close()  # as if its process had ended

    monkeypatch.setattr(running, "sleep", finish_other)
    report = home.build()
    assert report.ok
    assert looked == [running.LOOK_SECONDS]
    assert f"waiting for process {os.getpid()} on " in caplog.text


def test_what_the_other_built_is_not_built_again(home, monkeypatch):
    home.build(stages="Words")
    task = home.task(Loud)
    other = Staging(task.output().folder, task.recipe())

    def finish_other(seconds: float) -> None:
        other.close()
        task.run()
        WORKED.clear()

    monkeypatch.setattr(running, "sleep", finish_other)
    report = home.build()
    assert report.ok
    assert report["Loud"].state == "kept"
    assert WORKED == []


def test_without_waiting_the_error_names_who_builds(home):
    home.build(stages="Words")
    task = home.task(Loud)
    with Staging(task.output().folder, task.recipe()):
        report = home.build(wait=False)
    assert not report.ok
    assert report["Loud"].error.startswith(f"{StagingLockedError.__name__}: ")
    assert f"is being built by process {os.getpid()}" in report["Loud"].error


# Retries


def test_only_failed_rows_are_tried_again(home):
    home.write(bad="bad one", bad2="bad two")
    home.build()
    mend("bad one")
    WORKED.clear()
    report = tintype.retry(home.task())
    assert report.ok
    assert sorted(WORKED) == ["bad one", "bad two"]
    assert report.built == ("Loud", "Summary")
    assert (report["Loud"].n_computed, report["Loud"].n_failed) == (1, 1)


def test_a_retry_that_changes_nothing_builds_nothing_after_it(home):
    home.write(bad="bad one")
    home.build()
    BUILT.clear()
    assert tintype.retry(home.task()).built == ("Loud",)
    assert BUILT == []


def test_only_errors_of_one_type_are_tried_again(home):
    home.write(bad="bad one", bad2="bad type")
    home.build()
    mend("bad one", "bad type")
    WORKED.clear()
    assert tintype.retry(home.task(), errors="TypeError").ok
    assert WORKED == ["bad type"]
    assert tintype.retry(home.task(), errors=["KeyError"]).outcomes == ()


def test_without_downstream_what_comes_after_stays(home):
    home.write(bad="bad one")
    home.build()
    mend("bad one")
    BUILT.clear()
    assert tintype.retry(home.task(), downstream=False).built == ("Loud",)
    assert BUILT == []
    assert states(home)["Summary"] == "stale"


def test_a_build_that_failed_goes_on_where_it_was(home, monkeypatch):
    monkeypatch.setattr(Loud, "max_failure_rate", 0.0)
    home.write(bad="bad one")
    assert not home.build().ok
    mend("bad one")
    WORKED.clear()
    report = tintype.retry(home.task())
    assert report.ok
    assert WORKED == ["bad one"]
    assert set(states(home).values()) == {"complete"}


def test_nothing_failed_is_nothing_to_do(home):
    home.build()
    report = tintype.retry(home.task())
    assert report.ok
    assert str(report) == "nothing to do"
    assert len(WORKED) == 3


def test_old_data_is_there_until_the_new_is_whole(home, monkeypatch):
    home.build()
    seen = []

    def look(self: Loud, data: bytes) -> bytes:
        seen.append(sorted(path.name for path in self.output().files()))
        return data

    monkeypatch.setattr(Loud, "add_sign", look)
    home.build(stages="Loud", force=True)
    assert seen == [["a.txt", "b.txt", "c.txt"]] * 3


def test_stages_of_one_family_with_other_parameters_are_told_apart(home):
    home.build()
    report = tintype.rebuild(home.task(sign="!"))
    assert report.built == ("Loud-sign=!", "Summary")
    assert report["Loud"].directory == str(home.folder(Loud, sign="!"))
