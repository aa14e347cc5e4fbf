"""What a build would do, and why, before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tintype.rebuilding.survey import Look, choose, survey
from tintype.rebuilding.task_status import TaskStatus
from tintype.rebuilding.triggers import triggers_off
from tintype.rebuilding.words import describe_error
from tintype.recipe import Reason
from tintype.tasks.file_stage import FileStage
from tintype.tasks.forecast import Forecast
from tintype.tasks.stage import Stage

if TYPE_CHECKING:
    from luigi.task import Task

_LONGEST_VALUE = 200


@dataclass(frozen=True)
class StageExplanation:
    """What a build would do with one stage, and why."""

    status: TaskStatus
    forecast: Forecast | None = None
    """How many inputs would be taken over, worked on and removed; None where it cannot be said yet: of what is no file
    stage, and as long as something above is to be built first."""
    error: str = ""
    """What kept the inputs from being counted."""
    unread_code: tuple[str, ...] = ()
    """What the stage's code uses and tintype cannot read, so that changes in it are not seen."""

    @property
    def name(self) -> str:
        """Of the stage's directory."""
        return self.status.name

    def lines(self) -> list[str]:
        """Return the explanation for people: first what, then why."""
        task = self.status
        lines = [f"{self.name}: {self._what()}"]
        lines.extend(f"  {reason.trigger}: {_describe_reason(reason)}" for reason in task.reasons)
        if task.error or self.error:
            lines.append(f"  error: {task.error or self.error}")
        if task.staging is not None:
            waits = f"being built by {task.staging.builder}" if task.staging.builder else "waits to be resumed"
            if not (task.staging.is_current or task.staging.builder):
                waits = "made by another recipe"
            lines.append(f"  staging: {task.staging.n_finished:,} finished, {task.staging.n_failed:,} failed, {waits}")
        lines.extend(f"  not read: {name}" for name in self.unread_code)
        return lines

    def _what(self) -> str:
        task = self.status
        if task.state == "complete":
            return "up to date"
        if task.waits_for:
            after = f"after {' and '.join(task.waits_for)} {'is' if len(task.waits_for) == 1 else 'are'} built"
            return f"would be built {after}" if task.reasons else f"decided {after}: built if they come out different"
        if self.forecast is None:
            return "cannot be said" if task.error else "would be built"
        counts = {
            "computed": self.forecast.n_computed,
            "reused": self.forecast.n_reused,
            "finished before": self.forecast.n_finished,
            "removed": self.forecast.n_removed,
        }
        said = [f"{n_files:,} {name}" for name, n_files in counts.items() if n_files or name in ("computed", "reused")]
        return f"would be built, files: {', '.join(said)}"

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as plain values."""
        forecast = self.forecast
        counts = None
        if forecast is not None:
            counts = {
                "n_computed": forecast.n_computed,
                "n_reused": forecast.n_reused,
                "n_finished": forecast.n_finished,
                "n_removed": forecast.n_removed,
            }
        task = self.status.to_json()
        return {**task, "error": task["error"] or self.error, "forecast": counts, "unread_code": list(self.unread_code)}


@dataclass(frozen=True, repr=False)
class Explanation:
    """What a build would do, stage by stage, and why."""

    stages: tuple[StageExplanation, ...] = field(default=())

    @property
    def errors(self) -> tuple[str, ...]:
        """What cannot be said, and why, a sentence for each stage."""
        stages = ((stage.name, stage.status.error or stage.error) for stage in self.stages)
        return tuple(f"{name}: {error}" for name, error in stages if error)

    def __getitem__(self, name: str) -> StageExplanation:
        """Return the explanation of a stage by its name; KeyError when there is none."""
        for stage in self.stages:
            if name in (stage.name, stage.status.family):
                return stage
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """Return the explanation as plain values."""
        return {"stages": [stage.to_json() for stage in self.stages]}

    def __str__(self) -> str:
        lines = [line for stage in self.stages for line in stage.lines()]
        return "\n".join(lines) or "everything is up to date"

    def __repr__(self) -> str:
        return str(self)


def explain(task: Task, stages: str | Iterable[str] | None = None, *, ignore: str | Iterable[str] = ()) -> Explanation:
    """Return what a build would do and why. Changes nothing.

    The inputs of a file stage are counted when everything above it is built; this reads its list of inputs and its
    manifest.

    Parameters
    ----------
    task
        A stage, or any Luigi task that requires stages.
    stages
        Names of stages; None for every one that is out of date.
    ignore
        Kinds of difference that do not count: any of ``version``, ``parameters``, ``inputs`` and ``code``.

    Raises
    ------
    SettingsError
        When a stage or a kind of difference is not known.

    Examples
    --------
    >>> from tintype import Stage
    >>> class Farewells(Stage):
    ...     layer = "processed"
    ...     def build(self, staging):
    ...         (staging.files / "bye.txt").write_text("bye")
    ...         staging.add("bye.txt")
    >>> print(explain(Farewells(base_dir="/nonexistent")))
    Farewells: would be built
      missing: never built
    """
    with triggers_off(ignore):
        looks = survey(task)
        chosen = choose(looks, stages)
        if stages is None:
            chosen = [look for look in chosen if look.status.state != "complete"]
        return explain_looks(chosen)


def explain_looks(looks: Sequence[Look]) -> Explanation:
    """Return the explanation of some stages that were looked at just now."""
    return Explanation(tuple(_explain_stage(look) for look in looks if look.status.is_stage))


def _explain_stage(look: Look) -> StageExplanation:
    forecast: Forecast | None = None
    error = ""
    can_count = look.status.state in ("stale", "failed", "never built") and not look.status.waits_for
    if can_count and isinstance(look.task, FileStage):
        try:
            forecast = look.task.forecast()
        except Exception as problem:  # noqa: BLE001, whatever a user's own source raises is what there is to show
            error = describe_error(problem)
    return StageExplanation(look.status, forecast, error, _unread_code(look.stage))


def _unread_code(stage: Stage) -> tuple[str, ...]:
    """Return what of a stage's code cannot be read; nothing when not even that can be said."""
    try:
        return stage.code().unread
    except Exception:  # noqa: BLE001, the same problem is the error of the stage's state
        return ()


def _describe_reason(reason: Reason) -> str:
    """Return a reason with its values before and after, where its text does not have them."""
    if reason.before is None or reason.after is None or reason.trigger not in ("inputs", "code"):
        return reason.text
    return f"{reason.text}, from {_shorten(reason.before)} to {_shorten(reason.after)}"


def _shorten(value: str) -> str:
    """Return a value in one line; of a digest its beginning."""
    if len(value) == 64 and all(letter in "0123456789abcdef" for letter in value):
        return value[:12]
    return value if len(value) <= _LONGEST_VALUE else f"{value[: _LONGEST_VALUE - 1]}…"
