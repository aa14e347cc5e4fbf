"""Which part, folder and name each file of a split gets: known before anything is written. Touches no disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from tintype.errors import SettingsError, SplitError
from tintype.manifest.arrays import from_numpy, make_array, text_scalar, to_numpy
from tintype.processed.splits.methods import assign_exact, assign_stable, hash_names
from tintype.processed.splits.names import FileNames, join_paths, refuse_bad_labels
from tintype.processed.splits.sizes import PartSize, check_parts, count_sizes, fractions_of, has_counts
from tintype.processed.splits.stratified import GroupShares, assign_rows
from tintype.tasks.naming import show_path

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

SplitMethod = Literal["stable", "exact"]


@dataclass(frozen=True)
class SplitRule:
    """How files are to be split.

    Raises
    ------
    SettingsError
        When what is asked for does not go together.

    Examples
    --------
    >>> SplitRule({"train": 0.8, "valid": 0.2}).chosen_method
    'stable'
    >>> SplitRule({"train": None, "valid": 200}).chosen_method
    'exact'
    """

    parts: Mapping[str, PartSize]
    """Name and size of each part: a fraction, a count, or None for what is left."""
    seed: int = 0
    method: SplitMethod | None = None
    """None is ``stable``, and ``exact`` where counts or strata ask for it."""
    stratify: bool = False
    count_in: Literal["rows", "groups"] = "rows"

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", check_parts(self.parts))
        if self.method not in (None, "stable", "exact"):
            raise SettingsError(f"method is {self.method!r}: give 'stable' or 'exact'")
        if self.count_in not in ("rows", "groups"):
            raise SettingsError(f"count_in is {self.count_in!r}: give 'rows' or 'groups'")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise SettingsError(f"seed is {self.seed!r}: give a whole number")
        if self.method == "stable" and (self._needs_exact or self.stratify):
            asked = "strata" if self.stratify else "counts"
            raise SettingsError(
                f"method is 'stable', where each group goes its own way, and so {asked} cannot be met: "
                "set method to 'exact', or give fractions"
            )
        if self.stratify and self.count_in == "groups":
            raise SettingsError(
                "stratify looks at the rows of each label: leave count_in at 'rows', or do not stratify"
            )

    @property
    def chosen_method(self) -> SplitMethod:
        """The method that is used."""
        return self.method or ("exact" if self._needs_exact or self.stratify else "stable")

    @property
    def _needs_exact(self) -> bool:
        return has_counts(self.parts)


class SplitFiles(NamedTuple):
    """Some consecutive files that are to be split."""

    inpaths: Sequence[str]
    labels: pa.Array
    """Text; null where a file has none."""
    groups: pa.Array | None
    """Text; None when each file is a group of its own."""


ReadFiles = Callable[[], Iterable[SplitFiles]]
"""Returns all files from the start, in the same order every time."""


@dataclass(frozen=True)
class SplitPlan:
    """Where each file goes, by its number. 13 bytes a file.

    Examples
    --------
    >>> import pyarrow as pa
    >>> files = [SplitFiles(["a/1.jpg", "b/1.jpg"], pa.array(["cat", "dog"]), None)]
    >>> plan = plan_split(lambda: files, SplitRule({"train": 1, "valid": 1}))
    >>> plan.outpaths(0, ["a/1.jpg", "b/1.jpg"])
    ['valid/cat/1.jpg', 'train/dog/1.jpg']
    """

    parts: tuple[str, ...]
    """Names of the parts, in order."""
    labels: tuple[str, ...]
    """All labels, in order."""
    part_of: NDArray[np.int64] = field(repr=False)
    """Place in ``parts`` of each file, shape (n,)."""
    label_of: NDArray[np.int32] = field(repr=False)
    """Place in ``labels`` of each file, shape (n,)."""
    digits: NDArray[np.uint8] = field(repr=False)
    """Digits of its path's hash in the name of each file, shape (n,)."""
    n_groups: tuple[int, ...] = ()
    """Groups in each part; files, where each is a group of its own."""
    is_grouped: bool = True

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.part_of)

    @property
    def n_files(self) -> tuple[int, ...]:
        """Files in each part."""
        return tuple(np.bincount(self.part_of, minlength=len(self.parts)).tolist())

    def folders(self) -> Iterator[str]:
        """Yield the folder of every label in every part."""
        return (f"{part}/{label}" for part in self.parts for label in self.labels)

    def outpaths(self, start: int, inpaths: Sequence[str]) -> list[str]:
        """Return where some files go, ``<part>/<label>/<name>``.

        Parameters
        ----------
        start
            Number of the first one.
        inpaths
            Their paths.
        """
        stop = start + len(inpaths)
        parts, labels = self.part_names(start, stop), self.label_names(start, stop)
        return join_paths(parts.to_pylist(), labels.to_pylist(), inpaths, self.digits[start:stop].tolist())

    def part_names(self, start: int, stop: int) -> pa.Array:
        """Return the name of the part of some files, as text."""
        return self._names(self.parts, self.part_of[start:stop])

    def label_names(self, start: int, stop: int) -> pa.Array:
        """Return the label of some files, as text."""
        return self._names(self.labels, self.label_of[start:stop])

    @staticmethod
    def _names(names: Sequence[str], places: NDArray[Any]) -> pa.Array:
        import pyarrow as pa

        return make_array(names, pa.string()).take(from_numpy(places.astype(np.int64, copy=False), pa.int64()))

    def describe(self) -> str:
        """Return the sizes of the parts in words.

        Examples
        --------
        >>> nothing = np.zeros(3, np.int64)
        >>> SplitPlan(("train", "valid"), ("cat",), nothing, nothing, nothing, n_groups=(2, 0)).describe()
        'train 3 files of 2 groups, valid 0 files of 0 groups'
        """
        sizes = zip(self.parts, self.n_files, self.n_groups, strict=True)
        return ", ".join(
            f"{part} {n_files:,} files" + (f" of {n_groups:,} groups" if self.is_grouped else "")
            for part, n_files, n_groups in sizes
        )


