"""Which part each group goes to: by a hash of its own name, or so that sizes are met. Arrays in, arrays out.

Chance comes from hashes of a seed and a name (BLAKE2b), never from the state of a random generator: the same names and
the same seed give the same parts on every version of Python and every machine, whatever the order of the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from tintype.processed.splits.subset import choose_subset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    Parts = NDArray[np.int64]

MAX_ROUNDS = 8
"""How often all pairs of three parts or more are looked at again."""


def hash_names(names: Iterable[str], seed: int | str) -> Hashes:
    """Return 64 bits for each name, salted with a seed.

    Parameters
    ----------
    names
        Of groups, or of files.
    seed
        Another one gives other hashes.

    Returns
    -------
    numpy.ndarray
        uint64, shape (n,).

    Examples
    --------
    >>> hash_names(["patient 7", "patient 8"], seed=0)
    array([12462106841377795998, 16664752685505449360], dtype=uint64)
    """
    salted = blake2b(f"{seed}\0".encode(), digest_size=8)

    def digest(name: str) -> bytes:
        own = salted.copy()
        own.update(name.encode("utf-8", "surrogatepass"))
        return own.digest()

    return np.frombuffer(b"".join(map(digest, names)), ">u8").astype(np.uint64)


def assign_stable(hashes: Hashes, fractions: Sequence[float]) -> Parts:
    """Return the part of each group: it depends on the group's own hash, and on no other group.

    Parameters
    ----------
    hashes
        Of the groups: :func:`hash_names`. Not modified.
    fractions
        Of each part; add up to 1.

    Returns
    -------
    numpy.ndarray
        int64, shape (n,): a place in `fractions`.

    Examples
    --------
    >>> assign_stable(hash_names(["a", "b", "c", "d", "e"], seed=1), [0.6, 0.4]).tolist()
    [0, 0, 1, 0, 0]
    """
    ends = np.cumsum(fractions)[:-1]
    # Below 2**64 for any fraction that leaves something: the last part has all that is left.
    limits = np.array([min(int(end * 2.0**64), 2**64 - 1) for end in ends.tolist()], np.uint64)
    return np.searchsorted(limits, hashes, side="right").astype(np.int64)


def assign_exact(hashes: Hashes, sizes: NDArray[np.int64], targets: Sequence[int]) -> Parts:
    """Return the part of each group, so that the parts come as near to their sizes as whole groups allow.

    Of two parts no other choice comes nearer; of more each pair is as near as it can be. Which of the groups go where
    is a matter of chance: large ones are as likely in a small part as small ones are.

    Parameters
    ----------
    hashes
        Of the groups. Not modified.
    sizes
        int64, what each group counts, at least 1: its rows, or 1. Not modified.
    targets
        The size that each part is to have; they add up to the sum of the sizes. There are no more of them than groups.

    Returns
    -------
    numpy.ndarray
        int64, shape (n,): a place in `targets`. Every part has a group.

    Examples
    --------
    >>> parts = assign_exact(hash_names("abcde", seed=1), np.array([4, 1, 3, 1, 2]), targets=[8, 3])
    >>> parts.tolist()
    [0, 0, 0, 1, 1]
    """
    order = np.argsort(hashes, kind="stable")
    parts = np.empty(len(hashes), np.int64)
    if len(targets) == 1 or sizes.max(initial=1) == 1:
        parts[order] = np.repeat(np.arange(len(targets)), targets)
        return parts
    # The smallest first: it has the fewest choices.
    by_size = sorted(range(len(targets)), key=lambda part: targets[part])
    left = order
    for place, part in enumerate(by_size[:-1]):
        n_after = len(targets) - place - 1
        is_chosen = _choose_and_leave(sizes[left], targets[part], n_after)
        parts[left[is_chosen]] = part
        left = left[~is_chosen]
    parts[left] = by_size[-1]
    if len(targets) > 2:
        _improve_pairs(parts, order, sizes, targets)
    return parts


def _choose_and_leave(sizes: NDArray[np.int64], target: int, n_after: int) -> NDArray[np.bool_]:
    """Choose groups for one part; leave at least one group for each of the others."""
    is_chosen = choose_subset(sizes, target)
    while len(sizes) - int(is_chosen.sum()) < n_after:
        chosen = np.flatnonzero(is_chosen)
        is_chosen[chosen[sizes[chosen].argmin()]] = False
    return is_chosen


def _improve_pairs(parts: Parts, order: NDArray[np.int64], sizes: NDArray[np.int64], targets: Sequence[int]) -> None:
    """Share out the groups of each two parts again, while that brings them nearer to their sizes."""
    sums = np.bincount(parts, sizes, len(targets)).astype(np.int64)
    for _ in range(MAX_ROUNDS):
        before = sums.copy()
        for one in range(len(targets)):
            for other in range(one + 1, len(targets)):
                misses = [abs(int(sums[part]) - targets[part]) for part in (one, other)]
                if not any(misses):
                    continue
                both = order[np.isin(parts[order], (one, other))]
                is_chosen = choose_subset(sizes[both], _share(sums, targets, one, other))
                new = int(sizes[both][is_chosen].sum())
                new_misses = abs(new - targets[one]) + abs(int(sums[one] + sums[other]) - new - targets[other])
                if new_misses < sum(misses):
                    parts[both] = np.where(is_chosen, one, other)
                    sums[one], sums[other] = new, sums[one] + sums[other] - new
        if (sums == before).all():
            return


def _share(sums: NDArray[np.int64], targets: Sequence[int], one: int, other: int) -> float:
    """Return what `one` is to have of what it and `other` have together: half of what is missing or too much is its."""
    return targets[one] + (int(sums[one] + sums[other]) - targets[one] - targets[other]) / 2
