"""Run one function over many files in blocks, with bounded work in flight.

A future per file costs more than a small file does, so files travel in blocks. The size of a block follows the time
that a file takes: one file where each takes long (downloads), hundreds where they take microseconds. A worker hands
back what it has not begun when its time is up, so that no worker sits on a queue of slow files; and threads share
their list of results, so that a slow file holds no finished one back.
"""

from __future__ import annotations

import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from itertools import islice
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Any, Generic, TypeVar

from tintype.errors import FileError, SettingsError

Item = TypeVar("Item")
Result = TypeVar("Result")

BLOCK_SECONDS = 0.02
"""Work that a block should hold."""
MAX_BLOCK_SECONDS = 0.05
"""Time after which a worker hands back what it has not begun."""
MAX_BLOCK_SIZE = 512
REPORT_INTERVAL_SECONDS = 0.1
"""Time after which finished results are handed over even when no block has ended."""


class _Block(Generic[Item, Result]):
    """Some items on their way through a worker."""

    def __init__(self, items: list[Item]) -> None:
        self.items = items
        self.results: list[Result] = []
        self.n_taken = 0

    def take(self) -> list[Result]:
        """Return the results that came since the last call."""
        taken = self.results[self.n_taken :]
        self.n_taken += len(taken)
        return taken


class BlockRun(Generic[Item, Result]):
    """Run `work` over `items` on an executor; iterate to get the results in lists, as they finish.

    Iteration yields at least every 0.1 s, an empty list if nothing finished, so that the caller can report progress.
    When the caller leaves the loop early it must call :meth:`stop`.

    Parameters
    ----------
    executor
        A pool of threads, of processes, or of anything else.
    work
        Called with one item in a worker; what it returns is a result, what it raises ends the run. Picklable, unless
        the executor's workers are threads.
    items
        Read as work proceeds, never far ahead.
    n_jobs
        How many workers the executor has.
    max_block_size
        Most items in a block: 1 where any of them may wait for minutes and none should wait behind it.

    Raises
    ------
    SettingsError
        When the executor's workers are processes and `work` cannot be sent to them.
    FileError
        While iterating: when a worker process died, or a result cannot be sent back from one.

    Examples
    --------
    >>> with ThreadPoolExecutor(2) as executor:
    ...     run = BlockRun(executor, lambda n: n * n, range(5), n_jobs=2)
    ...     results = [square for squares in run for square in squares]
    >>> sorted(results)
    [0, 1, 4, 9, 16]
    """

    def __init__(
        self,
        executor: Executor,
        work: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        n_jobs: int,
        max_block_size: int = MAX_BLOCK_SIZE,
    ) -> None:
        if isinstance(executor, ProcessPoolExecutor):
            _refuse_unpicklable(work)
        self._executor = executor
        self._work = work
        self._items = iter(items)
        self._returned: deque[Item] = deque()
        self._shares_memory = isinstance(executor, ThreadPoolExecutor)
        self._stop = threading.Event()
        self._blocks: dict[Future[_Outcome[Result]], _Block[Item, Result]] = {}
        self._ended: SimpleQueue[Future[_Outcome[Result]]] = SimpleQueue()
        self._finished: list[Result] = []
        self._max_blocks = n_jobs + min(n_jobs, 16)
        self._block_size = 1
        self._max_block_size = max_block_size
        self._last_sweep = 0.0

    def __iter__(self) -> Iterator[list[Result]]:
        while True:
            self._submit()
            if not self._blocks:
                return
            yield self._collect()

    def stop(self) -> list[Result]:
        """Cancel what has not begun, wait for the files in hand, and return what finished meanwhile.

        Errors that end a run are not raised here: the caller is leaving because of the first one.
        """
        self._stop.set()
        for future in self._blocks:
            future.cancel()
        for future, block in self._blocks.items():
            try:
                error = future.exception()
            except CancelledError:
                continue
            if error is None and not self._shares_memory:
                block.results.extend(future.result().results)
            self._finished.extend(block.take())
        self._blocks.clear()
        return self._take_finished()

    def _submit(self) -> None:
        while len(self._blocks) < self._max_blocks:
            items = [self._returned.popleft() for _ in range(min(len(self._returned), self._block_size))]
            items.extend(islice(self._items, self._block_size - len(items)))
            if not items:
                return
            block: _Block[Item, Result] = _Block(items)
            try:
                if self._shares_memory:
                    future = self._executor.submit(_run_block, self._work, items, block.results, self._stop)
                else:
                    future = self._executor.submit(_run_block, self._work, items)
            except BrokenExecutor as error:
                raise self._worker_died() from error
            self._blocks[future] = block
            future.add_done_callback(self._ended.put)

    def _collect(self) -> list[Result]:
        """Wait for a block to end, at most the reporting interval, and return all that has finished."""
        try:
            self._end(self._ended.get(timeout=REPORT_INTERVAL_SECONDS))
            while not self._ended.empty():
                self._end(self._ended.get())
        except Empty:
            pass
        now = perf_counter()
        if self._shares_memory and now - self._last_sweep >= REPORT_INTERVAL_SECONDS:
            self._last_sweep = now
            for block in self._blocks.values():
                self._finished.extend(block.take())
        return self._take_finished()

    def _take_finished(self) -> list[Result]:
        finished, self._finished = self._finished, []
        return finished

    def _end(self, future: Future[_Outcome[Result]]) -> None:
        """Take in a block that ended; what others finished before it raised waits in ``_finished``."""
        block = self._blocks[future]
        try:
            outcome = future.result()
        except BrokenExecutor as error:
            raise self._worker_died() from error
        except CancelledError:
            raise
        except Exception as error:
            raise FileError(
                f"{_name_items(block.items)} could not be sent to a worker or back ({type(error).__name__}: {error}): "
                "record and return what can be pickled, or use executor='threads'"
            ) from error
        if outcome.error is not None:
            raise outcome.error  # the block stays: stop() returns what it finished before the error
        del self._blocks[future]
        if not self._shares_memory:
            block.results.extend(outcome.results)
        self._returned.extend(block.items[outcome.n_done :])
        self._adapt(outcome)
        self._finished.extend(block.take())

    def _worker_died(self) -> FileError:
        """Say which files were in hand: the pool does not tell which of its workers died."""
        lost = [
            item
            for future, block in self._blocks.items()
            if not future.done() or future.cancelled() or future.exception() is not None
            for item in block.items
        ]
        return FileError(
            f"a worker process died (killed, out of memory, or unable to import the functions?) with "
            f"{_name_items(lost) if lost else 'no file'} in hand"
        )

    def _adapt(self, outcome: _Outcome[Result]) -> None:
        """Let the size of a block follow the time that files take, growing no faster than twofold."""
        if outcome.n_done:
            wanted = BLOCK_SECONDS * outcome.n_done / max(outcome.seconds, 1e-9)
            self._block_size = max(1, min(int(wanted), 2 * self._block_size, self._max_block_size))


