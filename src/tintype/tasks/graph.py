"""The graph above a task, walked once for each question, without recursion."""

from __future__ import annotations

import os
from weakref import WeakValueDictionary

from luigi.task import Task, flatten

from tintype.errors import DirectoryConflictError

_claims: WeakValueDictionary[str, Task] = WeakValueDictionary()


def upstream_first(task: Task) -> list[Task]:
    """Return `task` and everything above it, each once, what is required before what requires it."""
    ordered: list[Task] = []
    seen: set[str] = set()
    waiting: list[tuple[Task, bool]] = [(task, False)]
    while waiting:
        current, is_expanded = waiting.pop()
        if is_expanded:
            ordered.append(current)
        elif current.task_id not in seen:
            seen.add(current.task_id)
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
    if other is not None and _identity(other) != _identity(task):
        raise DirectoryConflictError(
            f"{_describe(other)} and {_describe(task)} would both write {folder}: "
            "give one of the classes another name, or another base_dir"
        )
    _claims[place] = task


def _identity(task: Task) -> tuple[str, str, str]:
    return type(task).__module__, type(task).__qualname__, task.task_id


def _describe(task: Task) -> str:
    return f"{type(task).__module__}.{type(task).__qualname__} ({task})"
