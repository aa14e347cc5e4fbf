"""A published directory as PyTorch's datasets are."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import ManifestError, MissingPackageError
from tintype.load_funcs.image import load_image
from tintype.manifest.rows import ManifestView, Row
from tintype.processed.class_labels import LABEL_COLUMN, ClassLabels
from tintype.targets.directory import DirectoryTarget
from tintype.targets.files_view import FilesView
from tintype.tasks.stage import Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tintype.manifest.reader import Manifest


def torch_dataset(
    target: DirectoryTarget | Stage | str | os.PathLike[str],
    transform: Callable[[Any], Any] | None = None,
    *,
    label: str | None = LABEL_COLUMN,
    columns: Sequence[str] = (),
    where: str | ManifestView | None = None,
    load_func: Callable[[Path], Any] | None = None,
) -> DirectoryDataset:
    """Return the files of a published directory as a ``torch.utils.data.Dataset`` of ``(image, label)``.

    It works with the workers of a DataLoader, forked and spawned, when `transform` and `load_func` can be pickled, as
    functions at the top level of a module can. Files are read when they are asked for; of the manifest the labels are
    in memory, 8 bytes a file, and the row groups that were touched last.

    Parameters
    ----------
    target
        A directory: its target, its path, or the stage that publishes it. It must be built.
    transform
        Called with what was loaded: by default a Pillow image in RGB, as torchvision's transforms take it.
    label
        The column with the labels. Text: the item has the number of its class in the sorted list of all classes of the
        directory, whatever `where` says, as torchvision's ImageFolder has it. Numbers: the item has them as they are.
        None: the item is the image alone.
    columns
        More columns. The item has a dict of them at its end.
    where
        Which files: a condition as ``"part == 'train'"``, or rows of the directory's manifest.
    load_func
        Called with the path of a file, to load something else than an RGB image, as
        :func:`tintype.load_funcs.load_array`.

    Returns
    -------
    DirectoryDataset
        Without a `transform`, and without a `load_func`, an image is a uint8 tensor of shape (3, rows, columns).

    Raises
    ------
    MissingPackageError
        When PyTorch is not installed. An ImportError.
    ManifestError
        When nothing is published there, there is no such column, or a file has no label. A ValueError.
    EvaluationError
        By an item that cannot be loaded or transformed; names the file. A worker of a DataLoader makes a RuntimeError
        with the same words of it.

    Examples
    --------
    >>> import luigi
    >>> from luigi.util import requires
    >>> from tintype import interim, raw, testing
    >>> class Photos(raw.ImportFolder):
    ...     folder = luigi.Parameter(default="photos")
    >>> @requires(Photos)
    ... class Thumbnails(interim.ResizeImages):
    ...     max_side = luigi.OptionalIntParameter(default=32)
    >>> cat, dog = testing.fake_images(2)
    >>> built = testing.build(Thumbnails, files={"cats/1.png": cat, "dogs/1.png": dog})
    >>> thumbnails = torch_dataset(built["Thumbnails"].target)  # doctest: +SKIP
    >>> thumbnails.class_to_idx  # doctest: +SKIP
    {'cats': 0, 'dogs': 1}
    >>> image, number = thumbnails[1]  # doctest: +SKIP
    >>> image.dtype, number  # doctest: +SKIP
    (torch.uint8, 1)
    """
    dataset_class = _dataset_class()
    if isinstance(target, Stage):
        target = target.output()
    elif not isinstance(target, DirectoryTarget):
        target = DirectoryTarget(target)
    manifest = target.manifest()
    missing = [name for name in columns if name not in manifest.schema.names]
    if missing:
        raise ManifestError(f"{target} has no column {missing[0]!r}: name some of {', '.join(manifest.schema.names)}")
    rows = _choose_rows(manifest, where)
    labels = None if label is None else ClassLabels(manifest, label)
    if load_func is None:
        load_func = load_rgb if transform is not None else load_tensor
    load = load_func if transform is None else LoadTransformed(load_func, transform)
    return dataset_class(
        target.sequence(load, columns=list(columns) or False, where=rows),
        has_columns=bool(columns),
        classes=() if labels is None else labels.classes,
        targets=None if labels is None else labels.read(rows),
    )


class DirectoryDataset:
    """The files of a directory with their labels: what :func:`torch_dataset` returns, beside being PyTorch's Dataset.

    Parameters
    ----------
    files
        The files, each loaded when it is asked for.
    has_columns
        Whether `files` gives columns of the manifest too.
    classes
        Names of the classes, in order.
    targets
        The label of each file, shape (n,); None where items have no labels.
    """

    def __init__(
        self,
        files: FilesView,
        *,
        has_columns: bool = False,
        classes: Sequence[str] = (),
        targets: NDArray[Any] | None = None,
    ) -> None:
        self.files = files
        """What is loaded, as a sequence."""
        self._has_columns = has_columns
        self.classes = tuple(classes)
        """Names of the classes in the order of their numbers; empty where labels are numbers."""
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        """Number of each class."""
        self.targets = targets
        """The label of each file, for samplers; shape (n,)."""

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.files)

    def __getitem__(self, index: int) -> Any:
        """Return the item of a file: the image, or a tuple that begins with it."""
        index = operator.index(index)
        item = self.files[index]
        row, data = item if self._has_columns else (None, item)
        parts = [data]
        if self.targets is not None:
            parts.append(self.targets[index].item())
        if row is not None:
            parts.append(row)
        return tuple(parts) if len(parts) > 1 else data

    def __iter__(self) -> Iterator[Any]:
        """Yield the items in order."""
        return (self[index] for index in range(len(self)))

    def path(self, index: int) -> Path:
        """Return where a file lies."""
        return self.files.path(index)

    def row(self, index: int) -> Row:
        """Return the whole row of a file in the manifest."""
        return self.files.row(index)

    def __repr__(self) -> str:
        return f"<{len(self):,} items of {self.files!r}, {len(self.classes):,} classes>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by what it holds: its class is made where PyTorch is."""
        return _restore, (self.files, self._has_columns, self.classes, self.targets)