def plan_split(read_files: ReadFiles, rule: SplitRule) -> SplitPlan:
    """Decide where each file goes.

    Parameters
    ----------
    read_files
        Returns the files; is called more than once.
    rule
        How they are split.

    Raises
    ------
    SplitError
        When a file has no label or no group, or a label that cannot be a folder.
    SettingsError
        When sizes cannot be met, or a part would be empty.
    """
    collected = _collect(read_files, rule.seed)
    labels = collected.labels
    if not len(labels.codes):
        raise SettingsError("there are no files to split, and no part may be empty: let the stage above have some")
    refuse_bad_labels(labels.names, lambda label: _find_path(read_files, label))
    part_of_group = _assign(collected, rule)
    part_of = part_of_group if collected.groups is None else part_of_group[collected.groups.codes]
    n_groups = tuple(np.bincount(part_of_group, minlength=len(rule.parts)).tolist())
    _refuse_empty_parts(rule, n_groups, len(part_of))
    digits = collected.names.count_digits(lambda: _read_labelled(read_files))
    names = tuple(rule.parts), tuple(labels.names)
    return SplitPlan(*names, part_of, labels.codes.astype(np.int32), digits, n_groups, collected.groups is not None)


class _Coded(NamedTuple):
    """A column of text as its distinct values, in order, and the place of each row's."""

    names: list[str]
    codes: NDArray[np.int64]


class _Collected(NamedTuple):
    """What is kept of the files of a pass."""

    labels: _Coded
    groups: _Coded | None
    """None when each file is a group of its own."""
    hashes: NDArray[np.uint64]
    """Of the groups, or of the files."""
    names: FileNames


def _collect(read_files: ReadFiles, seed: int) -> _Collected:
    """Read the files; refuse any without a label or a group."""
    labels: list[pa.Array] = []
    groups: list[pa.Array] = []
    hashes = [np.zeros(0, np.uint64)]
    names, faults = FileNames(), _Missing()
    for files in read_files():
        faults.look("label", files.labels, files.inpaths)
        labels.append(files.labels.dictionary_encode())
        names.add(files.labels.fill_null(text_scalar("")).to_pylist(), files.inpaths)
        if files.groups is None:
            hashes.append(hash_names(files.inpaths, seed))
        else:
            faults.look("group", files.groups, files.inpaths)
            groups.append(files.groups.dictionary_encode())
    faults.refuse()
    coded = _code(groups) if groups else None
    return _Collected(
        _code(labels), coded, np.concatenate(hashes) if coded is None else hash_names(coded.names, seed), names
    )


