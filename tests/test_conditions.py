"""Behaviour of tintype.manifest.conditions, and of the views that Manifest.where makes."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tintype.errors import ManifestError
from tintype.manifest import Condition, FilteredRows, Manifest, ManifestWriter
from tintype.manifest.schema import FIXED_COLUMNS, columns_schema

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
COLUMNS = {"label": str, "width": int, "brightness": float, "is_sharp": bool}
SCHEMA = pa.schema([*columns_schema(COLUMNS), ("time", pa.timestamp("us", "UTC")), ("class", pa.string())])
NAMES = {"text": ["label", "`class"], "numbers": ["width", "brightness"], "truth": ["is_sharp"]}
COMPARE = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: None not in (a, b) and a < b,
    "<=": lambda a, b: None not in (a, b) and a <= b,
    ">": lambda a, b: None not in (a, b) and a > b,
    ">=": lambda a, b: None not in (a, b) and a >= b,
}
CALLS = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": str.__contains__,
}

letters = st.text("ab\u00e9\U0001f431'\"\\", max_size=3)
whole_numbers = st.integers(-3, 3) | st.sampled_from([2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)])
decimals = st.sampled_from([-1.5, -0.0, 0.0, 0.5, 2.0, 3.0, math.inf, -math.inf, math.nan])
rows_of_columns = st.fixed_dictionaries(
    {
        "label": st.none() | letters,
        "width": st.none() | whole_numbers,
        "brightness": st.none() | decimals,
        "is_sharp": st.none() | st.booleans(),
        "time": st.none() | st.integers(-2, 2).map(lambda seconds: MOMENT + timedelta(seconds=seconds)),
        "class": st.none() | letters,
    }
)
number_constants = st.sampled_from([-4.0, -2.5, -1.5, 0.0, 0.5, 2.0, 2.5, 9.3e18, 1e300]) | st.integers(-4, 4)
big_constants = st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**400])
column_texts = {"class": "column('class')"}


def name_of(column):
    return column_texts.get(column, column)


def compare_with(column, symbol, constant):
    return f"{name_of(column)} {symbol} {constant!r}", lambda row: COMPARE[symbol](row[column], constant)


def turned_round(column, symbol, constant):
    return f"{constant!r} {symbol} {name_of(column)}", lambda row: COMPARE[symbol](constant, row[column])


def compare_columns(first, symbol, second):
    return f"{name_of(first)} {symbol} {name_of(second)}", lambda row: COMPARE[symbol](row[first], row[second])


def is_in(column, word, constants):
    return (
        f"{name_of(column)} {word} {constants!r}",
        lambda row: any(row[column] == constant for constant in constants) is (word == "in"),
    )


def call(name, column, text):
    return f"{name}({column}, {text!r})", lambda row: row[column] is not None and CALLS[name](row[column], text)


def is_none(column, word):
    return f"{column} {word} None", lambda row: (row[column] is None) is (word in ("is", "=="))


def chain(low, first, second, high):
    return (
        f"{low!r} {first} width {second} {high!r}",
        lambda row: COMPARE[first](low, row["width"]) and COMPARE[second](row["width"], high),
    )


symbols = st.sampled_from(list(COMPARE))
equalities = st.sampled_from(["==", "!="])
texts = st.sampled_from(["label", "class"])
lists = st.lists(st.none() | letters, max_size=4)
leaves = st.one_of(
    st.builds(compare_with, texts, symbols, letters),
    st.builds(turned_round, texts, symbols, letters),
    st.builds(compare_with, st.just("width"), symbols, number_constants | big_constants),
    st.builds(turned_round, st.just("width"), symbols, number_constants | big_constants),
    st.builds(compare_with, st.just("brightness"), symbols, number_constants),
    st.builds(compare_with, st.just("is_sharp"), equalities, st.booleans()),
    st.builds(compare_columns, texts, symbols, texts),
    st.builds(compare_columns, st.just("width"), symbols, st.just("width")),
    st.builds(compare_columns, st.just("brightness"), symbols, st.just("brightness")),
    st.builds(is_in, texts, st.sampled_from(["in", "not in"]), lists | lists.map(tuple)),
    st.builds(is_in, st.just("width"), st.sampled_from(["in", "not in"]), st.lists(number_constants, max_size=4)),
    st.builds(call, st.sampled_from(list(CALLS)), st.just("label"), letters),
    st.builds(is_none, st.sampled_from(["label", "width", "time"]), st.sampled_from(["is", "is not", "==", "!="])),
    st.builds(chain, number_constants, symbols, symbols, number_constants),
    st.just(("is_sharp", lambda row: row["is_sharp"] is True)),
    st.just(("True", lambda _: True)),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}) and {two[1][0]}",
                                                 lambda row: two[0][1](row) and two[1][1](row))),
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]} or {two[1][0]})",
                                                 lambda row: two[0][1](row) or two[1][1](row))),
        inner.map(lambda one: (f"(not ({one[0]}))", lambda row: not one[1](row))),
    ),
    max_leaves=5,
)  # fmt: skip


def make_batch(rows):
    columns = {name: [row[name] for row in rows] for name in SCHEMA.names}
    return pa.RecordBatch.from_pydict(columns, SCHEMA)


def find(condition, *rows):
    """Return the numbers of the rows that meet a condition; what a row does not say is None."""
    whole = [{**dict.fromkeys(SCHEMA.names), **row, "width": number} for number, row in enumerate(rows)]
    return Condition(condition).filter(make_batch(whole)).column("width").to_pylist()


# What a condition means


@settings(deadline=None)
@given(rows=st.lists(rows_of_columns, max_size=8), condition=conditions)
def test_a_condition_finds_the_rows_that_python_finds(rows, condition):
    text, is_met = condition
    batch = make_batch(rows)
    found = Condition(text).filter(batch)
    expected = make_batch([row for row in rows if is_met(row)])
    assert repr(found.to_pylist()) == repr(expected.to_pylist())  # NaN is no NaN, but its text is


@settings(deadline=None)
@given(rows=st.lists(rows_of_columns, max_size=8), condition=conditions)
def test_a_condition_or_its_opposite_is_true_of_every_row(rows, condition):
    batch = make_batch(rows)
    n_met, n_not_met = (Condition(text).filter(batch).num_rows for text in (condition[0], f"not ({condition[0]})"))
    assert n_met + n_not_met == len(rows)


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("label == 'cat'", [0]),
        ("label != 'cat'", [1, 2]),
        ("not label == 'cat'", [1, 2]),
        ("label < 'd'", [0]),
        ("label >= 'a'", [0, 1]),
        ("label not in ('cat',)", [1, 2]),
        ("label in ('dog', None)", [1, 2]),
        ("label is None", [2]),
        ("label is not None", [0, 1]),
        ("not startswith(label, 'c')", [1, 2]),
        ("label == column('class')", [2]),
    ],
)
def test_a_missing_value_equals_none_and_nothing_else(condition, found):
    assert find(condition, {"label": "cat"}, {"label": "dog"}, {}) == found


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (r"matches(label, r'\d')", [0, 1]),
        (r"matches(label, '^\d+$')", [1]),
        ("matches(label, 'C')", []),
        ("matches(label, '(?i)C')", [0]),
        ("contains(label, '.')", [2]),
    ],
)
def test_a_regular_expression_is_found_anywhere_in_the_text(condition, found):
    assert find(condition, {"label": "cat 7"}, {"label": "12"}, {"label": "a.b"}, {}) == found


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("time >= '2026-01-02'", [0, 1]),
        ("time == '2026-01-02T03:04:05.678901'", [0]),
        ("time == '2026-01-02T05:04:05.678901+02:00'", [0]),
        ("time in ('2026-01-02T03:04:05.678901Z',)", [0]),
        ("'2026-01-03' < time < '2026-01-04'", [1]),
        ("time < '2026-01-02'", []),
    ],
)
def test_times_are_compared_with_text_in_utc(condition, found):
    assert find(condition, {"time": MOMENT}, {"time": MOMENT + timedelta(days=1)}, {}) == found


@pytest.mark.parametrize("condition", ["is_sharp", "is_sharp == True", "is_sharp is True", "not is_sharp != True"])
def test_a_column_of_truth_values_is_a_condition(condition):
    assert find(condition, {"is_sharp": True}, {"is_sharp": False}, {}) == [0]


def test_whole_numbers_are_compared_exactly_with_those_that_a_float_rounds():
    batch = make_batch([{**dict.fromkeys(SCHEMA.names), "width": 2**53 + n} for n in range(3)])
    assert Condition(f"width == {2**53 + 1}").filter(batch).num_rows == 1
    assert Condition(f"width > {float(2**53)}").filter(batch).num_rows == 2


def test_a_list_may_be_long():
    labels = tuple(f"label {n}" for n in range(10_000))
    assert find(f"label in {labels}", {"label": "label 9999"}, {"label": "cat"}) == [0]
    assert find(" or ".join(f"label == {label!r}" for label in labels[:500]), {"label": "label 3"}, {}) == [0]


def test_the_columns_of_a_condition_are_those_it_reads_once_each():
    text = "width > 3 and (matches(label, 'x') or column('my label') == 'a') and width < 9 and startswith(label, 'a')"
    assert Condition(text).columns == ("width", "label", "my label")
    assert Condition("True").columns == ()


def test_a_condition_says_its_text():
    assert repr(Condition(" width > 2 ")) == "Condition('width > 2')"


def test_an_expression_goes_into_a_dataset(tmp_path):
    table = pa.table({"label": ["cat", None, "dog"]})
    pq.write_table(table, tmp_path / "t.parquet")
    expression = Condition("label != 'cat'").to_expression(table.schema)
    assert ds.dataset(tmp_path / "t.parquet").to_table(filter=expression).column("label").to_pylist() == [None, "dog"]


# What is no condition


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"condition '', character 1: invalid syntax"),
        ("label ==", r"condition 'label ==', character \d+: invalid syntax"),
        ("label = 'cat'", r"character \d+: .*invalid syntax"),
        ("(label == 'cat'", r"character 1: '\(' was never closed"),
        ("label == 'cat", r"character 10: unterminated string literal"),
        ("label == 'cat' &&", "invalid syntax"),
        ("class == 'cat'", r"character 1: .*invalid syntax"),
        ("(label == 'a') & (width > 3)", r"character 1: write `and` for &"),
        ("(label == 'a') | (width > 3)", "write `or` for |"),
        ("label == 'a' and ~is_sharp", "character 18: write `not` for ~"),
        ("width * 2 > 5", "character 1: a condition has columns, constants and comparisons"),
        ("'\u00e9' == label and width + 1 > 5", r"character 18: a condition has columns"),
        ("[x for x in label]", "a condition has columns"),
        ("label.upper() == 'A'", "character 1: a condition has columns"),
        ("(lambda: True)()", "a condition has columns"),
        ("label if width else label", "a condition has columns"),
        ("f'{label}' == 'a'", "a condition has columns"),
        ("(x := 3) > 2", "a condition has columns"),
        ("label[0] == 'a'", "a condition has columns"),
        ("a\0b", "null bytes"),
        ("not " * 300 + "is_sharp", "is nested more than 100 deep: write it flatter"),
        ("(" * 5000 + "is_sharp" + ")" * 5000, "character|cannot be read"),
        ("not " * 50_000 + "is_sharp", "cannot be read|nested|character"),
    ],
)
def test_text_that_is_no_condition_is_refused_with_its_place(text, words):
    with pytest.raises(ManifestError, match=words):
        Condition(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "lable == 'cat'",
            r"'cat'\", character 1: there is no column lable \(text stands in quotes\); there are label, ",
        ),
        ("label == cat", "character 10: there is no column cat"),
        ("column('my label') == 'a'", "there is no column my label"),
        ("label == 3", "character 1: the column label holds text, and 3 is no text"),
        ("(width > 2 and\n label < 3)", r"character 17: the column label holds text, and 3 is no text"),
        ("width == '3'", "the column width holds numbers, and '3' is no number"),
        ("width == True", "the column width holds numbers, and True is no number"),
        ("is_sharp == 1", "the column is_sharp holds truth values, and 1 is no truth value"),
        ("is_sharp < True", "holds truth values, which are neither less nor greater"),
        ("width in (1, 'a')", "character 14: the column width holds numbers, and 'a' is no number"),
        ("label in 'cat'", r"character 10: after `in` comes a tuple or list of constants, as \('a', 'b'\)"),
        ("'a' in label", r"a column comes before `in`; a part of a text is contains\(column, 'part'\)"),
        ("label in (cat, 'dog')", "character 11: there is no column cat"),
        ("label in (column('class'), 'dog')", "after `in` come constants; a text stands in quotes"),
        ("label == width", "the column label holds text, and the column width numbers"),
        ("1 < 2", "this compares two constants, and no column"),
        ("'cat'", "a constant alone is no condition"),
        ("3", "a constant alone is no condition"),
        ("label", "the column label holds text: compare it with something"),
        ("label < None", "None is neither less nor greater than anything: write `is None`"),
        ("label is 'cat'", "`is` goes with None, True and False: write == for any other value"),
        ("time > 3", "the column time holds times, and 3 is no time"),
        ("time > 'noon'", "'noon' is no ISO 8601 time, as '2026-01-31 12:00'"),
        ("startswith(label)", r"write startswith\(column, 'text'\)"),
        ("startswith('a', label)", r"write startswith\(column, 'text'\)"),
        ("startswith(label, prefix='a')", "a condition has columns|write startswith"),
        ("startswith(width, 'a')", "the column width holds numbers, and startswith is for text"),
        ("matches(label, '(')", r"character 16: this is no regular expression \(.*\("),
        ("len(label) > 3", r"no such function here: there are startswith, endswith, contains, matches, column"),
        ("startswith(label, 'a') == True", "no such function here"),
        ("open('x')", "no such function here"),
        ("label == b'a'", "here a column or a constant has to stand"),
        ("label == '\\ud800'", "this text is not Unicode"),
        ("(label, 'a') == 3", "here a column or a constant has to stand"),
    ],
)
def test_a_condition_that_does_not_fit_the_columns_is_refused_with_its_place(text, words):
    with pytest.raises(ManifestError, match=words):
        Condition(text).filter(make_batch([]))


def test_a_column_of_another_type_is_compared_with_nothing_but_none():
    schema = pa.schema([("boxes", pa.list_(pa.int64()))])
    batch = pa.RecordBatch.from_pydict({"boxes": [[1], None]}, schema)
    assert Condition("boxes is not None").filter(batch).num_rows == 1
    with pytest.raises(ManifestError, match=r"boxes holds list<.*>, which a condition compares with nothing but None"):
        Condition("boxes == 3").filter(batch)


# Views of a manifest


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    """Return a manifest of 50 rows in row groups of 8."""
    monkeypatch.setattr("tintype.manifest.writer.ROWS_PER_GROUP", 8)
    return write(tmp_path / "m.parquet", 50)


def write(path, n_rows):
    with ManifestWriter(path, columns_schema(COLUMNS)) as writer:
        for number in range(n_rows):
            row = dict.fromkeys([*FIXED_COLUMNS, *COLUMNS])
            row |= {"inpath": f"{number}.jpg", "outpath": f"{number}.png", "status": "written", "size_bytes": number}
            row |= {"label": "cat" if number % 2 else None, "width": number, "is_sharp": number % 5 == 0}
            writer.write({name: [value] for name, value in row.items()})
    return Manifest(path)


def test_a_view_reads_as_a_manifest_does(manifest):
    view = manifest.where("label == 'cat' and size_bytes >= 10")
    numbers = range(11, 50, 2)
    assert isinstance(view, FilteredRows)
    assert len(view) == len(numbers)
    assert [row["inpath"] for row in view.rows()] == [f"{number}.jpg" for number in numbers]
    assert list(view.rows()) == [row for row in manifest.rows() if row["size_bytes"] in numbers]
    frame, report = view.to_pandas(), view.run_report()
    assert list(frame["size_bytes"]) == list(numbers)
    assert frame.dtypes.equals(manifest.to_pandas().dtypes)
    assert report.dtypes.equals(manifest.run_report().dtypes)
    assert list(report.index) == [f"{number}.jpg" for number in numbers]
    assert view.schema == manifest.schema
    assert view.extra_schema == manifest.extra_schema
    assert repr(view) == f"FilteredRows({manifest!r}, \"label == 'cat' and size_bytes >= 10\")"


@pytest.mark.parametrize(
    ("condition", "n_rows"), [("width < 0", 0), ("width == 7", 1), ("width >= 0", 50), ("True", 50)]
)
def test_a_view_has_zero_one_or_many_rows_and_the_same_types(manifest, condition, n_rows):
    view = manifest.where(condition)
    assert len(view) == len(view.to_pandas()) == len(list(view.rows())) == n_rows
    assert view.to_pandas().dtypes.equals(manifest.to_pandas().dtypes)
    assert view.run_report().dtypes.equals(manifest.run_report().dtypes)


def test_a_view_of_a_manifest_without_rows_has_none(tmp_path):
    assert len(write(tmp_path / "empty.parquet", 0).where("width == 1 or True")) == 0


def test_a_view_reads_what_is_asked_for_and_what_the_condition_needs(manifest, monkeypatch):
    read = []
    batches = Manifest.batches

    def note(self, columns=None, **options):
        read.append(columns)
        return batches(self, columns, **options)

    monkeypatch.setattr(Manifest, "batches", note)
    view = manifest.where("is_sharp and width > 20")
    found = list(view.batches(["inpath"], rows_per_batch=3))
    assert read == [["inpath", "is_sharp", "width"]]
    assert [batch.schema.names for batch in found] == [["inpath"]] * len(found)
    assert [name for batch in found for name in batch.column(0).to_pylist()] == [f"{n}.jpg" for n in range(25, 50, 5)]
    read.clear()
    assert len(view) == 5
    assert read == [["is_sharp", "width"]]


def test_a_view_of_a_view_meets_both_conditions(manifest):
    view = manifest.where("label == 'cat'").where("is_sharp")
    assert [row["width"] for row in view.rows()] == [5, 15, 25, 35, 45]
    assert len(view) == 5


def test_nothing_is_read_before_a_view_is_read(tmp_path):
    view = Manifest(tmp_path / "absent.parquet").where("lable == 3")
    with pytest.raises(ManifestError, match=r"absent\.parquet is missing"):
        len(view)
    with pytest.raises(ManifestError, match="invalid syntax"):
        Manifest(tmp_path / "absent.parquet").where("label ==")


@pytest.mark.parametrize("read", [len, FilteredRows.to_pandas, FilteredRows.run_report, lambda view: list(view.rows())])
@pytest.mark.parametrize("n_rows", [0, 3])
def test_every_way_to_read_a_view_names_a_column_that_is_not_there(tmp_path, read, n_rows):
    with pytest.raises(ManifestError, match=r"character 1: there is no column lable .*; there are inpath, .*, label"):
        read(write(tmp_path / "m.parquet", n_rows).where("lable == 'cat'"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(limit=st.integers(-1, 51), rows_per_batch=st.integers(1, 60))
def test_rows_stay_in_order_in_batches_of_any_size(manifest, limit, rows_per_batch):
    batches = list(manifest.where(f"width < {limit}").batches(["width"], rows_per_batch=rows_per_batch))
    assert [width for batch in batches for width in batch.column(0).to_pylist()] == list(range(min(max(limit, 0), 50)))
    assert all(0 < batch.num_rows <= rows_per_batch for batch in batches)
