"""Stand-ins: made files in the place of what a stage would publish, so that only what comes after it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tintype.errors import SettingsError
from tintype.manifest.schema import columns_schema
from tintype.raw.labels import label_of_folder
from tintype.recipe import Keep, Recipe
from tintype.targets.relative_paths import check_outpath
from tintype.targets.staging import Staging
from tintype.tasks.result_columns import added_batches
from tintype.tasks.stage import Stage
from tintype.testing.images import encode
from tintype.write_funcs.files import write_bytes

if TYPE_CHECKING:
    from luigi.task import Task

Files = Mapping[str, Any]
"""By relative path: bytes, text, an array or plain values that become what the extension says, the path of a file that
is copied, or any of these in a :class:`File`."""


class File:
    """A made file with the columns that it carries.

    Parameters
    ----------
    data
        Its contents, as :func:`build` takes them.
    **columns
        Values of columns: bool, int, float, str or None. Without a ``label`` it has the name of its folder.

    Examples
    --------
    >>> File(b"...", patient="p1", age=31).columns
    {'patient': 'p1', 'age': 31}
    """

    def __init__(self, data: Any, **columns: Any) -> None:
        self.data = data
        self.columns = columns


def assign_files(files: Mapping[str, Any], stages: Sequence[Stage], root: Task) -> dict[Stage, Files]:
    """Return the files of each stage that made files stand in for.

    Parameters
    ----------
    files
        By the name of a stage; or the files themselves, for a graph with one source.
    stages
        Of the graph.
    root
        What is to be built, which nothing can stand in for.
    """
    stages = [stage for stage in stages if stage is not root]
    names = {stage: {stage.get_task_family(), type(stage).__name__, stage.output().folder.name} for stage in stages}
    if not files or not all(isinstance(given, Mapping) for given in files.values()):
        sources = [stage for stage in stages if not stage.deps()]
        if len(sources) != 1:
            found = ", ".join(stage.get_task_family() for stage in sources) or "none below the task that is built"
            raise SettingsError(
                f"files without the name of a stage are for a graph with one source, and the sources here are {found}: "
                'give them as files={"Photos": {"a.jpg": ...}}, Photos being the stage that they stand in for'
            )
        return {sources[0]: files}
    given_to: dict[Stage, Files] = {}
    for name, given in files.items():
        found_stages = [stage for stage in stages if name in names[stage]]
        if len(found_stages) != 1:
            there = ", ".join(stage.output().folder.name for stage in stages) or "none"
            raise SettingsError(
                f"files are given for {name!r}, which is {'more than one' if found_stages else 'none'} of the stages "
                f"that {type(root).__name__} requires: {there}"
            )
        given_to[found_stages[0]] = given
    return given_to


def publish_files(stage: Stage, files: Files) -> None:
    """Publish made files as the directory of a stage; what is there already and the same stays."""
    described = {path: given if isinstance(given, File) else File(given) for path, given in files.items()}
    contents = {path: encode(file.data, os.path.splitext(path)[1].lower()) for path, file in described.items()}
    columns = {path: {"label": label_of_folder(path), **file.columns} for path, file in described.items()}
    digest = sha256(repr([(path, sha256(contents[path]).hexdigest(), columns[path]) for path in contents]).encode())
    recipe = Recipe(stage.get_task_family(), "made by a test", inputs={"files": digest.hexdigest()})
    target = stage.output()
    stamp = target.stamp()
    if stamp is not None and stamp.recipe == recipe:
        return
    with Staging(target.folder, recipe) as staging:
        for path, data in contents.items():
            check_outpath(path)
            write_bytes(data, staging.files / path)
            staging.add(path, inpath=path, columns=columns[path])
        schema = columns_schema(_types(columns.values()))
        staging.publish(added_batches(staging.added, schema), schema, durable=False)


@contextmanager
def standing_in(stages: Sequence[Stage]) -> Iterator[None]:
    """Let stages be complete and require nothing until the end of the block, whatever their own recipe says.

    Only these objects are changed, and Luigi gives the same object for the same parameters.
    """
    for stage in stages:
        stamp = stage.output().stamp()
        assert stamp is not None
        recipe = stamp.recipe
        own: dict[str, Any] = {
            "requires": list,
            "recipe": lambda recipe=recipe: recipe,
            "decide": lambda wanted=None: Keep(),
        }
        vars(stage).update(own)
    try:
        yield
    finally:
        for stage in stages:
            for name in ("requires", "recipe", "decide"):
                vars(stage).pop(name, None)


def _types(rows: Any) -> dict[str, type]:
    """Return the type of each column, from the first value that is not None."""
    types: dict[str, type] = {"label": str}
    for row in rows:
        for name, value in row.items():
            if value is not None:
                known = types.setdefault(name, type(value))
                if known is not type(value):
                    raise SettingsError(
                        f"column {name!r} of the made files is {known.__name__} here and {type(value).__name__} there: "
                        "give values of one type"
                    )
    for name in (name for row in rows for name in row):
        types.setdefault(name, str)
    return types
