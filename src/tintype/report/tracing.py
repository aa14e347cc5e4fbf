"""The stages of a graph with their manifests, a sample of each, and the way of each sampled file through them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luigi.task import flatten

from tintype.errors import TintypeError
from tintype.manifest.schema import Status
from tintype.rebuilding.survey import key_of
from tintype.rebuilding.words import describe_error

if TYPE_CHECKING:
    from tintype.manifest.reader import Manifest
    from tintype.manifest.rows import ManifestView, Row
    from tintype.rebuilding.survey import Look
    from tintype.rebuilding.task_status import TaskStatus

TROUBLE = f"status in ('{Status.FAILED}', '{Status.DROPPED}')"
MOST_STEPS = 6
"""Stages of a file's way that are shown: the first, and the last ones."""
MOST_PAIRS = 12
"""Pairs of files alike that are shown of a stage."""


@dataclass
class Node:
    """A task of a graph, and what is read of its manifest."""

    number: int
    """From 0, what is required before what requires it."""
    status: TaskStatus
    upstream: list[Node] = field(default_factory=list)
    """The stages that it requires."""
    manifest: Manifest | None = None
    """None for what is no stage, is not published, or cannot be read."""
    files_folder: Path = Path()
    error: str = ""
    """Why its manifest cannot be read."""
    recorded: Collection[str] = ()
    """Columns that it records itself."""
    sample: list[Row] = field(default_factory=list)
    """Rows drawn from all."""
    trouble: list[Row] = field(default_factory=list)
    """Rows drawn from those that failed or were dropped, without those that are in the sample."""
    pairs: list[Pair] = field(default_factory=list)
    n_pairs: Mapping[str, int] = field(default_factory=dict)
    """Rows that name a file alike, by the kind of pair."""
    wanted: dict[str, Row | None] = field(default_factory=dict)
    """Rows by output path that others ask for; None until they are found, and where they are not."""

    @property
    def name(self) -> str:
        """The task's name."""
        return self.status.name

    def shown_rows(self) -> list[Row]:
        """Return the rows that a page shows."""
        return [*self.sample, *self.trouble, *(pair.row for pair in self.pairs)]


@dataclass(frozen=True)
class Pair:
    """A file, and another one that is like it."""

    kind: str
    """``duplicate`` or ``leak``."""
    row: Row
    other: str
    """Output path of the other one, in the same stage."""
    distance: int | None
    """Bits in which their perceptual hashes differ; None where they have the same bytes."""


PAIR_COLUMNS = {
    "duplicate": ("duplicate_of", "distance", "phash"),
    "leak": ("leak_of", "leak_distance", "leak_hash"),
}
"""The columns that name the other file, how far it is, and a hash where files were not compared by bytes; by the kind
of pair."""


@dataclass(frozen=True)
class Step:
    """A file on its way: a row of the manifest of one stage."""

    node: Node
    row: Row


def make_nodes(looks: Sequence[Look]) -> list[Node]:
    """Return the tasks of a graph with their manifests opened; what cannot be opened says why."""
    nodes: dict[str, Node] = {}
    for look in looks:
        node = Node(len(nodes), look.status)
        nodes[look.status.key] = node
        if look.status.is_stage:
            node.recorded = frozenset(look.stage.recorded_columns)
            required = {key_of(task): None for task in flatten(look.task.requires())}
            node.upstream = [nodes[key] for key in required if nodes[key].status.is_stage]
            if look.status.stamp is not None:
                _open(node, look)
    return list(nodes.values())


def draw_samples(nodes: Sequence[Node], n: int, seed: int) -> None:
    """Draw the rows that are shown of each stage, and find the way of each back to its source.

    Of each manifest the output paths are read once, however many stages are below it.

    Parameters
    ----------
    nodes
        What is required before what requires it.
    n
        Rows of each stage; a quarter as many more of those that failed or were dropped.
    seed
        Of the choice.
    """
    for node in reversed(nodes):
        if node.manifest is None:
            continue
        try:
            _draw(node, n, seed)
            _find_wanted(node)
        except TintypeError as error:
            node.manifest, node.error = None, describe_error(error)
            node.sample, node.trouble, node.pairs, node.wanted = [], [], [], {}
            continue
        for row in [*node.shown_rows(), *(row for row in node.wanted.values() if row is not None)]:
            for above, outpath in _candidates(node, row):
                above.wanted.setdefault(outpath, None)


