"""The recipe of a directory, everything that decides its bytes, and the decision that follows from comparing two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the bytes of a stage's directory.

    Equal recipes mean equal directories, so nothing about the place or the machine is in here: a dataset that is
    moved, or built with other threads, keeps its recipes.
    """

    family: str
    """The task's family (its class name, with Luigi's namespace)."""
    version: str
    """The stage's own ``version``, raised by hand."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Significant parameters, serialised as Luigi serialises them."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Plain class attributes, as text."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Digest of each input, by a name that does not change when the dataset is moved."""
    code: str | None = None
    """Digest of the stage's code; None where code takes no part in the decision."""

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain values for a JSON file."""
        return {
            "family": self.family,
            "version": self.version,
            "parameters": dict(self.parameters),
            "attributes": dict(self.attributes),
            "inputs": dict(self.inputs),
            "code": self.code,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """Rebuild a recipe from what :meth:`to_json` returned.

        Raises
        ------
        KeyError, TypeError, ValueError
            When `values` is not such a mapping.
        """
        return cls(
            family=str(values["family"]),
            version=str(values["version"]),
            parameters={str(k): str(v) for k, v in dict(values["parameters"]).items()},
            attributes={str(k): str(v) for k, v in dict(values["attributes"]).items()},
            inputs={str(k): str(v) for k, v in dict(values["inputs"]).items()},
            code=None if values["code"] is None else str(values["code"]),
        )


@dataclass(frozen=True)
class Keep:
    """The published directory is what was asked for."""


@dataclass(frozen=True)
class Rebuild:
    """The directory has to be built, and why."""

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(self.reasons)


def decide(published: Recipe | None, wanted: Recipe) -> Keep | Rebuild:
    """Compare the recipe a directory was built by with the one that is asked for. Touches no disk.

    Parameters
    ----------
    published
        The recipe in the directory's stamp; None when nothing is published.
    wanted
        What the task asks for now.

    Returns
    -------
    Keep or Rebuild
        A rebuild carries one reason for each thing that differs.

    Examples
    --------
    >>> old = Recipe("Thumbnails", "1", parameters={"max_side": "448"})
    >>> new = Recipe("Thumbnails", "1", parameters={"max_side": "512"})
    >>> print(decide(old, new))
    max_side changed from 448 to 512
    >>> decide(new, new)
    Keep()
    >>> print(decide(None, new))
    never built
    """
    if published is None:
        return Rebuild(("never built",))
    reasons = tuple(_differences(published, wanted))
    return Rebuild(reasons) if reasons else Keep()


def _differences(published: Recipe, wanted: Recipe) -> Iterator[str]:
    if published.family != wanted.family:
        yield f"made by {published.family}, asked for by {wanted.family}"
    if published.version != wanted.version:
        yield f"version changed from {published.version} to {wanted.version}"
    for kind in ("parameters", "attributes"):
        yield from _changed_values(getattr(published, kind), getattr(wanted, kind))
    for name in sorted({*published.inputs, *wanted.inputs}):
        if name not in published.inputs:
            yield f"input {name} is new"
        elif name not in wanted.inputs:
            yield f"input {name} is gone"
        elif published.inputs[name] != wanted.inputs[name]:
            yield f"input {name} changed"
    if published.code != wanted.code and published.code is not None and wanted.code is not None:
        yield "the stage's code changed"


def _changed_values(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if name not in before:
            yield f"{name} is new, {_shorten(after[name])}"
        elif name not in after:
            yield f"{name} is gone, it was {_shorten(before[name])}"
        elif before[name] != after[name]:
            yield f"{name} changed from {_shorten(before[name])} to {_shorten(after[name])}"


def _shorten(value: str, longest: int = 60) -> str:
    return value if len(value) <= longest else f"{value[: longest - 1]}…"
