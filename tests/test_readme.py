"""The README's own code, in the order in which it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, photographs: Path) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    (folder / "photos").symlink_to(photographs)
    return folder


def run_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder), "LUIGI_CONFIG_PATH": os.devnull}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_the_code_runs_in_the_order_in_which_it_stands(blocks, workplace, photographs):
    module, halves, looking, views, again, reading, standalone, dataset, tested = blocks
    (workplace / "products.py").write_text(f"{module}\n\n{halves}")
    looked = run_python(workplace, "-c", looking)
    assert looked.returncode == 0, looked.stderr
    assert looked.stdout.startswith("8 (391, 448, 3)\nCutouts: 8 of 8 items"), looked.stdout
    assert (workplace / "cutouts.png").exists()
    assert not (workplace / "data").exists()

    built = run_python(workplace, "-m", "luigi", "--module", "products", "Products", "--local-scheduler")
    assert "3 ran successfully" in built.stderr, built.stderr

    built = run_python(workplace, "-m", "luigi", "--module", "products", "Halves", "--local-scheduler")
    assert "1 ran successfully" in built.stderr, built.stderr
    n_halves = sum(path.suffix == ".jpg" for path in (workplace / "data/interim/Halves").rglob("*"))
    assert n_halves > 0
    assert n_halves % 2 == 0

    viewed = run_python(workplace, "-c", views)
    assert viewed.returncode == 0, viewed.stderr
    assert viewed.stdout.splitlines()[1:] == ["4", "4"], viewed.stdout

    status = run_python(workplace, "-c", f"{again}\nassert not report.errors, report")
    assert status.returncode == 0, status.stderr
    assert re.search(r"^Products +complete", status.stdout, re.MULTILINE), status.stdout

    read = run_python(workplace, "-c", f"{reading}\nassert set(table['label']) > {{'cats'}}, table")
    assert read.returncode == 0, read.stderr
    n_photographs = sum(path.is_file() for path in photographs.rglob("*"))
    assert len(read.stdout.splitlines()) == n_photographs

    alone = run_python(workplace, "-c", f"{standalone}\nassert run_report['mean_brightness'].min() > 0, run_report")
    assert alone.returncode == 0, alone.stderr
    assert len(list((workplace / "small").iterdir())) == n_photographs

    built = run_python(workplace, "-c", dataset)
    assert built.returncode == 0, built.stderr
    assert (workplace / "cats-data/processed/chelsea.png").is_file()

    tried = run_python(workplace, "-c", tested)
    assert tried.returncode == 0, tried.stderr


def test_every_command_of_the_command_line_is_in_the_readme():
    from tintype.cli.main import make_parser

    text = README.read_text(encoding="utf-8")
    choices = make_parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    assert choices
    for name in choices:
        assert f"tintype {name}" in text
