"""What of a stage takes part in its recipe: significant parameters and plain class attributes, as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import luigi


def significant_parameters(task: luigi.Task) -> dict[str, str]:
    """Return the serialised value of each significant parameter, but for ``base_dir``: moving changes nothing."""
    return {
        name: _serialize(parameter, getattr(task, name))
        for name, parameter in task.get_params()
        if parameter.significant and name != "base_dir"
    }


def _serialize(parameter: Any, value: Any) -> str:
    """Return a value as Luigi writes it; 2 for a FloatParameter as 2.0, so that one value has one name."""
    if type(value) is int and isinstance(parameter, luigi.FloatParameter | luigi.OptionalFloatParameter):
        value = float(value)
    return str(parameter.serialize(value))


def changed_parameters(task: luigi.Task) -> dict[str, str]:
    """Return the significant parameters whose values differ from the defaults in the code.

    Defaults from Luigi's configuration do not count: the same values must name the same directory everywhere.
    """
    values = significant_parameters(task)
    defaults = {name: _default_text(parameter) for name, parameter in task.get_params() if name in values}
    return {name: value for name, value in values.items() if value != defaults[name]}


def plain_attributes(cls: type, *, stop: type, ignored: Iterable[str]) -> dict[str, str]:
    """Return the public class attributes of `cls` that hold plain values, as text.

    Plain are None, bool, int, float, str, bytes, paths, enum members, types, and tuples, lists, sets and mappings of
    these. Names that Luigi's own Task has (``priority``, ``resources``) say how to run, not what to make, and do not
    count.

    Parameters
    ----------
    cls
        The stage's class.
    stop
        The base class whose attributes, and those of its bases, do not count unless a subclass or a mixin sets them.
    ignored
        More names that do not count.
    """
    skipped = {*ignored, *dir(luigi.Task)}
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        if base not in stop.__mro__:
            for name, value in vars(base).items():
                found.setdefault(name, value)
    texts = {
        name: _plain_text(value)
        for name, value in sorted(found.items())
        if not name.startswith("_") and name not in skipped
    }
    return {name: text for name, text in texts.items() if text is not None}


def _default_text(parameter: Any) -> str | None:
    default = parameter._default  # noqa: SLF001, Luigi's public access reads the configuration first
    if callable(default):
        default = default()
    try:
        return str(parameter.serialize(parameter.normalize(default)))
    except Exception:  # noqa: BLE001, whatever a parameter class raises over its own default
        return None  # no default, or one that its own parameter cannot write: always part of the name


def _plain_text(value: Any) -> str | None:
    try:
        return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)
    except TypeError:
        return None


def _plain(value: Any) -> Any:
    """Return `value` as JSON can hold it, different for different values; TypeError when it is not plain."""
    if isinstance(value, Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return f"bytes {value.hex()}"
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, type):
        return value.__qualname__
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=repr)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    raise TypeError(f"{value!r} is not plain")
