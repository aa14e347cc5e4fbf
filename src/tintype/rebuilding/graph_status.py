"""The state of every task of a graph, from one walk over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tintype.rebuilding.survey import survey
from tintype.rebuilding.task_status import TaskStatus
from tintype.rebuilding.words import align, describe_age, describe_size

if TYPE_CHECKING:
    from luigi.task import Task


@dataclass(frozen=True, repr=False)
class GraphStatus:
    """The state of every task of a graph, as it was at one time."""

    tasks: tuple[TaskStatus, ...]
    """What is required before what requires it; the last is the task that was asked about."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is out of date."""
        return all(task.state == "complete" for task in self.tasks)

    @property
    def errors(self) -> tuple[str, ...]:
        """What kept tasks from being looked at, one sentence each."""
        return tuple(f"{task.name}: {task.error}" for task in self.tasks if task.error)

    def __getitem__(self, name: str) -> TaskStatus:
        """Return the state of a task by its name, such as ``Cutouts``; KeyError when there is none."""
        for task in self.tasks:
            if name in (task.name, task.family):
                return task
        raise KeyError(name)

    def tree(self) -> list[TreeLine]:
        """Return the graph as the lines of a tree: the last task first, under each what it requires.

        A task that is required more than once stands in full where it comes first.
        """
        return list(_tree(self.tasks))

    def to_json(self) -> dict[str, Any]:
        """Return the state as plain values."""
        return {"complete": self.is_complete, "tasks": [task.to_json() for task in self.tasks]}

    def __str__(self) -> str:
        return align([COLUMNS, *(line.cells("  " * line.depth) for line in self.tree())], right=RIGHT)

    def __repr__(self) -> str:
        return str(self)


COLUMNS = ("task", "state", "files", "failed", "size", "age", "")
"""What :meth:`TreeLine.cells` returns."""
RIGHT = (2, 3, 4, 5)
"""Which of them hold numbers."""


@dataclass(frozen=True)
class TreeLine:
    """One line of a graph that is drawn as a tree."""

    task: TaskStatus
    depth: int
    guides: tuple[bool, ...]
    """For each level above, and for this one, whether more follows on it."""
    kind: Literal["first", "again"]
    """Whether the task was drawn before."""

    def cells(self, start: str) -> Sequence[str]:
        """Return the line's cells; `start` comes before the name."""
        task = self.task
        if self.kind == "again":
            return f"{start}{task.name}", task.state, "", "", "", "", "see above"
        stamp = task.stamp
        if stamp is None:
            return f"{start}{task.name}", task.state, "", "", "", "", task.describe()
        return (
            f"{start}{task.name}",
            task.state,
            f"{stamp.n_files:,}",
            f"{stamp.n_failed:,}" if stamp.n_failed else "",
            describe_size(stamp.size_bytes),
            describe_age(stamp.time_published),
            task.describe(),
        )


def status(task: Task) -> GraphStatus:
    """Return the state of a task and of everything above it. Changes nothing.

    The graph is walked once, and of each directory only the stamp is read.

    Parameters
    ----------
    task
        A stage, or any Luigi task that requires stages.

    Examples
    --------
    >>> from tintype import Stage
    >>> class Greetings(Stage):
    ...     layer = "processed"
    ...     def build(self, staging):
    ...         (staging.files / "hello.txt").write_text("hello")
    ...         staging.add("hello.txt")
    >>> print(status(Greetings(base_dir="/nonexistent")))
    task       state        files  failed  size  age
    Greetings  never built
    """
    return GraphStatus(tuple(look.status for look in survey(task)))


def _tree(tasks: Sequence[TaskStatus]) -> list[TreeLine]:
    by_key = {task.key: task for task in tasks}
    lines: list[TreeLine] = []
    seen: set[str] = set()
    waiting: list[tuple[TaskStatus, tuple[bool, ...]]] = [(tasks[-1], ())]
    while waiting:
        task, guides = waiting.pop()
        is_again = task.key in seen and bool(task.requires)
        lines.append(TreeLine(task, len(guides), guides, "again" if task.key in seen else "first"))
        seen.add(task.key)
        if not is_again:
            above = [by_key[key] for key in task.requires]
            children = [(child, (*guides, place < len(above) - 1)) for place, child in enumerate(above)]
            waiting.extend(reversed(children))
    return lines
