"""``tintype clean``: list and remove what builds left behind."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tintype.cli.graph_arguments import add_graph_command, finish

if TYPE_CHECKING:
    from luigi.task import Task

EXAMPLES = """\
  tintype clean --module products Products --base-dir data
  tintype clean --yes --module products Products
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``clean`` to the command line."""
    parser = add_graph_command(
        commands,
        "clean",
        run,
        help_text="list, or remove, what builds left behind",
        description="List abandoned staging, what interrupted replacements left, and directories that no stage of the "
        "graph writes, those of other graphs in the same base directory among them. With --yes they are removed. "
        "Nothing is touched that tintype cannot be shown to have made, or that is being built.",
        examples=EXAMPLES,
    )
    parser.add_argument("--dry-run", action="store_true", help="list only, also with --yes; default without --yes")
    parser.add_argument("--yes", action="store_true", help="remove what is listed")
    parser.add_argument("--staging", action="store_true", help="builds that wait to be resumed too")


def run(options: argparse.Namespace, task: Task) -> int:
    """Clean up after a graph; 1 when something could not be removed."""
    from tintype.rebuilding.cleaning import clean

    report = clean(task, dry_run=options.dry_run or not options.yes, staging=options.staging)
    return finish(report, options, is_ok=report.ok)
