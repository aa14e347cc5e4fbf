"""The graph above a task, walked once for each question, without recursion."""

from __future__ import annotations

import os
from typing import NamedTuple
from weakref import WeakValueDictionary

from luigi.task import Task, flatten

from tintype.errors import DirectoryConflictError


class TaskIdentity(NamedTuple):
    """What tells two tasks apart. Luigi's id alone does not: two modules may have a class of one name."""

    module: str
    class_name: str
    task_id: str


def identity(task: Task) -> TaskIdentity:
    """Return what tells `task` from others."""
    return TaskIdentity(type(task).__module__, type(task).__qualname__, task.task_id)


_claims: WeakValueDictionary[str, Task] = WeakValueDictionary()


def upstream_first(task: Task) -> list[Task]:
    """Return `task` and everything above it, each once, what is required before what requires it."""
    ordered: list[Task] = []
    seen: set[TaskIdentity] = set()
    waiting: list[tuple[Task, bool]] = [(task, False)]
    while waiting:
        current, is_expanded = waiting.pop()
        if is_expanded:
            ordered.append(current)
        elif identity(current) not in seen:
            seen.add(identity(current))
            waiting.append((current, True))
            waiting.extend((required, False) for required in flatten(current.requires()))
    return ordered


def claim_directory(task: Task, folder: str) -> None:
    """Note that `task` is the one that writes `folder`.

    Raises
    ------
    DirectoryConflictError
        When another task of this process writes it too. A class that was defined again, in a notebook, is not another.
    """
    place = os.path.realpath(folder)
    other = _claims.get(place)
    if other is not None and not _is_same_or_newer(task, other):
        raise DirectoryConflictError(
            f"{_describe(other)} and {_describe(task)} would both write {folder}: "
            "give one of the classes another name, or another base_dir"
        )
    _claims[place] = task


def _is_same_or_newer(task: Task, other: Task) -> bool:
    if type(task) is type(other):
        return identity(task) == identity(other)
    # Defined again, maybe with other parameters.
    return identity(task)[:2] == identity(other)[:2]


def _describe(task: Task) -> str:
    return f"{type(task).__module__}.{type(task).__qualname__} ({task})"
