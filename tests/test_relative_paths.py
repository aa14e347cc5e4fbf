"""Behaviour of tintype.targets.relative_paths."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.errors import SettingsError
from tintype.targets.relative_paths import check_outpath, printable, walk_files

parts_of_paths = st.sampled_from(
    ["", ".", "..", "/", "\0", "a", "\u00e9", "_stamp.json", "_manifest.parquet", "\udce9"]
)


@pytest.mark.parametrize(
    "outpath",
    [
        "a.png",
        "cats/a.png",
        "a/b/c/d/e.png",
        " ",
        "with space, 'quote' and \"quote\".png",
        "line\nbreak.png",
        "\u732b/\U0001f408.png",
        "...",
        ".hidden",
        "a..b/..c",
        "back\\slash",
        "C:",
        "~",
        "-rf",
        "cats/_stamp.json",
        "_stamp.json.png",
        "x" * 255,
        "\u00e9" * 127,
        "/".join(["x" * 255] * 5),
    ],
)
def test_a_path_inside_the_directory_is_accepted(outpath):
    check_outpath(outpath)


@pytest.mark.parametrize(
    "outpath",
    ["", "/", "/a", "//a", "a/", "a//b", ".", "./a", "a/.", "a/./b", "..", "../a", "a/..", "a/../../b", "a\0b", "\0"],
)
def test_a_path_that_leaves_the_directory_or_is_none_is_refused(outpath):
    with pytest.raises(SettingsError, match=r"output path .* is empty, absolute, or has .*: give a path that stays in"):
        check_outpath(outpath)


@pytest.mark.parametrize("name", ["_stamp.json", "_manifest.parquet"])
@pytest.mark.parametrize("below", ["", "/a.png", "/b/a.png"])
def test_a_name_that_the_directory_keeps_for_itself_is_refused(name, below):
    with pytest.raises(SettingsError, match=rf"takes the name {name}, which tintype keeps for itself: give another"):
        check_outpath(name + below)


@pytest.mark.parametrize("outpath", ["x" * 256, "a/" + "\u00e9" * 128, "\U0001f408" * 64 + "/a"])
def test_a_part_that_no_file_system_takes_is_refused(outpath):
    with pytest.raises(SettingsError, match="has a part of more than 255 bytes: shorten it"):
        check_outpath(outpath)


@pytest.mark.parametrize("name", [b"caf\xe9.jpg", b"a/\xff"])
def test_bytes_that_are_not_utf8_are_refused_and_shown(name):
    shown = name.decode("utf-8", "backslashreplace").replace("\\", r"\\")
    with pytest.raises(
        SettingsError, match=rf"the name {shown} holds bytes that are not UTF-8: rename it, with convmv"
    ):
        check_outpath(os.fsdecode(name))


@given(st.text() | st.lists(parts_of_paths).map("/".join) | st.lists(parts_of_paths).map("".join))
def test_an_accepted_path_stays_in_the_folder_and_can_be_written(tmp_path_factory, outpath):
    try:
        check_outpath(outpath)
    except SettingsError:
        return
    folder = "/data/interim/Photos"
    assert os.path.normpath(f"{folder}/{outpath}") == f"{folder}/{outpath}"
    assert Path(folder, outpath).is_relative_to(folder)
    assert Path(folder, outpath).relative_to(folder).as_posix() == outpath
    assert not outpath.startswith(("_stamp.json/", "_manifest.parquet/"))
    if "/" not in outpath:
        file = tmp_path_factory.getbasetemp() / outpath
        file.write_bytes(b"")
        assert outpath in os.listdir(file.parent)
        file.unlink()


@given(st.binary())
def test_any_name_can_be_shown(name):
    printable(os.fsdecode(name)).encode()


@pytest.mark.parametrize("n_files", [0, 1, 50])
def test_every_file_of_a_tree_is_found_once(tmp_path, n_files):
    names = [f"{'sub/' * (number % 4)}{number}.txt" for number in range(n_files)]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty" / "folder").mkdir(parents=True)
    assert sorted(outpath for outpath, _ in walk_files(tmp_path)) == sorted(names)


def test_the_entry_is_that_of_the_file(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_text("12345")
    ((outpath, entry),) = walk_files(str(tmp_path))
    assert (outpath, entry.path, entry.stat().st_size) == ("a/b.txt", f"{tmp_path}/a/b.txt", 5)


def test_links_are_files_whatever_they_lead_to(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.txt").touch()
    for name, leads_to in {
        "folder": tmp_path / "elsewhere",
        "nothing": "absent",
        "itself": "itself",
        "up": "..",
    }.items():
        (tmp_path / "in" / name).symlink_to(leads_to)
    assert sorted(outpath for outpath, _ in walk_files(tmp_path / "in")) == ["folder", "itself", "nothing", "up"]


def test_a_missing_folder_has_no_files(tmp_path):
    assert list(walk_files(tmp_path / "absent")) == []


def test_a_folder_may_lose_its_files_while_they_are_walked(tmp_path):
    for number in range(200):
        (tmp_path / f"{number}").touch()
    for _, entry in walk_files(tmp_path):
        os.unlink(entry.path)
    assert os.listdir(tmp_path) == []
