"""The source of one module, parsed once: definitions are found in it by the code that runs."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator
from operator import itemgetter
from types import CodeType

from tintype.code_digest.normal_form import Form, normalise
from tintype.code_digest.running import is_same_code, nested_code
from tintype.code_digest.scopes import (
    DefinitionNode,
    FunctionNode,
    Imported,
    Scope,
    all_arguments,
    imports_of,
    stored_names,
)
from tintype.code_digest.written_names import WrittenNames, find_written_names


class Source:
    """The text of one module or notebook cell, parsed.

    Parameters
    ----------
    text
        As it was read.
    filename
        Where it was read.
    is_checked
        Whether it may have changed since it was loaded: then a function is found by comparing what its text compiles
        to with what runs, and not by its line.

    Raises
    ------
    SyntaxError, ValueError, RecursionError
        When `text` cannot be parsed.
    """

    def __init__(self, text: str, filename: str, *, is_checked: bool) -> None:
        self.text = text
        self.filename = filename
        self.is_checked = is_checked
        self.tree = ast.parse(text, filename)
        self.bindings: dict[str, list[ast.AST]] = {}
        """What binds each name of the module, but for imports: definitions, assignments, loops."""
        self.imports: dict[str, list[Imported]] = {}
        """The import statements of the module by the name that they bind; those with a star by ``*``."""
        self.classes: dict[str, list[ast.ClassDef]] = {}
        """Every class by its qualified name."""
        self._functions: dict[tuple[int, str], list[FunctionNode]] = {}
        self._around: dict[ast.AST, tuple[DefinitionNode, ...]] = {}
        self._forms: dict[tuple[ast.AST, frozenset[str], bool], Form] = {}
        self._written: WrittenNames | None = None
        self._lambdas: dict[int, list[FunctionNode]] | None = None
        self._compiled: dict[str, list[CodeType]] | None = None
        for statement, around in _statements(self.tree):
            self._note(statement, around)

    def form(self, node: ast.AST, *, left_out: frozenset[str] = frozenset(), is_record: bool = False) -> Form:
        """Return the normal form of one of this source's nodes; made once."""
        key = (node, left_out, is_record)
        form = self._forms.get(key)
        if form is None:
            form = normalise(node, self._scope_around(node), left_out=left_out, is_record=is_record)
            self._forms[key] = form
        return form

    def written_names(self) -> WrittenNames:
        """Return the names whose values the functions of this source change while they run."""
        if self._written is None:
            self._written = find_written_names(self.tree)
        return self._written

    def written_around(self, node: ast.AST) -> frozenset[str]:
        """Return the names that are written to in the outermost of the functions around a node, the node included."""
        functions = (outer for outer in (*self._around.get(node, ()), node) if not isinstance(outer, ast.ClassDef))
        return self.written_names().in_functions.get(next(functions, node), frozenset())

    def class_around(self, node: ast.AST) -> ast.ClassDef | None:
        """Return the class that a method stands in; None for any other function."""
        around = self._around.get(node, ())
        return around[-1] if around and isinstance(around[-1], ast.ClassDef) else None

    def find_function(self, code: CodeType) -> FunctionNode | None:
        """Return the definition of a function by its code; None when it is not here, or cannot be told from others."""
        if not self.is_checked:
            return self._function_at(code)
        compiled = self._compiled_code().get(code.co_qualname, ())
        return next((self._function_at(other) for other in compiled if is_same_code(code, other)), None)

    def _function_at(self, code: CodeType) -> FunctionNode | None:
        if code.co_name == "<lambda>":
            found = self._find_lambdas().get(code.co_firstlineno, [])
        else:
            found = self._functions.get((code.co_firstlineno, code.co_name), [])
        found = [node for node in found if _argument_names(node) == _code_argument_names(code)]
        if len(found) > 1:
            found = _by_columns(found, code)
        return found[0] if len(found) == 1 else None

    def _compiled_code(self) -> dict[str, list[CodeType]]:
        if self._compiled is None:
            compiled: dict[str, list[CodeType]] = {}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module_code = compile(self.text, self.filename, "exec", dont_inherit=True)
            for code in nested_code(module_code):
                compiled.setdefault(code.co_qualname, []).append(code)
            self._compiled = compiled
        return self._compiled

    def _scope_around(self, node: ast.AST) -> Scope:
        scope = Scope()
        for outer in self._around.get(node, ()):
            inner = scope.inside(outer)
            scope = Scope(inner.names | inner.imports.keys(), {}, inner.global_names, scope, inner.is_class, True)
        return scope

    def _note(self, statement: ast.stmt, around: tuple[DefinitionNode, ...]) -> None:
        if around:
            self._around[statement] = around
        else:
            for name, node in _bound_by(statement):
                self.bindings.setdefault(name, []).append(node)
            if isinstance(statement, ast.Import | ast.ImportFrom):
                for name, imported in imports_of(statement):
                    self.imports.setdefault(name, []).append(imported)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([statement.lineno, *(decorator.lineno for decorator in statement.decorator_list)])
            self._functions.setdefault((first, statement.name), []).append(statement)
        elif isinstance(statement, ast.ClassDef):
            self.classes.setdefault(_qualified_name(statement, around), []).append(statement)

    def _find_lambdas(self) -> dict[int, list[FunctionNode]]:
        """Return every lambda by its line."""
        if self._lambdas is not None:
            return self._lambdas
        lambdas: dict[int, list[FunctionNode]] = {}
        todo: list[tuple[ast.AST, tuple[DefinitionNode, ...]]] = [(self.tree, ())]
        while todo:
            node, around = todo.pop()
            if isinstance(node, ast.Lambda):
                self._around[node] = around
                lambdas.setdefault(node.lineno, []).append(node)
            inside = (*around, node) if isinstance(node, DefinitionNode) else around
            todo += [(child, inside) for child in ast.iter_child_nodes(node)]
        self._lambdas = lambdas
        return lambdas


