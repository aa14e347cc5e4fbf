"""One file through a pipeline at a prompt or in a loop: no rows, nothing caught, the data comes back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from tintype.pipelines.several_results import check_result, put_through, result_path

if TYPE_CHECKING:
    from tintype.pipelines.file_work import Op
    from tintype.pipelines.file_writers import WholeFileWriter


class OneFile:
    """Put loaded data through ops and write it.

    Parameters
    ----------
    ops
        The ops.
    writer
        Writes the result; None writes nothing.
    outpath
        Where it goes; None when nothing is written.
    """

    def __init__(self, ops: Sequence[Op], writer: WholeFileWriter | None, outpath: str | None) -> None:
        self._ops = ops
        self._writer = writer
        self._outpath = outpath
        self._results: list[tuple[str, Any]] = []

    def work(self, data: Any) -> Any:
        """Return the data after the last op; of a generator the list of suffix and data."""
        if type(data) is GeneratorType:
            return self._work_on_results(data, self._ops)
        for place, op in enumerate(self._ops, 1):
            data = op(data)
            if data is None:
                return None
            if type(data) is GeneratorType:
                return self._work_on_results(data, self._ops[place:])
        if self._writer is not None and self._outpath is not None:
            _make_folder(self._outpath)
            self._writer(data, self._outpath)
        return data

    def _work_on_results(self, results: Iterator[Any], ops: Sequence[Op]) -> list[tuple[str, Any]]:
        if self._writer is None or self._outpath is None:
            return list(_put_through(results, ops))
        self._writer.write_all(self._with_paths(_put_through(results, ops), self._outpath))
        return self._results

    def _with_paths(self, results: Iterator[tuple[str, Any]], outpath: str) -> Iterator[tuple[Any, str]]:
        taken: set[str] = set()
        for suffix, data in results:
            path = result_path(outpath, suffix, taken)
            _make_folder(path)
            self._results.append((suffix, data))
            yield data, path


def _put_through(results: Iterator[Any], ops: Sequence[Op]) -> Iterator[tuple[str, Any]]:
    """Yield suffix and data of each result that no op drops."""
    for suffix, data in map(check_result, results):
        data = put_through(data, ops)
        if data is not None or not ops:
            yield suffix, data


def _make_folder(path: str) -> None:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
