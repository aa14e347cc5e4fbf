"""Output paths of rows: from a column, from a template over the columns, or a safe name from the URL."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from hashlib import sha256
from string import Formatter
from typing import Any
from urllib.parse import unquote, urlsplit

from tintype.errors import RowSourceError, SettingsError
from tintype.manifest.schema import RESERVED_NAMES
from tintype.targets.relative_paths import check_outpath

MAX_NAME_BYTES = 120
"""Names made here are no longer, so that an extension still fits, and a path of several into a system's limit."""

HASH_DIGITS = 16
"""Hexadecimal digits of a URL's SHA-256: two of ten million URLs share them once in 370,000 lists."""

NAME_FIELDS = ("name", "stem", "ext", "url_hash")
"""What a template may hold beside columns: the safe name of the URL and its parts, and a hash of the URL."""

SPREAD_ABOVE = 10_000
SPREAD_DEEPER_ABOVE = 2_500_000

_HEX = tuple(f"{number:02x}" for number in range(256))

_DEVICE = r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])"  # of Windows, with any extension
# What most names are: nothing to mend, and short. The last character is no dot or blank, the first no dot.
_PLAIN_NAME = rf"(?!(?i:{_DEVICE})(?:[./]|\Z))[A-Za-z0-9][\w.+=@~ -]{{0,100}}(?<![. ])"
_PLAIN_URL = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*://[^/?#\s]+/(?:[^?#]*/)?({_PLAIN_NAME})", re.ASCII)
_PLAIN_PATH = re.compile(rf"(?:{_PLAIN_NAME}/)*{_PLAIN_NAME}", re.ASCII)
_EXTENSION = re.compile(r"(?<=[^.])\.[A-Za-z0-9]{1,10}\Z")
_HOSTILE = re.compile(r'[<>:"/\\|?*]')
_DEVICE_NAME = re.compile(rf"(?i:{_DEVICE})(?=\.|\Z)")

_EXTENSIONS = {
    "application/gzip": ".gz",
    "application/json": ".json",
    "application/pdf": ".pdf",
    "application/x-tar": ".tar",
    "application/zip": ".zip",
    "image/apng": ".png",
    "image/avif": ".avif",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/heic": ".heic",
    "image/heif": ".heif",
    "image/jp2": ".jp2",
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "image/jxl": ".jxl",
    "image/pjpeg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "image/tiff": ".tif",
    "image/vnd.microsoft.icon": ".ico",
    "image/webp": ".webp",
    "image/x-icon": ".ico",
    "image/x-ms-bmp": ".bmp",
    "image/x-png": ".png",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/plain": ".txt",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
}


def make_outpath(row: Mapping[str, Any], *, template: str | None = None, n_rows: int = 0) -> str:
    """Return the output path of one row; for many rows make a :class:`PathMaker` once.

    Parameters
    ----------
    row
        With ``url``, and what else the path is made of.
    template
        As for :class:`PathMaker`; a name in braces that the row does not have is an error.
    n_rows
        Rows of the whole list.

    Raises
    ------
    SettingsError
        When the template cannot be used.
    RowSourceError
        When the row's own path, or a value for the template, cannot be used.

    Examples
    --------
    >>> make_outpath({"url": "https://example.com/photos/big%20cat.jpg?w=320"})
    'big cat-b188b3b117ea4afc.jpg'
    >>> make_outpath({"url": "https://example.com/1.jpg", "shop": "A/B", "id": 7}, template="{shop}/{id:04}{ext}")
    'A_B/0007.jpg'
    """
    return PathMaker(template, columns=row.keys(), n_rows=n_rows)(row)


class PathMaker:
    """Makes the output path of each row of a list.

    The row's own ``path`` counts first, as it is. Else the template. Else the name of the URL, in sub-folders when
    there are more than 10,000 rows, see :func:`spread`.

    Parameters
    ----------
    template
        A path with names in braces: columns, ``{name}``, the safe name of the URL, its parts ``{stem}`` and ``{ext}``
        (with its dot, or nothing), and ``{url_hash}``, 16 hexadecimal digits of the URL's SHA-256. A format may follow
        a colon: ``{url_hash:.2}`` is its first two. Sub-folders are made by the slashes of the template, never by a
        value.
    columns
        The columns that every row has.
    n_rows
        Rows of the whole list.

    Raises
    ------
    SettingsError
        When the template names what there is not, or cannot be used for another reason.

    Examples
    --------
    >>> make = PathMaker("{retailer}/{product_id}_{name}", columns=["retailer", "product_id"])
    >>> make({"url": "https://example.com/front.jpg", "retailer": "shoes & more", "product_id": 12})
    'shoes & more/12_front.jpg'
    """

    def __init__(self, template: str | None = None, *, columns: Collection[str] = (), n_rows: int = 0) -> None:
        self._n_rows = n_rows
        self._template = None if template is None else _Template(template, columns)

    def __call__(self, row: Mapping[str, Any]) -> str:
        """Return the path of one row, relative to the stage's directory.

        Raises
        ------
        RowSourceError
            When the row's own path leads out of the directory or cannot be written, or when it has no value for the
            template.
        """
        own = row.get("path")
        if own:
            try:
                check_outpath(own)
            except (SettingsError, UnicodeEncodeError) as error:
                raise RowSourceError(f"the row of {row['url']}: {error}") from None
            return str(own)
        if self._template is not None:
            return self._template.fill(row)
        return spread(safe_name(row["url"]), self._n_rows)


