"""Run a stage, or a graph, on made files in a temporary folder, and say what became of each file."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tintype.errors import SettingsError
from tintype.rebuilding.building import rebuild
from tintype.rebuilding.triggers import setting
from tintype.targets.directory import DirectoryTarget
from tintype.tasks.graph import upstream_first
from tintype.tasks.stage import Stage
from tintype.testing.results import BuildResult, describe_stages
from tintype.testing.stand_ins import assign_files, publish_files, standing_in

if TYPE_CHECKING:
    from luigi.task import Task

_one_at_a_time = threading.RLock()
"""Luigi's configuration and event handlers belong to the whole process."""


def build(
    task: Task | type[Task],
    files: Mapping[str, Any] | None = None,
    *,
    base_dir: str | Path | None = None,
) -> BuiltGraph:
    """Build a task, and what it requires, on made files; nothing is left behind.

    Runs Luigi in this process, quietly, in any thread and any working directory, and needs no configuration. It works
    for every stage, also for one that makes its directory as a whole.

    Parameters
    ----------
    task
        A stage, or another Luigi task that requires stages; a class where its parameters have defaults. It is built
        below a temporary ``base_dir``, which has to reach what it requires, as it does with Luigi's ``requires``.
    files
        Files that stand in for stages above, by the stage's name: ``{"Photos": {"cats/1.jpg": image}}`` publishes that
        directory for ``Photos``, and neither ``Photos`` nor what it requires runs. For a graph with one source the
        files alone will do: ``{"cats/1.jpg": image}``. A file is bytes; text; an array or plain values, which become
        what the extension says (.jpg, .png, .webp, .tif, .npy, .json); or a ``pathlib.Path``, which is copied. In a
        :class:`File` it carries columns; the column ``label`` is the name of its folder unless that says otherwise.
        None lets every stage run.
    base_dir
        Where to build, to keep it; None for a temporary folder, which is removed at the end of the process, or of a
        ``with`` block.

    Returns
    -------
    BuiltGraph
        What became of each stage. A stage that fails raises nothing here: see :meth:`BuildResult.assert_ok`.

    Raises
    ------
    SettingsError
        When the task takes no ``base_dir`` or does not hand it on, or `files` names no stage above the task.

    Examples
    --------
    >>> import luigi
    >>> from luigi.util import requires
    >>> from tintype import interim, ops, raw, testing
    >>> class Photos(raw.ImportFolder):
    ...     folder = luigi.Parameter(default="photos")
    >>> @requires(Photos)
    ... class Thumbs(interim.ImageStage):
    ...     def process(self, image):
    ...         return ops.resize(image, max_side=16)
    >>> first, second = testing.fake_images(2)
    >>> result = testing.build(Thumbs, files={"cats/1.png": first})
    >>> result["Thumbs"].computed, result["Thumbs"].files
    (['cats/1.png'], ['cats/1.jpg'])
    >>> again = result.build_again(files={"cats/1.png": first, "cats/2.png": second})
    >>> again.assert_computed(Thumbs=["cats/2.png"])
    >>> again.assert_reused(Thumbs=1)
    """
    return BuiltGraph.make(_Workplace(base_dir), task, files)


class BuiltGraph(BuildResult):
    """What became of a graph that was built on made files, and the folder that it was built in.

    ``with build(...) as result`` removes a temporary folder at the end of the block; else the end of the process does.
    """

    _workplace: _Workplace
    _task: Task
    _files: Mapping[str, Any] | None

    @classmethod
    def make(cls, workplace: _Workplace, task: Task | type[Task], files: Mapping[str, Any] | None) -> BuiltGraph:
        """Build a task at a workplace."""
        placed = _place(task, workplace.folder)
        tasks = upstream_first(placed)
        stages = [found for found in tasks if isinstance(found, Stage)]
        _refuse_elsewhere(stages, workplace.folder)
        given = {} if files is None else assign_files(files, stages, placed)
        with ExitStack() as stack:
            stack.enter_context(_one_at_a_time)
            stack.enter_context(_quiet())
            for stage, its_files in given.items():
                publish_files(stage, its_files)
            stack.enter_context(standing_in(list(given)))
            report = rebuild(placed)
            target = placed.output()
            result = cls(describe_stages(report, placed), target if isinstance(target, DirectoryTarget) else None)
        result._workplace, result._task, result._files = workplace, placed, files
        return result

    @property
    def base_dir(self) -> Path:
        """The folder that holds raw, interim and processed."""
        return self._workplace.folder

    def build_again(
        self, task: Task | type[Task] | None = None, *, files: Mapping[str, Any] | None = None
    ) -> BuiltGraph:
        """Build in the same folder once more, after a change.

        Parameters
        ----------
        task
            Another one, or the same with other parameters; None for the same.
        files
            What is there now, all of it; None for the same files.
        """
        return self.make(self._workplace, self._task if task is None else task, self._files if files is None else files)

    def close(self) -> None:
        """Remove the folder, if it is a temporary one."""
        self._workplace.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Workplace:
    """A base directory; a temporary one is removed at the end of the process, if not before."""

    def __init__(self, folder: str | Path | None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tintype-test-") if folder is None else folder)
        self._process = os.getpid()
        self._is_temporary = folder is None
        if self._is_temporary:
            # Not with the last result: a test may well go on with nothing but the path of a file.
            atexit.register(self.close)

    def close(self) -> None:
        if self._is_temporary and os.getpid() == self._process:  # a fork leaves it to its parent
            shutil.rmtree(self.folder, ignore_errors=True)
            atexit.unregister(self.close)


def _place(task: Task | type[Task], folder: Path) -> Task:
    """Return the task with another base directory."""
    cls = task if isinstance(task, type) else type(task)
    if "base_dir" not in dict(cls.get_params()):
        raise SettingsError(
            f"{cls.__name__} takes no base_dir, so it cannot be built in a temporary folder: "
            "give it that parameter, and hand it on to what it requires"
        )
    placed: Task = task(base_dir=str(folder)) if isinstance(task, type) else task.clone(base_dir=str(folder))
    return placed


def _refuse_elsewhere(stages: list[Stage], folder: Path) -> None:
    for stage in stages:
        path = stage.output().folder
        if not path.is_relative_to(folder):
            raise SettingsError(
                f"{type(stage).__name__} would be built in {path}, outside of the test's folder: hand base_dir on in "
                "requires(), as luigi.util.requires and self.clone(...) do"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Show no progress, spare the disk, and let log records reach only who asked for them, as pytest does."""
    handler = logging.NullHandler()
    loggers = [logging.getLogger(name) for name in ("luigi", "luigi-interface")]
    for logger in loggers:
        logger.addHandler(handler)  # without any handler, Python prints warnings on stderr
    try:
        with setting("tintype", "progress", "none"), setting("tintype", "durable", "false"):
            yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
