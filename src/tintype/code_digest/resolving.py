"""What a name in the code leads to, as the process has it now."""

from __future__ import annotations

import builtins
import importlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from tintype.code_digest.modules import (
    absolute_name,
    is_library_name,
    is_user_class,
    is_user_function,
    is_user_module,
    module_name,
)
from tintype.code_digest.normal_form import Form
from tintype.code_digest.pieces import ClassPart, FunctionPart, NamePart, Notes, Piece, Requirement
from tintype.code_digest.scopes import Imported, Reference
from tintype.code_digest.shelf import SourceShelf
from tintype.code_digest.values import OpaqueValueError, read_value

_MISSING = object()

# Every module has these, and they say where it is, not what it does.
_OF_EVERY_MODULE = frozenset(
    {
        "__name__",
        "__file__",
        "__doc__",
        "__package__",
        "__spec__",
        "__path__",
        "__loader__",
        "__class__",
        "__builtins__",
    }
)


@dataclass(frozen=True)
class Surroundings:
    """Where a piece of code stands, so that its names can be looked up."""

    owner: str
    """What the piece is called."""
    namespace: dict[str, Any]
    """Of its module."""
    cells: Mapping[str, object] = field(default_factory=dict)
    """What it takes from the functions around it."""


class Resolver:
    """Looks up what references lead to.

    Parameters
    ----------
    shelf
        For the import statements of the modules.
    notes
        Get the libraries that are seen, and what cannot be read.
    """

    def __init__(self, shelf: SourceShelf, notes: Notes) -> None:
        self.shelf = shelf
        self.notes = notes

    def resolve(self, reference: Reference, around: Surroundings) -> list[Piece]:
        """Return what a reference counts as. Imports a module of the user that the code imports when it runs."""
        root, attributes = reference.root, reference.attributes
        if reference.imported:
            found = (self._imported(imported, attributes, around) for imported in reference.imported)
            return [piece for pieces in found for piece in pieces]
        if root in around.cells:
            return self._cell(root, attributes, around)
        if reference.is_enclosed or root in _OF_EVERY_MODULE:
            return [f"{reference} "]
        if root in around.namespace:
            return self._global(around.namespace, root, attributes, around)
        if not hasattr(builtins, root):
            self.notes.unread.add(f"{root}, used by {around.owner}: it is not defined")
        return [f"{reference} "]

    def form(self, form: Form, around: Surroundings, *, requirements: bool = False) -> list[Piece]:
        """Return a normal form with every reference replaced by what it counts as.

        With `requirements`, what a task refers to where it says what it requires is marked.
        """
        pieces: list[Piece] = []
        for item in form:
            if isinstance(item, str):
                pieces.append(item)
                continue
            found = self.resolve(item, around)
            if item.in_requires and requirements:
                found = [piece if isinstance(piece, str | Requirement) else Requirement(piece) for piece in found]
            pieces += found
        return pieces

    def value(self, value: object, what: str) -> list[Piece]:
        """Return what a value counts as that no statement of a module defines."""
        try:
            return read_value(value, self.notes)
        except OpaqueValueError as error:
            self.notes.unread.add(f"{what}: it counts by its type alone, {error}")
            return [f"<{error}>"]

    def _cell(self, name: str, attributes: tuple[str, ...], around: Surroundings) -> list[Piece]:
        value = around.cells[name]
        if isinstance(value, ModuleType):
            return self._module(value, attributes, around)
        return [*self.value(value, f"{name}, held by {around.owner}"), *_rest(attributes)]

    def _global(
        self, namespace: dict[str, Any], name: str, attributes: tuple[str, ...], around: Surroundings
    ) -> list[Piece]:
        """Follow a name through the modules that it was imported from to where it is defined."""
        seen = set()
        while (id(namespace), name) not in seen:
            seen.add((id(namespace), name))
            value = namespace[name]
            if isinstance(value, ModuleType):
                return self._module(value, attributes, around)
            origin = self._origin(namespace, name, value)
            if isinstance(origin, str):
                return [self.notes.library(".".join([origin, *attributes]))]
            if origin is None:
                break
            namespace, name = origin
        return [_part(namespace, name, namespace[name]), *_rest(attributes)]

    def _module(self, module: ModuleType, attributes: tuple[str, ...], around: Surroundings) -> list[Piece]:
        if not is_user_module(module):
            return [self.notes.library(".".join([module.__name__, *attributes]))]
        name = module_name(vars(module))
        if not attributes:
            self.notes.unread.add(f"{name}, used as a whole by {around.owner}: what is taken from it cannot be told")
            return [f"module {name} "]
        value = _attribute_of(module, attributes[0])
        if value is _MISSING:
            self.notes.unread.add(f"{name}.{attributes[0]}, used by {around.owner}: it is not defined")
            return [f"{'.'.join([name, *attributes])} "]
        if isinstance(value, ModuleType):
            return self._module(value, attributes[1:], around)
        if attributes[0] in vars(module):
            return self._global(vars(module), attributes[0], attributes[1:], around)
        return [*self.value(value, f"{name}.{attributes[0]}"), *_rest(attributes[1:])]

    def _origin(self, namespace: dict[str, Any], name: str, value: object) -> str | tuple[dict[str, Any], str] | None:
        """Return the module and the name that an import statement took a value from; a library's as one text.

        None where the module defines the name itself.
        """
        found: list[str] = []
        for module, imported_name in self._import_statements(namespace, name):
            if is_library_name(module.partition(".")[0]):
                if _attribute_of(sys.modules.get(module), imported_name) is value:
                    return f"{module}.{imported_name}"
                found.append(f"{module}.{imported_name}")
            elif (origin := sys.modules.get(module)) is not None and vars(origin).get(imported_name, _MISSING) is value:
                return vars(origin), imported_name
        source = self.shelf.module_source(namespace)
        is_only_imported = source is not None and name not in source.bindings and name in source.imports
        # A library may make its names anew each time that they are asked for.
        return found[-1] if found and is_only_imported and not is_user_function(value) else None

    def _import_statements(self, namespace: dict[str, Any], name: str) -> Iterator[tuple[str, str]]:
        """Yield the full name of the module, and the name in it, of each import that may have bound a name."""
        source = self.shelf.module_source(namespace)
        sources = self.shelf.cells() if source is None else [source]
        for source in sources:
            for key in (name, "*"):
                for imported in source.imports.get(key, ()):
                    if imported.name:
                        module = absolute_name(imported.module, imported.level, namespace)
                        yield module, name if key == "*" else imported.name

    def _imported(self, imported: Imported, attributes: tuple[str, ...], around: Surroundings) -> list[Piece]:
        """Return what a name counts as that the code itself imports."""
        module = absolute_name(imported.module, imported.level, around.namespace)
        rest = (imported.name, *attributes) if imported.name else attributes
        if is_library_name(module.partition(".")[0]):
            return [self.notes.library(".".join([module, *rest]))]
        try:
            importlib.import_module(imported.loads or module)
        except Exception as error:  # noqa: BLE001, whatever the user's module raises
            name = imported.loads or module
            self.notes.unread.add(f"{name}, imported by {around.owner}: {type(error).__name__}: {error}")
            return [f"{'.'.join([module, *rest])} "]
        return self._module(sys.modules[module], rest, around)


def _part(namespace: dict[str, Any], name: str, value: object) -> Piece:
    if is_user_function(value):
        return FunctionPart(value, known_as=name, known_in=namespace)  # type: ignore[arg-type]
    if isinstance(value, type) and is_user_class(value):
        return ClassPart(value)
    return NamePart(namespace, name)


def _rest(attributes: tuple[str, ...]) -> list[Piece]:
    return ["".join(f".{name}" for name in attributes) + " "]


def _attribute_of(module: ModuleType | None, name: str) -> object:
    """Return a name of a module, or a module inside it; a marker of its own when there is none."""
    if module is None:
        return _MISSING
    if name in vars(module):
        return vars(module)[name]
    if is_user_module(module):
        try:
            return importlib.import_module(f"{module.__name__}.{name}")
        except ImportError:
            pass
    try:
        return getattr(module, name, _MISSING)
    except Exception:  # noqa: BLE001, a module's own __getattr__
        return _MISSING
