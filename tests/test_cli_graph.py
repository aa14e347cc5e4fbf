"""The commands that take a task, as a user types them: real processes, their output and their exit status."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from luigi.configuration import get_config

from tintype.cli.graph_arguments import luigi_options
from tintype.cli.main import make_parser

TINTYPE = str(Path(sys.executable).with_name("tintype"))
LUIGI = str(Path(sys.executable).with_name("luigi"))

MODULE = '''
"""Words, shouted, and how many there are. A stage waits before each word until there is a gate, where one is given."""

import os
import time
from pathlib import Path

import luigi
from luigi.util import requires

from tintype import FileStage, Pipeline, Stage, raw
from tintype.load_funcs import load_bytes
from tintype.write_funcs import write_bytes


class Words(raw.ImportFolder):
    folder = luigi.Parameter(default="words", significant=False)


@requires(Words)
class Loud(FileStage):
    layer = "interim"
    max_failure_rate = luigi.FloatParameter(default=0.0, significant=False)
    sign = luigi.Parameter(default="")

    def pipeline(self):
        return Pipeline(load_bytes, ops=self.shout, write_func=write_bytes)

    def shout(self, data):
        with open("worked.txt", "a") as file:
            file.write(data.decode() + "\\n")
        while os.environ.get("GATE") and not Path(os.environ["GATE"]).exists():
            time.sleep(0.02)
        if data.startswith(b"bad"):
            raise ValueError("a bad word")
        return data.upper() + self.sign.encode()


@requires(Loud)
class Listed(luigi.Task):
    base_dir = luigi.Parameter(default="data")

    def output(self):
        return luigi.LocalTarget(f"{self.base_dir}/listed.txt")

    def run(self):
        Path(self.output().path).write_text(str(sum(1 for _ in self.input().files())))


@requires(Listed)
class Report(Stage):
    layer = "processed"
    stage = luigi.Parameter(default="first", description="has the name of an option")
    force = luigi.BoolParameter(significant=False)

    def build(self, staging):
        (staging.files / "report.txt").write_text(f"{self.stage} {self.force}")
        staging.add("report.txt")
'''

TASK = ("--module", "shouting", "Report")


def start(folder: Path, *arguments: str, program: str = TINTYPE, **variables: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LUIGI_CONFIG")}
    return subprocess.Popen(
        [program, *arguments],
        cwd=folder, env={**environment, "PYTHONPATH": ".", "COLUMNS": "160", **variables},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(folder: Path, *arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
    with start(folder, *arguments, **options) as process:
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def read_json(folder: Path, *arguments: str) -> Any:
    done = run(folder, *arguments, "--json")
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def worked(folder: Path) -> list[str]:
    """Return what was worked on since the last look."""
    path = folder / "worked.txt"
    lines = sorted(path.read_text().splitlines()) if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def wait_until(is_so: Any) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    paths = [path for path in folder.rglob("*") if "__pycache__" not in str(path)]
    return {str(path): (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in paths}


@pytest.fixture
def place(tmp_path):
    (tmp_path / "shouting.py").write_text(MODULE)
    (tmp_path / "words").mkdir()
    for name, word in {"a": "one", "b": "two", "c": "three"}.items():
        (tmp_path / "words" / f"{name}.txt").write_text(word)
    (tmp_path / "luigi.cfg").write_text("[core]\nautoload_range = false\n[tintype]\ndurable = false\n")
    return tmp_path


def test_status_rebuild_and_status_again(place):
    before = run(place, "status", "--check", *TASK)
    assert before.returncode == 3, before.stderr
    assert "never built" in before.stdout
    assert not (place / "data").exists()
    built = run(place, "rebuild", *TASK, "--workers", "2")
    assert built.returncode == 0, built.stderr
    assert "data/raw/Words: published, 3 files" in built.stderr
    assert built.stdout.splitlines()[1].split()[:3] == ["Words", "built", "3"]
    assert worked(place) == ["one", "three", "two"]
    after = run(place, "status", "--check", *TASK)
    assert after.returncode == 0, after.stderr
    assert [line.split()[:2] for line in after.stdout.splitlines()[1:]] == [
        ["Report", "complete"], ["Listed", "complete"], ["Loud", "complete"], ["Words", "complete"],
    ]  # fmt: skip
    assert "\x1b" not in after.stdout
    # luigi agrees.
    agreed = run(place, *TASK, "--local-scheduler", program=LUIGI)
    assert "1 complete ones were encountered" in agreed.stderr
    assert worked(place) == []


def test_every_command_gives_json(place):
    assert read_json(place, "rebuild", "--dry-run", *TASK)["dry_run"] is True
    assert read_json(place, "rebuild", *TASK)["ok"] is True
    assert read_json(place, "status", *TASK)["complete"] is True
    assert read_json(place, "explain", "--stage", "Loud", *TASK)["stages"][0]["state"] == "complete"
    assert read_json(place, "retry", *TASK)["stages"] == []
    assert read_json(place, "verify", "--deep", *TASK)["ok"] is True
    assert read_json(place, "verify", "--deep", "--repair", *TASK)["rebuilt"]["stages"] == []
    assert read_json(place, "accept", *TASK)["stages"] == []
    assert read_json(place, "clean", *TASK)["leftovers"] == []


def test_a_dry_run_touches_nothing(place):
    for arguments in (["rebuild", "--dry-run"], ["explain"], ["status"], ["clean"]):
        before = listing(place)
        assert run(place, *arguments, *TASK).returncode == 0
        assert listing(place) == before


def test_parameters_with_the_name_of_an_option_are_given_with_the_task_before_it(place):
    built = run(place, "rebuild", *TASK, "--Report-stage", "second", "--Report-force")
    assert built.returncode == 0, built.stderr
    assert (place / "data/processed/Report-stage=second/report.txt").read_text() == "second True"


def test_no_part_of_a_parameter_is_taken_for_an_option(place):
    built = run(place, "rebuild", "--module", "shouting", "Loud", "--sign", "!", "--base-dir", "elsewhere")
    assert built.returncode == 0, built.stderr
    assert (place / "elsewhere/interim/Loud-sign=!/a.txt").read_text() == "ONE!"


def test_a_failed_stage_is_status_1_and_one_line_without_a_trace(place):
    (place / "words/d.txt").write_text("bad")
    for workers in ("1", "2"):
        failed = run(place, "rebuild", *TASK, "--workers", workers)
        assert failed.returncode == 1
        assert "Traceback" not in failed.stderr
        last = failed.stderr.splitlines()[-1]
        assert last.startswith("tintype: Loud: TooManyFailuresError: 1 of 4 files failed")
    assert "failed" in run(place, "status", *TASK).stdout
    (place / "words/d.txt").write_text("good")
    worked(place)
    mended = run(place, "retry", *TASK)
    assert mended.returncode == 0, mended.stderr
    assert worked(place) == ["good"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["status", "--module", "nowhere", "Report"], "there is no module nowhere"),
        (["status", "--module", "shouting", "Reprt"], "No task Reprt. Did you mean: Report"),
        (["status", "--module", "shouting"], "No task specified"),
        (["status", *TASK, "--colour", "red"], "unrecognized arguments: --colour red"),
        (["verify"], "name directories, or --module MODULE TASK"),
        (["verify", "data", "--repair"], "need the task"),
        (["verify", "data", "--colour"], "unknown option --colour"),
    ],
)
def test_a_command_line_that_names_nothing_is_one_sentence_and_status_2(place, arguments, words):
    done = run(place, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["explain", "--stage", "Quiet"], "the graph has no stage 'Quiet': it has Words, Loud, Report"),
        (["rebuild", "--ignore", "colour"], "'colour' cannot be ignored"),
    ],
)
def test_a_wrong_name_is_one_sentence_and_status_1(place, arguments, words):
    done = run(place, *arguments, *TASK)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert words in done.stderr


def test_a_module_that_is_broken_is_one_sentence(place):
    (place / "broken.py").write_text("import luigi\nnothing\n")
    done = run(place, "status", "--module", "broken", "Report")
    assert done.returncode == 1
    assert done.stderr == "tintype: NameError: name 'nothing' is not defined\n"


def test_verify_repairs_what_is_missing(place):
    run(place, "rebuild", *TASK)
    worked(place)
    (place / "data/interim/Loud/a.txt").unlink()
    wrong = run(place, "verify", *TASK)
    assert wrong.returncode == 1
    assert "  missing: a.txt" in wrong.stdout
    mended = run(place, "verify", "--repair", *TASK)
    assert mended.returncode == 0, mended.stderr
    assert worked(place) == ["one"]
    assert run(place, "verify", "data/interim/Loud", "data/raw/Words").returncode == 0


def test_changed_code_is_explained_ignored_and_accepted(place):
    run(place, "rebuild", *TASK)
    worked(place)
    (place / "shouting.py").write_text(MODULE.replace("a bad word", "a word that is bad"))
    explained = run(place, "explain", *TASK)
    assert "Loud: would be built, files: 3 computed, 0 reused" in explained.stdout
    assert "code: code of " in explained.stdout
    assert run(place, "rebuild", "--ignore", "code", *TASK).returncode == 0
    assert worked(place) == []
    assert run(place, "status", "--check", *TASK).returncode == 3
    accepted = run(place, "accept", *TASK)
    assert "accepted: code of " in accepted.stdout
    assert run(place, "status", "--check", *TASK).returncode == 0


def test_clean_removes_only_with_yes(place):
    run(place, "rebuild", *TASK)
    run(place, "rebuild", "--module", "shouting", "Loud", "--sign", "!")
    listed = run(place, "clean", *TASK)
    assert "would remove " in listed.stdout
    assert (place / "data/interim/Loud-sign=!").exists()
    assert run(place, "clean", "--yes", "--dry-run", *TASK).returncode == 0
    assert (place / "data/interim/Loud-sign=!").exists()
    assert run(place, "clean", "--yes", *TASK).returncode == 0
    assert not (place / "data/interim/Loud-sign=!").exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_keeps_what_is_finished_and_the_next_build_goes_on(place, workers):
    gate = str(place / "gate")
    with start(place, "rebuild", *TASK, "--workers", workers, "--Loud-n-jobs", "1", GATE=gate) as process:
        try:
            wait_until((place / "worked.txt").exists)
            looked = run(place, "status", *TASK)
            assert "building" in looked.stdout
            assert f"by process {process.pid} on " in looked.stdout or workers == "2"
            process.send_signal(signal.SIGINT)
            Path(gate).touch()
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, err
    if workers == "1":  # the processes that Luigi forks write their own
        assert "Traceback" not in err
    assert "failed" in run(place, "status", *TASK).stdout
    assert run(place, "rebuild", *TASK).returncode == 0
    assert sorted(path.name for path in (place / "data/interim/Loud").glob("*.txt")) == ["a.txt", "b.txt", "c.txt"]


def test_the_second_of_two_waits_and_then_has_nothing_to_do(place):
    gate = str(place / "gate")
    assert run(place, "rebuild", "--stage", "Words", *TASK).returncode == 0
    with start(place, "rebuild", *TASK, GATE=gate) as first:
        try:
            wait_until((place / "worked.txt").exists)
            refused = run(place, "rebuild", "--no-wait", *TASK)
            assert refused.returncode == 1
            assert f"is being built by process {first.pid} on " in refused.stderr.splitlines()[-1]
            with start(place, "rebuild", *TASK) as second:
                assert second.stderr is not None
                said = second.stderr.readline()
                assert f"data/interim/Loud: waiting for process {first.pid} on " in said, said
                Path(gate).touch()
                assert second.wait(timeout=60) == 0
                second.communicate()
            assert first.wait(timeout=60) == 0
        finally:
            first.kill()
    assert worked(place) == ["one", "three", "two"]


@pytest.mark.parametrize(
    ("options", "config", "is_local"),
    [
        ([], {}, True),
        (["--central"], {}, False),
        (["--scheduler-host", "scheduler"], {}, False),
        (["--scheduler-url=http://scheduler:8082"], {}, False),
        ([], {"default_scheduler_host": "scheduler"}, False),
        ([], {"scheduler_port": "1234"}, False),
        (["--local-scheduler"], {"default_scheduler_host": "scheduler"}, True),
    ],
)
def test_the_scheduler_is_a_local_one_unless_another_is_named_or_configured(options, config, is_local):
    for name, value in config.items():
        get_config().set("core", name, value)
    known, rest = make_parser().parse_known_args(["rebuild", *TASK, *options])
    known.luigi_arguments = rest
    assert luigi_options(known) == {"local_scheduler": is_local}


def test_a_central_scheduler_that_is_not_there_is_a_failure(place):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    (place / "luigi.cfg").write_text("[core]\nautoload_range = false\nrpc_retry_attempts = 1\nrpc_retry_wait = 0\n")
    done = run(place, "rebuild", *TASK, "--scheduler-host", "127.0.0.1", "--scheduler-port", port)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not (place / "data/raw/Words").exists()


def test_a_tree_is_drawn_on_a_terminal(place):
    run(place, "rebuild", *TASK)
    controller, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": ".", "COLUMNS": "160", "TERM": "xterm-256color"}
    shown = subprocess.run([TINTYPE, "status", *TASK], cwd=place, stdout=terminal, env=environment)
    os.close(terminal)
    text = os.read(controller, 65536).decode()
    os.close(controller)
    assert shown.returncode == 0
    assert "└─ Listed" in text


@pytest.mark.parametrize("command", ["status", "explain", "rebuild", "retry", "verify", "accept", "clean"])
def test_help_has_a_line_and_examples(place, command):
    done = run(place, command, "--help")
    assert done.returncode == 0
    assert f"\n  tintype {command} " in done.stdout
    assert f"    {command} " in run(place, "--help").stdout
