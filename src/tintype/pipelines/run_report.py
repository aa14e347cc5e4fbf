"""The run report of a pipeline that ran on its own: one row per input, of the same types for any number of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tintype.manifest.schema import Status
from tintype.pipelines.file_work import FileResult

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
        "outpath": pd.array([result.outpath for result in ordered], dtype=text),
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
        columns[name] = [row.get(name) for row in recorded]
    index = pd.Index([str(result.inpath) for result in ordered], dtype=text, name="inpath")
    return pd.DataFrame(columns, index=index)
