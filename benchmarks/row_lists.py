"""Lists of many rows: how long it takes to plan a download, and whether memory is flat."""

from __future__ import annotations

from pathlib import Path

from measure import Bench, Case, Figure, pick

GOAL_SECONDS = 10.0
GOAL_RATIO = 1.15
SIZES = (100_000, 300_000, 1_000_000)


def measure(bench: Bench) -> list[Figure]:
    sizes = [bench.size(n_rows) for n_rows in SIZES]
    folder = bench.folder / "lists"
    folder.mkdir()
    cases = [
        Case.of(str(size), "plan_downloads.py", _write_list(folder / f"{size}.csv", size), folder / "stage", size)
        for size in sizes
    ]
    runs = bench.run(cases, repeat=min(bench.repeat, 3))
    most = runs[str(sizes[-1])]
    what = f"planning of DownloadFiles, a CSV list of {sizes[-1]:,} rows"
    figures = [
        Figure("list", what, "s wall", pick(most, "plan_wall_s"), GOAL_SECONDS),
        Figure("list", what, "s CPU", pick(most, "plan_cpu_s"), GOAL_SECONDS),
    ]
    for part, name in (("at the first request", "plan_mb"), ("whole stage", "peak_mb")):
        peaks = [pick(runs[str(size)], name) for size in sizes]
        figures += [
            Figure("list", f"{part}, {size:,} rows", "MB at the peak", values)
            for size, values in zip(sizes, peaks, strict=True)
        ]
        ratios = [last / first for first, last in zip(peaks[0], peaks[-1], strict=True)]
        figures.append(Figure("list", f"{part}, {sizes[-1]:,} to {sizes[0]:,}", "ratio of peaks", ratios, GOAL_RATIO))
    for unit, name in (("µs CPU a row", "cpu_us"), ("µs wall a row", "wall_us")):
        figures.append(Figure("list", f"whole stage, {sizes[-1]:,} rows, no request made", unit, pick(most, name)))
    return figures


def _write_list(path: Path, n_rows: int) -> Path:
    """Write a list with a label, as a shop or a photo service gives it; no URL is there twice."""
    with path.open("w", encoding="utf-8") as file:
        file.write("url,label\n")
        for number in range(n_rows):
            folder = f"{number % 97:02d}/{number % 1009:04d}"
            file.write(f"https://images.example.com/photos/{folder}/photograph_{number:08d}.jpg,label_{number % 100}\n")
    return path
