"""Behaviour of tintype.manifest."""

import hashlib
import json
import math
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tintype.errors import ManifestError, SettingsError
from tintype.manifest import DirectoryDigest, Manifest, ManifestWriter, Status
from tintype.manifest.schema import FIXED_COLUMNS, FORMAT_KEY, FORMAT_VERSION, columns_schema, manifest_schema

COLUMNS = {"label": str, "n_faces": int, "brightness": float, "is_sharp": bool}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

text = st.text(st.characters(exclude_categories=["Cs"]))
moments = st.integers(0, 2**53).map(lambda microseconds: EPOCH + timedelta(microseconds=microseconds))
rows_of_files = st.fixed_dictionaries(
    {
        "inpath": st.none() | text,
        "outpath": st.none() | text,
        "status": st.sampled_from([str(status) for status in Status]),
        "error_type": st.none() | text,
        "error": st.none() | text,
        "input_digest": st.none() | text,
        "digest": st.none() | text,
        "size_bytes": st.none() | st.integers(0, 2**63 - 1),
        "seconds": st.none() | st.floats(allow_nan=False),
        "time_finished": st.none() | moments,
        "label": st.none() | text,
        "n_faces": st.none() | st.integers(-(2**63), 2**63 - 1),
        "brightness": st.none() | st.floats(allow_nan=False),
        "is_sharp": st.none() | st.booleans(),
    }
)


def make_row(outpath: str | None = "a.png", **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys([*FIXED_COLUMNS, *COLUMNS])
    row |= {"inpath": outpath, "outpath": outpath, "status": "written", "size_bytes": 3, "seconds": 0.5}
    row |= {"digest": "00", "time_finished": MOMENT, "label": "cat"}
    return row | values


def batched(rows, n):
    """Yield lists of n rows, as itertools does from Python 3.12 on."""
    rows = iter(rows)
    while batch := list(islice(rows, n)):
        yield batch


def as_columns(rows):
    return {name: [row[name] for row in rows] for name in [*FIXED_COLUMNS, *COLUMNS]}


def write(path, batches, columns=COLUMNS):
    """Write batches of rows; return the summary."""
    with ManifestWriter(path, columns_schema(columns)) as writer:
        for rows in batches:
            writer.write(as_columns(rows))
    return writer.summary


# What is written is read


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(rows_of_files, max_size=12), rows_per_batch=st.integers(1, 5))
def test_rows_are_read_as_they_were_written(tmp_path, rows, rows_per_batch):
    summary = write(tmp_path / "m.parquet", batched(rows, rows_per_batch))
    manifest = Manifest(tmp_path / "m.parquet")
    assert list(manifest.rows()) == rows
    assert len(manifest) == summary.n_rows == len(rows)
    assert summary.n_files == sum(row["outpath"] is not None for row in rows)
    assert sum(summary.statuses.values()) == len(rows)


def test_not_a_number_and_infinity_are_read_as_they_were_written(tmp_path):
    write(tmp_path / "m.parquet", [[make_row(brightness=value) for value in (math.nan, math.inf, -math.inf, None)]])
    values = [row["brightness"] for row in Manifest(tmp_path / "m.parquet").rows()]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf, None]


@pytest.mark.parametrize("as_arrow", [False, True])
def test_arrow_arrays_and_lists_give_one_manifest(tmp_path, as_arrow):
    rows = [make_row(f"{n}.png", n_faces=n, brightness=float(n), is_sharp=n > 1) for n in range(3)]
    schema = manifest_schema(columns_schema(COLUMNS))
    columns = as_columns(rows)
    if as_arrow:
        columns = {field.name: pa.array(columns[field.name], field.type) for field in schema}
    with ManifestWriter(tmp_path / "m.parquet", columns_schema(COLUMNS)) as writer:
        writer.write(columns)
    assert list(Manifest(tmp_path / "m.parquet").rows()) == rows
    assert writer.summary.digest == write(tmp_path / "other.parquet", [rows]).digest


def test_the_summary_adds_up(tmp_path):
    rows = [
        make_row("a.png", size_bytes=10),
        make_row("b.png", size_bytes=2**40),
        make_row(None, status="failed", size_bytes=None, digest=None),
    ]
    summary = write(tmp_path / "m.parquet", [rows[:1], rows[1:]])
    assert (summary.n_rows, summary.n_files, summary.size_bytes) == (3, 2, 2**40 + 10)
    assert summary.statuses == {"failed": 1, "written": 2}


