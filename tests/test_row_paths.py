"""Output paths of rows: nothing leaves the directory, whatever a list holds."""

import re
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tintype.errors import RowSourceError, SettingsError
from tintype.manifest.schema import RESERVED_NAMES
from tintype.raw.row_paths import (
    MAX_NAME_BYTES,
    PathMaker,
    extension_for,
    make_outpath,
    safe_name,
    split_extension,
    spread,
    url_hash,
)
from tintype.targets.relative_paths import check_outpath

DIGITS = "[0-9a-f]{16}"


def assert_safe(path, n_parts):
    check_outpath(path)
    parts = path.split("/")
    assert len(parts) == n_parts
    for part in parts:
        assert part.isprintable()
        assert not re.search(r'[<>:"\\|?*]', part)
        assert part[0] not in ". "
        assert part[-1] not in ". "
        assert not re.match(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)", part)
        assert len(part.encode()) <= MAX_NAME_BYTES


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://h/cat.jpg", "cat.jpg"),
        ("https://h/a/b/cat.jpg", "cat.jpg"),
        ("https://h/a/cat.jpg#top", "cat.jpg"),
        ("https://h/cat", "cat"),
        ("https://h/big%20cat.jpg", "big cat.jpg"),
        ("https://h/caf%C3%A9.jpg", "café.jpg"),
        ("https://h/cafe%CC%81.jpg", "café.jpg"),
        ("https://h/..%2F..%2Fcat.jpg", "cat.jpg"),
        ("https://h/..%5C..%5Ccat.jpg", "cat.jpg"),
        ("https://h/.htaccess", "_.htaccess"),
        ("https://h/.jpg", "_.jpg"),
        ("https://h/a%3Ab%3Cc%3E.jpg", "a_b_c_.jpg"),
        ("https://h/a%00b%0A.jpg", "a_b_.jpg"),
        ("https://h/a%E2%80%AEgpj.exe", "a_gpj.exe"),
        ("https://h/cat.jpg.", "cat.jpg_"),
        ("https://h/cat.jpg%20", "cat.jpg_"),
        ("https://h/NUL", "NUL_"),
        ("https://h/con.jpg", "con_.jpg"),
        ("https://h/console.jpg", "console.jpg"),
        ("https://h/_manifest.parquet", "__manifest.parquet"),
        ("s3://bucket/a/cat.jpg", "cat.jpg"),
        ("a/cat.jpg", "cat.jpg"),
        ("https://[h/cat.jpg", "cat.jpg"),
    ],
)
def test_the_name_is_the_last_part_of_the_url_made_safe(url, name):
    assert safe_name(url) == name
    assert make_outpath({"url": url}) == name


@pytest.mark.parametrize(
    "url",
    [
        "https://h",
        "https://h/",
        "https://h/a/",
        "https://h/%2e%2e",
        "https://h/.",
        "https://h/%20",
        "",
        "https://h?a=b.jpg",
    ],
)
def test_a_url_without_a_name_is_named_by_its_hash(url):
    assert safe_name(url) == url_hash(url)
    assert re.fullmatch(DIGITS, safe_name(url))


@pytest.mark.parametrize("name", ["cat.jpg", "cat", "caf%C3%A9.jpg"])
def test_urls_that_differ_only_in_the_query_have_different_names(name):
    names = {safe_name(f"https://h/{name}?w={width}") for width in range(100)}
    assert len(names) == 100
    stem, extension = ("café" if "%" in name else "cat"), (".jpg" if "." in name else "")
    assert all(re.fullmatch(rf"{stem}-{DIGITS}{re.escape(extension)}", found) for found in names)


def test_a_long_name_is_cut_and_keeps_its_extension():
    first, second = (safe_name(f"https://h/{'long' * 100}{end}.jpeg") for end in "ab")
    assert first != second
    assert re.fullmatch(rf"(long)+l?o?n?-{DIGITS}\.jpeg", first)
    assert len(first) == MAX_NAME_BYTES


