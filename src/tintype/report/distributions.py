"""How the files of a stage are spread: by size, shape, brightness, sharpness, and the time they took."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tintype.manifest.histograms import Histogram, count_histograms
from tintype.rebuilding.words import describe_size
from tintype.report.words import show_number, show_seconds
from tintype.targets.plots import read_numbers

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from tintype.manifest.rows import ManifestView

MOST_OTHERS = 6
"""Numbers that a stage records beside those below, and that are shown."""
MEASURED_BINS = 12
"""Of a histogram over a sample."""


@dataclass(frozen=True)
class Measure:
    """Something that is measured of a file."""

    name: str
    title: str
    unit: str = ""
    show: Callable[[float], str] = show_number
    """Returns a value as people read it."""


MEASURES = (
    Measure("size_bytes", "File size", show=lambda value: describe_size(round(value))),
    Measure("seconds", "Time a file", show=show_seconds),
    Measure("width", "Width", "pixels"),
    Measure("height", "Height", "pixels"),
    Measure("aspect", "Aspect ratio", "width / height"),
    Measure("mean_brightness", "Brightness", "0 black to 255 white"),
    Measure("sharpness", "Sharpness", "variance of the Laplacian"),
)
ALWAYS = ("size_bytes", "seconds")
"""What every manifest has."""
OF_IMAGES = ("width", "height", "aspect", "mean_brightness", "sharpness")
"""What a stage records, or what is measured on a sample."""


@dataclass(frozen=True)
class Distribution:
    """A measure, and how often its values occur."""

    measure: Measure
    histogram: Histogram
    is_sampled: bool
    """Whether it was measured on a sample; else it is counted over every row that has a value."""


def count_distributions(rows: ManifestView, recorded: Collection[str]) -> list[Distribution]:
    """Return how the numbers of a manifest are spread, over every row that has them.

    Parameters
    ----------
    rows
        A manifest.
    recorded
        Names of the columns that its own stage records: what it carries from above is about other files.
    """
    columns = choose_columns(rows.schema, recorded)
    found = count_histograms(lambda: _read_numbers(rows, columns))
    known = {measure.name: measure for measure in MEASURES}
    names = [name for name in known if name in found] + [name for name in columns if name not in known]
    return [
        Distribution(known.get(name, Measure(name, name)), found[name], is_sampled=False)
        for name in names
        if name in found
    ]


def choose_columns(schema: pa.Schema, recorded: Collection[str]) -> list[str]:
    """Return the names of the columns of a manifest whose numbers are worth a look."""
    from pyarrow import types

    numbers = [field.name for field in schema if types.is_integer(field.type) or types.is_floating(field.type)]
    own = [name for name in numbers if name in recorded]
    others = [name for name in own if name not in OF_IMAGES]
    return [*ALWAYS, *(name for name in own if name in OF_IMAGES), *others[:MOST_OTHERS]]


def sampled_distributions(measured: Sequence[Mapping[str, float]], known: Sequence[Distribution]) -> list[Distribution]:
    """Return how measures of a sample are spread, those that are not known of all files.

    Parameters
    ----------
    measured
        Values by the names of measures, of each file of the sample.
    known
        What is known of all.
    """
    import numpy as np

    there = {distribution.measure.name for distribution in known}
    values = {
        name: np.array([one[name] for one in measured if name in one], np.float64)
        for name in OF_IMAGES
        if name not in there
    }
    found = count_histograms(lambda: [values], n_bins=MEASURED_BINS)
    return [
        Distribution(measure, found[measure.name], is_sampled=True) for measure in MEASURES if measure.name in found
    ]


def _read_numbers(rows: ManifestView, columns: Sequence[str]) -> Iterator[dict[str, NDArray[np.float64]]]:
    import numpy as np

    for numbers in read_numbers(rows, columns):
        if "width" in numbers and "height" in numbers:
            with np.errstate(divide="ignore", invalid="ignore"):
                numbers["aspect"] = numbers["width"] / numbers["height"]
        yield numbers
