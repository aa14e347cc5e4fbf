"""Whether the source on disk is the code that runs: a file may be edited while the process that loaded it goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from types import CodeType

_COMPARED = (
    "co_name",
    "co_code",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_flags",
    "co_exceptiontable",
)


def read_process_start_ns() -> int:
    """Return when this process began, in nanoseconds since 1970; when it came here where the system does not say."""
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return time.time_ns()
    return time.time_ns() - int((age + 0.05) * 1e9)  # ticks are hundredths of a second


# Read when this module is imported, and kept by forked workers: what they run was loaded before them.
PROCESS_START_NS = read_process_start_ns()


def is_newer_than_process(stat: os.stat_result) -> bool:
    """Return whether a file may have changed since this process began, also by a copy that keeps its old time."""
    return max(stat.st_mtime_ns, stat.st_ctime_ns) >= PROCESS_START_NS


def nested_code(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and all that stand in it."""
    todo = [code]
    while todo:
        found = todo.pop()
        yield found
        todo += [constant for constant in found.co_consts if isinstance(constant, CodeType)]


def is_same_code(first: CodeType, second: CodeType) -> bool:
    """Return whether two code objects do the same, wherever they stand and whatever their docstrings say."""
    todo: list[tuple[object, object]] = [(first, second)]
    while todo:
        one, other = todo.pop()
        if type(one) is not type(other):
            return False
        if isinstance(one, CodeType) and isinstance(other, CodeType):
            if any(getattr(one, name) != getattr(other, name) for name in _COMPARED):
                return False
            one, other = _constants(one), _constants(other)
        if isinstance(one, tuple) and isinstance(other, tuple):
            if len(one) != len(other):
                return False
            todo += zip(one, other, strict=True)
        elif repr(one) != repr(other) and not (isinstance(one, frozenset) and one == other):
            return False
    return True


def _constants(code: CodeType) -> tuple[object, ...]:
    """Return the constants of a code object; the first one of a function is its docstring, if it is text."""
    constants = code.co_consts
    if constants and isinstance(constants[0], str) and not code.co_name.startswith("<"):
        return ("", *constants[1:])
    return constants
