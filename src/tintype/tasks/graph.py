"""The graph above a task, walked once for each question, without recursion."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
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


class Node(NamedTuple):
    """A task and what it requires."""

    task: Task
    requires: Any
    """What ``task.requires()`` returned: a task, or tasks in a list or a dict."""

    def upstream(self) -> list[Task]:
        """Return the tasks that are required."""
        return list(flatten(self.requires))


def walk_upstream_first(task: Task) -> list[Node]:
    """Return `task` and everything above it, each once and asked once, what is required before what requires it."""
    ordered: list[Node] = []
    seen: set[TaskIdentity] = set()
    waiting: list[Task | Node] = [task]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Node):
            ordered.append(current)
        elif identity(current) not in seen:
            seen.add(identity(current))
            required = current.requires()
            # A generator would be empty when it is asked again.
            node = Node(current, list(required) if isinstance(required, Iterator) else required)
            waiting.append(node)
            waiting.extend(node.upstream())
    return ordered


def upstream_first(task: Task) -> list[Task]:
    """Return `task` and everything above it, each once, what is required before what requires it."""
    return [node.task for node in walk_upstream_first(task)]


def map_tasks(structure: Any, function: Callable[[Task], Any]) -> Any:
    """Return what ``requires()`` returned with each task replaced, as Luigi makes ``input()`` of it."""
    if isinstance(structure, Task):
        return function(structure)
    if isinstance(structure, Mapping):
        return {name: map_tasks(one, function) for name, one in structure.items()}
    return [map_tasks(one, function) for one in structure]


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
