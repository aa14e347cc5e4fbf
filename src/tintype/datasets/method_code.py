"""What one method of an object depends on: the functions that it reaches, and the attributes that they read."""

from __future__ import annotations

import dis
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from types import CodeType, FunctionType
from typing import Any

from tintype.code_digest.class_reading import inner_function
from tintype.code_digest.digest import CodeDigest, digest_code
from tintype.code_digest.modules import is_user_function
from tintype.settings import read_track_versions


@dataclass(frozen=True)
class MethodCode:
    """What a method depends on."""

    code: CodeDigest
    """Of the user's functions, and of attributes that are not plain."""
    attributes: Mapping[str, str]
    """The plain attributes that are read, as text."""


def read_method(owner: object, name: str, *, stop: type, ignored: Collection[str] = ()) -> MethodCode:
    """Return what a method depends on, from the names in its code: nothing is run.

    An attribute counts when the method, or a function that it reaches, reads an attribute of that name and none of them
    sets it. Not seen: names that are made from text (``getattr(self, name)``).

    Parameters
    ----------
    owner
        The object.
    name
        Of the method.
    stop
        The base class whose attributes do not count, nor those of its bases.
    ignored
        Attributes that do not count.

    Examples
    --------
    >>> class Circle:
    ...     radius = 2
    ...     colour = "red"
    ...     def area(self):
    ...         return 3 * self.radius**2
    >>> read_method(Circle(), "area", stop=object).attributes
    {'radius': '2'}
    """
    walk = _Walk(owner)
    walk.follow(name)
    values = {
        attribute: value
        for attribute, value in _find_values(owner, stop).items()
        if attribute in walk.read - walk.written and attribute not in ignored
    }
    texts = {attribute: _as_text(value) for attribute, value in sorted(values.items())}
    opaque = [values[attribute] for attribute, text in texts.items() if text is None]
    users = [function for function in walk.functions if is_user_function(function)]
    digest = digest_code(stop, extra=[*users, *opaque], track_versions=read_track_versions())
    # The part named "extra" says which functions there are, which their own parts say as well.
    parts = {part: text for part, text in digest.parts.items() if part != "extra" or opaque}
    plain = {attribute: text for attribute, text in texts.items() if text is not None}
    return MethodCode(CodeDigest(parts, digest.unread), plain)


class _Walk:
    """A walk from one method over everything that its code names."""

    def __init__(self, owner: object) -> None:
        self.functions: list[FunctionType] = []
        self.read: set[str] = set()
        self.written: set[str] = set()
        self._owner = owner
        self._seen: set[int] = set()

    def follow(self, name: str) -> None:
        """Take in the definition of a method that counts, and what it reaches."""
        todo = self._definitions(name)[:1]
        while todo:
            defined_as, function = todo.pop()
            if id(function) in self._seen:
                continue
            self._seen.add(id(function))
            if defined_as:
                self.functions.append(function)
            attributes, names = set(), set()
            for instruction in _instructions(function.__code__):
                kind, argument = instruction.opname, instruction.argval
                if kind.startswith("LOAD_") and ("ATTR" in kind or "METHOD" in kind):
                    attributes.add(str(argument))
                elif kind in ("STORE_ATTR", "DELETE_ATTR"):
                    self.written.add(str(argument))
                elif kind == "LOAD_GLOBAL":
                    names.add(str(argument))
            self.read |= attributes
            for attribute in sorted(attributes):
                found = self._definitions(attribute)
                # What names itself calls super().
                todo += found if attribute == defined_as else found[:1]
            called = (inner_function(function.__globals__.get(name)) for name in sorted(names))
            todo += [("", inner) for inner in called if isinstance(inner, FunctionType) and is_user_function(inner)]

    def _definitions(self, name: str) -> list[tuple[str, FunctionType]]:
        """Return the functions behind an attribute of the owner, in the order in which Python looks for them."""
        places = [vars(self._owner), *map(vars, type(self._owner).__mro__[:-1])]
        found = (inner_function(place[name]) for place in places if name in place)
        return [(name, function) for function in found if isinstance(function, FunctionType)]


def _instructions(code: CodeType) -> Iterator[dis.Instruction]:
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _instructions(constant)


def _find_values(owner: object, stop: type) -> dict[str, Any]:
    """Return the attributes of an object that are no methods, its own before those of its classes."""
    values = dict(vars(owner))
    for cls in type(owner).__mro__:
        if cls not in stop.__mro__:
            for name, value in vars(cls).items():
                if not name.startswith("__"):
                    values.setdefault(name, value)
    is_method = (FunctionType, property, staticmethod, classmethod)
    return {
        name: value
        for name, value in values.items()
        if not isinstance(value, is_method) and not isinstance(inner_function(value), FunctionType)
    }


def _as_text(value: Any) -> str | None:
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError):
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if isinstance(value, bytes):
        return f"bytes {value.hex()}"
    raise TypeError(f"{value!r} is not plain")
