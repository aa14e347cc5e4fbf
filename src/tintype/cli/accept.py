"""``tintype accept``: say that what is published is right for the code and parameters of today."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tintype.cli.graph_arguments import add_graph_command, add_stage_option, finish

if TYPE_CHECKING:
    from luigi.task import Task

EXAMPLES = """\
  tintype accept --dry-run --module products Products --base-dir data
  tintype accept --stage Cutouts --module products Products
  tintype accept --stage Cutouts --inputs --module products Products
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``accept`` to the command line."""
    parser = add_graph_command(
        commands,
        "accept",
        run,
        help_text="say that what is published is right for today's code and parameters",
        description="Note in the stamps of published directories that they are right for the version, parameters and "
        "code of now. Nothing is computed, and no digest changes. Changed inputs stay a reason to build, unless "
        "--inputs is given: from other files other results are wanted.",
        examples=EXAMPLES,
    )
    add_stage_option(parser, "accept this one; default: all that are published")
    parser.add_argument("--inputs", action="store_true", help="accept changed inputs too")
    parser.add_argument("--dry-run", action="store_true", help="show what would be accepted, and touch nothing")


def run(options: argparse.Namespace, task: Task) -> int:
    """Accept what is published; 1 when a stage was refused."""
    from tintype.rebuilding.accepting import accept

    acceptance = accept(task, stages=options.stage, inputs=options.inputs, dry_run=options.dry_run)
    return finish(acceptance, options, is_ok=acceptance.ok)
