"""The run report of a pipeline that ran on its own: one row per input, of the same types for any number of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tintype.manifest.schema import Status
from tintype.pipelines.file_result import FileResult

if TYPE_CHECKING:
    import pandas as pd


def make_run_report(results: Sequence[FileResult]) -> pd.DataFrame:
    """Return `results` as a DataFrame indexed by ``inpath``, in the order of the inputs.

    Examples
    --------
    >>> make_run_report([]).dtypes.to_dict()["skipped_existing"]
    dtype('bool')
    """
    import numpy as np
    import pandas as pd

    ordered = sorted(results, key=lambda result: result.number)
    status = [result.status for result in ordered]
    text = pd.StringDtype(na_value=np.nan)
    columns: dict[str, Any] = {
        "outpath": pd.array([result.outpath and _as_text(result.outpath) for result in ordered], dtype=text),
        "skipped_existing": np.array([name == Status.SKIPPED for name in status], dtype=bool),
        "exception_handled": np.array([name == Status.FAILED for name in status], dtype=bool),
        "error_type": pd.array([result.error_type for result in ordered], dtype=text),
        "error": pd.array([result.error for result in ordered], dtype=text),
        "seconds": np.array([result.microseconds / 1e6 for result in ordered], dtype=np.float64),
        "time_finished": pd.to_datetime(
            np.array([result.time_finished for result in ordered], dtype="datetime64[us]"), utc=True
        ),
    }
    recorded = [result.columns or {} for result in ordered]
    for name in dict.fromkeys(name for row in recorded for name in row):
        columns[name] = _as_column([row.get(name) for row in recorded])
    index = pd.Index([_as_text(result.inpath) for result in ordered], dtype=text, name="inpath")
    return pd.DataFrame(columns, index=index)


def _as_text(path: object) -> str:
    """Return a path with bytes that are not UTF-8 shown as escapes: a column of text cannot hold them."""
    return str(path).encode("utf-8", "backslashreplace").decode()


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
        return pd.array(values, dtype=pd.StringDtype(na_value=np.nan))
    return values
