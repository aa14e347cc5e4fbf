"""Several who rebuild the same, a scheduler that dies, and Ctrl-C: the work is done once, and nothing is lost."""

from __future__ import annotations

import random
import signal
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.processes import Program, find_free_port, is_listening, session_of, start_luigid, wait_until
from tests.test_rebuild_kill import N_OF_EACH, REBUILD, TASK, Tree, Workshop, read_tree, wait_for_held

LUIGI = ("luigi", *TASK, "Shouts", "--no-lock")  # else Luigi itself refuses to run one command line twice
LOCAL = "--local-scheduler"
TASK_FAILED, ALREADY_RUNNING, NOT_RUN = 30, 10, 25  # as the workshop's configuration says
LEFT_TO_ANOTHER = {ALREADY_RUNNING, NOT_RUN}
"""What Luigi says of a task that the scheduler gave to another client; NOT_RUN between two of that one's stages."""
STOPPING = "stopping after the files in hand; finished files are kept"


class Change:
    """A workshop whose inputs have changed since everything was built, and what a rebuild must come to."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.old = workshop.wanted()
        before = read_tree(workshop.words)
        workshop.change_inputs(random.Random(1), "-anew")
        self.needed = sorted(name for name, text in read_tree(workshop.words).items() if before.get(name) != text)
        self.new: Tree = workshop.wanted()

    def hold(self) -> None:
        """Let whoever builds stop at the last files."""
        self.workshop.say("held", self.needed[-N_OF_EACH:])

    def be_impatient(self) -> None:
        """Let Luigi ask a scheduler that does not answer again after a second, and not after half a minute."""
        path = self.workshop.folder / "luigi.cfg"
        path.write_text(path.read_text().replace("[core]", "[core]\nrpc-retry-attempts = 2\nrpc-retry-wait = 1"))

    def wait_for_held(self, program: Program) -> None:
        """Wait until a program is at the last files, and some that it has finished are in the journal."""
        wait_for_held(self.workshop, program)
        program.wait_until(self.workshop.journalled, "the journal")
        assert read_tree(self.workshop.published) == self.old

    def check_done(self) -> None:
        """Check that everything was worked on once, and that it is published."""
        assert sorted(self.workshop.computed()) == self.needed
        self.workshop.check_whole(self.new)
        assert self.workshop.leftovers() == set()

    def check_resumed(self, command: Sequence[str] = REBUILD) -> None:
        """Check that what was interrupted is not lost, and that the next run does the rest."""
        assert read_tree(self.workshop.published) == self.old
        journalled = self.workshop.journalled()
        assert 0 < len(journalled) < len(self.needed)
        assert sorted(self.workshop.run(command)) == sorted(set(self.needed) - journalled)
        self.workshop.check_whole(self.new)
        assert self.workshop.leftovers() == set()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Return a workshop in which everything is built. Read only: copy it."""
    workshop = Workshop.make(tmp_path_factory.mktemp("small"), 3 * N_OF_EACH)
    workshop.run(REBUILD)
    (workshop.folder / "computed.log").unlink()
    return workshop


@pytest.fixture
def change(small: Workshop, tmp_path: Path) -> Change:
    return Change(small.copy(tmp_path / "workshop"))


def central(port: int) -> list[str]:
    """Return the options that name a scheduler."""
    return ["--scheduler-host", "127.0.0.1", "--scheduler-port", str(port)]


def builder(program: Program) -> str:
    """Return how messages name a program."""
    return f"process {program.pid} on {socket.gethostname()} since "


# Two who want the same


def race(change: Change, command: Sequence[str], allowed: set[int]) -> None:
    """Let two begin at one moment; one of them at least succeeds."""
    with (
        change.workshop.start(command, WAITS="1") as first,
        change.workshop.start(command, WAITS="1") as second,
    ):
        for rival in (first, second):
            rival.go()
        statuses = {rival: rival.wait() for rival in (first, second)}
        said = first.errors + second.errors
        assert 0 in statuses.values(), said
        assert set(statuses.values()) <= {0} | allowed, said
        for rival, other in ((first, second), (second, first)):
            assert "Traceback" not in rival.errors or statuses[rival] == TASK_FAILED
            if statuses[rival] == TASK_FAILED:
                # Who has the lock since an instant ago has not signed it yet.
                assert builder(other) in rival.errors or "is being built by another process" in rival.errors
    change.check_done()


@pytest.mark.parametrize(
    ("command", "allowed"),
    [(REBUILD, set()), ((*LUIGI, LOCAL), {TASK_FAILED})],
    ids=["tintype", "luigi"],
)
def test_of_two_that_begin_together_each_file_is_worked_on_by_one(change, command, allowed):
    race(change, command, allowed)


