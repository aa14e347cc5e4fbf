"""Behaviour of tintype.path_funcs."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.errors import SettingsError
from tintype.path_funcs import (
    combine_outdir_dirname_extension,
    find_files,
    find_image_files,
    join_outdir_filename_extension,
    join_outdir_hashed_path_extension,
    keep_relative_to,
    pair_files,
    replace_dir,
    walk_files,
)


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize(
    ("path", "extension", "expected"),
    [
        ("foo.jpg", None, "bar/foo.jpg"),
        ("a/foo.jpg", ".png", "bar/foo.png"),
        ("a/foo.jpg", "png", "bar/foo.png"),
        ("a/foo.tar.gz", ".png", "bar/foo.tar.png"),
        ("/a/b/foo", ".png", "bar/foo.png"),
        ("a/.foo", "png", "bar/.foo.png"),
        ("a/foo.jpg?w=1", None, "bar/foo.jpg?w=1"),
        ("https://h/a/foo.jpg?w=320", ".png", "bar/foo.png"),
        ("https://h/a/foo.jpg?w=320#top", None, "bar/foo.jpg"),
        ("https://h/a/big%20cat.jpg", None, "bar/big cat.jpg"),
        ("https://h/a/..%2F..%2Fcat.jpg", None, "bar/cat.jpg"),
        ("s3://bucket/a/foo.jpg", None, "bar/foo.jpg"),
    ],
)
def test_filename_goes_to_the_folder_with_the_extension(kind, path, extension, expected):
    assert join_outdir_filename_extension(kind(path), kind("bar"), extension) == Path(expected)


@pytest.mark.parametrize(
    "path", ["", ".", "..", "a/..", "https://h", "https://h/", "https://h/a/%2e%2e", "https://h/%00"]
)
@pytest.mark.parametrize(
    "path_func",
    [
        combine_outdir_dirname_extension,
        join_outdir_filename_extension,
        join_outdir_hashed_path_extension,
        replace_dir,
    ],
    ids=lambda f: f.__name__,
)
def test_a_path_without_a_name_is_refused(path_func, path):
    with pytest.raises(SettingsError, match="does not end in a file's name"):
        path_func(path, "bar")


def test_a_url_that_is_none_is_refused():
    with pytest.raises(SettingsError, match=r"'https://\[h/a.jpg' is no URL"):
        join_outdir_filename_extension("https://[h/a.jpg", "bar")


@pytest.mark.parametrize("extension", ["", ".", "a/b", "/../../x", "p\0ng"])
@pytest.mark.parametrize(
    "path_func",
    [combine_outdir_dirname_extension, join_outdir_filename_extension, join_outdir_hashed_path_extension],
)
def test_an_extension_that_is_none_is_refused(path_func, extension):
    with pytest.raises(SettingsError, match=r"is no extension: give one such as '\.png'"):
        path_func("foo.jpg", "bar", extension)


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize(
    ("path", "extension", "expected"),
    [
        ("cats/1.jpg", None, "bar/cats/1.jpg"),
        ("data/raw/cats/1.jpg", ".png", "bar/cats/1.png"),
        ("/data/cats/1.tar.gz", "png", "bar/cats/1.tar.png"),
        ("./cats.v2/1", "png", "bar/cats.v2/1.png"),
        ("1.jpg", None, "bar/1.jpg"),
        ("./1.jpg", None, "bar/1.jpg"),
        ("/1.jpg", None, "bar/1.jpg"),
        ("https://h/pets/cats/1.jpg?w=320#top", ".png", "bar/cats/1.png"),
        ("https://h/big%20cats/1.jpg", None, "bar/big cats/1.jpg"),
        ("https://h/1.jpg", None, "bar/1.jpg"),
        ("s3://bucket/cats/1.jpg", None, "bar/cats/1.jpg"),
        ("s3://bucket/1.jpg", None, "bar/1.jpg"),
        ("file:///data/cats/1.jpg", None, "bar/cats/1.jpg"),
        ("file:///data/1.jpg", None, "bar/data/1.jpg"),
    ],
)
def test_a_file_stays_in_a_folder_of_the_same_name(kind, path, extension, expected):
    assert combine_outdir_dirname_extension(kind(path), kind("bar"), extension) == Path(expected)


@pytest.mark.parametrize("path", ["../1.jpg", "a/../1.jpg", "https://h/%2e%2e/1.jpg", "https://h/a%00b/1.jpg"])
def test_a_folder_that_leads_out_is_refused(path):
    with pytest.raises(SettingsError, match=r"does not say what its folder is called: give a path without '\.\.'"):
        combine_outdir_dirname_extension(path, "bar")


@given(st.text(min_size=1).map(lambda text: f"https://h/{text}"))
def test_no_url_leads_out_of_the_folder_below(url):
    try:
        path = combine_outdir_dirname_extension(url, "/data/out", "png")
    except SettingsError:
        return
    assert Path(os.path.normpath(path)) == path
    assert Path("/data/out") in (path.parent, path.parent.parent)


@given(st.text(min_size=1).map(lambda text: f"https://h/{text}"))
def test_no_url_leads_out_of_the_folder(url):
    try:
        path = join_outdir_filename_extension(url, "/data/out", "png")
    except SettingsError:
        return
    assert path.parent == Path("/data/out")
    assert Path(os.path.normpath(path)).parent == Path("/data/out")


@pytest.mark.parametrize("kind", [str, Path])
def test_hashed_name_keeps_folder_and_extension_and_hides_the_stem(kind):
    path = join_outdir_hashed_path_extension(kind("a/foo.jpg"), "bar", "png")
    assert (path.parent, path.suffix) == (Path("bar"), ".png")
    assert path.stem != "foo"
    assert path == join_outdir_hashed_path_extension("a/foo.jpg", "bar", ".png")
    assert join_outdir_hashed_path_extension(kind("a/foo.jpg"), "bar").suffix == ".jpg"


def test_hashed_names_differ_by_folder_and_by_query():
    paths = ["a/foo.jpg", "b/foo.jpg", "foo.jpg", "https://h/foo.jpg", "https://h/foo.jpg?w=1", "https://h/foo.jpg?w=2"]
    assert len({join_outdir_hashed_path_extension(path, "bar", "png") for path in paths}) == len(paths)


def test_hashed_names_are_equal_for_two_spellings_of_a_path():
    names = {join_outdir_hashed_path_extension(path, "bar") for path in ("a/foo.jpg", "./a/foo.jpg", "a//foo.jpg")}
    assert len(names) == 1


def test_hashed_url_keeps_its_extension_without_the_query():
    assert join_outdir_hashed_path_extension("https://h/foo.jpg?w=3.5", "bar").suffix == ".jpg"


@pytest.mark.parametrize("kind", [str, Path])
def test_replace_dir_keeps_the_name(kind):
    assert replace_dir(kind("a/b/foo.tar.gz"), kind("bar")) == Path("bar/foo.tar.gz")


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize(
    ("path", "folder", "extension", "expected"),
    [
        ("in/foo.jpg", "in", None, "out/foo.jpg"),
        ("in/a/b/foo.jpg", "in/", ".png", "out/a/b/foo.png"),
        ("/data/in/a/foo.jpg", "/data/in", "png", "out/a/foo.png"),
        ("a/foo.jpg", ".", None, "out/a/foo.jpg"),
    ],
)
def test_a_file_keeps_its_place_below_the_folder(kind, path, folder, extension, expected):
    assert keep_relative_to(kind(path), kind(folder), kind("out"), extension) == Path(expected)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("other/foo.jpg", "other/foo.jpg is not below in"),
        ("/data/in/foo.jpg", "is not below in"),
        ("input/foo.jpg", "is not below in"),
        ("in/../foo.jpg", "is not a file below in: give a path without '..'"),
        ("in", "is not a file below in"),
    ],
)
def test_a_path_outside_the_folder_is_refused(path, message):
    with pytest.raises(SettingsError, match=message):
        keep_relative_to(path, "in", "out")


@pytest.fixture
def tree(tmp_path):
    names = ["fake00.txt", "fake01.png", "fake02.JPG", "a.txt", "a/z.png", "b/temp20/fake30.pdf", "b/temp20/fake31.BMP"]
    hidden = [".hidden.png", ".tmp/fake99.png", "b/.cache/x.png"]
    for name in [*names, *hidden, "b/temp20/fake32.txt", "b/x.tar.gz"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def list_names(paths, folder):
    return [path.relative_to(folder).as_posix() for path in paths]


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        ("pdf", ["b/temp20/fake30.pdf"]),
        (".PDF", ["b/temp20/fake30.pdf"]),
        (["txt"], ["a.txt", "b/temp20/fake32.txt", "fake00.txt"]),
        ({"jpg", ".bmp"}, ["b/temp20/fake31.BMP", "fake02.JPG"]),
        ("tar.gz", ["b/x.tar.gz"]),
        ("doc", []),
        ([], []),
    ],
)
def test_files_are_found_by_extension(tree, kind, extensions, expected):
    assert list_names(find_files(kind(tree), extensions), tree) == expected


def test_all_visible_files_are_found_in_the_order_of_sorted_paths(tree):
    found = find_files(tree)
    assert len(found) == 9
    assert found == sorted(found)
    assert list(walk_files(tree)) == found


def test_image_files_are_found(tree):
    assert list_names(find_image_files(tree), tree) == ["a/z.png", "b/temp20/fake31.BMP", "fake01.png", "fake02.JPG"]


def test_an_empty_folder_holds_no_files(tree):
    assert find_files(tree / "empty") == []


def test_links_to_files_are_found_even_broken_ones_and_links_to_folders_are_not_followed(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "real.png").touch()
    (tmp_path / "in" / "good.png").symlink_to(tmp_path / "real.png")
    (tmp_path / "in" / "broken.png").symlink_to(tmp_path / "missing.png")
    (tmp_path / "in" / "loop.png").symlink_to(tmp_path / "in" / "loop.png")
    (tmp_path / "in" / "folder.png").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "in" / "pipe.png")
    assert list_names(find_files(tmp_path / "in"), tmp_path / "in") == ["broken.png", "good.png", "loop.png"]


def test_a_missing_folder_is_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing is no folder, so no files can be found in it"):
        walk_files(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="missing is no folder"):
        find_image_files(tmp_path / "missing")


def test_a_file_in_place_of_a_folder_is_an_error(tree):
    with pytest.raises(NotADirectoryError, match=r"fake00\.txt is no folder"):
        find_files(tree / "fake00.txt")


def test_an_empty_extension_is_an_error(tree):
    with pytest.raises(SettingsError, match="'' is no extension"):
        find_files(tree, "")


def write_files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_of_several_folders_are_paired_by_relative_path_without_extension(tmp_path):
    write_files(tmp_path / "images", "b/1.jpg", "a/1.jpg", "a/2.png")
    write_files(tmp_path / "masks", "a/1.png", "a/2.png", "b/1.png")
    assert [
        tuple(str(path.relative_to(tmp_path)) for path in pair)
        for pair in pair_files(tmp_path / "images", str(tmp_path / "masks"))
    ] == [("images/a/1.jpg", "masks/a/1.png"), ("images/a/2.png", "masks/a/2.png"), ("images/b/1.jpg", "masks/b/1.png")]


def test_a_file_without_a_partner_is_named_or_left_out(tmp_path):
    write_files(tmp_path / "images", "1.jpg", "2.jpg", "3.jpg")
    write_files(tmp_path / "masks", "1.png", "4.png")
    with pytest.raises(SettingsError, match=r"images/2\.jpg has no partner in .*masks \(3 of 4 have none\): add it"):
        pair_files(tmp_path / "images", tmp_path / "masks")
    [pair] = pair_files(tmp_path / "images", tmp_path / "masks", unmatched="drop")
    assert [path.name for path in pair] == ["1.jpg", "1.png"]


def test_two_files_that_differ_in_their_extensions_alone_are_refused(tmp_path):
    write_files(tmp_path / "images", "1.jpg", "1.png")
    with pytest.raises(SettingsError, match=r"1\.jpg and .*1\.png differ in their extensions alone: leave one out"):
        pair_files(tmp_path / "images", tmp_path / "images")


def test_folders_without_files_give_no_pairs(tmp_path):
    assert pair_files(tmp_path, tmp_path) == []
