"""End to end through Luigi: its command line, a real luigid, its page in a real browser, and luigi.build."""

from __future__ import annotations

import json
import logging
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import luigi
import pandas as pd
import pytest
from luigi.configuration import get_config
from tests.chromium import Chromium

from tintype import Pipeline
from tintype.load_funcs import load_bytes
from tintype.raw import ImportFolder
from tintype.targets.directory import DirectoryTarget
from tintype.tasks import FileStage, progress
from tintype.write_funcs import write_bytes

QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart"
LUIGI = str(Path(sys.executable).with_name("luigi"))
LUIGID = str(Path(sys.executable).with_name("luigid"))
STAGES = ["raw/Photographs", "interim/Thumbnails", "processed/Quickstart"]

WAITING = '''
"""A stage of ten files of which one fails, and from the sixth on each waits until the gate is there."""

import time
from pathlib import Path

import luigi

from tintype import FileStage, Pipeline
from tintype.tasks import RecordRows
from tintype.write_funcs import write_bytes


class Waiting(FileStage):
    layer = "raw"
    gate = luigi.Parameter(significant=False)
    max_failure_rate = luigi.FloatParameter(default=0.5, significant=False)
    n_files = luigi.IntParameter(default=10, significant=False)

    def rows(self):
        return RecordRows(lambda: ({"inpath": f"{number:03d}"} for number in range(self.n_files)))

    def input_folder(self):
        return ""

    def pipeline(self):
        return Pipeline(self.load, write_func=write_bytes)

    def load(self, inpath):
        if inpath == "003":
            raise ValueError("number three is no good")
        while inpath >= "005" and not Path(self.gate).exists():
            time.sleep(0.02)
        return inpath.encode()
'''


def run_luigi(folder: Path, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LUIGI, *arguments], cwd=folder, env=make_environment(), capture_output=True, text=True, timeout=timeout
    )


def make_environment() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LUIGI_CONFIG")}
    return {**environment, "PYTHONPATH": "."}


def read_builds(base_dir: Path) -> dict[str, str]:
    """Return the id of the build of each stage of the quickstart."""
    builds = {}
    for stage in STAGES:
        stamp = DirectoryTarget(base_dir / stage).stamp()
        assert stamp is not None
        builds[stage] = stamp.build_id
    return builds


@pytest.fixture
def quickstart(tmp_path: Path) -> Path:
    """Return a copy of the quickstart that nobody has run."""
    return Path(shutil.copytree(QUICKSTART, tmp_path / "quickstart", ignore=shutil.ignore_patterns("data", "__py*")))


@pytest.fixture
def waiting(quickstart: Path) -> Path:
    """Return a folder with the module ``waiting`` and the quickstart's configuration."""
    (quickstart / "waiting.py").write_text(WAITING)
    return quickstart


