"""``import tintype`` beyond Python's own start: whole processes, in pairs."""

from __future__ import annotations

import subprocess
import sys

from measure import Bench, Case, Figure, pick

GOAL_MS = 50.0
IMPORTS = {
    "import tintype": "import tintype",
    "from tintype import FileStage (with Luigi)": "from tintype import FileStage",
    "from tintype import Pipeline": "from tintype import Pipeline",
}


def measure(bench: Bench) -> list[Figure]:
    cases = [Case("start", [sys.executable, "-c", "pass"])]
    cases += [Case(what, [sys.executable, "-c", code]) for what, code in IMPORTS.items()]
    runs = bench.run(cases, repeat=4 * bench.repeat)
    figures = []
    for what in IMPORTS:
        goal = GOAL_MS if what == "import tintype" else None
        for kind, unit in (("wall", "wall"), ("cpu", "CPU")):
            name = f"process_{kind}_ms"
            beyond = [
                after - before for after, before in zip(pick(runs[what], name), pick(runs["start"], name), strict=True)
            ]
            figures.append(Figure("import", f"{what}, beyond python -c pass", f"ms {unit}", beyond, goal))
    if any(figure.is_met is False for figure in figures):
        figures[0].note = f"longest: {', '.join(_longest_imports())}"
    return figures


def _longest_imports() -> list[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import tintype"], capture_output=True, text=True, check=True
    )
    rows = [line.removeprefix("import time:").split("|") for line in done.stderr.splitlines()[1:]]
    rows.sort(key=lambda row: int(row[0]), reverse=True)
    return [f"{name.strip()} {int(own) / 1000:.1f} ms" for own, _, name in rows[:5]]