@pytest.mark.parametrize("n_rows", [0, 1, 3])
def test_types_are_the_same_for_zero_one_and_many_rows(tmp_path, n_rows):
    write(tmp_path / "m.parquet", [[make_row(f"{n}.png") for n in range(n_rows)]])
    manifest = Manifest(tmp_path / "m.parquet")
    assert {field.name: str(field.type) for field in manifest.schema} == {
        "inpath": "string",
        "outpath": "string",
        "status": "string",
        "error_type": "string",
        "error": "string",
        "input_digest": "string",
        "digest": "string",
        "size_bytes": "int64",
        "seconds": "double",
        "time_finished": "timestamp[us, tz=UTC]",
        "label": "string",
        "n_faces": "int64",
        "brightness": "double",
        "is_sharp": "bool",
    }
    assert manifest.extra_schema == columns_schema(COLUMNS)
    assert len(manifest) == n_rows
    assert len(list(manifest.rows())) == n_rows


def test_a_manifest_without_a_single_batch_has_its_types_too(tmp_path):
    write(tmp_path / "m.parquet", [])
    assert Manifest(tmp_path / "m.parquet").schema.names == [*FIXED_COLUMNS, *COLUMNS]


# Streams


def test_batches_are_bounded_and_in_order(tmp_path):
    write(tmp_path / "m.parquet", batched((make_row(f"{n}.png") for n in range(1000)), 64))
    sizes, outpaths = [], []
    for batch in Manifest(tmp_path / "m.parquet").batches(["outpath"], rows_per_batch=300):
        assert batch.schema.names == ["outpath"]
        sizes.append(batch.num_rows)
        outpaths.extend(batch.column(0).to_pylist())
    assert max(sizes) <= 300
    assert outpaths == [f"{n}.png" for n in range(1000)]


def test_many_batches_become_row_groups_that_a_reader_can_hold(tmp_path, monkeypatch):
    monkeypatch.setattr("tintype.manifest.writer.ROWS_PER_GROUP", 100)
    write(tmp_path / "m.parquet", batched((make_row(f"{n}.png") for n in range(1050)), 30))
    parquet = pq.read_metadata(tmp_path / "m.parquet")
    sizes = [parquet.row_group(number).num_rows for number in range(parquet.num_row_groups)]
    assert sum(sizes) == 1050
    assert len(sizes) >= 8
    assert max(sizes) < 130
    assert [row["outpath"] for row in Manifest(tmp_path / "m.parquet").rows()] == [f"{n}.png" for n in range(1050)]


def test_the_columns_asked_for_are_those_that_are_read_in_any_order(tmp_path):
    write(tmp_path / "m.parquet", [[make_row("a.png", n_faces=2)]])
    (batch,) = Manifest(tmp_path / "m.parquet").batches(["n_faces", "outpath"])
    assert {name: batch.column(name).to_pylist() for name in batch.schema.names} == {
        "n_faces": [2],
        "outpath": ["a.png"],
    }


def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    write(tmp_path / "m.parquet", [[make_row()]])
    with pytest.raises(ManifestError, match=r"m\.parquet has no columns \['lable'\]: it has \['inpath', .*'label'"):
        list(Manifest(tmp_path / "m.parquet").batches(["outpath", "lable"]))


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    manifest = Manifest(tmp_path / "absent.parquet")
    assert repr(manifest) == f"Manifest('{tmp_path}/absent.parquet')"
    batches, rows = manifest.batches(), manifest.rows()
    write(tmp_path / "absent.parquet", [[make_row()]])
    assert [batch.num_rows for batch in batches] == [1]
    assert [row["outpath"] for row in rows] == ["a.png"]


def test_a_writer_that_is_left_by_an_error_makes_no_manifest(tmp_path):
    def fail():
        with ManifestWriter(tmp_path / "m.parquet", columns_schema(COLUMNS)) as writer:
            writer.write(as_columns([make_row()]))
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        fail()
    if (tmp_path / "m.parquet").exists():  # whole by its format, and without the rows: nobody stamps it
        assert len(Manifest(tmp_path / "m.parquet")) == 0


