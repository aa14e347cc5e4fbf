"""Behaviour of a manifest as a sequence of rows: by number, in slices, chosen, sampled."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.processes import wait_until

from tintype.errors import ManifestError, SettingsError
from tintype.manifest import FilteredRows, Manifest, ManifestView, ManifestWriter
from tintype.manifest.file_paths import FilePaths
from tintype.manifest.held_file import HeldFile
from tintype.manifest.row_groups import RowGroups
from tintype.manifest.sampling import draw_numbers
from tintype.manifest.schema import FIXED_COLUMNS, columns_schema
from tintype.manifest.values import read_values_of

COLUMNS = {"label": str, "width": int, "brightness": float, "is_sharp": bool}
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
N_ROWS = 50
ROWS_PER_GROUP = 8
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)

indexes = st.none() | st.integers(-60, 60)
slices = st.builds(slice, indexes, indexes, indexes.filter(lambda step: step != 0))


def write(path: Path, n_rows: int, tag: str = "a") -> Manifest:
    """Write a manifest whose every third row has no file, in row groups of eight rows."""
    with ManifestWriter(path, columns_schema(COLUMNS)) as writer:
        for number in range(n_rows):
            row: dict[str, Any] = dict.fromkeys([*FIXED_COLUMNS, *COLUMNS])
            row |= {"inpath": f"{tag}{number}.jpg", "status": "failed", "error": "torn", "seconds": number / 7}
            row |= {"time_finished": MOMENT + timedelta(days=number), "width": number, "is_sharp": number % 5 == 0}
            if number % 3:
                row |= {"outpath": f"{tag}{number}.png", "status": "written", "error": None, "label": "cät"}
            writer.write({name: [value] for name, value in row.items()})
    return Manifest(path)


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Return a manifest of 50 rows in seven row groups."""
    monkeypatch.setattr("tintype.manifest.writer.ROWS_PER_GROUP", ROWS_PER_GROUP)
    write(tmp_path / "m.parquet", N_ROWS)
    return tmp_path / "m.parquet"


@pytest.fixture
def manifest(path):
    return Manifest(path)


@pytest.fixture
def groups_read(monkeypatch):
    """Return a list that the number of each row group is added to when it is read."""
    read = []

    def note(self, ordinal, columns, read_group=HeldFile.read_group):
        read.append(ordinal)
        return read_group(self, ordinal, columns)

    monkeypatch.setattr(HeldFile, "read_group", note)
    return read


# By number


def test_a_row_by_its_number_is_that_of_the_iteration(manifest):
    rows = list(manifest.rows())
    assert [manifest[index] for index in range(N_ROWS)] == rows
    assert [manifest[index] for index in range(-N_ROWS, 0)] == rows
    assert [manifest[np.int32(index)] for index in range(N_ROWS)] == rows
    assert list(manifest) == rows
    assert list(reversed(manifest)) == rows[::-1]


def test_values_are_plain_ones_of_their_column_s_type(manifest):
    for row, from_arrow in zip((manifest[index] for index in range(N_ROWS)), manifest.rows(), strict=True):
        assert list(row) == list(from_arrow)
        assert {name: type(value) for name, value in row.items()} == {
            name: type(value) for name, value in from_arrow.items()
        }
        assert row["time_finished"].utcoffset() == timedelta(0)


@pytest.mark.parametrize("index", [50, -51, 10**30, np.int64(50)])
def test_a_row_that_is_not_there_is_an_index_error_with_its_number(manifest, index):
    with pytest.raises(IndexError, match=rf"no item {index} in Manifest\('.*m\.parquet'\)"):
        manifest[index]


@pytest.mark.parametrize("index", ["label", 1.0, None])
def test_what_is_no_number_is_refused(manifest, index):
    with pytest.raises(TypeError, match="items are numbered by ints"):
        manifest[index]


def test_rows_cannot_be_assigned(manifest):
    with pytest.raises(TypeError, match="cannot set item 3"):
        manifest[3] = {}


@pytest.mark.parametrize("n_rows", [0, 1])
def test_zero_rows_and_one_are_a_sequence_too(tmp_path, n_rows):
    manifest = write(tmp_path / "few.parquet", n_rows)
    assert [row["inpath"] for row in manifest] == [f"a{number}.jpg" for number in range(n_rows)]
    assert list(manifest[:]) == list(manifest.rows())
    with pytest.raises(IndexError, match=f"no item {n_rows} in"):
        manifest[n_rows]


