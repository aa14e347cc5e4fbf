"""The page about a million rows: how long it takes to write, how large it is, and how soon a browser shows it."""

from __future__ import annotations

import shutil
from pathlib import Path

from measure import Bench, Case, Figure, pick, run_process

N_ROWS = 1_000_000
FEW_ROWS = 1_000
GOAL_PAGE_MB = 5.0
GOAL_OPEN_MS = 2000.0
CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def measure(bench: Bench) -> list[Figure]:
    n_rows = bench.size(N_ROWS)
    folders = {n: _publish(bench, n) for n in (FEW_ROWS, n_rows)}
    runs = bench.run([Case.of(str(n), "run_report.py", folder) for n, folder in folders.items()])
    many, few = runs[str(n_rows)], runs[str(FEW_ROWS)]
    what = f"a report on {n_rows:,} rows"
    growth = [a - b for a, b in zip(pick(many, "peak_mb"), pick(few, "peak_mb"), strict=True)]
    return [
        Figure("report", f"{what}, written", "s wall", pick(many, "wall_s")),
        Figure("report", f"{what}, written", "s CPU", pick(many, "cpu_s")),
        Figure("report", f"{what}, its page", "MB", pick(many, "page_mb"), GOAL_PAGE_MB),
        Figure("report", f"{what}, memory beyond that for {FEW_ROWS:,} rows", "MB at the peak", growth),
        *_measure_browser(bench, folders[n_rows] / "reports/Products/index.html", what),
    ]


def _publish(bench: Bench, n_rows: int) -> Path:
    folder = bench.folder / f"report-{n_rows}"
    run_process(Case.of("rows", "make_report_rows.py", folder, n_rows).command)
    return folder


def _measure_browser(bench: Bench, page: Path, what: str) -> list[Figure]:
    """Return how much longer Chromium takes, from start to end, for the page than for an empty one."""
    program = shutil.which("chromium")
    label = f"{what}, opened in headless Chromium, beyond an empty page"
    if program is None:
        return [Figure("report", label, "ms wall", note="chromium is not on PATH")]
    empty = bench.folder / "empty.html"
    empty.write_text("<!DOCTYPE html><title>empty</title>", encoding="utf-8")
    options = [
        program,
        *CHROMIUM,
        f"--user-data-dir={bench.folder / 'chromium'}",
        f"--screenshot={bench.folder}/shot.png",
    ]
    runs = bench.run([Case(name, [*options, path.as_uri()]) for name, path in (("page", page), ("empty", empty))])
    beyond = [
        a - b
        for a, b in zip(pick(runs["page"], "process_wall_ms"), pick(runs["empty"], "process_wall_ms"), strict=True)
    ]
    return [Figure("report", label, "ms wall", beyond, GOAL_OPEN_MS)]
