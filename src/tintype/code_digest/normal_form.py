"""A piece of source as text that layout, comments, docstrings and annotations do not change.

The text is written from the syntax tree by rules of our own, because neither ``ast.dump`` nor ``ast.unparse`` promises
to be the same from one Python to the next.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator

from tintype.code_digest.scopes import Comprehension, FunctionNode, Reference, Scope

Form = tuple[str | Reference, ...]
"""Text, and between it the references to things outside."""

_Item = str | Reference | tuple[object, Scope]

# Annotations run no code, `ctx` follows from the place, and the others hold nothing that runs.
_SKIPPED_FIELDS = frozenset({"ctx", "type_comment", "type_params", "kind", "returns", "annotation", "simple"})


def normalise(node: ast.AST, scope: Scope, *, left_out: frozenset[str] = frozenset(), is_record: bool = False) -> Form:
    """Return the normal form of a definition, a statement or an expression.

    Parameters
    ----------
    node
        What to read.
    scope
        Where it stands.
    left_out
        Names whose assignments in the body of a class do not count.
    is_record
        Whether the annotations of this class define its fields, so that they count.
    """
    first: Iterable[_Item] = [(node, scope)]
    if isinstance(node, ast.ClassDef):
        first = _read_class(node, scope, left_out=left_out, is_record=is_record, is_outermost=True)
    return _joined(_walk(first))


def constant_text(value: object) -> str:
    """Return a literal as text that is the same on every Python; different for values of different types."""
    if isinstance(value, str):
        return f"str {value!a}"
    if isinstance(value, bytes):
        return f"bytes {value.hex()}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"int {value:x}"  # there is a limit to the digits of a decimal one
    return f"{type(value).__name__} {value!r}"


def _walk(first: Iterable[_Item]) -> Iterator[str | Reference]:
    """Yield text and references in the order of the source; a stack of its own, for trees of any depth."""
    todo = list(first)[::-1]
    while todo:
        item = todo.pop()
        if isinstance(item, str | Reference):
            yield item
        else:
            todo += list(_expand(*item))[::-1]


def _expand(value: object, scope: Scope) -> Iterable[_Item]:
    if isinstance(value, ast.AST):
        return _READERS.get(type(value), _read_any)(value, scope)
    if isinstance(value, list):
        return ["[", *((item, scope) for item in value), "]"]
    return [constant_text(value), ","]


def _read_any(node: ast.AST, scope: Scope) -> Iterator[_Item]:
    yield f"{type(node).__name__}("
    for name in node._fields:
        value = getattr(node, name, None)
        # What is empty is left out: a later Python may have more fields.
        if name not in _SKIPPED_FIELDS and value is not None and value != []:
            yield f"{name}="
            yield value, scope
    yield ")"


def _read_nothing(node: ast.AST, scope: Scope) -> Iterable[_Item]:
    return ()


def _read_constant(node: ast.Constant, scope: Scope) -> Iterable[_Item]:
    return [f"Constant({constant_text(node.value)})"]


def _read_name(node: ast.Name, scope: Scope) -> Iterable[_Item]:
    return [scope.find(node.id) or f"Name({node.id})"]


def _read_attribute(node: ast.Attribute, scope: Scope) -> Iterable[_Item]:
    names = [node.attr]
    inner = node.value
    while isinstance(inner, ast.Attribute):
        names.append(inner.attr)
        inner = inner.value
    reference = scope.find(inner.id, tuple(names[::-1])) if isinstance(inner, ast.Name) else None
    if reference is not None:
        return [reference]
    return ["Attribute(", (inner, scope), *(f".{name}" for name in names[::-1]), ")"]


def _read_expression_statement(node: ast.Expr, scope: Scope) -> Iterable[_Item]:
    # A docstring, or any other literal that stands for itself, does nothing.
    return () if isinstance(node.value, ast.Constant) else _read_any(node, scope)


def _read_annotated_assignment(node: ast.AnnAssign, scope: Scope) -> Iterable[_Item]:
    if node.value is None:
        return ()
    return ["Assign(targets=", ([node.target], scope), "value=", (node.value, scope), ")"]


def _read_if(node: ast.If, scope: Scope) -> Iterable[_Item]:
    test = node.test
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    if name == "TYPE_CHECKING":
        return [(statement, scope) for statement in node.orelse]
    return _read_any(node, scope)


def _read_f_string(node: ast.JoinedStr, scope: Scope) -> Iterable[_Item]:
    # Pythons differ in how they cut the text between the braces, and in whether they note empty text.
    parts: list[ast.expr | str] = []
    for value in node.values:
        if not isinstance(value, ast.Constant):
            parts.append(value)
        elif parts and isinstance(parts[-1], str):
            parts[-1] += str(value.value)
        elif value.value:
            parts.append(str(value.value))
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        return [f"Constant({constant_text(''.join(texts))})"]
    items: list[_Item] = [constant_text(part) if isinstance(part, str) else (part, scope) for part in parts]
    return ["JoinedStr(", *items, ")"]


def _read_f_string_value(node: ast.FormattedValue, scope: Scope) -> Iterable[_Item]:
    specification: list[_Item] = []
    if isinstance(node.format_spec, ast.JoinedStr) and node.format_spec.values:
        specification = [":", (node.format_spec, scope)]
    return ["FormattedValue(", (node.value, scope), f"!{node.conversion}", *specification, ")"]


def _read_function(node: FunctionNode, scope: Scope, *, in_requires: bool = False) -> Iterator[_Item]:
    yield f"{type(node).__name__}("
    if not isinstance(node, ast.Lambda):
        yield f"{node.name} "
        yield node.decorator_list, scope
    arguments = node.args
    # A default is evaluated where the function is defined.
    yield arguments.defaults, scope
    yield arguments.kw_defaults, scope
    for kind in ("posonlyargs", "args", "kwonlyargs"):
        yield f"{kind}={','.join(argument.arg for argument in getattr(arguments, kind))} "
    yield f"*{arguments.vararg.arg if arguments.vararg else ''} **{arguments.kwarg.arg if arguments.kwarg else ''} "
    yield node.body, scope.inside(node, in_requires=in_requires)
    yield ")"


def _read_class(
    node: ast.ClassDef,
    scope: Scope,
    *,
    left_out: frozenset[str] = frozenset(),
    is_record: bool | None = None,
    is_outermost: bool = False,
) -> Iterator[_Item]:
    if is_record is None:  # a class in a function or a class: nobody can be asked
        is_record = bool(node.decorator_list or node.bases)
    yield f"ClassDef({node.name} "
    yield node.decorator_list, scope.requiring() if is_outermost else scope
    yield node.bases, scope
    yield node.keywords, scope
    inner = scope.inside(node)
    for statement in node.body:
        if assigned_name(statement) in left_out:
            continue
        if is_record and isinstance(statement, ast.AnnAssign):
            yield f"AnnAssign({_plain_text(statement.target)} {_plain_text(statement.annotation)}="
            yield statement.value, inner
            yield ")"
        elif is_outermost and isinstance(statement, ast.FunctionDef) and statement.name == "requires":
            yield from _read_function(statement, inner, in_requires=True)
        else:
            yield statement, inner
    yield ")"


def assigned_name(statement: ast.stmt) -> str | None:
    """Return the one name that a simple assignment binds; None for anything else."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return None


