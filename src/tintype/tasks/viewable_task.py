"""What every stage has to look at its items with, before it is built and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import luigi

from tintype.errors import SettingsError
from tintype.sequences.mapping import find_place
from tintype.tasks.graph import TaskIdentity
from tintype.tasks.item_sources import ItemSource, PublishedItems
from tintype.tasks.preview import Preview, try_items
from tintype.tasks.stage_sequence import StageSequence

if TYPE_CHECKING:
    from tintype.targets.directory import DirectoryTarget


class ViewableTask(luigi.Task):
    """A task that shows any of its results, computed where they are not built."""

    if TYPE_CHECKING:

        def output(self) -> DirectoryTarget:
            """Return the directory."""

    def items(self, *, afresh: bool = False, known: dict[TaskIdentity, ItemSource] | None = None) -> ItemSource:
        """Return the items of this stage: those of its directory when it is up to date, else computed ones.

        Parameters
        ----------
        afresh
            Compute the items even when the stage is up to date; the stages above are read where they are.
        known
            The items of stages that were met before, so that each is looked at once.

        Raises
        ------
        SettingsError
            When the items cannot be computed one by one: the stage makes its directory as a whole.
        """
        if self.complete():
            return PublishedItems(self.output())
        family = self.get_task_family()
        raise SettingsError(
            f"{family} is not built, and makes its directory as a whole, so there are no items to compute one by one: "
            f"build it first, tintype rebuild --stage {family}"
        )

    def sequence(
        self,
        load_func: Callable[[str], Any] | None = None,
        *,
        columns: bool = False,
        missing: Literal["raise", "skip", "none"] = "raise",
    ) -> StageSequence:
        """Return the results of this stage as a lazy sequence, whether it is built or not.

        Of a stage that is up to date the files are read, one for each item. Of any other, item `i` is what becomes of
        input `i`: it is computed when it is asked for, by the pipelines of this stage and of those above that are not
        up to date, from the nearest directory that is, or from the source. In between, results are written and read as
        a build does, in a temporary folder that is gone afterwards: an item is what the build will make, to the last
        bit. Nothing is written to the dataset, and nothing is remembered.

        Parameters
        ----------
        load_func
            Loads a result from its path; by default an image, an array or bytes, by the extension:
            :func:`tintype.load_funcs.load_file`.
        columns
            Whether an item is ``(row, data)``: the row as it is, or would be, in the manifest.
        missing
            What becomes of an input that fails or is dropped when it is computed: ``"raise"`` an error that says why;
            ``"none"`` gives None; with ``"skip"`` iteration leaves it out, and asking for it by number raises.

        Returns
        -------
        StageSequence
            Of an input with several results (tiles, crops, frames) the item is the list of them. Of a stage that
            writes no files it is what comes out of the last op.

        Raises
        ------
        SettingsError
            When this stage or one above is not up to date, and makes its directory as a whole.
        EvaluationError
            By an item that fails: names the stage, the file and the number, with the exception as its cause.
        DroppedError
            By an item that is dropped.
        """
        return StageSequence(self, load_func=load_func, columns=columns, missing=missing, place=find_place())

    def try_it(self, n: int = 8, *, seed: int = 0, side: int = 192) -> Preview:
        """Try this stage on a few items as its code is now: before, after, and the time of each step.

        Nothing is built or remembered, so that a call after a change of the code shows the change. Stages above are
        read where they are up to date, and computed where they are not.

        Parameters
        ----------
        n
            Items to try, at least 1.
        seed
            Which ones; another number gives others.
        side
            Longest side of a small image in pixels.

        Returns
        -------
        Preview
            A notebook shows it as one image; ``print`` gives the mean wall time of each step; ``save(path)`` writes the
            image.

        Raises
        ------
        SettingsError
            When this stage, or one above that is not up to date, makes its directory as a whole.
        """
        return try_items(self, n, seed=seed, side=side)
