"""The run report of a pipeline that ran on its own: one row per result, of the same types for any number of them."""

from __future__ import annotations

from collections.abc import Sequence
from operator import le
from typing import TYPE_CHECKING, Any

from tintype.manifest.schema import Status
from tintype.pipelines.file_result import FileResult, show_inpath

if TYPE_CHECKING:
    import pandas as pd

_SKIPPED, _FAILED = str(Status.SKIPPED), str(Status.FAILED)


class ReportRows:
    """Collects results, column by column: a tuple for each file would keep the garbage collector busy.

    Examples
    --------
    >>> ReportRows().to_frame().dtypes.to_dict()["skipped_existing"]
    dtype('bool')
    """

    def __init__(self) -> None:
        self.numbers: list[int] = []
        """Positions among the inputs; those of several results of one file are equal."""
        self.inpaths: list[Any] = []
        self.outpaths: list[str | None] = []
        self.has_parts = False
        """Whether a file had several results, or might have had."""
        self._status: list[str] = []
        self._error_types: list[str | None] = []
        self._errors: list[str | None] = []
        self._microseconds: list[int] = []
        self._times: list[int] = []
        self._recorded: list[dict[str, Any] | None] = []

    def add(self, results: Sequence[FileResult]) -> None:
        """Add results, in any order of the inputs."""
        if not results:
            return
        # One transposition is several times quicker than asking each result for each field.
        numbers, inpaths, status, outpaths, error_types, errors, _, _, took, times, recorded, parts = zip(
            *results, strict=True
        )
        if any(parts):
            self.has_parts = True
            self.add([row for result in results for row in _row_for_each_part(result)])
            return
        self.numbers.extend(numbers)
        self.inpaths.extend(inpaths)
        self.outpaths.extend(outpaths)
        self._status.extend(status)
        self._error_types.extend(error_types)
        self._errors.extend(errors)
        self._microseconds.extend(took)
        self._times.extend(times)
        self._recorded.extend(recorded)

    def count_skipped(self) -> int:
        """Return the number of files that were left out."""
        return self._status.count(_SKIPPED)

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame indexed by ``inpath``, in the order of the inputs."""
        import numpy as np
        import pandas as pd

        n_rows = len(self.numbers)
        columns: dict[str, Any] = {
            "outpath": _as_text(self.outpaths),
            "skipped_existing": self._is_status(_SKIPPED),
            "exception_handled": self._is_status(_FAILED),
            "error_type": _as_text(self._error_types),
            "error": _as_text(self._errors),
            "seconds": np.fromiter(self._microseconds, np.int64, n_rows) / 1e6,
            "time_finished": pd.DatetimeIndex(
                np.fromiter(self._times, np.int64, n_rows).view("datetime64[us]")
            ).tz_localize("UTC"),
        }
        if any(self._recorded):
            recorded = [row or {} for row in self._recorded]
            for name in dict.fromkeys(name for row in recorded for name in row):
                columns[name] = _as_column([row.get(name) for row in recorded])
        frame = pd.DataFrame(columns, index=pd.Index(_as_text(self.inpaths), name="inpath"))
        if all(map(le, self.numbers, self.numbers[1:])):
            return frame
        return frame.iloc[np.argsort(np.array(self.numbers), kind="stable")]

    def _is_status(self, wanted: str) -> Any:
        import numpy as np

        if wanted not in self._status:
            return np.zeros(len(self._status), dtype=bool)
        return np.array([status == wanted for status in self._status], dtype=bool)


def _row_for_each_part(result: FileResult) -> list[FileResult]:
    if not result.parts:
        return [result._replace(parts=None)]
    return [result._replace(outpath=part.outpath, columns=part.columns, parts=None) for part in result.parts]


def _as_text(values: list[Any]) -> Any:
    """Return paths or words as a column of text; bytes that are not UTF-8 are shown as escapes."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    if not set(map(type, values)) <= {str, type(None)}:
        values = [None if value is None else show_inpath(value) for value in values]
    try:
        array = pa.array(values, pa.large_string())
    except UnicodeEncodeError:
        escaped = (value and value.encode("utf-8", "backslashreplace").decode() for value in values)
        array = pa.array(list(escaped), pa.large_string())
    return pd.array(array, dtype=pd.StringDtype(na_value=np.nan))


def _as_column(values: list[Any]) -> Any:
    """Return recorded values as a column whose type is the same whether or not some files have none."""
    import numpy as np
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pd.array(values, dtype="boolean")
    if kinds == {int} and all(value is None or -(1 << 63) <= value < 1 << 63 for value in values):
        return pd.array(values, dtype="Int64")  # not float64, which would round the hash of an image
    if kinds in ({float}, {float, int}):
        return np.array(values, dtype=np.float64)
    if kinds == {str}:
        return _as_text(values)
    return values
