"""Values as pieces of text: the same for equal values, whatever the hash seed, the address and the Python."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cached_property, partial, partialmethod
from pathlib import PurePath
from re import Pattern
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType
from typing import Any
from uuid import UUID

from tintype.code_digest.modules import full_name, is_library_name, is_task, is_user_class, is_user_function
from tintype.code_digest.normal_form import constant_text
from tintype.code_digest.pieces import ClassPart, FunctionPart, Notes, Piece

_AS_REPR = (date, datetime, time, timedelta, timezone, Decimal, Fraction, UUID, range, slice)
_SEQUENCES = (list, tuple, deque, set, frozenset)
_DEEPEST = 100


class OpaqueValueError(Exception):
    """A value of which nothing but its type can be told."""


def read_value(value: object, notes: Notes, *, instances: bool = True, within: tuple[int, ...] = ()) -> list[Piece]:
    """Return a value as pieces.

    Parameters
    ----------
    value
        Of any type. Not modified.
    notes
        Get the names of the libraries that are seen.
    instances
        Whether objects of the user's classes may count by their class and attributes.
    within
        Identities of the containers around it.

    Raises
    ------
    OpaqueValueError
        When the value, or one inside it, is of a type that cannot be read.
    """
    plain = plain_text(value)
    if plain is not None:
        return [plain]
    if id(value) in within or len(within) > _DEEPEST:
        raise OpaqueValueError(full_name(type(value)))

    def read(inner: object) -> list[Piece]:
        return read_value(inner, notes, instances=instances, within=(*within, id(value)))

    try:
        return _read_composed(value, notes, read, instances=instances)
    except OpaqueValueError:
        raise
    except Exception as error:  # whatever the attributes of a stranger's object raise
        raise OpaqueValueError(full_name(type(value))) from error


def _read_composed(
    value: object, notes: Notes, read: Callable[[object], list[Piece]], *, instances: bool
) -> list[Piece]:
    if isinstance(value, Enum):
        return [f"member {value.name} of ", *read(type(value)), *read(value.value)]
    kind: list[Piece] = [ClassPart(type(value))] if is_user_class(type(value)) else []
    if isinstance(value, dict | MappingProxyType):
        return [*kind, *_read_mapping(value, read)]
    if isinstance(value, _SEQUENCES):
        return [*kind, *_read_sequence(value, read)]
    if isinstance(value, type):
        return [ClassPart(value)] if is_user_class(value) else [notes.library(full_name(value))]
    if is_task(type(value)):
        return ["task ", *read(type(value))]  # its parameters are counted where they are set
    if kind:
        if instances:
            return [*kind, " with ", *_read_mapping(_attributes(value), read)]
        raise OpaqueValueError(full_name(type(value)))
    found = _read_callable(value, notes, read)
    if found is None:
        raise OpaqueValueError(full_name(type(value)))
    return found


def plain_text(value: object) -> str | None:
    r"""Return a value without parts as text; None for any other.

    Examples
    --------
    >>> plain_text(448), plain_text(True), plain_text("é")
    ('int 1c0', 'bool True', "str '\\xe9'")
    """
    if isinstance(value, Enum):
        return None
    if value is None or value is Ellipsis or value is NotImplemented or isinstance(value, bool | complex | bytes):
        return constant_text(value)
    if isinstance(value, bytearray):
        return f"bytearray {value.hex()}"
    if isinstance(value, float):
        return f"float {float.__repr__(value)}"  # NumPy's are floats too, with a repr of their own
    if isinstance(value, int | str):
        return constant_text(int(value) if isinstance(value, int) else str.__str__(value))
    if isinstance(value, PurePath):
        return f"path {str(value)!a}"
    if type(value) in _AS_REPR:
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, Pattern):
        return f"pattern {value.flags} {value.pattern!a}"
    if type(value).__module__ == "numpy" and hasattr(value, "dtype") and hasattr(value, "tobytes"):
        return _array_text(value)
    return None


def is_place(value: object) -> bool:
    """Return whether a value is an absolute path: most are made from ``__file__``, and the code may be moved."""
    return isinstance(value, str | PurePath) and os.path.isabs(value)


def _array_text(value: Any) -> str | None:
    if value.dtype.hasobject:
        return None
    return f"array {value.dtype.str} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"


def _read_mapping(value: Mapping[Any, object], read: Callable[[object], list[Piece]]) -> list[Piece]:
    # In its own order, which those that go through it see.
    pieces: list[Piece] = [f"{type(value).__name__}("]
    for key, item in value.items():
        pieces += [*read(key), ": ", *read(item), ", "]
    return [*pieces, ")"]


def _read_sequence(value: Iterable[object], read: Callable[[object], list[Piece]]) -> list[Piece]:
    items = [read(item) for item in value]
    if isinstance(value, set | frozenset):
        items.sort(key=lambda pieces: [piece if isinstance(piece, str) else _name_of(piece) for piece in pieces])
    pieces: list[Piece] = [f"{type(value).__name__}("]
    for item in items:
        pieces += [*item, ", "]
    return [*pieces, ")"]


def _name_of(piece: Piece) -> str:
    return piece.name if isinstance(piece, FunctionPart | ClassPart) else ""


def _read_callable(value: Any, notes: Notes, read: Callable[[object], list[Piece]]) -> list[Piece] | None:
    if isinstance(value, FunctionType):
        return [FunctionPart(value)] if is_user_function(value) else _read_library_function(value, notes)
    if isinstance(value, partial | partialmethod):
        return [f"{type(value).__name__}(", *read(value.func), *read(value.args), *read(value.keywords), ")"]
    if isinstance(value, MethodType):
        return [f"method {value.__name__} of ", *read(value.__self__), *read(value.__func__)]
    if isinstance(value, staticmethod | classmethod):
        return [f"{type(value).__name__} ", *read(value.__func__)]
    if isinstance(value, property):
        return ["property(", *read(value.fget), *read(value.fset), *read(value.fdel), ")"]
    if isinstance(value, cached_property):
        return ["cached_property ", *read(value.func)]
    wrapped = wrapped_by(value)
    if wrapped is not None:
        return [notes.library(full_name(type(value))), *read(wrapped)]
    if isinstance(value, BuiltinFunctionType):
        holder = value.__self__
        if holder is not None and not hasattr(holder, "__spec__"):
            return [f"method {value.__name__} of ", *read(holder)]
        return [_compiled_name(value, notes)]
    is_named = bool(getattr(value, "__qualname__", getattr(value, "__name__", "")))
    return [_compiled_name(value, notes)] if callable(value) and is_named else None


def wrapped_by(value: Any) -> object:
    """Return what a wrapper says it wraps, as ``functools.wraps`` notes it; None for anything else."""
    try:
        return None if isinstance(value, type) else getattr(value, "__wrapped__", None)
    except Exception:  # noqa: BLE001, an object may do anything when it is asked
        return None


def _compiled_name(value: object, notes: Notes) -> str:
    """Return the name of compiled code, and note it where it is the user's own."""
    name = full_name(value)
    if not is_library_name(name.partition(".")[0]):
        notes.unread.add(f"{name}: compiled code counts by its name")
    return notes.library(name)


