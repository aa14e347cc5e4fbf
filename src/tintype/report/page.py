"""The page: what is known of a graph, put into templates that escape every text."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tintype.rebuilding.words import describe_size
from tintype.report.charts import make_chart
from tintype.report.shown import Shelf, ShownFile, anchor, shown_failures
from tintype.report.tables import MOST_ROWS, balance_table, graph_table, hosts_table
from tintype.report.words import show_seconds, show_share, show_text

if TYPE_CHECKING:
    from jinja2 import Environment

    from tintype.report.facts import StageFacts
    from tintype.report.pictures import PictureBook
    from tintype.report.tracing import Node

TEMPLATES = Path(__file__).parent / "templates"


def render_page(
    root: Node, nodes: Sequence[Node], facts: Sequence[StageFacts], book: PictureBook, *, place: Path, seed: int
) -> str:
    """Return the page.

    Parameters
    ----------
    root
        The task that the report is about.
    nodes
        All tasks of its graph.
    facts
        Of the stages that are published.
    book
        The pictures, drawn.
    place
        Folder that the page will lie in.
    seed
        That the sample was drawn with.
    """
    by_number = {one.node.number: one for one in facts}
    shelf = Shelf(book, place, by_number)
    stages = [_stage(node, by_number.get(node.number), shelf) for node in reversed(nodes) if node.status.is_stage]
    files = [file for stage in stages for file in stage["files"]]
    styles, script = read_template("page.css"), read_template("page.js")
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            title=show_text(root.name, 120),
            policy=content_policy(styles, script),
            styles=styles,
            script=script,
            made_at=datetime.now(UTC).isoformat(" ", "seconds").replace("+00:00", " UTC"),
            tintype_version=version("tintype"),
            seed=seed,
            graph=graph_table(nodes, by_number),
            stages=stages,
            labels=sorted({file.label for file in files if file.label}),
            statuses=sorted({file.status for file in files if file.status}),
            n_files=len(files),
        )
    )


def content_policy(styles: str, script: str) -> str:
    """Return the policy that has a browser run our script and no other, and load nothing from a network."""
    return (
        f"default-src 'none'; img-src 'self' file: data:; style-src '{_hash(styles)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def read_template(name: str) -> str:
    """Return the text of one of the files that the page is made from."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"


def _stage(node: Node, facts: StageFacts | None, shelf: Shelf) -> dict[str, Any]:
    """Return all that the templates need to know of a stage."""
    stage: dict[str, Any] = {
        "name": show_text(node.name, 120),
        "anchor": anchor(node),
        "state": node.status.state,
        "why": show_text(node.status.describe()),
        "error": show_text(node.error),
        "directory": show_text(node.status.directory or ""),
        "upstream": [(show_text(above.name, 60), anchor(above)) for above in node.upstream],
        "files": [],
        "facts": None,
    }
    if facts is None:
        return stage
    stamp = node.status.stamp
    assert stamp is not None
    files: list[ShownFile] = shelf.files(node)
    n_failed = sum(failure.count for failure in facts.failures)
    return stage | {
        "facts": facts,
        "files": files,
        "n_sample": len(node.sample),
        "n_trouble": len(node.trouble),
        "statuses": [(name, f"{count:,}", show_share(count, facts.n_rows)) for name, count in facts.statuses.items()],
        "size": describe_size(stamp.size_bytes),
        "n_files": f"{stamp.n_files:,}",
        "n_rows": f"{facts.n_rows:,}",
        "seconds": show_seconds(facts.seconds),
        "published": stamp.time_published[:19].replace("T", " ") + " UTC",
        "n_failed": n_failed,
        "failures": [
            {
                "name": show_text(failure.name, 80),
                "count": f"{failure.count:,}",
                "share": show_share(failure.count, facts.n_rows),
                "hosts": hosts_table(failure.hosts),
                "examples": list(shown_failures(failure)),
            }
            for failure in facts.failures[:MOST_ROWS]
        ],
        "n_more_failures": max(0, len(facts.failures) - MOST_ROWS),
        "charts": [make_chart(distribution) for distribution in facts.distributions],
        "balance": None if facts.balance is None else balance_table(facts.balance),
        "duplicates": shelf.pairs(node, "duplicate"),
        "leaks": shelf.pairs(node, "leak"),
        "near": shelf.near(node, facts),
    }
