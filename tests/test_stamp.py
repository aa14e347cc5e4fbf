"""Behaviour of tintype.targets.stamp."""

import json
import os
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tintype.errors import StampError
from tintype.manifest.schema import STAMP_NAME
from tintype.recipe import Recipe
from tintype.targets.stamp import FORMAT_VERSION, Stamp, read_stamp

STAMP = Stamp(
    recipe=Recipe("Photos", "1", parameters={"max_side": "448"}, inputs={"raw/Photos": "aa"}, code={"p.Photos": "c0"}),
    build_id="b1",
    digest="d1",
    n_rows=3,
    n_inputs=3,
    n_files=2,
    size_bytes=2**40,
    time_published="2026-01-02T03:04:05+00:00",
    tintype_version="0.1",
    statuses={"failed": 1, "written": 2},
)
PARTS = list(STAMP.to_json())

mappings = st.dictionaries(st.text(), st.text(), max_size=3)
stamps = st.builds(
    Stamp,
    recipe=st.builds(Recipe, st.text(), st.text(), mappings, mappings, mappings, st.none() | mappings),
    build_id=st.text(),
    digest=st.text(),
    n_rows=st.integers(),
    n_inputs=st.integers(),
    n_files=st.integers(),
    size_bytes=st.integers(),
    time_published=st.text(),
    tintype_version=st.text(),
    statuses=st.dictionaries(st.text(), st.integers(), max_size=3),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*PARTS, "x"]), inner, max_size=4),
    max_leaves=8,
)


def write(folder, content):
    (folder / STAMP_NAME).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(stamp=stamps)
def test_a_stamp_is_read_as_it_was_written(tmp_path, stamp):
    write(tmp_path, stamp.to_json())
    assert read_stamp(tmp_path) == stamp


def test_where_there_is_none_there_is_none(tmp_path):
    assert read_stamp(tmp_path) is None
    assert read_stamp(tmp_path / "absent") is None
    (tmp_path / "file").touch()
    assert read_stamp(tmp_path / "file") is None


def test_failed_inputs_are_counted():
    assert STAMP.n_failed == 1
    assert replace(STAMP, statuses={"written": 2}).n_failed == 0


CORRUPT = r"_stamp\.json is corrupt \(.+\), so .* cannot be trusted: move the directory away or remove it, and run"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\0" * 100, b"\xff\xfe", b"null", b"[]", b"3", b'"stamp"', b"{}", b"true", b"[" * 100_000],
    ids=lambda content: repr(content[:10]),
)
def test_what_is_no_stamp_is_told_in_one_sentence(tmp_path, content):
    write(tmp_path, content)
    with pytest.raises(StampError, match=CORRUPT):
        read_stamp(tmp_path)


@pytest.mark.parametrize("part", PARTS)
def test_a_stamp_without_a_part_is_corrupt(tmp_path, part):
    write(tmp_path, {name: value for name, value in STAMP.to_json().items() if name != part})
    with pytest.raises(StampError, match=CORRUPT):
        read_stamp(tmp_path)


@pytest.mark.parametrize("part", ["tintype_stamp", "n_rows", "n_files", "size_bytes", "statuses", "recipe"])
@pytest.mark.parametrize("value", [None, "many", ["a"], {"a": "b"}, float("inf"), float("nan")], ids=str)
def test_a_part_of_another_type_is_corrupt(tmp_path, part, value):
    write(tmp_path, STAMP.to_json() | {part: value})
    with pytest.raises(StampError, match=CORRUPT):
        read_stamp(tmp_path)


@pytest.mark.parametrize("length", range(0, len(json.dumps(STAMP.to_json())), 40))
def test_a_torn_stamp_is_corrupt(tmp_path, length):
    write(tmp_path, json.dumps(STAMP.to_json()).encode()[:length])
    with pytest.raises(StampError, match=CORRUPT):
        read_stamp(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=json_values, part=st.sampled_from(PARTS))
def test_whatever_json_there_is_it_is_a_stamp_or_one_error(tmp_path, values, part):
    for content in (values, STAMP.to_json() | {part: values}):
        write(tmp_path, content)
        with suppress(StampError):
            read_stamp(tmp_path)


@pytest.mark.parametrize("others", [{}, {"recipe": {"a": 1}, "statuses": "of another kind"}], ids=["same", "other"])
def test_a_stamp_of_a_newer_tintype_is_told_with_both_versions_and_the_cure(tmp_path, others):
    write(tmp_path, STAMP.to_json() | {"tintype_stamp": FORMAT_VERSION + 1, "tintype_version": "9.1"} | others)
    sentence = (
        rf"_stamp\.json has stamp format {FORMAT_VERSION + 1} and was written by tintype 9\.1; "
        rf"this one reads up to {FORMAT_VERSION}: upgrade tintype"
    )
    with pytest.raises(StampError, match=sentence):
        read_stamp(tmp_path)


def test_a_folder_in_its_place_cannot_be_read(tmp_path):
    (tmp_path / STAMP_NAME).mkdir()
    with pytest.raises(StampError, match=r"_stamp\.json cannot be read \(Is a directory\): make it readable and run"):
        read_stamp(tmp_path)


@contextmanager
def ordinary_user():
    """Give up root's right to read everything for a while, where the tests run as root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_stamp_that_may_not_be_read_is_not_absent(tmp_path):
    write(tmp_path, STAMP.to_json())
    (tmp_path / STAMP_NAME).chmod(0)
    with ordinary_user(), pytest.raises(StampError, match=r"cannot be read \(Permission denied\)"):
        read_stamp(tmp_path)