def test_of_two_clients_of_a_scheduler_that_begin_together_each_file_is_worked_on_by_one(change, tmp_path):
    port = find_free_port()
    with start_luigid(tmp_path, port):
        race(change, [*LUIGI, *central(port)], LEFT_TO_ANOTHER)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tintype", "luigi", "luigi on luigid", "tintype on luigid"])
def test_of_two_that_begin_together_ten_times_each_file_is_worked_on_by_one(small, tmp_path, kind):
    port = find_free_port()
    with ExitStack() as stack:
        options = [LOCAL]
        if "luigid" in kind:
            stack.enter_context(start_luigid(tmp_path, port))
            options = central(port)
        for number in range(10):
            change = Change(small.copy(tmp_path / f"{number}"))
            # Tasks of their own: for ten seconds the scheduler takes for done what was.
            base_dir = ["--base-dir", str(change.workshop.folder / "data")]
            command = [*(LUIGI if kind.startswith("luigi") else REBUILD), *options, *base_dir]
            allowed = {"luigi": {TASK_FAILED}, "luigi on luigid": LEFT_TO_ANOTHER}.get(kind, set())
            race(change, command, allowed)


def test_who_comes_while_another_builds_waits_or_says_who_that_is(change):
    change.hold()
    with change.workshop.start(REBUILD) as first:
        change.wait_for_held(first)
        with (
            change.workshop.start(REBUILD) as waiting,
            change.workshop.start([*REBUILD, "--no-wait"]) as told,
            change.workshop.start([*LUIGI, LOCAL]) as told_by_luigi,
        ):
            assert told.wait() == 1
            assert "Traceback" not in told.errors
            assert f"data/interim/Shouts is being built by {builder(first)}" in told.errors
            assert "wait for it, or stop it; what it finished is kept" in told.errors
            assert told_by_luigi.wait() == TASK_FAILED
            assert f"data/interim/Shouts is being built by {builder(first)}" in told_by_luigi.errors
            waiting.wait_until_it_says(f"waiting for {builder(first)}")
            assert waiting.status is None
            change.workshop.release()
            assert first.wait() == 0, first.errors
            assert waiting.wait() == 0, waiting.errors
            assert "Traceback" not in waiting.errors
    assert {pid for _, pid in change.workshop.works()} == {first.pid}
    change.check_done()


def test_who_comes_while_another_client_of_the_scheduler_builds_leaves_it_to_that(change, tmp_path):
    change.hold()
    port = find_free_port()
    with start_luigid(tmp_path, port), change.workshop.start([*LUIGI, *central(port)]) as first:
        change.wait_for_held(first)
        with (
            change.workshop.start([*LUIGI, *central(port)]) as leaving,
            change.workshop.start([*REBUILD, *central(port)]) as waiting,
        ):
            assert leaving.wait() == ALREADY_RUNNING, leaving.errors
            waiting.wait_until_it_says(f"waiting for {builder(first)}")
            change.workshop.release()
            assert first.wait() == 0, first.errors
            assert waiting.wait() == 0, waiting.errors
            assert "Traceback" not in waiting.errors
    assert {pid for _, pid in change.workshop.works()} == {first.pid}
    change.check_done()


def test_who_waits_for_a_process_that_is_killed_goes_on_with_its_work(change):
    change.hold()
    with change.workshop.start(REBUILD) as first, change.workshop.start(REBUILD) as waiting:
        wait_until(change.workshop.waiting, "a file in hand")
        killed, other = (first, waiting) if first.pid in change.workshop.waiting() else (waiting, first)
        other.wait_until_it_says(f"waiting for {builder(killed)}")
        journalled = change.workshop.journalled()
        killed.kill()
        change.workshop.release()
        assert other.wait() == 0, other.errors
    rest = [name for name, pid in change.workshop.works() if pid == other.pid]
    assert len(rest) == len(set(rest))
    assert journalled.isdisjoint(rest)
    assert set(change.needed) - {name for name, pid in change.workshop.works() if pid == killed.pid} <= set(rest)
    change.workshop.check_whole(change.new)
    assert change.workshop.leftovers() == set()


@pytest.mark.slow
def test_a_rebuild_waits_until_a_scheduler_that_has_just_seen_a_task_done_gives_it_out_again(small, tmp_path):
    workshop = small.copy(tmp_path / "workshop")
    port = find_free_port()
    # Else ten seconds.
    (tmp_path / "luigi.cfg").write_text("[scheduler]\nstable_done_cooldown_secs = 3\n")
    with start_luigid(tmp_path, port):
        for number in range(2):
            workshop.write(workshop.names()[:1], f" {number}")
            assert workshop.run([*REBUILD, *central(port)]) == workshop.names()[:1]
    workshop.check_whole(workshop.wanted())


