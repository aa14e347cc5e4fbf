"""Faults under tintype.sequences.prefetch: each is a clear error at the read of its item, and never a hang."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.prefetching import prefetch
from tests.processes import session_of, start, wait_until

from tintype.errors import EvaluationError, SettingsError
from tintype.sequences import concatenate, smap

PATIENCE_SECONDS = 60
both_methods = pytest.mark.parametrize("method", ["thread", "process"])


@pytest.fixture(autouse=True)
def _fails_rather_than_hangs() -> Any:
    """Interrupt a test that hangs."""

    def give_up(*_: object) -> None:
        pytest.fail("it hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class OddError(Exception):
    """Cannot be read back from a pickle: it is rebuilt with one argument and wants two."""

    def __init__(self, file: str, line: int) -> None:
        super().__init__(f"{file}, line {line}")


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Closed:
    """A value that cannot be pickled."""

    def __reduce__(self) -> Any:
        raise TypeError("closed")


def _fail_to_open() -> None:
    raise ValueError("broken seal")


class Sealed:
    """A value that cannot be read back."""

    def __reduce__(self) -> Any:
        return _fail_to_open, ()


def fail_at_3(action: Callable[[], Any]) -> Callable[[int], Any]:
    def function(number: int) -> Any:
        return action() if number == 3 else number

    return function


def raises(kind: type[BaseException], *arguments: Any) -> Callable[[], Any]:
    """Return a function that raises a new error each time: one that stays would keep every frame it has passed."""

    def action() -> Any:
        raise kind(*arguments)

    return action


def read_all(view: Any) -> list[Any]:
    """Read to the end; errors stand where their items would."""
    values: list[Any] = []
    reader = iter(view)
    while len(values) <= len(view):
        try:
            values.append(next(reader))
        except StopIteration:
            return values
        except Exception as error:
            values.append(error)
    raise AssertionError(f"there is no end to {values[-1]!r}")


@both_methods
@pytest.mark.parametrize(
    ("error", "words"),
    [
        ((ValueError, "three"), r"ValueError: three"),
        ((SystemExit, 2), r"SystemExit: 2 was raised in a worker"),
        ((SystemExit,), r"SystemExit was raised in a worker"),
        ((KeyboardInterrupt,), r"KeyboardInterrupt was raised in a worker"),
        ((GeneratorExit,), r"GeneratorExit was raised in a worker"),
        ((StopIteration, "early"), r"StopIteration: early"),
        ((IndexError, "inner"), r"IndexError: inner"),
        ((OddError, "a.txt", 7), r"OddError: a.txt, line 7"),
    ],
)
def test_what_an_item_raises_is_an_error_of_its_own_read_and_the_others_go_on(
    method: Any, error: Any, words: str
) -> None:
    view = prefetch(smap(fail_at_3(raises(*error)), range(20)), 2, method=method)
    values = read_all(view)
    assert isinstance(values[3], EvaluationError), values
    assert values[3].index == 3
    assert words in str(values[3])
    assert values[:3] + values[4:] == [0, 1, 2, *range(4, 20)]
    # By index, in order: the item is computed ahead.
    assert [view[index] for index in range(3)] == [0, 1, 2]
    with pytest.raises(EvaluationError, match=f"item 3 .*{words}"):
        view[3]
    assert view[4] == 4


@both_methods
def test_an_error_passed_through_keeps_its_class_and_cause(method: Any) -> None:
    nothing: dict[int, int] = {}

    def fail(number: int) -> int:
        try:
            return nothing[number]
        except KeyError as error:
            raise LookupError("nothing there") from error

    view = prefetch(smap(fail, range(3), errors="passthrough"), 1, method=method)
    with pytest.raises(LookupError, match="nothing there") as caught:
        next(iter(view))
    assert isinstance(caught.value.__cause__, KeyError)


@both_methods
def test_an_error_tells_where_in_the_worker_it_was_raised(method: Any) -> None:
    import traceback

    def divide_by_nothing(number: int) -> float:
        return number / 0

    with pytest.raises(EvaluationError, match="item 0 failed in divide_by_nothing") as caught:
        next(iter(prefetch(smap(divide_by_nothing, range(3)), 1, method=method)))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "return number / 0" in "".join(traceback.format_exception(caught.value))


@both_methods
def test_an_error_has_the_number_of_the_item_that_was_read(method: Any) -> None:
    view = prefetch(concatenate([range(10), smap(fail_at_3(raises(OSError, "gone")), range(10))]), 2, method=method)
    with pytest.raises(EvaluationError, match=r"item 13 failed in function.*gone"):
        list(view)
    with pytest.raises(EvaluationError, match=r"item 13 failed in function.*gone"):
        view[13]
    with pytest.raises(EvaluationError, match=r"item 3 failed in function.*gone"):
        list(view[10:])


@pytest.mark.parametrize("errors", ["wrap", "passthrough"])
def test_an_error_that_cannot_be_sent_arrives_as_its_words(errors: Any) -> None:
    def fail() -> None:
        error = OddError("a.txt", 7)
        error.held = threading.Lock()  # type: ignore[attr-defined]
        raise error

    view = prefetch(smap(fail_at_3(fail), range(6), errors=errors), 2, method="process")
    with pytest.raises(EvaluationError, match=r"item 3 failed .*OddError: a.txt, line 7") as caught:
        list(view)
    assert "raise error" in caught.value.__notes__[0]


def test_an_error_that_has_no_words_arrives() -> None:
    values = read_all(
        prefetch(smap(fail_at_3(raises(SilentError)), range(6), errors="passthrough"), 2, method="process")
    )
    assert type(values[3]) is SilentError
    assert values[4:] == [4, 5]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Closed(), r"its value cannot be sent from the worker process \(TypeError: closed\): use method='thread'"),
        (Sealed(), r"its value cannot be read back .* \(ValueError: broken seal\): use method='thread'"),
        ([Sealed(), b"x" * 100_000], r"its value cannot be read back .* \(ValueError: broken seal\)"),
    ],
)
def test_a_value_that_cannot_be_sent_is_an_error_of_its_own_read(value: Any, words: str) -> None:
    values = read_all(prefetch(smap(fail_at_3(lambda: value), range(20)), 2, method="process"))
    assert isinstance(values[3], EvaluationError)
    assert values[:3] + values[4:] == [0, 1, 2, *range(4, 20)]
    with pytest.raises(EvaluationError, match=f"item 3 failed in prefetch.*{words}"):
        raise values[3]


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda: os._exit(7), "its worker process ended with exit status 7"),
        (lambda: os._exit(0), "its worker process ended with exit status 0"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), r"its worker process was killed by SIGKILL \(out of memory\?\)"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "its worker process was killed by SIGTERM"),
    ],
)
def test_a_worker_that_dies_is_an_error_of_its_item_and_the_others_go_on(action: Any, words: str) -> None:
    view = prefetch(smap(fail_at_3(action), range(20)), 2, method="process")
    values = read_all(view)
    assert isinstance(values[3], EvaluationError)
    assert values[:3] + values[4:] == [0, 1, 2, *range(4, 20)]
    for _ in range(2):
        with pytest.raises(EvaluationError, match=f"item 3 failed in prefetch .*: {words}"):
            view[3]
        assert view[4] == 4


def test_a_worker_that_dies_with_all_its_kind_names_each_item() -> None:
    values = read_all(prefetch(smap(lambda _: os._exit(1), range(8)), 2, method="process"))
    assert [value.index for value in values] == list(range(8))


def test_a_worker_killed_from_outside_while_it_computes_is_noticed_within_a_second(tmp_path: Path) -> None:
    def stay(number: int) -> int:
        if number == 3:
            (tmp_path / "pid.txt.new").write_text(str(os.getpid()))
            (tmp_path / "pid.txt.new").rename(tmp_path / "pid.txt")
            time.sleep(PATIENCE_SECONDS)
        return number

    def kill() -> None:
        wait_until((tmp_path / "pid.txt").exists, "the item to be begun")
        os.kill(int((tmp_path / "pid.txt").read_text()), signal.SIGKILL)
        (tmp_path / "pid.txt").unlink()

    view = prefetch(smap(stay, range(6)), 2, method="process", context="fork")
    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(EvaluationError, match=r"item 3 failed in prefetch .*killed by SIGKILL"):
        list(view)  # and if it were not noticed, after a minute there is no error
    killer.join()


def test_a_worker_killed_while_it_has_nothing_to_do_is_replaced() -> None:
    view = prefetch(range(50), 2, method="process", max_buffered=1)
    reader = iter(view)
    assert next(reader) == 0
    for number in range(1, 6):
        for child in multiprocessing.active_children():
            os.kill(child.pid or 0, signal.SIGKILL)
            child.join(PATIENCE_SECONDS)
        assert next(reader) == number
        assert view[40] == 40


def test_a_worker_whose_own_child_lives_on_is_noticed_all_the_same() -> None:
    def leave_a_child() -> None:
        if os.fork() == 0:  # it has the worker's socket too
            time.sleep(5)
            os._exit(0)
        os._exit(1)

    with pytest.raises(EvaluationError, match=r"item 3 failed in prefetch .*exit status 1"):
        list(prefetch(smap(fail_at_3(leave_a_child), range(6)), 1, method="process"))


@both_methods
@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_start_hook_that_fails_is_an_error_at_the_read(
    method: Any, error: type[BaseException], tmp_path: Path
) -> None:
    is_mended = tmp_path / "mended"

    def hook() -> None:
        if not is_mended.exists():
            raise error("no seed")

    view = prefetch(range(10), 2, method=method, start_hook=hook)
    for _ in range(2):
        with pytest.raises(EvaluationError, match=f"item 0 failed in start_hook .*{error.__name__}") as caught:
            list(view)
        assert type(caught.value.__cause__) is error
    with pytest.raises(EvaluationError, match="item 7 failed in start_hook"):
        view[7]
    is_mended.touch()
    assert list(view) == list(range(10))


def test_a_start_hook_that_ends_its_process_is_an_error_at_the_read() -> None:
    view = prefetch(range(10), 2, method="process", start_hook=lambda: os._exit(3))
    with pytest.raises(EvaluationError, match=r"item 0 failed in prefetch .*before they have computed .*exit status 3"):
        list(view)
    with pytest.raises(EvaluationError, match=r"item 5 failed in prefetch .*exit status 3"):
        view[5]


def test_what_cannot_be_sent_to_a_process_is_refused_with_the_cure() -> None:
    gc.collect()  # errors of other tests hold frames, which hold theirs
    view = prefetch(smap(lambda number: number, range(3)), 1, method="process", context="spawn")
    with pytest.raises(
        SettingsError, match=r"cannot be sent to a worker process .*lambda.*context='fork', not 'spawn'"
    ):
        list(view)
    assert multiprocessing.active_children() == []


def test_a_process_that_may_have_none_of_its_own_says_so() -> None:
    def use(queue: Any) -> None:
        try:
            list(prefetch(range(3), 1, method="process"))
        except SettingsError as error:
            queue.put(str(error))

    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=use, args=(queue,), daemon=True)
    process.start()
    assert "because it is a daemon: use method='thread'" in queue.get()
    process.join()


PROGRAM = """
import os, sys, threading, time
from tintype.sequences import prefetch, smap

