"""The recipe of a directory, everything that decides its bytes, and the decision that follows from comparing two."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tintype.settings import TRIGGERS

Trigger = Literal[
    "version", "parameters", "inputs", "code", "missing", "failures", "refresh", "repair", "retry", "force"
]
"""Why a directory has to be built: a kind of difference, something missing or broken, or a wish."""

_OF_SINGLE_FILES = frozenset({"inputs", "failures", "refresh", "repair", "retry"})
"""What leaves the results of unchanged inputs right."""


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
    code: Mapping[str, str] | None = None
    """Digest of each function, class and constant that the stage's code reaches, by its name; None where the stage was
    built without a look at its code."""

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain values for a JSON file."""
        return {
            "family": self.family,
            "version": self.version,
            "parameters": dict(self.parameters),
            "attributes": dict(self.attributes),
            "inputs": dict(self.inputs),
            "code": None if self.code is None else dict(self.code),
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
            code=None if values["code"] is None else {str(k): str(v) for k, v in dict(values["code"]).items()},
        )


@dataclass(frozen=True)
class Reason:
    """One thing that differs, or one wish: why a directory has to be built."""

    trigger: Trigger
    text: str
    """A clause for people: ``max_side changed from 448 to 512``."""
    name: str = ""
    """What differs: of a parameter, attribute, input or function its name."""
    before: str | None = None
    after: str | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Keep:
    """The published directory is what was asked for."""


@dataclass(frozen=True)
class Rebuild:
    """The directory has to be built, and why."""

    reasons: tuple[Reason, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.reasons))

    @property
    def keeps_unchanged(self) -> bool:
        """Whether what the published directory holds of unchanged inputs is still right."""
        return all(reason.trigger in _OF_SINGLE_FILES for reason in self.reasons)


def decide(published: Recipe | None, wanted: Recipe, triggers: Collection[str] = TRIGGERS) -> Keep | Rebuild:
    """Compare the recipe a directory was built by with the one that is asked for. Touches no disk.

    Parameters
    ----------
    published
        The recipe in the directory's stamp; None when nothing is published.
    wanted
        What the task asks for now.
    triggers
        The kinds of difference that count, of ``version``, ``parameters`` (and class attributes), ``inputs``, ``code``.

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
    >>> decide(old, new, triggers={"version", "inputs"})
    Keep()
    >>> print(decide(None, new))
    never built
    """
    if published is None:
        return Rebuild((Reason("missing", "never built"),))
    counting = {*triggers, "missing"}
    reasons = tuple(reason for reason in _differences(published, wanted) if reason.trigger in counting)
    return Rebuild(reasons) if reasons else Keep()


def _differences(published: Recipe, wanted: Recipe) -> Iterator[Reason]:
    if published.family != wanted.family:
        text = f"made by {published.family}, asked for by {wanted.family}"
        yield Reason("missing", text, "family", published.family, wanted.family)
    if published.version != wanted.version:
        text = f"version changed from {published.version} to {wanted.version}"
        yield Reason("version", text, "version", published.version, wanted.version)
    for kind in ("parameters", "attributes"):
        for name, before, after in _changed(getattr(published, kind), getattr(wanted, kind)):
            yield Reason("parameters", _say_change(name, before, after), name, before, after)
    for name, before, after in _changed(published.inputs, wanted.inputs):
        text = f"input {name} {_new_gone_or(before, after, 'changed')}"
        yield Reason("inputs", text, name, before, after)
    if published.code is not None and wanted.code is not None:
        for name, before, after in _changed(published.code, wanted.code):
            yield Reason("code", f"code of {name} {_new_gone_or(before, after, 'changed')}", name, before, after)


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, str | None, str | None]]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield name, before.get(name), after.get(name)


def _new_gone_or(before: str | None, after: str | None, otherwise: str) -> str:
    return "is new" if before is None else "is gone" if after is None else otherwise


def _say_change(name: str, before: str | None, after: str | None) -> str:
    if before is None:
        return f"{name} is new, {_shorten(str(after))}"
    if after is None:
        return f"{name} is gone, it was {_shorten(before)}"
    return f"{name} changed from {_shorten(before)} to {_shorten(after)}"


def _shorten(value: str, longest: int = 60) -> str:
    return value if len(value) <= longest else f"{value[: longest - 1]}…"
