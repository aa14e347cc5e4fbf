"""Where the tasks of a graph stand in a drawing: what is required at the left of what requires it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BOX_WIDTH, BOX_HEIGHT = 216, 86
GAP_X, GAP_Y = 64, 24
MARGIN = 12
_PASSES = 4


@dataclass(frozen=True)
class Box:
    """The place of a task, in pixels."""

    key: str
    x: int
    y: int


@dataclass(frozen=True)
class Edge:
    """The line from what is required to what requires it."""

    start: str
    end: str
    path: str
    """As SVG has it."""


@dataclass(frozen=True)
class Drawing:
    """A graph in the plane."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


def draw_graph(requires: Mapping[str, Sequence[str]]) -> Drawing:
    """Place the tasks of a graph: each one column right of the last that it requires.

    Within a column they are in the order of the middle of their neighbours, so that few lines cross.

    Parameters
    ----------
    requires
        What each task requires, by key; what is required before what requires it.

    Examples
    --------
    >>> drawing = draw_graph({"photos": [], "masks": [], "cutouts": ["photos", "masks"]})
    >>> [(box.key, box.x, box.y) for box in drawing.boxes]
    [('photos', 12, 12), ('masks', 12, 122), ('cutouts', 292, 67)]
    >>> drawing.width, drawing.height
    (520, 220)
    """
    columns = _make_columns(requires)
    most = max((len(column) for column in columns), default=1)
    height = most * (BOX_HEIGHT + GAP_Y) - GAP_Y
    places: dict[str, Box] = {}
    for number, column in enumerate(columns):
        top = MARGIN + (height - len(column) * (BOX_HEIGHT + GAP_Y) + GAP_Y) // 2
        for row, key in enumerate(column):
            places[key] = Box(key, MARGIN + number * (BOX_WIDTH + GAP_X), top + row * (BOX_HEIGHT + GAP_Y))
    edges = [Edge(above, key, _curve(places[above], places[key])) for key, some in requires.items() for above in some]
    width = 2 * MARGIN + max(1, len(columns)) * (BOX_WIDTH + GAP_X) - GAP_X
    return Drawing(width, height + 2 * MARGIN, tuple(places[key] for key in requires), tuple(edges))


def _make_columns(requires: Mapping[str, Sequence[str]]) -> list[list[str]]:
    level: dict[str, int] = {}
    below: dict[str, list[str]] = {key: [] for key in requires}
    for key, some in requires.items():
        level[key] = 1 + max((level[above] for above in some), default=-1)
        for above in some:
            below[above].append(key)
    columns: list[list[str]] = [[] for _ in range(1 + max(level.values(), default=-1))]
    for key in requires:
        columns[level[key]].append(key)
    for number in range(_PASSES):
        neighbours, order = (requires, columns) if number % 2 == 0 else (below, columns[::-1])
        rank = {key: place / len(column) for column in columns for place, key in enumerate(column)}
        for column in order:
            column.sort(key=lambda key: _middle(neighbours[key], rank, rank[key]))
            rank.update({key: place / len(column) for place, key in enumerate(column)})
    return columns


def _middle(keys: Sequence[str], rank: Mapping[str, float], own: float) -> float:
    return sum(rank[key] for key in keys) / len(keys) if keys else own


def _curve(start: Box, end: Box) -> str:
    x1, y1 = start.x + BOX_WIDTH, start.y + BOX_HEIGHT // 2
    x2, y2 = end.x - 7, end.y + BOX_HEIGHT // 2  # room for the head of the arrow
    reach = max(GAP_X // 2, (x2 - x1) // 2)
    return f"M{x1} {y1}C{x1 + reach} {y1} {x2 - reach} {y2} {x2} {y2}"
