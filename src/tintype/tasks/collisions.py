"""Find two inputs that would become one output, among any number of them, in constant memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tintype.errors import CollisionError
from tintype.tasks.naming import show_path
from tintype.tasks.repeated_texts import RepeatedTexts

if TYPE_CHECKING:
    from tintype.targets.staging import Staging


class CollisionFinder:
    """Collect output paths, then say which two inputs share one.

    Parameters
    ----------
    folder
        Where a temporary file goes when there are many.
    cure
        What the message says to do about two inputs with one output.
    """

    def __init__(self, folder: Path, cure: str) -> None:
        self._paths = RepeatedTexts(folder)
        self._cure = cure

    def add(self, outpaths: Sequence[str]) -> None:
        """Collect some output paths."""
        self._paths.add(outpaths)

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
        repeated = self._paths.repeated_hashes()
        if not repeated:
            return
        inpath_of: dict[str, str] = {}
        for inpath, outpath in pairs():
            if hash(outpath) not in repeated:
                continue
            if outpath in inpath_of:
                raise CollisionError(
                    self._describe(show_path(inpath_of[outpath]), show_path(inpath), show_path(outpath))
                )
            inpath_of[outpath] = inpath

    def _describe(self, one: str, other: str, outpath: str) -> str:
        if one == other:
            return f"{one} occurs twice among the inputs, and would become {outpath} both times: leave one out"
        return f"{one} and {other} would both become {outpath}: {self._cure}"


def refuse_shared_parts(staging: Staging) -> None:
    """Refuse two inputs of which one of several results has the same path.

    Those paths are known only when all is done. The file goes, so that no later run takes either input for finished.

    Raises
    ------
    CollisionError
        Naming both inputs and the output.
    """
    if not staging.rows.has_parts:
        return

    def pairs() -> Iterator[tuple[int, str, str]]:
        for result in staging.rows.results():
            for file in result.files():
                yield result.number, str(result.inpath), str(file.outpath)

    paths = RepeatedTexts(staging.folder)
    for _, _, outpath in pairs():
        paths.add([outpath])
    repeated = paths.repeated_hashes()
    first: dict[str, tuple[int, str]] = {}
    for number, inpath, outpath in pairs() if repeated else ():
        if hash(outpath) not in repeated:
            continue
        other, other_inpath = first.setdefault(outpath, (number, inpath))
        if other != number:
            with suppress(FileNotFoundError):
                os.unlink(staging.files / outpath)
            raise CollisionError(
                f"{show_path(other_inpath)} and {show_path(inpath)} would both become {show_path(outpath)}: "
                "yield suffixes that keep them apart"
            )
