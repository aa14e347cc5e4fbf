"""A function over the items of sequences, called for the item that is asked for and no other."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, SupportsIndex, TypeVar, overload

from tintype.errors import EvaluationError, SettingsError
from tintype.sequences.joining import Collated
from tintype.sequences.view import (
    NO_END,
    Endless,
    Indexable,
    Item,
    Picked,
    View,
    close,
    count_items,
    find_origin,
    getter,
    number_errors,
    open_together,
    show_text,
    walk,
)

if TYPE_CHECKING:
    from PIL import Image

Result = TypeVar("Result")
Errors = Literal["wrap", "passthrough"]


class Step(NamedTuple):
    """One function of a chain."""

    function: Callable[[Any], Any]
    name: str
    place: str
    """Where the sequence that calls it was built, as ``file:line``."""
    is_wrapped: bool
    """Whether what it raises becomes an EvaluationError."""


class Map(View[Item]):
    """One function after another over the items of a sequence.

    A map of a map is one map with both functions, so that a deep one costs no more than its functions.
    """

    __slots__ = ("_first", "_get", "_more", "sequence", "steps")

    def __init__(self, sequence: Indexable[Any], steps: tuple[Step, ...], length: int) -> None:
        self.sequence = sequence
        self.steps = steps
        self._length = length
        self._get = getter(sequence)
        self._first = steps[0].function
        self._more = tuple(step.function for step in steps[1:])

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> Item: ...
    @overload
    def __getitem__(self, key: slice, /) -> Picked[Item]: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> Item | Picked[Item]:
        """Return one item, or a view of a slice."""
        # All in one function, and no call that can be spared: this is what each item of a training run goes through.
        if type(key) is not int or not 0 <= key < self._length:
            return super().__getitem__(key)
        try:
            value = self._get(key)
        except EvaluationError as error:
            error.index = key
            raise
        rest = None
        try:
            value = self._first(value)
            if self._more:
                rest = iter(self._more)
                for function in rest:
                    value = function(value)
        except Exception as error:  # noqa: BLE001 - the user's function may raise anything
            self._explain(error, key, value, rest)
        return value  # type: ignore[no-any-return]

    def _item(self, index: int, /) -> Item:
        return self[index]

    def __iter__(self) -> Iterator[Item]:
        """Yield the items in order, each computed when it is asked for."""
        indexes = range(self._length)
        items = walk(self.sequence, indexes)
        # One generator less for a list, which is what most maps begin with.
        return self._compute(indexes, number_errors(items) if isinstance(self.sequence, View) else items)

    def _walk(self, indexes: range, /) -> Iterator[Item]:
        return self._compute(indexes, walk(self.sequence, indexes))

    def _compute(self, indexes: range, items: Iterator[Any]) -> Iterator[Item]:
        first, more = self._first, self._more
        for index, value in zip(indexes, items, strict=True):
            rest = None
            try:
                value = first(value)
                if more:
                    rest = iter(more)
                    for function in rest:
                        value = function(value)
            except Exception as error:  # noqa: BLE001 - the user's function may raise anything
                self._explain(error, index, value, rest)
            yield value

    def _explain(self, error: Exception, index: int, value: Any, rest: Iterator[Any] | None) -> NoReturn:
        """Raise what a function's error becomes: `value` is what it got, `rest` what came after the first function."""
        n_left = 0 if rest is None else rest.__length_hint__()  # type: ignore[attr-defined]
        step = self.steps[0 if rest is None else len(self._more) - n_left]
        if not step.is_wrapped:
            raise error
        text = _show_first_text(value) or find_origin(self.sequence, index)
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise EvaluationError(index, step.name, step.place, text, reason) from error

    def _origin(self, index: int, /) -> str | None:
        return find_origin(self.sequence, index)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.sequence, self.steps, self._length)

    def _name(self) -> str:
        return f"smap {self.steps[-1].name}"


