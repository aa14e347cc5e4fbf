"""How many files a build would take over, work on and remove, before anything is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tintype.manifest.reader import Manifest
    from tintype.targets.staging_state import StagingState
    from tintype.tasks.reuse import Reuse
    from tintype.tasks.rows import InputRows


@dataclass(frozen=True)
class Forecast:
    """What a build of a file stage would do, in inputs."""

    n_reused: int = 0
    """Taken over from the published directory."""
    n_finished: int = 0
    """Finished by a build that was interrupted."""
    n_computed: int = 0
    """Worked on."""
    n_removed: int = 0
    """In the published directory, and not among the inputs any more."""


def count_files(
    rows: InputRows, published: Manifest | None, reuse: Reuse | None, staged: StagingState | None
) -> Forecast:
    """Return what a build would do with the inputs of a stage.

    Parameters
    ----------
    rows
        The inputs.
    published
        The manifest of what is published; None when nothing is.
    reuse
        What can be taken over from it; None when nothing can.
    staged
        What an interrupted build has finished; None where there is none.
    """
    import numpy as np

    hashes = [np.zeros(0, np.int64)]
    n_inputs = 0
    for batch in rows.batches():
        n_inputs += len(batch)
        hashes.append(np.fromiter(map(hash, batch.inpaths), np.int64, len(batch)))
        if reuse is not None:
            reuse.plan(batch)
    n_reused = 0 if reuse is None else reuse.n_found
    n_finished = min(0 if staged is None or not staged.is_current else staged.n_finished, n_inputs - n_reused)
    n_removed = 0 if published is None else _count_missing(published, np.concatenate(hashes))
    return Forecast(n_reused, n_finished, n_inputs - n_reused - n_finished, n_removed)


def _count_missing(published: Manifest, inpaths: npt.NDArray[np.int64]) -> int:
    """Return how many inputs of a manifest are not among others, given by the hashes of their paths."""
    import numpy as np

    old = [np.zeros(0, np.int64)]
    for batch in published.batches(["inpath"]):
        paths = batch.column(0).drop_null().to_pylist()
        old.append(np.fromiter(map(hash, paths), np.int64, len(paths)))
    return len(np.setdiff1d(np.concatenate(old), inpaths))
