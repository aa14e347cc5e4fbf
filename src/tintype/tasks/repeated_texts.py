"""Find texts that occur twice among any number of them, in constant memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

_HASHES_IN_MEMORY = 131_072


class RepeatedTexts:
    """Collect texts by their 64-bit hashes, then say which hashes came twice.

    Up to 131,072 are held in memory, more in a temporary file that the kernel may page out. Who uses this looks at the
    texts of the repeated hashes again, so a chance collision of hashes costs a look and no more.

    Parameters
    ----------
    folder
        Where the temporary file goes; the system's folder for such files when None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._hashes: list[int] = []
        self._file: IO[bytes] | None = None

    def add(self, texts: Sequence[str]) -> None:
        """Collect some texts."""
        self._hashes.extend(map(hash, texts))
        if len(self._hashes) >= _HASHES_IN_MEMORY:
            self._spill()

    def repeated_hashes(self) -> set[int]:
        """Return the hash of every text that was added more than once; to be called once, at the end."""
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

    def _spill(self) -> None:
        import numpy as np

        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115, closed by repeated_hashes
        self._file.write(np.array(self._hashes, np.int64).tobytes())
        self._hashes.clear()
