"""Relations of columns to constants and to each other, as Arrow expressions that are true or false, never null."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tintype.manifest.arrays import make_array

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

_KERNELS = {"==": "equal", "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal"}
_MIN_INTEGER, _MAX_INTEGER = -(1 << 63), (1 << 63) - 1
_LARGE = 1 << 1023
"""Near the largest float."""


class Column(NamedTuple):
    """A column in a condition."""

    name: str
    kind: str
    """What its values are, in words; see :func:`name_kind`."""
    field: pc.Expression
    type: pa.DataType


class Constant(NamedTuple):
    """A constant in a condition: text, a number, a truth value, a time or None."""

    value: Any

    @property
    def kind(self) -> str:
        """The kind of column that has such values; empty for None, which any may have."""
        return {str: "text", bool: "truth values", int: "numbers", float: "numbers"}.get(type(self.value), "")


def name_kind(kind: pa.DataType) -> str:
    """Return text, numbers, truth values or times; of any other type, which has no constants, its own name."""
    from pyarrow import types

    if types.is_string(kind) or types.is_large_string(kind):
        return "text"
    if types.is_boolean(kind):
        return "truth values"
    if types.is_integer(kind) or types.is_floating(kind):
        return "numbers"
    return "times" if types.is_timestamp(kind) else str(kind)


def join(parts: Sequence[pc.Expression], *, is_all: bool) -> pc.Expression:
    """Return whether all or any of some expressions are true; as a balanced tree, which C++ walks without end."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    first, second = join(parts[:half], is_all=is_all), join(parts[half:], is_all=is_all)
    return first & second if is_all else first | second


def is_one_of(column: Column, constants: Sequence[Constant]) -> pc.Expression:
    """Return whether a column is one of some constants."""
    import pyarrow.compute as pc

    if column.kind == "text":  # the one long list that people write
        texts = [constant.value for constant in constants if constant.value is not None]
        found = column.field.isin(make_array(texts, column.type))
        return found | column.field.is_null() if len(texts) < len(constants) else found
    return join([pc.scalar(False), *(relate(column, "==", constant) for constant in constants)], is_all=False)


def relate(column: Column, symbol: str, other: Column | Constant) -> pc.Expression:
    """Return whether a column is in a relation to a column or a constant: false where one has no value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kernel = getattr(pc, _KERNELS[symbol])
    if isinstance(other, Column):
        fields = [column.field, other.field]
        if column.type != other.type and column.kind == "numbers":
            fields = [field.cast(pa.float64(), safe=False) for field in fields]
        found = pc.coalesce(kernel(*fields), pc.scalar(False))
        return found | (fields[0].is_null() & fields[1].is_null()) if symbol == "==" else found
    if other.value is None:
        return column.field.is_null()
    if pa.types.is_integer(column.type):
        return _relate_integer(column.field, symbol, other.value)
    value = other.value
    if column.kind == "numbers":
        value = float(max(min(value, _LARGE), -_LARGE)) if isinstance(value, int) else value
    elif column.kind == "times":
        value = pa.scalar(value, pa.timestamp("us", "UTC"))
    return pc.coalesce(kernel(column.field, pc.scalar(value)), pc.scalar(False))


def _relate_integer(field: pc.Expression, symbol: str, number: float) -> pc.Expression:
    """Return the relation of 64-bit integers to any number, as exact as Python's: never through a float."""
    import pyarrow.compute as pc

    # Beyond the integers of 64 bits all numbers are alike, and Python's may be too large for a float.
    number = max(min(number, _MAX_INTEGER + 2), _MIN_INTEGER - 2)
    if symbol == "==":
        if number != int(number) or not _MIN_INTEGER <= number <= _MAX_INTEGER:
            return pc.scalar(False)
        return pc.coalesce(pc.equal(field, pc.scalar(int(number))), pc.scalar(False))
    # Each is "less than a whole number", or its opposite.
    bound = math.ceil(number) if symbol in ("<", ">=") else math.floor(number) + 1
    if bound > _MAX_INTEGER:
        is_less = pc.scalar(True)
    elif bound < _MIN_INTEGER:
        is_less = pc.scalar(False)
    else:
        is_less = pc.coalesce(pc.less(field, pc.scalar(bound)), pc.scalar(False))
    return field.is_valid() & (is_less if symbol in ("<", "<=") else ~is_less)
