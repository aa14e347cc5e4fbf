"""What builds leave behind below a base directory, and what shows that it is tintype's. Changes nothing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tintype.errors import StampError
from tintype.rebuilding.survey import Look
from tintype.rebuilding.words import describe_error
from tintype.recipe import Recipe
from tintype.targets.begin import RECIPE_NAME
from tintype.targets.lock import LOCK_NAME
from tintype.targets.siblings import staging_folder
from tintype.targets.staging_state import find_builder
from tintype.targets.stamp import read_stamp
from tintype.tasks.naming import show_path
from tintype.tasks.stage import LAYERS, Stage

Kind = Literal["staging", "trash", "old", "directory"]

_HIDDEN = re.compile(r"\.(?P<name>.+)\.(?:(?P<staging>staging)|(?P<kind>trash|old)-[0-9a-f]{12}(?:[0-9a-f]{20})?)")


@dataclass(frozen=True)
class Leftover:
    """Something that a build left behind, or that no stage of the graph writes."""

    kind: Kind
    path: Path
    published: Path
    """The directory that it is about."""
    action: Literal["remove", "put back", "keep"]
    why: str
    error: str = ""
    """Why that could not be done."""

    def line(self, *, is_dry_run: bool) -> str:
        """Return this for people."""
        done = {"remove": "removed", "put back": "put back", "keep": "kept"}
        planned = {"remove": "would remove", "put back": "would put back", "keep": "keeps"}
        verb = "failed" if self.error else (planned if is_dry_run else done)[self.action]
        return f"{verb} {show_path(str(self.path))} ({self.error or self.why})"

    def to_json(self) -> dict[str, Any]:
        """Return this as plain values."""
        return {
            "kind": self.kind,
            "path": show_path(str(self.path)),
            "action": self.action,
            "why": self.why,
            "error": self.error,
        }


def find_leftovers(looks: Sequence[Look], *, staging: bool) -> Iterator[Leftover]:
    """Yield what lies in the layers of the base directories of a graph and is not what its stages publish.

    Parameters
    ----------
    looks
        The stages of the graph.
    staging
        Whether staging that waits to be resumed counts.
    """
    stages = {os.path.realpath(look.stage.output().folder): look.stage for look in looks}
    bases = dict.fromkeys(Path(look.stage.base_dir).expanduser() for look in looks)
    for layer in dict.fromkeys(os.path.realpath(base / layer) for base in bases for layer in LAYERS):
        for path in _folders(Path(layer)):
            match = _HIDDEN.fullmatch(path.name)
            if match is None and path.name.startswith("."):
                continue  # no stage has such a name
            name = path.name if match is None else match["name"]
            stage = stages.get(str(path.parent / name))
            if match is None:
                leftover = None if stage is not None else _judge_directory(path)
            elif match["staging"]:
                leftover = _judge_staging(path, path.with_name(name), stage, also_current=staging)
            else:
                leftover = _judge_replaced(path, path.with_name(name), match["kind"])
            if leftover is not None:
                yield leftover


def is_ours(folder: Path) -> bool:
    """Return whether a folder holds what only tintype writes: a stamp, or the recipe or the lock of a build."""
    try:
        return _is_recipe(folder / RECIPE_NAME) or _is_lock(folder / LOCK_NAME) or read_stamp(folder) is not None
    except (OSError, StampError):
        return False


def _is_recipe(path: Path) -> bool:
    try:
        begun = json.loads(path.read_bytes())
        return bool(begun["build_id"]) and Recipe.from_json(begun["recipe"]).family != ""
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _is_lock(path: Path) -> bool:
    try:
        return {"pid", "host", "since"} <= set(json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return False


def _folders(layer: Path) -> list[Path]:
    """Return the real folders in a layer, in order; links are not ours to follow."""
    try:
        with os.scandir(layer) as entries:
            return sorted(layer / entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _judge_directory(path: Path) -> Leftover | None:
    """Return what becomes of a directory that no stage of the graph writes; None when tintype did not publish it."""
    try:
        stamp = read_stamp(path)
    except StampError as error:
        return Leftover("directory", path, path, "keep", describe_error(error))
    if stamp is None:
        return None
    builder = find_builder(staging_folder(path))
    if builder is not None:
        return Leftover("directory", path, path, "keep", f"being built by {builder}")
    why = f"no stage of the graph writes it; {stamp.n_files:,} files of {stamp.recipe.family}"
    return Leftover("directory", path, path, "remove", why)


def _judge_staging(path: Path, published: Path, stage: Stage | None, *, also_current: bool) -> Leftover:
    builder = find_builder(path)
    if builder is not None:
        return Leftover("staging", path, published, "keep", f"being built by {builder}")
    if not is_ours(path):
        return Leftover("staging", path, published, "keep", "it cannot be shown that tintype made it")
    if stage is None:
        return Leftover("staging", path, published, "remove", "no stage of the graph writes its directory")
    if not _is_of_now(path, stage):
        return Leftover("staging", path, published, "remove", "of another recipe")
    if also_current:
        return Leftover("staging", path, published, "remove", "waits to be resumed")
    return Leftover("staging", path, published, "keep", "waits to be resumed")


def _judge_replaced(path: Path, published: Path, kind: str) -> Leftover:
    """Return what becomes of a directory that was on its way out when a process ended."""
    of_kind: Kind = "old" if kind == "old" else "trash"
    builder = find_builder(staging_folder(published))
    if builder is not None:
        return Leftover(of_kind, path, published, "keep", f"its directory is being built by {builder}")
    if of_kind == "old" and not os.path.lexists(published):
        if is_ours(path):
            return Leftover("old", path, published, "put back", "its replacement never came")
        return Leftover("old", path, published, "keep", "it cannot be shown that tintype made it")
    if is_ours(path) or not os.listdir(path):
        return Leftover(of_kind, path, published, "remove", "left by an interrupted replacement")
    return Leftover(of_kind, path, published, "keep", "it cannot be shown that tintype made it")


def _is_of_now(folder: Path, stage: Stage) -> bool:
    """Return whether a build would go on with what is in its staging directory, all or part of it."""
    try:
        begun = Recipe.from_json(json.loads((folder / RECIPE_NAME).read_bytes())["recipe"])
        wanted = stage.recipe()
    except FileNotFoundError:
        return False
    except Exception:  # noqa: BLE001, what cannot be compared may be of use yet
        return True
    return {**begun.to_json(), "inputs": {}} == {**wanted.to_json(), "inputs": {}}
