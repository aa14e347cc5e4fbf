"""What the commands that take a task share: the task as ``luigi`` reads it, their options, their output."""

from __future__ import annotations

import argparse
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from typing import TYPE_CHECKING, Any, Protocol

from tintype.errors import TintypeError

if TYPE_CHECKING:
    from luigi.task import Task

UP_TO_DATE, FAILED, USAGE, OUT_OF_DATE = 0, 1, 2, 3
"""Exit statuses."""

_SCHEDULER = ("scheduler-host", "scheduler-port", "scheduler-url")
_TASK_HELP = (
    "The task is named as for luigi: --module MODULE TASK, then its parameters and luigi's own options. A parameter "
    "that has the name of an option below is given as --TASK-name."
)


class UsageError(TintypeError, ValueError):
    """The command line names no task that there is."""


class Report(Protocol):
    """What a command comes to."""

    @property
    def errors(self) -> tuple[str, ...]:
        """What went wrong, a sentence each."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""


def add_graph_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace, Task], int],
    *,
    help_text: str,
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    """Add a command that takes a task to the command line.

    Parameters
    ----------
    commands
        The commands there are.
    name
        Of the command.
    run
        Runs it, given its options and the task, and returns the exit status.
    help_text, description, examples
        For people.
    """
    parser = commands.add_parser(
        name,
        help=help_text,
        usage=f"tintype {name} [options] --module MODULE TASK [task parameters] [luigi options]",
        description=f"{description} {_TASK_HELP}",
        epilog=f"examples:\n{examples}",
        formatter_class=_HelpFormatter,
        allow_abbrev=False,  # a task parameter is never taken for the beginning of an option
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=lambda options: run_with_task(options, run), takes_task=True)
    return parser


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Wrap the description, and leave the examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)  # noqa: SLF001, its only seam


def add_stage_option(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add ``--stage``."""
    parser.add_argument("--stage", action="append", metavar="STAGE", help=f"{help_text}; may be given several times")


def add_build_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that build."""
    parser.add_argument("--central", action="store_true", help="use luigi's central scheduler; default: a local one")
    parser.add_argument(
        "--wait",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="when another process is building a stage, wait until it ends, and go on; default: wait",
    )


def run_with_task(options: argparse.Namespace, run: Callable[[argparse.Namespace, Task], int]) -> int:
    """Run a command with the task that the rest of its command line names."""
    try:
        with open_task(options.luigi_arguments) as task:
            return run(options, task)
    except UsageError as error:
        print(f"tintype: {error}", file=sys.stderr)
        return USAGE
    except (TintypeError, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001, whatever a user's own code raises is one sentence here
        from tintype.rebuilding.words import describe_error

        print(f"tintype: {describe_error(error)}", file=sys.stderr)
        return FAILED


@contextmanager
def open_task(arguments: Sequence[str]) -> Iterator[Task]:
    """Return the task that Luigi reads from a command line; until the end of the block its options hold.

    Raises
    ------
    UsageError
        When there is no such module, task or parameter, or none is named.
    """
    from luigi.cmdline_parser import CmdlineParser
    from luigi.parameter import ParameterException
    from luigi.task_register import TaskClassException

    said = io.StringIO()
    try:
        with redirect_stderr(said):
            instance = CmdlineParser.global_instance(list(arguments))
            parser = instance.__enter__()
    except SystemExit as error:
        if not error.code:
            raise
        raise UsageError(_last_line(said.getvalue()) or f"{error.code}: name one after --module MODULE") from error
    except ModuleNotFoundError as error:
        raise UsageError(f"there is no module {error.name}: give its folder in PYTHONPATH, as PYTHONPATH=.") from error
    except TaskClassException as error:
        raise UsageError(" ".join(str(error).split()) or type(error).__name__) from error
    try:
        try:
            task = parser.get_task_obj()
        except (ParameterException, ValueError) as error:
            if isinstance(error, TintypeError):
                raise
            raise UsageError(" ".join(str(error).split()) or type(error).__name__) from error
        yield task
    finally:
        instance.__exit__(None, None, None)


def luigi_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return what ``luigi.build`` is to be told: a local scheduler, unless another is named or configured."""
    from luigi.configuration import get_config

    named = {argument.split("=", 1)[0].removeprefix("--") for argument in options.luigi_arguments}
    if "local-scheduler" in named:
        return {"local_scheduler": True}
    names = [name.replace("-", "_") for name in _SCHEDULER]
    is_configured = any(get_config().has_option("core", key) for name in names for key in (name, f"default_{name}"))
    return {"local_scheduler": not (options.central or named & set(_SCHEDULER) or is_configured)}


def number_of_workers() -> int:
    """Return the value of luigi's ``--workers``."""
    from luigi.interface import core

    return int(core().workers)


@contextmanager
def build_log(options: argparse.Namespace) -> Iterator[None]:
    """Write what tintype has to say about builds to the standard error, and of Luigi its warnings alone.

    Where Luigi's own options for logging are given, it is set up as they say.
    """
    if any(argument.startswith(("--log-level", "--logging-conf-file")) for argument in options.luigi_arguments):
        from luigi.interface import core
        from luigi.setup_logging import InterfaceLogging

        InterfaceLogging.setup(core())
        yield
        return
    logger = logging.getLogger("luigi-interface")
    before = logger.level, logger.propagate
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(_is_worth_saying)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


def finish(report: Report, options: argparse.Namespace, *, is_ok: bool, text: str | None = None) -> int:
    """Print a report, then its errors, and return the exit status.

    Parameters
    ----------
    report
        What the command came to.
    options
        Of the command line.
    is_ok
        Whether that is a success.
    text
        The report for people, where it is not printed yet and is not the report's own text.
    """
    if options.json:
        print_json(report.to_json())
    else:
        print(report if text is None else text)
    sys.stdout.flush()
    for error in report.errors:
        print(f"tintype: {error}", file=sys.stderr)
    return UP_TO_DATE if is_ok else FAILED


def print_json(values: Mapping[str, Any]) -> None:
    """Print plain values as JSON."""
    print(json.dumps(values, indent=1))


def _is_worth_saying(record: logging.LogRecord) -> bool:
    """Return whether a record is for the person at the command line; errors come in the summary, without a trace."""
    if record.name.startswith("luigi-interface.tintype"):
        return True
    return record.levelno >= logging.WARNING and not record.exc_info


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].partition("error: ")[2] if lines else ""
