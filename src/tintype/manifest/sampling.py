"""Draw numbers at random, none twice, the same for ever."""

from __future__ import annotations

import random
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_DRAWS = 1 << 20
"""Numbers that are drawn at a time."""


def draw_numbers(n_all: int, n: int, seed: int) -> NDArray[np.int64]:
    """Return `n` of the numbers from 0 to `n_all` - 1, each choice of them as likely as any other.

    Of Python's random numbers only the stream of ``random.random()`` is promised never to change, and so it is what
    this is made of.

    Parameters
    ----------
    n_all
        How many numbers there are to choose from, below 2**53.
    n
        How many to choose; all when there are not more.
    seed
        Another one gives another choice.

    Returns
    -------
    numpy.ndarray
        int64, ascending. The memory that this takes is that of the result, some times over.

    Examples
    --------
    >>> draw_numbers(10_000_000, 4, seed=1)
    array([ 565513,  848719, 9478274, 9560342])
    """
    import numpy as np

    if n >= n_all:
        return np.arange(n_all)
    if 2 * n <= n_all:
        return _draw(n_all, n, seed)
    is_chosen = np.ones(n_all, bool)
    is_chosen[_draw(n_all, n_all - n, seed)] = False
    return np.flatnonzero(is_chosen)


def _draw(n_all: int, n: int, seed: int) -> NDArray[np.int64]:
    """Draw until there are `n` different numbers: at most 1.4 draws for each, of half of all."""
    import numpy as np

    # Python takes a negative seed for its positive one.
    stream = iter(random.Random(2 * seed if seed >= 0 else -2 * seed - 1).random, None)
    chosen = np.zeros(0, np.int64)
    while len(chosen) < n:
        n_draws = min(n - len(chosen), MOST_DRAWS)
        drawn = (np.fromiter(islice(stream, n_draws), np.float64, n_draws) * n_all).astype(np.int64)
        drawn.sort()
        both = np.concatenate([chosen, drawn])
        both.sort(kind="stable")  # which merges what is in order already
        chosen = both[np.flatnonzero(np.diff(both, prepend=-1))]
    return chosen
