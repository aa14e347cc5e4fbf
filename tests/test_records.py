"""Behaviour of tintype.records."""

import threading

import pytest

from tintype import Pipeline, record
from tintype.records import WrittenFile, current_file, report_written


@pytest.fixture
def columns(monkeypatch):
    """Be inside a run; return the columns of the file in hand."""
    collected: dict[str, object] = {}
    monkeypatch.setattr(current_file, "columns", collected)
    monkeypatch.setattr(current_file, "written", None)
    return collected


def test_outside_a_run_nothing_happens():
    record(label="cat")
    report_written("a.png", "00", 1)
    assert current_file.columns is None
    assert current_file.written is None


def test_zero_one_and_many_columns_are_recorded(columns):
    record()
    assert columns == {}
    record(label="cat")
    assert columns == {"label": "cat"}
    record(width=4, height=3)
    assert columns == {"label": "cat", "width": 4, "height": 3}


def test_a_second_value_replaces_the_first(columns):
    record(label="cat")
    record(label="dog")
    assert columns == {"label": "dog"}


def test_what_was_written_is_reported(columns):
    report_written("a.png", "00ff", 12)
    assert current_file.written == WrittenFile(path="a.png", digest="00ff", size_bytes=12)


def test_another_thread_has_no_file_in_hand(columns):
    seen = []

    def look():
        record(label="cat")
        seen.append(current_file.columns)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [None]
    assert columns == {}


def test_after_a_run_nothing_is_recorded_any_more():
    seen = []

    def op(text):
        record(n_letters=len(text))
        seen.append(current_file.columns)
        return text

    pipeline = Pipeline(load_func=str, ops=op)
    pipeline.run(["a", "bb"], path_func=None, n_jobs=1)
    assert seen == [{"n_letters": 1}, {"n_letters": 2}]
    assert pipeline("ccc") == "ccc"
    assert current_file.columns is None
