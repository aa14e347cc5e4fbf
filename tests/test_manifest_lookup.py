"""Rows of a manifest by the text of a column."""

from __future__ import annotations

import numpy as np
import pytest

from tintype.manifest import Manifest, ManifestWriter, lookup
from tintype.manifest.lookup import ManifestLookup
from tintype.manifest.schema import columns_schema


def write_manifest(path, names):
    n_rows = len(names)
    with ManifestWriter(path, columns_schema({"number": int})) as writer:
        nothing = dict.fromkeys(writer.schema.names, [None] * n_rows)
        writer.write(nothing | {"inpath": names, "status": ["written"] * n_rows, "number": list(range(n_rows))})
    return Manifest(path)


@pytest.mark.parametrize("n_rows", [0, 1, 100])
def test_every_row_is_found_by_its_key_and_no_other(tmp_path, n_rows):
    names = [f"{number}.jpg" for number in range(n_rows)]
    found = ManifestLookup(write_manifest(tmp_path / "m.parquet", names), "inpath", ["number"]).find(
        [*reversed(names), "other.jpg"]
    )
    assert [row and row["number"] for row in found] == [*reversed(range(n_rows)), None]


def test_of_several_rows_of_one_key_the_first_is_found(tmp_path):
    manifest = write_manifest(tmp_path / "m.parquet", ["a", "b", "a"])
    assert ManifestLookup(manifest, "inpath", ["number"]).find(["a"]) == [{"inpath": "a", "number": 0}]


def test_texts_of_one_hash_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(lookup, "hash_texts", lambda texts: np.zeros(len(texts), np.int64))
    found = ManifestLookup(write_manifest(tmp_path / "m.parquet", ["a", "b", "c"]), "inpath", ["number"]).find(
        ["c", "a", "d", "b"]
    )
    assert [row and row["number"] for row in found] == [2, 0, None, 1]
