"""Filling one directory of a dataset: decide, let a method fill staging, publish by one rename."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tintype.errors import StrayDirectoryError
from tintype.manifest.schema import STAMP_NAME, columns_schema, mark_staying, mark_undigested
from tintype.raw.labels import label_of_folder
from tintype.recipe import Keep, Rebuild, Recipe, decide
from tintype.settings import read_settings, read_triggers
from tintype.targets.directory import DirectoryTarget
from tintype.targets.path_index import PathIndex
from tintype.targets.relative_paths import printable
from tintype.targets.staging import Staging
from tintype.tasks.interruption import stoppable
from tintype.tasks.result_columns import added_batches

if TYPE_CHECKING:
    import pyarrow as pa

    from tintype.tasks.stage import Stage

logger = logging.getLogger("luigi-interface.tintype")

_COLUMNS: Mapping[str, type] = {"label": str}


@dataclass
class Filling:
    """A directory that is being filled."""

    layer: str
    folder: Path
    """Where its files go for now."""
    staging: Staging | None = None
    """None in another process, which may write into the folder."""
    open_until_published: ExitStack = field(default_factory=ExitStack)
    stage: Stage | None = None
    """The stage that has filled it, if one has; its rows are on the manifest."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle for a worker process: where to write, and nothing that is open here."""
        return Filling, (self.layer, self.folder)

    def run_stage(self, stage: Stage) -> None:
        """Have a stage of tintype's fill the folder."""
        assert self.staging is not None
        self.open_until_published.enter_context(stage.one_look())
        self.staging.column_types = dict(stage.recorded_columns)
        self.stage = stage
        stage.build(self.staging)

    def schema(self) -> pa.Schema:
        """Return the schema of the manifest's columns beyond the fixed ones."""
        if self.stage is None:
            return columns_schema(_COLUMNS)
        extra = mark_undigested(self.stage.extra_schema(), self.stage.undigested_columns)
        return mark_staying(extra, self.stage.columns_that_stay)

    def batches(self) -> Iterable[Mapping[str, Any]]:
        """Yield the rows of the manifest, column by column."""
        assert self.staging is not None
        if self.stage is None:
            return added_batches(self.staging.added, self.schema())
        return self.stage.manifest_batches(self.staging)

    def add_files(self) -> None:
        """Put every file that lies in the folder on the manifest, but for those that the stage has put there."""
        assert self.staging is not None
        known = PathIndex()
        if self.stage is not None:
            self.staging.rows.flush()
            self.staging.added.flush()
            for batch in self.batches():
                for path in batch["outpath"]:  # Arrow's values or plain ones
                    known.setdefault(str(path), len(known))
        has_label = self.stage is None or "label" in self.stage.recorded_columns
        for path in _walk_in_order(self.folder):
            if path not in known:
                label = label_of_folder(path)
                columns = {"label": None if label is None else printable(label)} if has_label else None
                self.staging.add(path, columns=columns)


def _walk_in_order(folder: Path, prefix: str = "") -> Iterator[str]:
    """Yield the relative path of each file, hidden ones and links too, in the order of their names."""
    with os.scandir(folder) as entries:
        found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    for name, is_folder in found:
        if is_folder:
            yield from _walk_in_order(folder / name, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}"


def decide_part(target: DirectoryTarget, recipe: Recipe) -> Keep | Rebuild:
    """Compare what is published with what is asked for. Changes nothing."""
    stamp = target.stamp()
    return decide(None if stamp is None else stamp.recipe, recipe, read_triggers())


def fill(
    target: DirectoryTarget, recipe: Recipe, layer: str, work: Callable[[Filling], None], *, name: str
) -> Keep | Rebuild:
    """Bring a directory up to date; return what was decided.

    Parameters
    ----------
    target
        The directory.
    recipe
        What it is made by.
    layer
        ``raw`` or ``processed``.
    work
        Fills the folder; what it raises leaves the directory as it is.
    name
        Of the method that does the work, for messages.
    """
    _refuse_stages(target)
    with stoppable(), Staging(target.folder, recipe, read_triggers()) as staging, ExitStack() as stack:
        decision = decide_part(target, recipe)  # another process may have built it meanwhile
        if isinstance(decision, Keep):
            staging.discard()
            return decision
        logger.info("%s: building (%s)", target, decision)
        staging.keeps_unchanged = decision.keeps_unchanged
        filling = Filling(layer, staging.files, staging, stack)
        work(filling)
        _refuse_written_beside(target, name)
        filling.add_files()
        stamp = staging.publish(filling.batches(), filling.schema(), durable=read_settings().durable)
    if not stamp.n_files:
        logger.warning("%s: %s wrote no files", target, name)
    logger.info("%s: published, %s files, %s bytes", target, f"{stamp.n_files:,}", f"{stamp.size_bytes:,}")
    return decision


def _refuse_stages(target: DirectoryTarget) -> None:
    """Refuse to replace a directory in which stages of Luigi publish theirs: they would go with it."""
    if not target.exists():
        return
    with os.scandir(target.folder) as entries:
        suspects = {entry.name for entry in entries if entry.is_dir() and _is_of_stage(Path(entry.path))}
    if suspects:  # raw data may well hold such folders, and then the manifest names them
        for batch in target.manifest().batches(["outpath"]):
            suspects -= {str(path).partition("/")[0] for path in batch.column(0).to_pylist()}
    for name in sorted(suspects):
        raise StrayDirectoryError(
            f"{target} holds {name}, which a Luigi stage has built, and would be replaced as a whole: "
            "give the dataset another base_dir"
        )


def _is_of_stage(folder: Path) -> bool:
    is_staging = folder.name.startswith(".") and folder.name.endswith(".staging")
    return is_staging or os.path.lexists(folder / STAMP_NAME)


def _refuse_written_beside(target: DirectoryTarget, name: str) -> None:
    folder = target.folder
    if target.stamp() is None and folder.is_dir() and any(folder.iterdir()):
        raise StrayDirectoryError(
            f"{name} wrote to {folder} itself, where an interrupted run would be taken for a whole one: write below "
            "self.raw_dir or self.processed_dir as they are while it runs, not as they were in __init__"
        )
