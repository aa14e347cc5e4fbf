"""What a manifest adds up to, counted batch by batch: outcomes, failures, labels and parts, equal files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tintype.manifest.schema import Status
from tintype.report.words import host_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tintype.manifest.rows import ManifestView, Row

Key = TypeVar("Key", bound=Hashable)

MOST_KEYS = 100_000
"""Different values that are counted each; what comes after the first so many is counted together."""
MOST_EXAMPLES = 5
"""Failed files of each type that are shown."""


class BoundedCounter(Generic[Key]):
    """Count values, in bounded memory: each of the first :data:`MOST_KEYS` exactly, the rest as one.

    Examples
    --------
    >>> counter = BoundedCounter(most_keys=2)
    >>> counter.add({"a": 2, "b": 1})
    >>> counter.add({"c": 5, "a": 1})
    >>> counter.most_common(1), counter.n_others, counter.total
    ([('a', 3)], 5, 9)
    """

    def __init__(self, most_keys: int = MOST_KEYS) -> None:
        self._counts: Counter[Key] = Counter()
        self._most_keys = most_keys
        self.n_others = 0
        """Of values that came when there were too many."""

    def __len__(self) -> int:
        """Return the number of values that are counted each."""
        return len(self._counts)

    @property
    def total(self) -> int:
        """All that was counted."""
        return self._counts.total() + self.n_others

    def add(self, counts: Mapping[Key, int]) -> None:
        """Add numbers of values."""
        for key, count in counts.items():
            if key in self._counts or len(self._counts) < self._most_keys:
                self._counts[key] += count
            else:
                self.n_others += count

    def most_common(self, n: int | None = None) -> list[tuple[Key, int]]:
        """Return the values that occur most often, with their numbers; equal ones in the order of their text."""
        ranked = sorted(self._counts.items(), key=lambda item: (-item[1], str(item[0])))
        return ranked if n is None else ranked[:n]

    def items(self) -> Iterable[tuple[Key, int]]:
        """Return the values that are counted each, with their numbers."""
        return self._counts.items()


@dataclass
class FailureType:
    """What failed with one type of error."""

    name: str
    count: int = 0
    hosts: BoundedCounter[str] = field(default_factory=BoundedCounter)
    """Of URLs; the empty text for what is none."""
    examples: list[Row] = field(default_factory=list)
    """Rows of the first ones."""


def count_statuses(rows: ManifestView) -> dict[str, int]:
    """Return the number of rows of each status."""
    counts: Counter[str] = Counter()
    for batch in rows.batches(["status"]):
        counts.update(_count_values(batch.column(0)))
    return dict(sorted(counts.items()))


def count_failures(rows: ManifestView) -> list[FailureType]:
    """Return what failed by type, the most frequent first, each with its hosts and a few examples.

    Parameters
    ----------
    rows
        A manifest. The host is that of its column ``url``, or of the input where that is a URL.
    """
    found: dict[str, FailureType] = {}
    has_url = "url" in rows.schema.names
    columns = ["inpath", "error_type", "error", *(["url"] if has_url else [])]
    for batch in rows.where(f"status == '{Status.FAILED}'").batches(columns):
        for row in batch.to_pylist():
            name = row["error_type"] or "unknown"
            if name not in found and len(found) >= MOST_KEYS:
                name = "others"
            of_type = found.setdefault(name, FailureType(name))
            of_type.count += 1
            of_type.hosts.add({host_of(row.get("url"), row["inpath"]): 1})
            if len(of_type.examples) < MOST_EXAMPLES:
                of_type.examples.append(row)
    return sorted(found.values(), key=lambda one: (-one.count, one.name))


@dataclass
class Balance:
    """How many files have each label, in each part."""

    label: str | None
    """Name of the column of labels; None when files have none."""
    part: str | None
    """Name of the column of parts; None when files have none."""
    counts: BoundedCounter[tuple[str | None, str | None]] = field(default_factory=BoundedCounter)
    """Files of each label and part."""
    groups: dict[str, int] = field(default_factory=dict)
    """Different groups in each part; empty when files have none."""
    straddling: int | None = None
    """Groups that are in more than one part."""

    @property
    def parts(self) -> list[str | None]:
        """The parts, in order; files in none at the end."""
        return sorted({part for (_, part), _ in self.counts.items()}, key=lambda part: (part is None, part))

    def by_label(self) -> list[tuple[str | None, dict[str | None, int]]]:
        """Return the labels, the most frequent first, with their numbers in each part."""
        found: dict[str | None, dict[str | None, int]] = {}
        for (label, part), count in self.counts.items():
            found.setdefault(label, {})[part] = count
        return sorted(found.items(), key=lambda item: (-sum(item[1].values()), str(item[0])))


HAS_RESULT = f"inpath is not None and (outpath is not None or status == '{Status.RECORDED}')"
"""Rows that stand for a file of the dataset: not those that failed or were dropped, or a table that a stage adds."""


@dataclass(frozen=True)
class ColumnNames:
    """Names that some columns may have; of each kind the first that a manifest has counts."""

    label: Sequence[str] = ("label",)
    part: Sequence[str] = ("part",)
    group: Sequence[str] = ("group",)


def count_balance(rows: ManifestView, names: ColumnNames) -> Balance | None:
    """Return how many files have each label, in each part; None when the manifest has neither column.

    Parameters
    ----------
    rows
        A manifest.
    names
        Of the columns that say which label, part and group a file has.
    """
    there = rows.schema.names
    label, part, group = (
        next((name for name in some if name in there), None) for some in (names.label, names.part, names.group)
    )
    columns = [name for name in dict.fromkeys([label, part]) if name is not None]
    if not columns:
        return None
    balance = Balance(label, part)
    for batch in rows.where(HAS_RESULT).batches(columns):
        balance.counts.add(_count_pairs(batch, label, part))
    if part is not None and group is not None:
        _count_groups(rows, part, group, balance)
    return balance


def count_equal_files(rows: ManifestView) -> tuple[int, int]:
    """Return how many files have the bytes of an earlier one, and how many different such contents there are.

    Holds 8 bytes a file. Files whose bytes were never read do not count.
    """
    import numpy as np

    hashes = [np.zeros(0, np.int64)]
    for batch in rows.where("digest is not None").batches(["digest"]):
        known = [hash(digest) for digest in batch.column(0).to_pylist() if len(digest) == 64]
        hashes.append(np.array(known, np.int64))
    ordered = np.concatenate(hashes)
    hashes.clear()
    ordered.sort()
    is_again = np.zeros(len(ordered) + 1, bool)
    is_again[1:-1] = ordered[1:] == ordered[:-1]
    return int(is_again.sum()), int((is_again[1:] & ~is_again[:-1]).sum())


def _count_pairs(batch: Any, label: str | None, part: str | None) -> dict[tuple[str | None, str | None], int]:
    import pyarrow as pa

    table = pa.Table.from_batches([batch])
    keys = table.column_names
    found: dict[tuple[str | None, str | None], int] = {}
    for row in table.group_by(keys).aggregate([([], "count_all")]).to_pylist():
        key = (_as_name(row[label]) if label else None, _as_name(row[part]) if part else None)
        found[key] = found.get(key, 0) + row["count_all"]
    return found


def _count_groups(rows: ManifestView, part: str, group: str, balance: Balance) -> None:
    """Count the different groups of each part, and those in several; 8 bytes for each that a batch has."""
    import numpy as np
    import pyarrow as pa

    hashes: dict[str, list[NDArray[np.int64]]] = {}
    for batch in rows.where(HAS_RESULT).batches([part, group]):
        pairs = pa.Table.from_batches([batch]).group_by([part, group]).aggregate([]).to_pylist()
        for name in {pair[part] for pair in pairs} - {None}:
            here = [hash(pair[group]) for pair in pairs if pair[part] == name and pair[group] is not None]
            hashes.setdefault(str(name), []).append(np.array(here, np.int64))
    distinct = {name: np.unique(np.concatenate(some)) for name, some in sorted(hashes.items())}
    balance.groups = {name: len(some) for name, some in distinct.items()}
    if distinct:
        _, n_parts = np.unique(np.concatenate(list(distinct.values())), return_counts=True)
        balance.straddling = int((n_parts > 1).sum())


def _count_values(column: Any) -> dict[Any, int]:
    return {row["values"]: row["counts"] for row in column.value_counts().to_pylist()}


def _as_name(value: Any) -> str | None:
    return None if value is None else str(value)
