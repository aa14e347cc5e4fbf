"""``tintype retry``: try failed files again."""

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
  tintype retry --module products Products --base-dir data
  tintype retry --error DownloadTimeoutError --error ConnectionFailedError --module products Products
  tintype retry --stage Photos --no-downstream --module products Products
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``retry`` to the command line."""
    parser = add_graph_command(
        commands,
        "retry",
        run,
        help_text="try the files again that failed, and no others",
        description="Try the failed files of published stages again, go on with builds that failed, and build what "
        "comes after them if anything came of it.",
        examples=EXAMPLES,
    )
    add_stage_option(parser, "only the failed files of this one; default: all")
    parser.add_argument(
        "--error", action="append", metavar="TYPE", help="only files that failed with this; may be given several times"
    )
    parser.add_argument(
        "--no-downstream", dest="downstream", action="store_false", help="leave alone what comes after those stages"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and touch nothing")
    add_build_options(parser)


def run(options: argparse.Namespace, task: Task) -> int:
    """Try again what failed; 1 when a stage failed."""
    from tintype.rebuilding.retrying import retry

    with build_log(options):
        report = retry(
            task,
            stages=options.stage,
            errors=options.error,
            downstream=options.downstream,
            workers=number_of_workers(),
            dry_run=options.dry_run,
            wait=options.wait,
            luigi_options=luigi_options(options),
        )
    return finish(report, options, is_ok=report.ok)