def _statements(tree: ast.Module) -> Iterator[tuple[ast.stmt, tuple[DefinitionNode, ...]]]:
    """Yield every statement in order, and the definitions around it."""
    todo: list[tuple[ast.stmt, tuple[DefinitionNode, ...]]] = [(statement, ()) for statement in tree.body[::-1]]
    while todo:
        statement, around = todo.pop()
        yield statement, around
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            around = (*around, statement)
        todo += [(inner, around) for inner in list(_blocks(statement))[::-1]]


def _blocks(statement: ast.stmt) -> Iterator[ast.stmt]:
    yield from getattr(statement, "body", ())
    for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield from part.body
    yield from getattr(statement, "orelse", ())
    yield from getattr(statement, "finalbody", ())


def _bound_by(statement: ast.stmt) -> Iterable[tuple[str, ast.AST]]:
    """Return the names that a statement binds, imports left out, each with the node that says to what."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [(statement.name, statement)]
        case ast.Assign():
            return [(name, statement) for target in statement.targets for name in stored_names(target)]
        case ast.AnnAssign() | ast.AugAssign():
            return [(name, statement) for name in stored_names(statement.target)]
        case ast.For():
            return [(name, statement.iter) for name in stored_names(statement.target)]
        case ast.With():
            pairs = [(item, item.optional_vars) for item in statement.items if item.optional_vars is not None]
            return [(name, item.context_expr) for item, target in pairs for name in stored_names(target)]
    return []


def _qualified_name(node: ast.ClassDef, around: Iterable[DefinitionNode]) -> str:
    names = []
    for outer in around:
        if not isinstance(outer, ast.Lambda):
            names.append(outer.name)
        if not isinstance(outer, ast.ClassDef):
            names.append("<locals>")
    return ".".join([*names, node.name])


def _argument_names(node: FunctionNode) -> tuple[str, ...]:
    return tuple(argument.arg for argument in all_arguments(node.args))


def _code_argument_names(code: CodeType) -> tuple[str, ...]:
    n_arguments = code.co_argcount + code.co_kwonlyargcount
    n_arguments += bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)  # *args, **kwargs
    return code.co_varnames[:n_arguments]


def _by_columns(nodes: list[FunctionNode], code: CodeType) -> list[FunctionNode]:
    """Return those of several lambdas of one line whose body spans the columns of the code, the innermost of them."""
    places = [
        (line, column, end_line, end_column)
        for line, end_line, column, end_column in code.co_positions()
        if None not in (line, end_line, column, end_column) and end_column
    ]
    if not places:
        return []
    first = min((line, column) for line, column, _, _ in places)
    last = max((end_line, end_column) for _, _, end_line, end_column in places)
    fitting = []
    for node in nodes:
        body = node.body
        if isinstance(body, ast.expr):
            start, end = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
            if start <= first and last <= end:
                fitting.append((start, node))
    return [max(fitting, key=itemgetter(0))[1]] if fitting else []
