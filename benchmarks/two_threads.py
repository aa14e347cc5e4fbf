"""Whether two threads are nearly twice as quick as one: wall time, so it says something on a quiet machine only."""

from __future__ import annotations

import os
from statistics import median

from fast_folder import open_fast_folder
from image_ways import OURS, Way, find_pythons, read_once
from measure import Bench, Case, Figure, Run, pick
from resize import SMALL

GOAL = 1.8
JOBS = (1, 2)
REPEAT = 3
"""Rounds at most."""

# The loop tells what the machine gives in these minutes.
WAYS = (*OURS, Way("simplejpeg_area", "a loop of simplejpeg half scale + area"))


def measure(bench: Bench) -> list[Figure]:
    n_files = bench.size(SMALL.n_files)
    source = bench.photographs(n_files, SMALL.images)
    read_once(source.iterdir())
    pythons, _ = find_pythons(WAYS)
    with open_fast_folder(bench.folder) as folder:
        cases = []
        for way in WAYS:
            for n_jobs in JOBS if way.kind in pythons else ():
                arguments = (way.kind, source, folder / way.kind, SMALL.size, n_files, n_jobs)
                cases.append(Case.of(_name(way, n_jobs), way.script, *arguments, python=pythons[way.kind]))
        runs = bench.run(cases, repeat=min(bench.repeat, REPEAT))
    return [
        figure
        for way in WAYS
        if way.kind in pythons
        for figure in _compare(way, *(runs[_name(way, n_jobs)] for n_jobs in JOBS))
    ]


def _compare(way: Way, one: list[Run], two: list[Run]) -> list[Figure]:
    what = f"{way.what}, {SMALL.what}: images a second by two threads to those by one"
    note = f"{_per_second(one)} and {_per_second(two)} images/s, load average {os.getloadavg()[0]:.1f}"
    faster, dearer = _ratios(one, two, "wall_us"), _ratios(two, one, "cpu_us")
    return [
        Figure("threads", what, "ratio of wall", faster, note=note, least=None if way.environment else GOAL),
        Figure("threads", "the same, what an image costs", "ratio of CPU", dearer),
    ]


def _name(way: Way, n_jobs: int) -> str:
    return f"{way.kind} {n_jobs}"


def _ratios(runs: list[Run], others: list[Run], name: str) -> list[float]:
    return [value / other for value, other in zip(pick(runs, name), pick(others, name), strict=True)]


def _per_second(runs: list[Run]) -> str:
    return f"{1e6 / median(pick(runs, 'wall_us')):,.0f}"