class _Missing:
    """Count the files that have no label or no group."""

    def __init__(self) -> None:
        self._n_files = 0
        self._n_missing: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def look(self, what: str, values: pa.Array, inpaths: Sequence[str]) -> None:
        self._n_files += len(inpaths) if what == "label" else 0
        if values.null_count:
            self._n_missing[what] = self._n_missing.get(what, 0) + values.null_count
            self._first.setdefault(what, inpaths[values.is_null().to_pylist().index(True)])

    def refuse(self) -> None:
        for what, n_missing in self._n_missing.items():
            raise SplitError(
                f"{n_missing} of {self._n_files} files have no {what}, the first is {show_path(self._first[what])}: "
                f"give each one a {what}, or drop the files in the stage above"
            )


def _code(chunks: list[pa.Array]) -> _Coded:
    """Return dictionary-encoded chunks as one column."""
    import pyarrow as pa

    if not chunks:
        return _Coded([], np.zeros(0, np.int64))
    whole = pa.chunked_array(chunks).unify_dictionaries().combine_chunks()
    found: list[str] = whole.dictionary.to_pylist()
    order = sorted(range(len(found)), key=found.__getitem__)
    rank = np.empty(len(found), np.int64)
    rank[order] = np.arange(len(found))
    return _Coded([found[place] for place in order], rank[to_numpy(whole.indices)])


def _assign(files: _Collected, rule: SplitRule) -> NDArray[np.int64]:
    """Return the part of each group."""
    labels, groups, hashes, _ = files
    n_rows = len(labels.codes)
    if rule.chosen_method == "stable":
        return assign_stable(hashes, fractions_of(rule.parts))
    if groups is None:
        targets = count_sizes(rule.parts, n_rows)
        if rule.stratify:
            return assign_rows(hashes, labels.codes, targets)
        return assign_exact(hashes, np.ones(n_rows, np.int64), targets)
    n_groups = len(groups.names)
    count_sizes(dict.fromkeys(rule.parts, 1 / len(rule.parts)), n_groups, "groups")  # enough for all parts
    if rule.count_in == "groups":
        return assign_exact(hashes, np.ones(n_groups, np.int64), count_sizes(rule.parts, n_groups, "groups"))
    targets = count_sizes(rule.parts, n_rows)
    if rule.stratify:
        pairs, numbers = np.unique(groups.codes * len(labels.names) + labels.codes, return_counts=True)
        shares = GroupShares(
            (pairs // len(labels.names), pairs % len(labels.names), numbers),
            n_groups=n_groups,
            n_labels=len(labels.names),
            targets=targets,
        )
        return shares.assign(hashes)
    return assign_exact(hashes, np.bincount(groups.codes), targets)


def _refuse_empty_parts(rule: SplitRule, n_groups: Sequence[int], n_files: int) -> None:
    for part, size, n in zip(rule.parts, rule.parts.values(), n_groups, strict=True):
        if not n:
            asked = "what the others leave" if size is None else f"{size:g}"
            raise SettingsError(
                f"{part} would get none of the {n_files} files in {sum(n_groups)} groups, and it is to have {asked}: "
                "set method to 'exact', which leaves no part empty, or take more files"
            )


def _read_labelled(read_files: ReadFiles) -> Iterator[tuple[int, Sequence[str], Sequence[str]]]:
    start = 0
    for files in read_files():
        yield start, files.labels.to_pylist(), files.inpaths
        start += len(files.inpaths)


def _find_path(read_files: ReadFiles, label: str) -> str:
    paths = (
        inpath
        for _, labels, inpaths in _read_labelled(read_files)
        for found, inpath in zip(labels, inpaths, strict=True)
        if found == label
    )
    return next(paths)
