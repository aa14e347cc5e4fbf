"""Behaviour of tintype.manifest.difference."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tintype.errors import ManifestError
from tintype.manifest import ManifestWriter, compare
from tintype.manifest.reader import Manifest
from tintype.manifest.schema import FIXED_COLUMNS, Status, columns_schema, mark_undigested

EXTRA = columns_schema({"label": str, "score": float})
COMPARED = ("digest", "size_bytes", "error_type", "error", "label", "score")

names = st.none() | st.sampled_from(["a", "b", "c", "d", "\u00e9\0", ""])
rows_of_files = st.fixed_dictionaries(
    {
        "inpath": names,
        "outpath": names,
        "status": st.sampled_from([str(status) for status in Status]),
        "error": st.none() | st.just("broken"),
        "digest": st.none() | st.sampled_from(["00", "11"]),
        "size_bytes": st.none() | st.integers(0, 2),
        "seconds": st.sampled_from([0.1, 0.2]),
        "label": st.none() | st.sampled_from(["cat", "dog"]),
        "score": st.sampled_from([None, 0.5, math.nan, math.inf]),
    }
)
lists_of_rows = st.lists(rows_of_files, max_size=12)


def make_row(outpath="a.png", **values):
    row = {"inpath": outpath, "outpath": outpath, "status": "written", "digest": "00", "size_bytes": 3, "label": "cat"}
    return row | values


def write(path, rows, extra=EXTRA):
    with ManifestWriter(path, extra) as writer:
        writer.write({name: [row.get(name) for row in rows] for name in [*FIXED_COLUMNS, *extra.names]})
    return Manifest(path)


def key_rows(rows):
    """Return the rows by what makes them one row, and which one of these they are."""
    seen: Counter[object] = Counter()
    keyed = {}
    for row in rows:
        key = row["outpath"] if row["outpath"] is not None else (row["inpath"], row["status"])
        keyed[key, seen[key]] = row
        seen[key] += 1
    return keyed


def values_of(row, columns=COMPARED):
    return {name: repr(row.get(name)) for name in columns}  # of two NaNs the text is equal


def compare_by_brute_force(before, after):
    old, new = key_rows(before), key_rows(after)
    changed = [(old[key], new[key]) for key in old if key in new and values_of(old[key]) != values_of(new[key])]
    return {
        "added": [row for key, row in new.items() if key not in old],
        "removed": [row for key, row in old.items() if key not in new],
        "changed": changed,
        "n_unchanged": sum(key in new for key in old) - len(changed),
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty folder; manifests have several row groups, and are compared in several blocks."""
    monkeypatch.setattr("tintype.manifest.writer.ROWS_PER_GROUP", 3)
    monkeypatch.setattr("tintype.manifest.difference._ROWS_AT_ONCE", 4)
    return tmp_path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(before=lists_of_rows, after=lists_of_rows, data=st.data())
def test_a_difference_is_that_of_dicts(folder, before, after, data):
    after = data.draw(st.permutations(after + before[: data.draw(st.integers(0, len(before)))]))
    difference = compare(write_in_groups(folder / "a", before), write_in_groups(folder / "b", after))
    expected = compare_by_brute_force(before, after)
    for kind in ("added", "removed"):
        rows = [values_of(row, EXTRA.names) for row in getattr(difference, kind)()]
        assert rows == [values_of(row, EXTRA.names) for row in expected[kind]]
        assert getattr(difference, f"n_{kind}") == len(rows)
    changed = list(difference.changed())
    assert [row.size_bytes for row in changed] == [
        (old["size_bytes"], new["size_bytes"]) for old, new in expected["changed"]
    ]
    assert [(row.inpath, row.outpath, row.status) for row in changed] == [
        (old["inpath"], old["outpath"], new["status"]) for old, new in expected["changed"]
    ]
    for row, (old, new) in zip(changed, expected["changed"], strict=True):
        names = [name for name in COMPARED if values_of(old)[name] != values_of(new)[name]]
        assert repr(dict(row.values)) == repr({name: (old.get(name), new.get(name)) for name in names})
    assert difference.n_changed == len(changed)
    assert difference.n_unchanged == expected["n_unchanged"]
    assert difference.n_changed_by_column == Counter(name for row in changed for name in row.values)
    assert difference.is_empty == (not (expected["added"] or expected["removed"] or changed))


