"""``tintype verify``: the files of directories against their manifests, and their repair."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tintype.cli.graph_arguments import (
    FAILED,
    UP_TO_DATE,
    USAGE,
    add_build_options,
    add_graph_command,
    add_stage_option,
    build_log,
    finish,
    luigi_options,
    number_of_workers,
    run_with_task,
)
from tintype.settings import count_usable_cores
from tintype.targets.directory import DirectoryTarget

if TYPE_CHECKING:
    from luigi.task import Task

EXAMPLES = """\
  tintype verify data/interim/Thumbnails data/processed/Products
  tintype verify --deep --module products Products --base-dir data
  tintype verify --deep --repair --module products Products --base-dir data
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``verify`` to the command line."""
    parser = add_graph_command(
        commands,
        "verify",
        run_on_graph,
        help_text="the files of directories against their manifests, and their repair",
        description="Compare the files of published directories with their manifests, of those that are named or of "
        "all stages of a task's graph; exit status 1 when they differ and were not repaired.",
        examples=EXAMPLES,
    )
    parser.usage = (
        "tintype verify [options] directory ...\n"
        "       tintype verify [options] --module MODULE TASK [task parameters] [luigi options]"
    )
    parser.add_argument("--deep", action="store_true", help="compare the bytes of every file, not only its size")
    parser.add_argument("--n-jobs", type=int, default=count_usable_cores(), help="files looked at at once")
    parser.add_argument(
        "--repair", action="store_true", help="with a task: make the files again that are missing or changed"
    )
    parser.add_argument(
        "--remove-extra", action="store_true", help="with --repair: remove files that no manifest names"
    )
    add_stage_option(parser, "with a task: look at this one; default: all")
    add_build_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Verify directories, or the stages of a graph when there is a ``--module``."""
    arguments: list[str] = options.luigi_arguments
    if any(argument.partition("=")[0] == "--module" for argument in arguments):
        return run_with_task(options, run_on_graph)
    wrong = [argument for argument in arguments if argument.startswith("-")]
    if wrong or not arguments:
        said = f"unknown option {wrong[0]}" if wrong else "name directories, or --module MODULE TASK"
    elif options.repair or options.remove_extra or options.stage:
        said = "--repair, --remove-extra and --stage need the task: --module MODULE TASK"
    else:
        return _run_on_directories([Path(argument) for argument in arguments], options)
    print(f"tintype: {said}", file=sys.stderr)
    return USAGE


def run_on_graph(options: argparse.Namespace, task: Task) -> int:
    """Verify the stages of a graph, and repair them; 1 when something is wrong at the end."""
    from tintype.rebuilding.repairing import repair, verify_graph

    if not options.repair:
        found = verify_graph(task, stages=options.stage, deep=options.deep, n_jobs=options.n_jobs)
        return finish(found, options, is_ok=found.ok)
    with build_log(options):
        report = repair(
            task,
            stages=options.stage,
            deep=options.deep,
            n_jobs=options.n_jobs,
            remove_extra=options.remove_extra,
            workers=number_of_workers(),
            wait=options.wait,
            luigi_options=luigi_options(options),
        )
    return finish(report, options, is_ok=report.ok)


def _run_on_directories(directories: list[Path], options: argparse.Namespace) -> int:
    """Verify each directory; 1 when any differs from its manifest."""
    is_ok = True
    for directory in directories:
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
    return UP_TO_DATE if is_ok else FAILED
