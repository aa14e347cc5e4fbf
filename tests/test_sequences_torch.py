"""Sequences, manifests and stages as PyTorch's DataLoader takes them: anything with a length and items by number."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import luigi
import numpy as np
import pytest
from luigi.util import requires
from tests.conftest import skip_or_fail

from tintype import interim, raw
from tintype.ops import to_grayscale
from tintype.sequences import concatenate, shuffle, smap
from tintype.tasks.graph import upstream_first


class Photos(raw.ImportFolder):
    folder: str = luigi.Parameter()


@requires(Photos)
class Tiny(interim.ResizeImages):
    shape = (8, 8)


@pytest.fixture(scope="module")
def data() -> Any:
    """Return torch.utils.data, or skip or fail the test."""
    if importlib.util.find_spec("torch") is None:
        skip_or_fail("this test needs PyTorch: pip install 'tintype[consumers]'")
    return importlib.import_module("torch.utils.data")


@pytest.fixture
def settings(photographs: Path, tmp_path: Path) -> dict[str, str]:
    return {"base_dir": str(tmp_path / "data"), "folder": str(photographs)}


def build(task: luigi.Task) -> None:
    for above in upstream_first(task):
        if not above.complete():
            above.run()


def keep(items: list[Any]) -> list[Any]:
    return items


def load_all(data: Any, sequence: Sequence[Any], **options: Any) -> list[Any]:
    loader = data.DataLoader(sequence, batch_size=3, collate_fn=keep, **options)
    return [item for items in loader for item in items]


SPAWNED = {"num_workers": 2, "multiprocessing_context": "spawn"}


@pytest.mark.parametrize("options", [{}, {"num_workers": 2}, pytest.param(SPAWNED, marks=pytest.mark.slow)])
def test_a_stage_that_is_not_built_and_one_that_is_feed_a_loader(data, settings, options):
    task = Tiny(**settings)
    before = load_all(data, task.sequence(), **options)
    assert len(before) == 8
    build(task)
    for one, other in zip(before, load_all(data, task.output().sequence(), **options), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("n_workers", [0, 2])
def test_a_sequence_of_several_steps_feeds_a_loader(data, settings, n_workers):
    build(Tiny(**settings))
    images = Tiny(**settings).output().sequence()
    gray = smap(to_grayscale, concatenate([images, images]))
    sequence = shuffle(gray, seed=1)
    loaded = load_all(data, sequence, num_workers=n_workers)
    for one, other in zip(loaded, sequence, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_manifest_feeds_a_loader(data, settings):
    build(Tiny(**settings))
    manifest = Tiny(**settings).output().manifest()
    rows = load_all(data, manifest, num_workers=2, shuffle=True)
    assert sorted(row["outpath"] for row in rows) == sorted(row["outpath"] for row in manifest.rows())