def _plain_text(node: ast.expr) -> str:
    return "".join(str(piece) for piece in _walk([(node, Scope())]))


def _read_comprehension(node: Comprehension, scope: Scope) -> Iterator[_Item]:
    inner = scope.inside_comprehension(node)
    yield f"{type(node).__name__}("
    for name in ("key", "value", "elt"):
        if hasattr(node, name):
            yield getattr(node, name), inner
    for number, generator in enumerate(node.generators):
        yield "async for " if generator.is_async else "for "
        yield generator.target, inner
        # The first iterable is evaluated outside.
        yield generator.iter, inner if number else scope
        yield generator.ifs, inner
    yield ")"


_READERS: dict[type, Callable[..., Iterable[_Item]]] = {
    ast.Name: _read_name,
    ast.Attribute: _read_attribute,
    ast.Constant: _read_constant,
    ast.Expr: _read_expression_statement,
    ast.AnnAssign: _read_annotated_assignment,
    ast.If: _read_if,
    ast.JoinedStr: _read_f_string,
    ast.FormattedValue: _read_f_string_value,
    ast.FunctionDef: _read_function,
    ast.AsyncFunctionDef: _read_function,
    ast.Lambda: _read_function,
    ast.ClassDef: _read_class,
    ast.ListComp: _read_comprehension,
    ast.SetComp: _read_comprehension,
    ast.DictComp: _read_comprehension,
    ast.GeneratorExp: _read_comprehension,
    # Names from imports count by what they lead to, wherever they are used.
    ast.Import: _read_nothing,
    ast.ImportFrom: _read_nothing,
    ast.Pass: _read_nothing,
}
if hasattr(ast, "TypeAlias"):
    _READERS[ast.TypeAlias] = _read_nothing


def _joined(items: Iterable[str | Reference]) -> Form:
    """Return the items with neighbouring texts made one."""
    form: list[str | Reference] = []
    texts: list[str] = []
    for item in items:
        if isinstance(item, str):
            texts.append(item)
            continue
        if texts:
            form.append("".join(texts))
            texts.clear()
        form.append(item)
    if texts:
        form.append("".join(texts))
    return tuple(form)
