"""Conditions on the rows of a manifest, in Python's syntax: read, checked and compiled for Arrow, never evaluated."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tintype.errors import ManifestError
from tintype.manifest.arrays import from_numpy, make_array
from tintype.manifest.relations import Column, Constant, is_one_of, join, name_kind, relate

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    from numpy.typing import NDArray

_ALLOWED = (
    *(ast.Expression, ast.BoolOp, ast.boolop, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.Compare, ast.cmpop),
    *(ast.Call, ast.Name, ast.Constant, ast.Tuple, ast.List, ast.Load),
)
_HINTS: dict[type, str] = {
    ast.BitAnd: "write `and` for &",
    ast.BitOr: "write `or` for |",
    ast.Invert: "write `not` for ~",
}
_OPERATORS = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "==",
    ast.IsNot: "!=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_TEXT_KERNELS = {
    "startswith": "starts_with",
    "endswith": "ends_with",
    "contains": "match_substring",
    "matches": "match_substring_regex",
}
_SINGULAR = {"text": "text", "numbers": "number", "truth values": "truth value", "times": "time"}
_MAX_DEPTH = 100
_PLACE = "\0place"
"""Name of a column that no manifest has."""


class Condition:
    """What a row of a manifest has to meet, as ``label == 'cat' and width >= 512``.

    There are column names, constants (text, numbers, ``True``, ``False``, ``None``), the comparisons ``==``, ``!=``,
    ``<``, ``<=``, ``>`` and ``>=``, also in chains, ``in`` and ``not in`` a tuple or list of constants, ``is None`` and
    ``is not None``, ``and``, ``or``, ``not`` and parentheses; and on columns of text ``startswith(column, 'x')``,
    ``endswith``, ``contains`` and ``matches(column, r'regular expression')``, which is found anywhere in the text
    (RE2's syntax). A column of truth values is a condition by itself. A column of times is compared with ISO 8601 text,
    in UTC unless it says another zone. ``column('my label')`` is a column whose name is no Python name.

    A missing value is None, as in Python: it equals None and nothing else, so that ``!=`` and ``not in`` are true of
    it, and it is neither less nor greater than anything, has no text, and is not true. So every condition is either
    true or false of a row, and ``not`` takes exactly the other rows.

    Parameters
    ----------
    text
        The condition.

    Attributes
    ----------
    text : str
    columns : tuple of str
        Names of the columns it reads.

    Raises
    ------
    ManifestError
        When the text is none of this; says where.

    Examples
    --------
    >>> import pyarrow as pa
    >>> condition = Condition("label == 'cat' and width >= 512")
    >>> condition.columns
    ('label', 'width')
    >>> batch = pa.RecordBatch.from_pydict({"label": ["cat", "cat", None], "width": [640, 320, 640]})
    >>> condition.filter(batch).to_pylist()
    [{'label': 'cat', 'width': 640}]
    >>> Condition("not label == 'cat'").filter(batch).to_pylist()
    [{'label': None, 'width': 640}]
    >>> Condition("lable == 'cat'").filter(batch)
    Traceback (most recent call last):
        ...
    tintype.errors.ManifestError: condition "lable == 'cat'", character 1: there is no column lable ...
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self._tree = _parse(self.text)
        self.columns = tuple(dict.fromkeys(_find_names(self._tree)))

    def __repr__(self) -> str:
        return f"Condition({self.text!r})"

    def to_expression(self, schema: pa.Schema) -> pc.Expression:
        """Return the condition as PyArrow's datasets, tables and Parquet readers take it.

        Parameters
        ----------
        schema
            Of the rows.

        Raises
        ------
        ManifestError
            When the rows have no such column, or it holds values of another type; says where.
        """
        return _Compiler(self.text, schema).compile(self._tree)

    def filter(self, batch: pa.RecordBatch) -> pa.Table:
        """Return the rows of a batch that meet the condition, in their order.

        Raises
        ------
        ManifestError
            As :meth:`to_expression` does.
        """
        import pyarrow as pa
        from pyarrow import acero

        source = acero.TableSourceNodeOptions(pa.Table.from_batches([batch]))
        wanted = acero.FilterNodeOptions(self.to_expression(batch.schema))
        steps = [acero.Declaration("table_source", source), acero.Declaration("filter", wanted)]
        return acero.Declaration.from_sequence(steps).to_table(use_threads=False)  # threads would mix up the order

    def find(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Return the places in a batch of the rows that meet the condition, ascending.

        Raises
        ------
        ManifestError
            As :meth:`to_expression` does.
        """
        import numpy as np
        import pyarrow as pa

        self.to_expression(batch.schema)
        names = [name for name in batch.schema.names if name in self.columns]
        places = from_numpy(np.arange(batch.num_rows), pa.int64())
        arrays = [*(batch.column(name) for name in names), places]
        found = self.filter(pa.RecordBatch.from_arrays(arrays, [*names, _PLACE]))
        chunks = [np.zeros(0, np.int64), *(chunk.to_numpy() for chunk in found.column(_PLACE).chunks)]
        return np.concatenate(chunks)


def _parse(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # '\d' in a regular expression that is not written as r'\d'
            tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        raise _fault(text, error.msg, line=error.lineno, n_characters=(error.offset or 1) - 1) from error
    except (ValueError, RecursionError, MemoryError) as error:
        reason = str(error) or "it is nested too deeply"
        raise ManifestError(f"condition {text[:100]!r} cannot be read: {reason}") from error
    _check_depth(text, tree)
    for owner in ast.walk(tree):
        for node in [owner, *ast.iter_child_nodes(owner)]:
            if not isinstance(node, _ALLOWED):
                hint = _HINTS.get(type(getattr(node, "op", node)), "a condition has columns, constants and comparisons")
                # An operator has no place of its own, but that of what it stands in.
                raise _fault(text, hint, node if hasattr(node, "lineno") else owner)
    return tree.body


def _check_depth(text: str, tree: ast.AST) -> None:
    level = [tree]
    for _ in range(_MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise ManifestError(f"condition {text[:100]!r} is nested more than {_MAX_DEPTH} deep: write it flatter")


def _fault(
    text: str, reason: str, node: ast.AST | None = None, *, line: int | None = 1, n_characters: int = 0
) -> ManifestError:
    """Return an error that says where in the text: at a node, or a number of characters into a line."""
    line = getattr(node, "lineno", line or 1)
    lines = text.split("\n")
    if node is not None:
        # The parser counts a node's place in bytes.
        n_characters = len(lines[line - 1].encode()[: getattr(node, "col_offset", 0)].decode())
    place = sum(len(each) + 1 for each in lines[: line - 1]) + n_characters + 1
    return ManifestError(f"condition {text!r}, character {place}: {reason}")


def _find_names(tree: ast.expr) -> Iterator[str]:
    """Yield the name of each column, in the order of the text."""
    functions = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Call) and node not in functions]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
        name = _read_name(node)
        if name is not None:
            yield name


def _read_name(node: ast.expr) -> str | None:
    """Return the name of a column, x or ``column('x')``; None of anything else."""
    match node:
        case (
            ast.Name(id=name) | ast.Call(func=ast.Name(id="column"), args=[ast.Constant(value=str(name))], keywords=[])
        ):
            return name
    return None


class _Compiler:
    """Turn the tree of a condition into an expression that is true or false of every row, never null."""

    def __init__(self, text: str, schema: pa.Schema) -> None:
        self._text = text
        self._schema = schema

    def compile(self, node: ast.expr) -> pc.Expression:
        import pyarrow.compute as pc

        match node:
            case ast.BoolOp():
                return join([self.compile(value) for value in node.values], is_all=isinstance(node.op, ast.And))
            case ast.UnaryOp(op=ast.Not()):
                return ~self.compile(node.operand)
            case ast.Compare():
                operands = [node.left, *node.comparators]
                links = zip(operands[:-1], node.ops, operands[1:], strict=True)
                return join([self._compare(*link) for link in links], is_all=True)
            case ast.Constant(value=bool(value)):
                return pc.scalar(value)
            case ast.Call(func=ast.Name(id=name)) if name in _TEXT_KERNELS:
                return self._call(name, node)
        operand = self._read_operand(node)
        if isinstance(operand, Constant):
            raise self._fault(node, "a constant alone is no condition: compare a column with it")
        if operand.kind != "truth values":
            raise self._fault(node, f"the column {operand.name} holds {operand.kind}: compare it with something")
        return pc.coalesce(operand.field, pc.scalar(False))

    def _compare(self, left_node: ast.expr, operator: ast.cmpop, right_node: ast.expr) -> pc.Expression:
        symbol = _OPERATORS[type(operator)]
        if symbol in ("in", "not in"):
            found = self._is_in(left_node, right_node)
            return found if symbol == "in" else ~found
        left, right = self._read_operand(left_node), self._read_operand(right_node)
        if isinstance(operator, ast.Is | ast.IsNot) and getattr(right, "value", "") not in (None, True, False):
            raise self._fault(left_node, "`is` goes with None, True and False: write == for any other value")
        if isinstance(left, Constant):
            left, right, symbol = right, left, _TURNED[symbol]
        if isinstance(left, Constant):
            raise self._fault(left_node, "this compares two constants, and no column")
        right = self._fit(left_node, left, symbol, right)
        return ~relate(left, "==", right) if symbol == "!=" else relate(left, symbol, right)

    def _is_in(self, node: ast.expr, choices: ast.expr) -> pc.Expression:
        column = self._read_operand(node)
        if isinstance(column, Constant):
            raise self._fault(node, "a column comes before `in`; a part of a text is contains(column, 'part')")
        if not isinstance(choices, ast.Tuple | ast.List):
            raise self._fault(choices, "after `in` comes a tuple or list of constants, as ('a', 'b')")
        constants = []
        for choice in choices.elts:
            constant = self._fit(choice, column, "==", self._read_operand(choice))
            if isinstance(constant, Column):
                raise self._fault(choice, "after `in` come constants; a text stands in quotes")
            constants.append(constant)
        return is_one_of(column, constants)

    def _call(self, name: str, node: ast.Call) -> pc.Expression:
        import pyarrow as pa
        import pyarrow.compute as pc

        match [self._read_operand(argument) for argument in node.args]:
            case [Column() as column, Constant(value=str(pattern))] if not node.keywords:
                pass
            case _:
                raise self._fault(node, f"write {name}(column, 'text'), a column first and constant text second")
        if column.kind != "text":
            raise self._fault(node, f"the column {column.name} holds {column.kind}, and {name} is for text")
        kernel = getattr(pc, _TEXT_KERNELS[name])
        try:
            kernel(make_array([""], pa.string()), pattern)
        except pa.ArrowInvalid as error:
            raise self._fault(node.args[1], f"this is no regular expression ({error})") from error
        return pc.coalesce(kernel(column.field, pattern), pc.scalar(False))

    def _read_operand(self, node: ast.expr) -> Column | Constant:
        match node:
            case ast.Constant(value=str() | int() | float() | None as value):
                if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
                    raise self._fault(node, "this text is not Unicode, and no column has such text")
                return Constant(value)
            case ast.UnaryOp(op=sign, operand=ast.Constant(value=int() | float() as value)):
                return Constant(-value if isinstance(sign, ast.USub) else +value)
            case ast.Call() if _read_name(node) is None:
                functions = ", ".join([*_TEXT_KERNELS, "column"])
                raise self._fault(node, f"no such function here: there are {functions}, as in startswith(label, 'x')")
        name = _read_name(node)
        if name is None:
            raise self._fault(node, "here a column or a constant has to stand")
        return self._find_column(node, name)

    def _find_column(self, node: ast.expr, name: str) -> Column:
        import pyarrow as pa
        import pyarrow.compute as pc

        if name not in self._schema.names:
            there_are = ", ".join(self._schema.names)
            raise self._fault(node, f"there is no column {name} (text stands in quotes); there are {there_are}")
        kind = self._schema.field(name).type
        field = pc.field(name)
        if pa.types.is_timestamp(kind):
            field = field.cast(pa.timestamp("us", "UTC"), safe=False)
        return Column(name, name_kind(kind), field, kind)

    def _fit(self, node: ast.expr, column: Column, symbol: str, other: Column | Constant) -> Column | Constant:
        """Return what a column is compared with, in the column's type; refuse what makes no sense."""
        if isinstance(other, Constant) and other.value is None:
            if symbol not in ("==", "!="):
                raise self._fault(node, "None is neither less nor greater than anything: write `is None`")
            return other
        if symbol not in ("==", "!=") and column.kind == "truth values":
            raise self._fault(node, f"the column {column.name} holds truth values, which are neither less nor greater")
        if column.kind == "times" and isinstance(other, Constant) and other.kind == "text":
            return Constant(self._read_time(node, column, other.value))
        if column.kind in _SINGULAR and column.kind == other.kind:
            return other
        start = f"the column {column.name} holds {column.kind}"
        if column.kind not in _SINGULAR:
            raise self._fault(node, f"{start}, which a condition compares with nothing but None")
        if isinstance(other, Column):
            raise self._fault(node, f"{start}, and the column {other.name} {other.kind}")
        raise self._fault(node, f"{start}, and {other.value!r} is no {_SINGULAR[column.kind]}")

    def _read_time(self, node: ast.expr, column: Column, text: str) -> datetime:
        try:
            time = datetime.fromisoformat(text)
        except ValueError as error:
            reason = f"the column {column.name} holds times, and {text!r} is no ISO 8601 time, as '2026-01-31 12:00'"
            raise self._fault(node, reason) from error
        return time if time.tzinfo else time.replace(tzinfo=UTC)

    def _fault(self, node: ast.expr, reason: str) -> ManifestError:
        return _fault(self._text, reason, node)
