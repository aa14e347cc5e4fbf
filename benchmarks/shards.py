"""Files into shards, beside the plainest way to read, hash and write the same bytes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from fast_folder import open_fast_folder
from image_ways import read_once
from measure import Bench, Case, Figure, Run, pick

GOAL_RATIO = 1.3
"""Of the wall time of a loop that reads, hashes and writes the same bytes, and makes them durable."""
KINDS = (("1024x768.jpg", "files of 190 kB", 2_000), ("224x224.jpg", "files of 18 kB", 4_000))
OURS = {"webdataset": "WriteShards, tar", "parquet": "WriteShards, Parquet"}
HASHED = {"hashed": "by hand: read, sha256, write to one file a shard"}
BY_HAND = {
    "copyfile": "by hand: shutil.copyfile, nothing hashed",
    "TarWriter": "by hand: webdataset.TarWriter, nothing hashed",
}


def measure(bench: Bench) -> list[Figure]:
    figures: list[Figure] = []
    for kind, what, n_files in KINDS:
        n_files = bench.size(n_files)
        source = bench.photographs(n_files, kind)
        read_once(source.iterdir())
        disk = bench.folder / "shards"
        disk.mkdir(exist_ok=True)
        figures += _compare(bench, source, disk, n_files, f"{what}, on disk, durable")
        with open_fast_folder(bench.folder) as folder:
            figures += _compare(bench, source, folder, n_files, f"{what}, in memory")
    figures[0].note = "2 threads, shards of 250 files"
    return figures


def _compare(bench: Bench, source: Path, folder: Path, n_files: int, what: str) -> list[Figure]:
    """Measure all ways in one place; on a disk those that make their shards durable."""
    is_durable = what.endswith("durable")
    ways = {**OURS, **HASHED}
    if not is_durable:
        ways |= {way: text for way, text in BY_HAND.items() if way != "TarWriter" or find_spec("webdataset")}
    ending = "durable" if is_durable else "volatile"
    runs = bench.run([Case.of(way, "run_shards.py", way, source, folder, n_files, ending) for way in ways])
    n_bytes = sum(path.stat().st_size for path in source.iterdir()) / n_files
    figures = []
    for way, text in ways.items():
        speeds = [n_bytes / value for value in pick(runs[way], "wall_us")]
        figures.append(Figure("shards", f"{text}; {what}", "MB/s", speeds, note=_tell_peak(runs[way])))
    for way, text in OURS.items():
        pairs = zip(pick(runs[way], "wall_us"), pick(runs["hashed"], "wall_us"), strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        goal = GOAL_RATIO if is_durable else None
        figures.append(Figure("shards", f"{text}, to read, sha256, write; {what}", "ratio of wall", ratios, goal))
    return figures


def _tell_peak(runs: list[Run]) -> str:
    return f"peak {max(pick(runs, 'peak_mb')):.0f} MB"
