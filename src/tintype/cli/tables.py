"""Rows on the standard output: as a table for eyes, as CSV, or as JSON lines."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

Row = Sequence[Any]

_MOST_DRAWN = 1000
"""Rows of a drawn table, which is held whole."""
_ROWS_THAT_SET_WIDTHS = 1000


def print_table(columns: Sequence[str], rows: Iterable[Row], *, limit: int) -> tuple[int, bool]:
    """Print rows for eyes: drawn on a terminal, as aligned text elsewhere or when there are many.

    Parameters
    ----------
    columns
        Their names.
    rows
        Each with a value a column.
    limit
        Most rows to print.

    Returns
    -------
    n_printed
        Number of rows that were printed.
    is_all
        Whether there were no more.
    """
    iterator = iter(rows)
    if sys.stdout.isatty() and limit <= _MOST_DRAWN:
        n_printed = _draw(columns, islice(iterator, limit))
    else:
        n_printed = _print_aligned(columns, islice(iterator, limit))
    return n_printed, next(iterator, None) is None


def write_csv(columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows as CSV, with the names of the columns first."""
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    writer.writerows(rows)


def write_json_lines(columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write each row as one line of JSON; times as text."""
    encode = json.JSONEncoder(default=str).encode
    for row in rows:
        print(encode(dict(zip(columns, row, strict=True))))


def format_cell(value: Any) -> str:
    """Return a value as a table shows it, on one line."""
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    # A tab or a newline in a file name would break the table; show it as Python would write it.
    return text if text.isprintable() else repr(text)


def _print_aligned(columns: Sequence[str], rows: Iterator[Row]) -> int:
    """Print rows as wide as the first of them need."""
    first = list(islice(rows, _ROWS_THAT_SET_WIDTHS))
    right = _find_numbers(columns, first)
    cells = [list(columns), *([format_cell(value) for value in row] for row in first)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]

    def join(row: Sequence[str]) -> str:
        padded = (
            f"{cell:>{width}}" if is_right else f"{cell:<{width}}"
            for cell, width, is_right in zip(row, widths, right, strict=True)
        )
        return "  ".join(padded).rstrip()

    for line in cells:
        print(join(line))
    n_printed = len(first)
    for row in rows:
        print(join([format_cell(value) for value in row]))
        n_printed += 1
    return n_printed


def _draw(columns: Sequence[str], rows: Iterator[Row]) -> int:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    held = list(rows)
    table = Table()
    for name, is_right in zip(columns, _find_numbers(columns, held), strict=True):
        table.add_column(Text(name), overflow="fold", justify="right" if is_right else "left")
    for row in held:
        table.add_row(*(Text(format_cell(value)) for value in row))
    Console().print(table)
    return len(held)


def _find_numbers(columns: Sequence[str], rows: Sequence[Row]) -> list[bool]:
    """Return which columns hold numbers, which stand at the right."""
    return [
        any(isinstance(row[place], int | float) for row in rows)
        and all(isinstance(row[place], int | float | None) for row in rows)
        for place in range(len(columns))
    ]