def stay(number):
    if number in (1, 2):
        time.sleep(3600)
    return number

def main(method, context):
    view = prefetch(smap(stay, range(1000)), 2, method=method, max_buffered=100, context=context)
    reader = iter(view)
    assert next(reader) == 0
    time.sleep(0.1)
    {end}

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] or None)
"""


def start_program(folder: Path, method: str, context: str, end: str) -> Any:
    (folder / "reads.py").write_text(PROGRAM.format(end=end))
    return start(["python", "reads.py", method, context], folder)


ways = pytest.mark.parametrize(("method", "context"), [("thread", ""), ("process", "fork"), ("process", "spawn")])


@ways
def test_the_end_of_the_program_waits_for_no_item(method: str, context: str, tmp_path: Path) -> None:
    with start_program(tmp_path, method, context, "print('done', flush=True)") as program:
        assert program.wait() == 0, program.errors
        assert program.output == "done\n"
        wait_until(lambda: session_of(program.pid) == [], "the workers to end")
        assert program.errors == ""


@ways
def test_an_error_ends_the_program_without_waiting(method: str, context: str, tmp_path: Path) -> None:
    with start_program(tmp_path, method, context, "raise ValueError('enough')") as program:
        assert program.wait() == 1
        assert program.errors.endswith("ValueError: enough\n")
        wait_until(lambda: session_of(program.pid) == [], "the workers to end")


@ways
def test_control_c_ends_a_read_and_the_workers(method: str, context: str, tmp_path: Path) -> None:
    end = """
    try:
        print("ready", flush=True)
        next(reader)
    except KeyboardInterrupt:
        import multiprocessing
        deadline = time.monotonic() + 60
        print(multiprocessing.active_children(), flush=True)
    print(view[5], flush=True)
    """
    with start_program(tmp_path, method, context, end) as program:
        program.wait_until_ready()
        program.send(signal.SIGINT, to_session=True)
        assert program.wait() == 0, program.errors
        assert program.output == "ready\n[]\n5\n"
        wait_until(lambda: session_of(program.pid) == [], "the workers to end")


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("thread", ["main", "other"])
def test_workers_end_when_their_parent_is_killed(context: str, thread: str, tmp_path: Path) -> None:
    other = "thread = threading.Thread(target=main, args=sys.argv[1:]); thread.start(); thread.join()"
    begin = "main(*sys.argv[1:])" if thread == "main" else other
    text = PROGRAM.format(end="print('ready', flush=True); time.sleep(3600)")
    (tmp_path / "reads.py").write_text(text.replace("main(sys.argv[1], sys.argv[2] or None)", begin))
    with start(["python", "reads.py", "process", context], tmp_path) as program:
        program.wait_until_ready()
        assert len(session_of(program.pid)) >= 3
        program.kill()
        wait_until(lambda: session_of(program.pid) == [], "the workers to end")
        assert program.errors == ""


def test_a_script_without_a_main_guard_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "from tintype.sequences import prefetch\n"
        "print(list(prefetch(range(3), 1, method='process', context='spawn')))\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 1
    assert "under if __name__ == '__main__'" in done.stderr.splitlines()[-1]
