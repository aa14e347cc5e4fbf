"""``tintype rebuild``: build what is out of date."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tintype.cli.graph_arguments import (
    add_build_options,
    add_graph_command,
    add_stage_option,
    build_log,
    finish,
    luigi_options,
    number_of_workers,
)

if TYPE_CHECKING:
    from luigi.task import Task

EXAMPLES = """\
  tintype rebuild --module products Products --base-dir data --workers 2
  tintype rebuild --dry-run --module products Products
  tintype rebuild --stage Cutouts --downstream --module products Products
  tintype rebuild --stage Cutouts --force --module products Products
  tintype rebuild --ignore code,version --module products Products
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``rebuild`` to the command line."""
    parser = add_graph_command(
        commands,
        "rebuild",
        run,
        help_text="build what is out of date, all of it or some stages",
        description="Build every stage that is out of date, or some. Who reads a directory has the old one until the "
        "new one is whole.",
        examples=EXAMPLES,
    )
    add_stage_option(parser, "build this one, with what it requires; default: everything")
    parser.add_argument("--downstream", action="store_true", help="with --stage: what comes after it too")
    parser.add_argument("--force", action="store_true", help="build the named stages, or everything, from nothing")
    parser.add_argument("--dry-run", action="store_true", help="show what would be built and why, and touch nothing")
    parser.add_argument(
        "--ignore",
        default="",
        metavar="KINDS",
        help="differences that do not count this time: any of version,parameters,inputs,code",
    )
    add_build_options(parser)


def run(options: argparse.Namespace, task: Task) -> int:
    """Build a graph; 1 when a stage failed."""
    from tintype.rebuilding.building import rebuild

    with build_log(options):
        report = rebuild(
            task,
            stages=options.stage,
            downstream=options.downstream,
            force=options.force,
            workers=number_of_workers(),
            dry_run=options.dry_run,
            ignore=options.ignore,
            wait=options.wait,
            luigi_options=luigi_options(options),
        )
    return finish(report, options, is_ok=report.ok)
