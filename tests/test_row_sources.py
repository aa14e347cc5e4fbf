"""Rows from files: CSV, TSV, JSON lines, Parquet and plain text; on a disk, on a web server and on S3."""

from __future__ import annotations

import gzip
import itertools
import json
import threading
import zlib
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tintype.errors import RowSourceError, SettingsError, SourceError
from tintype.raw.row_sources import open_row_source, streams

URLS = [f"https://h/{number}.jpg" for number in range(3)]


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a list and returns its path."""

    def write_list(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write_list


def read(source, **options):
    return list(open_row_source(source, **options).rows())


# What every format does.


def make_csv(rows):
    return "url,label\n" + "".join(f"{row['url']},{row['label']}\n" for row in rows)


def make_tsv(rows):
    return make_csv(rows).replace(",", "\t")


def make_jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def make_parquet(rows):
    sink = pa.BufferOutputStream()
    schema = pa.schema([("url", pa.string()), ("label", pa.string())])
    pq.write_table(pa.Table.from_pylist(rows, schema), sink, row_group_size=1000)
    return sink.getvalue().to_pybytes()


FORMATS = {"csv": make_csv, "tsv": make_tsv, "jsonl": make_jsonl, "parquet": make_parquet}


@pytest.mark.parametrize("n_rows", [0, 1, 20_000])
@pytest.mark.parametrize(
    ("extension", "packed"),
    [*((extension, False) for extension in FORMATS), ("csv", True), ("tsv", True), ("jsonl", True)],
)
def test_every_row_comes_in_order_any_number_of_times(write, extension, packed, n_rows):
    rows = [{"url": f"https://h/{number}.jpg", "label": f"l{number % 7}"} for number in range(n_rows)]
    content = FORMATS[extension](rows)
    content = content.encode() if isinstance(content, str) else content
    path = write(f"list.{extension}" + ".gz" * packed, gzip.compress(content) if packed else content)
    source = open_row_source(path)
    assert list(source.rows()) == rows
    assert list(source.rows()) == rows
    assert source.columns() == ({"label": str} if n_rows or extension != "jsonl" else {})
    assert source.identity() == path
    with open(path, "rb") as file:
        assert source.digest() == sha256(file.read()).hexdigest()


@pytest.mark.parametrize("extension", FORMATS)
def test_columns_have_the_names_that_were_given(write, extension):
    path = write(f"list.{extension}", FORMATS[extension]([{"url": "front/a.jpg", "label": "https://h/a.jpg"}]))
    source = open_row_source(path, url_column="label", path_column="url")
    assert list(source.rows()) == [{"url": "https://h/a.jpg", "path": "front/a.jpg"}]
    assert source.columns() == {}


@pytest.mark.parametrize("extension", FORMATS)
def test_a_column_that_would_hide_the_url_is_refused_unless_it_is_left_out(write, extension):
    path = write(f"list.{extension}", FORMATS[extension]([{"url": "page", "label": "https://h/a.jpg"}]))
    with pytest.raises(RowSourceError, match="column 'url' is there beside 'label', which is the url_column: rename"):
        read(path, url_column="label")
    assert read(path, url_column="label", keep_columns=[]) == [{"url": "https://h/a.jpg"}]


@pytest.mark.parametrize("extension", FORMATS)
def test_a_column_that_is_not_kept_does_not_travel(write, extension):
    path = write(f"list.{extension}", FORMATS[extension]([{"url": "https://h/a.jpg", "label": "cat"}]))
    assert read(path, keep_columns=[]) == [{"url": "https://h/a.jpg"}]
    assert read(path, keep_columns=["label"]) == [{"url": "https://h/a.jpg", "label": "cat"}]


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("url", ["", "  "])
def test_a_row_without_a_url_is_an_error_or_is_left_out(write, extension, url):
    rows = [{"url": URLS[0], "label": "a"}, {"url": url, "label": "b"}, {"url": URLS[2], "label": "c"}]
    path = write(f"list.{extension}", FORMATS[extension](rows))
    place = {"csv": "line 3", "tsv": "line 3", "jsonl": "line 2", "parquet": "row 2"}[extension]
    with pytest.raises(RowSourceError, match=rf"list\.{extension}, {place}, column 'url' is empty: give it a URL"):
        read(path)
    assert read(path, missing_url="skip") == [rows[0], rows[2]]


@pytest.mark.parametrize("extension", ["csv", "tsv", "parquet"])
@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"url_column": "image"}, "image"),
        ({"path_column": "save_path"}, "save_path"),
        ({"sha256_column": "sum"}, "sum"),
        ({"columns": {"size": int}}, "size"),
        ({"keep_columns": ["size"]}, "size"),
    ],
)
def test_a_missing_column_is_named_beside_those_there_are(write, extension, options, missing):
    path = write(f"list.{extension}", FORMATS[extension]([{"url": URLS[0], "label": "a"}]))
    source = open_row_source(path, **options)
    with pytest.raises(RowSourceError, match=rf"has no column '{missing}'; there are: 'url', 'label'\."):
        source.columns()
    with pytest.raises(RowSourceError, match=rf"has no column '{missing}'"):
        list(source.rows())


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "12", 12),
        (int, "-9223372036854775808", -(2**63)),
        (int, "", None),
        (float, "1.5", 1.5),
        (float, "", None),
        (bool, "True", True),
        (bool, "0", False),
        (bool, "", None),
        (str, "12", "12"),
        (str, "", ""),
    ],
)
def test_a_declared_column_has_its_type(write, extension, kind, text, value):
    path = write(f"list.{extension}", FORMATS[extension]([{"url": URLS[0], "label": text}]))
    source = open_row_source(path, columns={"label": kind})
    assert source.columns() == {"label": kind}
    [row] = source.rows()
    assert row == {"url": URLS[0], "label": value}
    assert type(row["label"]) is type(value)


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (int, "1.5", "is no whole number"),
        (int, "1_000", "is no whole number"),
        (int, "9223372036854775808", "does not fit into 64 bits"),
        (float, "many", "is no number"),
        (bool, "perhaps", "is neither true nor false"),
    ],
)
def test_a_value_that_does_not_fit_names_line_column_and_value(write, extension, kind, text, reason):
    rows = [{"url": URLS[0], "label": "1"}, {"url": URLS[1], "label": text}]
    path = write(f"list.{extension}", FORMATS[extension](rows))
    place = {"csv": "line 3", "tsv": "line 3", "jsonl": "line 2", "parquet": "row 2"}[extension]
    with pytest.raises(RowSourceError, match=rf"{place}, column 'label': '{text}' {reason}: correct it, or declare"):
        read(path, columns={"label": kind})


@pytest.mark.parametrize("extension", FORMATS)
def test_paths_and_digests_come_with_the_row(write, extension):
    digest = "0A" * 32
    rows = [{"url": URLS[0], "label": digest}, {"url": URLS[1], "label": ""}]
    path = write(f"list.{extension}", FORMATS[extension](rows))
    assert [row["sha256"] for row in read(path, sha256_column="label")] == [digest.lower(), None]
    assert [row["path"] for row in read(path, path_column="label")] == [digest, None]
    with pytest.raises(
        RowSourceError, match=r"column 'label': 'x' is no SHA-256, .*: correct it, or set sha256_column"
    ):
        read(write(f"b.{extension}", FORMATS[extension]([{"url": URLS[0], "label": "x"}])), sha256_column="label")


@pytest.mark.parametrize("extension", FORMATS)
def test_blanks_around_a_url_do_not_count(write, extension):
    path = write(f"list.{extension}", FORMATS[extension]([{"url": f" {URLS[0]} ", "label": "a"}]))
    assert read(path) == [{"url": URLS[0], "label": "a"}]


# CSV and TSV.


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", ["", "end"])
def test_line_breaks_byte_order_marks_and_empty_lines_do_not_count(write, line_break, bom, last):
    lines = ["url,label", "", f"{URLS[0]},a", "", f"{URLS[1]},b"] + [""] * bool(last)
    path = write("list.csv", bom + line_break.join(lines).encode())
    assert read(path) == [{"url": URLS[0], "label": "a"}, {"url": URLS[1], "label": "b"}]


def test_quoted_cells_hold_commas_quotes_and_line_breaks(write):
    path = write("list.csv", f'url, "label"\n{URLS[0]}, "a, ""b""\r\nc\n"\n{URLS[1]},"",\n')
    with pytest.raises(RowSourceError, match=r"list\.csv, line 5 has 3 cells, the columns are 2"):
        read(path)
    rows = open_row_source(path).rows()
    assert next(rows) == {"url": URLS[0], "label": 'a, "b"\r\nc\n'}


@pytest.mark.parametrize("cells", ["{url}", "{url},a,b"])
def test_a_row_with_other_cells_than_columns_is_named(write, cells):
    path = write("list.csv", f"url,label\n{URLS[0]},a\n{cells.format(url=URLS[1])}\n")
    with pytest.raises(
        RowSourceError, match=rf"line 3 has {cells.count(',') + 1} cells, the columns are 2: correct it"
    ):
        read(path)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("{0}\n{1}\n", [{"url": URLS[0]}, {"url": URLS[1]}]),
        ("{0}, a/b.jpg\n{1},c.jpg\n", [{"url": URLS[0], "path": "a/b.jpg"}, {"url": URLS[1], "path": "c.jpg"}]),
        ("\n\n {0} , \n", [{"url": URLS[0], "path": None}]),
        ("HTTPS://h/A.jpg,a.jpg", [{"url": "HTTPS://h/A.jpg", "path": "a.jpg"}]),
    ],
)
def test_a_list_that_begins_with_a_url_has_no_line_of_names(write, content, rows):
    path = write("list.csv", content.format(*URLS))
    source = open_row_source(path, url_column="image", path_column="save_path" if "a" in content else "path")
    assert list(source.rows()) == rows
    assert source.columns() == {}


def test_a_list_without_names_has_two_columns_at_most(write):
    path = write("list.csv", f"{URLS[0]},a.jpg,cat\n")
    with pytest.raises(RowSourceError, match=r"3 columns and no line that names them.*such as url,path,label"):
        read(path)
    source = open_row_source(write("l.csv", f"{URLS[0]},a.jpg\n"), columns={"size": int})
    with pytest.raises(RowSourceError, match="which has no line that names its columns, has no column 'size'"):
        source.columns()


def test_an_error_in_the_first_row_of_a_list_without_names_says_line_one(write):
    path = write("list.csv", f"{URLS[0]},a.jpg\n,b.jpg\n")
    with pytest.raises(RowSourceError, match="line 2, column 'url' is empty"):
        read(path)
    with pytest.raises(RowSourceError, match="line 2 has 1 cells"):
        read(write("l.csv", f"{URLS[0]},a.jpg\n{URLS[1]}\n"))


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_table_is_an_error(write, content):
    with pytest.raises(RowSourceError, match=r"list\.csv is empty: its first line must name the columns"):
        read(write("list.csv", content))


def test_names_that_are_there_twice_are_refused_and_a_column_without_a_name_is_left_out(write):
    with pytest.raises(RowSourceError, match="has more than one column 'label': give each a name of its own"):
        read(write("list.csv", f"url,label,label\n{URLS[0]},a,b\n"))
    assert read(write("index.csv", f",url,label\n0,{URLS[0]},a\n")) == [{"url": URLS[0], "label": "a"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f'url,label\n{URLS[0]},a\n{URLS[1]},"b\nc\n', r"line 3 cannot be read \(unexpected end of data\)"),
        (f'url,label\n{URLS[0]},"a"b\n', r"line 2 cannot be read \(',' expected after '\"'\)"),
        (f'url,label\n{URLS[0]},"{"long " * 30_000}"\n', r"line 2 cannot be read \(field larger than field limit"),
    ],
)
def test_quotes_that_do_not_close_are_named_with_the_line_they_begin_in(write, content, message):
    with pytest.raises(RowSourceError, match=rf"list\.csv, {message}.*: close every double quote"):
        read(write("list.csv", content))


def test_a_tab_separates_and_a_comma_does_not(write):
    assert read(write("list.tsv", f"url\tlabel\n{URLS[0]}\t a, b\n")) == [{"url": URLS[0], "label": " a, b"}]


def test_a_list_that_changes_between_two_looks_is_an_error(write):
    path = write("list.csv", f"url,label\n{URLS[0]},a\n")
    source = open_row_source(path)
    assert source.columns() == {"label": str}
    write("list.csv", f"url,size\n{URLS[0]},1\n")
    with pytest.raises(RowSourceError, match=r"list\.csv has changed while it was being read: run again"):
        list(source.rows())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))), st.integers(1, 50))
def test_what_the_csv_module_writes_is_what_is_read(write, labels, chunk_bytes):
    import csv
    import io

    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(
        [["url", "label"], *(["https://h/a.jpg", text] for text in labels)]
    )
    path = write("list.csv", text.getvalue())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tintype.raw.row_sources.text_lines.CHUNK_BYTES", chunk_bytes)
        assert [row["label"] for row in read(path)] == labels


# Text of any kind.

TEXTS = {"csv": "url,label\n{},{}\n", "jsonl": '{{"url": "{}", "label": "{}"}}\n', "txt": "{}#{}\n"}


@pytest.mark.parametrize("extension", TEXTS)
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.encode("latin-1"), r"is not UTF-8 \(byte 0xe9\): save the list as UTF-8"),
        (lambda text: text.replace("é", "\0").encode(), "holds a NUL byte: save the list as UTF-8"),
    ],
)
def test_text_that_is_not_utf_8_is_named_with_its_line(write, extension, spoil, message):
    text = TEXTS[extension].format(URLS[0], "a") + TEXTS[extension].format(URLS[1], "café").removeprefix("url,label\n")
    n_lines = text.count("\n")
    with pytest.raises(RowSourceError, match=rf"list\.{extension}, line {n_lines} {message}"):
        read(write(f"list.{extension}", spoil(text)))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_refused(write, encoding):
    text = ("\ufeff" if encoding == "utf-16-be" else "") + "url,label\n"
    with pytest.raises(RowSourceError, match=r"list\.csv is UTF-16 text: save it as UTF-8"):
        read(write("list.csv", text.encode(encoding)))


@pytest.mark.parametrize("extension", TEXTS)
def test_a_line_without_an_end_is_refused_before_it_is_all_in_memory(write, extension):
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(TEXTS[extension].format(URLS[0], "a").encode())
    million = b"a" * 1_000_000
    packed += b"".join(packer.compress(million) for _ in range(100)) + packer.flush()
    assert len(packed) < 200_000
    path = write(f"list.{extension}.gz", packed)
    line = TEXTS[extension].count("\n") + 1
    with pytest.raises(RowSourceError, match=rf"\.gz, line {line} is longer than 1048576 bytes: is this a text file"):
        read(path)


@pytest.mark.parametrize("spoil", [lambda data: data[:-6], lambda data: data[:20], lambda data: data[:-4] + b"\0" * 4])
def test_a_gzip_file_that_is_not_whole_is_an_error(write, spoil):
    data = gzip.compress(b"url\n" + b"".join(b"https://h/%d.jpg\n" % number for number in range(1000)))
    with pytest.raises(RowSourceError, match=r"list\.csv\.gz is no whole gzip file"):
        read(write("list.csv.gz", spoil(data)))


def test_gzip_is_told_by_its_bytes_not_by_its_name(write):
    content = f"url\n{URLS[0]}\n"
    assert read(write("list.csv", gzip.compress(content.encode()))) == [{"url": URLS[0]}]
    assert read(write("list.csv.gz", content)) == [{"url": URLS[0]}]


def test_plain_text_has_a_url_a_line(write):
    path = write("list.txt", f"# all of them\n\n{URLS[0]}\r\n  {URLS[1]}  \n  # not this\n{URLS[2]}#top")
    source = open_row_source(path)
    assert list(source.rows()) == [{"url": URLS[0]}, {"url": URLS[1]}, {"url": f"{URLS[2]}#top"}]
    assert source.columns() == {}
    assert read(write("none.txt", "")) == []


def test_plain_text_has_no_columns(write):
    with pytest.raises(RowSourceError, match=r"list\.txt is plain text, which has no column 'label': give a CSV file"):
        open_row_source(write("list.txt", ""), columns={"label": str})


# JSON lines.


def test_json_values_that_are_no_text_come_as_json(write):
    values = {"a": None, "b": True, "c": 1.5, "d": [1, "é"], "e": {"f": None}, "g": "text", "h": 12345678901234567890}
    path = write("list.jsonl", json.dumps({"url": URLS[0], **values}))
    expected = {"a": None, "b": "true", "c": "1.5", "d": '[1, "é"]', "e": '{"f": null}', "g": "text"}
    assert read(path) == [{"url": URLS[0], **expected, "h": "12345678901234567890"}]
    kinds = {"b": bool, "c": float, "h": float}
    assert read(path, columns=kinds) == [{"url": URLS[0], **expected, "b": True, "c": 1.5, "h": 12345678901234567890.0}]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, True),
        (int, 1.5),
        (int, [1]),
        (int, 2**63),
        (float, True),
        (float, {}),
        (float, 10**400),
        (bool, 2),
        (bool, 0.0),
    ],
)
def test_a_json_value_of_another_type_than_declared_is_refused(write, kind, value):
    path = write("list.jsonl", json.dumps({"url": URLS[0], "label": value}))
    with pytest.raises(RowSourceError, match=r"line 1, column 'label': .* (is|does) n.*: correct it, or declare"):
        read(path, columns={"label": kind})


def test_whole_floats_are_whole_numbers_and_missing_fields_are_none(write):
    path = write("list.jsonl", f'{{"url": "{URLS[0]}", "n": 3.0}}\n\n  {{"url": "{URLS[1]}"}}  \n')
    assert read(path, columns={"n": int}) == [{"url": URLS[0], "n": 3}, {"url": URLS[1], "n": None}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "is no JSON object"),
        ("[1]", "is no JSON object"),
        ("null", "is no JSON object"),
        ('{"url": "a"} {}', r"is no JSON object \(something else, or more than one value\)"),
        ('{"url": ' + "9" * 5000 + "}", "is no JSON object .Exceeds the limit"),
        ('{"url": ' + "[" * 100_000, "is nested too deep"),
        ('{"url": "a", "label": "\\ud800"}', r"holds half of a character \(\\ud800\)"),
    ],
)
def test_a_line_that_is_no_json_object_is_named(write, line, message):
    path = write("list.jsonl", f'{{"url": "{URLS[0]}"}}\n{line}\n')
    with pytest.raises(RowSourceError, match=rf"list\.jsonl, line 2 {message}"):
        read(path)


def test_both_halves_of_a_character_are_one(write):
    assert read(write("list.jsonl", '{"url": "a", "label": "\\ud83d\\ude00"}'))[0]["label"] == "\U0001f600"


def test_a_field_that_comes_late_is_an_error_that_says_how_to_declare_it(write):
    lines = [f'{{"url": "https://h/{number}.jpg"}}' for number in range(1000)] + ['{"url": "u", "late": 1}']
    path = write("list.jsonl", "\n".join(lines))
    with pytest.raises(RowSourceError, match=r"line 1001 has a field 'late'.*columns=\{'late': str\}"):
        read(path)
    assert read(path, columns={"late": int})[-1] == {"url": "u", "late": 1}
    assert read(path, keep_columns=[])[-1] == {"url": "u"}


def test_a_list_of_urls_in_json_gives_a_row_for_each(write):
    path = write("list.jsonl", json.dumps({"url": URLS, "path": ["a", "b", "c"], "label": "cat"}))
    expected = [{"url": url, "path": path, "label": "cat"} for url, path in zip(URLS, "abc", strict=True)]
    assert read(path) == expected


# Parquet.


def write_table(tmp_path, **columns):
    path = tmp_path / "list.parquet"
    pq.write_table(pa.table(columns), path)
    return str(path)


def test_parquet_columns_have_their_own_types(tmp_path):
    path = write_table(
        tmp_path,
        url=pa.array([URLS[0], URLS[1]], pa.large_string()),
        i8=pa.array([1, None], pa.int8()),
        u64=pa.array([2, 3], pa.uint64()),
        f16=pa.array([0.5, None], pa.float16()),
        f64=pa.array([0.1, float("inf")]),
        flag=pa.array([True, None]),
        category=pa.array(["a", None]).dictionary_encode(),
        number=pa.array([7, 7]).dictionary_encode(),
        price=pa.array([Decimal("1.50"), None]),
        day=pa.array([date(2024, 1, 2), None]),
        seen=pa.array([datetime(2024, 1, 2, 3), None], pa.timestamp("ns")),  # noqa: DTZ001, a column without a time zone
        raw=pa.array([b"\x00\xff", None]),
        sizes=pa.array([[1, 2], None]),
        box=pa.array([{"x": 1}, None]),
        nothing=pa.nulls(2),
    )
    source = open_row_source(path)
    kinds = {"i8": int, "u64": int, "f16": float, "f64": float, "flag": bool, "number": int}
    assert source.columns() == {name: kinds.get(name, str) for name in source.columns()}
    first, second = source.rows()
    assert first == {
        "url": URLS[0],
        "i8": 1,
        "u64": 2,
        "f16": 0.5,
        "f64": 0.1,
        "flag": True,
        "category": "a",
        "number": 7,
        "price": "1.50",
        "day": "2024-01-02",
        "seen": "2024-01-02T03:00:00",
        "raw": "00ff",
        "sizes": "[1, 2]",
        "box": '{"x": 1}',
        "nothing": None,
    }
    assert type(first["f16"]) is float
    assert second["f64"] == float("inf")
    assert [second[name] for name in ("i8", "flag", "category", "price", "seen", "raw", "sizes")] == [None] * 7


def test_parquet_numbers_that_are_too_large_name_their_row(tmp_path):
    path = write_table(tmp_path, url=URLS, n=pa.array([1, 2**63, 1], pa.uint64()))
    with pytest.raises(
        RowSourceError, match=r"list\.parquet, row 2, column 'n': 9223372036854775808 does not fit into"
    ):
        read(path)
    assert [row["n"] for row in read(path, columns={"n": str})] == ["1", "9223372036854775808", "1"]


def test_a_null_url_in_parquet_is_missing(tmp_path):
    path = write_table(tmp_path, url=[URLS[0], None])
    with pytest.raises(RowSourceError, match=r"list\.parquet, row 2, column 'url' is empty"):
        read(path)


@pytest.mark.parametrize(
    "spoil", [lambda data: b"", lambda data: data[:-1], lambda data: data[:4] + b"\0" * 20 + data[24:]]
)
def test_a_damaged_parquet_file_is_an_error(write, spoil):
    path = write("list.parquet", spoil(make_parquet([{"url": URLS[0], "label": "a"}])))
    with pytest.raises(RowSourceError, match=r"list\.parquet is no whole Parquet file"):
        read(path)


# Choosing.


@pytest.mark.parametrize("name", ["list.xlsx", "list", "list.gz", "csv", "https://h/list.json?x=.csv", "s3://b/list"])
def test_an_unknown_extension_is_refused_with_those_that_are_known(name):
    with pytest.raises(RowSourceError, match=r"ends in none of \.csv, \.tsv, \.jsonl, \.ndjson, \.parquet, \.txt"):
        open_row_source(name)


def test_the_format_of_a_file_without_an_extension_can_be_given(write):
    assert read(write("list", f"url\n{URLS[0]}\n"), file_format="csv") == [{"url": URLS[0]}]
    unknown: Any = "xml"
    with pytest.raises(SettingsError, match="file_format is 'xml': give one of csv, tsv, jsonl, parquet, txt"):
        open_row_source("list", file_format=unknown)


@pytest.mark.parametrize("name", ["LIST.CSV", "list.ndjson", "list.CSV.GZ"])
def test_extensions_are_known_in_any_case(write, name):
    content = f'{{"url": "{URLS[0]}"}}' if "ndjson" in name else f"url\n{URLS[0]}"
    assert read(write(name, content)) == [{"url": URLS[0]}]


@pytest.mark.parametrize("source", ["gs://bucket/list.csv", "file:///list.csv"])
def test_an_unknown_kind_of_address_is_refused(source):
    with pytest.raises(RowSourceError, match=r"is no path, and no http\(s\)://, s3:// or mongodb:// URL"):
        open_row_source(source)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("a.csv", {"query": "select 1"}, r"a\.csv is a file, which has no use for query"),
        ("a.csv", {"collection": "c", "database": "d"}, "has no use for collection, database"),
        ("mongodb://h/d", {"collection": "c", "query": "q"}, "is a MongoDB collection, which has no use for query"),
        ("sqlite://", {"query": "q", "file_format": "csv"}, "is a database, which has no use for file_format"),
    ],
)
def test_what_a_source_has_no_use_for_is_refused(source, options, message):
    with pytest.raises(SettingsError, match=message):
        open_row_source(source, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"a": list}}, "column 'a' is declared as <class 'list'>: declare it as bool, int, float or str"),
        ({"columns": {"url": str}}, "column 'url' is always text"),
        ({"path_column": "url"}, "url_column, path_column and sha256_column are 'url', 'url', 'sha256'"),
        ({"url_column": ""}, "give three names"),
        ({"missing_url": "ignore"}, "missing_url is 'ignore': give 'error' or 'skip'"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        open_row_source("a.csv", **options)


@pytest.mark.parametrize("look", ["columns", "rows", "digest"])
def test_a_missing_file_is_named_with_the_folder_that_was_searched(tmp_path, monkeypatch, look):
    monkeypatch.chdir(tmp_path)
    source = open_row_source("list.csv")
    with pytest.raises(RowSourceError, match=rf"'list\.csv' cannot be opened \(looked in {tmp_path}\): No such file"):
        list(getattr(source, look)() or ())


def test_a_folder_is_no_list(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(RowSourceError, match="cannot be opened: Is a directory"):
        read(str(tmp_path / "a.csv"))


# Over HTTP and from S3.


class ListServer(ThreadingHTTPServer):
    """Serves `files`; a path below /status/ answers with that status."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), ListHandler)
        self.files = {}
        self.asked = []
        self.headers = {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class ListHandler(BaseHTTPRequestHandler):
    server: ListServer

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        parts = self.path.split("?")[0].split("/")
        body = self.server.files.get(self.path.split("?")[0], b"")
        self.send_response(int(parts[2]) if parts[1] == "status" else 200)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + (100 if "short" in self.path else 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def server():
    with ListServer() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("n_rows", [0, 1, 20_000])
def test_a_list_comes_over_http(server, extension, n_rows):
    rows = [{"url": f"https://h/{number}.jpg", "label": "a"} for number in range(n_rows)]
    content = FORMATS[extension](rows)
    server.files[f"/list.{extension}"] = content.encode() if isinstance(content, str) else content
    source = open_row_source(f"{server.url}/list.{extension}?page=1")
    assert list(source.rows()) == rows
    assert source.digest() is None
    assert source.identity() == f"{server.url}/list.{extension}?page=1"
    assert server.asked[-1][1]["User-Agent"].startswith("tintype")


@pytest.mark.parametrize(("layers", "encoding"), [(0, None), (1, None), (1, "gzip"), (2, "gzip")])
def test_what_comes_packed_is_unpacked_as_often_as_it_was_packed(server, layers, encoding):
    data = f"url\n{URLS[0]}\n".encode()
    for _ in range(layers):
        data = gzip.compress(data)
    server.files["/list.csv.gz"] = data
    server.headers |= {"Content-Encoding": encoding} if encoding else {}
    assert read(f"{server.url}/list.csv.gz") == [{"url": URLS[0]}]


def test_a_packing_that_was_not_asked_for_is_refused(server):
    server.files["/list.csv"] = b"x"
    server.headers["Content-Encoding"] = "br"
    with pytest.raises(RowSourceError, match="came packed as 'br', which was not asked for"):
        read(f"{server.url}/list.csv")


@pytest.mark.parametrize("status", [204, 403, 404, 410])
def test_another_status_than_200_is_an_error(server, status):
    with pytest.raises(
        RowSourceError, match=rf"/status/{status}/list\.csv cannot be read: the server answered {status}"
    ):
        read(f"{server.url}/status/{status}/list.csv")
    assert len(server.asked) == 1


def test_a_server_error_is_asked_again_before_it_is_one(server, monkeypatch):
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda self: 0)
    with pytest.raises(RowSourceError, match="the server answered 503"):
        read(f"{server.url}/status/503/list.csv")
    assert len(server.asked) == 4


def test_a_list_that_breaks_off_is_an_error(server):
    server.files["/short.csv"] = b"url\nhttps://h/1.jpg\n"
    with pytest.raises(RowSourceError, match=r"/short\.csv cannot be read: ProtocolError: .*IncompleteRead"):
        read(f"{server.url}/short.csv")


def test_a_list_that_trickles_is_given_up(server, monkeypatch):
    server.files["/list.csv"] = b"url\n" + b"https://h/1.jpg\n" * 100_000
    monkeypatch.setattr(streams, "STALL_SECONDS", 0.0)
    with pytest.raises(RowSourceError, match=r"/list\.csv came slower than \d+ bytes in 0 s: fetch it by other means"):
        read(f"{server.url}/list.csv")


def test_a_server_that_is_not_there_is_an_error_without_its_password(monkeypatch):
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda self: 0)
    with pytest.raises(
        RowSourceError, match=r"http://127\.0\.0\.1:9/list\.csv\?token=\*\*\* cannot be read: "
    ) as caught:
        read("http://me:s3cret@127.0.0.1:9/list.csv?token=s3cret")
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_user_and_password_go_to_the_server_and_are_not_shown(server, monkeypatch):
    monkeypatch.setenv("LIST_PASSWORD", "s3cret/@")
    server.files["/list.csv"] = b"url\n"
    source = open_row_source(server.url.replace("//", "//me:${LIST_PASSWORD}@") + "/list.csv")
    assert list(source.rows()) == []
    assert server.asked[0][0] == "/list.csv"
    assert server.asked[-1][1]["authorization"] == "Basic bWU6czNjcmV0L0A="
    assert source.identity() == f"{server.url}/list.csv"
    assert repr(source) == f"<DelimitedSource {server.url}/list.csv>"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/a@2x.csv", "https://h/a@2x.csv"),
        ("https://u:p@h/a.csv", "https://h/a.csv"),
        (
            "https://h/a.csv?keyword=cat&api_key=p&X-Amz-Signature=p",
            "https://h/a.csv?keyword=cat&api_key=***&X-Amz-Signature=***",
        ),
        ("s3://bucket/a@b.csv", "s3://bucket/a@b.csv"),
    ],
)
def test_only_secrets_are_hidden(url, shown):
    assert open_row_source(url).identity() == shown


