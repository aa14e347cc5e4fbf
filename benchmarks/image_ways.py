"""Image work done in several ways: their cases, and the lines of the table that compare them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from measure import Bench, Case, Figure, Run, pick
from peer_environments import PeerMissingError, find_python

UNIT = "ms CPU an image"


@dataclass(frozen=True)
class Way:
    """One way to do the work."""

    kind: str
    """Which of those that the script knows; its name here too."""
    what: str
    script: str = "run_image_loop.py"
    environment: str = "bare"
    """The environment that it is in; empty for tintype's own."""
    is_loop: bool = False
    """One of the hand-written loops whose cheapest is what tintype is held against."""
    n_files: int | None = None
    """Of how many files it is measured; fewer than all where it is slow, and no goal hangs on it."""
    package: str | None = None
    """What must be installed beside tintype."""
    has_goals: bool = True
    """Of tintype's own ways: whether the goals are for it."""


OURS = (
    Way("pipeline", "tintype Pipeline.run()", "run_images.py", ""),
    Way("stage", "tintype ResizeImages", "run_images.py", ""),
)
WITH_AREA = Way("area_pipeline", "tintype Pipeline.run(), resample='area'", "run_images.py", "", package="cv2")
"""The same with OpenCV's filter, where the extra is installed."""


@dataclass(frozen=True)
class ImageGoals:
    """What tintype's own ways are to reach, at most."""

    ms: float | None = None
    to_best_loop: float | None = None
    to_wildebeest: float | None = None


def find_pythons(ways: Iterable[Way]) -> tuple[dict[str, str | Path], dict[str, str]]:
    """Return the Python of each way that can be run here, and why the others cannot, both by kind."""
    pythons: dict[str, str | Path] = {}
    missing: dict[str, str] = {}
    for way in ways:
        if way.package is not None and find_spec(way.package) is None:
            missing[way.kind] = f"skipped: {way.package} is not installed"
            continue
        try:
            pythons[way.kind] = find_python(way.environment) if way.environment else sys.executable
        except PeerMissingError as error:
            missing[way.kind] = f"skipped: {error}"
    return pythons, missing


class WayRuns:
    """What each way spent, round by round, and why some were skipped.

    Parameters
    ----------
    ways
        In the order of the table, tintype's own first.
    """

    def __init__(self, ways: Sequence[Way]) -> None:
        self.ways = ways
        self.runs: dict[str, list[Run]] = {}
        self.missing: dict[str, str] = {}

    def measure(
        self, bench: Bench, source: Path, folder: Path, size: str, n_files: int, *, n_jobs: int = 2, repeat: int = 5
    ) -> None:
        """Run all ways on the images of a folder, or of a list of URLs, in turn."""
        pythons, self.missing = find_pythons(self.ways)
        cases = []
        for way in self.ways:
            if way.kind in pythons:
                n_of_way = n_files if way.n_files is None else bench.size(way.n_files)
                arguments = (way.kind, source, folder / way.kind, size, n_of_way, n_jobs)
                cases.append(Case.of(way.kind, way.script, *arguments, python=pythons[way.kind]))
        self.runs = bench.run(cases, repeat=min(bench.repeat, repeat))

    def ms(self, kind: str) -> list[float]:
        """Return the processor time of each round."""
        return [value / 1e3 for value in pick(self.runs[kind], "cpu_us")]

    def best_loop(self) -> Way | None:
        """Return the hand-written loop that was cheapest in this run."""
        loops = [way for way in self.ways if way.is_loop and way.kind in self.runs]
        return min(loops, key=lambda way: median(self.ms(way.kind)), default=None)

    def ratios(self, kind: str, other: str) -> list[float]:
        """Return, round by round, how many times as much one way spent as another."""
        return [value / of_other for value, of_other in zip(self.ms(kind), self.ms(other), strict=True)]

    def figures(self, benchmark: str, what: str, goals: ImageGoals) -> list[Figure]:
        """Return the lines of the table: tintype's own with their goals, then the others beside them."""
        figures = []
        best = self.best_loop()
        for way in self.ways:
            of_way = goals if way.has_goals else ImageGoals()
            if way.kind not in self.runs:
                figures.append(Figure(benchmark, way.what, UNIT, note=self.missing[way.kind]))
            elif way.environment:
                ratio = f"{median(self.ms(way.kind)) / median(self.ms(self.ways[0].kind)):.2f} times the pipeline"
                note = f"{ratio}, {self._per_second(way.kind)}"
                figures.append(Figure(benchmark, way.what, UNIT, self.ms(way.kind), note=note))
            else:
                faults = f"{median(pick(self.runs[way.kind], 'faults')):.0f} page faults an image"
                note = f"{self._per_second(way.kind)}, {faults}"
                figures.append(Figure(benchmark, f"{way.what}: {what}", UNIT, self.ms(way.kind), of_way.ms, note=note))
                if best is not None:
                    named = f"the same to the best loop, {best.what}"
                    to_best = self.ratios(way.kind, best.kind)
                    figures.append(Figure(benchmark, named, "ratio of CPU", to_best, of_way.to_best_loop))
                if "wildebeest" in self.runs:
                    to_peer = self.ratios(way.kind, "wildebeest")
                    named = "the same to wildebeest"
                    figures.append(Figure(benchmark, named, "ratio of CPU", to_peer, of_way.to_wildebeest))
        return figures

    def _per_second(self, kind: str) -> str:
        return f"{1e3 / median(self.ms(kind)):,.0f} a CPU-second"


def read_once(paths: Iterable[Path]) -> None:
    """Read files, so that all rounds find them in memory."""
    for path in paths:
        path.read_bytes()