def _name_items(items: Sequence[object], most: int = 10) -> str:
    names = [str(getattr(item, "inpath", item)) for item in items[:most]]
    if len(items) > most:
        names.append(f"{len(items) - most} more")
    return names[0] if len(names) == 1 else f"one of {', '.join(names[:-1])} and {names[-1]}"


def _refuse_unpicklable(work: object) -> None:
    try:
        pickle.dumps(work)
    except Exception as error:
        raise SettingsError(
            f"the work cannot be sent to a worker process ({error}): define its functions at the top level of a "
            "module, or use executor='threads'"
        ) from error


def _portable(error: BaseException | None) -> BaseException | None:
    """Return `error` if it can be pickled and read back, else its words: a constructor of its own may forbid it."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301, bytes from the same line
    except Exception:  # noqa: BLE001, an exception's own code ran
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


class _Outcome(Generic[Result]):
    """What a worker says of a block."""

    __slots__ = ("error", "n_done", "results", "seconds")

    def __init__(self, results: list[Result], n_done: int, seconds: float, error: Exception | None) -> None:
        self.results = results
        self.n_done = n_done
        self.seconds = seconds
        self.error = error

    def __getstate__(self) -> tuple[Any, ...]:
        # An exception that cannot be read back breaks a whole process pool, and pickling drops its cause.
        cause = None if self.error is None else self.error.__cause__
        return self.results, self.n_done, self.seconds, _portable(self.error), _portable(cause)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.results, self.n_done, self.seconds, self.error, cause = state
        if self.error is not None:
            self.error.__cause__ = cause


def _run_block(
    work: Callable[[Item], Result],
    items: list[Item],
    shared: list[Result] | None = None,
    stop: threading.Event | None = None,
) -> _Outcome[Result]:
    """Work through `items` in a worker until they end, the time is up, or one raises."""
    results: list[Result] = [] if shared is None else shared
    started = perf_counter()
    deadline = started + MAX_BLOCK_SECONDS
    n_done = 0
    error: Exception | None = None
    try:
        for item in items:
            results.append(work(item))
            n_done += 1
            # Looking at the clock costs 50 ns; a file that needs no more than that is not worth handing back.
            if perf_counter() > deadline or (stop is not None and stop.is_set()):
                break
    except Exception as raised:  # noqa: BLE001, raised again by the coordinator, after it has taken the results
        error = raised
    return _Outcome([] if shared is not None else results, n_done, perf_counter() - started, error)
