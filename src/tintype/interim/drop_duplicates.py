"""DropDuplicates: of images that are alike the first, as it is."""

from __future__ import annotations

import logging
import os
from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import luigi

from tintype.errors import SettingsError
from tintype.interim.filter_images import is_whole
from tintype.interim.kept_files import FileAbove, as_it_is, keep_file, list_files_above, refuse_several_above
from tintype.load_funcs.image import load_image
from tintype.manifest.schema import Status
from tintype.ops.hashes import hamming_distance, phash
from tintype.pipelines.core import Pipeline
from tintype.pipelines.file_result import FileResult
from tintype.records import record
from tintype.settings import read_settings
from tintype.targets.disk_errors import disk_errors
from tintype.tasks.file_stage import FileStage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tintype.targets.journal import Journal
    from tintype.targets.staging import Staging
    from tintype.tasks.rows import RowBatch

logger = logging.getLogger("luigi-interface.tintype")

MAX_DISTANCE = 16
"""Hashes that are farther apart belong to images that have nothing in common."""
DROPPED_AT_ONCE = 16_384
"""Duplicates whose rows are held in memory at one time."""


class HashedFile(NamedTuple):
    """A file of the stage above, and its perceptual hash where an earlier run of the build computed it."""

    file: FileAbove
    phash: str | None


class DropDuplicates(FileStage):
    """Keep the first of images that are equal, or that look alike; in the order of the manifest.

    Without a ``distance``, files with the same bytes are duplicates: that costs no more than links, because the
    manifest above has their digests. With one, images whose perceptual hashes (:func:`tintype.ops.phash`, 64 bits)
    differ in at most so many bits of the first that is kept are dropped: 0 to 4 finds other sizes and encodings of an
    image, 10 also images that a person would tell apart.

    What is kept keeps its bytes: it is a hard link, or a copy where none can be made. In the row of a dropped one
    stand ``duplicate_of``, the path of the one that is kept, and with a ``distance`` their actual ``distance``. A
    file that fails is never kept, and never the reason to drop another. The result does not depend on the number of
    threads.

    Costs about 150 bytes of memory an image, and no comparison of each with each.

    Examples
    --------
    >>> class Different(DropDuplicates):
    ...     distance = luigi.OptionalIntParameter(default=4)
    >>> Different(distance=2).output().path
    'data/interim/Different-distance=2'
    """

    distance: int | None = luigi.OptionalIntParameter(
        default=None,
        description="bits of 64, 0 to 16, in which perceptual hashes of duplicates may differ; "
        "without it, or below 0, only files with the same bytes are duplicates",
    )

    layer = "interim"
    own_settings = frozenset({"distance"})
    recorded_columns = {"duplicate_of": str, "distance": int, "phash": str}
    columns_that_stay = frozenset({"duplicate_of", "distance", "phash"})
    reuses_results = False

    _known_hashes: array[int] | None = None

    def hash_image(self, image: npt.NDArray[np.uint8]) -> str:
        """Return the hash that says what an image looks like: 16 hexadecimal digits.

        To go by another one, override it.

        Parameters
        ----------
        image
            uint8, shape (rows, columns), (rows, columns, 3) RGB or (rows, columns, 4) RGBA, the right way up.
        """
        return phash(image)

    def pipeline(self) -> Pipeline:
        """Return the pipeline that links a file, and records its perceptual hash where that is asked for.

        Raises
        ------
        SettingsError
            When ``distance`` is no number of bits: told before any work is done.
        """
        if self.distance is not None and not (is_whole(self.distance) and self.distance <= MAX_DISTANCE):
            raise SettingsError(
                f"{type(self).__name__}.distance is {self.distance!r}: give a whole number of bits from 0 to "
                f"{MAX_DISTANCE}, or None to compare bytes"
            )
        refuse_several_above(self)
        if self._is_exact():
            return Pipeline(load_func=as_it_is, write_func=keep_file)
        return Pipeline(load_func=as_it_is, ops=self.record_hash, write_func=keep_file)

    def load_arguments(self, batch: RowBatch) -> Sequence[FileAbove | HashedFile]:
        """Return where each file is, its digest, and its perceptual hash where that is known."""
        files = list_files_above(self, batch)
        if self._is_exact():
            return files
        numbers = range(batch.start, batch.start + len(batch))
        return [HashedFile(file, self._known_hash(number)) for number, file in zip(numbers, files, strict=True)]

    def record_hash(self, hashed: HashedFile) -> FileAbove:
        """Record the perceptual hash of a file, and pass the file on."""
        text = hashed.phash
        if text is None:
            image = load_image(hashed.file.path, max_pixels=read_settings().max_image_pixels)
            text = check_hash(self.hash_image(image))
        record(phash=text)
        return hashed.file

    def build(self, staging: Staging) -> None:
        """Link all files, and take away the duplicates when every file is there to be compared."""
        self.pipeline()  # the settings, before anything of an earlier run is touched
        self._known_hashes = take_back_duplicates(staging)
        try:
            super().build(staging)
        finally:
            self._known_hashes = None
        self._drop_duplicates(staging)

    def _is_exact(self) -> bool:
        return self.distance is None or self.distance < 0

    def _known_hash(self, number: int) -> str | None:
        known = self._known_hashes
        return f"{known[number]:016x}" if known and number < len(known) and known[number] else None

    def _drop_duplicates(self, staging: Staging) -> None:
        import numpy as np

        from tintype.interim.near_duplicates import find_duplicates

        numbers, hashes = array("Q"), array("Q")
        for result in staging.rows.results():
            if result.outpath is not None:
                numbers.append(result.number)
                hashes.append(int(self._hash_of(result), 16))
        n_bits = 0 if self._is_exact() else self.distance or 0
        kept_of = find_duplicates(np.frombuffer(hashes, np.uint64), distance=n_bits)
        places = np.flatnonzero(kept_of >= 0)
        all_numbers = np.frombuffer(numbers, np.uint64).astype(np.int64)
        for start in range(0, len(places), DROPPED_AT_ONCE):
            part = places[start : start + DROPPED_AT_ONCE]
            self._drop(staging, all_numbers[part].tolist(), all_numbers[kept_of[part]].tolist())
        staging.rows.flush()
        logger.info("%s: %s of %s files are duplicates", self.output(), f"{len(places):,}", f"{len(numbers):,}")

    def _hash_of(self, result: FileResult) -> str:
        """Return 16 hexadecimal digits: of the file's bytes, or of what it looks like."""
        if self._is_exact():
            return str(result.digest)[:16]
        return str((result.columns or {})["phash"])

    def _drop(self, staging: Staging, numbers: list[int], kept_numbers: list[int]) -> None:
        """Take away the files of some rows, and note them as duplicates of others."""
        kept = {result.number: result for result in read_results(staging.rows, sorted(set(kept_numbers)))}
        with disk_errors(f"dropping duplicates from {staging.files}"):
            for result, kept_number in zip(read_results(staging.rows, numbers), kept_numbers, strict=True):
                original = kept[kept_number]
                # Of sha256 only 64 bits were compared: no file is dropped by chance.
                if not self._is_exact() or result.digest == original.digest:
                    # First the file: after a kill in between the row has no file, and is done again.
                    os.unlink(f"{staging.files}/{result.outpath}")
                    staging.rows.append([self._describe(result, original)])

    def _describe(self, result: FileResult, original: FileResult) -> FileResult:
        """Return the row of a duplicate."""
        columns = {**(result.columns or {}), "duplicate_of": original.outpath}
        if self._is_exact():
            reason = f"it has the same bytes as {original.outpath}"
        else:
            n_bits = hamming_distance(self._hash_of(result), self._hash_of(original))
            columns["distance"] = n_bits
            reason = f"its hash is {n_bits} bits from that of {original.outpath}, and {self.distance} make a duplicate"
        return result._replace(
            status=str(Status.DROPPED), outpath=None, error=reason, digest=None, size_bytes=None, columns=columns
        )


