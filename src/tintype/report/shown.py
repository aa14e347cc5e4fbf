"""What the page's templates are given: texts that are ready to be shown, and links that are safe to follow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tintype.manifest.schema import FIXED_COLUMNS
from tintype.rebuilding.words import describe_size
from tintype.report.tracing import Node, Pair, Step, find_way, shorten
from tintype.report.words import show_seconds, show_text, show_value, web_address

if TYPE_CHECKING:
    from tintype.manifest.rows import Row
    from tintype.report.counting import FailureType
    from tintype.report.facts import StageFacts
    from tintype.report.pictures import Picture, PictureBook

MOST_COLUMNS = 30
"""Columns of a row that are shown."""
MOST_NEAR = 12
"""Pairs of sampled files alike that are shown."""


@dataclass(frozen=True)
class ShownStep:
    """A file in one stage of its way."""

    stage: str
    anchor: str
    path: str
    status: str
    note: str
    picture: Picture | None
    link: str | None
    """To the file itself, where it is an image."""


@dataclass(frozen=True)
class ShownFile:
    """A row of a manifest, with the way of its file."""

    path: str
    status: str
    label: str
    error: str
    picture: Picture | None
    """Of the file, or of what it was made from."""
    note: str
    steps: Sequence[ShownStep]
    n_left_out: int
    """Stages after the first that are not shown."""
    columns: Sequence[tuple[str, str]]
    source: str | None
    """The URL that it comes from."""
    text: str
    """What a filter looks in, in small letters."""


@dataclass(frozen=True)
class ShownPair:
    """Two files alike."""

    first: ShownStep
    second: ShownStep
    note: str


class Shelf:
    """Makes rows ready to be shown.

    Parameters
    ----------
    book
        The pictures, drawn.
    place
        Folder of the page: links go from there.
    facts
        Of each stage, by the number of its node.
    """

    def __init__(self, book: PictureBook, place: Path, facts: Mapping[int, StageFacts]) -> None:
        self._book = book
        self._place = place
        self._balances = {number: one.balance for number, one in facts.items()}

    def files(self, node: Node) -> list[ShownFile]:
        """Return the sample of a stage, and those of its files that failed or were dropped."""
        return [self.file(node, row) for row in [*node.sample, *node.trouble]]

    def file(self, node: Node, row: Row) -> ShownFile:
        """Return a row with the way of its file."""
        way = find_way(node, row)
        steps = [self.step(step) for step in shorten(way)]
        name = row["outpath"] if row["outpath"] is not None else row["inpath"]
        path, error = show_text(name if name is not None else "no file"), _error_of(row)
        columns = [
            (show_text(column, 60), show_value(value))
            for column, value in list(row.items())
            if column not in FIXED_COLUMNS and value is not None
        ][:MOST_COLUMNS]
        balance = self._balances.get(node.number)
        label = show_value(row.get(balance.label)) if balance is not None and balance.label is not None else ""
        words = [path, show_text(row["inpath"] or ""), error, row["status"] or "", *(value for _, value in columns)]
        last = next((step for step in reversed(steps) if step.picture is not None), None)
        return ShownFile(
            path=path,
            status=show_text(row["status"] or ""),
            label=label,
            error=error,
            picture=None if last is None else last.picture,
            note=_facts_of(row),
            steps=steps,
            n_left_out=len(way) - len(steps),
            columns=columns,
            source=web_address(row.get("url")) or web_address(row["inpath"]),
            text=" ".join(words).lower(),
        )

    def step(self, step: Step) -> ShownStep:
        """Return one stage of a file's way."""
        node, row = step.node, step.row
        picture = self._book.find(node, row["outpath"])
        link = None
        if picture is not None and picture.file is not None:
            link = link_to(node.files_folder / row["outpath"], self._place)
        name = row["outpath"] if row["outpath"] is not None else row["inpath"]
        note = _error_of(row) or (picture.note if picture is not None else "no file")
        return ShownStep(
            stage=show_text(node.name, 60),
            anchor=anchor(node),
            path=show_text(name if name is not None else "no file"),
            status=show_text(row["status"] or ""),
            note=show_text(note),
            picture=picture if picture is not None and picture.file is not None else None,
            link=link,
        )

    def pairs(self, node: Node, kind: str) -> list[ShownPair]:
        """Return the pairs of one kind that were drawn."""
        return [self._pair(node, pair) for pair in node.pairs if pair.kind == kind]

    def near(self, node: Node, facts: StageFacts) -> list[ShownPair]:
        """Return the pairs of the sample that look alike."""
        rows = {row["outpath"]: row for row in node.sample}
        return [
            ShownPair(self.step(Step(node, rows[one])), self.step(Step(node, rows[other])), _tell_distance(n_bits))
            for one, other, n_bits in facts.near[:MOST_NEAR]
        ]

    def _pair(self, node: Node, pair: Pair) -> ShownPair:
        # A duplicate was dropped, so that its picture is of what it was made from.
        steps = [self.step(step) for step in shorten(find_way(node, pair.row))]
        first = next((step for step in reversed(steps) if step.picture is not None), steps[-1])
        other = node.wanted.get(pair.other)
        if other is None:
            stage, path = show_text(node.name, 60), show_text(pair.other)
            second = ShownStep(stage, anchor(node), path, "", "not in the manifest", None, None)
        else:
            second = self.step(Step(node, other))
        return ShownPair(first, second, f"{self._tell_parts(node, pair.row, other)}{_tell_distance(pair.distance)}")

    def _tell_parts(self, node: Node, row: Row, other: Row | None) -> str:
        balance = self._balances.get(node.number)
        if balance is None or balance.part is None or other is None:
            return ""
        parts = row.get(balance.part), other.get(balance.part)
        return "" if None in parts else f"{show_value(parts[0])} and {show_value(parts[1])}, "


def link_to(path: Path, place: Path) -> str:
    """Return a link from a page to a file, percent-encoded.

    Examples
    --------
    >>> link_to(Path("/data/raw/Photos/a b#1?.jpg"), Path("/data/reports/Photos"))
    '../../raw/Photos/a%20b%231%3F.jpg'
    """
    return quote(os.path.relpath(path, place), safe="/", errors="surrogateescape")


def anchor(node: Node) -> str:
    """Return the name of a stage's place in the page."""
    return f"stage-{node.number}"


def shown_failures(failure: FailureType) -> Iterator[tuple[str, str, str | None]]:
    """Yield path, error and address of the examples of a type of failure."""
    for row in failure.examples:
        address = web_address(row.get("url")) or web_address(row["inpath"])
        yield show_text(row["inpath"] or "no input"), show_text(row["error"] or ""), address


def _error_of(row: Mapping[str, Any]) -> str:
    parts = (row["error_type"], row["error"])
    return show_text(": ".join(str(part) for part in parts if part))


def _facts_of(row: Mapping[str, Any]) -> str:
    size = [] if row["size_bytes"] is None else [describe_size(row["size_bytes"])]
    seconds = [] if row["seconds"] is None else [show_seconds(row["seconds"])]
    return ", ".join([*size, *seconds])


def _tell_distance(n_bits: int | None) -> str:
    if n_bits is None:
        return "the same bytes"
    return "equal hashes" if n_bits == 0 else f"{n_bits} bit{'s' if n_bits > 1 else ''} of 64 apart"
