"""Exact histograms of numbers that are streamed twice: once for their range, once to be counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = Mapping[str, NDArray[np.float64]]
    """Some values of each measure, by its name; NaN where there is none."""
    ReadNumbers = Callable[[], Iterable[Numbers]]
    """Returns all values from the start, the same every time."""

N_BINS = 24
"""About how many bins a histogram has."""
LOG_RATIO = 1000
"""Values that differ by this factor are counted in bins that grow with them."""


@dataclass(frozen=True)
class Histogram:
    """How often values of each size occur.

    Examples
    --------
    >>> Histogram((0.0, 5.0, 10.0), (1, 2), n=3, least=1.0, most=10.0, total=18.0).mean
    6.0
    """

    edges: tuple[float, ...]
    """Of the bins, ascending. A bin holds its lower edge, and the last one its upper edge too."""
    counts: tuple[int, ...]
    """Values in each bin; one less than edges."""
    n: int
    """Values in all; what is missing, or not finite, does not count."""
    least: float
    most: float
    total: float
    """Of all values."""

    @property
    def mean(self) -> float:
        """Mean of the values."""
        return self.total / self.n


def count_histograms(read_numbers: ReadNumbers, *, n_bins: int = N_BINS) -> dict[str, Histogram]:
    """Return the histogram of each measure that has a value. Holds one batch at a time.

    Parameters
    ----------
    read_numbers
        Returns batches of values, the same ones each time that it is called, which is twice.
    n_bins
        About how many bins; their edges are round numbers.

    Examples
    --------
    >>> import numpy as np
    >>> found = count_histograms(lambda: [{"side": np.array([1.0, 2.0, 2.0])}, {"side": np.array([9.0, np.nan])}])
    >>> found["side"].n, found["side"].least, found["side"].most, found["side"].mean
    (4, 1.0, 9.0, 3.5)
    """
    import numpy as np

    spans: dict[str, _Span] = {}
    for batch in read_numbers():
        for name, values in batch.items():
            spans.setdefault(name, _Span()).add(values)
    edges = {
        name: choose_edges(span.least, span.most, span.least_positive, n_bins=n_bins, is_whole=span.is_whole)
        for name, span in spans.items()
        if span.n
    }
    counts = {name: np.zeros(len(some) - 1, np.int64) for name, some in edges.items()}
    for batch in read_numbers():
        for name in batch.keys() & edges.keys():
            values = batch[name]
            counts[name] += np.histogram(values[np.isfinite(values)], edges[name])[0]
    return {
        name: Histogram(
            tuple(edges[name]),
            tuple(counts[name].tolist()),
            spans[name].n,
            spans[name].least,
            spans[name].most,
            spans[name].total,
        )
        for name in edges
    }


class _Span:
    """What the edges of bins are chosen by."""

    def __init__(self) -> None:
        self.n = 0
        self.total = 0.0
        self.least, self.most, self.least_positive = math.inf, -math.inf, math.inf
        self.is_whole = True

    def add(self, values: NDArray[np.float64]) -> None:
        import numpy as np

        known = values[np.isfinite(values)]
        if not len(known):
            return
        self.n += len(known)
        self.total += float(known.sum())
        self.least = min(self.least, float(known.min()))
        self.most = max(self.most, float(known.max()))
        self.least_positive = min(self.least_positive, float(known[known > 0].min(initial=math.inf)))
        self.is_whole = self.is_whole and bool((known == np.floor(known)).all())


def choose_edges(
    least: float, most: float, least_positive: float, *, n_bins: int = N_BINS, is_whole: bool = False
) -> Sequence[float]:
    """Return round numbers, ascending, that enclose all values.

    Parameters
    ----------
    least, most, least_positive
        The smallest, the largest and the smallest value above 0.
    n_bins
        About how many bins.
    is_whole
        Whether all values are whole numbers: then no bin is narrower than 1.

    Examples
    --------
    >>> choose_edges(3, 97, 3, n_bins=5)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    >>> choose_edges(0, 2_000, 1)
    [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0]
    """
    if least == most:
        width = max(1.0, abs(least) * 1e-6)
        return [least, least + width]
    if least >= 0 and most >= LOG_RATIO * least_positive:
        return _growing_edges(least, most, least_positive, n_bins)
    return _even_edges(least, most, n_bins, is_whole)


def _growing_edges(least: float, most: float, least_positive: float, n_bins: int) -> list[float]:
    first, last = math.floor(math.log10(least_positive)) - 1, math.ceil(math.log10(most)) + 1
    mantissas = (1, 2, 5) if 3 * (last - first) <= 2 * n_bins else (1,)
    stride = max(1, (last - first) // (2 * n_bins))
    steps = [_power(mantissa, ten) for ten in range(first, last + 1, stride) for mantissa in mantissas]
    begin = max(place for place, step in enumerate(steps) if step <= least_positive)
    end = min((place for place, step in enumerate(steps) if step >= most), default=len(steps) - 1)
    edges = [*([0.0] if least == 0 else []), *steps[begin : end + 1]]
    return edges if edges[-1] >= most else [*edges, most]


def _even_edges(least: float, most: float, n_bins: int, is_whole: bool) -> list[float]:
    rough = most / n_bins - least / n_bins
    ten = math.floor(math.log10(rough)) if rough > 0 else -300
    mantissa = next((one for one in (1, 2, 5) if _power(one, ten) >= rough * (1 - 1e-9)), 10)
    if is_whole and _power(mantissa, ten) < 1:
        mantissa, ten = 1, 0
    step = _power(mantissa, ten)
    first, last = math.floor(least / step), math.ceil(most / step)
    edges = [_power(mantissa * number, ten) for number in range(first, max(last, first + 1) + 1)]
    # What division rounds must not leave a value outside.
    if edges[0] > least:
        edges.insert(0, least)
    if edges[-1] < most:
        edges.append(most)
    return edges if all(one < other for one, other in pairwise(edges)) else [least, most]


def _power(mantissa: int, ten: int) -> float:
    """Return ``mantissa * 10**ten`` as the nearest float: 3 times 0.1 is 0.3."""
    return float(f"{mantissa}e{ten}")
