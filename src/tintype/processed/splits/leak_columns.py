"""Leaks of a split: found among the rows of its files, and put into them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.processed.splits.leaks import Leaks, find_leaks, hash_digests

if TYPE_CHECKING:
    from tintype.processed.splits.plan import SplitPlan
    from tintype.tasks.rows import RowBatch


def leaks_of_digests(batches: Iterable[RowBatch], plan: SplitPlan) -> Leaks | None:
    """Return which files are also in another part, by the digests of the stage above.

    Parameters
    ----------
    batches
        The files.
    plan
        Says which part each is in.

    Returns
    -------
    Leaks or None
        None when some file was never read, so that nobody knows its digest.
    """
    hashes = np.zeros(len(plan), np.uint64)
    for batch in batches:
        texts = batch.input_digests if isinstance(batch.input_digests, list) else batch.input_digests.to_pylist()
        here, is_known = hash_digests(texts)
        if not is_known.all():
            return None
        hashes[batch.start : batch.start + len(batch)] = here
    return find_leaks(hashes, plan.part_of)


def leaks_of_results(batches: Iterable[Mapping[str, Any]], plan: SplitPlan, distance: int | None) -> Leaks:
    """Return which files are also in another part, or look like one there, by what was found out about them.

    Parameters
    ----------
    batches
        The rows of the manifest, column by column, in the order of the files.
    plan
        Says which part each is in.
    distance
        Bits in which perceptual hashes may differ; None compares digests.
    """
    hashes, parts, start = np.zeros(len(plan), np.uint64), plan.part_of.copy(), 0
    for batch in batches:
        texts = as_list(batch["digest" if distance is None else "leak_hash"])
        run = slice(start, start + len(texts))
        hashes[run], is_known = hash_digests(texts)
        parts[run][~is_known] = -1  # failed, so in no part
        start += len(texts)
    return find_leaks(hashes, parts, distance=distance or 0)


class LeakColumns:
    """The columns ``leak_of`` and ``leak_distance`` of a manifest.

    Parameters
    ----------
    leaks
        What leaks.
    paths
        The paths of the files that others are like, by number.
    """

    def __init__(self, leaks: Leaks, paths: Mapping[int, str]) -> None:
        self._leaks = leaks
        self._paths = paths

    def fill(self, batches: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of a manifest with these columns; what was in them, of an earlier build, goes."""
        start = 0
        for batch in batches:
            n_rows = len(batch["outpath"])
            leak_of: list[str | None] = [None] * n_rows
            distance: list[int | None] = [None] * n_rows
            first, last = np.searchsorted(self._leaks.files, [start, start + n_rows]).tolist()
            for place in range(first, last):
                number = int(self._leaks.files[place]) - start
                leak_of[number] = self._paths[int(self._leaks.others[place])]
                distance[number] = int(self._leaks.distances[place])
            yield {**batch, "leak_of": leak_of, "leak_distance": distance}
            start += n_rows


def as_list(values: Any) -> list[Any]:
    """Return the values of a column, which may be an Arrow array, as a list."""
    return values if isinstance(values, list) else list(values.to_pylist())
