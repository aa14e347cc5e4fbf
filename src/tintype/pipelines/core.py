"""Pipeline: load, ops and write of one file, callable for one and runnable over many."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from tintype.executors.pools import ExecutorKind
from tintype.pipelines.file_work import Catch, FileWork, LoadFunc, Op, SkipFunc, WriteFunc
from tintype.pipelines.file_writers import WholeFileWriter
from tintype.pipelines.one_file import OneFile

if TYPE_CHECKING:
    import pandas as pd

    from tintype.pipelines.run import ExceptionTypes
    from tintype.pipelines.run_plan import PathFunc, PathLike


class Pipeline:
    """What happens to one file: load it, put it through ops, write it.

    A pipeline holds no state of a run, so one object may run in two threads at once. Its three attributes may be
    replaced, ``pipeline.ops = [...]``, to make one pipeline from another.

    Parameters
    ----------
    load_func
        Called with a path or URL; returns data in memory.
    ops
        Functions of one argument, applied in turn: a list, a single callable, or None. An op that returns None drops
        the file: nothing is written. An op (or load function) that is a generator of (suffix, data) makes several
        results of one file: the ops after it get each, and ``cat.jpg`` with the suffix ``-left`` is ``cat-left.jpg``.
    write_func
        Called with the data and the path to write it to; None writes nothing, for pipelines that only record columns.

    Raises
    ------
    TypeError
        When one of them is not callable.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from tintype import Pipeline
    >>> shout = Pipeline(load_func=lambda path: Path(path).read_text(), ops=str.upper,
    ...                  write_func=lambda text, path: Path(path).write_text(text))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     source = Path(folder, "a.txt")
    ...     _ = source.write_text("hello")
    ...     shout(source, Path(folder, "loud.txt"))
    'HELLO'
    """

    def __init__(
        self, load_func: LoadFunc, ops: Iterable[Op] | Op | None = None, write_func: WriteFunc | None = None
    ) -> None:
        if not callable(load_func):
            raise TypeError(f"load_func {load_func!r} is a {type(load_func).__name__}, not a function of one argument")
        if write_func is not None and not callable(write_func):
            raise TypeError(
                f"write_func {write_func!r} is a {type(write_func).__name__}, not a function of data and path; "
                "the order is load_func, ops, write_func"
            )
        self.load_func = load_func
        self.ops = ops
        self.write_func = write_func

    def __repr__(self) -> str:
        names = [function_name(self.load_func), *map(function_name, self.ops)]
        if self.write_func is not None:
            names.append(function_name(self.write_func))
        return f"{type(self).__name__}({' > '.join(names)})"

    @property
    def ops(self) -> Sequence[Op]:
        """The ops, as a list. May be set to a list, a single callable, or None."""
        return self._ops

    @ops.setter
    def ops(self, ops: Iterable[Op] | Op | None) -> None:
        if ops is None:
            self._ops: list[Op] = []
        elif callable(ops):
            self._ops = [ops]
        else:
            self._ops = list(ops)
        for op in self._ops:
            if not callable(op):
                raise TypeError(f"op {op!r} is a {type(op).__name__}, not a function of one argument")

    def __call__(self, inpath: Any, outpath: PathLike | None = None) -> Any:
        """Put one file through the pipeline.

        Nothing is skipped and nothing is caught. Outside a run, what functions record goes nowhere.

        Parameters
        ----------
        inpath
            What the load function takes: a path or a URL.
        outpath
            Where the result goes, whole or not at all; None writes nothing. Of several results each goes to this path
            with its suffix before the extension, all of them or none.

        Returns
        -------
        object
            The data after the last op; None when an op dropped the file. When the load function or an op is a
            generator of several results, the list of (suffix, data) of those that were not dropped.

        Examples
        --------
        >>> from tintype import Pipeline
        >>> def halve(word):
        ...     yield "-left", word[: len(word) // 2]
        ...     yield "-right", word[len(word) // 2 :]
        >>> Pipeline(load_func=str, ops=[halve, str.upper])("tintype")
        [('-left', 'TIN'), ('-right', 'TYPE')]
        """
        writer = WholeFileWriter(self.write_func) if self.write_func is not None and outpath is not None else None
        return OneFile(self._ops, writer, os.fspath(outpath) if outpath is not None else None).work(
            self.load_func(inpath)
        )

    def run(
        self,
        inpaths: Iterable[PathLike | tuple[PathLike, ...]],
        path_func: PathFunc | None,
        n_jobs: int,
        skip_existing: bool = False,
        skip_func: SkipFunc | None = None,
        exceptions_to_catch: ExceptionTypes | None = None,
        executor: ExecutorKind | Executor = "threads",
        *,
        progress: bool | None = None,
    ) -> pd.DataFrame:
        """Put many files through the pipeline, outside any stage.

        Every output is written whole or not at all, so a later run may trust the files it finds. Files that fail are
        logged as errors, files that are left out in one warning a run, by the logger ``tintype.pipelines``.

        Parameters
        ----------
        inpaths
            Paths or URLs, or tuples of them where several files are worked on together, see
            :class:`tintype.pipelines.load_each`. Read once, may be a generator.
        path_func
            Called with an input path; returns its output path. None for a pipeline that writes nothing.
        n_jobs
            Files worked on at once, at least 1.
        skip_existing
            Leave an input out when there is a file at its output path. It looks at that path only: of an input with
            several results, whose files have suffixes, it knows nothing; write a `skip_func` for those.
        skip_func
            Called with the input path and the output path, in the worker, so it may be slow, as a request to a server
            is; when what it returns is true, the input is left out. It may fail as any other function may.
        exceptions_to_catch
            Exception type, or tuple of types: a file that raises one becomes a row of the report. By default nothing
            is caught.
        executor
            ``"threads"``; ``"processes"``, for ops that hold Python's interpreter lock (the functions must then be
            picklable); or any ``concurrent.futures.Executor``.
        progress
            Whether to show a bar on the terminal. None shows one when the run takes more than half a second in the
            main thread of a program whose standard error is a terminal.

        Returns
        -------
        pandas.DataFrame
            The run report: one row per input in the order of `inpaths`, also when one comes twice, indexed by
            ``inpath`` (several that are worked on together are joined by `` + ``), with the columns ``outpath``,
            ``skipped_existing`` (by `skip_existing` or `skip_func`), ``exception_handled``, ``error_type``, ``error``,
            ``seconds`` (of the whole input), ``time_finished`` (UTC) and the recorded ones. An input with several
            results has a row for each.

        Raises
        ------
        FileError
            When a file fails with an exception that is not to be caught. It names the file, the exception is its
            cause, and the rows that were finished are its ``run_report``, as they are that of a KeyboardInterrupt.
        CollisionError
            When two inputs would become one output; raised before any work is done. The suffixes of several results
            are known only after it: then at the end, with the ``run_report``.
        SettingsError
            When an argument cannot be used: `inpaths` is a single path, `n_jobs` is less than 1, `exceptions_to_catch`
            holds what is no exception type, or the functions cannot be sent to a worker process.

        Examples
        --------
        >>> from tintype import Pipeline
        >>> report = Pipeline(load_func=int).run(["1", "2", "x"], None, n_jobs=2, exceptions_to_catch=ValueError)
        >>> report["error_type"].fillna("").to_list()
        ['', '', 'ValueError']
        """
        from tintype.pipelines.run import RunOptions, run_over_files

        def make_work(catch: Catch, skip_func: SkipFunc | None) -> FileWork:
            writer = WholeFileWriter(self.write_func) if self.write_func is not None else None
            return FileWork(self.load_func, self.ops, writer, catch=catch, skip_func=skip_func)

        options = RunOptions(n_jobs, skip_existing, skip_func, exceptions_to_catch, executor, progress)
        return run_over_files(make_work, inpaths, path_func, options)


def function_name(function: object) -> str:
    """Return the name of a function, of that in a partial, or of an object's class."""
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__name__", None) or type(inner).__name__)