def test_a_value_of_another_type_is_refused(tmp_path):
    with (
        ManifestWriter(tmp_path / "m.parquet", columns_schema(COLUMNS)) as writer,
        pytest.raises(pa.ArrowException, match="'many'"),
    ):
        writer.write(as_columns([make_row(n_faces="many")]))


# The run report


def make_report(tmp_path, rows):
    write(tmp_path / "m.parquet", [rows])
    return Manifest(tmp_path / "m.parquet").run_report()


@pytest.mark.parametrize("n_rows", [0, 1, 3])
def test_the_run_report_has_the_same_columns_and_types_for_any_number_of_rows(tmp_path, n_rows):
    report = make_report(tmp_path, [make_row(f"{n}.png") for n in range(n_rows)])
    assert report.index.name == "inpath"
    assert report.index.dtype == "str"
    assert {name: str(dtype) for name, dtype in report.dtypes.items()} == {
        "outpath": "str",
        "skipped_existing": "bool",
        "exception_handled": "bool",
        "error_type": "str",
        "error": "str",
        "seconds": "float64",
        "time_finished": "datetime64[us, UTC]",
        "label": "str",
        "n_faces": "Int64",
        "brightness": "float64",
        "is_sharp": "boolean",
    }
    assert list(report.index) == [f"{n}.png" for n in range(n_rows)]


def test_a_file_without_a_value_changes_no_type_and_rounds_no_integer(tmp_path):
    rows = [make_row("a.png", n_faces=2**62 + 1, is_sharp=True), make_row("b.png", n_faces=None, is_sharp=None)]
    report = make_report(tmp_path, rows)
    assert report.loc["a.png", "n_faces"] == 2**62 + 1
    assert report["n_faces"].dtype == "Int64"
    assert report["is_sharp"].dtype == "boolean"
    assert report.loc["b.png", ["n_faces", "is_sharp"]].isna().all()
    assert Manifest(tmp_path / "m.parquet").to_pandas()["size_bytes"].dtype == "Int64"


@pytest.mark.parametrize(
    ("status", "skipped_existing", "exception_handled"),
    [
        ("written", False, False),
        ("reused", True, False),
        ("recorded", False, False),
        ("skipped", True, False),
        ("dropped", False, False),
        ("failed", False, True),
    ],
)
def test_the_run_report_says_what_became_of_a_file(tmp_path, status, skipped_existing, exception_handled):
    report = make_report(tmp_path, [make_row(status=status)])
    assert report.loc["a.png", "skipped_existing"] == skipped_existing
    assert report.loc["a.png", "exception_handled"] == exception_handled


def test_the_run_report_has_a_row_for_each_result_of_one_input(tmp_path):
    report = make_report(tmp_path, [make_row("a_0.png", inpath="a.png"), make_row("a_1.png", inpath="a.png")])
    assert list(report.index) == ["a.png", "a.png"]
    assert list(report["outpath"]) == ["a_0.png", "a_1.png"]
    assert report["time_finished"].iloc[0] == pd.Timestamp(MOMENT)


# Names and types of columns


@pytest.mark.parametrize("name", FIXED_COLUMNS)
def test_an_extra_column_with_a_name_of_the_manifest_is_refused(tmp_path, name):
    with pytest.raises(ManifestError, match=rf"columns \['{name}'\] are the manifest's own: give .* other names"):
        ManifestWriter(tmp_path / "m.parquet", columns_schema({name: str}))
    assert not (tmp_path / "m.parquet").exists()


def test_a_column_both_carried_and_recorded_is_refused():
    extra = pa.schema([*columns_schema({"label": str}), *columns_schema({"label": str})])
    with pytest.raises(ManifestError, match=r"\['label'\] are both carried from upstream and recorded: rename one"):
        manifest_schema(extra)


@pytest.mark.parametrize("kind", [bytes, dict, list, None, "int", complex])
def test_a_declared_type_that_no_column_has_is_refused(kind):
    with pytest.raises(SettingsError, match=r"column 'label' is declared as .*: declare it as bool, int, float or str"):
        columns_schema({"label": kind})


# Files that are no manifest


