"""Behaviour of tintype.targets.journal."""

import errno
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tintype.errors import StagingError
from tintype.pipelines.file_result import FileResult
from tintype.targets import journal as journal_module
from tintype.targets.journal import FIELDS, Journal

text = st.text(st.characters())  # with lone surrogates: names of files may hold them
values_of_files = st.fixed_dictionaries(
    {
        "inpath": st.none() | text,
        "status": st.sampled_from(["written", "reused", "recorded", "dropped", "failed"]),
        "outpath": st.none() | text,
        "error_type": st.none() | text,
        "error": st.none() | text,
        "digest": st.none() | text,
        "size_bytes": st.none() | st.integers(0, 2**63),
        "microseconds": st.integers(0, 2**63),
        "time_finished": st.integers(0, 2**63),
        "columns": st.none()
        | st.fixed_dictionaries(
            {},
            optional={
                "n": st.none() | st.integers(),
                "share": st.floats(min_value=0, allow_nan=False),
                "flag": st.booleans(),
                "label": text,
            },
        ),
    }
)
# Each session is a list of lines, each line a list of rows: any order, with gaps, and rows that come again.
sessions_of_rows = st.lists(
    st.lists(st.lists(st.tuples(st.integers(0, 30), values_of_files), min_size=1, max_size=5), max_size=4), max_size=3
)

settings_of_files = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def make_result(number, **values):
    plain: dict[str, Any] = {
        "inpath": f"{number}.png",
        "status": "written",
        "outpath": f"{number}.png",
        "error_type": None,
    }
    plain |= {"error": None, "digest": f"{number:02x}", "size_bytes": number, "microseconds": 1, "time_finished": 2}
    return FileResult(number, **(plain | {"columns": None} | values))


def append(folder, *lines):
    """Write lines of results in a session of its own."""
    journal = Journal(folder, "rows")
    for results in lines:
        journal.append(results)
        journal.flush()
    journal.close()


def read(folder, name="rows"):
    return {result.number: result for result in Journal(folder, name).results()}


@settings_of_files
@given(sessions=sessions_of_rows)
def test_the_last_result_of_each_row_is_read_in_the_order_of_rows(tmp_path_factory, sessions):
    folder = tmp_path_factory.mktemp("journal")
    expected: dict[int, FileResult] = {}
    for lines in sessions:
        journal = Journal(folder, "rows")
        for line in lines:
            results = [FileResult(number, **values) for number, values in line]
            journal.append(results)
            journal.flush()
            expected |= {result.number: result for result in results}
        assert {result.number: result for result in journal.results()} == expected  # while it is open
        journal.close()
    journal = Journal(folder, "rows")
    assert list(journal.results()) == [expected[number] for number in sorted(expected)]
    assert len(journal) == max(expected, default=-1) + 1
    assert [journal.result(number) for number in range(32)] == [expected.get(number) for number in range(32)]


@settings_of_files
@given(sessions=sessions_of_rows, start=st.integers(0, 40), n_rows=st.integers(0, 40))
def test_any_range_of_rows_is_read_column_by_column(tmp_path_factory, sessions, start, n_rows):
    folder = tmp_path_factory.mktemp("journal")
    expected: dict[int, FileResult] = {}
    for lines in sessions:
        results = [[FileResult(number, **values) for number, values in line] for line in lines]
        append(folder, *results)
        expected |= {result.number: result for line in results for result in line}
    journal = Journal(folder, "rows")
    numbers = range(start, start + n_rows)
    assert journal.has(start, start + n_rows).tolist() == [number in expected for number in numbers]
    columns = journal.columns(start, start + n_rows)
    assert set(columns) == set(FIELDS)
    for name in FIELDS:
        assert columns[name] == [getattr(expected.get(number), name, None) for number in numbers]


