"""Behaviour of tintype.executors."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tintype.errors import FileError, SettingsError
from tintype.executors import BlockRun, blocks, open_executor

PATIENCE_SECONDS = 60
"""How long a test waits for what must happen before it fails: never waited out when all is well."""


class ForeignExecutor(Executor):
    """An executor that is neither of the standard ones: it keeps a pool of threads to itself."""

    def __init__(self, n_jobs: int) -> None:
        self._pool = ThreadPoolExecutor(n_jobs)
        self.n_submitted = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.n_submitted += 1
        return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


class CountingThreads(ThreadPoolExecutor):
    """Threads that note how many items each submitted block has."""

    def __init__(self, n_jobs: int) -> None:
        super().__init__(n_jobs)
        self.sizes: list[int] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.sizes.append(len(args[1]))
        return super().submit(fn, *args, **kwargs)


class OddError(Exception):
    """Cannot be read back from a pickle: it is rebuilt with one argument and wants two."""

    def __init__(self, file: str, line: int) -> None:
        super().__init__(f"{file}, line {line}")


class LetGo:
    """Wait for an event that the test sets, and fail rather than hang."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self) -> None:
        self._event.set()

    def wait(self) -> None:
        assert self._event.wait(PATIENCE_SECONDS), "nobody let go"


