"""How large the parts of a split are to be: fractions, counts, and what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose
from numbers import Integral, Real
from typing import Any

from tintype.errors import SettingsError
from tintype.manifest.schema import RESERVED_NAMES

PartSize = int | float | None
"""A count, a fraction from 0 to 1, or None for what the other parts leave."""

TOLERANCE = 1e-9
"""How far the sum of fractions may be from 1: 0.7, 0.2 and 0.1 add up to 0.9999999999999999."""


def check_parts(parts: Mapping[str, PartSize]) -> dict[str, PartSize]:
    """Return the parts in the order of their names, each size a plain int, float or None.

    The order in which they are written decides nothing: it is no part of a recipe.

    Parameters
    ----------
    parts
        Name and size of each part.

    Raises
    ------
    SettingsError
        When there is no part, a name cannot be a folder's, a size is none, or the fractions do not add up to 1.

    Examples
    --------
    >>> check_parts({"train": None, "valid": 200})
    {'train': None, 'valid': 200}
    """
    given: object = parts
    if not isinstance(given, Mapping) or not given:
        raise SettingsError(
            f"parts is {parts!r}: give the name and the size of each, as {{'train': 0.8, 'valid': 0.2}}"
        )
    checked = {_check_name(name): _check_size(name, size) for name, size in parts.items()}
    rest = [name for name, size in checked.items() if size is None]
    if len(rest) > 1:
        raise SettingsError(f"{rest[0]} and {rest[1]} are both to get what is left: give all parts but one a size")
    fractions = [size for size in checked.values() if isinstance(size, float)]
    if rest or len(fractions) < len(checked):
        if sum(fractions) > 1 - TOLERANCE and len(checked) > 1:
            raise SettingsError(f"the fractions in {dict(parts)} leave nothing to another part: make them smaller")
        if not rest and fractions:
            raise SettingsError(
                f"{dict(parts)} has fractions and counts, which add up by chance only: give one part None, for the rest"
            )
    elif not isclose(sum(fractions), 1, rel_tol=0, abs_tol=TOLERANCE):
        raise SettingsError(
            f"the fractions in {dict(parts)} add up to {sum(fractions):g}: make that 1, or give one part None, "
            "for the rest"
        )
    return dict(sorted(checked.items()))


def with_valid_size(valid_size: float) -> dict[str, PartSize]:
    """Return the parts of a split in train and valid, of which the size of valid is given.

    Examples
    --------
    >>> with_valid_size(200)
    {'train': None, 'valid': 200}
    """
    return {"train": None, "valid": valid_size}


def has_counts(parts: Mapping[str, PartSize]) -> bool:
    """Return whether one of the sizes is a count."""
    return any(isinstance(size, int) for size in parts.values())


def fractions_of(parts: Mapping[str, PartSize]) -> list[float]:
    """Return the fraction of each part, where none is a count.

    Examples
    --------
    >>> fractions_of({"train": None, "valid": 0.25})
    [0.75, 0.25]
    """
    rest = 1 - sum(size for size in parts.values() if size is not None)
    return [rest if size is None else size for size in parts.values()]


def count_sizes(parts: Mapping[str, PartSize], n_units: int, unit: str = "files") -> list[int]:
    """Return how many units each part gets: counts as they are, of fractions the nearest that add up.

    No part is empty when there are enough units: a small fraction of few is one.

    Parameters
    ----------
    parts
        As :func:`check_parts` returns them.
    n_units
        Files or groups that there are.
    unit
        What they are, for messages.

    Raises
    ------
    SettingsError
        When there are fewer units than parts, or counts that do not add up to the number of units.

    Examples
    --------
    >>> count_sizes({"test": 0.1, "train": 0.8, "valid": 0.1}, 12)
    [1, 10, 1]
    """
    shown = ", ".join(f"{name}: {'the rest' if size is None else size}" for name, size in parts.items())
    if n_units < len(parts):
        raise SettingsError(
            f"there are {n_units} {unit} for {len(parts)} parts ({shown}), and none may be empty: give fewer parts"
        )
    counted = sum(size for size in parts.values() if isinstance(size, int))
    if counted > n_units or (has_counts(parts) and None not in parts.values() and counted != n_units):
        raise SettingsError(
            f"there are {n_units} {unit}, and the parts are to have {counted} ({shown}): correct the counts, or give "
            "one part None, for the rest"
        )
    exact = [float(size) if isinstance(size, int) else n_units * (size or 0.0) for size in parts.values()]
    if None in parts.values():
        exact[list(parts.values()).index(None)] = n_units - sum(exact)
    return _no_empty(_round(exact, n_units), parts, n_units, f"{unit} ({shown})")


def _no_empty(counts: list[int], parts: Mapping[str, PartSize], n_units: int, shown: str) -> list[int]:
    """Give an empty part a unit of the largest one that is no count."""
    sizes = list(parts.values())
    for place in range(len(counts)):
        if counts[place] < 1:
            givers = [other for other, size in enumerate(sizes) if counts[other] > 1 and not isinstance(size, int)]
            if not givers:
                raise SettingsError(
                    f"of {n_units} {shown} none is left for {list(parts)[place]}, and no part may be empty: "
                    "make another one smaller"
                )
            counts[max(givers, key=lambda other: counts[other])] -= 1
            counts[place] += 1
    return counts


def _round(exact: Sequence[float], total: int) -> list[int]:
    """Round numbers that add up to `total`, so that the results do too: up where most is cut off."""
    # A part that should have 2 and has 1.9999999999999998 loses nothing.
    counts = [max(0, int(value + 1e-6)) for value in exact]
    order = sorted(range(len(exact)), key=lambda place: counts[place] - exact[place])
    for place in order[: total - sum(counts)]:
        counts[place] += 1
    return counts


def _check_name(name: Any) -> str:
    if (
        not isinstance(name, str)
        or not name.strip()
        or name.startswith(".")
        or "/" in name
        or not name.isprintable()
        or name in RESERVED_NAMES
        or len(name.encode()) > 255
    ):
        raise SettingsError(
            f"{name!r} cannot be a part's name: it becomes a folder, so give a plain name such as 'valid'"
        )
    return name


def _check_size(name: str, size: Any) -> PartSize:
    if size is None:
        return None
    if type(size) is not bool and isinstance(size, Integral) and int(size) >= 1:
        return int(size)
    if isinstance(size, Real) and not isinstance(size, Integral) and 0 < float(size) <= 1:  # which NaN is not
        return float(size)
    raise SettingsError(
        f"the size of {name} is {size!r}: give a fraction above 0 and below 1 as a float, a count from 1 as an int, or "
        "None for what is left"
    )
