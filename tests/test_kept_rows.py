"""Behaviour of tintype.tasks.kept_rows.KeptRows."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tintype.errors import StagingError
from tintype.tasks import rows as rows_module
from tintype.tasks.kept_rows import KeptRows
from tintype.tasks.rows import RecordRows


@pytest.fixture
def _small_batches(monkeypatch):
    monkeypatch.setattr(rows_module, "ROWS_PER_BATCH", 4)


def make_rows(n_rows, seen=None):
    def records():
        for number in range(n_rows):
            if seen is not None:
                seen.append(number)
            yield {"inpath": f"{number}.jpg", "label": f"label {number}", "input_digest": None}

    return RecordRows(records, {"label": str})


@pytest.mark.usefixtures("_small_batches")
def test_any_row_is_found_in_any_order_and_read_once():
    seen: list[int] = []
    kept = KeptRows(make_rows(11, seen))
    for number in (9, 0, 4, 10, 3):
        row = kept.row(number)
        assert (row.start, row.inpaths, next(row.rows())["label"]) == (number, [f"{number}.jpg"], f"label {number}")
    assert len(kept) == 11
    assert seen == list(range(11))


@pytest.mark.usefixtures("_small_batches")
def test_no_more_is_read_than_is_needed():
    seen: list[int] = []
    KeptRows(make_rows(100, seen)).row(5)
    assert len(seen) == 8


def test_a_row_that_there_is_none_of_is_an_index_error():
    with pytest.raises(IndexError, match="no input 3: there are 3"):
        KeptRows(make_rows(3)).row(3)
    assert len(KeptRows(make_rows(0))) == 0


def test_a_name_that_is_no_text_comes_back_as_it_was():
    odd = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    kept = KeptRows(RecordRows(lambda: [{"inpath": odd}]))
    assert kept.row(0).inpaths == [odd]


@pytest.mark.usefixtures("_small_batches")
def test_threads_may_ask_at_once():
    kept = KeptRows(make_rows(50))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: kept.row(number % 50).inpaths[0], range(200)))
    assert found == [f"{number % 50}.jpg" for number in range(200)]


@pytest.mark.usefixtures("_small_batches")
def test_rows_that_could_not_be_kept_are_read_again(monkeypatch):
    kept = KeptRows(make_rows(10))
    kept.row(0)
    write = os.pwrite

    def fail(*arguments):
        monkeypatch.setattr(os, "pwrite", write)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(StagingError, match=r"No space left on device, in the temporary folder .* set TMPDIR"):
        kept.row(5)
    assert kept.row(5).inpaths == ["5.jpg"]
    assert len(kept) == 10


@pytest.mark.usefixtures("_small_batches")
def test_what_a_process_that_forked_off_reads_on_does_not_move_the_rows():
    kept = KeptRows(make_rows(12))
    kept.row(0)
    child = os.fork()
    if not child:
        os._exit(0 if kept.row(5).inpaths == ["5.jpg"] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert [kept.row(number).inpaths for number in (5, 9)] == [["5.jpg"], ["9.jpg"]]
