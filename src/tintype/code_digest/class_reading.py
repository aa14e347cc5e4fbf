"""How a class is read: the text of its body, and what it holds that the text does not say."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cached_property, partial
from types import FunctionType
from typing import Any

from tintype.code_digest.modules import is_task, is_user_class, is_user_function, namespace_of_class
from tintype.code_digest.normal_form import assigned_name
from tintype.code_digest.pieces import ClassPart, Piece, Requirement
from tintype.code_digest.resolving import Resolver, Surroundings
from tintype.code_digest.shelf import NOT_SOURCE, find_class
from tintype.code_digest.sources import Source
from tintype.code_digest.values import OpaqueValueError, is_place, plain_text, read_value, wrapped_by

# Where one of these is among a class's own attributes, its annotations make its fields.
_OF_RECORDS = frozenset(
    {"__dataclass_fields__", "__attrs_attrs__", "__pydantic_fields__", "__struct_fields__", "__total__", "_fields"}
)


class ClassReader:
    """Reads one class into pieces.

    Parameters
    ----------
    part
        The class.
    resolver
        Looks up what its body refers to.
    ignored
        Names of its attributes that are counted elsewhere.
    """

    def __init__(self, part: ClassPart, resolver: Resolver, ignored: frozenset[str]) -> None:
        self._cls = part.cls
        self._name = part.name
        self._resolver = resolver
        self._own = vars(part.cls)
        self._is_record = not _OF_RECORDS.isdisjoint(self._own)
        # A function under such a name is code all the same.
        self._ignored = frozenset(name for name in ignored if not _is_code(self._own.get(name)))

    def read(self) -> list[Piece]:
        """Return what the class is made of."""
        pieces: list[Piece] = []
        for base in self._cls.__bases__:
            pieces += [ClassPart(base), " "] if is_user_class(base) else []
        namespace = namespace_of_class(self._cls)
        found = self._find(namespace)
        if found is None:
            if str(namespace.get("__file__", "")).endswith(NOT_SOURCE):
                self._resolver.notes.unread.add(f"{self._name}: its module has no source")
            return [*pieces, *self._read_without_text()]
        source, nodes = found
        written = source.written_names()
        state = source.written_around(nodes[0])
        cells = {
            name: value
            for function in own_functions(self._cls)
            for name, value in filled_cells(function).items()
            if name not in state
        }
        around = Surroundings(self._name, namespace, cells)
        for node in nodes:
            bound = _bound_in_body(node)
            form = source.form(node, left_out=self._left_out(bound, written.attributes), is_record=self._is_record)
            pieces += self._resolver.form(form, around, requirements=is_task(self._cls))
            pieces += self._read_attributes(bound, written.attributes)
        return pieces

    def _find(self, namespace: dict[str, Any]) -> tuple[Source, list[ast.ClassDef]] | None:
        """Return where the class stands: around its own functions, which tell it from others of its name."""
        places = []
        for function in own_functions(self._cls):
            found = self._resolver.shelf.find_function(function)
            node = None if found is None else found.source.class_around(found.node)
            if found is not None and node is not None and node.name == self._cls.__name__:
                places.append((found.source, [node]))
        return places[0] if places else find_class(self._resolver.shelf, self._cls, namespace)

    def _left_out(self, bound: Mapping[str, ast.stmt], written: frozenset[str]) -> frozenset[str]:
        """Return the attributes whose assignments do not count: those counted elsewhere, and those read by value."""
        if self._is_record or issubclass(self._cls, Enum):
            return self._ignored
        by_value = (
            name
            for name, statement in bound.items()
            if assigned_name(statement) and name in self._own and name not in written and not is_place(self._own[name])
            if self._read_plain(self._own[name]) is not None
        )
        return self._ignored.union(by_value)

    def _read_attributes(self, bound: Mapping[str, ast.stmt], written: frozenset[str]) -> Iterator[Piece]:
        """Yield what the class holds besides the definitions in its body: values, and what was put there later."""
        if issubclass(self._cls, Enum):
            return
        for name, value in sorted(self._own.items()):
            if name in self._ignored or name in written or self._is_said_by_text(name, value, bound):
                continue
            pieces = self._read_plain(value)
            if pieces is None and is_user_function(inner_function(value)):
                pieces = self._resolver.value(value, f"{self._name}.{name}")
            if pieces is not None:
                yield from [f"{name}=", *pieces, " "]

    def _is_said_by_text(self, name: str, value: object, bound: Mapping[str, ast.stmt]) -> bool:
        """Return whether an attribute is a definition in the body, or one that Python and decorators make from it."""
        inner = inner_function(value)
        statement = bound.get(name)
        if statement is None:
            is_made = not is_user_function(inner) or _is_generated(inner)
            return is_made and (name.startswith(("__", "_abc_")) or _is_code(value))
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and isinstance(inner, FunctionType):
            # Another function may have been put in its place.
            return inner.__code__.co_qualname == f"{self._cls.__qualname__}.{name}"
        return is_place(value) or isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)

    def _read_plain(self, value: object) -> list[Piece] | None:
        """Return an attribute that is no code itself, though it may hold functions; None for any other."""
        if _is_code(value):
            return None
        try:
            pieces = read_value(value, self._resolver.notes, instances=False)
        except OpaqueValueError:
            return None
        if not is_task(self._cls):
            return pieces
        # A task that another one names is made on its own: what it makes is an input.
        is_other_task = [isinstance(piece, ClassPart) and is_task(piece.cls) for piece in pieces]
        return [
            Requirement(piece) if is_other and isinstance(piece, ClassPart) else piece
            for piece, is_other in zip(pieces, is_other_task, strict=True)
        ]

    def _read_without_text(self) -> Iterator[Piece]:
        """Yield what a class holds that no class statement made."""
        if issubclass(self._cls, Enum):
            yield from [f"{member.name}={plain_text(member.value)}, " for member in self._cls]
            return
        yield " ".join(base.__name__ for base in self._cls.__bases__)
        yield from self._read_attributes({}, frozenset())


def own_functions(cls: type) -> Iterator[FunctionType]:
    """Yield the functions that were defined in the body of a class."""
    for value in vars(cls).values():
        function = inner_function(value)
        if not isinstance(function, FunctionType) or not is_user_function(function) or _is_generated(function):
            continue
        if function.__code__.co_qualname.rpartition(".")[0] == cls.__qualname__:
            yield function


def inner_function(value: Any) -> object:
    """Return the function inside wrappers such as ``property``, ``partial`` and what ``functools.wraps`` marked."""
    for _ in range(100):
        if isinstance(value, staticmethod | classmethod):
            value = value.__func__
        elif isinstance(value, property):
            value = value.fget
        elif isinstance(value, cached_property | partial):
            value = value.func
        else:
            inner = wrapped_by(value)
            if inner is None:
                break
            value = inner
    return value


def filled_cells(function: FunctionType) -> dict[str, object]:
    """Return what a function holds of the functions around it, by name."""
    cells = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            cells[name] = cell.cell_contents
        except ValueError:
            continue  # not filled yet, or emptied
    cells.pop("__class__", None)
    return cells


def _is_code(value: object) -> bool:
    is_wrapper = isinstance(value, staticmethod | classmethod | property | cached_property)
    return is_wrapper or (callable(value) and not isinstance(value, type))


def _is_generated(function: object) -> bool:
    """Return whether a decorator such as ``dataclass`` wrote this method."""
    if not isinstance(function, FunctionType):
        return False
    return function.__code__.co_filename.startswith("<") and function.__name__.startswith("__")


def _bound_in_body(node: ast.ClassDef) -> dict[str, ast.stmt]:
    """Return what the body of a class binds, by name, in whatever branch."""
    bound: dict[str, ast.stmt] = {}
    todo: list[ast.AST] = [*node.body[::-1]]
    while todo:
        statement = todo.pop()
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound[statement.name] = statement
            continue
        if isinstance(statement, ast.stmt):
            name = assigned_name(statement)
            if name is not None:
                bound[name] = statement
        todo += [child for child in ast.iter_child_nodes(statement) if not isinstance(child, ast.expr)][::-1]
    return bound