def write_in_groups(path, rows):
    with ManifestWriter(path, EXTRA) as writer:
        for start in range(0, len(rows), 3):
            columns = {name: [row.get(name) for row in rows[start : start + 3]] for name in writer.schema.names}
            writer.write(columns)
    return Manifest(path)


@pytest.mark.parametrize("n_rows", [0, 1, 30])
def test_a_manifest_does_not_differ_from_itself_in_any_order(folder, n_rows):
    rows = [make_row(f"{number}.png", score=math.nan) for number in range(n_rows)]
    difference = compare(write_in_groups(folder / "a", rows), write_in_groups(folder / "b", rows[::-1]))
    assert difference.is_empty
    assert (difference.n_unchanged, difference.n_added, difference.n_removed, difference.n_changed) == (n_rows, 0, 0, 0)
    assert [*difference.changed(), *difference.added(), *difference.removed()] == []


def test_the_totals_are_those_of_each_manifest(folder):
    failed = make_row(None, inpath="x", status="failed", size_bytes=None, digest=None, error_type="OSError")
    before = write(folder / "a", [make_row("a", size_bytes=2**40), failed])
    after = write(folder / "b", [make_row("a", size_bytes=1), make_row("x", size_bytes=5)])
    difference = compare(before, after)
    assert difference.totals_before.to_json() == {
        "n_rows": 2,
        "n_files": 1,
        "size_bytes": 2**40,
        "statuses": {"failed": 1, "written": 1},
    }
    assert difference.totals_after.statuses == {"written": 2}
    assert difference.totals_after.size_bytes == 6
    assert difference.to_json()["n_changed_by_column"] == {"size_bytes": 1}


@pytest.mark.parametrize("column", ["inpath", "status", "seconds", "input_digest"])
def test_how_and_when_a_file_was_made_is_no_difference_unless_it_is_asked_for(folder, column):
    value = 9.0 if column == "seconds" else "failed"
    before, after = write(folder / "a", [make_row(seconds=1.0)]), write(folder / "b", [make_row(**{column: value})])
    assert compare(before, after).is_empty
    difference = compare(before, after, columns=[column])
    assert difference.n_changed_by_column == {column: 1}
    assert [row.values[column][1] for row in difference.changed()] == [value]


def test_the_first_of_several_rows_without_a_file_is_compared_with_the_first(folder):
    failed = {"outpath": None, "inpath": "x", "status": "failed"}
    before = write(folder / "a", [make_row(**failed, error="one"), make_row(**failed, error="two")])
    after = write(folder / "b", [make_row(**failed, error="one"), make_row(**failed, error="2"), make_row(**failed)])
    difference = compare(before, after)
    assert (difference.n_unchanged, difference.n_changed, difference.n_added) == (1, 1, 1)
    assert [row.values for row in difference.changed()] == [{"error": ("two", "2")}]


def test_an_input_with_another_outcome_is_a_row_removed_and_one_added(folder):
    before = write(folder / "a", [make_row(None, inpath="x", status="failed")])
    difference = compare(before, write(folder / "b", [make_row(None, inpath="x", status="dropped")]))
    assert [row["status"] for row in difference.removed()] == ["failed"]
    assert [row["status"] for row in difference.added()] == ["dropped"]