def take_back_duplicates(staging: Staging) -> array[int] | None:
    """Forget which files an earlier run of the build found to be duplicates: their originals may be others now.

    Inputs may have changed since, or a file that failed may be read this time.

    Returns
    -------
    array or None
        The perceptual hash of each row that was a duplicate, by its number; 0 where none is known. None when no row
        was.
    """
    for journal in staging.earlier.journals:
        for result in list_duplicates(journal):
            journal.forget(result.number)
    hashes = None
    for result in list_duplicates(staging.rows):
        if hashes is None:
            hashes = array("Q", bytes(8 * len(staging.rows)))
        hashes[result.number] = int((result.columns or {}).get("phash") or "0", 16)
        staging.rows.forget(result.number)
    return hashes


def list_duplicates(journal: Journal) -> Iterator[FileResult]:
    """Yield the results of duplicates."""
    return (result for result in journal.results() if result.columns and result.columns.get("duplicate_of"))


def read_results(journal: Journal, numbers: Sequence[int]) -> Iterator[FileResult]:
    """Yield the results of some rows that have one; quick when the numbers rise."""
    for number in numbers:
        result = journal.result(number)
        assert result is not None
        yield result


def check_hash(text: object) -> str:
    """Return a hash of 16 hexadecimal digits, or say what it is instead."""
    if isinstance(text, str) and len(text) == 16 and not text.strip("0123456789abcdef"):
        return text
    raise ValueError(f"hash_image returned {text!r}: return 16 hexadecimal digits, as tintype.ops.phash does")