def test_a_long_name_is_cut_between_characters():
    name = safe_name("https://h/" + quote("猫" * 100) + ".jpeg?w=1")
    assert re.fullmatch(rf"猫+-{DIGITS}\.jpeg", name)
    assert MAX_NAME_BYTES - 3 < len(name.encode()) <= MAX_NAME_BYTES


@given(st.text(), st.text())
@example("..", "..")
@example("%2e%2e", "")
@example("\ud800", "a=\udfff")
@example("a" * 101 + ".", "")
@example("_stamp.json", "")
@example("NUL", "")
def test_no_url_leaves_the_directory(path, query):
    for url in (path, f"https://h/{path}", f"https://h/{quote(path, errors='replace')}", f"https://h/{path}?{query}"):
        assert_safe(make_outpath({"url": url}), 1)
        assert make_outpath({"url": url}) == make_outpath({"url": url})


@given(st.text(), st.one_of(st.text(), st.integers(), st.floats(), st.booleans()), st.text())
@example("..", "..", "../..")
@example("/etc", "/", "\\..\\")
@example("_manifest.parquet", "", "")
@example("\ud800", "\0", "\n")
def test_no_value_adds_a_part_or_leaves_the_directory(first, second, path):
    row = {"url": f"https://h/{path}", "first": first, "second": second}
    make = PathMaker("{first}/{second}_{name}", columns=["first", "second"])
    assert_safe(make(row), 2)
    assert make(row) == make(dict(row))
    assert_safe(PathMaker("{first}", columns=["first"])(row), 1)
    assert_safe(PathMaker("{first}../{second}.{ext}", columns=["first", "second"])(row), 2)


@given(st.text(min_size=1))
@example("../x")
@example("/etc/passwd")
@example("a//b")
@example("a/\0")
@example("_stamp.json")
@example("\ud800")
def test_a_path_of_the_list_is_taken_as_it_is_or_refused(path):
    row = {"url": "https://h/a.jpg", "path": path}
    if can_be_written(path):
        assert make_outpath(row) == path
    else:
        with pytest.raises(RowSourceError, match=r"the row of https://h/a\.jpg: "):
            make_outpath(row)


def can_be_written(path):
    try:
        check_outpath(path)
    except (SettingsError, UnicodeEncodeError):
        return False
    return True


@pytest.mark.parametrize("empty", [None, ""])
def test_the_path_counts_first_then_the_template_then_the_url(empty):
    row = {"url": "https://h/a.jpg", "path": "b/c.jpg", "label": "cat"}
    assert make_outpath(row, template="{label}") == "b/c.jpg"
    assert make_outpath({**row, "path": empty}, template="{label}") == "cat"
    assert make_outpath({**row, "path": empty}) == "a.jpg"


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{retailer}/{product_id}_{name}", "shop/7_big cat.jpg"),
        ("{retailer}/{product_id:05}{ext}", "shop/00007.jpg"),
        ("{stem}-{retailer}{ext}", "big cat-shop.jpg"),
        ("{url_hash:.2}/{name}", url_hash("https://h/big%20cat.jpg")[:2] + "/big cat.jpg"),
        ("{{{retailer}}}.jpg", "{shop}.jpg"),
        ("{bad}/{name}", ".._a/big cat.jpg"),
        ("{odd}", "a_b_c"),
        ("{price:.1f}{ext}", "2.5.jpg"),
        ("{empty}/{name}", "_/big cat.jpg"),
        ("{a.b}/{name}", "dotted/big cat.jpg"),
    ],
)
def test_a_template_is_filled_from_columns_and_url(template, path):
    row = {
        "url": "https://h/big%20cat.jpg",
        "retailer": "shop",
        "product_id": 7,
        "bad": "../a",
        "odd": "a/b\\c",
        "price": 2.5,
        "empty": "",
        "a.b": "dotted",
    }
    expected = path.replace(".._a", "_.._a")
    assert PathMaker(template, columns=row.keys() - {"url"})(row) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{colour}/{name}", "names 'colour', which is no column; there are: label, id, name, stem, ext, url_hash"),
        ("{label.__class__}", "names 'label.__class__', which is no column"),
        ("{label[0]}", "names .*, which is no column"),
        ("{}", "names '', which is no column"),
        ("{label", "cannot be read .*: close every brace"),
        ("{label!r}", "converts 'label'"),
        ("{id:{label}}", "converts 'id'"),
        ("../{name}", "gives no path inside the directory"),
        ("/{name}", "gives no path inside the directory"),
        ("{label}//{name}", "gives no path inside the directory"),
        ("_stamp.json/{name}", "gives no path inside the directory"),
        ("all.jpg", "gives every row the same path"),
        ("", "gives every row the same path"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_at_the_start(template, message):
    with pytest.raises(SettingsError, match=message):
        PathMaker(template, columns=["label", "id"])


def test_a_column_that_hides_the_urls_name_is_refused_only_when_it_is_used():
    assert PathMaker("{url_hash}", columns=["name"])({"url": "u", "name": "x"}) == url_hash("u")
    with pytest.raises(SettingsError, match="names 'name', which is a column and also what is made of the URL"):
        PathMaker("{name}", columns=["name"])


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{label}/{name}", "the row of https://h/a.jpg has no label, which its path is made of"),
        ("{id:03d}", r"id = 'x' does not go with the template's \{id:03d\} .*: change the format"),
    ],
)
def test_a_row_that_does_not_fill_the_template_is_named(template, message):
    make = PathMaker(template, columns=["label", "id"])
    with pytest.raises(RowSourceError, match=message):
        make({"url": "https://h/a.jpg", "label": None, "id": "x"})


