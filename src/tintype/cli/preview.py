"""``tintype preview``: try a stage on a few items before anything is built."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from tintype.cli.graph_arguments import UP_TO_DATE, add_graph_command, print_json
from tintype.errors import SettingsError
from tintype.write_funcs.image import FORMATS

if TYPE_CHECKING:
    from luigi.task import Task

    from tintype.tasks.stage import Stage

EXAMPLES = """\
  tintype preview --module products Cutouts --base-dir data
  tintype preview --stage Cutouts -n 12 --seed 3 --out cutouts.png --module products Products
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``preview`` to the command line."""
    parser = add_graph_command(
        commands,
        "preview",
        run,
        help_text="try a stage on a few items: before, after, and the time of each step",
        description="Put a few items through a stage as its code is now, from the nearest directories that are up to "
        "date, and write one image that shows them before and after. Nothing is built.",
        examples=EXAMPLES,
    )
    parser.add_argument("--stage", metavar="STAGE", help="the stage to try; default: the task itself")
    parser.add_argument("-n", type=int, default=8, metavar="N", dest="n_items", help="items to try; default: 8")
    parser.add_argument("--seed", type=int, default=0, help="which items; another number gives others; default: 0")
    parser.add_argument("--side", type=int, default=192, help="longest side of a small image in pixels; default: 192")
    parser.add_argument("--out", metavar="FILE", help="the image to write; default: STAGE-preview.png, here")


def run(options: argparse.Namespace, task: Task) -> int:
    """Try a stage, and write what is seen."""
    stage = find_stage(task, options.stage)
    path = options.out or f"{stage.output().folder.name}-preview.png"
    if os.path.splitext(path)[1].lower() not in FORMATS:  # before minutes of work are done for it
        raise SettingsError(f"--out {path} names no kind of image: end it in one of {', '.join(FORMATS)}")
    preview = stage.try_it(options.n_items, seed=options.seed, side=options.side)
    preview.save(path)
    if options.json:
        print_json({**preview.to_json(), "image": path})
    else:
        print(preview)
        print(f"See {path}")
    return UP_TO_DATE


def find_stage(task: Task, name: str | None) -> Stage:
    """Return the stage that is meant.

    Raises
    ------
    SettingsError
        When there is none, or several.
    """
    from tintype.rebuilding.survey import choose, survey
    from tintype.tasks.stage import Stage

    if name is None:
        if isinstance(task, Stage):
            return task
        raise SettingsError(f"{task.get_task_family()} is no stage: say which to try with --stage")
    found = choose(survey(task), name)
    if len(found) > 1:
        raise SettingsError(
            f"--stage {name} names {len(found)} stages: give one of {', '.join(look.status.name for look in found)}"
        )
    return found[0].stage
