"""Every example runs, as its reader would run it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
PROGRAMS = Path(sys.executable).parent

# What a reader types in each folder, and what is there afterwards. A new example comes here, or a test fails.
COMMANDS: dict[str, list[str]] = {
    "quickstart/quickstart.py": ["luigi", "--module", "quickstart", "Quickstart", "--local-scheduler"],
    "quickstart/with_luigid.sh": ["sh", "with_luigid.sh", "data"],
}
RESULTS = {
    "quickstart/quickstart.py": "data/processed/Quickstart/description.csv",
    "quickstart/with_luigid.sh": "data/processed/Quickstart/description.csv",
}
WITHOUT_LUIGI = {"creevey", "seqtools", "catalogue", "luisy"}
"""Folders whose files a test module of their own runs."""
READ_BY_OTHERS = {"luigi.cfg", "README.md"}
"""Files of an example that are not run."""


def list_files() -> list[str]:
    """Return the files of all examples, as Git or a reader sees them: nothing that was built."""
    return sorted(
        str(path.relative_to(EXAMPLES))
        for folder in EXAMPLES.iterdir()
        if folder.name not in WITHOUT_LUIGI
        for path in folder.iterdir()
        if path.is_file() and path.suffix not in {".pyc", ".log"} and not path.name.startswith(".")
    )


def test_there_is_an_example():
    assert "quickstart/quickstart.py" in list_files()


@pytest.mark.parametrize("name", list_files())
def test_every_file_of_an_example_has_a_command_or_is_read_by_others(name):
    assert name in COMMANDS or Path(name).name in READ_BY_OTHERS


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_of_an_example_runs(tmp_path, name):
    folder = Path(name).parent.name
    workplace = shutil.copytree(
        EXAMPLES / folder, tmp_path / folder, ignore=shutil.ignore_patterns("data", "__pycache__")
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LUIGI_CONFIG")}
    environment |= {"PYTHONPATH": ".", "PATH": os.pathsep.join([str(PROGRAMS), os.environ["PATH"]])}
    for run in ("first", "second"):
        ran = subprocess.run(
            COMMANDS[name], cwd=workplace, env=environment, capture_output=True, text=True, timeout=120
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        expected = "ran successfully" if run == "first" else "complete ones were encountered"
        assert expected in ran.stderr
        assert (workplace / RESULTS[name]).stat().st_size > 0


@pytest.mark.parametrize("name", sorted({Path(name).parts[0] for name in list_files()}))
def test_an_example_has_return_codes_so_that_a_failure_is_a_failed_command(name):
    assert "task_failed" in (EXAMPLES / name / "luigi.cfg").read_text(encoding="utf-8")
