"""The published row of an input: found near the last one, or anywhere."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype.manifest import Manifest, writer
from tintype.manifest.schema import columns_schema
from tintype.tasks import published_rows
from tintype.tasks.published_rows import PublishedRows

ROWS_PER_GROUP = 4
COLUMNS = columns_schema({"label": str})


class Row(NamedTuple):
    """A published row, or an input, which has no status."""

    inpath: str
    digest: str | None
    label: str | None = None
    status: str = "written"
    error_type: str | None = None


def digest(content: int | str) -> str:
    return sha256(str(content).encode()).hexdigest()


def write_manifest(path, rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "ROWS_PER_GROUP", ROWS_PER_GROUP)
        with writer.ManifestWriter(path, COLUMNS) as manifest:
            for some in chunks(rows, ROWS_PER_GROUP):
                known = {
                    "inpath": [row.inpath for row in some],
                    "input_digest": [row.digest for row in some],
                    "label": [row.label for row in some],
                    "status": [row.status for row in some],
                    "error_type": [row.error_type for row in some],
                }
                manifest.write(dict.fromkeys(manifest.schema.names, [None] * len(some)) | known)
    return Manifest(path)


def chunks(rows, n_rows):
    return [rows[start : start + n_rows] for start in range(0, len(rows), n_rows)]


def columns_of(inputs: list[Row]) -> tuple[pa.Array, pa.Array, pa.RecordBatch]:
    inpaths, digests, labels = (
        pa.array([getattr(row, name) for row in inputs], pa.string()) for name in ("inpath", "digest", "label")
    )
    return inpaths, digests, pa.RecordBatch.from_arrays([labels], schema=COLUMNS)


def find(published: PublishedRows, inputs: list[Row]) -> list[int]:
    return list(published.find(*columns_of(inputs)).tolist())


def right_rows(row: Row, rows: list[Row], *, with_path: bool, retried: set[str] | None) -> set[int]:
    """Return the numbers of the rows that have the result of an input, one by one."""
    return {
        number
        for number, other in enumerate(rows)
        if row.digest is not None
        and (row.digest, row.label) == (other.digest, other.label)
        and (not with_path or row.inpath == other.inpath)
        and (other.status != "failed" or (retried is not None and other.error_type not in retried))
    }


ROWS = [Row(f"{number:02d}.jpg", digest(number), "cat" if number % 3 else None) for number in range(10)]


@pytest.fixture
def open_rows(tmp_path):
    opened = []

    def open_them(rows, *, carried=("label",), **wishes: Any) -> PublishedRows:
        published = PublishedRows(write_manifest(tmp_path / "m.parquet", rows), carried, **wishes)
        opened.append(published)
        return published

    yield open_them
    for published in opened:
        published.close()


def has_index(published: PublishedRows) -> bool:
    return "_index" in vars(published)


@settings(deadline=None)
@given(
    contents=st.lists(st.integers(0, 5), max_size=14),
    statuses=st.lists(st.sampled_from(["written", "written", "dropped", "failed"]), min_size=14, max_size=14),
    edits=st.lists(
        st.tuples(st.sampled_from(["insert", "remove", "move", "edit", "relabel", "lose"]), st.integers(0, 99))
    ),
    n_rows=st.integers(1, 6),
    with_path=st.booleans(),
    retried=st.none() | st.just({"OSError"}),
)
def test_an_input_has_the_row_that_a_loop_over_all_of_them_finds(
    tmp_path_factory, contents, statuses, edits, n_rows, with_path, retried
):
    rows = [
        Row(f"{place}.jpg", digest(content), "ab"[place % 2], status, ["OSError", "ValueError"][place % 2])
        for place, (content, status) in enumerate(zip(contents, statuses, strict=False))
    ]
    inputs = list(rows)
    for what, number in edits:
        place = number % (len(inputs) + 1)
        if what == "insert":
            inputs.insert(place, Row(f"new {number}.jpg", digest(number % 9), "a"))
        elif place < len(inputs) and what in {"remove", "move"}:
            row = inputs.pop(place)
            if what == "move":
                inputs.insert(number % (len(inputs) + 1) // 2, row)
        elif place < len(inputs):
            row = inputs[place]
            inputs[place] = {
                "edit": row._replace(digest=digest(number)),
                "relabel": row._replace(label=None),
                "lose": row._replace(digest=None),
            }[what]
    manifest = write_manifest(tmp_path_factory.mktemp("rows") / "m.parquet", rows)
    published = PublishedRows(manifest, ["label"], with_path=with_path, retried=retried)
    found = [number for some in chunks(inputs, n_rows) for number in find(published, some)]
    published.close()
    for row, number in zip(inputs, found, strict=True):
        right = right_rows(row, rows, with_path=with_path, retried=retried)
        assert number in right if right else number == -1


def test_inputs_in_their_old_order_need_no_index(open_rows):
    published = open_rows(ROWS, with_path=True)
    assert [number for some in chunks(ROWS, 3) for number in find(published, some)] == list(range(10))
    assert not has_index(published)


def test_a_few_that_came_and_went_are_no_reason_for_an_index_of_those_that_stayed(open_rows):
    published = open_rows(ROWS, with_path=True)
    inputs = [ROWS[0]._replace(digest=digest("edited")), ROWS[1], *ROWS[5:], ROWS[3]]
    assert find(published, inputs[:-1]) == [-1, 1, 5, 6, 7, 8, 9]
    assert not has_index(published)
    assert find(published, inputs[-1:]) == [3]
    assert has_index(published)


def test_each_row_group_is_read_once_for_inputs_in_their_old_order(open_rows, monkeypatch):
    published = open_rows(ROWS, with_path=True)
    groups: list[int] = []
    read = published._parquet.read_row_group
    monkeypatch.setattr(published, "_parquet", Noting(read, groups))
    for some in chunks(ROWS, 3):
        find(published, some)
    assert groups == [0, 1, 2]


class Noting:
    """Reads row groups, and notes which."""

    def __init__(self, read, groups):
        self._read = read
        self._groups = groups

    def read_row_group(self, group, **options):
        self._groups.append(group)
        return self._read(group, **options)

    def close(self):
        pass


def test_what_moved_is_found_where_paths_do_not_matter(open_rows):
    published = open_rows(ROWS, with_path=False)
    moved = [ROWS[9]._replace(inpath="a.jpg"), *ROWS[2:5], ROWS[0]._replace(inpath="z.jpg")]
    assert find(published, moved) == [9, 2, 3, 4, 0]


def test_of_equal_files_the_one_of_the_same_path_is_found(open_rows):
    rows = [row._replace(digest=digest("black"), label=None) for row in ROWS]
    assert find(open_rows(rows, with_path=False), rows[3:7]) == [3, 4, 5, 6]


def test_one_path_with_several_labels_has_the_row_of_its_label(open_rows):
    rows = [Row("same.jpg", digest("same"), label) for label in "abc"]
    assert find(open_rows(rows, with_path=True), rows[::-1]) == [2, 1, 0]


@pytest.mark.parametrize("with_path", [True, False])
def test_inputs_of_which_nothing_was_published_have_no_row(open_rows, with_path):
    published = open_rows([], with_path=with_path)
    assert find(published, ROWS[:2]) == [-1, -1]
    assert find(published, []) == []
    assert published.take(np.zeros(0, np.int64), ["outpath"]).num_rows == 0


def test_the_first_of_several_rows_is_found_and_brings_the_others_over_the_edge_of_a_row_group(open_rows):
    rows = [ROWS[0], *[ROWS[1]] * 6, ROWS[2], *[ROWS[3]] * 2]
    published = open_rows(rows, with_path=True, has_parts=True)
    found = published.find(*columns_of([ROWS[3], ROWS[1], ROWS[2]]))
    assert found.tolist() == [8, 1, 7]
    numbers, places = published.with_parts(found)
    assert numbers.tolist() == [8, 9, 1, 2, 3, 4, 5, 6, 7]
    assert places.tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 2]
    assert published.take(numbers, ["inpath"]).column(0).to_pylist() == [rows[number].inpath for number in numbers]


def test_the_first_row_of_an_input_is_found_when_a_later_one_is_nearer(open_rows):
    rows = [*[ROWS[1]] * 6, ROWS[2], ROWS[3]]
    published = open_rows(rows, with_path=True, has_parts=True)
    assert find(published, [ROWS[2]]) == [6]
    assert find(published, [ROWS[1]]) == [0]


def test_inputs_of_one_hash_are_told_apart(open_rows, monkeypatch):
    monkeypatch.setattr(published_rows, "hash_rows", lambda rows, names: np.zeros(rows.num_rows, np.int64))
    published = open_rows(ROWS, with_path=False)
    assert find(published, [Row("new.jpg", digest("new")), Row("0 again.jpg", digest(0))]) == [-1, 0]


def test_rows_are_taken_in_the_order_they_are_asked_for(open_rows):
    published = open_rows(ROWS, with_path=True)
    for numbers in ([9, 0, 5, 5, 1], list(range(10)), [3], []):
        taken = published.take(np.array(numbers, np.int64), ["inpath", "label"])
        assert taken.column("inpath").to_pylist() == [ROWS[number].inpath for number in numbers]
        assert taken.column("label").to_pylist() == [ROWS[number].label for number in numbers]
