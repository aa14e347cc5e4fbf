"""Which names a piece of code has of its own, and which it takes from outside."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
DefinitionNode = FunctionNode | ast.ClassDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class Imported(NamedTuple):
    """What an import statement binds to one name."""

    module: str
    """As written, without the dots of a relative import."""
    name: str = ""
    """The name in the module; empty for the module itself."""
    level: int = 0
    """Number of dots of a relative import."""
    loads: str = ""
    """What is imported besides: ``a.b`` where ``import a.b`` binds ``a``."""


@dataclass(frozen=True)
class Reference:
    """A name that a piece of code takes from outside, with the attributes that it takes from there."""

    root: str
    attributes: tuple[str, ...] = ()
    imported: tuple[Imported, ...] = ()
    """Where the root comes from, when the piece itself imports it."""
    is_enclosed: bool = False
    """The root belongs to a function around the piece."""
    in_requires: bool = False
    """It stands where a task says what it requires: in a ``requires`` method, or among the class's decorators."""

    def __str__(self) -> str:
        return ".".join([self.root, *self.attributes])


@dataclass
class Bindings:
    """The names that a piece of code binds, nested functions and classes left out."""

    names: set[str] = field(default_factory=set)
    imports: dict[str, tuple[Imported, ...]] = field(default_factory=dict)
    global_names: set[str] = field(default_factory=set)
    nonlocal_names: set[str] = field(default_factory=set)


@dataclass(frozen=True, eq=False)
class Scope:
    """What one function, class or comprehension binds, and the scope around it."""

    names: frozenset[str] = frozenset()
    imports: Mapping[str, tuple[Imported, ...]] = field(default_factory=dict)
    global_names: frozenset[str] = frozenset()
    parent: Scope | None = None
    is_class: bool = False
    is_outside: bool = False
    """It lies around the piece of code that is read."""
    in_requires: bool = False

    def find(self, name: str, attributes: tuple[str, ...] = ()) -> Reference | None:
        """Return what a name refers to outside; None for a name of the piece's own."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.global_names:
                break
            if not scope.is_class or scope is self:
                if name in scope.imports:
                    return Reference(name, attributes, scope.imports[name], in_requires=self.in_requires)
                if name in scope.names:
                    if scope.is_outside and not scope.is_class:
                        return Reference(name, attributes, is_enclosed=True, in_requires=self.in_requires)
                    return None
            scope = scope.parent
        return Reference(name, attributes, in_requires=self.in_requires)

    def inside(self, node: DefinitionNode, *, in_requires: bool = False) -> Scope:
        """Return the scope of a function or class that stands in this one."""
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        bound = find_bindings(body)
        names = bound.names | {parameter.name for parameter in getattr(node, "type_params", ())}
        if not isinstance(node, ast.ClassDef):
            names |= {argument.arg for argument in all_arguments(node.args)}
        return Scope(
            names=frozenset(names - bound.global_names - bound.nonlocal_names),
            imports=bound.imports,
            global_names=frozenset(bound.global_names),
            parent=self,
            is_class=isinstance(node, ast.ClassDef),
            in_requires=self.in_requires or in_requires,
        )

    def inside_comprehension(self, node: Comprehension) -> Scope:
        """Return the scope of a comprehension that stands in this one."""
        names = {name for generator in node.generators for name in stored_names(generator.target)}
        return Scope(names=frozenset(names), parent=self, in_requires=self.in_requires)

    def requiring(self) -> Scope:
        """Return the same scope for code that says what a task requires."""
        return replace(self, in_requires=True)


def find_bindings(nodes: Iterable[ast.AST]) -> Bindings:
    """Return what statements or expressions bind in the scope that they stand in."""
    bound = Bindings()
    todo: list[tuple[ast.AST, bool]] = [(node, False) for node in nodes]
    while todo:
        node, in_comprehension = todo.pop()
        _bind(node, bound, in_comprehension)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            continue
        inside = in_comprehension or isinstance(node, Comprehension)
        todo += [(child, inside) for child in ast.iter_child_nodes(node)]
    return bound


def _bind(node: ast.AST, bound: Bindings, in_comprehension: bool) -> None:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) if not in_comprehension:
            bound.names.add(name)
        case ast.NamedExpr(target=ast.Name(id=name)):
            bound.names.add(name)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            bound.names.add(name)
        case (
            ast.ExceptHandler(name=str(name))
            | ast.MatchAs(name=str(name))
            | ast.MatchStar(name=str(name))
            | ast.MatchMapping(rest=str(name))
        ):
            bound.names.add(name)
        case ast.Import() | ast.ImportFrom():
            for name, imported in imports_of(node):
                bound.imports[name] = (*bound.imports.get(name, ()), imported)
        case ast.Global():
            bound.global_names.update(node.names)
        case ast.Nonlocal():
            bound.nonlocal_names.update(node.names)


def imports_of(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Imported]]:
    """Yield each name that an import statement binds, ``*`` too, and what it binds to it."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, Imported(node.module or "", alias.name, node.level)
        elif alias.asname:
            yield alias.asname, Imported(alias.name)
        else:
            top = alias.name.partition(".")[0]
            yield top, Imported(top, loads=alias.name)


def stored_names(target: ast.AST) -> Iterator[str]:
    """Yield the names that an assignment's target binds."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    """Return every argument in the order in which the compiler numbers them."""
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [*named, *(argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None)]