class Spread:
    """A function of several arguments as one of a tuple of them. A class, so that it pickles when the function does."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, arguments: Any) -> Any:
        """Call the function with the items of a tuple."""
        return self.function(*arguments)


@overload
def smap(function: Callable[..., Result], /, *sequences: Indexable[Any], errors: Errors = "wrap") -> View[Result]: ...
@overload
def smap(
    function: Callable[..., Result], /, *sequences: Indexable[Any] | Endless[Any], errors: Errors = "wrap"
) -> View[Result] | Endless[Result]: ...
def smap(
    function: Callable[..., Result], /, *sequences: Indexable[Any] | Endless[Any], errors: Errors = "wrap"
) -> View[Result] | Endless[Result]:
    """Return a sequence of what a function returns for each item; it is called when an item is asked for.

    Nothing is kept: an item that is read twice is computed twice. :func:`add_cache` keeps some.

    Parameters
    ----------
    function
        Called with one item of each sequence. ``PIL.Image.open`` is called so that it reads the whole image (its first
        frame) and closes the file, which it would leave open.
    *sequences
        One or more of one length. Beside them, or alone, stand sequences without an end, such as ``repeat(224)``.
    errors
        ``wrap``: what the function raises is the cause of an EvaluationError, which names the item, the function, the
        line of this call and, where there is one, the file. ``passthrough``: it comes as it is. Only a StopIteration
        from an iteration cannot: it would end it without a word, so Python makes a RuntimeError of it.

    Returns
    -------
    View
        As long as the sequences; without an end when none of them has one. It pickles when `function` does.

    Raises
    ------
    TypeError
        When `function` cannot be called, or there is no sequence, or something that is none.
    SettingsError
        When the lengths differ. A ValueError.

    Examples
    --------
    >>> from tintype.sequences import smap
    >>> lengths = smap(len, ["a", "bcd", "ef"])
    >>> lengths, lengths[1], list(lengths[::-1])
    (<smap len: 3 items>, 3, [2, 3, 1])
    """
    if not sequences:
        raise TypeError("smap needs a sequence after the function: smap(function, items)")
    step = _make_step("smap", function, errors, is_spread=len(sequences) > 1)
    if len(sequences) > 1:
        opened, length = open_together("smap", sequences)
        return close(Map(Collated(opened, length), (step,), length))
    return _add_step("smap", step, sequences[0])


@overload
def starmap(function: Callable[..., Result], sequence: Indexable[Any], *, errors: Errors = "wrap") -> View[Result]: ...
@overload
def starmap(function: Callable[..., Result], sequence: Endless[Any], *, errors: Errors = "wrap") -> Endless[Result]: ...
def starmap(
    function: Callable[..., Result], sequence: Indexable[Any] | Endless[Any], *, errors: Errors = "wrap"
) -> View[Result] | Endless[Result]:
    """Return a sequence of what a function returns for each item, a tuple, given as its arguments.

    Parameters
    ----------
    function
        Called as ``function(*item)``.
    sequence
        Of tuples, such as :func:`collate` makes.
    errors
        As for :func:`smap`.

    Returns
    -------
    View
        As long as the sequence; without an end when it has none. It pickles when `function` does.

    Raises
    ------
    TypeError
        When `function` cannot be called, or `sequence` is none.

    Examples
    --------
    >>> from tintype.sequences import starmap
    >>> list(starmap(pow, [(2, 3), (3, 2)]))
    [8, 9]
    """
    return _add_step("starmap", _make_step("starmap", function, errors, is_spread=True), sequence)


def _make_step(caller: str, function: Callable[..., Any], errors: str, *, is_spread: bool) -> Step:
    if not callable(function):
        raise TypeError(f"{caller} needs a function first, and got {function!r}")
    if errors not in {"wrap", "passthrough"}:
        raise SettingsError(f"errors is {errors!r}: give 'wrap' or 'passthrough'")
    name = show_function(function)
    if is_spread:
        function = Spread(function)
    elif getattr(sys.modules.get("PIL.Image"), "open", None) is function:
        function = open_image
    return Step(function, name, find_place(), errors == "wrap")


def _add_step(caller: str, step: Step, sequence: Indexable[Any] | Endless[Any]) -> View[Any] | Endless[Any]:
    if isinstance(sequence, Endless):
        return Endless(_chain(step, sequence.view, NO_END))
    return _chain(step, sequence, count_items(caller, sequence))


def _chain(step: Step, sequence: Indexable[Any], length: int) -> Map[Any]:
    if type(sequence) is Map:
        return Map(sequence.sequence, (*sequence.steps, step), length)
    return Map(sequence, (step,), length)


def open_image(file: Any) -> Image.Image:
    """Open an image with Pillow, read its pixels (of the first frame), and close the file."""
    from PIL import Image

    with Image.open(file) as image:
        image.load()
        return image


def show_function(function: Callable[..., Any]) -> str:
    """Return the name of a function as its sequence and its errors show it."""
    while isinstance(function, functools.partial):
        function = function.func
    name: str = getattr(function, "__name__", type(function).__name__)
    return name.strip("<>")


def _show_first_text(value: Any) -> str | None:
    """Return the file's name, or other text, that a function was given; the first of its arguments that is one."""
    return next(filter(None, map(show_text, value if type(value) is tuple else (value,))), None)


def find_place() -> str:
    """Return the line that called into tintype, as ``file:line``, without a look at any source."""
    frame = sys._getframe(1)  # noqa: SLF001 - the inspect module reads source files
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE_FOLDER):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


PACKAGE_FOLDER = os.path.dirname(os.path.dirname(find_place.__code__.co_filename)) + os.sep
