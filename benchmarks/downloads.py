"""What a download costs, from a server that is fast and from one that answers late, beside others on the same files."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from fast_folder import open_fast_folder
from measure import Bench, Case, Figure, Run, pick
from peer_environments import PeerMissingError, find_python

from servers import ServerMissingError, run_nginx, run_slow_server

GOAL_MS = 0.6
N_FILES = 2_000
N_JOBS = 16
UNIT = "ms CPU a file"
WAIT_SECONDS = 0.05
N_SLOW_JOBS = 64
GOAL_PER_SECOND = 0.8 * N_SLOW_JOBS / WAIT_SECONDS

# Kind, the environment it is in, and what it does.
PEERS = (
    ("urllib3", "bare", "urllib3 in a bare loop: fetches only, stores nothing"),
    ("requests", "bare", "requests in a bare loop: fetches only, stores nothing"),
    ("wildebeest", "wildebeest", "wildebeest 5.0.0: stores the bytes"),
    ("img2dataset", "img2dataset", "img2dataset 1.47.0: stores the bytes, and a JSON file for each"),
)


def measure(bench: Bench) -> list[Figure]:
    n_files = bench.size(N_FILES)
    photographs = bench.photographs(n_files)
    with open_fast_folder(bench.folder) as folder:
        return [*_measure_fast(bench, folder, photographs, n_files), *_measure_slow(bench, folder, photographs)]


def _measure_fast(bench: Bench, folder: Path, photographs: Path, n_files: int) -> list[Figure]:
    """Measure the cost of a file that nginx has at once."""
    names = sorted(path.name for path in photographs.iterdir())
    what = f"DownloadFiles, {n_files:,} files of {_mean_kilobytes(photographs):.0f} kB from nginx, {N_JOBS} threads"
    missing: dict[str, str] = {}
    n_part = len(names[::10])
    try:
        with run_nginx(photographs, folder / "nginx") as url:
            whole = write_list(folder / "whole.csv", [f"{url}/{name}" for name in names])
            part = write_list(folder / "part.csv", [f"{url}/{name}" for name in names[::10]])
            cases = [
                Case.of("stage", "run_download.py", "stage", whole, folder / "stage", N_JOBS),
                Case.of("disk", "run_download.py", "stage", whole, bench.folder / "stage", N_JOBS, "keep"),
                Case.of("fetcher", "run_download.py", "fetcher", whole, folder / "stage", N_JOBS),
            ]
            for kind, environment, _ in PEERS:
                try:
                    python = find_python(environment)
                except PeerMissingError as error:
                    missing[kind] = f"skipped: {error}"
                    continue
                cases.append(Case.of(kind, "run_fetch.py", kind, whole, folder / kind, N_JOBS, python=python))
                if kind == "img2dataset":
                    cases.append(Case.of("part", "run_fetch.py", kind, part, folder / kind, N_JOBS, python=python))
            runs = bench.run(cases)
    except ServerMissingError as error:
        return [Figure("download", what, UNIT, most=GOAL_MS, note=f"skipped: {error}")]
    own = _ms(runs["stage"])
    figures = [
        Figure("download", what, UNIT, own, GOAL_MS, note=_per_second(runs["stage"])),
        Figure("download", "the same, stored on the disk", UNIT, _ms(runs["disk"]), note=_per_second(runs["disk"])),
        Figure("download", "the same, only fetched into memory", UNIT, _ms(runs["fetcher"])),
    ]
    for kind, _, described in PEERS:
        if kind in missing:
            figures.append(Figure("download", described, UNIT, note=missing[kind]))
            continue
        values, extra = _ms(runs[kind]), _per_second(runs[kind])
        if kind == "img2dataset":  # its start takes seconds of two processes, which say nothing of a file
            values = [
                (run["cpu_us"] * n_files - less["cpu_us"] * n_part) / 1e3 / (n_files - n_part)
                for run, less in zip(runs[kind], runs["part"], strict=True)
            ]
            start = (median(_ms(runs["part"])) - median(values)) * n_part
            described = f"{described}; beyond its start"
            extra = f"start {start / 1e3:.1f} s CPU"
        ratio = f"{median(values) / median(own):.2f} times tintype's stage"
        figures.append(Figure("download", described, UNIT, values, note=f"{ratio}, {extra}"))
    return figures


def _measure_slow(bench: Bench, folder: Path, photographs: Path) -> list[Figure]:
    """Measure how many files a second come from a server that waits before each answer."""
    figures = []
    with run_slow_server(photographs, WAIT_SECONDS) as url:
        for kind, size, n_files in (("small", "20 kB", 6_000), ("large", "the photographs", 4_000)):
            names = [f"{number:05d}.jpg" for number in range(bench.size(n_files))]
            urls = write_list(folder / f"{kind}.csv", [f"{url}/{kind}/{name}" for name in names])
            cases = [Case.of("stage", "run_download.py", "stage", urls, folder / "stage", N_SLOW_JOBS)]
            missing = ""
            try:
                python = find_python("bare")
                cases.append(
                    Case.of("urllib3", "run_fetch.py", "urllib3", urls, folder / "x", N_SLOW_JOBS, python=python)
                )
            except PeerMissingError as error:
                missing = f"skipped: {error}"
            runs = bench.run(cases, repeat=min(bench.repeat, 3))
            what = f"DownloadFiles, {size} each 50 ms late, {N_SLOW_JOBS} threads"
            steady = pick(runs["stage"], "per_second")
            note = f"{median(_ms(runs['stage'])):.2f} {UNIT}"
            figures += [
                Figure("download", f"{what}, first to last file", "files/s", steady, note=note, least=GOAL_PER_SECOND),
                Figure("download", "the same, the whole of run()", "files/s", _rates(runs["stage"])),
            ]
            if missing:
                figures.append(Figure("download", "urllib3 in a bare loop", "files/s", note=missing))
            else:
                note = f"{median(_ms(runs['urllib3'])):.2f} {UNIT}"
                what = "urllib3 in a bare loop: fetches only"
                figures.append(Figure("download", what, "files/s", _rates(runs["urllib3"]), note=note))
    return figures


def write_list(path: Path, urls: list[str]) -> Path:
    """Write a CSV list of URLs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["url", *urls, ""]), encoding="utf-8")
    return path


def _mean_kilobytes(folder: Path) -> float:
    sizes = [path.stat().st_size for path in folder.iterdir()]
    return sum(sizes) / len(sizes) / 1e3


def _ms(runs: list[Run]) -> list[float]:
    return [value / 1e3 for value in pick(runs, "cpu_us")]


def _rates(runs: list[Run]) -> list[float]:
    return [1e6 / value for value in pick(runs, "wall_us")]


def _per_second(runs: list[Run]) -> str:
    return f"{median(_rates(runs)):,.0f} files/s"
