"""Parts in each of which every label has about its share of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tintype.processed.splits.methods import Hashes, Parts

N_PASSES = 4
"""How often each group is looked at again."""


def share_out(counts: NDArray[np.int64], targets: Sequence[int]) -> NDArray[np.int64]:
    """Return how many rows of each label each part gets.

    The sums of both kinds are kept; of two parts, every number is its exact share, rounded down or up.

    Parameters
    ----------
    counts
        int64, shape (labels,): rows of each label. Not modified.
    targets
        Rows of each part; they add up to the sum of `counts`.

    Returns
    -------
    numpy.ndarray
        int64, shape (labels, parts).

    Examples
    --------
    >>> share_out(np.array([10, 5, 3]), [14, 4]).tolist()
    [[8, 2], [4, 1], [2, 1]]
    """
    left, n_left = counts.astype(np.int64), int(counts.sum())
    shares = np.zeros((len(counts), len(targets)), np.int64)
    # The smallest first: what is rounded matters most to it.
    by_size = sorted(range(len(targets)), key=lambda part: targets[part])
    for part in by_size[:-1]:
        wanted, cut_off = np.divmod(left * targets[part], max(n_left, 1))
        up = np.lexsort((np.arange(len(counts)), -cut_off))[: targets[part] - int(wanted.sum())]
        wanted[up] += 1
        shares[:, part] = wanted
        left, n_left = left - wanted, n_left - targets[part]
    shares[:, by_size[-1]] = left
    return shares


def assign_rows(hashes: Hashes, labels: NDArray[np.int64], targets: Sequence[int]) -> Parts:
    """Return the part of each row, when each is a group of its own.

    Parameters
    ----------
    hashes
        Of the rows. Not modified.
    labels
        int64, shape (n,): the number of each row's label. Not modified.
    targets
        Rows of each part; they add up to n, and are met.
    """
    order = np.lexsort((hashes, labels))
    shares = share_out(np.bincount(labels), targets)
    parts = np.empty(len(hashes), np.int64)
    parts[order] = np.repeat(np.tile(np.arange(len(targets)), len(shares)), shares.ravel())
    return parts


class GroupShares:
    """Put whole groups into parts, so that each part gets about its share of each label.

    In the order of their hashes each group goes where what it has is missing most, then single groups move while that
    makes the whole better: the sum, over labels and parts, of the squared difference from the share, by the share.

    Parameters
    ----------
    counts
        Group, label and number of rows: three int64 arrays, one entry for each label that a group has.
    n_groups, n_labels
        How many there are.
    targets
        Rows of each part.
    """

    def __init__(
        self,
        counts: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
        *,
        n_groups: int,
        n_labels: int,
        targets: Sequence[int],
    ) -> None:
        groups, labels, numbers = counts
        # All rows are one more label: the parts are to have their sizes, too.
        order = np.argsort(np.concatenate([groups, np.arange(n_groups)]), kind="stable")
        self._labels = np.concatenate([labels, np.full(n_groups, n_labels)])[order]
        n_rows = np.bincount(groups, numbers, n_groups).astype(np.int64)
        self._numbers = np.concatenate([numbers, n_rows])[order]
        n_labels_of = np.bincount(groups, minlength=n_groups) + 1
        self._starts = np.concatenate([[0], np.cumsum(n_labels_of)]).tolist()
        of_label = np.bincount(self._labels, self._numbers, n_labels + 1)
        self._wanted = of_label[:, np.newaxis] * (np.array(targets) / sum(targets))
        self._there = np.zeros_like(self._wanted)
        self._n_groups = np.zeros(len(targets), np.int64)
        self._parts = np.full(n_groups, -1, np.int64)

    def assign(self, hashes: Hashes) -> Parts:
        """Return the part of each group; every part has one."""
        order = np.argsort(hashes, kind="stable").tolist()
        for place, group in enumerate(order):
            gains = self._gains(group)
            empty = np.flatnonzero(self._n_groups == 0)
            if len(empty) >= len(order) - place:
                gains = np.where(self._n_groups == 0, gains, -np.inf)
            self._put(group, int(gains.argmax()))
        for _ in range(N_PASSES):
            if not sum(self._move(group) for group in order):
                break
        return self._parts

    def _gains(self, group: int) -> NDArray[np.float64]:
        """Return what is won when a group, which is in no part now, goes to each of them."""
        labels, numbers = self._of(group)
        wanted = self._wanted[labels]
        missing = wanted - self._there[labels]
        gains: NDArray[np.float64] = ((2 * missing - numbers) * numbers / wanted).sum(axis=0)
        return gains

    def _move(self, group: int) -> bool:
        """Move a group to where it is missed most; whether it moved."""
        part = int(self._parts[group])
        if self._n_groups[part] == 1:
            return False
        self._put(group, -1)
        gains = self._gains(group)
        best = int(gains.argmax())
        is_better = bool(gains[best] > gains[part] + 1e-9)
        self._put(group, best if is_better else part)
        return is_better

    def _put(self, group: int, part: int) -> None:
        labels, numbers = self._of(group)
        old = int(self._parts[group])
        if old >= 0:
            self._there[labels, old] -= numbers[:, 0]
            self._n_groups[old] -= 1
        if part >= 0:
            self._there[labels, part] += numbers[:, 0]
            self._n_groups[part] += 1
        self._parts[group] = part

    def _of(self, group: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the labels of a group, and of each, as a column, its number of rows."""
        run = slice(self._starts[group], self._starts[group + 1])
        return self._labels[run], self._numbers[run, np.newaxis]
