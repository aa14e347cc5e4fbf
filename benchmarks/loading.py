"""A published directory into one array, and item by item, beside loops written by hand; and rows out of a million."""

from __future__ import annotations

from fast_folder import open_fast_folder
from image_ways import read_once
from measure import Bench, Case, Figure, Run, pick

GOAL_RATIO = 1.05
"""Of the processor time of the cheapest loop by hand."""
GOAL_ITEM_US = 8.0
GOAL_ROW_US = 8.0
N_ROWS = 1_000_000
WAYS = {
    "arrays": "target.load_arrays()",
    "mapped": "target.load_arrays(out='all.npy')",
    "simplejpeg": "by hand: ThreadPoolExecutor.map, simplejpeg",
    "load_image": "by hand: ThreadPoolExecutor.map, load_image",
    "pillow": "by hand: ThreadPoolExecutor.map, Pillow",
    "memmap": "by hand: simplejpeg into numpy's open_memmap",
    "sequence": "target.sequence(load_image), items in random order",
    "list": "by hand: load_image of a list's paths, in random order",
}
RATIOS = (("arrays", "simplejpeg"), ("mapped", "memmap"), ("sequence", "list"))


def measure(bench: Bench) -> list[Figure]:
    return [*_measure_images(bench), *_measure_rows(bench)]


def _measure_images(bench: Bench) -> list[Figure]:
    n_files = bench.size(4_000)
    source = bench.photographs(n_files, "224x224.jpg")
    read_once(source.iterdir())
    with open_fast_folder(bench.folder) as folder:
        cases = [Case.of(way, "run_loading.py", way, source, folder, n_files) for way in WAYS]
        runs = bench.run(cases)
    figures = [
        Figure("loading", what, "µs CPU an image", pick(runs[way], "cpu_us"), note=_tell_wall(runs[way]))
        for way, what in WAYS.items()
    ]
    figures[0].note += f", {n_files:,} JPEGs of 224x224, 2 threads; items by one"
    for way, by_hand in RATIOS:
        ratios = [
            ours / theirs for ours, theirs in zip(pick(runs[way], "cpu_us"), pick(runs[by_hand], "cpu_us"), strict=True)
        ]
        figures.append(Figure("loading", f"{WAYS[way]} to {by_hand}", "ratio of CPU", ratios, GOAL_RATIO))
    return figures


def _measure_rows(bench: Bench) -> list[Figure]:
    n_rows = bench.size(N_ROWS)
    runs = bench.run([Case.of("rows", "time_rows.py", bench.dataset(n_rows))])["rows"]
    of_rows = f"manifest of {n_rows:,} rows"
    return [
        Figure("loading", f"{of_rows}: opened, and its middle row", "ms wall", pick(runs, "first_ms")),
        Figure("loading", "a row near the last one", "µs CPU", pick(runs, "near_us"), GOAL_ROW_US),
        Figure(
            "loading", "an item of target.sequence(), in random order", "µs CPU", pick(runs, "item_us"), GOAL_ITEM_US
        ),
        Figure("loading", "the same, paths read as they are met", "µs CPU", pick(runs, "first_items_us")),
        Figure("loading", "peak of the process", "MB", pick(runs, "peak_mb")),
    ]


def _tell_wall(runs: list[Run]) -> str:
    return f"{1e6 / sorted(pick(runs, 'wall_us'))[len(runs) // 2]:,.0f} images/s"
