"""The digest of a directory: a sum over its results in any order, so that it can be taken while they stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tintype.manifest.arrays import make_array, text_scalar
from tintype.manifest.json_texts import ColumnEncoder

if TYPE_CHECKING:
    import pyarrow as pa

_MODULUS = 1 << 256

_encode_column = ColumnEncoder(default=str)


class DirectoryDigest:
    """Sum up the results of a directory to one digest that does not depend on their order.

    Each result contributes the sha256 of its output path, its bytes' digest and its extra columns; the contributions
    are added modulo 2**256 (the additive multiset hash of Clarke et al., *Incremental multiset hash functions*,
    ASIACRYPT 2003, here for detecting change, not against forgery).

    Parameters
    ----------
    extra_names
        Names of the extra columns, in the order of their values.

    Examples
    --------
    >>> one, two = DirectoryDigest(), DirectoryDigest()
    >>> one.add(["a", "b"], ["00", "11"])
    >>> two.add(["b"], ["11"])
    >>> two.add(["a"], ["00"])
    >>> one.hexdigest() == two.hexdigest()
    True
    """

    def __init__(self, extra_names: Sequence[str] = ()) -> None:
        self._extra_names = list(extra_names)
        self._sum = 0
        self._count = 0

    def add(
        self,
        outpaths: Sequence[str | None] | pa.Array,
        digests: Sequence[str | None] | pa.Array,
        extras: Iterable[Sequence[Any]] | None = None,
    ) -> None:
        """Add results; those without an output path do not count.

        Parameters
        ----------
        outpaths
            Relative output path of each result.
        digests
            sha256 of each result's bytes, in hex.
        extras
            The values of the extra columns, one sequence a result; None where there are no extra columns.
        """
        texts = None if extras is None else _to_json_each(extras)
        keys = _join(outpaths, digests, texts)
        self._sum = (self._sum + _sum_up([sha256(key).digest() for key in keys])) % _MODULUS
        self._count += len(keys)

    def hexdigest(self) -> str:
        """Return the digest of all results added so far: 64 hex digits."""
        names = f":{json.dumps(self._extra_names)}" if self._extra_names else ""
        return sha256(f"{self._count}:{self._sum:064x}{names}".encode()).hexdigest()


def _to_json_each(rows: Iterable[Sequence[Any]]) -> list[str]:
    """Return the JSON of the values of each row, encoded column by column where all have as many."""
    rows = list(rows)
    if len(set(map(len, rows))) > 1:
        return [json.dumps(row, default=str) for row in rows]
    columns = map(_encode_column, zip(*rows, strict=True))
    return [f"[{', '.join(texts)}]" for texts in zip(*columns, strict=True)]


def _join(
    outpaths: Sequence[str | None] | pa.Array, digests: Sequence[str | None] | pa.Array, texts: list[str] | None
) -> list[bytes]:
    """Return what is hashed of each result that has a path. Arrow joins the columns in a third of Python's time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = [outpaths, digests] if texts is None else [outpaths, digests, texts]
    arrays = [one if isinstance(one, pa.Array) else make_array(one, pa.string()) for one in columns]
    if arrays[0].null_count:
        arrays = [one.filter(arrays[0].is_valid()) for one in arrays]
    joined = pc.binary_join_element_wise(
        *arrays, text_scalar("\0"), null_handling="replace", null_replacement=str(None)
    )
    keys: list[bytes] = joined.cast(pa.binary()).to_pylist()
    return keys


def _sum_up(digests: list[bytes]) -> int:
    """Return the sum of 32-byte numbers, word by word in NumPy: a fifth of the time that Python's integers take."""
    import numpy as np

    words = np.frombuffer(b"".join(digests), ">u4").reshape(-1, 8).sum(axis=0, dtype=np.uint64)
    total = 0
    for word in words.tolist():
        total = (total << 32) + word
    return total
