"""Compare the directories of a graph with their manifests, and make again what is missing or changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tintype.rebuilding.building import carry_out
from tintype.rebuilding.locking import held
from tintype.rebuilding.outcomes import RebuildReport
from tintype.rebuilding.survey import Look, choose, survey
from tintype.rebuilding.words import describe_error
from tintype.settings import count_usable_cores
from tintype.targets.relative_paths import printable
from tintype.targets.verification import Verification
from tintype.tasks.file_stage import FileStage

if TYPE_CHECKING:
    from luigi.task import Task


@dataclass(frozen=True)
class DirectoryCheck:
    """One directory against its manifest."""

    name: str
    key: str
    """Tells the stage from every other of the graph."""
    directory: str
    found: Verification | None = None
    """None when nothing is published, or it cannot be compared."""
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether the directory is as its manifest says; one that is not published has nothing wrong."""
        return not self.error and (self.found is None or self.found.ok)

    def lines(self) -> list[str]:
        """Return the check for people: a summary, then every path that is wrong."""
        if self.error or self.found is None:
            return [f"{self.directory}: {self.error or 'not published'}"]
        named = {"missing": self.found.missing, "changed": self.found.changed, "extra": self.found.extra}
        counts = ", ".join(f"{len(paths):,} {name}" for name, paths in named.items() if paths)
        lines = [f"{self.directory}: {self.found.n_files:,} files, {counts or 'all as the manifest says'}"]
        return lines + [f"  {name}: {_show(path)}" for name, paths in named.items() for path in paths]

    def to_json(self) -> dict[str, Any]:
        """Return the check as plain values."""
        found = self.found
        return {
            "directory": self.directory,
            "ok": self.ok,
            "published": found is not None,
            "n_files": 0 if found is None else found.n_files,
            "missing": [] if found is None else list(map(printable, found.missing)),
            "changed": [] if found is None else list(map(printable, found.changed)),
            "extra": [] if found is None else list(map(printable, found.extra)),
            "error": self.error,
        }


@dataclass(frozen=True, repr=False)
class GraphVerification:
    """The directories of a graph against their manifests."""

    directories: tuple[DirectoryCheck, ...]

    @property
    def ok(self) -> bool:
        """Whether every published directory is as its manifest says."""
        return all(check.ok for check in self.directories)

    @property
    def errors(self) -> tuple[str, ...]:
        """What could not be compared, and why."""
        return tuple(f"{check.directory}: {check.error}" for check in self.directories if check.error)

    def to_json(self) -> dict[str, Any]:
        """Return the checks as plain values."""
        return {"ok": self.ok, "directories": [check.to_json() for check in self.directories]}

    def __str__(self) -> str:
        return "\n".join(line for check in self.directories for line in check.lines())

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, repr=False)
class RepairReport:
    """What was wrong with the directories of a graph, what was done, and what is wrong now."""

    before: GraphVerification
    after: GraphVerification
    rebuilt: RebuildReport
    """What was made again."""
    kept_extra: tuple[str, ...] = ()
    """Names of stages left alone, because a repair would remove files that no manifest names."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong now."""
        return self.after.ok and self.rebuilt.ok and not self.kept_extra

    @property
    def errors(self) -> tuple[str, ...]:
        """What could not be repaired, and why."""
        left = tuple(
            f"{name}: files that no manifest names would be lost: move them away, or have them removed"
            for name in self.kept_extra
        )
        return (*left, *self.rebuilt.errors)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "ok": self.ok,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "rebuilt": self.rebuilt.to_json(),
            "kept_extra": list(self.kept_extra),
        }

    def __str__(self) -> str:
        said = [str(self.before)]
        if self.rebuilt.outcomes:
            said.append(str(self.rebuilt))
        if self.before != self.after:
            said.append(str(self.after))
        return "\n\n".join(said)

    def __repr__(self) -> str:
        return str(self)


