"""What a directory holds, against its manifest."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tintype.executors.blocks import BlockRun
from tintype.manifest.reader import Manifest
from tintype.manifest.schema import RESERVED_NAMES
from tintype.targets.relative_paths import walk_files
from tintype.write_funcs.files import hash_file


@dataclass(frozen=True)
class Verification:
    """What a directory holds, against its manifest."""

    n_files: int
    """Files the manifest names."""
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Files of another size, or with other bytes when they were compared."""
    extra: tuple[str, ...] = ()
    """Files the manifest does not name."""

    @property
    def ok(self) -> bool:
        """Whether the directory holds exactly what its manifest names."""
        return not (self.missing or self.changed or self.extra)


def verify_files(folder: Path, files_folder: Path, manifest: Manifest, *, deep: bool, n_jobs: int) -> Verification:
    """Compare what lies in a directory with its manifest. Changes nothing.

    Parameters
    ----------
    folder
        The directory.
    files_folder
        Where the files of the manifest are.
    manifest
        Of the directory.
    deep
        Compare the bytes of each file too, not only its size.
    n_jobs
        Files looked at at once.
    """
    import numpy as np

    missing: list[str] = []
    changed: list[str] = []
    hashes: list[Any] = []
    with ThreadPoolExecutor(n_jobs) as executor:
        check = partial(_check_file, str(files_folder), deep)
        run: BlockRun[tuple[str, int, str], tuple[str, str]] = BlockRun(
            executor, check, _expected(manifest, hashes), n_jobs=n_jobs
        )
        for verdicts in run:
            missing.extend(path for path, verdict in verdicts if verdict == "missing")
            changed.extend(path for path, verdict in verdicts if verdict == "changed")
    known = np.sort(np.concatenate(hashes)) if hashes else np.zeros(0, np.int64)
    extra = []
    for outpath, _ in walk_files(folder):
        key = hash(outpath)
        place = int(np.searchsorted(known, key))
        if outpath not in RESERVED_NAMES and (place == len(known) or known[place] != key):
            extra.append(outpath)
    return Verification(len(known), tuple(sorted(missing)), tuple(sorted(changed)), tuple(sorted(extra)))


def unread_digest(status: os.stat_result) -> str:
    """Return what stands for the digest of a file that is not read: its size and its time of last change."""
    return f"{status.st_size} bytes at {status.st_mtime_ns}"


def _expected(manifest: Manifest, hashes: list[Any]) -> Iterator[tuple[str, int, str]]:
    """Yield (outpath, size, digest) of each file of the manifest, and collect the hashes of the paths."""
    import numpy as np

    for batch in manifest.batches(["outpath", "size_bytes", "digest"]):
        rows = [row for row in zip(*(c.to_pylist() for c in batch.columns), strict=True) if row[0] is not None]
        hashes.append(np.fromiter((hash(row[0]) for row in rows), np.int64, len(rows)))
        yield from rows


def _check_file(folder: str, deep: bool, expected: tuple[str, int, str]) -> tuple[str, str]:
    outpath, size_bytes, digest = expected
    path = f"{folder}/{outpath}"
    try:
        status = os.stat(path)
        is_same = stat.S_ISREG(status.st_mode) and status.st_size == size_bytes
        if " " in digest:  # of a file that was never read
            is_same = digest == unread_digest(status)
        elif deep:
            is_same = is_same and hash_file(path)[0] == digest
        if not is_same:
            return outpath, "changed"
    except (FileNotFoundError, NotADirectoryError):
        return outpath, "missing"
    return outpath, "ok"
