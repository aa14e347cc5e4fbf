"""The errors of a manifest's rows, counted by what they have in common."""

from __future__ import annotations

import re
from collections import Counter

from tintype.manifest.rows import ManifestView

SUMMARY_COLUMNS = ("rows", "error_type", "error", "first_inpath")

_MOST_KINDS = 10_000
_MOST_CHARACTERS = 120
_VARYING = (
    (re.compile(r"""(?<![\w'"])('[^']*'|"[^"]*")"""), "'...'"),
    (re.compile(r"\S*/\S*/[^\s:,;]*|[^\s/]+/[^\s/]+\.\w+"), "..."),  # a path or a URL, not image/png
    (
        re.compile(
            r"\b0x[0-9a-fA-F]+|(?<!HTTP )(?<!answered )(?<!Errno )(?<!status )(?<!code )(?<![\w.])\d+(?:[.,]\d+)*\b"
        ),
        "#",
    ),
)


def summarize_errors(rows: ManifestView) -> list[tuple[int, str | None, str | None, str | None]]:
    """Return how many rows have which error, most frequent first.

    Parameters
    ----------
    rows
        Of which all count.

    Returns
    -------
    list of tuple
        Number of rows, error type, message as of :func:`shorten`, and input path of the first row. Above 10,000 kinds
        of errors the rest is one, with neither type nor message.
    """
    counts: Counter[tuple[str | None, str | None]] = Counter()
    examples: dict[tuple[str | None, str | None], str | None] = {}
    for batch in rows.batches(["inpath", "error_type", "error"]):
        for inpath, error_type, error in zip(
            *(batch.column(name).to_pylist() for name in ("inpath", "error_type", "error")), strict=True
        ):
            kind = (error_type, None if error is None else shorten(error))
            if kind not in examples and len(examples) >= _MOST_KINDS:
                kind = (None, None)
            examples.setdefault(kind, inpath)
            counts[kind] += 1
    return [(n_rows, *kind, examples[kind]) for kind, n_rows in counts.most_common()]


def shorten(message: str) -> str:
    """Return the first line of a message without what differs from file to file: quoted text, paths, numbers.

    Examples
    --------
    >>> shorten("invalid literal for int() with base 10: 'two'")
    "invalid literal for int() with base #: '...'"
    >>> shorten("https://example.org/cats/7.png answered 404 after 1.5 seconds")
    '... answered 404 after # seconds'
    """
    line = message.strip().partition("\n")[0]
    for pattern, sign in _VARYING:
        line = pattern.sub(sign, line)
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 3]}..."
