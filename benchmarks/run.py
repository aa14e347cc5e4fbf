"""Measure tintype and its peers on the same work: ``make bench``, or ``python benchmarks/run.py --help``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import complete
import downloads
import fetch_resize
import import_time
import loading
import memory
import peers
import prefetch
import quality
import rebuild
import report
import resize
import row_lists
import sequences
import shards
import split
import stage_cost
import two_threads
from measure import FOLDER, Bench, CaseError, Figure
from rich.console import Console
from rich.table import Table

BENCHMARKS = {
    "import": import_time.measure,
    "complete": complete.measure,
    "stage": stage_cost.measure,
    "peers": peers.measure,
    "memory": memory.measure,
    "download": downloads.measure,
    "list": row_lists.measure,
    "resize": resize.SMALL.measure,
    "large": resize.LARGE.measure,
    "large_1024": resize.LARGE_1024.measure,
    "png": resize.measure_png,
    "fetch_resize": fetch_resize.measure,
    "threads": two_threads.measure,
    "quality": quality.measure,
    "rebuild": rebuild.measure,
    "status": rebuild.measure_status,
    "loading": loading.measure,
    "shards": shards.measure,
    "split": split.measure,
    "report": report.measure,
    "sequences": sequences.measure,
    "prefetch": prefetch.measure,
}
PACKAGES = ("tintype", "luigi", "numpy", "pandas", "pyarrow", "urllib3", "Pillow", "simplejpeg")


def main() -> int:
    arguments = parse_arguments()
    data = FOLDER / "data"
    data.mkdir(exist_ok=True)
    machine = describe_machine()
    console = Console() if sys.stdout.isatty() else Console(width=170)
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()), highlight=False)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=data, prefix="run-") as folder:
        bench = Bench(Path(folder), arguments.repeat, arguments.quick)
        for name in arguments.benchmarks or BENCHMARKS:
            with console.status(f"measuring {name}"):
                try:
                    figures += BENCHMARKS[name](bench)
                except CaseError as error:
                    figures.append(Figure(name, "did not run to its end", "", note=str(error)))
    if arguments.quick:
        for figure in figures:
            figure.most = figure.least = None  # goals are for the full number of files
    console.print(make_table(figures))
    write_lines(data / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl", machine, figures)
    if arguments.markdown:
        Path(arguments.markdown).write_text(make_markdown(figures), encoding="utf-8")
    return int(any(not figure.unit for figure in figures))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measure tintype and its peers on the same work. Each case runs in a process of its own, several "
        "rounds in turn; the medians are shown. CPU time is user and system time of the whole process."
    )
    parser.add_argument("benchmarks", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="rounds (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the files: a look, not a measurement")
    parser.add_argument("--markdown", metavar="FILE", help="also write the table to a Markdown file")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.benchmarks) - set(BENCHMARKS))
    if unknown or arguments.repeat < 1:
        parser.error(
            f"no benchmark {unknown[0]!r}: give any of {', '.join(BENCHMARKS)}" if unknown else "--repeat >= 1"
        )
    return arguments


def describe_machine() -> dict[str, str]:
    """Return what the figures depend on."""
    cpu = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    return {
        "cores": f"{len(os.sched_getaffinity(0))} of {cpu}",
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "Python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def cells_of(figure: Figure) -> tuple[str, str, str, str, str]:
    """Return what, median, range, goal and note of a figure, as text."""
    if not figure.values:
        return figure.what, "", "", figure.goal, figure.note
    goal = figure.goal and f"{'met' if figure.is_met else 'not met'}: {figure.goal}"
    digits = 3 if figure.value < 1 else 2 if figure.value < 20 else 1 if figure.value < 100 else 0
    values = f"{min(figure.values):.{digits}f} to {max(figure.values):.{digits}f}"
    return figure.what, f"{figure.value:.{digits}f} {figure.unit}", values, goal, figure.note


def make_table(figures: list[Figure]) -> Table:
    table = Table("", "what", "median", "lowest to highest", "goal", "")
    for number, figure in enumerate(figures):
        what, value, values, goal, note = cells_of(figure)
        colour = {True: "green", False: "red", None: "default"}[figure.is_met]
        is_last = number + 1 == len(figures) or figures[number + 1].benchmark != figure.benchmark
        table.add_row(figure.benchmark, what, value, values, f"[{colour}]{goal}", note, end_section=is_last)
    return table


def make_markdown(figures: list[Figure]) -> str:
    rows = ["| benchmark | what | median | lowest to highest | goal | |", "|---|---|---|---|---|---|"]
    rows += [f"| {figure.benchmark} | {' | '.join(cells_of(figure))} |" for figure in figures]
    return "\n".join(rows) + "\n"


def write_lines(path: Path, machine: dict[str, str], figures: list[Figure]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in ({"machine": machine, "command": sys.argv}, *map(asdict, figures)):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
