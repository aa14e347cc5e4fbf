"""Names that hold state: functions change their values while they run, so that these are no constants."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tintype.code_digest.scopes import all_arguments

_FILLING = {"add", "append", "appendleft", "extend", "extendleft", "insert", "setdefault", "update"}
_EMPTYING = {"clear", "discard", "pop", "popitem", "popleft", "remove"}
_CHANGING_METHODS = _FILLING | _EMPTYING | {"reverse", "sort"}


@dataclass(frozen=True)
class WrittenNames:
    """The names that functions of one module write to."""

    in_module: frozenset[str]
    """Of the module itself."""
    in_functions: Mapping[ast.AST, frozenset[str]]
    """Of each function that stands in no other, and of those inside it."""
    attributes: frozenset[str]
    """Of classes, or of anything that is not ``self``."""


def find_written_names(tree: ast.Module) -> WrittenNames:
    """Return the names whose values functions replace, fill or empty."""
    in_module: set[str] = set()
    in_functions: dict[ast.AST, frozenset[str]] = {}
    attributes: set[str] = set()
    for function in _outermost_functions(tree):
        bound: set[str] = set()
        declared: set[str] = set()
        written: set[str] = set()
        for node in ast.walk(function):
            match node:
                case ast.arguments():
                    bound.update(argument.arg for argument in all_arguments(node))
                case ast.Name(id=name, ctx=ast.Store()):
                    bound.add(name)
                case ast.Global(names=names) | ast.Nonlocal(names=names):
                    declared.update(names)
            target = _written_target(node)
            if isinstance(target, ast.Name):
                written.add(target.id)
            elif isinstance(target, ast.Attribute):
                attributes.add(target.attr)
        in_module |= (written - bound) | declared
        in_functions[function] = frozenset(written | declared)
    return WrittenNames(frozenset(in_module), in_functions, frozenset(attributes))


def _outermost_functions(tree: ast.Module) -> Iterator[ast.AST]:
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
        else:
            todo += ast.iter_child_nodes(node)


def _written_target(node: ast.AST) -> ast.AST | None:
    """Return what a node changes: by setting an item or an attribute, or by a method such as ``append``."""
    match node:
        case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
            return value
        case ast.Attribute(value=value, attr=method, ctx=ast.Load()) if method in _CHANGING_METHODS:
            return value  # called here, or handed on to be called
        case ast.Attribute(value=value, ctx=ast.Store() | ast.Del()):
            # self.count = 0 sets an attribute of one object, and leaves the class's own alone.
            return None if isinstance(value, ast.Name) and value.id == "self" else node
    return None
