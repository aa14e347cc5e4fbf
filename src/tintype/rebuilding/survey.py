"""One walk over a graph: each task with its state, and the choice of some stages by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import luigi
from luigi.task import Task, flatten

from tintype.errors import SettingsError, TintypeError
from tintype.rebuilding.task_status import State, TaskStatus
from tintype.rebuilding.words import describe_error
from tintype.recipe import Keep, Reason, Rebuild
from tintype.targets.staging_state import StagingState, look_at_staging
from tintype.targets.stamp import Stamp
from tintype.tasks.graph import TaskIdentity, claim_directory, identity, upstream_first
from tintype.tasks.naming import show_path
from tintype.tasks.stage import Stage


@dataclass(frozen=True)
class Look:
    """A task and its state."""

    task: Task
    status: TaskStatus

    @property
    def stage(self) -> Stage:
        """The task, where it is a stage."""
        assert isinstance(self.task, Stage)
        return self.task


def survey(*roots: Task) -> list[Look]:
    """Return some tasks and everything above them with their states, what is required before what requires it.

    Each task is looked at once, so this costs a small read a stage.

    Parameters
    ----------
    roots
        The tasks.
    """
    tasks = {identity(task): task for root in roots for task in upstream_first(root)}
    names = _name_tasks(list(tasks.values()))
    found: dict[TaskIdentity, Look] = {}
    for key, task in tasks.items():
        above = [found[required] for required in _required(task)]
        if isinstance(task, Stage):
            found[key] = Look(task, _look_at_stage(task, above))
        else:
            found[key] = Look(task, _look_at_other(task, names[key], above))
    return list(found.values())


def key_of(task: Task) -> str:
    """Return a text that tells a task from every other."""
    return ".".join(identity(task))


def choose(looks: Sequence[Look], stages: str | Iterable[str] | None) -> list[Look]:
    """Return the stages that are asked for, in the order of the graph.

    Parameters
    ----------
    looks
        The graph.
    stages
        Names: family, class, directory, or layer and directory (``interim/Cutouts``), one or several, also with commas
        between; None for every stage.

    Raises
    ------
    SettingsError
        When the graph has no such stage; the message names those it has.
    """
    all_stages = [look for look in looks if look.status.is_stage]
    if stages is None:
        return all_stages
    texts = [stages] if isinstance(stages, str) else list(stages)
    names = {id(look): _names_of(look) for look in all_stages}
    known = {name for some in names.values() for name in some}
    wanted = [name for text in texts for name in ([text] if text in known else text.split(","))]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise SettingsError(
            f"the graph has no stage {unknown[0]!r}: it has {', '.join(look.status.name for look in all_stages)}"
        )
    return [look for look in all_stages if names[id(look)] & set(wanted)]


def _names_of(look: Look) -> set[str]:
    stage = look.stage
    folder = stage.output().folder
    return {stage.get_task_family(), type(stage).__name__, folder.name, f"{stage.layer}/{folder.name}"}


def _required(task: Task) -> list[TaskIdentity]:
    return list(dict.fromkeys(identity(required) for required in flatten(task.requires())))


def _name_tasks(tasks: Sequence[Task]) -> dict[TaskIdentity, str]:
    families = Counter(task.get_task_family() for task in tasks)
    return {
        identity(task): show_path(task.get_task_family() if families[task.get_task_family()] == 1 else str(task))
        for task in tasks
    }


def _look_at_stage(task: Stage, above: Sequence[Look]) -> TaskStatus:
    """Return the state of a stage, given what is above it."""
    waits_for = tuple(look.status.name for look in above if look.status.state != "complete")
    stamp: Stamp | None = None
    staging: StagingState | None = None
    reasons: tuple[Reason, ...] = ()
    state: State
    error = ""
    folder = task.output().folder
    is_read = False
    try:
        claim_directory(task, str(folder))
        stamp = task.output().stamp()
        is_read = True
        recipe = task.recipe()
        decision = task.decide(recipe)
        staging = look_at_staging(folder, recipe)
        reasons = decision.reasons if isinstance(decision, Rebuild) else ()
        state = _state(isinstance(decision, Keep) and not waits_for, stamp, staging)
    except Exception as problem:  # noqa: BLE001, whatever a user's own code raises is what there is to show
        state = "stale" if stamp is not None else "never built"
        # What is to be built first, or is broken there, is said there.
        is_of_above = is_read and waits_for and isinstance(problem, OSError | TintypeError)
        if not is_of_above:
            state, error = "error", describe_error(problem)
    return TaskStatus(
        name=show_path(folder.name),
        family=task.get_task_family(),
        key=key_of(task),
        state=state,
        requires=tuple(look.status.key for look in above),
        waits_for=waits_for,
        reasons=reasons,
        directory=str(folder),
        stamp=stamp,
        staging=staging,
        error=error,
    )


def _state(is_complete: bool, stamp: Stamp | None, staging: StagingState | None) -> State:
    if staging is not None and staging.builder is not None:
        return "building"
    if is_complete:
        return "complete"
    if staging is not None:
        return "failed"
    return "never built" if stamp is None else "stale"


def _look_at_other(task: Task, name: str, above: Sequence[Look]) -> TaskStatus:
    """Return the state of a task that is no stage: what it says itself."""
    waits_for = tuple(look.status.name for look in above if look.status.state != "complete")
    state: State
    error = ""
    try:
        # A wrapper asks everything above it, which would walk the graph once more.
        is_wrapper = type(task).complete is luigi.WrapperTask.complete
        is_complete = not waits_for if is_wrapper else bool(task.complete())
        state = "complete" if is_complete else "never built"
    except Exception as problem:  # noqa: BLE001, whatever a user's own code raises is what there is to show
        state, error = "error", describe_error(problem)
    return TaskStatus(
        name=name,
        family=task.get_task_family(),
        key=key_of(task),
        state=state,
        requires=tuple(look.status.key for look in above),
        waits_for=() if state == "complete" else waits_for,
        error=error,
    )
