"""Run tasks through Luigi, learn what became of each, and wait for who is building the same."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

import luigi
from luigi import configuration
from luigi.event import Event
from luigi.execution_summary import LuigiStatusCode
from luigi.task import Task

from tintype.errors import StagingLockedError
from tintype.rebuilding.triggers import setting
from tintype.rebuilding.words import describe_error
from tintype.targets.siblings import staging_folder
from tintype.targets.staging_state import find_builder
from tintype.tasks.graph import upstream_first
from tintype.tasks.interruption import QuietEnd
from tintype.tasks.stage import Stage

logger = logging.getLogger("luigi-interface.tintype")

LOOK_SECONDS = 1.0
"""How often it is looked whether another process has finished."""
IDLE_LOOKS = 15
"""How often a central scheduler that leaves a task undone is asked again. A task of another client may be between two
stages just then, and what was done is taken for done for ten seconds, whatever has changed."""

_QUIET_END = f"{QuietEnd.__module__}.{QuietEnd.__qualname__}"


@dataclass
class Run:
    """What became of one task that Luigi ran."""

    seconds: float = 0.0
    is_done: bool = False
    error: str = ""
    is_locked: bool = False
    """Whether another process was building the same directory."""


def run_tasks(
    tasks: Sequence[Task], *, workers: int, wait: bool, luigi_options: Mapping[str, Any] | None = None
) -> dict[str, Run]:
    """Build tasks and what they require, with Luigi.

    Parameters
    ----------
    tasks
        What is asked for.
    workers
        Processes that work on stages at once.
    wait
        When another process is building one of the stages, wait until it ends, and go on.
    luigi_options
        More for ``luigi.build``; without ``local_scheduler`` or a scheduler's address the scheduler is a local one.

    Returns
    -------
    dict of str to Run
        What became of each task that was run, by Luigi's task id. Luigi itself raises nothing when a task fails.
    """
    options = {"local_scheduler": True, **(luigi_options or {}), "workers": workers}
    with ExitStack() as stack:
        if threading.current_thread() is not threading.main_thread():
            stack.enter_context(setting("worker", "no_install_shutdown_handler", "true"))
        if not configuration.get_config().get("worker", "task_process_context", ""):
            stack.enter_context(setting("worker", "task_process_context", _QUIET_END))
        stack.enter_context(_logging_left_alone())
        notes = stack.enter_context(RunNotes())
        n_idle = 0
        while True:
            n_before = notes.size_bytes
            result = luigi.build(list(tasks), detailed_summary=True, **options)
            # Of this round alone: a stage that was waited for is mostly complete, and not run again.
            runs = notes.read(n_before)
            rivals = _find_rivals(tasks, runs, is_local=options["local_scheduler"]) if wait else {}
            if not rivals:
                is_idle = wait and not options["local_scheduler"] and _was_left_undone(tasks, runs, result.status)
                if not is_idle or n_idle == IDLE_LOOKS:
                    return notes.read()
                n_idle += 1
                sleep(LOOK_SECONDS)
            for stage, builder in rivals.items():
                _wait_for(stage, builder)


class RunNotes(AbstractContextManager["RunNotes"]):
    """Notes on every task that Luigi runs while the block lasts, also in the processes it forks."""

    def __enter__(self) -> Self:
        # Open file and handlers are inherited by what Luigi forks; every note is one write at the file's common end.
        self._file = TemporaryFile(buffering=0)
        self._handlers = {
            Event.START: self._note_start,
            Event.PROCESSING_TIME: self._note_done,
            Event.FAILURE: self._note_failure,
            Event.BROKEN_TASK: self._note_failure,
            Event.PROCESS_FAILURE: self._note_end,
            Event.TIMEOUT: self._note_end,
        }
        for event, handler in self._handlers.items():
            Task.event_handler(event)(handler)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for event, handler in self._handlers.items():
            Task.remove_event_handler(event, handler)
        self._file.close()

    @property
    def size_bytes(self) -> int:
        """Size of all notes so far."""
        return os.fstat(self._file.fileno()).st_size

    def read(self, start: int = 0) -> dict[str, Run]:
        """Return what became of each task since there were notes of so many bytes."""
        runs: dict[str, Run] = {}
        started: dict[str, float] = {}
        text = os.pread(self._file.fileno(), self.size_bytes - start, start)
        for line in text.splitlines():
            note = json.loads(line)
            task_id = note.pop("task_id")
            if "started" in note:
                started[task_id] = note["started"]
                continue
            ended = note.pop("ended")
            runs[task_id] = Run(ended - started.get(task_id, ended), **note)
        return runs

    def _note_start(self, task: Task) -> None:
        self._write(task, started=monotonic())

    def _note_done(self, task: Task, _: float) -> None:
        self._write(task, ended=monotonic(), is_done=True)

    def _note_failure(self, task: Task, error: BaseException) -> None:
        is_locked = isinstance(error, StagingLockedError)
        self._write(task, ended=monotonic(), error=describe_error(error), is_locked=is_locked)

    def _note_end(self, task: Task, message: str) -> None:
        self._write(task, ended=monotonic(), error=" ".join(str(message).split()))

    def _write(self, task: Task, **note: Any) -> None:
        os.write(self._file.fileno(), json.dumps({"task_id": task.task_id, **note}).encode() + b"\n")


@contextmanager
def _logging_left_alone() -> Iterator[None]:
    """Keep Luigi from setting up the logging of the whole process, which it does once, at the first build."""
    from luigi.setup_logging import InterfaceLogging

    before = InterfaceLogging._configured  # noqa: SLF001, there is no other way to say so for one call
    InterfaceLogging._configured = True  # noqa: SLF001
    try:
        yield
    finally:
        InterfaceLogging._configured = before  # noqa: SLF001


def _find_rivals(tasks: Sequence[Task], runs: Mapping[str, Run], *, is_local: bool) -> dict[Stage, str]:
    """Return the stages that another process was building when this one wanted to, and who that is.

    With a central scheduler such a stage may never have come to this process at all.
    """
    rivals = {}
    for task in {required.task_id: required for root in tasks for required in upstream_first(root)}.values():
        if not isinstance(task, Stage):
            continue
        run = runs.get(task.task_id)
        builder = find_builder(staging_folder(task.output().folder))
        if run is None and not is_local and builder is not None:
            rivals[task] = builder
        elif run is not None and run.is_locked:
            rivals[task] = builder or "another process"
    return rivals


def _was_left_undone(tasks: Sequence[Task], runs: Mapping[str, Run], status: LuigiStatusCode) -> bool:
    """Return whether the scheduler gave this process no work on some task, though nothing stands in its way."""
    if status in (LuigiStatusCode.SUCCESS, LuigiStatusCode.SUCCESS_WITH_RETRY, LuigiStatusCode.NOT_RUN):
        return any(task.task_id not in runs and not task.complete() for task in tasks)
    return False


def _wait_for(stage: Stage, builder: str) -> None:
    folder = staging_folder(stage.output().folder)
    logger.warning("%s: waiting for %s, which is building it", stage.output(), builder)
    while find_builder(folder) is not None:
        sleep(LOOK_SECONDS)
