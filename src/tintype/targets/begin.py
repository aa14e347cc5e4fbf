"""Begin a build in a staging directory, or go on with one: what is there is resumed, set aside or cleared."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tintype.errors import StampError
from tintype.manifest.schema import RESERVED_NAMES
from tintype.recipe import Keep, Rebuild, Recipe, decide
from tintype.settings import TRIGGERS
from tintype.targets.earlier import INPUTS_NAME
from tintype.targets.lock import LOCK_NAME
from tintype.targets.relative_paths import remove_tree
from tintype.targets.stamp import read_stamp

RECIPE_NAME = "recipe.json"


class Beginning:
    """Decide what becomes of what an earlier run left in a staging directory.

    Parameters
    ----------
    folder
        The staging directory, locked.
    recipe
        What is to be built.
    triggers
        The kinds of difference between recipes that count.
    """

    def __init__(self, folder: Path, recipe: Recipe, triggers: Collection[str] = TRIGGERS) -> None:
        self._triggers = triggers
        self._folder = folder
        self._files = folder / "files"
        self._recipe = recipe

    def begin(self) -> tuple[str, bool]:
        """Return the build's id, and whether files must be proven by their bytes; clear what cannot be resumed."""
        begun, begun_recipe = self._read()
        wanted = self._recipe.to_json()
        deep = False
        decision = decide(begun_recipe, self._recipe, self._triggers)
        is_other = isinstance(decision, Rebuild) and any(reason.trigger != "inputs" for reason in decision.reasons)
        if begun is None or is_other or self._holds_replaced(begun):
            self._clear()
        else:
            # After a power cut a file may have its size and not its bytes.
            deep = begun.get("boot_id") != _boot_id()
            for name in RESERVED_NAMES:
                (self._files / name).unlink(missing_ok=True)
            if isinstance(decision, Keep):
                return str(begun["build_id"]), deep
            self._set_aside()
        begun = {"build_id": uuid.uuid4().hex, "boot_id": _boot_id(), "recipe": wanted}
        draft = self._folder / f"{RECIPE_NAME}.draft"
        draft.write_text(json.dumps(begun, indent=1) + "\n", encoding="utf-8")
        os.replace(draft, self._folder / RECIPE_NAME)
        return begun["build_id"], deep

    def _read(self) -> tuple[dict[str, Any] | None, Recipe | None]:
        """Return what was begun, and its recipe; None twice where nothing was that can be read."""
        try:
            begun = json.loads((self._folder / RECIPE_NAME).read_bytes())
            return {**begun, "build_id": begun["build_id"]}, Recipe.from_json(begun["recipe"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None, None

    def _holds_replaced(self, begun: Mapping[str, Any]) -> bool:
        """Return whether ``files`` is a directory that was swapped out, by a build that ended before it cleared up."""
        try:
            stamp = read_stamp(self._files)
        except StampError:
            return False  # our own, torn by a kill: a published stamp is whole
        return stamp is not None and stamp.build_id != begun["build_id"]

    def _clear(self) -> None:
        (self._folder / RECIPE_NAME).unlink(missing_ok=True)  # first: without it nothing here is resumed
        for entry in list(self._folder.iterdir()):
            if entry.name != LOCK_NAME:
                remove_tree(entry)

    def _set_aside(self) -> None:
        """Keep the results of a build whose inputs have changed: those of unchanged inputs are still right."""
        inputs = self._folder / INPUTS_NAME
        journals = sorted(self._folder.glob("rows-*.jsonl"))
        if journals and inputs.exists():
            earlier = self._folder / f"earlier-{len(list(self._folder.glob('earlier-*'))):04d}"
            earlier.mkdir()
            # In this order a kill between two steps leaves every journal beside the inputs that it is about.
            shutil.copyfile(inputs, earlier / inputs.name)
            for path in journals:
                os.rename(path, earlier / path.name)
        for path in (inputs, *self._folder.glob("rows-*.jsonl"), *self._folder.glob("added-*.jsonl")):
            path.unlink(missing_ok=True)


def _boot_id() -> str | None:
    """Return a text that changes when the machine starts anew; None where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
