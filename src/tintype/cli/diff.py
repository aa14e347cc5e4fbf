"""``tintype diff``: what two published directories, or manifests, differ in."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from tintype.cli.show import DEFAULT_LIMIT, add_output_options
from tintype.cli.tables import format_cell, print_table
from tintype.manifest.difference import ChangedRow, ManifestDifference, compare
from tintype.manifest.reader import Manifest
from tintype.targets.directory import DirectoryTarget
from tintype.targets.stamp import Stamp

EPILOG = """\
examples:
  tintype diff data/interim/Cutouts old/data/interim/Cutouts
  tintype diff A B --summary --exit-code
  tintype diff A B --columns label,split -n 20
  tintype diff A B --json > changes.jsonl
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``diff`` to the command line."""
    parser = commands.add_parser(
        "diff",
        help="what two published directories differ in",
        description="Say which results were added, removed and changed from A to B, by their manifests.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("a", type=Path, metavar="A", help="a published directory, or a manifest file")
    parser.add_argument("b", type=Path, metavar="B", help="another one")
    add_output_options(
        parser,
        columns="columns to compare, with commas between; default the digest, the size, the error, and all carried and "
        "recorded columns that count in a directory's digest",
    )
    parser.add_argument("--summary", action="store_true", help="counts and totals, and no rows")
    parser.add_argument(
        "--json", action="store_true", help="as JSON, the summary in the first line, then one row a line"
    )
    parser.add_argument("--exit-code", action="store_true", help="exit status 1 when they differ")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare; 0 whatever differs, or 1 with ``--exit-code``."""
    manifests, stamps = zip(*(_find(path) for path in (options.a, options.b)), strict=True)
    stamp = None if options.columns else _find_shared_stamp(*stamps)
    if stamp is not None:
        if options.json:
            counts = {"n_added": 0, "n_removed": 0, "n_changed": 0, "n_unchanged": stamp.n_rows}
            print(json.dumps({"is_empty": True, **counts, "digest": stamp.digest}))
        else:
            print(f"equal: {stamp.n_rows:,} rows, {stamp.size_bytes:,} bytes, both with the digest {stamp.digest}")
        return 0
    difference = compare(*manifests, columns=options.columns)
    limit = 0 if options.summary else options.limit
    if options.json:
        print(json.dumps(difference.to_json()))
        for row in _list_rows(difference, limit):
            print(json.dumps(row, default=str))
    else:
        _print_summary(difference)
        if not options.summary:
            _print_rows(difference, DEFAULT_LIMIT if limit is None else limit)
    return 1 if options.exit_code and not difference.is_empty else 0


def _find(path: Path) -> tuple[Manifest, Stamp | None]:
    if path.is_file():
        return Manifest(path), None
    target = DirectoryTarget(path)
    return target.manifest(), target.stamp()


def _find_shared_stamp(a: Stamp | None, b: Stamp | None) -> Stamp | None:
    """Return a stamp that proves that nothing differs; None when the manifests have to be read.

    Rows without a file do not count in the digest, so that where there are any, only one and the same build will do.
    """
    if a is None or b is None or a.digest != b.digest:
        return None
    is_all_files = a.n_files == a.n_rows and b.n_files == b.n_rows
    return a if is_all_files or a.build_id == b.build_id else None


def _print_summary(difference: ManifestDifference) -> None:
    before, after = difference.totals_before, difference.totals_after
    counts = {name: getattr(difference, f"n_{name}") for name in ("added", "removed", "changed", "unchanged")}
    print(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    growth = after.size_bytes - before.size_bytes
    print(f"files: {before.n_files:,} -> {after.n_files:,}")
    print(f"bytes: {before.size_bytes:,} -> {after.size_bytes:,} ({growth:+,})")
    statuses = sorted({*before.statuses, *after.statuses})
    numbers = [f"{name} {before.statuses.get(name, 0):,} -> {after.statuses.get(name, 0):,}" for name in statuses]
    retyped = [f"{name} ({old} -> {new})" for name, (old, new) in difference.columns_retyped.items()]
    changed = [f"{name} {count:,}" for name, count in difference.n_changed_by_column.items()]
    for title, parts in {
        "rows by status": numbers,
        "changed rows by column": changed,
        "columns only in A": difference.columns_removed,
        "columns only in B": difference.columns_added,
        "columns of another type, not compared": retyped,
    }.items():
        if parts:
            print(f"{title}: {', '.join(parts)}")


def _print_rows(difference: ManifestDifference, limit: int) -> None:
    n_rows = [difference.n_removed, difference.n_added, difference.n_changed]
    if not any(n_rows):
        return
    print()
    rows = ([row["change"], _name(row), _describe_sizes(row), _describe(row)] for row in _list_rows(difference, limit))
    print_table(["change", "result", "bytes", "columns"], rows, limit=3 * limit)
    if max(n_rows) > limit:
        print(f"the first {limit:,} of each kind; see more with --limit", file=sys.stderr)


def _list_rows(difference: ManifestDifference, limit: int | None) -> Iterator[dict[str, Any]]:
    """Yield the rows that differ, at most `limit` of each kind."""
    for kind, rows in {"removed": difference.removed, "added": difference.added}.items():
        for row in islice(rows(), limit):
            yield {"change": kind, **{name: row[name] for name in ("inpath", "outpath", "status", "size_bytes")}}
    for changed in islice(difference.changed(), limit):
        yield _as_dict(changed)


def _as_dict(row: ChangedRow) -> dict[str, Any]:
    identity = {"inpath": row.inpath, "outpath": row.outpath, "status": row.status}
    return {"change": "changed", **identity, "size_bytes": row.size_bytes, "columns": dict(row.values)}


def _name(row: Mapping[str, Any]) -> str:
    """Return what a row is called: its file, or its input and what became of that."""
    return format_cell(row["outpath"] or f"{row['inpath']} ({row['status']})")


def _describe_sizes(row: Mapping[str, Any]) -> str:
    if row["change"] != "changed":
        return "" if row["size_bytes"] is None else f"{row['size_bytes']:,}"
    old, new = row["size_bytes"]
    if old == new:
        return "" if old is None else f"{old:,}"
    return f"{old or 0:,} -> {new or 0:,} ({(new or 0) - (old or 0):+,})"


def _describe(row: Mapping[str, Any]) -> str:
    """Return the columns that changed, with their values; a digest says no more than that it did."""
    parts = []
    for name, (old, new) in row.get("columns", {}).items():
        if name != "size_bytes":
            parts.append(name if name == "digest" else f"{name} {old!r} -> {new!r}")
    return ", ".join(parts)
