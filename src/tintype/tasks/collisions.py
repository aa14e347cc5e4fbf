"""Find two inputs that would become one output, among any number of them, in constant memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

from tintype.errors import CollisionError

_HASHES_IN_MEMORY = 131_072


class CollisionFinder:
    """Collect output paths, then say which two inputs share one.

    Holds a 64-bit hash of each path: up to 131,072 in memory, more in a temporary file that the kernel may page out.
    A hash that occurs twice is looked at again by its paths, so a chance collision of hashes is none of paths.

    Parameters
    ----------
    folder
        Where the temporary file goes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hashes: list[int] = []
        self._file: IO[bytes] | None = None

    def add(self, outpaths: Sequence[str]) -> None:
        """Collect some output paths."""
        self._hashes.extend(map(hash, outpaths))
        if len(self._hashes) >= _HASHES_IN_MEMORY:
            self._spill()

    def check(self, pairs: Callable[[], Iterable[tuple[str, str]]]) -> None:
        """Refuse two inputs with one output.

        Parameters
        ----------
        pairs
            Called only when two hashes are equal: yields (inpath, outpath) of every input again.

        Raises
        ------
        CollisionError
            Naming both inputs and the output.
        """
        repeated = self._repeated_hashes()
        if not repeated:
            return
        inpath_of: dict[str, str] = {}
        for inpath, outpath in pairs():
            if hash(outpath) in repeated:
                other = inpath_of.setdefault(outpath, inpath)
                if other is not inpath:
                    raise CollisionError(
                        f"{other} and {inpath} would both become {outpath}: "
                        "override outpath(row) to keep them apart, or leave one out"
                    )

    def _spill(self) -> None:
        import numpy as np

        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115, closed by _repeated_hashes
        self._file.write(np.array(self._hashes, np.int64).tobytes())
        self._hashes.clear()

    def _repeated_hashes(self) -> set[int]:
        import numpy as np

        if self._file is None:
            hashes = np.sort(np.array(self._hashes, np.int64))
        else:
            self._spill()
            self._file.flush()
            hashes = np.memmap(self._file, np.int64, mode="r+")
            hashes.sort()
        repeated = {int(value) for value in hashes[1:][hashes[1:] == hashes[:-1]]}
        del hashes
        if self._file is not None:
            self._file.close()
            self._file = None
        return repeated
