"""A stage as a sequence: item 200 of a stage that was never built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from tintype.errors import DroppedError, EvaluationError, SettingsError
from tintype.load_funcs.any_file import load_file
from tintype.sequences.view import View
from tintype.tasks.item_sources import ItemSource, Made, MadeFile, NotMadeError, PublishedItems
from tintype.tasks.planned import scratch_folder

if TYPE_CHECKING:
    from tintype.tasks.viewable_task import ViewableTask

Missing = Literal["raise", "skip", "none"]


class StageSequence(View[Any]):
    """The results of a stage, one by one; see :meth:`tintype.tasks.Stage.sequence`.

    Parameters
    ----------
    stage
        The stage.
    load_func
        Loads a result from its path; by default by its extension, see :func:`tintype.load_funcs.load_file`.
    columns
        Whether an item is ``(row, data)``.
    missing
        What becomes of items that fail or are dropped.
    place
        Where the sequence was made, ``file:line``, for the message of an error.
    """

    __slots__ = ("_built_at", "_columns", "_items", "_load_func", "_missing", "_stage")

    def __init__(
        self,
        stage: ViewableTask,
        *,
        load_func: Callable[[str], Any] | None = None,
        columns: bool = False,
        missing: Missing = "raise",
        place: str = "",
    ) -> None:
        if missing not in ("raise", "skip", "none"):
            raise SettingsError(f"missing is {missing!r}: give 'raise', 'skip' or 'none'")
        self._stage = stage
        self._load_func = load_func or load_file
        self._columns = columns
        self._missing: Missing = missing
        self._built_at = place
        self._items: ItemSource = stage.items()
        self._length = len(self._items)

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_again, (self._stage, self._load_func, self._columns, self._missing, self._built_at)

    def __iter__(self) -> Iterator[Any]:
        if self._missing != "skip":
            yield from super().__iter__()
            return
        for index in range(self._length):
            try:
                item = self[index]
            except (DroppedError, EvaluationError):
                continue
            yield item

    @property
    def is_built(self) -> bool:
        """Whether the items are read from the stage's directory; if not, each is computed when it is asked for."""
        return isinstance(self._items, PublishedItems)

    def _item(self, index: int, /) -> Any:
        try:
            with scratch_folder():
                return self._loaded(self._items.made(index))
        except NotMadeError as error:
            if self._missing == "none":
                return None
            raise self._translate(error, index) from error.error

    def _loaded(self, made: Made) -> Any:
        results = [self._load(file) for file in made.files]
        return results if made.is_several else results[0]

    def _load(self, file: MadeFile) -> Any:
        data = file.data
        if file.path is not None:
            try:
                data = self._load_func(file.path)
            except Exception as error:
                raise self._load_failed(file, error) from error
        return (file.row, data) if self._columns else data

    def _load_failed(self, file: MadeFile, error: Exception) -> NotMadeError:
        name = getattr(self._load_func, "__name__", "load_func")
        return NotMadeError(
            f"{name} of {self._stage.get_task_family()}", str(file.row["outpath"]), reason=str(error), error=error
        )

    def _translate(self, error: NotMadeError, index: int) -> Exception:
        if error.error is None:
            return DroppedError(f"item {index}: {error.stage} drops {error.inpath}: {error.reason}")
        reason = f"{type(error.error).__name__}: {error.reason}"
        return EvaluationError(index, error.stage, self._built_at, error.inpath, reason)

    def _name(self) -> str:
        return f"{self._stage.get_task_family()}, {'built' if self.is_built else 'not built'}"


def _make_again(
    stage: ViewableTask, load_func: Callable[[str], Any], columns: bool, missing: Missing, place: str
) -> StageSequence:
    return StageSequence(stage, load_func=load_func, columns=columns, missing=missing, place=place)
