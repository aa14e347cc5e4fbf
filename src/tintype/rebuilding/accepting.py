"""Say that published directories are right for the code and parameters of today, without computing anything."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from luigi.task import Task, flatten

from tintype.errors import TintypeError
from tintype.manifest.schema import STAMP_NAME
from tintype.rebuilding.locking import held
from tintype.rebuilding.survey import Look, choose, survey
from tintype.rebuilding.words import describe_error, reason_to_json
from tintype.recipe import Reason, Rebuild, Recipe
from tintype.targets.disk_errors import disk_errors
from tintype.targets.renames import sync
from tintype.targets.stamp import Stamp
from tintype.tasks.stage import Stage

_DRAFT_NAME = "stamp.json.draft"


@dataclass(frozen=True)
class AcceptedStage:
    """What was accepted of one stage, and what was not."""

    name: str
    directory: str
    accepted: tuple[Reason, ...] = ()
    """Differences that do not count any more."""
    left: tuple[Reason, ...] = ()
    """Reasons to build that stay."""
    error: str = ""
    """Why nothing was accepted."""

    def lines(self, verb: str) -> list[str]:
        """Return this for people."""
        if self.error:
            return [f"{self.name}: {self.error}"]
        return [
            f"{self.name}: {verb if self.accepted else 'nothing to accept'}",
            *(f"  {verb}: {reason}" for reason in self.accepted),
            *(f"  left: {reason}" for reason in self.left),
        ]

    def to_json(self) -> dict[str, Any]:
        """Return this as plain values."""
        return {
            "name": self.name,
            "directory": self.directory,
            "accepted": [reason_to_json(reason) for reason in self.accepted],
            "left": [reason_to_json(reason) for reason in self.left],
            "error": self.error,
        }


@dataclass(frozen=True, repr=False)
class Acceptance:
    """What was accepted of a graph, stage by stage."""

    stages: tuple[AcceptedStage, ...]
    """Those of which something was accepted, or could not be, and those that were named."""
    is_dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing was refused."""
        return not self.errors

    @property
    def errors(self) -> tuple[str, ...]:
        """Why stages were refused, a sentence each."""
        return tuple(f"{stage.name}: {stage.error}" for stage in self.stages if stage.error)

    def __getitem__(self, name: str) -> AcceptedStage:
        """Return what was accepted of a stage by the name of its directory; KeyError when there is none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """Return this as plain values."""
        return {"ok": self.ok, "dry_run": self.is_dry_run, "stages": [stage.to_json() for stage in self.stages]}

    def __str__(self) -> str:
        verb = "would be accepted" if self.is_dry_run else "accepted"
        return "\n".join(line for stage in self.stages for line in stage.lines(verb)) or "nothing to accept"

    def __repr__(self) -> str:
        return str(self)


def accept(
    task: Task, *, stages: str | Iterable[str] | None = None, inputs: bool = False, dry_run: bool = False
) -> Acceptance:
    """Say that published directories are right for the code and parameters of today, without computing anything.

    A directory's stamp gets the recipe of today; its files, manifest and digest stay, so that nothing below is built
    because of this. Another version, other parameters and other code are accepted. Inputs that changed are not, unless
    `inputs` is true: a change of code or parameters may be known to make no difference, while from other files other
    results are wanted. They stay a reason to build, and as the only one it has just the changed files worked on.

    Parameters
    ----------
    task
        A stage, or any Luigi task that requires stages.
    stages
        Names of stages; None for every one that is published.
    inputs
        Accept changed inputs too.
    dry_run
        Return what would be accepted, and do nothing.

    Returns
    -------
    Acceptance
        What was accepted and what was not. A stage is refused when it, or what it reads, is not published, or when
        another process is building it.

    Raises
    ------
    SettingsError
        When a stage is not known.
    """
    accepted = []
    for look in choose(survey(task), stages):
        if stages is None and look.status.stamp is None and not look.status.error:
            continue
        one = _accept_stage(look, inputs=inputs, dry_run=dry_run)
        if stages is not None or one.accepted or one.left or one.error:
            accepted.append(one)
    return Acceptance(tuple(accepted), dry_run)


def _accept_stage(look: Look, *, inputs: bool, dry_run: bool) -> AcceptedStage:
    """Accept one stage, or say why not."""
    name, stage = look.status.name, look.stage
    folder = stage.output().folder
    try:
        change, refusal = _decide(stage, inputs=inputs)
        if change is not None and change.accepted and not dry_run:
            with held(folder) as staging:
                change, refusal = _decide(stage, inputs=inputs)  # a build may have ended just now
                if change is not None and change.accepted:
                    _replace_stamp(folder, change.stamp, staging)
    except (TintypeError, OSError) as error:
        return AcceptedStage(name, str(folder), error=describe_error(error))
    if change is None:
        return AcceptedStage(name, str(folder), error=refusal)
    return AcceptedStage(name, str(folder), change.accepted, change.left)


@dataclass(frozen=True)
class _Change:
    """A stamp as it would be, and what that settles."""

    stamp: Stamp
    accepted: tuple[Reason, ...]
    left: tuple[Reason, ...]


def _decide(stage: Stage, *, inputs: bool) -> tuple[_Change | None, str]:
    """Return the change of a stage's stamp; None and why not when it cannot be accepted. Touches nothing."""
    stamp = stage.output().stamp()
    if stamp is None:
        return None, "not published, so there is nothing to accept: build it"
    unpublished = [str(target) for target in flatten(stage.input()) if not target.exists()]
    if unpublished:
        return None, f"{unpublished[0]}, which it reads, is not published: build that first"
    wanted = stage.recipe()
    decision = stage.decide(wanted)
    reasons = decision.reasons if isinstance(decision, Rebuild) else ()
    kinds = {"version", "parameters", "code"} | ({"inputs"} if inputs else set())
    accepted = tuple(reason for reason in reasons if reason.trigger in kinds or reason.name == "family")
    left = tuple(reason for reason in reasons if reason not in accepted)
    return _Change(replace(stamp, recipe=_mix(stamp.recipe, wanted, inputs=inputs)), accepted, left), ""


def _mix(published: Recipe, wanted: Recipe, *, inputs: bool) -> Recipe:
    return wanted if inputs else replace(wanted, inputs=published.inputs)


def _replace_stamp(folder: Path, stamp: Stamp, staging: Path) -> None:
    """Put another stamp in a published directory: at every instant it has the whole old one or the whole new one."""
    draft = staging / _DRAFT_NAME  # not in the directory, which holds nothing but what its manifest names
    with disk_errors(f"accepting {folder}"):
        try:
            draft.write_text(json.dumps(stamp.to_json(), indent=1) + "\n", encoding="utf-8")
            sync(draft)
            os.replace(draft, folder / STAMP_NAME)
            sync(folder)
        finally:
            draft.unlink(missing_ok=True)
