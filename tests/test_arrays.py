from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tintype.manifest.arrays import from_numpy, make_array, rows_without_columns, to_numpy

VALUES = {
    pa.string(): st.text(),
    pa.bool_(): st.booleans(),
    pa.int64(): st.integers(-(1 << 63), (1 << 63) - 1),
    pa.float64(): st.floats(allow_nan=False) | st.integers(-1000, 1000),
}


@settings(deadline=None)  # the first pyarrow.array of a process imports pandas
@given(st.data())
def test_an_array_is_the_one_that_pyarrow_makes(data):
    kind = data.draw(st.sampled_from(list(VALUES)))
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=40))
    array = make_array(values, kind)
    array.validate(full=True)
    assert array.equals(pa.array(values, kind))
    assert array.null_count == values.count(None)


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        (["a", 1], pa.string(), "got a 'int' object"),
        (["\udc80"], pa.string(), "surrogates not allowed"),
        (["1"], pa.int64(), "Could not convert '1'"),
        ([True], pa.int64(), "Expected integer, got bool"),
        ([1 << 63], pa.int64(), "int too (big|large) to convert"),
        ([1], pa.bool_(), "Could not convert 1"),
        (["x"], pa.float64(), "Could not convert 'x'"),
    ],
)
def test_what_pyarrow_refuses_is_refused(values, kind, words):
    with pytest.raises((pa.ArrowException, OverflowError, UnicodeError), match=words):
        make_array(values, kind)


def test_other_types_are_left_to_pyarrow():
    assert make_array([b"a", None], pa.binary()).to_pylist() == [b"a", None]


def test_numpy_values_are_taken_as_they_lie():
    times = from_numpy(np.array([0, 1_000_000], np.int64), pa.timestamp("us", tz="UTC"))
    assert [time.timestamp() for time in times.to_pylist()] == [0.0, 1.0]
    assert from_numpy(np.arange(6.0)[::2], pa.float64()).to_pylist() == [0.0, 2.0, 4.0]


@pytest.mark.parametrize("n_rows", [0, 1, 9])
def test_a_batch_may_have_rows_and_no_columns(n_rows):
    batch = rows_without_columns(n_rows)
    assert (batch.num_rows, batch.num_columns) == (n_rows, 0)


def test_pandas_stays_out_of_the_process():
    code = (
        "import sys, pyarrow as pa; from tintype.manifest.arrays import make_array, rows_without_columns; "
        "values = [(['a', None], pa.string()), ([1], pa.int64()), ([.5], pa.float64()), ([True, None], pa.bool_())]; "
        "[make_array(*value) for value in values]; make_array([None], pa.string()); rows_without_columns(3); "
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.float64(), pa.uint8()])
@pytest.mark.parametrize("values", [[], [3], [5, 0, 7]])
def test_numbers_of_arrow_are_the_same_in_numpy_whole_or_in_part(values, kind):
    array = pa.array(values, kind)
    assert to_numpy(array).tolist() == values
    assert to_numpy(array).dtype == kind.to_pandas_dtype()
    assert to_numpy(array[1:]).tolist() == values[1:]
    assert to_numpy(pa.chunked_array([array, array[1:]])).tolist() == values + values[1:]
    assert to_numpy(pa.chunked_array([], kind)).tolist() == []
