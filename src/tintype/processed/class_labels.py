"""Labels as numbers: the names of classes by their place in the sorted list, as torchvision's ImageFolder has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import ManifestError
from tintype.manifest.file_paths import HAS_FILE
from tintype.tasks.naming import show_path

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tintype.manifest.reader import Manifest
    from tintype.manifest.rows import ManifestView

LABEL_COLUMN = "label"


class ClassLabels:
    """The labels of the files in a manifest.

    Of a column of text each value is a class, and a file's label is the place of its class in the sorted list of
    classes. Whole numbers, fractions and truth values are labels as they are, and there are no classes.

    Parameters
    ----------
    manifest
        Has the column. All of its files count, so that parts of it have the same classes.
    column
        Name of the column.

    Attributes
    ----------
    classes : tuple of str
    class_to_idx : dict of str to int

    Raises
    ------
    ManifestError
        When there is no such column, or it holds neither text nor numbers.
    """

    def __init__(self, manifest: Manifest, column: str) -> None:
        schema = manifest.schema
        if column not in schema.names:
            raise ManifestError(
                f"{manifest.path.parent} has no column {column!r} to take labels from: name one of "
                f"{', '.join(schema.names)}, or None for no labels"
            )
        self.column = column
        self._dtype = _choose_dtype(schema.field(column).type, column)
        self.classes: tuple[str, ...] = () if self._dtype is not None else _find_classes(manifest, column)
        self.class_to_idx = {name: place for place, name in enumerate(self.classes)}

    def read(self, rows: ManifestView) -> NDArray[Any]:
        """Return the labels of the files of some rows.

        Returns
        -------
        numpy.ndarray
            Shape (n,); int64, and float64 or bool where the column holds such.

        Raises
        ------
        ManifestError
            When a file has no label; names the first.
        """
        parts = [np.zeros(0, self._dtype or np.int64)]
        for batch in rows.where(HAS_FILE).batches(["outpath", self.column]):
            self._refuse_missing(batch)
            values = batch.column(self.column)
            if self._dtype is not None:
                parts.append(np.asarray(values.to_numpy(zero_copy_only=False), self._dtype))
                continue
            encoded = values.dictionary_encode()
            places = np.array([self.class_to_idx[name] for name in encoded.dictionary.to_pylist()], np.int64)
            parts.append(places[encoded.indices.to_numpy(zero_copy_only=False)])
        return np.concatenate(parts)

    def _refuse_missing(self, batch: pa.RecordBatch) -> None:
        column = batch.column(self.column)
        if column.null_count:
            place = column.is_null().to_pylist().index(True)
            raise ManifestError(
                f"{show_path(batch.column('outpath')[place].as_py())} has no label, its {self.column!r} is empty: give "
                "each file a label, or leave those without one out in the stage above"
            )


def _choose_dtype(kind: pa.DataType, column: str) -> np.dtype[Any] | None:
    """Return the dtype of labels that are numbers; None for classes."""
    import pyarrow as pa

    if kind == pa.string():
        return None
    dtypes = {pa.int64(): np.int64, pa.float64(): np.float64, pa.bool_(): np.bool_}
    if kind not in dtypes:
        raise ManifestError(f"the column {column!r} holds {kind}, and labels are text or numbers: name another column")
    return np.dtype(dtypes[kind])


def _find_classes(manifest: Manifest, column: str) -> tuple[str, ...]:
    names: set[str] = set()
    for batch in manifest.where(HAS_FILE).batches([column]):
        names.update(batch.column(column).drop_null().unique().to_pylist())
    return tuple(sorted(names))
