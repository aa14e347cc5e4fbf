"""``tintype report``: a page about a graph of stages, to look at."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tintype.cli.graph_arguments import FAILED, UP_TO_DATE, add_graph_command, print_json

if TYPE_CHECKING:
    from luigi.task import Task

EXAMPLES = """\
  tintype report --module products Products --base-dir data
  tintype report --out page --samples 200 --seed 3 --module products Products
  tintype report --json --module products Products
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``report`` to the command line."""
    parser = add_graph_command(
        commands,
        "report",
        run,
        help_text="write a page about the stages of a task's graph: pictures, failures, distributions, labels",
        description="Write one folder with an index.html that needs no network: the graph, and of each published stage "
        "a sample of its files, step by step; failures by type and host; distributions; labels and parts; files alike.",
        examples=EXAMPLES,
    )
    parser.add_argument("--out", metavar="FOLDER", help="where to write it; default: BASE_DIR/reports/NAME")
    parser.add_argument("--samples", type=int, metavar="N", help="files to show of each stage; default: 48")
    parser.add_argument("--seed", type=int, default=0, help="which files; another number gives others; default: 0")


def run(options: argparse.Namespace, task: Task) -> int:
    """Write the report; 1 when a stage could not be shown."""
    from tintype.report import write_report

    report = write_report(task, options.out, samples=options.samples, seed=options.seed)
    if options.json:
        print_json(report.to_json())
    else:
        print(report)
    sys.stdout.flush()
    for error in report.errors:
        print(f"tintype: {error}", file=sys.stderr)
    return FAILED if report.errors else UP_TO_DATE
