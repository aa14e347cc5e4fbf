"""Taking, comparing and hashing rows of Arrow tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype.manifest.table_rows import are_equal, hash_rows, take_rows

N_ROWS = 300
TABLE = pa.table(
    {
        "name": [f"{number}" * (number % 4) for number in range(N_ROWS)],
        "label": [None if number % 7 == 0 else number % 5 == 0 for number in range(N_ROWS)],
        "side": [number / 3 for number in range(N_ROWS)],
    }
)


@pytest.mark.parametrize("rows", [TABLE, TABLE.column("name").chunk(0)], ids=["table", "array"])
@settings(deadline=None)  # the first pyarrow.array of a process imports pandas
@given(runs=st.lists(st.tuples(st.integers(0, N_ROWS - 1), st.integers(0, 200)), max_size=4))
def test_runs_of_rows_are_taken_as_one_by_one(rows, runs):
    places = np.array([place for first, n in runs for place in range(first, min(first + n, N_ROWS))], np.int64)
    taken = take_rows(rows, places)
    assert taken.equals(rows.take(pa.array(places)))
    if isinstance(rows, pa.Table):
        assert {column.num_chunks for column in taken.columns} <= {0, 1} if not len(places) else {1}


@settings(deadline=None)
@given(places=st.lists(st.integers(0, N_ROWS - 1), max_size=200))
def test_rows_in_any_order_are_taken_as_arrow_takes_them(places):
    assert take_rows(TABLE, np.array(places, np.int64)).equals(TABLE.take(pa.array(places, pa.int64())))


def test_a_run_of_rows_is_not_copied():
    names = TABLE.column("name").chunk(0)
    taken = take_rows(names, np.arange(100, 200))
    assert taken.buffers()[2].address == names.buffers()[2].address


@pytest.mark.parametrize(
    ("one", "other", "is_equal"),
    [
        ("cat", "cat", True),
        ("cat", "dog", False),
        (None, None, True),
        (None, "", False),
        (0.0, -0.0, False),
        (float("nan"), float("nan"), True),
        (True, False, False),
        (7, 7, True),
    ],
)
def test_values_are_equal_when_their_texts_are(one, other, is_equal):
    kind = pa.array([value for value in (one, other) if value is not None] or [""]).type
    rows, others = (pa.table({"column": pa.array([value], kind), "label": ["x"]}) for value in (one, other))
    assert are_equal(rows, others, ["label", "column"]).tolist() == [is_equal]
    assert are_equal(rows, others, ["label"]).tolist() == [True]


digests = st.text("0123456789abcdef", min_size=64, max_size=64)
values = st.none() | st.sampled_from(["", "etag", "é" * 32]) | digests


@settings(deadline=None)
@given(rows=st.lists(values, min_size=1, max_size=6), before=st.lists(values, max_size=3))
def test_a_value_has_one_hash_wherever_it_stands(rows, before):
    column = pa.array([*before, *rows, *before], pa.string())
    hashes = hash_rows(pa.table({"digest": column.slice(len(before), len(rows))}), ["digest"]).tolist()
    alone = [hash_rows(pa.table({"digest": pa.array([row], pa.string())}), ["digest"]).item() for row in rows]
    assert hashes == alone
    assert len(set(hashes)) == len(set(rows))


@settings(deadline=None)
@given(texts=st.lists(digests, min_size=2, max_size=2, unique=True))
def test_digests_that_differ_anywhere_have_other_hashes(texts):
    one, other = hash_rows(pa.table({"digest": texts}), ["digest"]).tolist()
    assert one != other


def test_the_order_of_columns_and_of_words_counts():
    words = ["01234567" * 4 + "89abcdef" * 4, "89abcdef" * 4 + "01234567" * 4]
    table = pa.table({"one": words, "other": words[::-1]})
    assert len({*hash_rows(table, ["one"]).tolist()}) == 2
    assert len({*hash_rows(table, ["one", "other"]).tolist()}) == 2


def test_no_rows_have_no_hashes():
    assert hash_rows(pa.table({"digest": pa.array([], pa.string())}), ["digest"]).tolist() == []
