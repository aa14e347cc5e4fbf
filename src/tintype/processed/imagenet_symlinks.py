"""Symbolic links in ImageNet's layout, from a DataFrame, in one call and without Luigi."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tintype.errors import SplitError, StrayDirectoryError
from tintype.processed.splits.arrays import choose_test_groups, code_groups
from tintype.processed.splits.names import FileNames, name_file, refuse_bad_labels
from tintype.processed.splits.table import read_table
from tintype.targets.relative_paths import remove_tree
from tintype.targets.renames import rename_new
from tintype.tasks.naming import show_path
from tintype.write_funcs.files import locate

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("train", "valid")


def create_imagenet_style_symlinks(
    df: pd.DataFrame,
    valid_size: float,
    outdir: str | os.PathLike[str],
    label_colname: str,
    path_colname: str,
    groupby_colname: str | None = None,
    random_state: int | None = None,
) -> None:
    """Split files into train and valid: symbolic links ``<outdir>/<part>/<label>/<name>``, all of them or none.

    Every label has a folder in both parts. Of files that share a name and a label each gets a name of its own. For a
    split that is built again when files change, see :class:`SplitDataset`.

    Parameters
    ----------
    df
        One row a file. Not modified.
    valid_size
        How many groups go to ``valid``: a count (int), or a fraction (float) of them, rounded up. Without groups it
        counts files.
    outdir
        Folder to make; may be there, and empty.
    label_colname
        Column with the label of each file: text or whole numbers.
    path_colname
        Column with its path: to an absolute path goes an absolute link; to a path relative to the current folder a
        relative one, so that files and links can be moved together.
    groupby_colname
        Column with what must stay together in one part; None makes each file a group of its own.
    random_state
        The same number gives the same split, whatever the order of the rows; None gives another one each time.

    Raises
    ------
    SettingsError
        When `valid_size` cannot be met. A ValueError.
    SplitError
        When a column is not there, a file has no label, path or group, or is there twice with one label, or a label
        cannot be a folder. A ValueError.
    StrayDirectoryError
        When `outdir` is not empty. A FileExistsError.
    FileNotFoundError
        When one of the files is not there.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [Path(folder, f"{number}.jpg") for number in range(4)]
    ...     for path in paths:
    ...         path.touch()
    ...     df = pd.DataFrame({"path": paths, "label": ["cat", "cat", "dog", "dog"]})
    ...     create_imagenet_style_symlinks(df, 0.25, f"{folder}/links", "label", "path", random_state=1)
    ...     sorted(str(path.relative_to(folder)) for path in Path(folder).glob("links/*/*"))
    ['links/train/cat', 'links/train/dog', 'links/valid/cat', 'links/valid/dog']
    """
    columns = [label_colname, path_colname] + ([] if groupby_colname is None else [groupby_colname])
    texts = read_table(df, list(dict.fromkeys(columns)))
    values = {name: texts.column(name).to_pylist() for name in texts.schema.names}
    labels, paths = values[label_colname], values[path_colname]
    for name, column in values.items():
        _refuse_missing(name, column)
    refuse_bad_labels(sorted(set(labels)), lambda label: paths[labels.index(label)])
    groups, names = code_groups(paths if groupby_colname is None else values[groupby_colname])
    is_valid = choose_test_groups(names, valid_size, random_state, name="valid_size")[groups]
    outpaths = [
        f"{PARTS[place]}/{label}/{name}"
        for place, label, name in zip(is_valid.astype(int).tolist(), labels, _name_files(labels, paths), strict=True)
    ]
    folders = [f"{part}/{label}" for part in PARTS for label in dict.fromkeys(labels)]
    _link_all(Path(outdir), folders, outpaths, paths)


def _refuse_missing(name: str, values: Sequence[str | None]) -> None:
    if None in values:
        raise SplitError(
            f"{values.count(None)} of {len(values)} rows have nothing in the column {name!r}, the first is row "
            f"{values.index(None)}: give each a value, or leave them out"
        )


def _name_files(labels: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Return a name for each file, which no other of its label has."""
    first: dict[tuple[str, str], int] = {}
    for row, pair in enumerate(zip(labels, paths, strict=True)):
        if first.setdefault(pair, row) != row:
            raise SplitError(
                f"{show_path(pair[1])} with the label {pair[0]!r} is in the rows {first[pair]} and {row}: leave one out"
            )
    names = FileNames()
    names.add(labels, paths)
    digits = names.count_digits(lambda: [(0, labels, paths)])
    return [name_file(path, n_digits) for path, n_digits in zip(paths, digits.tolist(), strict=True)]


def _link_all(outdir: Path, folders: Sequence[str], outpaths: Sequence[str], paths: Sequence[str]) -> None:
    """Make the links in a hidden folder, which then takes its place: a failure half way leaves nothing."""
    _refuse_there(outdir)
    outdir.parent.mkdir(parents=True, exist_ok=True)
    hidden = outdir.with_name(f".{outdir.name}.links-{os.getpid()}")
    final = os.path.join(os.path.realpath(outdir.parent), outdir.name)
    try:
        for folder in folders:
            (hidden / folder).mkdir(parents=True)
        for outpath, path in zip(outpaths, paths, strict=True):
            if not os.path.exists(path):
                raise FileNotFoundError(errno.ENOENT, "there is no such file to link to", path)
            target = path if os.path.isabs(path) else os.path.relpath(locate(path), f"{final}/part/label")
            os.symlink(target, hidden / outpath)
        if outdir.is_dir():
            outdir.rmdir()
        rename_new(hidden, outdir)
    finally:
        remove_tree(hidden)


def _refuse_there(outdir: Path) -> None:
    if os.path.lexists(outdir) and not (outdir.is_dir() and not outdir.is_symlink() and not any(outdir.iterdir())):
        raise StrayDirectoryError(
            f"outdir must be empty, and {outdir} holds something, or is no folder: give another, or remove it"
        )