def _read_library_function(function: FunctionType, notes: Notes) -> list[Piece]:
    """Return the name of a library's function, and the functions of the user that it wraps."""
    name = f"{function.__globals__.get('__name__')}.{function.__code__.co_qualname}"
    pieces: list[Piece] = [notes.library(name)]
    for cell in function.__closure__ or ():
        try:
            held = cell.cell_contents
        except ValueError:
            continue  # not filled
        pieces += held_code([held])
    return pieces + registered_code(function)


def held_code(value: object) -> list[Piece]:
    """Return the functions and classes of the user that a container holds, by name: what a registry is for."""
    held: list[object] = []
    if isinstance(value, dict | MappingProxyType):
        held = list(value.values())
    elif isinstance(value, _SEQUENCES):
        held = list(value)
    parts: list[Piece] = [
        FunctionPart(item) for item in held if isinstance(item, FunctionType) and is_user_function(item)
    ]
    parts += [ClassPart(item) for item in held if isinstance(item, type) and is_user_class(item)]
    return sorted(parts, key=_name_of)


def registered_code(function: object) -> list[Piece]:
    """Return the functions of the user that a library's function holds beside the one it wraps."""
    if not isinstance(function, FunctionType):
        return []
    wrapped = wrapped_by(function)
    found = [piece for held in vars(function).values() for piece in held_code(held)]
    return [piece for piece in found if not isinstance(piece, FunctionPart) or piece.function is not wrapped]


def _attributes(value: object) -> dict[str, object]:
    """Return what an object holds, its slots too, by name."""
    names = {name for cls in type(value).__mro__ for name in _slots(cls)}
    slots = {name: getattr(value, name) for name in names if hasattr(value, name)}
    held: dict[str, object] = {**slots, **vars(value)} if hasattr(value, "__dict__") else slots
    return dict(sorted(held.items()))


def _slots(cls: type) -> Iterable[str]:
    slots = vars(cls).get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return (name for name in names if name not in ("__dict__", "__weakref__"))
