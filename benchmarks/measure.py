"""Run cases in processes of their own, several rounds in turn, and keep what each says of itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter

FOLDER = Path(__file__).parent
CASES = FOLDER / "cases"

Run = dict[str, float]
"""What one run of a case says: figures by name, and ``process_cpu_ms``, ``process_wall_ms`` of the whole process."""


class CaseError(Exception):
    """A case did not run to its end."""


@dataclass(frozen=True)
class Case:
    """A command that prints one JSON line of figures."""

    name: str
    command: Sequence[str]

    @classmethod
    def of(cls, name: str, script: str, *arguments: object, python: str | Path = sys.executable) -> Case:
        """Return a case that runs one of the scripts in ``cases/``."""
        return cls(name, [str(python), str(CASES / script), *map(str, arguments)])


@dataclass
class Figure:
    """One line of the table."""

    benchmark: str
    what: str
    unit: str
    values: list[float] = field(default_factory=list)
    """Of each round; empty when the case was skipped."""
    most: float | None = None
    """The goal: the median is to be at most this."""
    note: str = ""
    least: float | None = None
    """The goal, where more is better."""

    @property
    def value(self) -> float:
        return median(self.values)

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None where there is none, or nothing was measured."""
        if not self.values or (self.most is None and self.least is None):
            return None
        return (self.most is None or self.value <= self.most) and (self.least is None or self.value >= self.least)

    @property
    def goal(self) -> str:
        """The goal in words; empty where there is none."""
        if self.most is not None:
            return f"at most {self.most:g}"
        return "" if self.least is None else f"at least {self.least:g}"


@dataclass
class Bench:
    """What the benchmarks of one call share."""

    folder: Path
    """For datasets and what stages write."""
    repeat: int
    quick: bool
    _datasets: dict[tuple[int, bool], Path] = field(default_factory=dict)

    def size(self, n_files: int) -> int:
        """Return the number of files to work on: a tenth for a quick look."""
        return n_files // 10 if self.quick else n_files

    def photographs(self, n_files: int, kind: str = "1024x768.jpg") -> Path:
        """Return a folder of so many images, made at the first run and kept for the next."""
        name = f"photographs-{n_files}" if kind == "1024x768.jpg" else f"photographs-{n_files}-{kind}"
        folder = FOLDER / "data" / name
        if not folder.exists():
            draft = self.folder / folder.name
            run_process(Case.of("photographs", "make_photographs.py", draft, n_files, kind).command)
            draft.rename(folder)
        return folder

    def dataset(self, n_rows: int, *, with_stage: bool = False) -> Path:
        """Return the base directory of a dataset with so many rows, made once."""
        key = (n_rows, with_stage)
        if key not in self._datasets:
            base_dir = self.folder / f"{n_rows}{'-stage' if with_stage else ''}"
            run_process(Case.of("dataset", "make_dataset.py", base_dir, n_rows, *["stage"] * with_stage).command)
            self._datasets[key] = base_dir
        return self._datasets[key]

    def run(self, cases: Sequence[Case], *, repeat: int | None = None) -> dict[str, list[Run]]:
        """Run the cases in turn, every second round backwards, so that a slow minute hurts all of them."""
        runs: dict[str, list[Run]] = {case.name: [] for case in cases}
        for number in range(repeat or self.repeat):
            for case in cases if number % 2 == 0 else reversed(cases):
                runs[case.name].append(run_process(case.command))
        return runs


def run_process(command: Sequence[str]) -> Run:
    """Run a command to its end; return the JSON line it printed and what the whole process spent."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, cwd=CASES)
        _, status, usage = os.wait4(process.pid, 0)
        wall = perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            lines = errors.read().decode(errors="replace").splitlines() or ["no message"]
            raise CaseError(f"{' '.join(command)} ended with status {process.returncode}: {lines[-1]}")
        lines = output.read().decode().splitlines()
    figures: Run = json.loads(lines[-1]) if lines else {}
    return {
        **figures,
        "process_cpu_ms": 1e3 * (usage.ru_utime + usage.ru_stime),
        "process_wall_ms": 1e3 * wall,
    }


def pick(runs: Sequence[Run], name: str) -> list[float]:
    """Return one figure of each run."""
    return [run[name] for run in runs]
