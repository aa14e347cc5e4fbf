"""Several inputs to one result: an image and its mask. The load function gets a tuple of paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class load_each:  # noqa: N801 - used like a function, and a class so that worker processes can be sent it
    """Make a load function for one path into one for several.

    Parameters
    ----------
    load_func
        Called with each path in turn.

    Examples
    --------
    >>> from tintype import Pipeline
    >>> from tintype.pipelines import load_each, unpacked
    >>> pipeline = Pipeline(load_func=load_each(str), ops=unpacked(lambda image, mask: f"{image} under {mask}"))
    >>> pipeline(("cat.jpg", "cat.png"))
    'cat.jpg under cat.png'
    """

    load_func: Callable[[Any], Any]

    def __call__(self, paths: Iterable[Any]) -> tuple[Any, ...]:
        """Return what the load function returns for each path."""
        return tuple(self.load_func(path) for path in paths)


@dataclass(frozen=True)
class unpacked:  # noqa: N801
    """Make a function of several arguments into an op that gets them as one tuple.

    Parameters
    ----------
    function
        Called with the parts of the tuple: of an image and its mask, ``function(image, mask)``.
    """

    function: Callable[..., Any]

    def __call__(self, data: Iterable[Any]) -> Any:
        """Return what the function returns for the parts of `data`."""
        return self.function(*data)