def safe_name(url: str) -> str:
    """Return a file's name for a URL, that is safe on every system; the same URL gives the same name everywhere.

    It is the last part of the URL's path, percent-decoded. A URL with a query gets 16 hexadecimal digits of its SHA-256
    before the extension, so that URLs that differ only in the query have different names. What has no name is named by
    the digits alone. A leading dot is put behind ``_``; control characters, and what Windows does not allow, become
    ``_``; a name of more than 120 bytes is cut, and ends in the digits and its extension.

    Parameters
    ----------
    url
        Any text; a path too.

    Examples
    --------
    >>> safe_name("https://example.com/photos/cat.jpg")
    'cat.jpg'
    >>> safe_name("https://example.com/image?id=7") != safe_name("https://example.com/image?id=8")
    True
    >>> safe_name("https://example.com/..%2f..%2fetc/.passwd")
    '_.passwd'
    """
    plain = _PLAIN_URL.fullmatch(url)
    return plain.group(1) if plain else _make_safe_name(url)


def _make_safe_name(url: str) -> str:
    try:
        parts = urlsplit(url)
        path, query = parts.path, parts.query
    except ValueError:  # a bracket in the wrong place, for example
        path, query = url.partition("?")[::2]
    name = unquote(path).replace("\\", "/").rpartition("/")[2]
    if name.strip(". ") == "":
        return url_hash(url)
    if not query:
        return _mend_part(name)
    stem, extension = split_extension(_mend(name))
    return _join(stem, url_hash(url), extension)


def url_hash(url: str) -> str:
    """Return 16 hexadecimal digits of a URL's SHA-256.

    Examples
    --------
    >>> url_hash("https://example.com/")
    '0f115db062b7c0dd'
    """
    return sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]


def split_extension(name: str) -> tuple[str, str]:
    """Return a name without and its extension: a dot and up to ten letters and digits, or nothing.

    Examples
    --------
    >>> split_extension("cat.jpg"), split_extension("v1.0 of the cat")
    (('cat', '.jpg'), ('v1.0 of the cat', ''))
    """
    found = _EXTENSION.search(name)
    return (name[: found.start()], found.group()) if found else (name, "")


def extension_for(content_type: str | None) -> str:
    """Return the extension that files of a content type have, empty where none is known.

    The list is fixed, so that it is the same on every computer.

    Examples
    --------
    >>> extension_for("image/jpeg; charset=binary"), extension_for("application/octet-stream")
    ('.jpg', '')
    """
    return _EXTENSIONS.get((content_type or "").partition(";")[0].strip().lower(), "")


def spread(name: str, n_rows: int) -> str:
    """Return a name below sub-folders, so that none holds much more than 10,000 of a list's files.

    The sub-folders are digits of the name's CRC-32: up to 10,000 rows none, up to 2.5 million rows one level of 256,
    beyond that two levels.

    Parameters
    ----------
    name
        Without a slash.
    n_rows
        Rows of the whole list.

    Examples
    --------
    >>> spread("cat.jpg", 10_000), spread("cat.jpg", 10_001), spread("cat.jpg", 10_000_000)
    ('cat.jpg', '00/cat.jpg', '00/08/cat.jpg')
    """
    if n_rows <= SPREAD_ABOVE:
        return name
    number = zlib.crc32(name.encode())
    if n_rows <= SPREAD_DEEPER_ABOVE:
        return f"{_HEX[number & 255]}/{name}"
    return f"{_HEX[number & 255]}/{_HEX[number >> 8 & 255]}/{name}"


_NAME_FIELDS: dict[str, Callable[[str], str]] = {
    "name": safe_name,
    "stem": lambda url: split_extension(safe_name(url))[0],
    "ext": lambda url: split_extension(safe_name(url))[1],
    "url_hash": url_hash,
}


