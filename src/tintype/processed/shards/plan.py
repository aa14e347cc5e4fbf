"""Which file goes into which shard, and in which order: known before anything is written. Touches no disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tintype.errors import SettingsError
from tintype.manifest.arrays import to_numpy
from tintype.processed.shards.parts import check_parts
from tintype.processed.splits.methods import hash_names

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

WITHOUT_PART = "shard"
"""What the names of shards begin with where files are in no parts."""


class Shard(NamedTuple):
    """One shard, before it is written."""

    name: str
    """Without an extension, such as ``train-000003``."""
    part: str | None
    start: int
    """Place of its first file in the order of the plan."""
    stop: int
    """Place of the first file after it."""

    @property
    def n_files(self) -> int:
        """Number of files in it."""
        return self.stop - self.start


@dataclass(frozen=True)
class ShardRule:
    """How files are put into shards.

    Raises
    ------
    SettingsError
        When a limit is less than 1, or the seed is no whole number.
    """

    files_per_shard: int | None = None
    """Most files in a shard; None for any number."""
    bytes_per_shard: int | None = None
    """Most bytes of files in a shard, though each holds one file at least; None for any number."""
    seed: int | None = None
    """Of the order of the files; None keeps the order that they come in."""

    def __post_init__(self) -> None:
        for name in ("files_per_shard", "bytes_per_shard"):
            limit = getattr(self, name)
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
                raise SettingsError(f"{name} is {limit!r}: give a whole number of at least 1, or None for no limit")
        if self.seed is not None and (isinstance(self.seed, bool) or not isinstance(self.seed, int)):
            raise SettingsError(f"seed is {self.seed!r}: give a whole number, or None to keep the files in order")


@dataclass(frozen=True)
class ShardPlan:
    """Where each file goes. 8 bytes a file.

    Examples
    --------
    >>> import pyarrow as pa
    >>> files = FilesToShard()
    >>> files.add(["a.jpg", "b.jpg", "c.jpg"], [700, 800, 900], pa.array(["train", "valid", "train"]))
    >>> plan = files.plan(ShardRule(files_per_shard=1))
    >>> [(shard.name, shard.n_files) for shard in plan.shards]
    [('train-000000', 1), ('train-000001', 1), ('valid-000000', 1)]
    >>> plan.ranks.tolist()
    [0, 2, 1]
    """

    ranks: NDArray[np.int64] = field(repr=False)
    """Place of each file in the order of the plan, shape (n,)."""
    shards: tuple[Shard, ...] = ()

    @property
    def n_files(self) -> int:
        """Number of files in all shards."""
        return len(self.ranks)


class FilesToShard:
    """Collect files, then plan their shards. Takes some 40 bytes of memory a file while it plans.

    Parameters
    ----------
    seed
        See :class:`ShardRule`; hashes are taken as files come.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._seed = seed
        self._sizes = [np.zeros(0, np.int64)]
        self._hashes = [np.zeros(0, np.uint64)]
        self._part_of = [np.zeros(0, np.int32)]
        self._parts: dict[str, int] = {}

    def add(self, outpaths: Sequence[str], sizes: Sequence[int | None], parts: pa.Array | None) -> None:
        """Collect some files.

        Parameters
        ----------
        outpaths
            Their paths.
        sizes
            Their sizes in bytes.
        parts
            Names of their parts; None where files are in no parts, in all calls or in none.
        """
        self._sizes.append(np.array([size or 0 for size in sizes], np.int64))
        if self._seed is not None:
            self._hashes.append(hash_names(outpaths, self._seed))
        if parts is not None:
            encoded = parts.dictionary_encode()
            codes = [self._parts.setdefault(name, len(self._parts)) for name in encoded.dictionary.to_pylist()]
            self._part_of.append(np.array(codes, np.int32)[to_numpy(encoded.indices)])

    def plan(self, rule: ShardRule) -> ShardPlan:
        """Return the plan. Every file is in one shard, and there is one shard at least: of no files, an empty one.

        Raises
        ------
        ManifestError
            When the name of a part cannot begin the name of a file.
        """
        sizes = np.concatenate(self._sizes)
        self._sizes = [sizes]
        names = check_parts(self._parts)
        place_of = {name: place for place, name in enumerate(names)}
        places = np.array([place_of[name] for name in self._parts], np.int32)
        part_of = places[np.concatenate(self._part_of)] if names else np.zeros(len(sizes), np.int32)
        hashes = np.zeros(0, np.uint64) if self._seed is None else np.concatenate(self._hashes)
        # Part by part, in each by their hashes, or as they came.
        order = np.argsort(part_of, kind="stable") if self._seed is None else np.lexsort((hashes, part_of))
        ends = np.cumsum(np.bincount(part_of, minlength=1)).tolist()
        parts: list[str | None] = [*names] or [None]
        shards = [
            shard
            for part, (start, stop) in zip(parts, pairwise([0, *ends]), strict=True)
            for shard in name_shards(part, start, cut(sizes[order[start:stop]], rule))
        ]
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        return ShardPlan(ranks, tuple(shards or [Shard(f"{WITHOUT_PART}-000000", None, 0, 0)]))


def cut(sizes: NDArray[np.int64], rule: ShardRule) -> Iterator[int]:
    """Yield where each shard of some files ends.

    Parameters
    ----------
    sizes
        Of the files in their order, in bytes, shape (n,).
    rule
        Has the limits.

    Examples
    --------
    >>> list(cut(np.array([4, 4, 9, 1]), ShardRule(bytes_per_shard=8)))
    [2, 3, 4]
    """
    totals = np.cumsum(sizes)
    start, n_files = 0, len(sizes)
    while start < n_files:
        stop = n_files if rule.files_per_shard is None else min(n_files, start + rule.files_per_shard)
        if rule.bytes_per_shard is not None:
            before = int(totals[start - 1]) if start else 0
            full = int(np.searchsorted(totals, before + rule.bytes_per_shard, side="right"))
            stop = min(stop, max(full, start + 1))
        yield stop
        start = stop


def name_shards(part: str | None, start: int, ends: Iterator[int]) -> Iterator[Shard]:
    """Yield the shards of one part, given where each ends, counted from the part's first file."""
    first = start
    for number, end in enumerate(ends):
        yield Shard(f"{WITHOUT_PART if part is None else part}-{number:06d}", part, first, start + end)
        first = start + end