class LoadTransformed:
    """Loads a file, and transforms what is in it. Pickles when both functions do.

    Parameters
    ----------
    load_func, transform
        The functions.
    """

    def __init__(self, load_func: Callable[[Path], Any], transform: Callable[[Any], Any]) -> None:
        self._load_func = load_func
        self._transform = transform

    def __call__(self, path: Path) -> Any:
        """Load and transform a file."""
        return self._transform(self._load_func(path))


def load_rgb(path: str | os.PathLike[str]) -> Any:
    """Return the image in a file as Pillow has it, in RGB: upright, and transparency is left out."""
    from PIL import Image

    return Image.fromarray(load_image(path)).convert("RGB")


def load_tensor(path: str | os.PathLike[str]) -> Any:
    """Return the image in a file as a uint8 tensor of shape (3, rows, columns), RGB."""
    import torch

    return torch.from_numpy(np.array(load_rgb(path))).permute(2, 0, 1).contiguous()


def _choose_rows(manifest: Manifest, where: str | ManifestView | None) -> ManifestView:
    if where is None:
        return manifest
    return manifest.where(where) if isinstance(where, str) else where


@cache
def _dataset_class() -> type[DirectoryDataset]:
    """Return the class with PyTorch's own as a base: it is imported where it is used."""
    try:
        from torch.utils.data import Dataset
    except ImportError as error:
        raise MissingPackageError(
            "torch_dataset needs PyTorch: pip install torch, as pytorch.org says for your machine"
        ) from error
    return type(
        "TorchDataset", (DirectoryDataset, Dataset), {"__module__": __name__, "__doc__": DirectoryDataset.__doc__}
    )


def _restore(
    files: FilesView, has_columns: bool, classes: Sequence[str], targets: NDArray[Any] | None
) -> DirectoryDataset:
    return _dataset_class()(files, has_columns=has_columns, classes=classes, targets=targets)
