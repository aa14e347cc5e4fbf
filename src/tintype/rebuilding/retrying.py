"""Try again what failed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tintype.manifest.schema import Status
from tintype.rebuilding.building import carry_out, goals_of
from tintype.rebuilding.outcomes import RebuildReport
from tintype.rebuilding.survey import Look, choose, survey

if TYPE_CHECKING:
    from luigi.task import Task


def retry(
    task: Task,
    *,
    stages: str | Iterable[str] | None = None,
    errors: str | Iterable[str] | None = None,
    downstream: bool = True,
    workers: int = 1,
    dry_run: bool = False,
    wait: bool = True,
    luigi_options: Mapping[str, Any] | None = None,
) -> RebuildReport:
    """Try the failed inputs of stages again, and build what comes after them if anything came of it.

    A stage that was not published because of its failures, or was interrupted, is built again: it goes on where it
    was, and tries every input that failed, whatever its error.

    Parameters
    ----------
    task
        A stage, or any Luigi task that requires stages.
    stages
        Names of stages; None for every one that has failed inputs.
    errors
        Types of errors, such as ``DownloadTimeoutError``: inputs that failed with another stay failed; None for all.
    downstream
        Build what comes after those stages too.
    workers, dry_run, wait, luigi_options
        As of :func:`rebuild`.

    Returns
    -------
    RebuildReport
        What became of each stage; without stages when nothing had failed.

    Raises
    ------
    SettingsError
        When a stage is not known.
    """
    looks = survey(task)
    kinds = None if errors is None else frozenset([errors] if isinstance(errors, str) else errors)
    chosen = [look for look in choose(looks, stages) if has_failed(look, kinds)]
    if not chosen:
        return RebuildReport(is_dry_run=dry_run)
    orders = {look.status.key: {"kind": "retry", "error_types": kinds} for look in chosen if _has_failed_rows(look)}
    goals = [look.task for look in chosen]
    if downstream:
        goals = [*goals, *goals_of(looks)]
    return carry_out(goals, orders, dry_run=dry_run, workers=workers, wait=wait, luigi_options=luigi_options)


def has_failed(look: Look, error_types: frozenset[str] | None = None) -> bool:
    """Return whether a stage has inputs that failed with some types of errors, or a build of it failed.

    Parameters
    ----------
    look
        The stage.
    error_types
        The types; None for all.
    """
    if look.status.state == "failed":
        return True
    if not _has_failed_rows(look) or error_types is None:
        return _has_failed_rows(look)
    batches = look.stage.output().manifest().where(f"status == '{Status.FAILED}'").batches(["error_type"])
    return any(error_types & set(batch.column(0).to_pylist()) for batch in batches)


def _has_failed_rows(look: Look) -> bool:
    return look.status.stamp is not None and look.status.stamp.n_failed > 0
