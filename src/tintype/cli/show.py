"""``tintype show``: a manifest as a table."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from tintype.errors import ManifestError
from tintype.manifest.schema import Status
from tintype.targets.directory import DirectoryTarget
from tintype.targets.journal import Journal

Row = dict[str, Any]

DEFAULT_COLUMNS = ("inpath", "outpath", "status", "error_type", "error", "size_bytes", "seconds")
DEFAULT_LIMIT = 100


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``show`` to the command line."""
    parser = commands.add_parser(
        "show",
        help="the rows of a manifest, as a table",
        description="Show the rows of a published directory's manifest. With --failed, also of a build that was not "
        "published because of its failures.",
    )
    parser.add_argument("directory", type=Path, help="a stage's directory, as data/interim/Thumbnails")
    parser.add_argument("--failed", action="store_true", help="only rows that failed")
    parser.add_argument("--columns", help=f"column names with commas between; default {','.join(DEFAULT_COLUMNS)}")
    parser.add_argument(
        "-n", "--limit", type=int, default=None, help=f"most rows to show; default {DEFAULT_LIMIT} in a table, else all"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="as CSV")
    form.add_argument("--json", action="store_true", help="as JSON, one row a line")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the rows."""
    names, rows = find_rows(options.directory, failed=options.failed)
    columns = options.columns.split(",") if options.columns else [name for name in DEFAULT_COLUMNS if name in names]
    unknown = [name for name in columns if name not in names]
    if unknown:
        raise ManifestError(f"{options.directory} has no column {', '.join(unknown)}: it has {', '.join(names)}")
    if options.csv:
        _write_csv(columns, islice(rows, options.limit))
    elif options.json:
        for row in islice(rows, options.limit):
            print(json.dumps({name: row[name] for name in columns}, default=str))
    else:
        _write_table(columns, rows, DEFAULT_LIMIT if options.limit is None else options.limit)
    return 0


def find_rows(directory: Path, *, failed: bool) -> tuple[list[str], Iterator[Row]]:
    """Return the column names and the rows of a directory, or of the build that waits beside it.

    Raises
    ------
    ManifestError
        When nothing is published and nothing waits.
    """
    target = DirectoryTarget(directory)
    if failed:
        waiting = _failed_in_staging(directory)
        first = next(waiting, None)
        if first is not None:
            return list(first), _chain(first, waiting)
    manifest = target.manifest()
    rows = manifest.rows()
    if failed:
        rows = (row for row in rows if row["status"] == Status.FAILED)
    return manifest.schema.names, rows


def _failed_in_staging(directory: Path) -> Iterator[Row]:
    staging = directory.with_name(f".{directory.name}.staging")
    if not staging.is_dir():
        return
    for result in chain.from_iterable(Journal(staging, name).results() for name in ("rows", "added")):
        if result.status == Status.FAILED:
            row = result._asdict()
            del row["number"], row["columns"]
            row["seconds"] = row.pop("microseconds") / 1e6
            yield row


def _chain(first: Row, rest: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rest


def _write_csv(columns: list[str], rows: Iterable[Row]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    writer.writerows([row[name] for name in columns] for row in rows)


def _write_table(columns: list[str], rows: Iterator[Row], limit: int) -> None:
    if not sys.stdout.isatty():
        print("\t".join(columns))
        for row in islice(rows, limit):
            print("\t".join(_cell(row[name]) for name in columns))
    else:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table()
        for name in columns:
            table.add_column(name, overflow="fold")
        for row in islice(rows, limit):
            table.add_row(*(Text(_cell(row[name])) for name in columns))
        Console().print(table)
    if next(rows, None) is not None:
        print(f"the first {limit} rows; see more with --limit", file=sys.stderr)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    # A tab or a newline in a file name would break the table; show it as Python would write it.
    return text if text.isprintable() else repr(text)