@SHARED
@given(first=slices, second=slices)
def test_slices_of_slices_are_those_of_a_list(path, first, second):
    manifest = Manifest(path)
    numbers = range(N_ROWS)
    assert len(manifest[first]) == len(numbers[first])
    assert [row["width"] for row in manifest[first][second]] == list(numbers[first][second])


@given(
    st.sampled_from([pa.string(), pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us", "UTC"), pa.int8()]),
    st.data(),
)
def test_a_value_is_read_as_arrow_reads_it(kind, data):
    values: dict[pa.DataType, st.SearchStrategy[Any]] = {
        pa.string(): st.text(st.characters(exclude_categories=["Cs"])),
        pa.int64(): st.integers(-(2**63), 2**63 - 1),
        pa.float64(): st.floats(allow_nan=False),
        pa.bool_(): st.booleans(),
        pa.timestamp("us", "UTC"): st.datetimes(timezones=st.just(UTC)),
        pa.int8(): st.integers(-128, 127),
    }
    array = pa.array(data.draw(st.lists(st.none() | values[kind], max_size=20)), kind)
    array = array.slice(data.draw(st.integers(0, len(array))))
    read = read_values_of(array)
    assert [read(place) for place in range(len(array))] == array.to_pylist()


# What is read


def test_the_length_reads_no_row(manifest, groups_read):
    assert len(manifest) == N_ROWS
    assert len(manifest[10:20]) == 10
    assert groups_read == []


def test_row_groups_are_read_when_they_are_touched_and_once(manifest, groups_read):
    assert manifest[3]["width"] == 3
    assert manifest[7]["width"] == 7
    assert groups_read == [0]
    assert manifest[-1]["width"] == 49
    assert manifest[0]["width"] == 0
    assert groups_read == [0, 6]


def test_the_row_groups_that_were_used_last_are_kept_as_long_as_there_is_room(path, groups_read):
    size = RowGroups(Manifest(path).held).group(0).n_bytes
    manifest = Manifest(path, cache_bytes=int(2.5 * size))
    groups_read.clear()
    for group in (0, 1, 0, 2, 0, 1):  # 2 crowds out 1, and 1 crowds out 2: 0 was used in between
        assert manifest[group * ROWS_PER_GROUP]["width"] == group * ROWS_PER_GROUP
    assert groups_read == [0, 1, 2, 1]


def test_the_last_row_group_is_kept_however_large_it_is(path, groups_read):
    manifest = Manifest(path, cache_bytes=0)
    for index in (0, 1, 2, 8, 9, 0):
        manifest[index]
    assert groups_read == [0, 1, 0]


def test_damage_is_told_when_a_row_is_asked_for(path):
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)
    manifest = Manifest(path)
    assert len(manifest) == N_ROWS
    with pytest.raises(ManifestError, match=r"m\.parquet cannot be read"):
        manifest[0]


def test_a_missing_manifest_is_told_when_it_is_asked_for(tmp_path):
    manifest = Manifest(tmp_path / "absent.parquet")
    part = manifest.where("width > 3").sample(3)
    for read in (lambda: manifest[0], lambda: part[0], lambda: len(part)):
        with pytest.raises(ManifestError, match=r"absent\.parquet is missing: build the stage again"):
            read()


# Threads, processes, rebuilds


def test_many_threads_get_their_rows_and_each_group_is_read_once(manifest, groups_read):
    barrier = threading.Barrier(8)
    faults: list[int] = []

    def read_all(seed):
        order = np.random.default_rng(seed).permutation(N_ROWS)
        barrier.wait()
        faults.extend(index for index in order.tolist() if manifest[index]["width"] != index)

    threads = [threading.Thread(target=read_all, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sorted(groups_read) == list(range(7))


def test_what_is_in_memory_is_had_while_another_thread_reads(manifest, monkeypatch):
    reads, may_go_on = threading.Event(), threading.Event()
    manifest[0], manifest[10]
    read_group = HeldFile.read_group

    def wait(self, ordinal, columns):
        reads.set()
        assert may_go_on.wait(60)
        return read_group(self, ordinal, columns)

    monkeypatch.setattr(HeldFile, "read_group", wait)
    thread = threading.Thread(target=manifest.__getitem__, args=(40,))
    thread.start()
    assert reads.wait(60)
    assert [manifest[index]["width"] for index in (0, 10, 1)] == [0, 10, 1]
    may_go_on.set()
    thread.join()


def test_a_manifest_that_is_replaced_gives_the_rows_it_was_opened_with(path):
    manifest = Manifest(path)
    chosen = manifest.where("width >= 40")
    assert len(chosen) == 10
    write(path.with_name("new"), 20, "new")
    assert manifest.is_current()
    os.replace(path.with_name("new"), path)
    assert not manifest.is_current()
    assert len(manifest) == N_ROWS
    assert manifest[30]["inpath"] == "a30.jpg"
    assert chosen[0]["inpath"] == "a40.jpg"
    assert [row["inpath"] for row in manifest.rows()] == [f"a{number}.jpg" for number in range(N_ROWS)]
    assert list(manifest.to_pandas()["width"]) == list(range(N_ROWS))
    assert [row["inpath"] for row in Manifest(path)] == [f"new{number}.jpg" for number in range(20)]


def test_a_manifest_whose_directory_is_removed_gives_its_rows_still(path):
    manifest = Manifest(path)
    len(manifest)
    path.unlink()
    assert manifest[49]["width"] == 49
    assert not manifest.is_current()


def test_an_unopened_manifest_reads_what_is_there_then(path):
    manifest = Manifest(path)
    write(path.with_name("new"), 20, "new")
    os.replace(path.with_name("new"), path)
    assert len(manifest) == 20


@pytest.mark.parametrize("is_open", [False, True])
def test_rows_pickle_by_their_path(path, is_open):
    manifest = Manifest(path)
    views = (manifest, manifest.where("is_sharp"), manifest.sample(7, seed=1), manifest.where("is_sharp").sample(3))
    expected = [[row["width"] for row in view.rows()] for view in map(pickle.loads, map(pickle.dumps, views))]
    if is_open:
        for view in views:
            view[0]
    copies = pickle.loads(pickle.dumps(views))
    assert [[view[index]["width"] for index in range(len(view))] for view in copies] == expected
    assert len(pickle.dumps(manifest)) < 1000


def test_one_that_travels_finds_that_it_was_replaced(path):
    manifest = Manifest(path)
    len(manifest)
    data = pickle.dumps(pickle.loads(pickle.dumps(manifest)))
    write(path.with_name("new"), 20, "new")
    os.replace(path.with_name("new"), path)
    with pytest.raises(ManifestError, match=r"m\.parquet was replaced since it was opened.*: open it again"):
        pickle.loads(data)[0]


def test_a_fork_reads_on_while_another_thread_of_its_parent_was_reading(path):
    script = """
        import os, sys, threading
        from tintype.manifest import Manifest
        from tintype.manifest.held_file import HeldFile

        manifest = Manifest(sys.argv[1])
        assert manifest[0]["width"] == 0
        os.rename(sys.argv[1], sys.argv[1] + ".old")
        reads, read_group, parent = threading.Event(), HeldFile.read_group, os.getpid()

        def hang(self, ordinal, columns):
            if os.getpid() == parent:
                reads.set()
                threading.Event().wait()
            return read_group(self, ordinal, columns)

        HeldFile.read_group = hang
        threading.Thread(target=manifest.__getitem__, args=(20,), daemon=True).start()
        reads.wait()
        pid = os.fork()
        if pid == 0:
            is_right = [manifest[index]["width"] for index in (0, 20, 49)] == [0, 20, 49]
            os._exit(0 if is_right else 1)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script), str(path)]
    assert subprocess.run(command, timeout=60).returncode == 0


def test_no_file_stays_open_when_a_manifest_is_dropped(path):
    def count_open():
        return sum(os.path.realpath(f"/proc/self/fd/{name}") == str(path) for name in os.listdir("/proc/self/fd"))

    manifest = Manifest(path)
    chosen = manifest.where("is_sharp")
    assert count_open() == 0
    chosen[0], manifest[0], list(manifest.rows()), manifest.schema
    assert count_open() == 1
    del manifest
    assert count_open() == 1
    del chosen
    wait_until(lambda: count_open() == 0, "the file to be closed")  # one of Arrow's own threads may let go of it last


# Chosen rows


@SHARED
@given(limit=st.integers(-1, N_ROWS + 1), part=slices)
def test_filtered_rows_are_those_of_a_list(path, limit, part):
    manifest = Manifest(path)
    rows = [row for row in manifest.rows() if row["width"] < limit and row["label"] is not None]
    view = manifest.where(f"width < {limit}").where("label == 'cät'")
    assert [view[index] for index in range(len(view))] == rows
    assert list(view[part]) == rows[part]
    assert list(view) == rows


def test_the_numbers_of_filtered_rows_are_found_in_one_pass(manifest, monkeypatch, groups_read):
    passes = []
    batches = Manifest.batches

    def note(self, columns=None, **options):
        passes.append(columns)
        return batches(self, columns, **options)

    monkeypatch.setattr(Manifest, "batches", note)
    view = manifest.where("is_sharp").where("width > 20")
    assert view[0]["width"] == 25
    assert view[-1]["width"] == 45
    assert len(view) == 5
    assert passes == [["width", "is_sharp"]]
    assert groups_read == [3, 5]
    assert view.numbers.tolist() == [25, 30, 35, 40, 45]
    assert view.numbers.dtype == np.int64


def test_a_filtered_row_that_is_not_there_is_an_index_error(manifest):
    view = manifest.where("width > 100")
    assert len(view) == 0
    with pytest.raises(IndexError, match=r"no item 0 in FilteredRows\("):
        view[0]


class ListedRows(ManifestView):
    """Rows that are in no file."""

    def __init__(self, table):
        self.table = table

    def __len__(self):
        return self.table.num_rows

    @property
    def schema(self):
        return self.table.schema

    def batches(self, columns=None, *, rows_per_batch=7):
        yield from self.table.select(columns or self.table.column_names).to_batches(rows_per_batch)


def test_rows_that_are_in_no_file_are_sequences_too(path):
    rows = ListedRows(pq.read_table(path))
    listed = list(rows.rows())
    assert [rows[index] for index in range(N_ROWS)] == listed
    assert list(rows[5:20:4]) == listed[5:20:4]
    assert [rows.where("is_sharp")[index]["width"] for index in range(10)] == list(range(0, 50, 5))
    sample = rows.where("is_sharp").sample(4, seed=3)
    assert list(sample) == [sample[index] for index in range(4)]
    with pytest.raises(SettingsError, match="are no rows of a published directory: build the stage first"):
        FilePaths(sample)


def test_columns_are_chosen_for_a_data_frame(manifest):
    view = manifest.where("is_sharp")
    assert list(view.to_pandas(["width", "label"]).columns) == ["width", "label"]
    assert list(manifest.to_pandas(["width", "label"]).columns) == ["width", "label"]
    assert view.to_pandas(["width"]).dtypes.equals(manifest.to_pandas()[["width"]].dtypes)
    with pytest.raises(ManifestError, match=r"has no columns \['lable'\]"):
        manifest.to_pandas(["lable"])


# Samples


def test_a_sample_is_the_same_for_ever(manifest):
    sample = manifest.sample(5, seed=1)
    assert [row["width"] for row in sample] == [2, 4, 36, 41, 47]
    assert repr(sample) == f"{manifest!r}.sample(5, seed=1)"
    assert draw_numbers(10**12, 3, seed=2).tolist() == [103166034230, 236048089737, 396058242610]


@given(n_all=st.integers(0, 300), n=st.integers(0, 320), seed=st.integers())
def test_so_many_numbers_are_drawn_none_twice_in_order(n_all, n, seed):
    numbers = draw_numbers(n_all, n, seed)
    assert len(numbers) == min(n, n_all)
    assert numbers.dtype == np.int64
    assert (np.diff(numbers) > 0).all()
    assert ((numbers >= 0) & (numbers < n_all)).all()
    assert (numbers == draw_numbers(n_all, n, seed)).all()


@pytest.mark.parametrize("n", [2, 4])
def test_every_number_is_drawn_about_as_often(n):
    counts = np.zeros(6, int)
    for seed in range(-1500, 1500):
        counts[draw_numbers(6, n, seed)] += 1
    assert counts.sum() == 3000 * n
    assert abs(counts / 3000 - n / 6).max() < 0.04  # more than four standard deviations


def test_seeds_make_different_samples():
    assert len({tuple(draw_numbers(1000, 5, seed).tolist()) for seed in range(-50, 50)}) == 100


def test_draws_go_on_where_they_do_not_fit_into_one_round(monkeypatch):
    monkeypatch.setattr("tintype.manifest.sampling.MOST_DRAWS", 7)
    assert len(draw_numbers(1000, 400, seed=0)) == 400


def test_a_sample_reads_as_other_rows_do_and_only_the_groups_it_touches(manifest, monkeypatch):
    sample = manifest.sample(3, seed=1)
    numbers = sample.numbers.tolist()
    read = []
    iter_batches = pq.ParquetFile.iter_batches

    def note(self, n_rows, groups, *arguments, **options):
        read.extend(groups)
        return iter_batches(self, n_rows, groups, *arguments, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", note)
    assert [batch.schema.names for batch in sample.batches(["width"], rows_per_batch=1)] == [["width"]] * 3
    assert read == sorted({number // ROWS_PER_GROUP for number in numbers})
    assert list(sample.to_pandas()["width"]) == numbers
    assert sample.to_pandas().dtypes.equals(manifest.to_pandas().dtypes)
    assert sample.schema == manifest.schema
    with pytest.raises(ManifestError, match=r"has no columns \['lable'\]"):
        list(sample.batches(["lable"]))


def test_samples_and_filters_are_chosen_from_one_another(manifest):
    sharp = list(range(0, 50, 5))
    of_filtered = manifest.where("is_sharp").sample(4, seed=2)
    assert {row["width"] for row in of_filtered} < set(sharp)
    assert len(of_filtered) == 4
    sample = manifest.sample(30, seed=2)
    filtered = sample.where("is_sharp")
    expected = [number for number in sample.numbers.tolist() if number in sharp]
    assert 0 < len(expected) < 10
    assert filtered.numbers.tolist() == expected == [row["width"] for row in filtered]
    assert isinstance(filtered, FilteredRows)
    assert sample.sample(1000).numbers.tolist() == sample.numbers.tolist()


@pytest.mark.parametrize(("n", "expected"), [(0, 0), (1, 1), (49, 49), (50, 50), (10**9, 50)])
def test_a_sample_has_as_many_rows_as_there_are_at_most(manifest, n, expected):
    sample = manifest.sample(n)
    assert len(sample) == len(list(sample)) == len(sample.to_pandas()) == expected


def test_a_sample_of_less_than_nothing_is_refused(manifest):
    with pytest.raises(SettingsError, match="a sample of -1 rows cannot be drawn: give the number of rows, 0 or more"):
        manifest.sample(-1)


def test_a_small_sample_of_many_rows_takes_little_memory():
    draw_numbers(10, 3, seed=0)
    tracemalloc.start()
    try:
        draw_numbers(10**9, 1000, seed=0)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_ten_million_rows_are_indexed_without_reading_them_whole(tmp_path):
    n_rows = 10_000_000
    path = tmp_path / "large.parquet"
    batch = 10_000
    columns: dict[str, Any] = {name: [None] * batch for name in FIXED_COLUMNS} | {
        "status": ["written"] * batch,
        "digest": [f"{number:064x}" for number in range(batch)],
    }
    with ManifestWriter(path, columns_schema({"number": int})) as writer:
        writer._add_up = lambda *_: None  # type: ignore[method-assign]  # sums nobody looks at
        for start in range(0, n_rows, batch):
            names = [f"label_{number % 100:02d}/photograph_{number:08d}.jpg" for number in range(start, start + batch)]
            writer.write({**columns, "inpath": names, "outpath": names, "number": list(range(start, start + batch))})
    script = """
        import random, sys
        from tintype.manifest import Manifest
        from tintype.manifest.file_paths import FilePaths
        from tintype.manifest.held_file import HeldFile

        def peak():
            return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024

        read, read_group = [], HeldFile.read_group
        HeldFile.read_group = lambda self, n, columns: read.append(n) or read_group(self, n, columns)
        import pyarrow.parquet
        before = peak()
        manifest = Manifest(sys.argv[1], cache_bytes=32 << 20)
        n_rows = len(manifest)
        assert n_rows == 10_000_000, n_rows
        order = random.Random(0).sample(range(n_rows), 100)
        for number in [0, n_rows // 2, n_rows // 2 + 1, -1, *order]:
            assert manifest[number]["number"] == number % n_rows
        assert len(read) <= 103, len(read)
        files = FilePaths(manifest, cache_bytes=32 << 20)
        read.clear()
        assert len(files) == n_rows
        assert read == []
        for number in order:
            assert files.find(number) == (number, f"label_{number % 100:02d}/photograph_{number:08d}.jpg")
        assert len(read) <= 100, len(read)
        assert [row["number"] for row in manifest.sample(5)] == manifest.sample(5).numbers.tolist()
        assert peak() - before < 200, (before, peak())
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    result = subprocess.run(command, timeout=300, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
