"""Split data in memory by whole groups."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from math import ceil
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from tintype.errors import SettingsError, SplitError
from tintype.processed.splits.methods import hash_names

if TYPE_CHECKING:
    from numpy.typing import NDArray


def group_train_test_split(
    X: Any,  # noqa: N803, the name that everybody knows
    y: Any,
    groups: Any,
    test_size: float,
    random_state: int | None = None,
) -> tuple[Any, Any, Any, Any]:
    """Split data in two, so that no group has rows on both sides.

    Parameters
    ----------
    X, y
        DataFrame, Series, array or list, of one length. Not modified.
    groups
        What each row belongs to, of the same length: text, whole numbers, anything with a text of its own. None makes
        each row a group.
    test_size
        How many groups go to the test side: a count (int), or a fraction (float) of them, rounded up.
    random_state
        The same number gives the same split on every machine; None gives another one each time.

    Returns
    -------
    X_train, X_test, y_train, y_test
        Rows in their order, with their index where they have one.

    Raises
    ------
    SettingsError
        When `test_size` cannot be met, or the lengths differ. A ValueError.
    SplitError
        When a row has no group. A ValueError.

    Examples
    --------
    >>> photos, faces, people = ["a", "b", "c", "d"], [1, 0, 1, 1], ["Ann", "Bob", "Ann", "Cy"]
    >>> group_train_test_split(photos, faces, people, test_size=1, random_state=0)
    (['a', 'b', 'c'], ['d'], [1, 0, 1], [1])
    """
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)  # a sparse matrix has no length
    lengths = {"X": n_rows, "y": len(y), "groups": n_rows if groups is None else len(groups)}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise SettingsError(f"the lengths differ ({shown}): give one label and one group for each row")
    codes, names = code_groups(range(n_rows) if groups is None else groups)
    is_test = choose_test_groups(names, test_size, random_state, name="test_size")[codes]
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    return take_rows(X, train), take_rows(X, test), take_rows(y, train), take_rows(y, test)


def choose_test_groups(names: Sequence[str], size: Any, random_state: Any, *, name: str = "size") -> NDArray[np.bool_]:
    """Return which groups go to the smaller side.

    Parameters
    ----------
    names
        Of the groups, each once.
    size
        A count, or a fraction, which is rounded up.
    random_state
        The seed; None for chance.
    name
        What `size` is called in messages.

    Raises
    ------
    SettingsError
        When one of the sides would have no group.
    """
    n_groups = len(names)
    if isinstance(random_state, bool) or not (random_state is None or isinstance(random_state, Integral)):
        raise SettingsError(
            f"random_state is {random_state!r}: give a whole number, or None for another split each time"
        )
    if type(size) is not bool and isinstance(size, Integral):
        n_chosen = int(size)
    elif isinstance(size, Real) and not isinstance(size, Integral) and 0 < float(size) < 1:
        n_chosen = ceil(round(float(size) * n_groups, 9))  # 0.07 of 100 is 7.000000000000001
    else:
        raise SettingsError(f"{name} is {size!r}: give a fraction above 0 and below 1, or a count from 1")
    if not 0 < n_chosen < n_groups:
        raise SettingsError(
            f"{name} is {size!r}, which is {n_chosen} of {n_groups} groups: leave at least one on each side"
        )
    seed = secrets.randbits(64) if random_state is None else int(random_state)
    is_chosen = np.zeros(n_groups, bool)
    is_chosen[np.argsort(hash_names(names, seed), kind="stable")[:n_chosen]] = True
    return is_chosen


def code_groups(groups: Any) -> tuple[NDArray[np.int64], list[str]]:
    """Return the number of each row's group, and the text of each group, in the order of the texts.

    Raises
    ------
    SplitError
        When a row has no group.

    Examples
    --------
    >>> codes, names = code_groups(["b", "a", "b"])
    >>> codes.tolist(), names
    ([1, 0, 1], ['a', 'b'])
    """
    values = groups.tolist() if hasattr(groups, "tolist") else list(groups)
    for row, value in enumerate(values):
        # NaN, NaT and pandas.NA are not equal to themselves, or not even that.
        if value is None or value is np.ma.masked or not _is_itself(value):
            raise SplitError(f"row {row} has no group: give each row one, or leave it out")
    texts = list(map(str, values))
    names = sorted(set(texts))
    numbers = {text: number for number, text in enumerate(names)}
    return np.array([numbers[text] for text in texts], np.int64), names


def _is_itself(value: Any) -> bool:
    try:
        return bool(value == value)
    except TypeError:
        return False


def take_rows(data: Any, places: NDArray[np.int64]) -> Any:
    """Return some rows of a DataFrame, a Series, an array or a sequence, of the same kind."""
    if hasattr(data, "iloc"):
        return data.iloc[places]
    if hasattr(data, "shape"):
        return data[places]
    rows = [data[place] for place in places.tolist()]
    return tuple(rows) if isinstance(data, tuple) else rows
