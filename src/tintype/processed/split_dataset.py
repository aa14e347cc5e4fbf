"""SplitDataset: the files above in parts for training and validation, in the folders that ImageNet has."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import luigi

from tintype.errors import SettingsError, SplitError
from tintype.interim.drop_duplicates import check_hash
from tintype.interim.kept_files import FileAbove, as_it_is, list_files_above, refuse_several_above
from tintype.load_funcs.image import load_image
from tintype.ops.hashes import phash
from tintype.pipelines.core import Pipeline
from tintype.processed.splits.leak_columns import LeakColumns, leaks_of_digests, leaks_of_results
from tintype.processed.splits.leaks import Leaks, is_distance
from tintype.processed.splits.links import LINK_KINDS, LinkKind, choose_add_func, is_link_func, links_are_quick
from tintype.processed.splits.plan import SplitMethod, SplitPlan, SplitRule
from tintype.processed.splits.rows import LabelledRows, SplitRows, TableColumns, planned_paths
from tintype.processed.splits.sizes import PartSize, with_valid_size
from tintype.processed.splits.table import digest_table
from tintype.records import record
from tintype.settings import read_settings
from tintype.targets.disk_errors import disk_errors
from tintype.tasks.file_stage import FileStage
from tintype.tasks.naming import show_path

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from tintype.targets.staging import Staging
    from tintype.tasks.rows import InputRows, RowBatch, Trouble

logger = logging.getLogger("luigi-interface.tintype")


class SplitDataset(FileStage):
    """Split the files above into parts, ``<part>/<label>/<file>``, as ImageNet and torchvision's ImageFolder have it.

    The files of one ``group``, a patient or a product say, are all in one part. ``stable`` sends each group to a part
    by a hash of its own name and the ``seed``: files that come later move no group from one part to another, and the
    sizes are met on the average. ``exact`` meets them as closely as whole groups allow.

    Nothing is lost: a file without a label or a group, a label that cannot be a folder, sizes that cannot be met and
    an empty part are errors before any file is touched; of files that share a name and a label each gets a name of its
    own. Every label has a folder in every part. Each row has the file's label, group and part, and names in ``leak_of``
    a file of another part that has the same bytes, or looks alike.

    Examples
    --------
    >>> class Products(SplitDataset):
    ...     label = "label"
    ...     group = "patient"
    >>> Products(seed=3).output().path
    'data/processed/Products-seed=3'
    """

    seed: int = luigi.IntParameter(default=0, description="another one gives another split")

    layer = "processed"
    label: str = "label"
    """The column with each file's label."""
    group: str | None = None
    """The column with what must stay together; None makes each file a group of its own, known by its path."""
    parts: Mapping[str, PartSize] = {"train": 0.8, "valid": 0.2}
    """Name and size of each part: a fraction (float), a count (int), or None for what the others leave."""
    valid_size: float | None = None
    """In place of ``parts``: the size of ``valid``, a fraction (float) or a count (int); ``train`` has the rest."""
    method: SplitMethod | None = None
    """``"stable"`` or ``"exact"``; None is stable, and exact where counts or strata ask for it."""
    stratify: bool = False
    """Whether each part has its share of every label, not only of all files."""
    count_in: Literal["rows", "groups"] = "rows"
    """What the sizes count, when they are met exactly."""
    link: LinkKind = "hard"
    """``"hard"`` links, or copies where there can be none; ``"symbolic"`` links, relative inside the base directory, so
    that the dataset can be moved; or ``"copy"``."""
    table: str | os.PathLike[str] | pd.DataFrame | None = None
    """A CSV, TSV or Parquet file, or a DataFrame, with the columns ``label`` and ``group`` that the files lack; those
    that both have come from it."""
    table_key: str = "path"
    """The column of the table that says which file a row is about."""
    table_on: str | None = None
    """The column of the files with the same values; None: ``table_key`` has their paths, whatever the extension."""
    part_column: str = "part"
    """Name of the column that says which part a file is in."""
    leaks: Literal["report", "fail", "ignore"] = "report"
    """What becomes of a file that is in several parts: a note in its row and a warning, or an error."""
    leak_distance: int | None = None
    """Bits of 64 in which perceptual hashes of files that are alike may differ: 4 finds other sizes and encodings of an
    image. None compares bytes only, and reads no image."""

    own_settings = frozenset(
        {
            "seed",
            "label",
            "group",
            "parts",
            "valid_size",
            "method",
            "stratify",
            "count_in",
            "link",
            "table",
            "table_key",
        }
        | {"table_on", "part_column", "leaks", "leak_distance"}
    )
    recorded_columns = {"leak_of": str, "leak_distance": int, "leak_hash": str}
    columns_that_stay = frozenset(recorded_columns)
    undigested_columns = frozenset(recorded_columns)  # the parts, which count, say it all
    collision_cure = "give one of them another name in the stage above"
    not_in_recipe = FileStage.not_in_recipe | {"table"}  # what it holds is an input

    def rule(self) -> SplitRule:
        """Return how the files are split.

        Raises
        ------
        SettingsError
            When what is asked for does not go together.
        """
        if self.valid_size is not None and self.parts != SplitDataset.parts:
            raise SettingsError(
                f"{type(self).__name__} has both valid_size = {self.valid_size!r} and parts = {dict(self.parts)}: "
                "set one of them"
            )
        return SplitRule(
            parts=self.parts if self.valid_size is None else with_valid_size(self.valid_size),
            seed=self.seed,
            method=self.method,
            stratify=self.stratify,
            count_in=self.count_in,
        )

    def plan(self) -> SplitPlan:
        """Return where each file goes, without building anything; the stage above must be published.

        Raises
        ------
        SplitError, SettingsError
            When the files cannot be split so, as a build would say.
        """
        return self._split_rows.plan

    def hash_image(self, image: npt.NDArray[np.uint8]) -> str:
        """Return the hash that says what an image looks like: 16 hexadecimal digits.

        To go by another one, override it.

        Parameters
        ----------
        image
            uint8, shape (rows, columns), (rows, columns, 3) RGB or (rows, columns, 4) RGBA, the right way up.
        """
        return phash(image)

    def rows(self) -> InputRows:
        """Return the files of the stage above, with label, group and part."""
        refuse_several_above(self)
        self._check_names()
        table = None if self.table is None else TableColumns(self.table, self.table_key, self.table_on)
        return SplitRows(LabelledRows(super().rows(), self.label, self.group, table), self.rule(), self.part_column)

    def input_digests(self) -> Mapping[str, str]:
        """Return the digest of the stage above, and that of the table."""
        self._check_names()
        digests = dict(super().input_digests())
        if self.table is not None:
            columns = [self.table_key, self.label] + ([self.group] if self.group is not None else [])
            digests["table"] = digest_table(self.table, columns)
        return digests

    def pipeline(self) -> Pipeline:
        """Return the pipeline that puts a file in its part, and records its perceptual hash where that is asked for.

        Raises
        ------
        SettingsError
            When a setting cannot be used: told before any work is done.
        """
        name = type(self).__name__
        if type(self).outpath is not FileStage.outpath:
            raise SettingsError(
                f"{name} overrides outpath(row), which a split does not ask: a file goes to <part>/<label>/<name>. "
                "Remove it; rename files in the stage above, or its folder with label"
            )
        if self.link not in LINK_KINDS:
            raise SettingsError(f"{name}.link is {self.link!r}: give {', '.join(map(repr, LINK_KINDS))}")
        if self.leaks not in ("report", "fail", "ignore"):
            raise SettingsError(f"{name}.leaks is {self.leaks!r}: give 'report', 'fail' or 'ignore'")
        if self.leak_distance is not None and not is_distance(self.leak_distance):
            raise SettingsError(
                f"{name}.leak_distance is {self.leak_distance!r}: give a whole number of bits from 0, or None to "
                "compare bytes"
            )
        ops = [self.record_hash] if self._looks_at_images() else []
        add_func = choose_add_func(
            self.link, base_dir=self.base_dir, input_folder=self.input_folder(), output_folder=self.output().folder
        )
        return Pipeline(load_func=as_it_is, ops=ops, write_func=add_func)

    def load_arguments(self, batch: RowBatch) -> Sequence[FileAbove]:
        """Return where each file is, and its digest."""
        return list_files_above(self, batch)

    def record_hash(self, file: FileAbove) -> FileAbove:
        """Record the perceptual hash of a file, and pass the file on."""
        image = load_image(file.path, max_pixels=read_settings().max_image_pixels)
        record(leak_hash=check_hash(self.hash_image(image)))
        return file

    def outpaths(self, batch: RowBatch) -> list[str | Trouble]:
        """Return the path of each file of a batch, as planned for all of them together."""
        return list(planned_paths(batch, self.label, self.part_column))

    def build(self, staging: Staging) -> None:
        """Put every file in its part, make the folders of all labels, and look for leaks.

        Raises
        ------
        SplitError
            When files leak and ``leaks`` is ``"fail"``.
        """
        self.pipeline()  # the settings, before anything is read
        plan = self.plan()
        logger.info("%s: %s", self.output(), plan.describe())
        leaks = self._leaks_above(plan)
        if leaks is not None:
            self._tell_leaks(leaks)  # before anything is written, where that is known
        staging.keeps_empty_folders = True
        self.once("links are quick", lambda: self._links_are_quick(staging))
        super().build(staging)
        if leaks is None:
            leaks = leaks_of_results(self.file_batches(staging), plan, self.leak_distance)
            self._tell_leaks(leaks)
        self.once("leaks", lambda: leaks)
        with disk_errors(f"making the folders of {staging.files}"):
            make_folders(staging.files, plan)

    def number_of_jobs(self) -> int:
        """Return the number of files to work on at once: 1 where links are quick, if no other number is given."""
        are_quick = self.n_jobs is None and self.once("links are quick", lambda: False)
        return 1 if are_quick else super().number_of_jobs()

    def manifest_batches(self, staging: Staging) -> Iterable[Mapping[str, Any]]:
        """Yield the rows, with what leaks."""
        leaks = self.once("leaks", Leaks.none)
        return LeakColumns(leaks, self._paths_of(leaks)).fill(super().manifest_batches(staging))

    def _links_are_quick(self, staging: Staging) -> bool:
        """Return whether files are only linked, and that takes next to nothing here."""
        pipeline = self.pipeline()
        batch = next(iter(self._split_rows.files_above.batches()), None)
        if batch is None or pipeline.ops or not is_link_func(pipeline.write_func):
            return False
        return links_are_quick(pipeline.write_func, list_files_above(self, batch), staging.folder)

    @property
    def _split_rows(self) -> SplitRows:
        rows = self.input_rows
        assert isinstance(rows, SplitRows)
        return rows

    def _check_names(self) -> None:
        """Refuse what cannot be the name of a column."""
        given = {"label": self.label, "table_key": self.table_key, "part_column": self.part_column}
        optional = {"group": self.group, "table_on": self.table_on}
        given |= {setting: value for setting, value in optional.items() if value is not None}
        for setting, value in given.items():
            if not isinstance(value, str):
                raise SettingsError(f"{type(self).__name__}.{setting} is {value!r}: give the name of a column")

    def _looks_at_images(self) -> bool:
        return self.leaks != "ignore" and self.leak_distance is not None

    def _leaks_above(self, plan: SplitPlan) -> Leaks | None:
        """Return what leaks by the digests that the stage above knows; None where files must be looked at."""
        if self.leaks == "ignore":
            return Leaks.none()
        return None if self._looks_at_images() else leaks_of_digests(self._split_rows.files_above.batches(), plan)

    def _tell_leaks(self, leaks: Leaks) -> None:
        if not len(leaks):
            return
        file, other = int(leaks.files[0]), int(leaks.others[0])
        paths = self._paths_of(leaks, (file,))
        alike = "the same bytes as" if self.leak_distance is None else f"a hash {leaks.distances[0]} bits from that of"
        text = (
            f"{len(leaks):,} of {len(self.plan()):,} files have one like them in another part, the first is "
            f"{show_path(paths[file])}, which has {alike} {show_path(paths[other])}"
        )
        if self.leaks == "fail":
            raise SplitError(
                f"{text}: drop duplicates in a stage above, set group to a column that keeps them together, or set "
                "leaks to 'report'"
            )
        logger.warning("%s: %s", self.output(), text)

    def _paths_of(self, leaks: Leaks, more: Iterable[int] = ()) -> dict[int, str]:
        """Return the paths of the files that others are like, by their numbers."""
        wanted = {*leaks.others.tolist(), *more}
        paths: dict[int, str] = {}
        for batch in self.input_rows.batches() if wanted else ():
            here = wanted.intersection(range(batch.start, batch.start + len(batch)))
            if here:
                outpaths = planned_paths(batch, self.label, self.part_column)
                paths.update((number, outpaths[number - batch.start]) for number in here)
        return paths


def make_folders(files: Path, plan: SplitPlan) -> None:
    """Make a folder for every label in every part, and remove those of labels that are no more."""
    wanted = set(plan.folders())
    for folder in wanted:
        (files / folder).mkdir(parents=True, exist_ok=True)
    for folder in list(_folders_in(files)):
        if folder not in wanted:
            with suppress(OSError):  # it holds what is on no manifest, which publishing will tell
                (files / folder).rmdir()


def _folders_in(files: Path) -> Iterator[str]:
    """Yield the folder of each label in each part."""
    for part in os.scandir(files):
        if part.is_dir(follow_symlinks=False):
            for label in os.scandir(part):
                if label.is_dir(follow_symlinks=False):
                    yield f"{part.name}/{label.name}"