def test_an_empty_journal_has_no_rows_and_makes_no_file(tmp_path):
    journal = Journal(tmp_path, "rows")
    assert len(journal) == 0
    assert journal.has(0, 3).tolist() == [False] * 3
    assert journal.columns(2, 4)["status"] == [None, None]
    assert list(journal.results()) == []
    journal.flush()
    journal.close()
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_every_session_appends_to_a_file_of_its_own_and_later_ones_supersede(tmp_path):
    append(tmp_path, [make_result(0), make_result(1)])
    append(tmp_path, [make_result(1, status="failed", outpath=None), make_result(2)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows-0000.jsonl", "rows-0001.jsonl"]
    assert [result.status for result in read(tmp_path).values()] == ["written", "failed", "written"]


def test_two_journals_of_one_folder_do_not_mix(tmp_path):
    append(tmp_path, [make_result(0)])
    other = Journal(tmp_path, "added")
    other.append([make_result(5)])
    other.close()
    assert set(read(tmp_path)) == {0}
    assert set(read(tmp_path, "added")) == {5}


def test_the_same_row_twice_before_a_flush_is_its_last_result(tmp_path):
    append(tmp_path, [make_result(5), make_result(5, status="dropped"), make_result(7)])
    assert {number: result.status for number, result in read(tmp_path).items()} == {5: "dropped", 7: "written"}


@pytest.mark.parametrize("n_torn", [1, 2])
def test_only_whole_lines_count_wherever_the_last_one_is_torn(tmp_path, n_torn):
    lines = [
        [make_result(0), make_result(1), make_result(2)],
        [make_result(4, columns={"label": "a\nb"}), make_result(9, error="\u00e9")],
        [make_result(1, status="failed")],
    ]
    append(tmp_path, *lines)
    content = (tmp_path / "rows-0000.jsonl").read_bytes()
    ends = [offset + 1 for offset, byte in enumerate(content) if byte == ord("\n")]
    assert len(ends) == 3
    for offset in range(len(content) + 1):
        folder = tmp_path / f"{offset}"
        folder.mkdir()
        expected: dict[int, FileResult] = {}
        for end, line in zip(ends, lines, strict=True):
            if end <= offset:
                expected |= {result.number: result for result in line}
        (folder / "rows-0000.jsonl").write_bytes(content[:offset])
        for _ in range(n_torn):
            assert read(folder) == expected
            append(folder, [make_result(20)])  # what comes after a torn line is in another file, and counts
            expected[20] = make_result(20)
        assert read(folder) == expected


@pytest.mark.parametrize(
    "line",
    [
        b"\0" * 300 + b"\n",
        b"\n",
        b"{}\n",
        b"[1, 2]\n",
        b'{"index":[1]}\n',
        b"\xff\xfe\n",
        b'{"index":{"from":0},"inpath":"a"}\n',
    ],
    ids=repr,
)
def test_a_line_that_is_none_is_passed_over(tmp_path, line):
    append(tmp_path, [make_result(0)])
    with (tmp_path / "rows-0000.jsonl").open("ab") as file:
        file.write(line)
    append(tmp_path, [make_result(1)])
    assert set(read(tmp_path)) == {0, 1}


def test_a_row_that_is_forgotten_has_no_result_until_it_has_a_new_one(tmp_path):
    append(tmp_path, [make_result(number) for number in range(4)])
    journal = Journal(tmp_path, "rows")
    journal.forget(1)
    assert journal.has(0, 4).tolist() == [True, False, True, True]
    assert journal.columns(0, 4)["inpath"] == ["0.png", None, "2.png", "3.png"]
    assert [result.number for result in journal.results()] == [0, 2, 3]
    journal.append([make_result(1, status="dropped")])
    journal.close()
    assert [result.status for result in journal.results()] == ["written", "dropped", "written", "written"]


def test_many_rows_are_read_in_batches_of_any_size(tmp_path):
    append(tmp_path, *([make_result(number) for number in range(start, start + 64)] for start in range(0, 1_000, 80)))
    journal = Journal(tmp_path, "rows")
    expected = [number for start in range(0, 1_000, 80) for number in range(start, start + 64)]
    for rows_per_batch in (1, 7, 64, 100, 5_000):
        assert [result.number for result in journal.results(rows_per_batch)] == expected


def test_lines_that_hold_parts_of_several_blocks_are_read_in_order(tmp_path):
    """As threads leave them, each with a block of its own, some of it made again."""
    append(
        tmp_path,
        [make_result(number) for number in [*range(100, 130), *range(40), *range(200, 203)]],
        [make_result(number) for number in [*range(130, 150), *range(40, 100, 2)]],
    )
    append(tmp_path, [make_result(number, digest="again") for number in range(20, 50)])
    journal = Journal(tmp_path, "rows")
    made_again = range(20, 50)
    made = {*range(40), *range(100, 150), *range(200, 203), *range(40, 100, 2), *made_again}
    for start, stop in [(0, 203), (10, 60), (35, 120), (99, 201)]:
        expected = [
            None if number not in made else "again" if number in made_again else f"{number:02x}"
            for number in range(start, stop)
        ]
        assert journal.columns(start, stop)["digest"] == expected


def test_many_results_share_a_line_and_none_waits_for_ever(tmp_path, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(journal_module, "monotonic", lambda: now)
    journal = Journal(tmp_path, "rows")
    journal.append([make_result(0)])  # the first is written at once
    for number in range(1, 11):
        journal.append([make_result(number)])
    path = tmp_path / "rows-0000.jsonl"
    assert set(read(tmp_path)) == {0}
    now += 60
    journal.append([])
    assert set(read(tmp_path)) == set(range(11))
    assert len(path.read_bytes().splitlines()) == 2
    journal.append([make_result(number) for number in range(11, 11 + journal_module.FLUSH_ROWS)])
    assert len(read(tmp_path)) == 11 + journal_module.FLUSH_ROWS
    journal.close()


def test_what_waits_is_written_when_the_journal_is_closed(tmp_path):
    journal = Journal(tmp_path, "rows")
    journal.append([make_result(0)])
    journal.append([make_result(1)])
    journal.close()
    assert set(read(tmp_path)) == {0, 1}


@pytest.mark.parametrize("n_bytes", [0, 30])
def test_a_full_disk_is_told_in_one_sentence_and_leaves_whole_lines(tmp_path, monkeypatch, n_bytes):
    journal = Journal(tmp_path, "rows")
    journal.append([make_result(0)])
    journal.flush()
    write = os.write

    def write_some(descriptor, data):
        monkeypatch.setattr(os, "write", refuse)
        return write(descriptor, data[:n_bytes]) if n_bytes else refuse(descriptor, data)

    def refuse(descriptor, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", write_some)
    journal.append([make_result(1)])
    with pytest.raises(StagingError, match=r"No space left on device while the journal in .* was written: make room"):
        journal.flush()
    assert set(read(tmp_path)) == {0}
    monkeypatch.setattr(os, "write", write)
    journal.append([make_result(2)])
    journal.close()
    assert set(read(tmp_path)) >= {0, 2}


def test_a_journal_that_changes_while_it_is_in_use_is_told(tmp_path):
    append(tmp_path, [make_result(0)])
    journal = Journal(tmp_path, "rows")
    (tmp_path / "rows-0000.jsonl").write_bytes(b"")
    with pytest.raises(StagingError, match=r"rows-0000\.jsonl changed while it was in use: run again"):
        journal.columns(0, 1)


def test_rows_that_are_asked_for_one_by_one_cost_one_reading_of_each_line(tmp_path, monkeypatch):
    journal = Journal(tmp_path, "rows")
    results = [make_result(number) for number in range(2000)]
    for start in range(0, 2000, 500):
        journal.append(results[start : start + 500])
        journal.flush()
    n_read = 0
    decode = journal_module._decode

    def count_and_decode(line):
        nonlocal n_read
        n_read += 1
        return decode(line)

    monkeypatch.setattr(journal_module, "_decode", count_and_decode)
    assert [journal.result(number) for number in range(2000)] == results
    assert n_read == 4
    journal.forget(7)
    assert journal.result(7) is None
    assert journal.result(2000) is None
    journal.close()