@dataclass
class Scheduler:
    """A luigid that answers."""

    port: int

    @property
    def options(self) -> tuple[str, ...]:
        return "--scheduler-host", "127.0.0.1", "--scheduler-port", str(self.port), "--workers", "2"

    def tasks(self, base_dir: str) -> dict[str, dict[str, Any]]:
        """Return every task of a dataset that it knows, by family."""
        query = urllib.parse.urlencode({"data": json.dumps({"status": "", "upstream_status": ""})})
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/task_list?{query}", timeout=10) as answer:
            tasks = json.load(answer)["response"].values()
        return {task["name"]: task for task in tasks if task["params"]["base_dir"] == base_dir}

    def wait_for(self, family: str, base_dir: str, is_reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return a task as soon as it has come so far."""
        deadline = time.monotonic() + 60
        task: dict[str, Any] = {}
        while time.monotonic() < deadline:
            task = self.tasks(base_dir).get(family, {})
            if task and is_reached(task):
                return task
            time.sleep(0.05)
        raise AssertionError(f"{family} never came so far: {task}")


@pytest.fixture(scope="module")
def luigid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduler]:
    folder = tmp_path_factory.mktemp("luigid")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--address", "127.0.0.1", "--port", str(port), "--state-path", str(folder / "state.pickle")]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([LUIGID, *options], cwd=folder, stdout=log, stderr=log) as process,
    ):
        try:
            scheduler = Scheduler(port)
            for _ in range(300):
                try:
                    scheduler.tasks("")
                    break
                except OSError:
                    assert process.poll() is None, (folder / "log").read_text()
                    time.sleep(0.1)
            yield scheduler
        finally:
            process.terminate()
            process.wait(timeout=30)


# The quickstart


def test_the_quickstart_builds_three_stages_and_the_second_time_nothing(quickstart):
    arguments = ("--module", "quickstart", "Quickstart", "--local-scheduler")
    first = run_luigi(quickstart, *arguments)
    assert first.returncode == 0, first.stderr
    assert "3 ran successfully" in first.stderr
    assert_is_built(quickstart / "data")
    builds = read_builds(quickstart / "data")

    second = run_luigi(quickstart, *arguments)
    assert second.returncode == 0, second.stderr
    assert "1 complete ones were encountered" in second.stderr
    assert "ran successfully" not in second.stderr
    assert read_builds(quickstart / "data") == builds

    # A moved dataset is complete where it is now.
    (quickstart / "data").rename(quickstart / "moved")
    third = run_luigi(quickstart, *arguments, "--base-dir", "moved")
    assert third.returncode == 0, third.stderr
    assert "1 complete ones were encountered" in third.stderr
    assert read_builds(quickstart / "moved") == builds


def assert_is_built(base_dir: Path) -> None:
    from importlib.util import find_spec

    from PIL import Image

    thumbnails = sorted((base_dir / "interim/Thumbnails").glob("*.jpg"))
    assert len(thumbnails) == len(list((base_dir / "raw/Photographs").glob("*.*g"))) == 8
    for path in thumbnails:
        with Image.open(path) as image:
            assert max(image.size) <= 256
    parquet = pd.read_parquet(base_dir / "processed/Quickstart/description.parquet")
    csv = pd.read_csv(base_dir / "processed/Quickstart/description.csv")
    pd.testing.assert_frame_equal(parquet, csv, check_dtype=False)
    assert list(parquet["path"]) == [path.name for path in thumbnails]
    assert dict(zip(parquet["path"], parquet["label"], strict=True))["chelsea.jpg"] == "cat"
    assert parquet.notna().all(axis=None)
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent / "data"
    for path in (base_dir / "raw/Photographs").glob("*.*g"):
        assert path.read_bytes() == (source / path.name).read_bytes()
    for stage in STAGES:
        assert DirectoryTarget(base_dir / stage).verify(deep=True).ok
        assert not any((base_dir / stage).parent.glob(".*"))


def test_the_quickstart_goes_through_luigid_with_two_workers(quickstart, luigid, tmp_path):
    arguments = ("--module", "quickstart", "Quickstart", "--base-dir", str(tmp_path / "far away"), *luigid.options)
    first = run_luigi(quickstart, *arguments)
    assert first.returncode == 0, first.stderr
    assert "3 ran successfully" in first.stderr
    assert_is_built(tmp_path / "far away")
    tasks = luigid.tasks(str(tmp_path / "far away"))
    for stage in STAGES:
        task = tasks[Path(stage).name]
        assert (task["status"], task["progress_percentage"]) == ("DONE", 100)
        assert re.fullmatch(r"8 of 8 files, [\d.,]+ files/s", task["status_message"])
        assert task["tracking_url"] == (tmp_path / "far away" / stage).as_uri()

    builds = read_builds(tmp_path / "far away")
    second = run_luigi(quickstart, *arguments)
    assert second.returncode == 0, second.stderr
    assert "1 complete ones were encountered" in second.stderr
    assert read_builds(tmp_path / "far away") == builds


# Failures


@pytest.mark.parametrize("is_central", [False, True], ids=["local", "luigid"])
def test_a_failed_stage_is_a_failed_command(waiting, luigid, is_central):
    options = luigid.options if is_central else ("--local-scheduler",)
    arguments = ("--gate", ".", "--max-failure-rate", "0", "--base-dir", f"data-{is_central}")
    failed = run_luigi(waiting, "--module", "waiting", "Waiting", *arguments, *options)
    assert failed.returncode == 30, failed.stderr
    assert (
        f"TooManyFailuresError: 1 of 10 files failed, so data-{is_central}/raw/Waiting was not published; "
        "the finished files are kept. First: 003: ValueError: number three is no good."
    ) in failed.stderr
    assert not (waiting / f"data-{is_central}/raw/Waiting").exists()


def test_a_folder_that_does_not_exist_is_a_failed_command_with_the_sentence(quickstart):
    (quickstart / "mine.py").write_text(
        "from tintype import raw\nclass Mine(raw.ImportFolder):\n    folder = 'nowhere'\n"
    )
    failed = run_luigi(quickstart, "--module", "mine", "Mine", "--local-scheduler")
    assert failed.returncode in (30, 35), failed.stderr
    assert "SettingsError: the folder 'nowhere' to import does not exist" in failed.stderr
    assert "set Mine.folder to the folder that holds the files" in failed.stderr


def test_a_corrupt_stamp_is_a_failed_command_with_the_sentence(waiting):
    arguments = ("--module", "waiting", "Waiting", "--gate", ".", "--local-scheduler")
    assert run_luigi(waiting, *arguments).returncode == 0
    (waiting / "data/raw/Waiting/_stamp.json").write_text("{")
    failed = run_luigi(waiting, *arguments)
    assert failed.returncode == 35, failed.stderr
    assert "data/raw/Waiting/_stamp.json is corrupt" in failed.stderr
    assert "move the directory away or remove it, and run again" in failed.stderr


# Progress


def test_luigid_and_its_page_show_how_far_a_stage_is(waiting, luigid, require_service, tmp_path):
    chromium = require_service("chromium")
    gate = tmp_path / "gate"
    arguments = ["--module", "waiting", "Waiting", "--gate", str(gate), "--n-jobs", "1", "--base-dir", "slow data"]
    with subprocess.Popen(
        [LUIGI, *arguments, *luigid.options], cwd=waiting, env=make_environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            # The main thread counts files once a second at most: five are done, one of them failed, the rest wait.
            task = luigid.wait_for("Waiting", "slow data", lambda task: "1 failed" in (task["status_message"] or ""))
            assert (task["status"], task["progress_percentage"]) == ("RUNNING", 50)
            assert re.fullmatch(r"5 of 10 files, [\d.,]+ files/s, 1 failed, \d+:\d\d left", task["status_message"]), (
                task["status_message"]
            )
            visualiser = f"http://127.0.0.1:{luigid.port}/static/visualiser/index.html#tab=workers"
            page = browse(chromium, visualiser)
            # The page may still show what a test before this one has done.
            bars = re.findall(r'<div class="progress-bar taskProgressBar"[^>]*data-task-id="Waiting[^>]*>', page)
            assert any("width: 50%" in bar for bar in bars), page
            # A click on the button beside it opens this.
            messages = re.findall(r'<pre class="pre-scrollable"[^>]*>([^<]*)</pre>', page)
            expected = r"5 of 10 files, [\d.,]+ files/s, 1 failed, \d+:\d\d left"
            assert any(re.fullmatch(expected, message) for message in messages), messages
        finally:
            gate.touch()
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    task = luigid.tasks("slow data")["Waiting"]
    assert (task["status"], task["progress_percentage"]) == ("DONE", 100)
    assert re.fullmatch(r"10 of 10 files, [\d.,]+ files/s, 1 failed", task["status_message"])
    assert task["tracking_url"] == (waiting / "slow data/raw/Waiting").as_uri()


CLICK = """
(() => {
  const message = document.querySelector("#statusMessageModal pre");
  if (message && message.textContent) return document.body.innerHTML;
  const button = document.querySelector("button.statusMessage[data-task-id^=Waiting]");
  if (button) button.click();
  return "";
})()
"""
"""Clicks on the button for the status message once it is there; gives what the page holds when the message is."""


def browse(chromium: str, url: str) -> str:
    """Return the page as it is once its scripts have run and the status message was clicked on."""
    with Chromium(chromium) as browser:
        browser.open(url)
        for _ in range(300):
            page = browser.evaluate(CLICK)
            if page:
                return str(page)
            time.sleep(0.1)  # the page is not there yet
    raise AssertionError("the status message never came")


def run_on_terminal(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run luigi on a terminal of its own; return its exit status and all that it showed."""
    controller, terminal = pty.openpty()
    environment = {**make_environment(), "TERM": "xterm-256color", "COLUMNS": "160", "LINES": "40"}
    with subprocess.Popen(
        [LUIGI, *arguments], cwd=folder, env=environment, stdin=terminal, stdout=terminal, stderr=terminal
    ) as process:
        os.close(terminal)
        shown = b""
        while True:
            try:
                shown += os.read(controller, 65536)
            except OSError:  # how Linux says that nobody has the terminal any more
                break
        os.close(controller)
        return process.wait(timeout=60), shown.decode()


def test_a_terminal_shows_a_bar_with_speed_and_failures(waiting):
    status, shown = run_on_terminal(
        waiting, "--module", "waiting", "Waiting", "--gate", ".", "--n-files", "300", "--local-scheduler"
    )
    assert status == 0, shown
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    last = re.findall(r"Waiting [^\r\n]*300/300[^\r\n]*", plain)[-1]
    assert re.search(r"━+ 300/300 [\d.,]+ files/s 1 failed", last), last


@pytest.mark.parametrize("kind", ["log", "none"])
def test_a_bar_on_a_terminal_can_be_switched_off(waiting, kind):
    with (waiting / "luigi.cfg").open("a") as file:
        file.write(f"\n[tintype]\nprogress = {kind}\n")
    status, shown = run_on_terminal(waiting, "--module", "waiting", "Waiting", "--gate", ".", "--local-scheduler")
    assert status == 0, shown
    assert "━" not in shown
    assert "data/raw/Waiting: published" in shown


def test_where_there_is_no_terminal_there_are_plain_log_lines(waiting):
    ran = run_luigi(waiting, "--module", "waiting", "Waiting", "--gate", ".", "--local-scheduler")
    assert ran.returncode == 0, ran.stderr
    assert "\x1b" not in ran.stdout + ran.stderr
    assert "━" not in ran.stdout + ran.stderr
    assert "data/raw/Waiting: building (never built)" in ran.stderr
    assert "data/raw/Waiting: published, 9 files, 27 bytes, 1 inputs failed" in ran.stderr


class Letters(ImportFolder):
    folder: str = luigi.Parameter(significant=False)


class Copies(FileStage):
    layer = "interim"
    folder: str = luigi.Parameter(significant=False)

    def requires(self):
        return Letters(base_dir=self.base_dir, folder=self.folder)

    def pipeline(self):
        return Pipeline(load_bytes, self.work, write_bytes)

    def work(self, data: bytes) -> bytes:
        if data == b"bad":
            raise ValueError("no good")
        return data


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    folder = tmp_path / "letters"
    folder.mkdir()
    for letter in "abc":
        (folder / letter).write_text(letter)
    return folder


def make_copies(letters: Path) -> Copies:
    return Copies(base_dir=str(letters.parent / "data"), folder=str(letters))


def test_long_builds_log_how_far_they_are(letters, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "luigi-interface.tintype")
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    assert luigi.build([make_copies(letters)], local_scheduler=True)
    assert re.search(r"Copies: 3 of 3 files, [\d.,]+ files/s", caplog.text)


def test_progress_is_told_at_most_so_often(letters, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(progress, "LUIGI_SECONDS", 3600.0)
    for number in range(300):
        (letters / f"{number}").write_text("x")
    task = make_copies(letters)
    task.requires().run()
    monkeypatch.setattr(task, "set_status_message", told.append)
    task.run()
    assert len(told) == 2  # the first, and the last
    assert told[-1].startswith("303 of 303 files")


# luigi.build


def test_luigi_build_works_in_the_main_thread(letters):
    assert luigi.build([make_copies(letters)], local_scheduler=True)
    assert make_copies(letters).complete()


def test_luigi_build_works_in_another_thread(letters):
    # Python allows signal handlers in the main thread only.
    get_config().set("worker", "no_install_shutdown_handler", "true")
    results = []

    def build():
        results.append(luigi.build([make_copies(letters)], local_scheduler=True))

    thread = threading.Thread(target=build)
    thread.start()
    thread.join(timeout=60)
    assert results == [True]
    assert make_copies(letters).complete()


def test_luigi_build_says_that_a_stage_failed(letters):
    (letters / "bad").write_text("bad")
    assert not luigi.build([make_copies(letters)], local_scheduler=True)
    assert make_copies(letters).requires().complete()
    assert not make_copies(letters).complete()


def test_luigis_own_check_after_a_run_is_content(letters):
    get_config().set("worker", "check_complete_on_run", "true")
    assert luigi.build([make_copies(letters)], local_scheduler=True)