class _Template:
    """A path with names in braces, checked."""

    def __init__(self, template: str, columns: Collection[str]) -> None:
        self._pieces = _parse_template(template, columns)
        self._fields = [(name, _NAME_FIELDS.get(name)) for _, name, _ in self._pieces if name is not None]
        self._n_slashes = sum(literal.count("/") for literal, _, _ in self._pieces)
        # The same template with its fields in order instead of by name, which str.format fills quickest.
        self._in_order = "".join(
            literal.replace("{", "{{").replace("}", "}}") + ("" if name is None else f"{{:{spec}}}")
            for literal, name, spec in self._pieces
        )

    def fill(self, row: Mapping[str, Any]) -> str:
        """Return the path of one row, every part of it mended."""
        url = row["url"]
        values = [row.get(name) if make is None else make(url) for name, make in self._fields]
        if None in values:
            name = self._fields[values.index(None)][0]
            raise RowSourceError(f"the row of {url} has no {name}, which its path is made of: give it one")
        try:
            path = self._in_order.format(*values)
        except (ValueError, TypeError):
            return self._fill_with_care(url, values)  # which says for which of them
        if path.count("/") == self._n_slashes and _PLAIN_PATH.fullmatch(path):
            return path
        return self._fill_with_care(url, values)

    def _fill_with_care(self, url: str, values: list[Any]) -> str:
        filled = []
        remaining = iter(values)
        for literal, name, spec in self._pieces:
            filled.append(literal)
            if name is not None:
                filled.append(_HOSTILE.sub("_", _format(next(remaining), spec, name, url)))
        return "/".join(map(_mend_part, "".join(filled).split("/")))


def _parse_template(template: str, columns: Collection[str]) -> list[tuple[str, str | None, str]]:
    """Return text, name and format of each piece of a template, or say what is wrong with it."""
    about = f"the path template {template!r}"
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise SettingsError(f"{about} cannot be read ({error}): close every brace") from error
    for _, name, spec, conversion in pieces:
        if name is None:
            continue
        if name not in NAME_FIELDS and name not in columns:
            known = dict.fromkeys([*columns, *NAME_FIELDS])
            raise SettingsError(f"{about} names {name!r}, which is no column; there are: {', '.join(known)}")
        if name in NAME_FIELDS and name in columns:
            raise SettingsError(
                f"{about} names {name!r}, which is a column and also what is made of the URL: rename the column, or "
                "leave it out of keep_columns"
            )
        if conversion or (spec and "{" in spec):
            raise SettingsError(f"{about} converts {name!r}: give at most a format such as {{{name}:.20}}")
    parsed = [(literal, name, spec or "") for literal, name, spec, _ in pieces]
    if all(name is None for _, name, _ in parsed):
        raise SettingsError(f"{about} gives every row the same path: put a column or {{name}} in it")
    try:
        check_outpath("".join(literal + ("x" if name is not None else "") for literal, name, _ in parsed))
    except SettingsError as error:
        raise SettingsError(f"{about} gives no path inside the directory: {error}") from error
    return parsed


def _format(value: Any, spec: str, name: str, url: str) -> str:
    try:
        return format(value, spec)
    except (ValueError, TypeError) as error:
        raise RowSourceError(
            f"the row of {url}: {name} = {value!r} does not go with the template's {{{name}:{spec}}} ({error}): "
            "change the format, or declare the column's type"
        ) from None


@lru_cache(maxsize=1024)  # folders made of values come again and again
def _mend_part(part: str) -> str:
    """Return one part of a path as a name that is safe on every system; never empty, at most 120 bytes."""
    part = _mend(part)
    if len(part) <= MAX_NAME_BYTES // 4 or len(part.encode()) <= MAX_NAME_BYTES:
        return part
    stem, extension = split_extension(part)
    return _join(stem, url_hash(part), extension)


def _mend(part: str) -> str:
    """Return one part of a path with everything replaced that some system refuses or hides."""
    part = unicodedata.normalize("NFC", part)
    if not part.isprintable():  # control characters, and those that only change how others look
        part = "".join(character if character.isprintable() else "_" for character in part)
    part = _HOSTILE.sub("_", part)
    n_dropped = len(part) - len(part.rstrip(". "))  # Windows drops dots and blanks at the end
    part = part[: len(part) - n_dropped] + "_" * n_dropped
    if not part or part[0] in ". ":
        part = f"_{part.lstrip(' ')}"
    part = _DEVICE_NAME.sub(r"\g<0>_", part, count=1) if _DEVICE_NAME.match(part) else part
    return f"_{part}" if part in RESERVED_NAMES else part


def _join(stem: str, digits: str, extension: str) -> str:
    """Return a name of at most 120 bytes; the stem is cut to make room for the digits that stand for all of it."""
    end = f"-{digits}{extension}"
    return stem.encode()[: MAX_NAME_BYTES - len(end)].decode("utf-8", "ignore") + end