# A scheduler that dies


@pytest.mark.parametrize(
    ("number", "keeps_state", "command"),
    [
        pytest.param(signal.SIGKILL, False, LUIGI, id="killed"),
        pytest.param(signal.SIGTERM, True, LUIGI, id="ended and remembers", marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, True, LUIGI, id="killed and remembers", marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, False, (*LUIGI, "--workers", "2"), id="two workers", marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, False, REBUILD, id="tintype", marks=pytest.mark.slow),
    ],
)
def test_a_scheduler_that_dies_and_comes_back_costs_no_work(change, tmp_path, number, keeps_state, command):
    change.be_impatient()
    change.hold()
    port = find_free_port()
    options = ["--state-path", str(tmp_path / "state.pickle")] if keeps_state else []
    command = [*command, *central(port)]
    with ExitStack() as stack:
        with start_luigid(tmp_path, port, *options) as luigid:
            program = stack.enter_context(change.workshop.start(command))
            wait_until(change.workshop.waiting, "a file in hand")
            wait_until(change.workshop.journalled, "the journal")
            luigid.send(number)
            luigid.wait()
        assert not is_listening(port)
        assert program.status is None
        stack.enter_context(start_luigid(tmp_path, port, *options))
        change.workshop.release()
        program.wait()
        assert change.workshop.run(command) == []
        change.check_done()


@pytest.mark.slow
@pytest.mark.parametrize("command", [LUIGI, (*LUIGI, "--workers", "2"), REBUILD], ids=["luigi", "workers", "tintype"])
def test_a_scheduler_that_never_comes_back_costs_no_finished_work(change, tmp_path, command):
    change.be_impatient()
    change.hold()
    port = find_free_port()
    with ExitStack() as stack:
        with start_luigid(tmp_path, port) as luigid:
            program = stack.enter_context(change.workshop.start([*command, *central(port)]))
            wait_until(change.workshop.waiting, "a file in hand")
            wait_until(change.workshop.journalled, "the journal")
            luigid.kill()
        change.workshop.release()
        program.wait()
        wait_until(lambda: not session_of(program.pid), "the end of its processes")
    change.workshop.run([*command, LOCAL])
    change.check_done()


# Ctrl-C and SIGTERM


def stop_rebuild(change: Change, number: int, *, to_session: bool, workers: int) -> str:
    """Stop a rebuild by a signal while files are in hand, check that nothing is lost, and return what it said."""
    change.hold()
    with change.workshop.start([*REBUILD, "--workers", str(workers)]) as program:
        wait_until(change.workshop.waiting, "a file in hand")
        program.wait_until(change.workshop.journalled, "the journal")
        program.send(number, to_session=to_session)
        wait_until(lambda: STOPPING in program.errors, "the words")
        change.workshop.release()  # only now may the files in hand be finished
        assert program.wait() != 0
        wait_until(lambda: not session_of(program.pid), "the end of its processes")
        said = program.errors
    assert said.count(STOPPING) == 1
    assert len(change.workshop.computed()) < len(change.needed)
    change.check_resumed()
    return said


SIGNALS = pytest.mark.parametrize(
    ("number", "to_session"),
    [
        pytest.param(signal.SIGINT, True, id="Ctrl-C"),
        pytest.param(signal.SIGINT, False, id="SIGINT", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, False, id="SIGTERM", marks=pytest.mark.slow),
    ],
)


@SIGNALS
def test_a_signal_stops_a_rebuild_after_the_files_in_hand(change, number, to_session):
    assert "Traceback" not in stop_rebuild(change, number, to_session=to_session, workers=1)


@pytest.mark.slow
@SIGNALS
def test_a_signal_stops_a_rebuild_with_workers_after_the_files_in_hand(change, number, to_session):
    assert "Traceback" not in stop_rebuild(change, number, to_session=to_session, workers=2)


@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGINT, id="Ctrl-C"), pytest.param(signal.SIGTERM, id="SIGTERM", marks=pytest.mark.slow)],
)
def test_a_signal_ends_the_wait_for_another_and_leaves_that_alone(change, number):
    change.hold()
    with change.workshop.start(REBUILD) as first:
        change.wait_for_held(first)
        with change.workshop.start(REBUILD) as waiting:
            waiting.wait_until_it_says("waiting for process")
            waiting.send(number)
            assert waiting.wait() != 0
            assert "Traceback" not in waiting.errors
        change.workshop.release()
        assert first.wait() == 0, first.errors
    change.check_done()
