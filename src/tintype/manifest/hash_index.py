"""Numbers by the hashes of texts: what a lookup in a manifest of any size holds in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class HashIndex:
    """Find places in a long list of hashes; holds 16 bytes a hash.

    Equal hashes are all but always equal texts: who needs to be sure compares the texts.

    Parameters
    ----------
    hashes
        int64, in the order of what they stand for.
    numbers
        What is found for each; their places when None.

    Examples
    --------
    >>> index = HashIndex(hash_texts(["a", "b", "a"]))
    >>> index.find(hash_texts(["a", "b", "c"])).tolist()
    [0, 1, -1]
    >>> list(index.find_all(hash("a")))
    [0, 2]
    """

    def __init__(self, hashes: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64] | None = None) -> None:
        import numpy as np

        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._numbers = order if numbers is None else numbers[order]

    def find(self, hashes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the first number of each hash; -1 where there is none."""
        import numpy as np

        places = np.searchsorted(self._hashes, hashes)
        found = np.full(len(hashes), -1, np.int64)
        within = np.flatnonzero(places < len(self._hashes))
        hits = within[self._hashes[places[within]] == hashes[within]]
        found[hits] = self._numbers[places[hits]]
        return found

    def find_all(self, text_hash: int) -> Iterator[int]:
        """Yield every number of a hash, in their order; mostly there is one."""
        import numpy as np

        place = int(np.searchsorted(self._hashes, text_hash))
        while place < len(self._hashes) and self._hashes[place] == text_hash:
            yield self._numbers.item(place)
            place += 1


def hash_texts(texts: Sequence[str | None]) -> npt.NDArray[np.int64]:
    """Return the hashes of some texts, which mean something in this process only."""
    import numpy as np

    return np.fromiter(map(hash, texts), np.int64, len(texts))
