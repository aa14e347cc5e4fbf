"""Behaviour of tintype.manifest.json_texts."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.manifest.json_texts import ColumnEncoder

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values_of_columns = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5
)


@given(st.lists(scalars) | st.lists(values_of_columns))
def test_each_value_is_the_json_that_an_encoder_makes_of_it_alone(values):
    assert ColumnEncoder(ensure_ascii=False)(values) == [json.dumps(value, ensure_ascii=False) for value in values]


def test_values_that_json_does_not_know_are_encoded_as_the_options_say():
    assert ColumnEncoder(default=str)([date(2026, 11, 20), None]) == ['"2026-11-20"', "null"]
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        ColumnEncoder(allow_nan=False)([1.0, float("nan")])
