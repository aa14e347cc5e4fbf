"""Behaviour of tintype.sequences.FolderCache: what is put there comes back as it was, or counts as not there."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes
from PIL import Image

from tintype.errors import SettingsError
from tintype.sequences import FolderCache, add_cache, smap

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@pytest.fixture
def cache(tmp_path: Path) -> FolderCache:
    return FolderCache(tmp_path, "numbers-1")


def find_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(number=st.integers(0, 10**12), value=values)
def test_plain_values_come_back_as_they_were(cache: FolderCache, number: int, value: Any) -> None:
    cache[number] = value
    found = cache[number]
    assert found == value
    assert repr(found) == repr(value)  # 1, 1.0 and True are equal, and so are -0.0 and 0.0


def test_a_number_that_is_none_comes_back(cache: FolderCache) -> None:
    cache[0] = [math.nan, math.inf, -math.inf]
    assert [str(number) for number in cache[0]] == ["nan", "inf", "-inf"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(array=arrays(scalar_dtypes(), array_shapes(min_dims=0, min_side=0, max_side=5)))
def test_arrays_come_back_as_they_were(cache: FolderCache, array: Any) -> None:
    cache[3] = {"array": array, "turned": array.T, "scalar": np.zeros((), array.dtype)[()]}
    found = cache[3]
    for name, expected in (("array", array), ("turned", array.T)):
        assert found[name].dtype == expected.dtype
        np.testing.assert_array_equal(found[name], expected)
        assert found[name].flags.writeable
    assert type(found["scalar"]) is array.dtype.type


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"])
def test_images_come_back_pixel_by_pixel(cache: FolderCache, photographs: Path, mode: str) -> None:
    with Image.open(photographs / "cats" / "chelsea.png") as photograph:
        gray = mode in {"I", "F", "I;16", "LA"}
        image = photograph.crop((100, 50, 231, 144)).convert("L" if gray else "RGB").convert(mode)
    cache[1] = (image, "cat")
    found, label = cache[1]
    assert (found.mode, found.size, label) == (image.mode, image.size, "cat")
    assert found.tobytes() == image.tobytes()
    if mode == "P":
        assert found.convert("RGB").tobytes() == image.convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (object(), "object"),
        (np.array([object()]), "ndarray"),
        (np.ma.masked_array([1], [True]), "MaskedArray"),
        ({1: 2}, "dict"),
        ([{1, 2}], "set"),
        (print, "builtin_function_or_method"),
    ],
)
def test_what_would_not_come_back_as_it_was_is_refused(cache: FolderCache, value: Any, name: str) -> None:
    with pytest.raises(SettingsError, match=f"cannot keep item 5, which holds a {name}"):
        cache[5] = value
    assert find_files(Path(cache._folder)) == []


def test_it_is_a_mapping(cache: FolderCache, tmp_path: Path) -> None:
    assert (len(cache), list(cache), 1 in cache, "1" in cache) == (0, [], False, False)  # type: ignore[comparison-overlap]
    for number in (7, 1_000_000, 999, 1000):
        cache[number] = str(number)
    assert (len(cache), sorted(cache)) == (4, [7, 999, 1000, 1_000_000])
    assert dict(cache) == {7: "7", 999: "999", 1000: "1000", 1_000_000: "1000000"}
    cache[7] = "seven"
    assert (cache[7], cache.pop(7), cache.get(7), 999 in cache) == ("seven", "seven", None, True)
    with pytest.raises(KeyError, match="7"):
        del cache[7]
    with pytest.raises(KeyError, match="8"):
        cache[8]
    assert len(find_files(tmp_path)) == 3


def test_nothing_is_made_before_something_is_put_there(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path / "new", "numbers")
    assert (cache.get(1), len(cache)) == (None, 0)
    assert not (tmp_path / "new").exists()


def test_two_names_are_two_caches(tmp_path: Path) -> None:
    small, large = FolderCache(tmp_path, "small"), FolderCache(tmp_path, "large")
    small[1], large[1] = "s", "l"
    assert (small[1], large[1], len(small)) == ("s", "l", 1)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a\\b", "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="give the name of a folder"):
        FolderCache(tmp_path, name)


def test_items_survive_the_program_and_are_shared_by_processes(tmp_path: Path) -> None:
    code = (
        "from tintype.sequences import FolderCache, add_cache, smap\n"
        f"view = add_cache(smap(lambda n: n * n, range(20)), cache=FolderCache({str(tmp_path)!r}, 'squares'))\n"
        "assert list(view) == [n * n for n in range(20)]\n"
    )
    programs = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for program in programs:
        assert program.communicate()[1] == ""
        assert program.returncode == 0

    def fail(number: int) -> int:
        raise AssertionError(f"{number} is there")

    view = add_cache(smap(fail, range(20)), cache=FolderCache(tmp_path, "squares"))
    assert list(view) == [number * number for number in range(20)]
    assert len(find_files(tmp_path)) == 20


@pytest.mark.parametrize("cut", [0, 10, 200, -30, -1])
def test_a_damaged_file_counts_as_not_there_and_is_made_again(cache: FolderCache, tmp_path: Path, cut: int) -> None:
    cache[1] = np.arange(100)
    (path,) = find_files(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    view = add_cache(smap(lambda number: np.arange(100), range(3)), cache=cache)
    with pytest.warns(UserWarning, match=f"{path.name} is damaged and counts as not there"):
        assert view[1].sum() == 4950
    assert view[1].sum() == 4950


def test_a_byte_that_was_changed_is_damage(cache: FolderCache, tmp_path: Path) -> None:
    cache[1] = b"x" * 1000
    (path,) = find_files(tmp_path)
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged"), pytest.raises(KeyError, match="1"):
        cache[1]


class Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, ("trap",)


@pytest.mark.parametrize("kind", ["array", "bytes", "list", "plain"])
def test_nothing_in_a_file_is_run(
    cache: FolderCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    cache[1] = 1
    (path,) = find_files(tmp_path)
    evil = io.BytesIO()
    np.save(evil, np.array([Trap()], dtype=object), allow_pickle=True)
    content = {"array": 0, "bytes": 0, "list": [{"array": 0}], "plain": {"__reduce__": "os.mkdir"}}[kind]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0.bin", evil.getvalue())
        archive.writestr("value.json", json.dumps({"version": 1, "value": {kind: content}}))
    if kind in {"array", "list"}:
        with pytest.warns(UserWarning, match="is damaged"):
            assert cache.get(1) is None
    else:
        assert cache[1] in (evil.getvalue(), content)
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize(
    "description", [b"{", b"[]", b"{}", b'{"version": 2}', b'{"version": 1, "value": {"odd": 1}}', b'{"version": 1}']
)
def test_a_file_that_says_something_else_counts_as_not_there(
    cache: FolderCache, tmp_path: Path, description: bytes
) -> None:
    cache[1] = 1
    (path,) = find_files(tmp_path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("value.json", description)
    with pytest.warns(UserWarning, match="is damaged"):
        assert cache.get(1) is None


def test_threads_that_write_and_read_one_item_see_it_whole(cache: FolderCache) -> None:
    def write_and_read(value: int) -> bool:
        cache[1] = np.full(50_000, value)
        found = cache[1]
        return bool((found == found[0]).all())

    with ThreadPoolExecutor(4) as executor:
        assert all(executor.map(write_and_read, range(60)))


def test_no_draft_stays_behind(cache: FolderCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("refused")

    cache[1] = 1
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="refused"):
        cache[1] = 2
    assert len(find_files(tmp_path)) == 1
    assert cache[1] == 1


def test_it_works_where_files_without_a_name_do_not(
    cache: FolderCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")
    cache[1] = "a"
    cache[1] = "b"
    assert (cache[1], len(find_files(tmp_path))) == ("b", 1)


def test_it_pickles_and_says_where_it_is(cache: FolderCache, tmp_path: Path) -> None:
    cache[1] = "a"
    assert pickle.loads(pickle.dumps(cache))[1] == "a"
    assert repr(cache) == f"FolderCache({str(tmp_path)!r}, 'numbers-1')"


def test_the_bound_of_a_cache_removes_files(cache: FolderCache, tmp_path: Path) -> None:
    assert list(add_cache(smap(str, range(10)), 3, cache)) == [str(number) for number in range(10)]
    assert sorted(cache) == [7, 8, 9]
