"""Figures and rows of text, as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from tintype.recipe import Reason
from tintype.tasks.naming import show_path

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def describe_size(size_bytes: int) -> str:
    """Return a number of bytes with three digits or so.

    Examples
    --------
    >>> describe_size(999), describe_size(12_345), describe_size(7_400_000_000)
    ('999 B', '12.3 kB', '7.4 GB')
    """
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"


def describe_age(time_published: str, now: datetime | None = None) -> str:
    """Return how long ago a time was, in its largest unit; "now" when it is less than a minute.

    Parameters
    ----------
    time_published
        UTC, ISO 8601.
    now
        What it is compared with; the time as it is now when None.

    Examples
    --------
    >>> describe_age("2026-01-01T00:00:00+00:00", datetime(2026, 1, 2, 12, tzinfo=UTC))
    '1 day'
    """
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(time_published)).total_seconds()
    for length, unit in _UNITS:
        n_units = int(seconds // length)
        if n_units >= 1:
            return f"{n_units} {unit}{'s' if n_units > 1 else ''}"
    return "now"


def describe_error(error: BaseException) -> str:
    """Return an error in one line: its message alone where it is one of ours and a sentence, else with its type.

    Examples
    --------
    >>> describe_error(KeyError("label"))
    "KeyError: 'label'"
    """
    text = " ".join(str(error).split())
    name = type(error).__name__
    return show_path(f"{name}: {text}" if text else name)


def align(rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return rows of cells as lines with columns of one width.

    Parameters
    ----------
    rows
        All of one length.
    right
        Numbers of the columns that stand at the right.

    Examples
    --------
    >>> print(align([("a", "1"), ("bcd", "10")], right=[1]))
    a     1
    bcd  10
    """
    held = list(rows)
    widths = [max(map(len, column)) for column in zip(*held, strict=True)]
    return "\n".join(
        "  ".join(
            f"{cell:>{width}}" if place in right else f"{cell:<{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in held
    )


def reason_to_json(reason: Reason) -> dict[str, Any]:
    """Return a reason as plain values."""
    return {
        "trigger": reason.trigger,
        "text": reason.text,
        "name": reason.name,
        "before": reason.before,
        "after": reason.after,
    }
