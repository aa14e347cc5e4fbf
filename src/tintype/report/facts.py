"""Everything that a page says of a stage, in numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tintype.errors import TintypeError
from tintype.rebuilding.words import describe_error
from tintype.report.counting import (
    Balance,
    ColumnNames,
    FailureType,
    count_balance,
    count_equal_files,
    count_failures,
    count_statuses,
)
from tintype.report.distributions import Distribution, count_distributions, sampled_distributions
from tintype.report.pictures import PictureBook, find_near

if TYPE_CHECKING:
    from tintype.manifest.reader import Manifest
    from tintype.rebuilding.survey import Look
    from tintype.report.tracing import Node


@dataclass(frozen=True)
class StageFacts:
    """What the manifest of a stage adds up to, and what was measured on its sample."""

    node: Node
    n_rows: int
    statuses: Mapping[str, int]
    seconds: float
    """Of all rows together: the work, in however many threads."""
    failures: Sequence[FailureType]
    distributions: Sequence[Distribution]
    balance: Balance | None
    n_equal: int
    """Files with the bytes of an earlier one."""
    n_repeated: int
    """Different contents that occur more than once."""
    near: Sequence[tuple[str, str, int]]
    """Output paths in the sample that look alike, and the bits in which their hashes differ."""


def gather_facts(nodes: Sequence[Node], looks: Sequence[Look], book: PictureBook) -> list[StageFacts]:
    """Count what there is to be counted; a manifest that cannot be read is the node's error."""
    names = ColumnNames(
        label=_column_names(looks, "label", "label"),
        part=_column_names(looks, "part_column", "part"),
        group=_column_names(looks, "group", "group"),
    )
    return list(_gather(nodes, names, book))


def _gather(nodes: Sequence[Node], names: ColumnNames, book: PictureBook) -> Iterator[StageFacts]:
    for node in nodes:
        if node.manifest is not None:
            try:
                yield _gather_one(node, node.manifest, names, book)
            except TintypeError as error:
                node.manifest, node.error = None, describe_error(error)


def _gather_one(node: Node, manifest: Manifest, names: ColumnNames, book: PictureBook) -> StageFacts:
    pictures = [(row["outpath"], book.find(node, row["outpath"])) for row in node.sample]
    there = [(outpath, picture) for outpath, picture in pictures if picture is not None]
    counted = count_distributions(manifest, node.recorded)
    sampled = sampled_distributions([picture.measured for _, picture in there], counted)
    seconds = next((one.histogram for one in counted if one.measure.name == "seconds"), None)
    n_equal, n_repeated = count_equal_files(manifest)
    return StageFacts(
        node=node,
        n_rows=len(manifest),
        statuses=count_statuses(manifest),
        seconds=0.0 if seconds is None else seconds.total,
        failures=count_failures(manifest),
        distributions=[*counted, *sampled],
        balance=count_balance(manifest, names),
        n_equal=n_equal,
        n_repeated=n_repeated,
        near=find_near(there),
    )


def _column_names(looks: Sequence[Look], attribute: str, usual: str) -> list[str]:
    """Return the names that a kind of column may have: those that stages are told, the last first, then the usual."""
    told = [getattr(look.stage, attribute, None) for look in looks if look.status.is_stage]
    return list(dict.fromkeys([*(name for name in reversed(told) if isinstance(name, str)), usual]))