@pytest.fixture
def bucket(monkeypatch):
    """Return an empty bucket on a server of S3's protocol, where boto3 looks for S3."""
    import boto3
    from moto.server import ThreadedMotoServer

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        with closing(boto3.client("s3")) as client:
            client.create_bucket(Bucket="lists")
            yield client
    finally:
        moto.stop()


def test_a_list_comes_from_s3(bucket):
    rows = [{"url": f"https://h/{number}.jpg", "label": "a"} for number in range(20_000)]
    bucket.put_object(Bucket="lists", Key="a b/list.csv.gz", Body=gzip.compress(make_csv(rows).encode()))
    bucket.put_object(Bucket="lists", Key="list.parquet", Body=make_parquet(rows))
    source = open_row_source("s3://lists/a b/list.csv.gz")
    assert list(source.rows()) == rows
    assert source.digest() is None
    assert source.identity() == "s3://lists/a b/list.csv.gz"
    assert read("s3://lists/list.parquet") == rows
    with pytest.raises(SourceError, match=r"s3://lists/none\.csv"):
        read("s3://lists/none.csv")


@pytest.mark.parametrize("source", ["s3://lists.csv", "s3:///list.csv"])
def test_an_s3_url_names_bucket_and_key(source):
    with pytest.raises(SettingsError, match="names no S3 object: give s3://bucket/key"):
        read(source)


# Streaming.


@pytest.mark.parametrize("extension", [*FORMATS, "txt"])
def test_the_first_rows_are_there_before_the_rest_is_read(write, extension, monkeypatch):
    rows = [{"url": f"https://h/{number}.jpg", "label": "a"} for number in range(200_000)]
    make = FORMATS.get(extension, lambda rows: "".join(f"{row['url']}\n" for row in rows))
    path = write(f"list.{extension}", make(rows))
    handed_out = []
    real = streams._open_local

    def open_counting(path):
        file = real(path)
        handed_out.append(file)
        return file

    monkeypatch.setattr(streams, "_open_local", open_counting)
    found = open_row_source(path).rows()
    assert len(list(itertools.islice(found, 1000))) == 1000
    with open(path, "rb") as file:
        size = file.seek(0, 2)
    if extension != "parquet":  # which begins at its end
        assert handed_out[-1].tell() < size / 2
    found.close()
    assert all(file.closed for file in handed_out)