@pytest.fixture
def path(tmp_path):
    """Return the path of a good manifest of three rows."""
    write(tmp_path / "m.parquet", [[make_row(f"{n}.png") for n in range(3)]])
    return tmp_path / "m.parquet"


READERS = {
    "len": len,
    "schema": lambda manifest: manifest.schema,
    "extra_schema": lambda manifest: manifest.extra_schema,
    "batches": lambda manifest: list(manifest.batches()),
    "rows": lambda manifest: list(manifest.rows()),
    "to_pandas": lambda manifest: manifest.to_pandas(),
    "run_report": lambda manifest: manifest.run_report(),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_every_way_to_read_says_that_a_manifest_is_missing(tmp_path, read):
    with pytest.raises(ManifestError, match=r"absent\.parquet is missing: build the stage again"):
        read(Manifest(tmp_path / "absent.parquet"))


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
@pytest.mark.parametrize("content", [b"", b"PAR1", b"hello, world" * 100], ids=["empty", "magic", "text"])
def test_every_way_to_read_says_that_a_file_is_not_parquet(path, read, content):
    path.write_bytes(content)
    with pytest.raises(
        ManifestError, match=r"m\.parquet cannot be read \(.+\): remove its directory and build the stage again"
    ):
        read(Manifest(path))


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.999])
def test_a_truncated_manifest_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ManifestError, match=r"m\.parquet cannot be read"):
        len(Manifest(path))


def test_damage_in_the_middle_is_told_when_the_rows_are_read(path):
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=r"m\.parquet cannot be read"):
        list(Manifest(path).rows())


def test_a_folder_in_its_place_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read"):
        len(Manifest(tmp_path))


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_a_manifest_of_a_newer_tintype_is_refused_with_the_cure(path, read):
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({FORMAT_KEY: str(FORMAT_VERSION + 1).encode()}), path)
    sentence = rf"m\.parquet has manifest format {FORMAT_VERSION + 1}, and this tintype reads up to .*: upgrade tintype"
    with pytest.raises(ManifestError, match=sentence):
        read(Manifest(path))


@pytest.mark.parametrize("metadata", [None, {FORMAT_KEY: b""}, {FORMAT_KEY: b"one"}, {FORMAT_KEY: b"-1"}])
def test_parquet_that_tintype_did_not_write_is_refused(path, metadata):
    pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)
    with pytest.raises(ManifestError, match=r"m\.parquet is not a manifest written by tintype: build the stage again"):
        len(Manifest(path))


def test_a_manifest_without_a_fixed_column_is_refused(path):
    pq.write_table(pq.read_table(path).drop_columns(["digest"]), path)
    with pytest.raises(ManifestError, match="is not a manifest written by tintype"):
        len(Manifest(path))


# The digest


def digest_of(results, extras=None):
    digest = DirectoryDigest()
    digest.add([path for path, _ in results], [value for _, value in results], extras)
    return digest.hexdigest()


results_of_a_directory = st.lists(st.tuples(st.none() | text, st.none() | text), max_size=8)


@given(results=results_of_a_directory, data=st.data())
def test_the_digest_is_that_of_any_order_and_any_batches(results, data):
    shuffled = data.draw(st.permutations(results))
    digest = DirectoryDigest()
    while shuffled:
        n_rows = data.draw(st.integers(1, len(shuffled)))
        digest.add([path for path, _ in shuffled[:n_rows]], [value for _, value in shuffled[:n_rows]])
        shuffled = shuffled[n_rows:]
    assert digest.hexdigest() == digest_of(results)


@given(results=results_of_a_directory, other=results_of_a_directory)
def test_other_files_have_another_digest(results, other):
    files, others = ([pair for pair in pairs if pair[0] is not None] for pairs in (results, other))
    same = sorted(files, key=repr) == sorted(others, key=repr)
    assert (digest_of(results) == digest_of(other)) is same


