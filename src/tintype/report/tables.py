"""Counted values as the rows of tables: the graph, labels and parts, hosts. Texts and numbers are ready to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tintype.rebuilding.words import describe_size
from tintype.report import graph_drawing
from tintype.report.graph_drawing import draw_graph
from tintype.report.shown import anchor
from tintype.report.words import show_seconds, show_share, show_text

if TYPE_CHECKING:
    from tintype.report.counting import Balance, BoundedCounter
    from tintype.report.facts import StageFacts
    from tintype.report.tracing import Node

MOST_ROWS = 50
"""Labels, hosts, and types of errors, that are shown each."""


def balance_table(balance: Balance) -> dict[str, Any]:
    """Return how many files have each label, in each part."""
    parts = balance.parts if any(part is not None for part in balance.parts) else []
    totals: dict[str | None, int] = {}
    for (_, part), count in balance.counts.items():
        totals[part] = totals.get(part, 0) + count
    labels = balance.by_label()
    most = max((sum(counts.values()) for _, counts in labels), default=1)
    return {
        "label": None if balance.label is None else show_text(balance.label, 60),
        "parts": [_name_part(part) for part in parts],
        "rows": [
            {
                "name": show_text("no label" if label is None else label, 80),
                "counts": [
                    (f"{counts.get(part, 0):,}", show_share(counts.get(part, 0), totals[part])) for part in parts
                ],
                "total": f"{sum(counts.values()):,}",
                "share": show_share(sum(counts.values()), balance.counts.total),
                "width": round(100 * sum(counts.values()) / most, 1),
            }
            for label, counts in labels[:MOST_ROWS]
        ],
        "totals": [(f"{totals[part]:,}", show_share(totals[part], balance.counts.total)) for part in parts],
        "total": f"{balance.counts.total:,}",
        "n_more": max(0, len(labels) - MOST_ROWS),
        "n_others": balance.counts.n_others,
        "groups": [(_name_part(part), f"{count:,}") for part, count in balance.groups.items()],
        "straddling": balance.straddling,
    }


def hosts_table(hosts: BoundedCounter[str]) -> dict[str, Any]:
    """Return how many files of each host failed."""
    ranked = hosts.most_common(MOST_ROWS)
    n_more = hosts.total - sum(count for _, count in ranked)
    return {
        "is_known": any(name for name, _ in ranked),
        "rows": [
            (show_text(name or "no host", 120), f"{count:,}", show_share(count, hosts.total)) for name, count in ranked
        ],
        "more": f"{n_more:,}" if n_more else "",
    }


def graph_table(nodes: Sequence[Node], facts: dict[int, StageFacts]) -> dict[str, Any]:
    """Return the tasks of a graph, and where each stands in its drawing."""
    drawing = draw_graph({node.status.key: node.status.requires for node in nodes})
    names = {node.status.key: show_text(node.name, 120) for node in nodes}
    boxes = {box.key: box for box in drawing.boxes}
    return {
        "width": drawing.width,
        "height": drawing.height,
        "box_width": graph_drawing.BOX_WIDTH,
        "box_height": graph_drawing.BOX_HEIGHT,
        "edges": drawing.edges,
        "rows": [
            {
                "x": boxes[node.status.key].x,
                "y": boxes[node.status.key].y,
                "name": names[node.status.key],
                "short": show_text(node.name, 26),
                "anchor": anchor(node) if node.status.is_stage else None,
                "state": node.status.state,
                "above": [names[key] for key in node.status.requires],
                **_tell_published(node, facts.get(node.number)),
            }
            for node in nodes
        ],
    }


def _tell_published(node: Node, facts: StageFacts | None) -> dict[str, Any]:
    stamp = node.status.stamp
    if stamp is None:
        return dict.fromkeys(("files", "size", "seconds", "failed"), "")
    return {
        "files": f"{stamp.n_files:,}",
        "size": describe_size(stamp.size_bytes),
        "seconds": "" if facts is None else show_seconds(facts.seconds),
        "failed": f"{stamp.n_failed:,}",
    }


def _name_part(part: str | None) -> str:
    return "no part" if part is None else show_text(part, 60)
