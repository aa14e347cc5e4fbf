"""Plots of a published directory for a notebook: a contact sheet of its files, and histograms of its columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any

from tintype.errors import ManifestError, MissingPackageError, SettingsError
from tintype.load_funcs.any_file import load_file
from tintype.manifest.file_paths import HAS_FILE
from tintype.manifest.histograms import Histogram, count_histograms
from tintype.ops.contact_sheets import as_picture, contact_sheet
from tintype.targets.files_view import FilesView

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    from matplotlib.axes import Axes

    from tintype.manifest.rows import ManifestView

N_COLUMNS = 3
"""Histograms side by side."""
SIDE_INCHES = 3.2
DPI = 100
MOST_TICKS = 6


def plot_contact_sheet(
    rows: ManifestView, folder: Path, n: int, *, seed: int, side: int, n_columns: int | None, ax: Axes | None
) -> Axes:
    """Draw a seeded choice of files; see :meth:`tintype.targets.DirectoryTarget.plot_contact_sheet`.

    Parameters
    ----------
    rows
        Of the manifest.
    folder
        What their paths are relative to.
    n, seed, side, n_columns, ax
        As for the method.
    """
    pyplot = import_pyplot()
    if n < 1:
        raise SettingsError(f"n is {n}: give the number of files to show, at least 1")
    chosen = rows.where(HAS_FILE).sample(n, seed)
    files = FilesView(chosen, folder, load_file)
    paths = [chosen[place]["outpath"] for place in range(len(files))]
    pictures = [[_picture(files, place)] for place in range(len(files))]
    sheet = contact_sheet(pictures, paths, side=side, n_columns=n_columns)
    if ax is None:
        _, ax = pyplot.subplots(figsize=(sheet.shape[1] / DPI, sheet.shape[0] / DPI), dpi=DPI, layout="constrained")
    drawn: Axes = ax
    drawn.imshow(sheet)
    drawn.set_axis_off()
    drawn.set_title(f"{len(files):,} of {len(rows.where(HAS_FILE)):,} files")
    return drawn


def plot_histograms(rows: ManifestView, columns: Sequence[str] | None) -> npt.NDArray[np.object_]:
    """Draw how the numbers of columns are spread; see :meth:`tintype.targets.DirectoryTarget.plot_histograms`.

    Parameters
    ----------
    rows
        Of the manifest.
    columns
        As for the method.
    """
    import numpy as np

    pyplot = import_pyplot()
    names = choose_columns(rows.schema, columns)
    histograms = count_histograms(lambda: read_numbers(rows, names))
    n_wide = min(N_COLUMNS, len(names))
    n_high = ceil(len(names) / n_wide)
    size = (SIDE_INCHES * 1.3 * n_wide, SIDE_INCHES * n_high)
    _, grid = pyplot.subplots(n_high, n_wide, figsize=size, squeeze=False, layout="constrained")
    axes: npt.NDArray[np.object_] = grid.ravel()
    for ax in axes[len(names) :]:
        ax.remove()
    for ax, name in zip(axes, names, strict=False):
        _draw_histogram(ax, name, histograms.get(name))
    return np.array(axes[: len(names)])


def import_pyplot() -> Any:
    """Return matplotlib's pyplot.

    Raises
    ------
    MissingPackageError
        When it is not installed.
    """
    try:
        return import_module("matplotlib.pyplot")
    except ImportError as error:
        raise MissingPackageError("plots need matplotlib: pip install 'tintype[plot]'") from error


def choose_columns(schema: pa.Schema, wanted: Sequence[str] | None) -> list[str]:
    """Return the columns of numbers that are to be drawn.

    Parameters
    ----------
    schema
        Of the manifest.
    wanted
        Their names; None for all that hold numbers.

    Raises
    ------
    ManifestError
        When there is no such column, or it holds no numbers.
    """
    from pyarrow import types

    numbers = [field.name for field in schema if types.is_integer(field.type) or types.is_floating(field.type)]
    for name in wanted or ():
        if name not in numbers:
            what = f"holds {schema.field(name).type}" if name in schema.names else "is not there"
            raise ManifestError(f"the column {name!r} {what}: choose from those with numbers, {', '.join(numbers)}")
    return numbers if wanted is None else list(dict.fromkeys(wanted)) or numbers


def read_numbers(rows: ManifestView, columns: Sequence[str]) -> Iterator[dict[str, npt.NDArray[np.float64]]]:
    """Yield the values of columns batch by batch; NaN where there is none.

    Parameters
    ----------
    rows
        Of a manifest.
    columns
        Names of columns that hold numbers.
    """
    import numpy as np
    import pyarrow as pa

    for batch in rows.batches(columns):
        yield {
            name: np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan))
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }


def _picture(files: FilesView, place: int) -> Any:
    """Return what a file holds as a contact sheet shows it, or a text that stands for it."""
    try:
        data = files[place]
    except Exception as error:  # noqa: BLE001, shown where its picture would be
        return f"cannot be shown: {error.__cause__ or error}"
    return as_picture(data)


def _draw_histogram(ax: Axes, name: str, histogram: Histogram | None) -> None:
    if histogram is None:
        ax.set_title(f"{name}: no values")
        ax.set_axis_off()
        return
    counts, edges = histogram.counts, histogram.edges
    ax.set_title(f"{name}, {histogram.n:,} values")
    if _are_even(edges):
        widths = [high - low for low, high in pairwise(edges)]
        ax.bar(edges[:-1], counts, widths, align="edge", edgecolor="white", linewidth=0.5)
        return
    # Bins that grow with the values stand side by side.
    ax.bar(range(len(counts)), counts, 1.0, align="edge", edgecolor="white", linewidth=0.5)
    places = range(0, len(edges), ceil(len(edges) / MOST_TICKS))
    ax.set_xticks(list(places), [f"{edges[place]:g}" for place in places])


def _are_even(edges: Sequence[float]) -> bool:
    first = edges[1] - edges[0]
    return all(abs(high - low - first) <= 1e-6 * abs(first) for low, high in pairwise(edges))
