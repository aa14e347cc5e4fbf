"""CustomReportingPipeline: functions that are handed their file's path and its row of the run report."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tintype.pipelines.core import Pipeline
from tintype.pipelines.file_result import show_inpath
from tintype.records import current_file

if TYPE_CHECKING:
    from tintype.pipelines.run_plan import PathLike


class CustomReportingPipeline(Pipeline):
    """A pipeline whose functions may ask for ``inpath`` and ``log_dict``, and so add columns to the run report.

    Each function gets those of the two keyword arguments that it accepts, by name or by ``**kwargs``; one that
    accepts neither is called as in a :class:`Pipeline`:

    - ``load_func(path, log_dict=...)``
    - ``op(data, inpath=..., log_dict=...)``
    - ``write_func(data, outpath, inpath=..., log_dict=...)``

    ``inpath`` is what the load function was called with. ``log_dict[inpath]`` is the dict of what is recorded about
    this file so far: ``log_dict[inpath]["mean_brightness"] = 0.5`` is a column, as ``record(mean_brightness=0.5)`` is
    in any pipeline, and later functions can read it. Of several results of one file each has its own. Files that are
    left out have missing values.

    Parameters
    ----------
    load_func, ops, write_func
        As for :class:`Pipeline`, and replaceable as there. Read back they are wrapped; what was given is their
        attribute ``function``.

    Raises
    ------
    TypeError
        When one of them is not callable.

    Examples
    --------
    >>> from tintype import CustomReportingPipeline
    >>> def count_letters(text, inpath, log_dict):
    ...     log_dict[inpath]["n_letters"] = len(text)
    ...     return text
    >>> pipeline = CustomReportingPipeline(load_func=str, ops=[count_letters, str.upper])
    >>> int(pipeline.run(["abc"], path_func=None, n_jobs=1).loc["abc", "n_letters"])
    3
    """

    def __init__(
        self,
        load_func: Callable[..., Any],
        ops: Iterable[Callable[..., Any]] | Callable[..., Any] | None = None,
        write_func: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(load_func, ops, write_func)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "load_func":
            value = _wrapped(value, ReportingLoad)
        elif name == "write_func" and value is not None:
            value = _wrapped(value, ReportingWrite)
        elif name == "_ops":
            value = [_wrapped(op, ReportingOp) for op in value]
        super().__setattr__(name, value)

    def __call__(self, inpath: Any, outpath: PathLike | None = None) -> Any:
        """Put one file through the pipeline, as :meth:`Pipeline.__call__` does.

        What one function puts into `log_dict` the next ones find there; then it is gone.
        """
        # An op of another pipeline may call it, which has a file of its own in hand.
        outer, outer_inpath = dict(vars(current_file)), _in_hand.inpath
        current_file.columns = {}
        try:
            return super().__call__(inpath, outpath)
        finally:
            vars(current_file).clear()
            vars(current_file).update(outer)
            _in_hand.inpath = outer_inpath


class LogDict(Mapping[Any, dict[str, Any]]):
    """The rows of a run report as one file may see them: its own, by its input path."""

    def __init__(self, inpath: Any) -> None:
        self._inpath = inpath
        self._columns: dict[str, Any] = {}

    def __getitem__(self, inpath: Any) -> dict[str, Any]:
        if inpath != self._inpath and show_inpath(inpath) != show_inpath(self._inpath):
            raise KeyError(
                f"log_dict has the row of {show_inpath(self._inpath)}, the file in hand, and was asked for "
                f"{show_inpath(inpath)}: write log_dict[inpath] with the inpath that the function gets"
            )
        # Looked up each time: a generator keeps its log_dict while each of its results has columns of its own.
        return self._columns if current_file.columns is None else current_file.columns

    def __setitem__(self, inpath: Any, columns: Mapping[str, Any]) -> None:
        row = self[inpath]
        new = dict(columns)
        row.clear()
        row.update(new)

    def __iter__(self) -> Iterator[Any]:
        return iter((self._inpath,))

    def __len__(self) -> int:
        return 1


class _InHand(threading.local):
    """The input path of the file that the running thread works on."""

    inpath: Any = None


_in_hand = _InHand()


@dataclass(frozen=True)
class _Reporting:
    """Calls a function with those of the two keyword arguments that it accepts."""

    function: Callable[..., Any]
    keywords: tuple[str, ...] = field(init=False, repr=False, compare=False)

    n_positional = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "keywords", _find_accepted(self.function, self.n_positional))

    @property
    def __name__(self) -> str:
        inner = getattr(self.function, "func", self.function)
        return str(getattr(inner, "__name__", None) or type(inner).__name__)

    def _call(self, *arguments: Any) -> Any:
        if not self.keywords:
            return self.function(*arguments)
        inpath = _in_hand.inpath
        given = {"inpath": inpath, "log_dict": LogDict(inpath)}
        return self.function(*arguments, **{name: given[name] for name in self.keywords})


class ReportingLoad(_Reporting):
    """A load function that may ask for `log_dict`; notes which file is in hand."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # The path is its first argument already, and often has this name.
        object.__setattr__(self, "keywords", tuple(name for name in self.keywords if name != "inpath"))

    def __call__(self, inpath: Any) -> Any:
        """Return what the function returns."""
        _in_hand.inpath = inpath
        return self._call(inpath)


class ReportingOp(_Reporting):
    """An op that may ask for `inpath` and `log_dict`."""

    def __call__(self, data: Any) -> Any:
        """Return what the function returns."""
        return self._call(data)


class ReportingWrite(_Reporting):
    """A write function that may ask for `inpath` and `log_dict`."""

    n_positional = 2

    def __call__(self, data: Any, outpath: Any) -> Any:
        """Return what the function returns."""
        return self._call(data, outpath)


def _wrapped(function: Any, kind: type[_Reporting]) -> Any:
    """Return a function wrapped, unless it is so already or is none: that is told by the pipeline."""
    return function if isinstance(function, _Reporting) or not callable(function) else kind(function)


def _find_accepted(function: Callable[..., Any], n_positional: int) -> tuple[str, ...]:
    """Return which of the keyword arguments a function accepts beside its positional ones."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of some functions written in C nobody knows
        return ()
    taken: Sequence[str] = [
        parameter.name
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ][:n_positional]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    named = {
        parameter.name
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    return tuple(name for name in ("inpath", "log_dict") if name not in taken and (takes_any or name in named))
