"""Where a report lies, and how it gets there: a whole folder that takes the place of the one before in one step."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tintype.errors import SettingsError, StampError, StrayDirectoryError
from tintype.targets.disk_errors import disk_errors
from tintype.targets.lock import FolderLock
from tintype.targets.relative_paths import remove_tree
from tintype.targets.renames import ExchangeUnsupportedError, exchange, rename_new
from tintype.targets.stamp import read_stamp
from tintype.tasks.attributes import changed_parameters
from tintype.tasks.naming import directory_name
from tintype.tasks.stage import Stage

if TYPE_CHECKING:
    from luigi.task import Task

    from tintype.rebuilding.survey import Look

REPORTS = "reports"
"""Folder of a base directory that reports go to, beside its layers."""
SUMMARY_NAME = "report.json"
"""In each report: what it adds up to, and the proof that it is one."""
_KEY = "tintype_report"
_FORMAT = 1


def default_folder(task: Task, looks: Sequence[Look]) -> Path:
    """Return where the report of a task goes when nobody says: ``<base_dir>/reports/<Name>``.

    Raises
    ------
    SettingsError
        When no stage says which base directory.
    """
    if isinstance(task, Stage):
        folder = task.output().folder
        return folder.parent.parent / REPORTS / folder.name
    stages = [look.stage for look in looks if look.status.is_stage]
    if not stages:
        raise SettingsError(f"{task.get_task_family()} requires no stage: there is nothing to report on")
    name = directory_name(task.get_task_family(), changed_parameters(task))
    return Path(stages[-1].base_dir).expanduser() / REPORTS / name


def refuse_place(folder: Path) -> None:
    """Refuse to write a report where something else stands, or inside a published directory.

    Raises
    ------
    StrayDirectoryError
        When `folder` is neither absent, nor empty, nor a report.
    SettingsError
        When it is below a directory that a stage publishes, which holds exactly what its manifest names.
    """
    for above in Path(os.path.abspath(folder)).parents:
        if _is_published(above):
            raise SettingsError(
                f"{folder} lies in {above}, which a stage publishes and which holds nothing else: "
                "choose a folder elsewhere"
            )
    if not os.path.lexists(folder) or is_report(folder):
        return
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        return
    raise StrayDirectoryError(
        f"{folder} is there, and is no report (it has no {SUMMARY_NAME}): move it away, or choose another folder"
    )


def is_report(folder: Path) -> bool:
    """Return whether a folder is a report that tintype wrote."""
    try:
        return _KEY in json.loads((folder / SUMMARY_NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return False


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write a report to; at the end of the block it takes its place in one step.

    When the block raises, or the process is killed, the report before stays. One process at a time.

    Raises
    ------
    StagingLockedError
        When another process is writing this report.
    StagingError
        When the disk refuses.
    """
    draft = folder.with_name(f".{folder.name}.draft")
    page, old = draft / "page", draft / "old"
    with disk_errors(f"writing {folder}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(draft, folder)
        try:
            if os.path.lexists(old) and not os.path.lexists(folder):
                os.rename(old, folder)  # an interrupted replacement
            for left in (page, old):
                remove_tree(left)
            page.mkdir()
            yield page
            refuse_place(folder)
            _move_in(page, folder, old)
        finally:
            remove_tree(draft)
            lock.release()


def write_summary(folder: Path, values: Mapping[str, Any]) -> None:
    """Write what a report adds up to."""
    text = json.dumps({_KEY: _FORMAT, **values}, indent=1)
    (folder / SUMMARY_NAME).write_text(text + "\n", encoding="utf-8")


def _move_in(page: Path, folder: Path, old: Path) -> None:
    """Put the new report where it belongs; what was there stays in the draft."""
    try:
        rename_new(page, folder)
        return
    except FileExistsError:
        pass
    try:
        exchange(page, folder)
    except ExchangeUnsupportedError:
        os.rename(folder, old)
        try:
            os.rename(page, folder)
        except BaseException:
            os.rename(old, folder)
            raise


def _is_published(folder: Path) -> bool:
    try:
        return read_stamp(folder) is not None
    except StampError:
        return True
