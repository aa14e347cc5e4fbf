"""Write the report of a graph."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tintype.errors import SettingsError
from tintype.rebuilding.survey import survey
from tintype.report.facts import StageFacts, gather_facts
from tintype.report.pictures import PictureBook
from tintype.report.placing import default_folder, refuse_place, replacing, write_summary
from tintype.report.tracing import Node, draw_samples, find_way, make_nodes, shorten
from tintype.settings import read_settings
from tintype.targets.disk_errors import disk_errors

if TYPE_CHECKING:
    from luigi.task import Task

PAGE_NAME = "index.html"
SAMPLES = 48
"""Files of each stage that are shown."""
MOST_SAMPLES = 1000
"""Files that are shown of all stages, where the caller does not say how many of each."""
FEWEST_SAMPLES = 6


@dataclass(frozen=True)
class WrittenReport:
    """A report that was written."""

    path: Path
    """The page, absolute; its small pictures lie beside it."""
    size_bytes: int
    """Of the page."""
    pictures_bytes: int
    """Of the small pictures, which a browser loads as they come into sight."""
    n_stages: int
    n_published: int
    """Stages whose directories are shown."""
    n_rows: int
    """Rows of their manifests, all of which were counted."""
    n_failed: int
    n_shown: int
    """Files that are shown."""
    n_pictures: int
    seed: int
    errors: tuple[str, ...] = ()
    """What could not be shown, a sentence for each stage."""

    def to_json(self) -> dict[str, Any]:
        """Return this as plain values."""
        return {
            "path": str(self.path),
            "size_bytes": self.size_bytes,
            "pictures_bytes": self.pictures_bytes,
            "stages": self.n_stages,
            "published": self.n_published,
            "rows": self.n_rows,
            "failed": self.n_failed,
            "shown": self.n_shown,
            "pictures": self.n_pictures,
            "seed": self.seed,
            "errors": list(self.errors),
        }

    def __str__(self) -> str:
        return str(self.path)


def write_report(
    task: Task, folder: str | os.PathLike[str] | None = None, *, samples: int | None = None, seed: int = 0
) -> WrittenReport:
    """Write one folder with a page about a task and everything above it, that opens without a network.

    The page shows the graph; and of each stage that is published a sample of its files, each with what it was made
    from, stage by stage; what failed, by type and host; how sizes, shapes, brightness, sharpness and times are spread;
    labels and parts; files that are alike; and leaks. What is counted is counted over every row of the manifests, in
    memory that does not grow with their number but for 8 bytes a file. What is measured on the sample is marked so.

    A report that is there is replaced in one step, when the new one is whole.

    Parameters
    ----------
    task
        A stage, or any Luigi task that requires stages.
    folder
        Where to write it; None for ``<base_dir>/reports/<Name>``.
    samples
        Files of each stage that are shown. None shows 48, and fewer of each in a graph of more than 20 stages.
    seed
        Another one shows others.

    Returns
    -------
    WrittenReport
        Where the page is, and what it adds up to.

    Raises
    ------
    SettingsError
        When the task has no stage, `samples` is below 0, or `folder` lies in a published directory. A ValueError.
    StrayDirectoryError
        When something that is no report stands there.
    StagingError
        When the disk refuses; StagingLockedError when another process is writing this report.

    Examples
    --------
    >>> from tintype import ops, raw, interim, testing
    >>> from luigi.util import requires
    >>> class Photos(raw.ImportFolder):
    ...     folder = "photos"
    >>> @requires(Photos)
    ... class Thumbs(interim.ImageStage):
    ...     def process(self, image):
    ...         return ops.resize(image, max_side=32)
    >>> files = {f"cats/{n}.png": image for n, image in enumerate(testing.fake_images(3))}
    >>> built = testing.build(Thumbs, files=files)
    >>> report = write_report(Thumbs(base_dir=str(built.base_dir)))
    >>> report.path.relative_to(built.base_dir).as_posix(), report.n_stages, report.n_rows, report.n_pictures
    ('reports/Thumbs/index.html', 2, 6, 6)
    """
    from tintype.report.page import render_page

    if samples is not None and samples < 0:
        raise SettingsError(f"samples is {samples}: give the number of files to show of each stage, 0 or more")
    looks = survey(task)
    default = default_folder(task, looks)
    place = Path(os.path.abspath(default if folder is None else folder))
    refuse_place(place)
    nodes = make_nodes(looks)
    n_stages = sum(node.status.is_stage for node in nodes)
    chosen = max(FEWEST_SAMPLES, min(SAMPLES, MOST_SAMPLES // n_stages)) if samples is None else samples
    draw_samples(nodes, chosen, seed)
    settings = read_settings()
    with replacing(place) as draft:
        book = PictureBook(draft, max_pixels=settings.max_image_pixels)
        _ask_for_pictures(nodes, book)
        book.draw(settings.n_jobs)
        facts = gather_facts(nodes, looks, book)
        text = render_page(nodes[-1], nodes, facts, book, place=place, seed=seed)
        with disk_errors(f"writing {place}"):
            (draft / PAGE_NAME).write_text(text, encoding="utf-8")
        report = _sum_up(place, draft, nodes, facts, len(book), seed)
        write_summary(draft, report.to_json())
    return report


def _ask_for_pictures(nodes: Sequence[Node], book: PictureBook) -> None:
    for node in nodes:
        for row in node.sample:
            book.want(node, row["outpath"], is_measured=True)
        for row in node.shown_rows():
            for step in shorten(find_way(node, row)):
                book.want(step.node, step.row["outpath"])
        for pair in node.pairs:
            book.want(node, pair.other if node.wanted.get(pair.other) is not None else None)


def _sum_up(
    place: Path, draft: Path, nodes: Sequence[Node], facts: Sequence[StageFacts], n_pictures: int, seed: int
) -> WrittenReport:
    pictures = (draft / PictureBook.FOLDER).iterdir()
    return WrittenReport(
        path=place / PAGE_NAME,
        size_bytes=(draft / PAGE_NAME).stat().st_size,
        pictures_bytes=sum(picture.stat().st_size for picture in pictures),
        n_stages=sum(node.status.is_stage for node in nodes),
        n_published=len(facts),
        n_rows=sum(one.n_rows for one in facts),
        n_failed=sum(failure.count for one in facts for failure in one.failures),
        n_shown=sum(len(node.sample) + len(node.trouble) for node in nodes),
        n_pictures=n_pictures,
        seed=seed,
        errors=tuple(
            f"{node.name}: {error}"
            for node in nodes
            for error in dict.fromkeys((node.status.error, node.error))
            if error
        ),
    )
