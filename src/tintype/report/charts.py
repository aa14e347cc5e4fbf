"""Histograms as bars: where each stands in the drawing, and what is written below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tintype.manifest.histograms import Histogram
from tintype.report.distributions import Distribution

WIDTH, HEIGHT = 320, 150
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 18, 24
MOST_TICKS = 4
"""Gaps between the numbers below the bars; half as many where the numbers are long."""
LONG = 5
"""Letters of a number that is long."""

Show = Callable[[float], str]


@dataclass(frozen=True)
class Bar:
    """One bin."""

    x: float
    y: float
    width: float
    height: float
    span: str
    """The values that it counts."""
    count: str


@dataclass(frozen=True)
class Tick:
    """A number below the bars."""

    x: float
    text: str
    anchor: str


@dataclass(frozen=True)
class Chart:
    """A histogram as it is drawn."""

    title: str
    unit: str
    basis: str
    """What was counted."""
    summary: str
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    most: str
    """The number of the highest bar."""


def make_chart(distribution: Distribution) -> Chart:
    """Return the chart of a distribution."""
    histogram, show = distribution.histogram, distribution.measure.show
    counted = f"{histogram.n:,} file{'s' if histogram.n > 1 else ''}"
    return Chart(
        title=distribution.measure.title,
        unit=distribution.measure.unit,
        basis=f"measured on a sample of {counted}" if distribution.is_sampled else f"counted over {counted}",
        summary=f"least {show(histogram.least)}, mean {show(histogram.mean)}, most {show(histogram.most)}",
        bars=_make_bars(histogram, show),
        ticks=_make_ticks(histogram, show),
        most=f"{max(histogram.counts):,}",
    )


def _make_bars(histogram: Histogram, show: Show) -> tuple[Bar, ...]:
    n_bins, most = len(histogram.counts), max(histogram.counts)
    full = HEIGHT - TOP - BOTTOM
    if histogram.least == histogram.most:
        return (Bar(WIDTH / 2 - 10, TOP, 20, full, show(histogram.least), f"{most:,}"),)
    width = (WIDTH - LEFT - RIGHT) / n_bins
    bars = []
    for place, count in enumerate(histogram.counts):
        # A bin with one file among a million is seen, too.
        height = max(1.0, full * count / most) if count else 0.0
        end = "to" if place == n_bins - 1 else "to below"
        span = f"{show(histogram.edges[place])} {end} {show(histogram.edges[place + 1])}"
        x, y = round(LEFT + place * width, 2), round(HEIGHT - BOTTOM - height, 2)
        bars.append(Bar(x, y, round(max(width - 1, width / 2), 2), round(height, 2), span, f"{count:,}"))
    return tuple(bars)


def _make_ticks(histogram: Histogram, show: Show) -> tuple[Tick, ...]:
    if histogram.least == histogram.most:
        return (Tick(WIDTH / 2, show(histogram.least), "middle"),)
    n_bins = len(histogram.counts)
    is_long = max(len(show(edge)) for edge in histogram.edges) > LONG
    n_gaps = min(n_bins, MOST_TICKS // 2 if is_long else MOST_TICKS)
    anchors = {0: "start", n_bins: "end"}
    width = (WIDTH - LEFT - RIGHT) / n_bins
    places = sorted({n_bins * number // n_gaps for number in range(n_gaps + 1)})
    return tuple(
        Tick(round(LEFT + place * width, 2), show(histogram.edges[place]), anchors.get(place, "middle"))
        for place in places
    )
