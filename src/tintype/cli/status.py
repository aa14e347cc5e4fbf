"""``tintype status``: the state of every stage of a graph."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tintype.cli.graph_arguments import OUT_OF_DATE, add_graph_command, finish

if TYPE_CHECKING:
    from luigi.task import Task

    from tintype.rebuilding.graph_status import GraphStatus, TreeLine

EXAMPLES = """\
  tintype status --module products Products --base-dir data
  tintype status --check --module products Products || echo out of date
  tintype status --json --module products Products
"""

_STYLES = {
    "complete": "green",
    "stale": "yellow",
    "failed": "red",
    "building": "cyan",
    "never built": "dim",
    "error": "bold red",
}


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``status`` to the command line."""
    parser = add_graph_command(
        commands,
        "status",
        run,
        help_text="the state of every stage of a task's graph",
        description="Show which stages are complete, stale, failed, being built or were never built, and why.",
        examples=EXAMPLES,
    )
    parser.add_argument("--check", action="store_true", help="exit with status 3 when anything is out of date")


def run(options: argparse.Namespace, task: Task) -> int:
    """Show the state of a graph; 3 with --check when it is out of date, 1 when it cannot be said."""
    from tintype.rebuilding.graph_status import status

    found = status(task)
    if sys.stdout.isatty() and not options.json:
        _draw(found)
        text = ""
    else:
        text = str(found)
    exit_status = finish(found, options, is_ok=not found.errors, text=text)
    return OUT_OF_DATE if options.check and not exit_status and not found.is_complete else exit_status


def _draw(found: GraphStatus) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tintype.rebuilding.graph_status import COLUMNS, RIGHT

    table = Table(box=None, header_style="dim", pad_edge=False)
    for place, name in enumerate(COLUMNS):
        table.add_column(name, justify="right" if place in RIGHT else "left", no_wrap=place < len(COLUMNS) - 1)
    for line in found.tree():
        style = _STYLES[line.task.state]
        cells = line.cells(_guide(line))
        table.add_row(*(Text(cell, style=style if place == 1 else "") for place, cell in enumerate(cells)))
    Console().print(table)


def _guide(line: TreeLine) -> str:
    """Return the lines that lead to a task in a drawn tree."""
    if not line.guides:
        return ""
    start = "".join("│  " if goes_on else "   " for goes_on in line.guides[:-1])
    return start + ("├─ " if line.guides[-1] else "└─ ")
