"""Columns from inside: a function that works on one file adds to that file's row.

A run fills :data:`current_file` anew for each file, in the thread that works on it. Outside a run these functions do
nothing, so that the same load function, op or write function also works at a prompt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
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
    drop_reason: str | None = None
    """Why an op drops the file."""
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


def drop(reason: str) -> None:
    """Leave the file that is being worked on out of the results, and say why in its row.

    For ops: ``return drop("the shorter side has 40 pixels, and at least 64 are asked for")``. The row has the status
    ``dropped`` and the reason in its column ``error``. Outside a run it does nothing but return None.

    Parameters
    ----------
    reason
        A sentence with the values in it.

    Returns
    -------
    None
        What an op returns to drop a file.

    Examples
    --------
    >>> from tintype import Pipeline, drop
    >>> def keep_long(text):
    ...     return text if len(text) >= 3 else drop(f"{len(text)} letters are under 3")
    >>> pipeline = Pipeline(load_func=str, ops=keep_long, write_func=None)
    >>> pipeline.run(["ab"], path_func=None, n_jobs=1).loc["ab", "error"]
    '2 letters are under 3'
    """
    if current_file.columns is not None:
        current_file.drop_reason = reason


@dataclass(frozen=True)
class recorded:  # noqa: N801 - used like a function, and a class so that worker processes can be sent it
    """Wrap a function of the data as an op that records what it returns, and passes the data on.

    Parameters
    ----------
    name
        The column's name.
    function
        Called with the data; returns a bool, int, float or str. What is done to the data itself is passed on too.

    Examples
    --------
    >>> from tintype import Pipeline, recorded
    >>> pipeline = Pipeline(load_func=str, ops=[recorded("n_letters", len), str.upper], write_func=None)
    >>> int(pipeline.run(["abc"], path_func=None, n_jobs=1).loc["abc", "n_letters"])
    3
    """

    name: str
    function: Callable[[Any], Any]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"recorded got {self.function!r} for {self.name!r}: give a function of one argument")

    def __call__(self, data: Any) -> Any:
        """Record ``function(data)``, and return `data`."""
        record(**{self.name: self.function(data)})
        return data


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
