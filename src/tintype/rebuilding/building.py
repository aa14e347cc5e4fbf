"""Build what is out of date, all of it or some stages, and say what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from tintype.rebuilding.explanation import explain_looks
from tintype.rebuilding.locking import held, remove_staging
from tintype.rebuilding.outcomes import OldInputs, RebuildReport, sum_up
from tintype.rebuilding.running import run_tasks
from tintype.rebuilding.survey import Look, choose, survey
from tintype.rebuilding.triggers import triggers_off
from tintype.targets.siblings import staging_folder
from tintype.tasks.orders import standing_order

if TYPE_CHECKING:
    from luigi.task import Task


def rebuild(
    task: Task,
    *,
    stages: str | Iterable[str] | None = None,
    downstream: bool = False,
    force: bool = False,
    workers: int = 1,
    dry_run: bool = False,
    ignore: str | Iterable[str] = (),
    wait: bool = True,
    luigi_options: Mapping[str, Any] | None = None,
) -> RebuildReport:
    """Build what is out of date. Who reads a directory has the old one until the new one is whole.

    Parameters
    ----------
    task
        A stage, or any Luigi task that requires stages.
    stages
        Names of stages to build, with what they require; None for everything.
    downstream
        Of `stages`: build what comes after them too.
    force
        Build `stages`, or everything, from nothing, also what is up to date and what an earlier build has finished.
    workers
        Processes that work on stages at once.
    dry_run
        Return what would be done, and do nothing.
    ignore
        Kinds of difference that do not count this time: any of ``version``, ``parameters``, ``inputs`` and ``code``.
    wait
        When another process is building one of the stages, wait until it ends, and go on; else that stage fails.
    luigi_options
        More for ``luigi.build``, such as ``scheduler_host``; ``local_scheduler`` is true unless it is given here.

    Returns
    -------
    RebuildReport
        What became of each stage; its ``ok`` says whether everything that was asked for is up to date. A stage that
        fails raises nothing: its error is in the report.

    Raises
    ------
    SettingsError
        When a stage or a kind of difference is not known.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from tintype import Stage
    >>> class Salutes(Stage):
    ...     layer = "processed"
    ...     def build(self, staging):
    ...         (staging.files / "salute.txt").write_text("ahoy")
    ...         staging.add("salute.txt")
    >>> with TemporaryDirectory() as folder:
    ...     first = rebuild(Salutes(base_dir=folder))
    ...     second = rebuild(Salutes(base_dir=folder))
    >>> first["Salutes"].state, first["Salutes"].n_computed
    ('built', 1)
    >>> second["Salutes"].state
    'kept'
    """
    with triggers_off(ignore):
        looks = survey(task)
        chosen = choose(looks, stages)
        is_all = stages is None or downstream
        goals = goals_of(looks) if is_all else [look.task for look in chosen]
        orders = {look.status.key: {"kind": "force"} for look in chosen} if force else {}
        return carry_out(goals, orders, dry_run=dry_run, workers=workers, wait=wait, luigi_options=luigi_options)


def goals_of(looks: Sequence[Look]) -> list[Task]:
    """Return what to ask Luigi for to have a whole graph up to date: the last task, and all that is out of date.

    Luigi does not look above a task that says of itself that it is complete, as one that is no stage may.
    """
    stale = [look.task for look in looks[:-1] if look.status.is_stage and look.status.state != "complete"]
    return [*stale, looks[-1].task]


def carry_out(
    goals: Sequence[Task],
    orders: Mapping[str, Mapping[str, Any]],
    *,
    dry_run: bool = False,
    workers: int = 1,
    wait: bool = True,
    luigi_options: Mapping[str, Any] | None = None,
) -> RebuildReport:
    """Build some tasks and what they require, under orders.

    Parameters
    ----------
    goals
        The tasks.
    orders
        For the key of a stage what is asked for of it, as of :func:`standing_order`.
    dry_run, workers, wait, luigi_options
        As of :func:`rebuild`.
    """
    if not goals:
        return RebuildReport(is_dry_run=dry_run)
    with ExitStack() as stack:
        for look in survey(*goals):
            order = orders.get(look.status.key)
            if order is not None:
                stack.enter_context(standing_order(look.stage.output(), **order))
        looks = survey(*goals)
        if dry_run:
            stale = [look for look in looks if look.status.state != "complete"]
            return RebuildReport(plan=explain_looks(stale), is_dry_run=True)
        for look in looks:
            if orders.get(look.status.key) == {"kind": "force"}:
                _begin_anew(look)
        old = stack.enter_context(OldInputs(looks))
        runs = run_tasks(goals, workers=workers, wait=wait, luigi_options=luigi_options)
        return sum_up(looks, survey(*goals), runs, old)


def _begin_anew(look: Look) -> None:
    """Drop what an interrupted build of a stage has finished; what another process is building is left to it."""
    folder = look.stage.output().folder
    if look.status.state != "building" and staging_folder(folder).is_dir():
        with held(folder):
            remove_staging(folder)
