"""The example in examples/luisy runs, as its reader would run it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tintype.load_funcs import load_array, load_image
from tintype.targets import DirectoryTarget

FOLDER = Path(__file__).parents[1] / "examples" / "luisy"
PNG_IN_COLOURS = {"astronaut", "chelsea", "coffee", "motorcycle_left", "motorcycle_right"}


@pytest.fixture
def workplace(tmp_path):
    return shutil.copytree(FOLDER, tmp_path / "luisy", ignore=shutil.ignore_patterns("data", "__pycache__"))


def run(workplace, command, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LUIGI_CONFIG")}
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        command,
        shell=True,
        cwd=workplace,
        env={**environment, "PATH": programs, "PYTHONDONTWRITEBYTECODE": "1", **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def build(workplace, folder):
    return run(
        workplace,
        f"PYTHONPATH=. luigi --module images RedChannel --local-scheduler --folder '{folder}'",
    )


def readme_command():
    block = re.findall(r"^```sh\n(.*?)^```$", (FOLDER / "README.md").read_text(encoding="utf-8"), re.M | re.S)[0]
    change, command = block.splitlines()
    assert change == "cd examples/luisy"
    return command


def directory(workplace, layer, family):
    found = [path for path in (workplace / "data" / layer).iterdir() if path.name.startswith(family)]
    assert len(found) == 1
    return DirectoryTarget(found[0])


def test_the_readmes_command_runs_and_the_second_time_does_nothing(workplace):
    for expected in ("3 ran successfully", "complete ones were encountered"):
        ran = run(workplace, readme_command())
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert expected in ran.stderr
    assert {path.stem for path in directory(workplace, "processed", "RedChannel").files()} >= PNG_IN_COLOURS
    verified = run(workplace, "tintype verify --deep data/*/*")
    assert verified.returncode == 0, verified.stdout


def test_red_channels_are_those_of_the_photographs_and_other_files_are_left_out(workplace, photographs):
    ran = build(workplace, photographs)
    assert ran.returncode == 0, ran.stderr
    reds = {path.stem: load_array(path) for path in directory(workplace, "processed", "RedChannel").files()}
    assert set(reds) == PNG_IN_COLOURS  # no JPEG
    for path in photographs.rglob("*.png"):
        assert np.array_equal(reds[path.stem], load_image(path)[:, :, 0])
    rows = list(directory(workplace, "interim", "ToNumpy").manifest().rows())
    assert {row["inpath"] for row in rows} == {str(path) for path in photographs.rglob("*.png")}


def test_new_changed_and_vanished_images_are_noticed(workplace, photographs, tmp_path):
    folder = shutil.copytree(photographs, tmp_path / "images")
    assert build(workplace, folder).returncode == 0
    (folder / "cats" / "chelsea.png").unlink()
    shutil.copyfile(photographs / "things" / "coffee.png", folder / "people" / "astronaut.png")
    shutil.copyfile(photographs / "things" / "coffee.png", folder / "new.png")
    assert build(workplace, folder).returncode == 0
    reds = {path.stem: load_array(path) for path in directory(workplace, "processed", "RedChannel").files()}
    assert set(reds) == PNG_IN_COLOURS - {"chelsea"} | {"new"}
    assert np.array_equal(reds["astronaut"], reds["coffee"])


def test_a_broken_image_fails_the_command_and_leaves_what_was_built(workplace, photographs, tmp_path):
    folder = shutil.copytree(photographs, tmp_path / "images")
    assert build(workplace, folder).returncode == 0
    (folder / "broken.png").write_bytes(b"no image")
    ran = build(workplace, folder)
    assert ran.returncode == 30
    assert "broken.png" in ran.stderr
    assert {path.stem for path in directory(workplace, "processed", "RedChannel").files()} == PNG_IN_COLOURS
