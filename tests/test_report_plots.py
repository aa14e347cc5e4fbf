"""Plots of a published directory, as a notebook draws them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pytest
from luigi.util import requires
from tests.processes import make_environment

from tintype import processed, raw, rebuilding
from tintype.errors import ManifestError, MissingPackageError, SettingsError


class Imported(raw.ImportFolder):
    folder: str = luigi.Parameter(default="photographs", significant=False)


@requires(Imported)
class Described(processed.DescribeImages):
    pass


@pytest.fixture(autouse=True)
def pyplot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Draw into memory, and forget it."""
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


@pytest.fixture
def described(photographs: Path, tmp_path: Path) -> Described:
    settings: dict[str, Any] = {"base_dir": str(tmp_path), "folder": str(photographs)}
    task = Described(**settings)
    assert rebuilding.rebuild(task).ok
    return task


def test_a_contact_sheet_shows_a_seeded_choice(described, tmp_path):
    target = described.requires().output()
    axes = target.plot_contact_sheet(4, seed=1, side=64, n_columns=2)
    assert axes.get_title() == "4 of 8 files"
    sheet = np.asarray(axes.images[0].get_array())
    assert sheet.shape[2] == 3
    assert sheet.std() > 20
    again = target.plot_contact_sheet(4, seed=1, side=64, n_columns=2)
    assert (np.asarray(again.images[0].get_array()) == sheet).all()
    other = target.plot_contact_sheet(4, seed=2, side=64, n_columns=2)
    assert (np.asarray(other.images[0].get_array()) != sheet).any()
    axes.figure.savefig(tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_a_contact_sheet_takes_a_condition_and_axes_of_ones_own(described, pyplot):
    target = described.requires().output()
    _, axes = pyplot.subplots()
    drawn = target.plot_contact_sheet(where="label == 'things'", ax=axes)
    assert drawn is axes
    assert axes.get_title() == "3 of 3 files"


def test_a_file_that_is_no_image_or_is_gone_is_a_text_on_the_sheet(photographs, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "notes.txt").write_text("a note")
    (source / "gone.txt").write_text("a note")
    task = Imported(base_dir=str(tmp_path / "data"), folder=str(source))
    assert rebuilding.rebuild(task).ok
    (Path(task.output().path) / "gone.txt").unlink()
    assert task.output().plot_contact_sheet().get_title() == "2 of 2 files"
    with pytest.raises(SettingsError, match="n is 0: give the number of files to show, at least 1"):
        task.output().plot_contact_sheet(0)


def test_histograms_count_every_row(described):
    axes = described.output().plot_histograms()
    frame = described.output().manifest().to_pandas()
    titles = [one.get_title() for one in axes]
    assert titles == [
        "size_bytes, 2 values",
        "seconds, 10 values",
        "width, 8 values",
        "height, 8 values",
        "n_channels, 8 values",
        "mean_brightness, 8 values",
        "sharpness, 8 values",
    ]
    for one, name in zip(axes, ("size_bytes", "seconds", "width"), strict=False):
        assert sum(bar.get_height() for bar in one.patches) == frame[name].notna().sum()


def test_histograms_of_chosen_columns_and_rows(described):
    axes = described.output().plot_histograms(["sharpness", "width"], where="label == 'things'")
    assert [one.get_title() for one in axes] == ["sharpness, 3 values", "width, 3 values"]
    assert [one.get_title() for one in described.output().plot_histograms(["width"], where="label == 'none'")] == [
        "width: no values"
    ]
    with pytest.raises(ManifestError, match="the column 'label' holds string: choose from those with numbers, size"):
        described.output().plot_histograms(["label"])
    with pytest.raises(ManifestError, match="the column 'weight' is not there: choose from those with numbers"):
        described.output().plot_histograms(["weight"])


def test_without_matplotlib_the_cure_is_named(described, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for plot in (described.output().plot_contact_sheet, described.output().plot_histograms):
        with pytest.raises(MissingPackageError, match=r"plots need matplotlib: pip install 'tintype\[plot\]'"):
            plot()


def test_matplotlib_and_jinja_are_not_imported_before_they_are_used():
    code = (
        "import sys, tintype.targets.plots, tintype.targets.directory, tintype.report.page, tintype.cli.report;"
        "print(sorted({'matplotlib', 'jinja2', 'pandas', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **make_environment()}
    )
    assert done.stdout == "[]\n", done.stderr
