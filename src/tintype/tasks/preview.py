"""Try a stage on a few items before anything is built: before and after, and the time of each step."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tintype.errors import SettingsError
from tintype.load_funcs.any_file import load_file
from tintype.ops.contact_sheets import as_picture, contact_sheet
from tintype.tasks.item_sources import ItemSource, MadeFile, NotMadeError, Trial
from tintype.tasks.naming import show_path
from tintype.tasks.planned import scratch_folder
from tintype.write_funcs.image import write_image

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tintype.tasks.viewable_task import ViewableTask

MOST_RESULTS = 4
"""Results of one input that are shown, and files that it was made from."""


@dataclass(frozen=True)
class PreviewedItem:
    """One item that was tried."""

    number: int
    """Among the items of the stage, from 0."""
    inpath: str
    """As a message shows it, on one line."""
    outpaths: tuple[str, ...]
    """Empty when it failed or was dropped."""
    status: str
    """``made``, ``failed`` or ``dropped``."""
    error: str | None
    """Why it has no result."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    """What its row would record."""


@dataclass(frozen=True)
class Preview:
    """What became of a few items. A notebook shows the contact sheet; ``print`` the times."""

    stage: str
    n_items: int
    """Items that the stage has in all."""
    seed: int
    items: tuple[PreviewedItem, ...]
    seconds: Mapping[str, float]
    """Mean wall time of an item in each step, in the order of the steps."""
    image: npt.NDArray[np.uint8] = field(repr=False, compare=False)
    """The contact sheet: uint8, shape (rows, columns, 3), RGB."""

    def __str__(self) -> str:
        counts = {status: sum(item.status == status for item in self.items) for status in ("failed", "dropped")}
        told = "".join(f", {count} {status}" for status, count in counts.items() if count)
        lines = [f"{self.stage}: {len(self.items)} of {self.n_items:,} items{told} (seed {self.seed})"]
        width = max([len(name) for name in self.seconds], default=0)
        lines += [f"  {name:{width}}  {1000 * seconds:9.2f} ms an item" for name, seconds in self.seconds.items()]
        lines += [f"  {item.inpath}: {item.status}: {item.error}" for item in self.items if item.error]
        return "\n".join(lines)

    def _repr_png_(self) -> bytes:
        from PIL import Image

        sink = io.BytesIO()
        Image.fromarray(self.image).save(sink, "png")
        return sink.getvalue()

    def to_json(self) -> dict[str, Any]:
        """Return everything but the image, as plain values."""
        values = asdict(replace(self, image=None))  # type: ignore[arg-type]  # left out below
        del values["image"]
        return values

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the contact sheet to an image file; the format goes by the extension."""
        write_image(self.image, os.fspath(path))


def try_items(stage: ViewableTask, n: int = 8, *, seed: int = 0, side: int = 192) -> Preview:
    """Try a stage on `n` items; see :meth:`tintype.tasks.Stage.try_it`."""
    if n < 1:
        raise SettingsError(f"n is {n}: give the number of items to try, at least 1")
    source = stage.items(afresh=True)
    n_items = len(source)
    numbers = sorted(random.Random(seed).sample(range(n_items), min(n, n_items)))
    trial = Trial()
    items, groups = [], []
    for number in numbers:
        with scratch_folder():
            item, pictures = _try_item(stage, source, number, trial)
        items.append(item)
        groups.append(pictures)
    seconds = {name: total / len(items) for name, total in trial.seconds.items()} if items else {}
    image = contact_sheet(groups, [_caption(item, group) for item, group in zip(items, groups, strict=True)], side=side)
    return Preview(stage.get_task_family(), n_items, seed, tuple(items), seconds, image)


def _try_item(stage: ViewableTask, source: ItemSource, number: int, trial: Trial) -> tuple[PreviewedItem, list[Any]]:
    """Return what became of an item, and its pictures: what it was made from, then its results."""
    trial.before = []
    try:
        made = source.made(number, trial)
    except NotMadeError as error:
        status = "dropped" if error.error is None else "failed"
        where = "" if error.stage == stage.get_task_family() else f" in {error.stage}"
        reason = error.reason if error.error is None else f"{type(error.error).__name__}: {error.reason}"
        pictures = [_picture(file) for file in trial.before[:MOST_RESULTS]]
        item = PreviewedItem(number, show_path(error.inpath), (), status, f"{reason}{where}")
        return item, [*pictures, f"{status}: {reason}"]
    rows = [file.row for file in made.files]
    recorded = {name: rows[0].get(name) for name in source.recorded_columns} if rows else {}
    outpaths = tuple(row["outpath"] for row in rows if row["outpath"] is not None)
    item = PreviewedItem(number, show_path(rows[0]["inpath"]) if rows else "", outpaths, "made", None, recorded)
    return item, [_picture(file) for file in [*trial.before[:MOST_RESULTS], *made.files[:MOST_RESULTS]]]


def _picture(file: MadeFile) -> Any:
    """Return a result as a contact sheet shows it: the image, or a text that says what else it is."""
    try:
        data = file.data if file.path is None else load_file(file.path)
    except Exception as error:  # noqa: BLE001, shown where its picture would be
        return f"cannot be shown: {error}"
    return as_picture(data)


def _caption(item: PreviewedItem, pictures: list[Any]) -> str:
    sizes = [f"{picture.shape[1]}x{picture.shape[0]}" for picture in pictures if not isinstance(picture, str)]
    recorded = ", ".join(f"{name} {_short(value)}" for name, value in item.columns.items() if value is not None)
    return "\n".join([f"{item.number}: {item.inpath}", " > ".join(sizes), *([recorded] if recorded else [])])


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
