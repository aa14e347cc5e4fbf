"""How functions, and names that are bound to anything else, are read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from tintype.code_digest.class_reading import ClassReader, filled_cells
from tintype.code_digest.modules import is_user_class
from tintype.code_digest.pieces import ClassPart, FunctionPart, NamePart, Part, Piece
from tintype.code_digest.resolving import Resolver, Surroundings
from tintype.code_digest.shelf import Found
from tintype.code_digest.sources import Source
from tintype.code_digest.values import OpaqueValueError, held_code, is_place, read_value, registered_code


class Reader:
    """Reads parts into pieces.

    Parameters
    ----------
    resolver
        Looks up what the code refers to.
    stage
        The class whose digest it is.
    ignored
        Names of attributes of the stage, and of its bases, that are counted elsewhere.
    """

    def __init__(self, resolver: Resolver, stage: type, ignored: frozenset[str]) -> None:
        self._resolver = resolver
        self._stage = stage
        self._ignored = ignored

    def read(self, part: Part) -> list[Piece]:
        """Return what a part is made of."""
        if isinstance(part, FunctionPart):
            return self._read_function(part)
        if isinstance(part, ClassPart):
            is_stage = part.cls in self._stage.__mro__
            return ClassReader(part, self._resolver, self._ignored if is_stage else frozenset()).read()
        return self._read_name(part)

    def _read_function(self, part: FunctionPart) -> list[Piece]:
        function = part.function
        pieces: list[Piece] = []
        found = self._resolver.shelf.find_function(function)
        if found is None:
            self._resolver.notes.unread.add(f"{part.name}: its source is not there")
        else:
            written = found.source.written_around(found.node)
            filled = filled_cells(function)
            cells = {name: value for name, value in filled.items() if name not in written}
            form = found.source.form(found.node)
            pieces += self._resolver.form(form, Surroundings(part.name, function.__globals__, cells))
            pieces += self._read_defaults(found, function, written)
            if len(cells) < len(filled) and part.known_in is not None:
                pieces += self._read_call(part, part.known_in)
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            pieces += ["wraps ", *self._resolver.value(wrapped, f"what {part.name} wraps")]
        return pieces

    def _read_call(self, part: FunctionPart, namespace: dict[str, Any]) -> Iterator[Piece]:
        """Yield the statement of a module that made a function which holds state, for what the state began with."""
        source, nodes = self._find_bindings(namespace, part.known_as)
        for node in nodes:
            if source is not None and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from self._resolver.form(source.form(node), Surroundings(part.name, namespace))

    def _read_defaults(self, found: Found, function: FunctionType, written: frozenset[str]) -> Iterator[Piece]:
        """Yield the defaults as they were when the function was made; the text has only their expressions."""
        arguments = found.node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        values = function.__defaults__ or ()
        defaults = {argument.arg: value for argument, value in zip(positional[::-1], values[::-1], strict=False)}
        defaults |= function.__kwdefaults__ or {}
        for name, value in sorted(defaults.items()):
            if name not in written:
                try:
                    yield from [f"{name}=", *read_value(value, self._resolver.notes, instances=False)]
                except OpaqueValueError:
                    continue

    def _read_name(self, part: NamePart) -> list[Piece]:
        """Return a module's constant by its value, and any other object by the statements that bind it."""
        namespace, name = part.namespace, part.bound_name
        value = namespace[name]
        source, nodes = self._find_bindings(namespace, name)
        is_state = source is not None and name in source.written_names().in_module
        is_library_code = callable(value) and not hasattr(value, "keywords")
        if not nodes or not (is_state or is_library_code or is_place(value)):
            try:
                return read_value(value, self._resolver.notes, instances=False)
            except OpaqueValueError:
                pass  # it is an object
        if source is None or not nodes:
            return self._resolver.value(value, part.name)
        pieces: list[Piece] = [ClassPart(type(value)), " "] if is_user_class(type(value)) else []
        for node in nodes:
            pieces += self._resolver.form(source.form(node), Surroundings(part.name, namespace))
        # A function may be reached through a registry alone.
        return [*pieces, *held_code(value), *registered_code(value)]

    def _find_bindings(self, namespace: dict[str, Any], name: str) -> tuple[Source | None, list[ast.AST]]:
        """Return the statements that bind a name of a module; in a notebook, those of the newest cell that does."""
        source = self._resolver.shelf.module_source(namespace)
        if source is not None:
            return source, source.bindings.get(name, [])
        if not isinstance(namespace.get("__file__"), str):
            for cell in self._resolver.shelf.cells():
                if name in cell.bindings:
                    return cell, cell.bindings[name]
        return None, []