@pytest.mark.parametrize(
    ("n_rows", "n_parts"), [(0, 1), (1, 1), (10_000, 1), (10_001, 2), (2_500_000, 2), (2_500_001, 3), (10_000_000, 3)]
)
def test_names_of_urls_are_spread_over_folders_when_there_are_many(n_rows, n_parts):
    path = make_outpath({"url": "https://h/cat.jpg"}, n_rows=n_rows)
    *folders, name = path.split("/")
    assert name == "cat.jpg"
    assert len(folders) == n_parts - 1
    assert all(re.fullmatch("[0-9a-f]{2}", folder) for folder in folders)


def test_no_folder_holds_much_more_than_its_share():
    folders: dict[str, int] = {}
    for number in range(20_000):
        folder = spread(f"item_{number:07d}.jpg", 20_000).split("/")[0]
        folders[folder] = folders.get(folder, 0) + 1
    assert len(folders) == 256
    assert max(folders.values()) < 2 * 20_000 / 256


def test_templates_and_paths_of_the_list_are_not_spread():
    row = {"url": "https://h/cat.jpg", "path": "a.jpg"}
    assert make_outpath(row, n_rows=10**6) == "a.jpg"
    assert make_outpath({**row, "path": None}, template="{name}", n_rows=10**6) == "cat.jpg"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("cat.jpg", ("cat", ".jpg")),
        ("a.tar.gz", ("a.tar", ".gz")),
        ("cat", ("cat", "")),
        ("cat.", ("cat.", "")),
        ("cat.not an extension", ("cat.not an extension", "")),
        ("cat.abcdefghijk", ("cat.abcdefghijk", "")),
        (".jpg", (".jpg", "")),
    ],
)
def test_an_extension_is_a_dot_and_a_few_letters_or_digits(name, parts):
    assert split_extension(name) == parts


@pytest.mark.parametrize(
    ("content_type", "extension"),
    [
        ("image/jpeg", ".jpg"),
        ("IMAGE/PNG; q=1", ".png"),
        ("image/webp", ".webp"),
        ("application/octet-stream", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_the_extension_of_a_content_type_comes_from_a_fixed_list(content_type, extension):
    assert extension_for(content_type) == extension


def test_names_the_directory_keeps_are_never_made():
    for name in RESERVED_NAMES:
        assert make_outpath({"url": f"https://h/{name}"}) == f"_{name}"
        assert make_outpath({"url": "u", "a": name}, template="{a}/x") == f"_{name}/x"
