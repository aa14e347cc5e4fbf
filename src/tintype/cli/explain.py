"""``tintype explain``: what a build would do, and why."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tintype.cli.graph_arguments import add_graph_command, add_stage_option, finish

if TYPE_CHECKING:
    from luigi.task import Task

EXAMPLES = """\
  tintype explain --module products Products --base-dir data
  tintype explain --stage Cutouts --module products Products
  tintype explain --ignore code --module products Products
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``explain`` to the command line."""
    parser = add_graph_command(
        commands,
        "explain",
        run,
        help_text="what a build would do with each stage, and why",
        description="Show for each stage that is out of date what has changed, from what to what, and how many files a "
        "build would compute, reuse and remove. Nothing is built.",
        examples=EXAMPLES,
    )
    add_stage_option(parser, "explain this one; default: all that are out of date")
    parser.add_argument("--ignore", default="", metavar="KINDS", help="as of tintype rebuild")


def run(options: argparse.Namespace, task: Task) -> int:
    """Explain a graph; 1 when something cannot be said."""
    from tintype.rebuilding.explanation import explain

    explanation = explain(task, options.stage, ignore=options.ignore)
    return finish(explanation, options, is_ok=not explanation.errors)