def verify_graph(
    task: Task, *, stages: str | Iterable[str] | None = None, deep: bool = False, n_jobs: int | None = None
) -> GraphVerification:
    """Compare the published directories of a graph with their manifests. Changes nothing.

    Parameters
    ----------
    task
        A stage, or any Luigi task that requires stages.
    stages
        Names of stages; None for all.
    deep
        Compare the bytes of each file too, not only its size.
    n_jobs
        Files looked at at once; the number of usable cores when None.

    Raises
    ------
    SettingsError
        When a stage is not known.
    """
    looks = choose(survey(task), stages)
    return GraphVerification(tuple(_check(look, deep=deep, n_jobs=n_jobs) for look in looks))


def repair(
    task: Task,
    *,
    stages: str | Iterable[str] | None = None,
    deep: bool = False,
    n_jobs: int | None = None,
    remove_extra: bool = False,
    workers: int = 1,
    wait: bool = True,
    luigi_options: Mapping[str, Any] | None = None,
) -> RepairReport:
    """Make the files again that are missing from the directories of a graph, or are not what their manifests say.

    Of a file stage just those files are made again; any other stage is built anew as a whole. What comes out with the
    digest it had before has nothing below it built. A directory that also holds files which no manifest names is left
    alone unless these may be removed.

    Parameters
    ----------
    task
        A stage, or any Luigi task that requires stages.
    stages
        Names of stages; None for all.
    deep
        Compare the bytes of each file too, not only its size.
    n_jobs
        Files looked at at once; the number of usable cores when None.
    remove_extra
        Remove files that no manifest names.
    workers, wait, luigi_options
        As of :func:`rebuild`.

    Raises
    ------
    SettingsError
        When a stage is not known.
    StagingLockedError
        When another process is building a directory from which files are to be removed.
    """
    looks = {look.status.key: look for look in choose(survey(task), stages)}
    before = GraphVerification(tuple(_check(look, deep=deep, n_jobs=n_jobs) for look in looks.values()))
    orders: dict[str, Mapping[str, Any]] = {}
    kept_extra = []
    for check in before.directories:
        look = looks[check.key]
        if check.error and look.status.stamp is not None:
            orders[check.key] = {"kind": "force"}  # its manifest cannot be read
        if check.found is None or check.found.ok:
            continue
        if check.found.extra and remove_extra:
            _remove_files(look.stage.output().folder, check.found.extra)
        if check.found.missing or check.found.changed:
            if check.found.extra and not remove_extra:
                kept_extra.append(check.name)
            else:
                orders[check.key] = _order(look, check.found)
    goals = [looks[key].task for key in orders]
    rebuilt = carry_out(goals, orders, workers=workers, wait=wait, luigi_options=luigi_options)
    after = tuple(
        check if check.ok else _check(looks[check.key], deep=deep, n_jobs=n_jobs) for check in before.directories
    )
    return RepairReport(before, GraphVerification(after), rebuilt, tuple(kept_extra))


def _order(look: Look, found: Verification) -> Mapping[str, Any]:
    stamp = look.status.stamp
    if isinstance(look.task, FileStage) and stamp is not None and stamp.files_in is None:
        return {"kind": "repair", "outpaths": (*found.missing, *found.changed)}
    return {"kind": "force"}


def _check(look: Look, *, deep: bool, n_jobs: int | None) -> DirectoryCheck:
    target = look.stage.output()
    check = DirectoryCheck(look.status.name, look.status.key, target.path)
    try:
        if target.stamp() is None:
            return check
        found = target.verify(deep=deep, n_jobs=n_jobs or count_usable_cores())
    except (OSError, ValueError) as error:
        return DirectoryCheck(check.name, check.key, check.directory, error=describe_error(error))
    return DirectoryCheck(check.name, check.key, check.directory, found)


def _remove_files(folder: Path, outpaths: Iterable[str]) -> None:
    """Remove files from a published directory, and the folders that are empty then."""
    with held(folder):
        for outpath in outpaths:
            (folder / outpath).unlink(missing_ok=True)
            for parent in Path(outpath).parents[:-1]:
                try:
                    os.rmdir(folder / parent)
                except OSError:
                    break  # something else is in it


def _show(path: str) -> str:
    return path if path.isprintable() else ascii(path)
