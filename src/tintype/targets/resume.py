"""Compare a staging directory with its journals: keep the files they prove, drop the rest."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tintype.manifest.schema import Status
from tintype.pipelines.file_result import FileResult
from tintype.targets.journal import Journal
from tintype.targets.relative_paths import walk_files
from tintype.write_funcs.files import hash_file


def prove_files(
    files: Path,
    journals: Sequence[Journal],
    *,
    published: Path | None = None,
    deep: bool = False,
    retry_failed: bool = True,
) -> tuple[int, int]:
    """Remove every file that no journal proves, and forget every result whose file is not there.

    Costs 17 bytes of memory a finished file.

    Parameters
    ----------
    files
        The directory that is being filled; may be missing.
    journals
        What says which files are finished.
    published
        Where the directory will be: a relative link that leads nowhere yet is followed from there.
    deep
        Prove each file by its bytes, not by its size.
    retry_failed
        Forget results that failed too, so that they are tried again.

    Returns
    -------
    n_kept, n_dropped
        Number of files kept, and removed.
    """
    import numpy as np

    keys, owners, digests = array("q"), array("Q"), array("Q")
    for number, journal in enumerate(journals):
        for result in journal.results():
            if result.status == Status.FAILED:
                if retry_failed:
                    journal.forget(result.number)
                continue
            for file in result.files():
                keys.append(hash((file.outpath, file.size_bytes)))
                owners.append(result.number * len(journals) + number)
                digests.append(int((file.digest or "0")[:16], 16) if deep else 0)
    key_array = np.frombuffer(keys, np.int64) if keys else np.zeros(0, np.int64)
    order = np.argsort(key_array, kind="stable")
    sorted_keys = key_array[order]
    found = np.zeros(len(keys), bool)

    n_kept = n_dropped = 0
    place = files if published is None else Path(os.path.realpath(published))
    for outpath, entry in walk_files(files):
        path, size_bytes = _find_bytes(entry, place / outpath)
        key = hash((outpath, size_bytes))
        first, after = (int(np.searchsorted(sorted_keys, key, side)) for side in ("left", "right"))
        proven_by = set()
        # Results of more than one journal may name a file; of one journal, the last that does.
        for owner in reversed(order[first:after].tolist()):
            journal = owners[owner] % len(journals)
            if journal not in proven_by and (not deep or int(hash_file(path)[0][:16], 16) == digests[owner]):
                found[owner] = True
                proven_by.add(journal)
        if proven_by:
            n_kept += 1
        else:
            os.unlink(entry.path)
            n_dropped += 1
    for missing in np.flatnonzero(~found).tolist():
        index, number = divmod(owners[missing], len(journals))
        _remove_parts(files, journals[number].result(index))
        journals[number].forget(index)
    return n_kept, n_dropped


def _remove_parts(files: Path, result: FileResult | None) -> None:
    """Remove what is left of several results of one file: all of them will be made anew, perhaps by other names."""
    for part in (result.parts or ()) if result is not None else ():
        with suppress(FileNotFoundError):
            os.unlink(files / str(part.outpath))


def _find_bytes(entry: os.DirEntry[str], published: Path) -> tuple[str, int]:
    """Return the path and the size of what a name leads to, now or once it is published; -1 for a link to nothing."""
    path = entry.path
    try:
        return path, entry.stat().st_size
    except FileNotFoundError:
        pass
    # By its letters: the folder that the link will be in is not there, so that the system cannot go up from it.
    path = os.path.normpath(published.parent / os.readlink(path))
    try:
        return path, os.stat(path).st_size
    except FileNotFoundError:
        return path, -1