def test_columns_of_one_side_and_of_another_type_are_named_and_not_compared(folder):
    before = write(
        folder / "a", [make_row(gone=1, width="7")], columns_schema({"gone": int, "width": str, "label": str})
    )
    after = write(folder / "b", [make_row(new=1, width=7)], columns_schema({"new": int, "width": int, "label": str}))
    difference = compare(before, after)
    assert difference.columns == ("digest", "size_bytes", "error_type", "error", "label")
    assert (difference.columns_added, difference.columns_removed) == (("new",), ("gone",))
    assert difference.columns_retyped == {"width": ("string", "int64")}
    assert (difference.n_unchanged, difference.is_empty) == (1, False)
    assert difference.to_json()["columns_retyped"] == {"width": ["string", "int64"]}


def test_a_column_that_does_not_count_in_the_digest_is_left_out_unless_it_is_asked_for(folder):
    extra = mark_undigested(EXTRA, ["score"])
    before, after = (write(folder / name, [make_row(score=n)], extra) for n, name in enumerate("ab"))
    assert compare(before, after).is_empty
    assert compare(before, after, columns=["score", "score"]).n_changed_by_column == {"score": 1}
    assert compare(before, after, columns=[]).n_unchanged == 1


def test_a_column_that_neither_has_is_refused_with_those_there_are(folder):
    manifest = write(folder / "a", [make_row()])
    with pytest.raises(
        ManifestError, match=r"neither manifest has a column lable, colour: there are inpath, .*, label"
    ):
        compare(manifest, manifest, columns=["lable", "label", "colour"])


def test_values_of_types_that_arrow_does_not_compare_are_compared(folder):
    extra = pa.schema([("boxes", pa.list_(pa.int64()))])
    rows = [make_row("a", boxes=[1, 2]), make_row("b", boxes=None), make_row("c", boxes=[])]
    paths = [folder / "a", folder / "b"]
    for path, boxes in zip(paths, ([[1, 2], None, []], [[1, 3], None, None]), strict=True):
        with ManifestWriter(path, extra) as writer:
            columns = {name: [row.get(name) for row in rows] for name in FIXED_COLUMNS}
            writer.write({**columns, "boxes": pa.array(boxes, extra.field("boxes").type)})
    difference = compare(*map(Manifest, paths))
    assert [row.outpath for row in difference.changed()] == ["a", "c"]


def test_many_rows_in_another_order_are_matched(tmp_path):
    n_rows = 40_000
    order = np.random.default_rng(7).permutation(n_rows).tolist()
    before = write(tmp_path / "a", [make_row(f"{number}", size_bytes=number) for number in range(n_rows)])
    after = write(tmp_path / "b", [make_row(f"{number + 10}", size_bytes=number % 30_000 + 10) for number in order])
    difference = compare(before, after)
    assert (difference.n_added, difference.n_removed) == (10, 10)
    assert difference.n_changed == 9_990
    assert all(row.values == {"size_bytes": row.size_bytes} for row in difference.changed())
    assert {row["outpath"] for row in difference.removed()} == {str(number) for number in range(10)}


def test_a_missing_or_damaged_manifest_is_told(folder):
    good = write(folder / "a", [make_row(f"{number}.png") for number in range(9)])
    with pytest.raises(ManifestError, match=r"absent is missing: build the stage again"):
        compare(good, Manifest(folder / "absent"))
    content = bytearray((folder / "a").read_bytes())
    content[4:200] = bytes(196)
    (folder / "b").write_bytes(content)
    with pytest.raises(ManifestError, match=r"b cannot be read"):
        compare(good, Manifest(folder / "b"))


def test_a_manifest_that_was_replaced_while_it_was_compared_is_told(folder):
    before = write(folder / "a", [make_row(f"{number}.png") for number in range(9)])
    difference = compare(before, write(folder / "b", [make_row("0.png", label="dog")]))
    write(folder / "a", [make_row("new.png")])
    with pytest.raises(ManifestError, match="changed while it was compared: compare again"):
        list(difference.removed())


def test_a_difference_says_what_it_is_in_few_words(folder):
    manifest = write(folder / "a", [make_row()])
    assert "array" not in repr(compare(manifest, manifest))
