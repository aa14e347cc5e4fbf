"""``tintype show``: the rows of a manifest, all or some, and what went wrong in them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from tintype.cli.error_summary import SUMMARY_COLUMNS, summarize_errors
from tintype.cli.tables import Row, print_table, write_csv, write_json_lines
from tintype.errors import ManifestError
from tintype.manifest.arrays import make_array
from tintype.manifest.rows import ROWS_PER_BATCH, ManifestView
from tintype.manifest.schema import Status, fixed_schema
from tintype.targets.directory import DirectoryTarget
from tintype.targets.journal import Journal
from tintype.targets.siblings import staging_folder

if TYPE_CHECKING:
    import pyarrow as pa

    from tintype.pipelines.file_result import FileResult

DEFAULT_COLUMNS = ("inpath", "outpath", "status", "error_type", "error", "size_bytes", "seconds")
DEFAULT_LIMIT = 100

EPILOG = """\
examples:
  tintype show data/raw/Photos
  tintype show data/raw/Photos --where "label == 'cat' and size_bytes >= 10_000"
  tintype show data/raw/Photos --where "startswith(inpath, 'new/') or label in ('cat', 'dog')"
  tintype show data/interim/Cutouts --failed --where "contains(error, 'truncated')"
  tintype show data/interim/Cutouts --errors
  tintype show data/interim/Cutouts --columns outpath,label --csv > cutouts.csv
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``show`` to the command line."""
    parser = commands.add_parser(
        "show",
        help="the rows of a manifest, all or some, as a table",
        description="Show the rows of a directory's manifest; --failed and --errors also of an unpublished build.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", type=Path, help="a stage's directory, as data/interim/Thumbnails")
    parser.add_argument("--where", metavar="CONDITION", help="only rows that meet a condition in Python's syntax")
    parser.add_argument("--failed", action="store_true", help="only rows that failed")
    parser.add_argument("--dropped", action="store_true", help="only rows that an op dropped; with --failed, both")
    parser.add_argument(
        "--errors", action="store_true", help="how many rows failed by which error, most frequent first"
    )
    add_output_options(parser, columns=f"column names with commas between; default {','.join(DEFAULT_COLUMNS)}")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="as CSV")
    form.add_argument("--json", action="store_true", help="as JSON, one row a line")
    parser.set_defaults(run=run)


def add_output_options(parser: argparse.ArgumentParser, *, columns: str) -> None:
    """Add the options that choose columns, explained by `columns`, and limit rows."""
    parser.add_argument("--columns", type=_split, help=columns)
    limit = f"most rows to show; default {DEFAULT_LIMIT} in a table, else all"
    parser.add_argument("-n", "--limit", type=_whole_number, help=limit)


def run(options: argparse.Namespace) -> int:
    """Show the rows, or their errors; 2 when the condition is wrong."""
    statuses = [Status.FAILED] * (options.failed or options.errors) + [Status.DROPPED] * options.dropped
    all_rows = find_rows(options.directory, statuses)
    rows = all_rows.where(f"status in {[str(status) for status in statuses]}") if statuses else all_rows
    schema = all_rows.schema
    if options.where is not None:
        try:
            found = rows.where(options.where)
            found.condition.to_expression(schema)
        except ManifestError as error:
            print(f"tintype: {error}", file=sys.stderr)
            return 2
        rows = found
    if options.errors:
        _write(SUMMARY_COLUMNS, iter(summarize_errors(rows)), options)
        return 0
    columns = _choose_columns(options, schema.names)
    shown = _write(columns, _read_values(rows, columns), options)
    if shown is not None:
        print(_describe_total(all_rows, rows, *shown), file=sys.stderr)
    return 0


def find_rows(directory: Path, statuses: Sequence[Status] = ()) -> ManifestView:
    """Return the rows of a directory, or of the build that waits beside it when that has rows that failed.

    Parameters
    ----------
    directory
        Where a stage publishes.
    statuses
        What is asked for; a build that waits is only looked at for failures.

    Raises
    ------
    ManifestError
        When nothing is published and nothing waits.
    """
    staging = staging_folder(directory)
    if Status.FAILED in statuses and staging.is_dir():
        waiting = UnpublishedRows(staging, statuses)
        if any(waiting.results([Status.FAILED])):
            return waiting
    return DirectoryTarget(directory).manifest()


class UnpublishedRows(ManifestView):
    """Rows without a file of a build that is not published, from its journal.

    Parameters
    ----------
    staging
        Where the build is.
    statuses
        The rows that are wanted.
    """

    def __init__(self, staging: Path, statuses: Sequence[Status]) -> None:
        self._journals = [Journal(staging, name) for name in ("rows", "added")]
        self._statuses = statuses

    def __len__(self) -> int:
        return sum(1 for _ in self.results(self._statuses))

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the fixed columns; there are no others before a build is published."""
        return fixed_schema()

    def results(self, statuses: Sequence[Status]) -> Iterator[FileResult]:
        """Yield the results of some statuses."""
        for result in chain.from_iterable(journal.results() for journal in self._journals):
            if result.status in statuses:
                yield result

    def batches(
        self, columns: Sequence[str] | None = None, *, rows_per_batch: int = ROWS_PER_BATCH
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows; as :meth:`ManifestView.batches`."""
        import pyarrow as pa

        results = self.results(self._statuses)
        while block := list(islice(results, rows_per_batch)):
            rows = [result._asdict() | {"seconds": result.microseconds / 1e6} for result in block]
            arrays = []
            for field in self.schema:
                kind = pa.int64() if pa.types.is_timestamp(field.type) else field.type
                arrays.append(make_array([row.get(field.name) for row in rows], kind).cast(field.type))
            batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
            yield batch if columns is None else batch.select(columns)


def _split(text: str) -> list[str]:
    return text.split(",")


def _whole_number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows: give 0 or more")
    return int(text)


def _choose_columns(options: argparse.Namespace, names: Sequence[str]) -> Sequence[str]:
    columns: Sequence[str] = options.columns or DEFAULT_COLUMNS
    unknown = [name for name in columns if name not in names]
    if unknown:
        raise ManifestError(f"{options.directory} has no column {', '.join(unknown)}: it has {', '.join(names)}")
    return columns


def _read_values(rows: ManifestView, columns: Sequence[str]) -> Iterator[Row]:
    for batch in rows.batches(list(dict.fromkeys(columns))):
        yield from zip(*(batch.column(name).to_pylist() for name in columns), strict=True)


def _write(columns: Sequence[str], rows: Iterator[Row], options: argparse.Namespace) -> tuple[int, bool] | None:
    """Write rows in the form that is asked for; of a table, return how many and whether that was all."""
    if options.csv:
        write_csv(columns, islice(rows, options.limit))
    elif options.json:
        write_json_lines(columns, islice(rows, options.limit))
    else:
        return print_table(columns, rows, limit=DEFAULT_LIMIT if options.limit is None else options.limit)
    return None


def _describe_total(all_rows: ManifestView, rows: ManifestView, n_shown: int, is_all: bool) -> str:
    """Return how many rows were shown, and of how many."""
    n_rows = len(all_rows)
    n_found = n_shown if is_all else len(rows)
    words = f"{n_rows:,} {'row' if n_rows == 1 else 'rows'}"
    if n_found != n_rows:
        words = f"{n_found:,} of {words}"
    if isinstance(all_rows, UnpublishedRows):
        words += " of a build that was not published"
    return words if is_all else f"the first {n_shown:,} of {words}; see more with --limit"