class Clock:
    """A clock that only the work moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def square(number: int) -> int:
    return number * number


def raise_odd(number: int) -> int:
    raise OddError("a.png", number)


def raise_odd_cause(number: int) -> int:
    try:
        raise_odd(number)
    except OddError as error:
        raise ValueError(f"number {number}") from error
    return number


def leave(kind: type[BaseException], number: int) -> int:
    if number == 3:
        raise kind("leaving")
    return number


def die(path: str) -> str:
    if path == "c.png":
        os.kill(os.getpid(), signal.SIGKILL)
    return path


def return_a_lock(number: int) -> object:
    return threading.Lock()


def collect(executor, work, items, *, n_jobs=2):
    return [result for results in BlockRun(executor, work, items, n_jobs=n_jobs) for result in results]


def drain(results: Iterable[list[Any]], finished: list[Any]) -> None:
    """Go on to the end; what came before an error is in `finished`."""
    for more in results:
        finished += more


def start(executor, work, items, *, n_jobs=2):
    """Return a run and the iterator of its results."""
    run: BlockRun[Any, Any] = BlockRun(executor, work, items, n_jobs=n_jobs)
    return run, iter(run)


def wait_until(results: Iterator[list[Any]], is_enough: Callable[[list[Any]], bool]) -> list[Any]:
    """Iterate until the results are enough; the run itself yields often, so this waits for no clock."""
    seen: list[Any] = []
    for _ in range(PATIENCE_SECONDS * 10):
        seen += next(results)
        if is_enough(seen):
            return seen
    pytest.fail(f"the results never came, only {seen}")


@contextmanager
def thread_pool(n_jobs):
    with ThreadPoolExecutor(n_jobs) as executor:
        yield executor


@contextmanager
def foreign_pool(n_jobs):
    with ForeignExecutor(n_jobs) as executor:
        yield executor


POOLS = pytest.mark.parametrize("make_pool", [thread_pool, foreign_pool], ids=["threads", "foreign"])


@pytest.fixture(scope="module")
def processes():
    """Return two worker processes, which take a second to start."""
    with open_executor("processes", 2) as executor:
        yield executor


# Every item, once


@POOLS
@settings(deadline=None, max_examples=60)
@given(n_items=st.integers(0, 700), n_jobs=st.integers(1, 9))
def test_every_item_is_worked_on_once(make_pool, n_items, n_jobs):
    with make_pool(n_jobs) as executor:
        results = collect(executor, square, iter(range(n_items)), n_jobs=n_jobs)
    assert sorted(results) == [n * n for n in range(n_items)]


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n_items=st.integers(0, 3000))
def test_every_item_is_worked_on_once_in_processes(processes, n_items):
    assert sorted(collect(processes, square, range(n_items))) == [n * n for n in range(n_items)]


@pytest.mark.parametrize("n_items", [0, 1, 50])
@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_pools_work_on_zero_one_and_many_items(kind, n_items):
    with open_executor(kind, 2) as executor:
        assert sorted(collect(executor, square, range(n_items))) == [n * n for n in range(n_items)]


def test_no_items_need_no_worker():
    with ForeignExecutor(2) as executor:
        assert collect(executor, square, []) == []
        assert executor.n_submitted == 0


def test_more_workers_than_items_and_more_items_than_workers():
    with thread_pool(8) as executor:
        assert sorted(collect(executor, square, range(3), n_jobs=8)) == [0, 1, 4]
        assert sorted(collect(executor, square, range(30), n_jobs=1)) == [n * n for n in range(30)]


@POOLS
def test_results_that_are_none_or_lists_are_results_like_others(make_pool):
    with make_pool(2) as executor:
        assert collect(executor, lambda _: None, range(5)) == [None] * 5
        assert collect(executor, lambda _: [], range(5)) == [[]] * 5


# Work in flight is bounded


@POOLS
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_slow_items_are_read_only_as_far_ahead_as_there_are_workers(make_pool, n_jobs):
    n_read = 0
    released = LetGo()

    def count() -> Iterator[int]:
        nonlocal n_read
        for number in range(1000):
            n_read += 1
            yield number

    def work(number: int) -> int:
        released.wait()
        return number

    with make_pool(n_jobs) as executor:
        run, results = start(executor, work, count(), n_jobs=n_jobs)
        for _ in range(3):
            assert next(results) == []  # the caller hears from the run though nothing has ended
        assert n_read <= 2 * n_jobs
        released()
        assert sorted(wait_until(results, lambda seen: len(seen) == 1000)) == list(range(1000))
        run.stop()


def test_quick_items_are_never_read_far_ahead():
    taken = 0
    most = 0

    def count() -> Iterator[int]:
        nonlocal most
        for number in range(100_000):
            most = max(most, number - taken)
            yield number

    with thread_pool(2) as executor:
        for results in BlockRun(executor, square, count(), n_jobs=2):
            taken += len(results)
    assert taken == 100_000
    assert most <= 5 * blocks.MAX_BLOCK_SIZE


# The size of a block follows the time of a file


@pytest.fixture
def clock(monkeypatch):
    """Let time pass only as the work says."""
    clock = Clock()
    monkeypatch.setattr(blocks, "perf_counter", clock)
    return clock


def test_blocks_grow_for_quick_items_step_by_step_and_have_an_end(clock):
    with CountingThreads(1) as executor:
        collect(executor, square, range(20_000), n_jobs=1)
    assert executor.sizes[0] == 1
    # Two blocks are in flight: when both have ended, their sizes have doubled twice.
    assert all(later <= 4 * earlier for earlier, later in pairwise(executor.sizes))
    assert max(executor.sizes) == blocks.MAX_BLOCK_SIZE
    assert len(executor.sizes) < 100


def test_slow_items_travel_one_by_one(clock):
    def work(number: int) -> int:
        clock.now += 1.0
        return number

    with CountingThreads(1) as executor:
        collect(executor, work, range(40), n_jobs=1)
    assert executor.sizes == [1] * 40


def test_blocks_shrink_when_items_become_slow_and_grow_again(clock):
    def work(number: int) -> int:
        clock.now += 1.0 if 5_000 <= number < 5_100 else 0.0
        return number

    with CountingThreads(1) as executor:
        results = collect(executor, work, range(20_000), n_jobs=1)
    assert sorted(results) == list(range(20_000))
    first = executor.sizes.index(blocks.MAX_BLOCK_SIZE)
    small = executor.sizes.index(1, first)
    assert blocks.MAX_BLOCK_SIZE in executor.sizes[small:]


def test_work_that_was_not_begun_in_time_is_done_by_others(clock):
    """One item takes ten seconds of the clock: what its block had not begun then must come from other blocks."""
    ran_by_block: dict[int, set[int]] = {}

    class Pool(CountingThreads):
        def submit(self, fn, /, *args, **kwargs):
            number = len(self.sizes)
            work = args[0]

            def noting(item: int) -> Any:
                ran_by_block.setdefault(number, set()).add(item)
                return work(item)

            return super().submit(fn, noting, *args[1:], **kwargs)

    def work(number: int) -> int:
        clock.now += 10.0 if number == 1_000 else 0.0
        return number

    with Pool(1) as executor:
        results = collect(executor, work, range(3_000), n_jobs=1)
    assert sorted(results) == list(range(3_000))
    (block,) = [block for block, items in ran_by_block.items() if 1_000 in items]
    assert max(ran_by_block[block]) == 1_000
    assert executor.sizes[block] > len(ran_by_block[block])


def test_a_slow_file_holds_no_finished_one_back():
    """One worker, one block: the results before the slow item come while it is still in hand."""
    released, blocked = LetGo(), LetGo()

    def work(number: int) -> int:
        if number == 2_000:
            blocked()
            released.wait()
        return number

    with thread_pool(1) as executor:
        run, results = start(executor, work, range(5_000), n_jobs=1)
        seen = wait_until(results, lambda seen: len(seen) == 2_000)
        blocked.wait()
        assert sorted(seen) == list(range(2_000))
        released()
        seen += wait_until(results, lambda more: len(more) == 3_000)
        assert sorted(seen) == list(range(5_000))
        assert next(results, None) in (None, [])
        run.stop()


def test_a_slow_file_does_not_stop_the_other_worker():
    released = LetGo()

    def work(number: int) -> int:
        if number == 0:
            released.wait()
        return number

    with thread_pool(2) as executor:
        run, results = start(executor, work, range(2_000))
        seen = wait_until(results, lambda seen: len(seen) == 1_999)
        assert sorted(seen) == list(range(1, 2_000))
        released()
        assert wait_until(results, bool) == [0]
        run.stop()


# Errors and stopping


@POOLS
def test_an_error_ends_the_run_after_the_results_so_far(make_pool):
    def work(number: int) -> int:
        if number == 700:
            raise ValueError("file 700 is torn")
        done.append(number)
        return number

    done: list[int] = []
    finished: list[int] = []
    with make_pool(1) as executor:
        run: BlockRun[int, int] = BlockRun(executor, work, range(100_000), n_jobs=1)
        with pytest.raises(ValueError, match="file 700 is torn"):
            drain(run, finished)
        finished += run.stop()
    assert sorted(finished) == done
    assert done[:700] == list(range(700))
    assert len(done) < 100_000


def test_results_that_ended_together_with_an_error_are_not_lost(monkeypatch):
    """Two blocks end before anybody looks: the first well, the second by an error."""
    with ForeignExecutor(2) as executor:
        run, results = start(executor, partial(leave, ValueError), [1, 3])
        n_ended = 0
        collect_now = run._collect

        def collect_late() -> Any:
            nonlocal n_ended
            n_ended = len([future.exception(PATIENCE_SECONDS) for future in run._blocks])
            return collect_now()

        monkeypatch.setattr(run, "_collect", collect_late)
        finished: list[int] = []
        with pytest.raises(ValueError, match="leaving"):
            drain(results, finished)
        assert n_ended == 2
        assert finished + run.stop() == [1]


@POOLS
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_work_that_leaves_ends_the_run_and_hangs_nothing(make_pool, kind):
    with make_pool(2) as executor:
        run: BlockRun[int, int] = BlockRun(executor, partial(leave, kind), range(100), n_jobs=2)
        with pytest.raises(kind, match="leaving"):
            list(run)
        assert 3 not in run.stop()


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_work_that_leaves_a_process_ends_the_run_and_hangs_nothing(kind):
    with open_executor("processes", 2) as executor:
        run: BlockRun[int, int] = BlockRun(executor, partial(leave, kind), range(100), n_jobs=2)
        with pytest.raises(kind, match="leaving"):
            list(run)
        assert 3 not in run.stop()


def test_an_exception_with_a_constructor_of_its_own_comes_back_from_a_process_in_words(processes):
    run, results = start(processes, raise_odd, range(10))
    with pytest.raises(RuntimeError, match=r"OddError: a\.png, line \d"):
        list(results)
    assert run.stop() == []


def test_an_exception_with_a_constructor_of_its_own_stays_itself_in_threads():
    with foreign_pool(2) as executor:
        run, results = start(executor, raise_odd, range(10))
        with pytest.raises(OddError, match=r"a\.png, line \d"):
            list(results)
        run.stop()


def test_the_cause_of_an_exception_comes_back_from_a_process(processes):
    run, results = start(processes, raise_odd_cause, [7])
    with pytest.raises(ValueError, match="number 7") as raised:
        list(results)
    assert str(raised.value.__cause__) == "OddError: a.png, line 7"
    run.stop()


def test_a_result_that_cannot_be_pickled_is_told_with_the_item(processes):
    run, results = start(processes, return_a_lock, [11])
    with pytest.raises(
        FileError, match=r"^11 could not be sent to a worker or back \(.*pickle.*use executor='threads'"
    ):
        list(results)
    assert run.stop() == []


def test_a_worker_process_that_dies_is_told_with_the_files_it_may_have_had():
    items = [f"{letter}.png" for letter in "abcdefgh"]
    with open_executor("processes", 2) as executor:
        run: BlockRun[str, str] = BlockRun(executor, die, items, n_jobs=2)
        finished: list[str] = []
        with pytest.raises(FileError, match=r"a worker process died .*\bc\.png\b.* in hand"):
            drain(run, finished)
        finished += run.stop()
    assert len(finished) == len(set(finished))
    assert "c.png" not in finished


def test_a_worker_process_that_died_before_is_told_with_the_files():
    with open_executor("processes", 1) as executor:
        with pytest.raises(FileError, match=r"with c\.png in hand"):
            collect(executor, die, ["c.png"], n_jobs=1)
        with pytest.raises(FileError, match=r"a worker process died .* with no file in hand"):
            collect(executor, die, ["a.png"], n_jobs=1)


def test_a_long_list_of_files_in_a_dead_process_is_cut_short():
    assert blocks._name_items(range(12)) == "one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    assert blocks._name_items(range(2)) == "one of 0 and 1"
    assert blocks._name_items(range(1)) == "0"


@pytest.mark.parametrize("work", [lambda number: number, partial(lambda number: number)], ids=["lambda", "partial"])
def test_a_lambda_for_processes_is_refused_in_one_sentence(processes, work):
    sentence = r"cannot be sent to a worker process \(.*<lambda>.*\): define its functions at the top level of a module"
    with pytest.raises(SettingsError, match=sentence):
        BlockRun(processes, work, range(3), n_jobs=2)


def broken_after(number: int) -> Iterator[int]:
    yield from range(number)
    raise OSError("the listing broke")


@POOLS
@pytest.mark.parametrize("n_items", [0, 1, 2000])
def test_items_that_cannot_be_read_further_end_the_run_and_lose_no_result(make_pool, n_items):
    def work(number: int) -> int:
        done.append(number)
        return number

    done: list[int] = []
    finished: list[int] = []
    with make_pool(2) as executor:
        run: BlockRun[int, int] = BlockRun(executor, work, broken_after(n_items), n_jobs=2)
        with pytest.raises(OSError, match="the listing broke"):
            drain(run, finished)
        finished += run.stop()
    assert sorted(finished) == sorted(done)


def test_stop_returns_what_finished_and_waits_for_the_file_in_hand():
    released, blocked = LetGo(), LetGo()
    done: list[int] = []

    def work(number: int) -> int:
        if number == 2:
            blocked()
            released.wait()
        done.append(number)
        return number

    with thread_pool(1) as executor:
        run, results = start(executor, work, range(1_000), n_jobs=1)
        seen = wait_until(results, lambda seen: len(seen) == 2)
        blocked.wait()
        stopped: list[int] = []
        stopper = threading.Thread(target=lambda: stopped.extend(run.stop()))
        stopper.start()
        assert run._stop.wait(PATIENCE_SECONDS)
        assert stopper.is_alive()
        released()
        stopper.join(PATIENCE_SECONDS)
        assert seen + stopped == done == [0, 1, 2]
        assert run.stop() == []


def test_stop_gives_back_results_of_processes(processes):
    run, results = start(processes, square, range(200_000))
    finished = wait_until(results, lambda seen: len(seen) >= 100)
    finished += run.stop()
    assert len(finished) == len(set(finished))
    assert len(finished) < 200_000


def test_stop_before_the_first_result_is_harmless():
    with thread_pool(1) as executor:
        run: BlockRun[int, int] = BlockRun(executor, square, range(5), n_jobs=1)
        assert run.stop() == []


# Pools


@pytest.mark.parametrize("n_jobs", [0, -1])
@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_no_workers_are_refused(kind, n_jobs):
    with (
        pytest.raises(SettingsError, match=rf"n_jobs is {n_jobs}: give the number of files .* at least 1"),
        open_executor(kind, n_jobs),
    ):
        pass


@pytest.mark.parametrize("kind", ["thread", "", None, 3, ThreadPoolExecutor])
def test_an_unknown_kind_of_executor_is_refused_with_those_there_are(kind):
    with (
        pytest.raises(SettingsError, match=r"executor is .*: give 'threads', 'processes' or a concurrent\.futures\.Ex"),
        open_executor(kind, 1),
    ):
        pass


def test_an_executor_of_the_caller_is_used_and_left_open():
    with ForeignExecutor(2) as mine:
        with open_executor(mine, 2) as executor:
            assert executor is mine
        assert mine.submit(square, 3).result(PATIENCE_SECONDS) == 9


def test_a_pool_of_ours_is_shut_down_also_after_an_error():
    opened: list[Executor] = []

    def fail() -> None:
        with open_executor("threads", 1) as executor:
            opened.append(executor)
            raise ValueError("anything")

    with pytest.raises(ValueError, match="anything"):
        fail()
    with pytest.raises(RuntimeError, match="after shutdown"):
        opened[0].submit(square, 1)


def test_worker_processes_are_spawned_and_leave_control_c_to_their_parent(processes):
    assert isinstance(processes, ProcessPoolExecutor)
    assert processes.submit(signal.getsignal, signal.SIGINT).result(PATIENCE_SECONDS) == signal.SIG_IGN


ORPHANING = """
import os, sys, signal
from tintype.executors import open_executor

if __name__ == "__main__":
    with open_executor("processes", 1) as executor:
        print(executor.submit(os.getpid).result(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks processes up in /proc")
def test_worker_processes_die_with_their_parent(tmp_path):
    import subprocess

    (tmp_path / "orphaning.py").write_text(ORPHANING)
    parent = subprocess.Popen([sys.executable, tmp_path / "orphaning.py"], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout as stdout:
        worker = int(stdout.readline())
        # The worker holds the other end of the pipe: it ends when the worker does.
        assert stdout.read() == ""
    assert parent.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    status = Path(f"/proc/{worker}/stat")
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_no_item_waits_behind_another_where_blocks_hold_one(monkeypatch):
    blocked = threading.Event()
    seen = []

    def work(item):
        if item == 10:
            blocked.wait()
        return item

    with ThreadPoolExecutor(2) as pool:
        run = BlockRun(pool, work, range(200), n_jobs=2, max_block_size=1)
        for results in run:
            seen.extend(results)
            if len(seen) == 199:
                blocked.set()
    assert sorted(seen) == list(range(200))
