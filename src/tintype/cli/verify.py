"""``tintype verify``: the files of a directory against its manifest."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tintype.settings import count_usable_cores
from tintype.targets.directory import DirectoryTarget


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``verify`` to the command line."""
    parser = commands.add_parser(
        "verify",
        help="the files of directories against their manifests",
        description="Compare the files of published directories with their manifests; exit status 1 when they differ.",
    )
    parser.add_argument("directories", type=Path, nargs="+", metavar="directory", help="as data/interim/Thumbnails")
    parser.add_argument("--deep", action="store_true", help="compare the bytes of every file, not only its size")
    parser.add_argument("--json", action="store_true", help="as JSON, one directory a line")
    parser.add_argument("--n-jobs", type=int, default=count_usable_cores(), help="files looked at at once")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Verify each directory; 1 when any differs from its manifest."""
    is_ok = True
    for directory in options.directories:
        found = DirectoryTarget(directory).verify(deep=options.deep, n_jobs=options.n_jobs)
        is_ok = is_ok and found.ok
        differences = {"missing": found.missing, "changed": found.changed, "extra": found.extra}
        if options.json:
            print(json.dumps({"directory": str(directory), "ok": found.ok, "n_files": found.n_files, **differences}))
            continue
        counts = ", ".join(f"{len(paths):,} {name}" for name, paths in differences.items() if paths)
        print(f"{directory}: {found.n_files:,} files, {counts or 'all as the manifest says'}")
        for name, paths in differences.items():
            for path in paths:
                print(f"  {name}: {path if path.isprintable() else ascii(path)}")
    return 0 if is_ok else 1