@pytest.mark.parametrize("as_column", [list, lambda values: pa.array(values, pa.string())], ids=["lists", "arrow"])
def test_the_digest_of_a_directory_is_the_same_in_every_version(as_column):
    """Directories that stand are compared by it: these were made by the first one."""
    plain, with_columns = DirectoryDigest(), DirectoryDigest(["label", "side"])
    plain.add(as_column(["a", "b"]), as_column(["00", "11"]))
    with_columns.add(
        as_column(["a/é.jpg", "b.jpg", None, "c.jpg"]),
        as_column(["00" * 32, None, "11" * 32, "22" * 32]),
        [("cat", 1.0), (None, 2.5), ("dog", 3.0), ("cat", 1.0)],
    )
    assert plain.hexdigest() == "88ea4e395d8c8a4503fc98d164424ec754a75dc4a3b78dbf5b5970f54ee6bf77"
    assert with_columns.hexdigest() == "fb33f85da83f0cc21aa98bc11e7855a078cffd94efe232bb016c430981ec126b"


def test_zero_one_and_two_equal_results_have_three_digests():
    assert len({digest_of([("a", "00")] * n) for n in range(3)}) == 3


def digest_of_rows(tmp_path, *rows):
    return write(tmp_path / "m.parquet", [rows]).digest


@pytest.mark.parametrize(
    "change",
    [
        {"outpath": "b.png"},
        {"digest": "01"},
        {"label": "dog"},
        {"label": None},
        {"n_faces": 1},
        {"brightness": 0.5},
        {"is_sharp": False},
    ],
    ids=str,
)
def test_the_digest_changes_with_path_bytes_and_extra_columns(tmp_path, change):
    other = make_row("z.png", label="dog")
    assert digest_of_rows(tmp_path, make_row(), other) != digest_of_rows(tmp_path, make_row(**change), other)


@pytest.mark.parametrize(
    "change",
    [
        {"inpath": "b.png"},
        {"seconds": 9.0},
        {"time_finished": datetime(2027, 1, 1, tzinfo=UTC)},
        {"status": "reused"},
        {"input_digest": "77"},
    ],
    ids=str,
)
def test_the_digest_does_not_change_with_how_and_when_a_file_was_made(tmp_path, change):
    assert digest_of_rows(tmp_path, make_row()) == digest_of_rows(tmp_path, make_row(**change))


def test_rows_without_a_file_do_not_count_in_the_digest(tmp_path):
    failed = make_row(None, inpath="b.png", status="failed", error="no", size_bytes=None, digest=None)
    assert digest_of_rows(tmp_path, make_row(), failed) == digest_of_rows(tmp_path, make_row())


def test_a_value_moved_from_one_column_to_another_changes_the_digest():
    assert digest_of([("a", "00")], [("x", None)]) != digest_of([("a", "00")], [(None, "x")])


def test_the_digest_of_a_directory_is_what_it_always_was():
    """A change of these means that every dataset is built again: only with a new format version."""
    keys = ['a.png\00000\0["cat", 2, 0.5, true, null]', 'b/\u00e9.png\000ff\0["dog", 0, 1.0, false, "x"]']
    total = sum(int.from_bytes(hashlib.sha256(key.encode()).digest(), "big") for key in keys) % 2**256
    expected = hashlib.sha256(f"2:{total:064x}".encode()).hexdigest()
    digest = digest_of([("a.png", "00"), (None, None), ("b/\u00e9.png", "ff")],
                       [("cat", 2, 0.5, True, None), (1,), ("dog", 0, 1.0, False, "x")])  # fmt: skip
    assert digest == expected == "72a7d7c66846a94e6c0ec97fd19f3111e35cc1d8b468d3fd9179faff7a73cd99"
    assert (
        digest_of([("a.png", "00"), ("b.png", "ff")])
        == "ac6f14f29a565e2f58f72471b562998cfca14369e5bc839638ed8e9894a00a38"
    )
    assert (
        digest_of([])
        == hashlib.sha256(f"0:{0:064x}".encode()).hexdigest()
        == "63e9013a4eb996a4c197721e2c11973eafa2c368b385d6ca4331741e02cc5094"
    )


def test_a_recorded_number_may_come_as_any_value_of_its_column(tmp_path):
    assert digest_of_rows(tmp_path, make_row(brightness=1)) == digest_of_rows(tmp_path, make_row(brightness=1.0))


def test_the_digest_reads_extra_columns_as_json():
    assert digest_of([("a", "0")], [("\u00e9",)]) == digest_of([("a", "0")], [json.loads('["\\u00e9"]')])
