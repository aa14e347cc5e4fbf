"""Programs that tests start: each in a session of its own, told when to go on, and killed; none outlives its test."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = Path(sys.executable).parent
"""Where the command lines of this environment are."""
READY = "ready\n"
PATIENCE_SECONDS = 120.0


class Program:
    """A program that runs, what it says, and the ways to end it.

    Parameters
    ----------
    command
        Name of a program of this environment, and its arguments.
    folder
        Its current folder; modules are found there.
    environment
        Variables beyond those of this process.
    """

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115, close() closes it
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [str(PROGRAMS / command[0]), *command[1:]],
            cwd=folder,
            env={**make_environment(), **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=self._errors,
            start_new_session=True,
        )
        self.pid = self._process.pid

    @property
    def output(self) -> str:
        """What it has written to its standard output."""
        return _read(self._output.fileno())

    @property
    def errors(self) -> str:
        """What it has written to its standard error."""
        return _read(self._errors.fileno())

    @property
    def status(self) -> int | None:
        """Its exit status, negative after a signal; None while it runs."""
        return self._process.poll()

    def wait_until_ready(self) -> None:
        """Wait until it says that it is ready, and so reads its standard input."""
        self.wait_until(lambda: READY in self.output, "its being ready")

    def wait_until_it_says(self, text: str) -> None:
        """Wait until a text is in its standard error."""
        self.wait_until(lambda: text in self.errors, repr(text))

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something that it does; fail when it ends without."""
        wait_until(lambda: condition() or self.status is not None, what)
        assert condition(), f"{what} never came; status {self.status}\n{self.output}{self.errors}"

    def go(self) -> None:
        """Give it the line that it waits for."""
        self.tell("go\n")

    def tell(self, text: str) -> None:
        """Write to its standard input."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()

    def send(self, number: int, *, to_session: bool = False) -> None:
        """Send it a signal, or as a terminal does, it and what it started."""
        if to_session:
            os.killpg(self.pid, number)
        else:
            os.kill(self.pid, number)

    def wait(self) -> int:
        """Return its exit status when it has ended."""
        return self._process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """SIGKILL it, and nothing that it started."""
        assert self.status is None, self.errors
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it and whatever it started."""
        for pid in session_of(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._output.close()
        self._errors.close()


class Fork:
    """A fork of a program that has imported everything, which goes on in another folder.

    The program calls the function of :data:`SERVES_FORKS`.

    Parameters
    ----------
    program
        What is forked; one fork at a time.
    folder
        The fork's current folder; what it says goes to ``said.txt`` there.
    """

    def __init__(self, program: Program, folder: Path) -> None:
        self._program = program
        self._said = folder / "said.txt"
        self._n_lines = len(program.output.splitlines())
        program.tell(str(folder))
        self.pid = int(self._answer(0))
        self._descriptor = os.pidfd_open(self.pid)
        program.tell("go")

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait for something that it does, or for its end, with as short a look as can be."""
        while not condition() and not select.select([self._descriptor], [], [], 0.002)[0]:
            pass

    def wait(self) -> int:
        """Return its exit status when it has ended."""
        return self.kill(PATIENCE_SECONDS)

    def kill(self, after_seconds: float) -> int:
        """SIGKILL it, unless it ends before the moment; return its exit status."""
        try:
            if not select.select([self._descriptor], [], [], after_seconds)[0]:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)
        finally:
            os.close(self._descriptor)
        return int(self._answer(1))

    @property
    def errors(self) -> str:
        """What it has said."""
        return self._said.read_text()

    def _answer(self, number: int) -> str:
        """Return a line that the program writes about this fork."""
        place = self._n_lines + number
        self._program.wait_until(lambda: self._program.output.count("\n") > place, "an answer")
        return self._program.output.splitlines()[place]


SERVES_FORKS = '''
"""Run many times what has been imported once."""

import os


def serve_forks():
    print("ready", flush=True)
    while folder := os.read(0, 4096).decode():
        # The word to go is read here, not in the child: who kills that before it reads would leave the word behind.
        gate, key = os.pipe()
        child = os.fork()
        if not child:
            os.close(key)
            os.chdir(folder)
            said = os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(said, 1)
            os.dup2(said, 2)
            os.read(gate, 1)  # until the other end is closed
            return
        os.close(gate)
        print(child, flush=True)
        os.read(0, 2)
        os.close(key)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os._exit(0)
'''
"""A module whose function returns in a fork of the program, in each folder that the program is told."""


@contextmanager
def start(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Program]:
    """Start a program that has ended when the block ends."""
    program = Program(command, folder, environment)
    try:
        yield program
    finally:
        program.close()


@contextmanager
def start_luigid(folder: Path, port: int, *options: str) -> Iterator[Program]:
    """Start a scheduler on this machine alone; it answers when the block begins."""
    command = ["luigid", "--address", "127.0.0.1", "--port", str(port), *options]
    with start(command, folder) as luigid:
        luigid.wait_until(lambda: is_listening(port), "its port")
        yield luigid


def find_free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def is_listening(port: int) -> bool:
    """Return whether somebody listens on a port of this machine."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def make_environment() -> dict[str, str]:
    """Return a user's environment: modules of the current folder are found, and a Luigi nobody has configured."""
    path = os.pathsep.join(filter(None, [".", os.environ.get("PYTHONPATH", "")]))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LUIGI_CONFIG")}
    return {**environment, "PYTHONPATH": path, "PATH": os.pathsep.join([str(PROGRAMS), os.environ.get("PATH", "")])}


def session_of(leader: int) -> list[int]:
    """Return the processes of a session that are alive."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(session) == leader and state != "Z":
                found.append(int(entry.name))
    return found


def describe_session(leader: int) -> str:
    """Return what the processes of a session are doing, for the message of a failure."""
    told = []
    for pid in session_of(leader):
        with suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text()
            lines = [
                line for line in status.splitlines() if line.startswith(("State", "PPid", "Threads", "Sig", "Shd"))
            ]
            wchan, command = Path(f"/proc/{pid}/wchan").read_text(), Path(f"/proc/{pid}/cmdline").read_bytes()
            told.append(f"{pid} {command!r} in {wchan}: {'; '.join(lines)}")
    return "\n".join(told)


def wait_until(condition: Callable[[], object], what: str, describe: Callable[[], str] = str) -> None:
    """Wait for something that another process does; fail when it never does, and describe what is there."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}\n{describe()}"
        time.sleep(0.01)


def _read(descriptor: int) -> str:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()