def find_way(node: Node, row: Row) -> list[Step]:
    """Return a row with what it was made from, the source first; of joined files that of the first stage.

    Parameters
    ----------
    node
        The stage that the row is of.
    row
        One of those that were drawn.
    """
    way = [Step(node, row)]
    while True:
        last = way[-1]
        found = (
            Step(above, known)
            for above, outpath in _candidates(last.node, last.row)
            if (known := above.wanted.get(outpath)) is not None
        )
        step = next(found, None)
        if step is None:
            return way[::-1]
        way.append(step)


def shorten(way: Sequence[Step]) -> list[Step]:
    """Return the stages of a way that are shown."""
    return list(way) if len(way) <= MOST_STEPS else [way[0], *way[1 - MOST_STEPS :]]


def find_rows(rows: ManifestView, paths: Collection[str]) -> dict[str, Row]:
    """Return the rows with some output paths, by these: one pass over the paths, and then those rows alone."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from tintype.manifest.arrays import make_array

    if not paths:
        return {}
    wanted = make_array(sorted(paths), pa.string())
    numbers = [np.zeros(0, np.int64)]
    for here, batch in rows.numbered_batches(["outpath"]):
        numbers.append(here[np.asarray(pc.is_in(batch.column(0), value_set=wanted, skip_nulls=True))])
    found = [row for _, batch in rows.batches_at(np.concatenate(numbers)) for row in batch.to_pylist()]
    return {row["outpath"]: row for row in found}


def _open(node: Node, look: Look) -> None:
    target = look.stage.output()
    try:
        manifest = target.manifest()
        len(manifest)  # opens it: all that is read from now on is of one build
        node.manifest, node.files_folder = manifest, target.files_folder()
    except TintypeError as error:
        node.error = describe_error(error)


def _draw(node: Node, n: int, seed: int) -> None:
    assert node.manifest is not None
    sample = node.manifest.sample(n, seed)
    node.sample = list(sample.rows())
    drawn = set(sample.numbers.tolist())
    in_trouble = node.manifest.where(TROUBLE).sample(-(-n // 4), seed)
    for numbers, batch in in_trouble.numbered_batches(node.manifest.schema.names):
        rows = zip(numbers.tolist(), batch.to_pylist(), strict=True)
        node.trouble.extend(row for number, row in rows if number not in drawn)
    counts = {}
    for kind, (other, distance, hashed) in PAIR_COLUMNS.items():
        if other in node.recorded and other in node.manifest.schema.names:
            alike = node.manifest.where(f"{other} is not None")
            counts[kind] = len(alike)
            chosen = alike.sample(MOST_PAIRS, seed).rows()
            node.pairs.extend(
                Pair(kind, row, row[other], None if row.get(hashed) is None else row.get(distance)) for row in chosen
            )
    node.n_pairs = counts


def _find_wanted(node: Node) -> None:
    """Find the rows that stages below, or pairs of this one, ask for."""
    assert node.manifest is not None
    for pair in node.pairs:
        node.wanted.setdefault(pair.other, None)
    known = {row["outpath"]: row for row in node.shown_rows() if row["outpath"] in node.wanted}
    node.wanted.update(known)
    node.wanted.update(find_rows(node.manifest, node.wanted.keys() - known.keys()))


def _candidates(node: Node, row: Mapping[str, Any]) -> list[tuple[Node, str]]:
    """Return where what a row was made from may be: a stage above, and an output path in it."""
    inpath = row["inpath"]
    if inpath is None:
        return []
    found = [(above, inpath) for above in node.upstream]
    for above in node.upstream:  # several directories brought together: the first folder says which
        start = f"{Path(above.status.directory or '').name}/"
        if inpath.startswith(start):
            found.insert(0, (above, inpath.removeprefix(start)))
    return found
