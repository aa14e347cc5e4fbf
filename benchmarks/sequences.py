"""Items of lazy sequences, whose functions do nothing, and the tutorial of SeqTools, beside SeqTools itself."""

from __future__ import annotations

import sys
from pathlib import Path

from image_ways import read_once
from measure import Bench, Case, Figure, Run, pick
from peer_environments import PeerMissingError, find_python

MODULES = {"tintype": "tintype.sequences", "SeqTools 1.4.1": "seqtools"}
OURS, THEIRS = MODULES

# Key, what it is, its unit, and the goal.
ITEMS = (
    ("smap_index_ns", "smap: an item by index", "ns CPU", 150),
    ("smap_5_index_ns", "smap, five deep", "ns CPU", 450),
    ("smap_20_index_ns", "smap, twenty deep", "ns CPU", 1500),
    ("concatenate_index_ns", "concatenate", "ns CPU", 250),
    ("collate_index_ns", "collate of two", "ns CPU", 250),
    ("cache_hit_index_ns", "add_cache: an item that is kept", "ns CPU", 250),
    ("interleave_index_ns", "interleave of two", "ns CPU", None),
    ("gather_index_ns", "gather", "ns CPU", None),
    ("slice_index_ns", "a slice", "ns CPU", None),
    ("batch_index_ns", "batch of 10", "ns CPU", None),
    ("unbatch_index_ns", "unbatch of a list", "ns CPU", None),
    ("smap_iteration_ns", "smap: an item by iteration", "ns CPU", None),
    ("smap_5_iteration_ns", "smap, five deep, by iteration", "ns CPU", None),
    ("concatenate_iteration_ns", "concatenate, by iteration", "ns CPU", None),
    ("collate_iteration_ns", "collate of two, by iteration", "ns CPU", None),
    ("construction_us", "smap() itself", "µs CPU", 20),
    ("deep_construction_us", "smap() called 100 functions deep", "µs CPU", 20),
)
N_IMAGES = 400
WAYS = {
    "loop": "tutorial, 400 images one by one",
    "threads": "tutorial, two threads",
    "cached": "tutorial, two threads, each image beside its mirror image from the cache",
    "own_ops": "the same with tintype's own functions for images",
}
SAME, HALF = 1.05, 0.5
"""Goals, to SeqTools: with the same functions not slower, and rounds differ by more than 5 %; with own ones half."""


def measure(bench: Bench) -> list[Figure]:
    pythons: dict[str, str | Path] = {OURS: sys.executable}
    missing = ""
    try:
        pythons[THEIRS] = find_python("seqtools")
    except PeerMissingError as error:
        missing = f"SeqTools skipped: {error}"
    figures = [*_measure_items(bench, pythons), *_measure_tutorial(bench, pythons)]
    figures[0].note = missing or figures[0].note
    return figures


def _measure_items(bench: Bench, pythons: dict[str, str | Path]) -> list[Figure]:
    cases = [Case.of(name, "time_sequences.py", MODULES[name], python=python) for name, python in pythons.items()]
    runs = bench.run(cases)
    figures = []
    for key, what, unit, goal in ITEMS:
        figures.append(Figure("sequences", what, unit, pick(runs[OURS], key), goal, note=_compare(runs, key, unit)))
    return figures


def _measure_tutorial(bench: Bench, pythons: dict[str, str | Path]) -> list[Figure]:
    folder = bench.photographs(6, "640x427.jpg")
    read_once(folder.iterdir())
    cases = [
        Case.of(f"{way} {name}", "run_tutorial.py", MODULES[name], way, folder, N_IMAGES, python=python)
        for name, python in pythons.items()
        for way in WAYS
        if name == OURS or way != "own_ops"
    ]
    runs = bench.run(cases)
    figures = []
    for way, what in WAYS.items():
        ours = runs[f"{way} {OURS}"]
        wall = sorted(pick(ours, "wall_us"))[len(ours) // 2] * N_IMAGES / 1e6
        figures.append(Figure("sequences", what, "µs CPU an image", pick(ours, "cpu_us"), note=f"{wall:.2f} s in all"))
        theirs = runs.get(f"{'cached' if way == 'own_ops' else way} {THEIRS}")
        if theirs is not None:
            ratios = [one / other for one, other in zip(pick(ours, "cpu_us"), pick(theirs, "cpu_us"), strict=True)]
            goal = HALF if way == "own_ops" else SAME
            figures.append(Figure("sequences", "the same to SeqTools", "ratio of CPU", ratios, goal))
    return figures


def _compare(runs: dict[str, list[Run]], key: str, unit: str) -> str:
    if THEIRS not in runs:
        return ""
    values = sorted(pick(runs[THEIRS], key))
    return f"{THEIRS}: {values[len(values) // 2]:,.0f} {unit.removesuffix(' CPU')}"
