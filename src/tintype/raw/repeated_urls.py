"""Find the rows of a list whose URL an earlier row has."""

from __future__ import annotations

from collections.abc import Sequence

from tintype.tasks.repeated_texts import RepeatedTexts
from tintype.tasks.rows import InputRows, RowBatch


class RepeatedUrls:
    """Which rows repeat a URL, and which row has it first. Memory grows with the repeated URLs only.

    Parameters
    ----------
    rows
        Whose input paths are URLs.
    """

    def __init__(self, rows: InputRows) -> None:
        self._first: dict[str, int] = {}
        urls = RepeatedTexts()
        for batch in rows.batches():
            urls.add(batch.inpaths)
        repeated = urls.repeated_hashes()
        if repeated:
            for batch in rows.batches():
                for number, url in enumerate(batch.inpaths, batch.start):
                    if hash(url) in repeated:
                        self._first.setdefault(url, number)

    def flags(self, batch: RowBatch) -> Sequence[bool] | None:
        """Return, for each row of a batch, whether an earlier row has its URL; None when no URL is repeated."""
        if not self._first:
            return None
        return [self._first.get(url, number) != number for number, url in enumerate(batch.inpaths, batch.start)]

    def first_row(self, url: str) -> int:
        """Return the number of the first row that has a repeated URL."""
        return self._first[url]
