"""Read the command line, run one command, and end with its status: 0 done, 1 failed, 2 usage, 3 out of date."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from tintype.cli import accept, clean, diff, explain, preview, rebuild, report, retry, show, status, verify
from tintype.errors import TintypeError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the ``tintype`` command.

    Parameters
    ----------
    arguments
        Of the command line; those of the process when None.

    Returns
    -------
    int
        The exit status.
    """
    parser = make_parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and not hasattr(options, "takes_task"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.luigi_arguments = rest
    try:
        return int(options.run(options))
    except TintypeError as error:
        print(f"tintype: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Who read the output has seen enough (`tintype show ... | head`); keep Python from saying so at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="tintype", description="Look after the directories that tintype's stages publish.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"tintype {version('tintype')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    show.add_command(commands)
    diff.add_command(commands)
    for command in (status, explain, preview, report, rebuild, retry, verify, accept, clean):
        command.add_command(commands)
    return parser
