"""Columns from inside: a function that works on one file adds to that file's row.

A run fills :data:`current_file` anew for each file, in the thread that works on it. Outside a run the two functions do
nothing, so that the same load function, op or write function also works at a prompt.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple


class WrittenFile(NamedTuple):
    """What a write function knows about the file it wrote, so that nobody has to read it again."""

    path: str
    digest: str
    """sha256 of the bytes, in hex."""
    size_bytes: int


class CurrentFile(threading.local):
    """What the running thread has collected about the file in its hands."""

    columns: dict[str, Any] | None = None
    """Recorded columns; None outside a run."""
    written: WrittenFile | None = None
    is_reused: bool = False
    """Whether the file was taken over from an earlier build."""


current_file = CurrentFile()


def record(**columns: Any) -> None:
    """Add columns to the row of the file that is being worked on.

    Works anywhere in a load function, an op or a write function, in any thread or process of the run. A second call
    with the same name replaces the first value. Outside a run it does nothing.

    Parameters
    ----------
    **columns
        Name and value of each column: bool, int, float or str, or NumPy scalars of those kinds. A stage declares the
        types of what its files record in ``recorded_columns``.

    Examples
    --------
    >>> from tintype import Pipeline, record
    >>> def count_letters(text):
    ...     record(n_letters=len(text))
    ...     return text
    >>> pipeline = Pipeline(load_func=str, ops=count_letters, write_func=None)
    >>> int(pipeline.run(["abc"], path_func=None, n_jobs=1).loc["abc", "n_letters"])
    3
    """
    if current_file.columns is not None:
        current_file.columns.update(columns)


def report_written(path: str, digest: str, size_bytes: int, *, is_reused: bool = False) -> None:
    """Tell the run the digest of a file that was just written whole, hashed while it was still in memory.

    Optional: the run reads and hashes the file itself when its write function does not say.

    Parameters
    ----------
    path
        The path that the write function was given.
    digest
        sha256 of the file's bytes, in hex.
    size_bytes
        Length of the file in bytes.
    is_reused
        Whether the file was taken over from an earlier build, not made anew.
    """
    if current_file.columns is not None:
        current_file.written = WrittenFile(path, digest, size_bytes)
        current_file.is_reused = is_reused
