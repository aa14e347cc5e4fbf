"""Paths that have been seen, and a number for each, for tens of millions of them."""

from __future__ import annotations

from array import array

_EMPTY = 0
_MAX_NUMBER = (1 << 32) - 2


class PathIndex:
    """Map paths to numbers; holds a 64-bit hash and the number of each path, 18 to 36 bytes, and not the path.

    Two paths of one hash count as one. The hash is keyed anew in each process, so nobody can make paths that meet, and
    two meet by chance once in 37 million runs over a million paths, once in 370,000 over ten million.

    Examples
    --------
    >>> index = PathIndex()
    >>> index.setdefault("a.jpg", 7), index.setdefault("a.jpg", 8), index.get("b.jpg")
    (7, 7, None)
    """

    def __init__(self) -> None:
        self._n_paths = 0
        self._allocate(1024)

    def __len__(self) -> int:
        return self._n_paths

    def __contains__(self, path: str) -> bool:
        return self.get(path) is not None

    def get(self, path: str) -> int | None:
        """Return the number of a path; None when it has none."""
        number = self._numbers[self._find(hash(path))]
        return number - 1 if number != _EMPTY else None

    def setdefault(self, path: str, number: int) -> int:
        """Return the number of a path; give it `number` when it has none.

        Parameters
        ----------
        number
            0 to 4,294,967,293.
        """
        if not 0 <= number < _MAX_NUMBER:
            raise OverflowError(f"number {number} for {path!r}: more than {_MAX_NUMBER:,} paths are too many")
        key = hash(path)
        place = self._find(key)
        if self._numbers[place] == _EMPTY:
            self._keys[place] = key
            self._numbers[place] = number + 1
            self._n_paths += 1
            if 3 * self._n_paths > 2 * len(self._keys):
                self._grow()
            return number
        return self._numbers[place] - 1

    def set(self, path: str, number: int) -> None:
        """Give a path a number, whether it has one or not."""
        if self.setdefault(path, number) != number:
            self._numbers[self._find(hash(path))] = number + 1

    def _find(self, key: int) -> int:
        """Return the place of a key, or the empty one where it would go: open addressing, linear probing."""
        mask = len(self._keys) - 1
        place = key & mask
        while self._numbers[place] != _EMPTY and self._keys[place] != key:
            place = (place + 1) & mask
        return place

    def _allocate(self, n_places: int) -> None:
        self._keys = array("q", bytes(8 * n_places))
        self._numbers = array("I", bytes(4 * n_places))

    def _grow(self) -> None:
        keys, numbers = self._keys, self._numbers
        self._allocate(2 * len(keys))
        for key, number in zip(keys, numbers, strict=True):
            if number != _EMPTY:
                place = self._find(key)
                self._keys[place] = key
                self._numbers[place] = number
