"""Ctrl-C and SIGTERM to Luigi's command line: it stops soon, says so by its status, and the next run does the rest."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.processes import describe_session, find_free_port, is_listening, session_of, wait_until

from tintype import DirectoryTarget
from tintype.tasks.interruption import stoppable

N_FILES = 400
N_FREE = 200
LUIGI = Path(sys.executable).with_name("luigi")
LUIGID = Path(sys.executable).with_name("luigid")

# What a user would write. The files after the first 200 wait for a file named "go".
SHOUTS = """
import os
import time
from pathlib import Path

from luigi.util import requires

from tintype import FileStage, Pipeline, raw
from tintype.load_funcs import load_bytes
from tintype.write_funcs import write_bytes


def shout(data):
    name = data.decode()
    if int(name.removesuffix(".txt")) >= 200:
        Path(f"waiting-{os.getpid()}").touch()
        while not Path("go").exists():
            time.sleep(0.01)
    with open("computed.log", "ab", buffering=0) as log:
        log.write(f"{name}\\n".encode())
    return data.upper()


class Words(raw.ImportFolder):
    folder = "words"


@requires(Words)
class Shouts(FileStage):
    layer = "interim"

    def pipeline(self):
        return Pipeline(load_bytes, shout, write_bytes)
"""

CONFIGURATION = """
[core]
autoload_range = false
[tintype]
n_jobs = 2
[retcode]
already_running = 10
missing_data = 20
not_run = 25
task_failed = 30
scheduling_error = 35
unhandled_exception = 40
"""


class Workshop:
    """A folder with a dataset and a module of stages, as a user has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.target = DirectoryTarget(folder / "data" / "interim" / "Shouts")
        self.staging = folder / "data" / "interim" / ".Shouts.staging"
        self.names = {f"{number:03d}.txt" for number in range(N_FILES)}
        (folder / "shouts.py").write_text(SHOUTS)
        (folder / "luigi.cfg").write_text(CONFIGURATION)
        (folder / "words").mkdir()
        for name in self.names:
            (folder / "words" / name).write_text(name)

    @contextmanager
    def luigi(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start luigi in a session of its own, as a terminal does; what it says goes to said.txt."""
        command = [str(LUIGI), "--module", "shouts", "Shouts", *arguments]
        with (self.folder / "said.txt").open("wb") as said:
            process = subprocess.Popen(
                command, cwd=self.folder, env={**os.environ, "PYTHONPATH": find_path()}, stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip
        try:
            yield process
        finally:
            for pid in session_of(process.pid):
                os.kill(pid, signal.SIGKILL)
            process.wait()

    def said(self) -> str:
        return (self.folder / "said.txt").read_text()

    def waiting(self) -> list[int]:
        """Return the processes in which a file waits."""
        return [int(path.name.rpartition("-")[2]) for path in self.folder.glob("waiting-*")]

    def go(self) -> None:
        (self.folder / "go").touch()

    def computed(self) -> list[str]:
        return (self.folder / "computed.log").read_text().split()

    def journalled(self) -> set[str]:
        """Return the results that the journal of the staging directory vouches for."""
        names: set[str] = set()
        for path in self.staging.glob("rows-*.jsonl"):
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n"):
                    outpath = json.loads(line)["outpath"]
                    names.update([outpath] if isinstance(outpath, str) else outpath)
        return names

    def is_unlocked(self) -> bool:
        with (self.staging / "lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def check_kept(self) -> None:
        """Check that nothing is published, the lock is free, and the next run computes only the rest."""
        assert not self.target.exists()
        assert not self.target.folder.exists()
        wait_until(self.is_unlocked, "the lock")  # a process with threads is a zombie before it has let go of its files
        journalled = self.journalled()
        assert 0 < len(journalled) < N_FILES
        n_before = len(self.computed())
        self.go()
        with self.luigi("--local-scheduler") as process:
            assert process.wait(60) == 0, self.said()
        assert sorted(self.computed()[n_before:]) == sorted(self.names - journalled)
        assert self.target.verify(deep=True).ok
        assert {path.name: path.read_text() for path in self.target.files()} == {n: n.upper() for n in self.names}
        assert not self.staging.exists()


def find_path() -> str:
    """Return the PYTHONPATH of a user's run: the current folder, and whatever this test was given."""
    return os.pathsep.join(filter(None, [".", os.environ.get("PYTHONPATH", "")]))


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def scheduler_arguments(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """Return the arguments that name a scheduler: Luigi's own in the process, or a real luigid."""
    if request.param == "local":
        yield ["--local-scheduler"]
        return
    port = str(find_free_port())
    command = [str(LUIGID), "--address", "127.0.0.1", "--port", port, "--state-path", str(tmp_path / "state.pickle")]
    with (tmp_path / "luigid.txt").open("wb") as said:
        luigid = subprocess.Popen(command, cwd=tmp_path, stdout=said, stderr=said)
    try:
        wait_until(lambda: is_listening(int(port)), "luigid")
        yield ["--scheduler-host", "127.0.0.1", "--scheduler-port", port]
    finally:
        luigid.kill()
        luigid.wait()


def stop_luigi(workshop: Workshop, send: Callable[[int], None], *arguments: str) -> None:
    """Start luigi, stop it by a signal while files are in hand, and check that it stopped as it should."""
    with workshop.luigi(*arguments) as process:
        wait_until(workshop.waiting, "a file in hand")
        assert len(workshop.computed()) <= N_FREE
        send(process.pid)
        wait_until(lambda: "stopping after the files in hand; finished files are kept" in workshop.said(), "the words")
        workshop.go()  # only now may the files in hand be finished
        assert process.wait(60) != 0
        wait_until(
            lambda: not session_of(process.pid), "the end of all processes", lambda: describe_session(process.pid)
        )
    (workshop.folder / "go").unlink()
    assert len(workshop.computed()) < N_FILES
    workshop.check_kept()


SENDERS = [
    pytest.param(lambda pid: os.killpg(pid, signal.SIGINT), id="Ctrl-C"),
    pytest.param(lambda pid: os.kill(pid, signal.SIGTERM), id="SIGTERM"),
]


@pytest.mark.parametrize("send", SENDERS)
def test_a_signal_to_luigi_stops_after_the_files_in_hand(workshop, send):
    stop_luigi(workshop, send, "--local-scheduler")


@pytest.mark.parametrize(
    "scheduler_arguments", ["local", pytest.param("luigid", marks=pytest.mark.slow)], indirect=True
)
@pytest.mark.parametrize("send", SENDERS)
def test_a_signal_to_luigi_with_workers_stops_after_the_files_in_hand(workshop, send, scheduler_arguments):
    stop_luigi(workshop, send, "--workers", "2", *scheduler_arguments)


@pytest.mark.slow
@pytest.mark.parametrize("scheduler_arguments", ["luigid"], indirect=True)
@pytest.mark.parametrize("send", SENDERS)
def test_a_signal_to_luigi_with_a_scheduler_stops_after_the_files_in_hand(workshop, send, scheduler_arguments):
    stop_luigi(workshop, send, *scheduler_arguments)


def test_a_ctrl_c_that_reaches_only_luigi_stops_its_task_processes_too(workshop):
    stop_luigi(workshop, lambda pid: os.kill(pid, signal.SIGINT), "--workers", "2", "--local-scheduler")


@pytest.mark.slow
def test_a_task_process_whose_luigi_was_killed_ends_by_itself(workshop):
    stop_luigi(workshop, lambda pid: os.kill(pid, signal.SIGKILL), "--workers", "2", "--local-scheduler")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_the_second_signal_ends_at_once(workshop, number, workers):
    with workshop.luigi("--local-scheduler", "--workers", workers) as process:
        wait_until(workshop.waiting, "a file in hand")
        os.killpg(process.pid, number)
        wait_until(lambda: "stopping after the files in hand" in workshop.said(), "the words")
        if workers == "1" or number == signal.SIGINT:
            assert process.poll() is None
        os.killpg(process.pid, number)
        assert process.wait(60) != 0
        wait_until(
            lambda: not session_of(process.pid), "the end of all processes", lambda: describe_session(process.pid)
        )
    assert not (workshop.folder / "go").exists()  # the files in hand would have waited for ever
    workshop.check_kept()


def test_a_ctrl_c_and_the_sigterm_that_luigi_sends_after_it_are_one():
    seen = []
    with stoppable():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            signal.raise_signal(signal.SIGTERM)  # would end this process, or raise once more
            seen.append(str(error))
    assert seen == ["SIGINT"]


def test_a_ctrl_c_after_a_sigterm_ends_the_process_at_once():
    program = """
import signal
from tintype.tasks.interruption import stoppable
with stoppable():
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        signal.raise_signal(signal.SIGINT)
        print("still there")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "")


def test_signals_are_as_before_when_the_build_is_over():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stoppable():
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    with pytest.raises(KeyboardInterrupt, match="SIGTERM"), stoppable():
        signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_handler_that_the_application_set_is_left_alone(number):
    seen = []
    before = signal.signal(number, lambda number, _: seen.append(number))
    try:
        with stoppable():
            signal.raise_signal(number)
    finally:
        signal.signal(number, before)
    assert seen == [number]


def test_a_prompt_keeps_its_own_ctrl_c(monkeypatch):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with stoppable():
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL


def test_another_thread_changes_no_signals():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def look():
        with stoppable():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]
