"""The shelf of sources: which text a module or a function has, read from disk once, or from a notebook's cells."""

from __future__ import annotations

import ast
import importlib.util
import linecache
import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from tintype.code_digest.modules import module_name
from tintype.code_digest.running import is_newer_than_process
from tintype.code_digest.scopes import FunctionNode
from tintype.code_digest.sources import Source
from tintype.errors import CodeChangedError

NOT_SOURCE = (".pyc", ".so", ".pyd")
"""How the names of files end that a module may be loaded from and that hold no source."""


@dataclass(frozen=True)
class Found:
    """A definition and the source that it stands in."""

    source: Source
    node: FunctionNode


class SourceShelf:
    """Every source that this process has read. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # By file and module, with the module's spec: a module that is loaded again has another one.
        self._of_load: dict[tuple[str, object], tuple[object, Source | None]] = {}
        self._of_file: dict[str, dict[tuple[int, int], Source | None]] = {}
        self._of_cell: dict[tuple[str, str], Source | None] = {}

    def module_source(self, namespace: dict[str, Any]) -> Source | None:
        """Return the source of a module as it was first seen after it was loaded; None when there is none."""
        file, spec = namespace.get("__file__"), namespace.get("__spec__")
        if not isinstance(file, str):
            return None
        key = (file, namespace.get("__name__"))
        with self._lock:
            known = self._of_load.get(key)
            if known is None or known[0] is not spec:
                known = self._of_load[key] = (spec, self._read_now(file, namespace))
            return known[1]

    def find_function(self, function: FunctionType) -> Found | None:
        """Return the definition of a function; None when its source cannot be read.

        Raises
        ------
        CodeChangedError
            When the file was changed after it was loaded, and the function in it is not the one that runs.
        """
        file = _file_of_code(function.__code__, function.__globals__)
        may_have_changed = False
        for source in self._candidates(file, function.__globals__):
            node = source.find_function(function.__code__)
            if node is not None:
                return Found(source, node)
            may_have_changed |= source.is_checked
        if may_have_changed:
            raise CodeChangedError(
                f"{file} was changed after this process had loaded it, and what runs as "
                f"{module_name(function.__globals__)}.{function.__code__.co_qualname} is no longer what stands there: "
                "start the process again"
            )
        return None

    def cells(self) -> Iterator[Source]:
        """Yield the sources that stand in no file, such as a notebook's cells, newest first."""
        for name in list(linecache.cache)[::-1]:
            if name.startswith("<") or not os.path.exists(name):
                source = self._cell(name, {})
                if source is not None:
                    yield source

    def _candidates(self, file: str, namespace: dict[str, Any]) -> Iterator[Source]:
        """Yield the sources that a function may stand in: that of its module first, then others read from its file."""
        first = self.module_source(namespace) if namespace.get("__file__") == file else None
        if first is not None:
            yield first
        with self._lock:
            newest = self._read_now(file, namespace)
            others = list(self._of_file.get(file, {}).values())[::-1]
        for source in dict.fromkeys([newest, *others]):
            if source is not None and source is not first:
                yield source

    def _read_now(self, file: str, namespace: dict[str, Any]) -> Source | None:
        try:
            stat = os.stat(file)
        except OSError:
            return self._cell(file, namespace)  # in a zip file, perhaps
        key = (stat.st_mtime_ns, stat.st_size)
        of_file = self._of_file.setdefault(file, {})
        if key not in of_file:
            is_newer = is_newer_than_process(stat)
            of_file[key] = _read_file(file, is_checked=is_newer)
            if of_file[key] is None and is_newer and not file.endswith(NOT_SOURCE):
                raise CodeChangedError(
                    f"{file} was changed after this process had loaded it, and cannot be read: start the process again"
                )
        return of_file[key]

    def _cell(self, name: str, namespace: dict[str, Any]) -> Source | None:
        text = "".join(linecache.getlines(name, namespace))
        with self._lock:
            if text and (name, text) not in self._of_cell:
                self._of_cell[name, text] = _parse(text, name, is_checked=False)
            return self._of_cell.get((name, text))


def _read_file(file: str, *, is_checked: bool) -> Source | None:
    if file.endswith(NOT_SOURCE):
        return None
    try:
        with open(file, "rb") as stream:
            text = importlib.util.decode_source(stream.read())
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
    return _parse(text, file, is_checked=is_checked)


def _parse(text: str, name: str, *, is_checked: bool) -> Source | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the user has seen them when the module was loaded
            return Source(text, name, is_checked=is_checked)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _file_of_code(code: CodeType, namespace: dict[str, Any]) -> str:
    """Return the file of a function; a script run by a relative name may be anywhere by now, its module knows where."""
    file, module_file = code.co_filename, namespace.get("__file__")
    if not isinstance(module_file, str) or os.path.isabs(file):
        return file
    return module_file if os.path.basename(file) == os.path.basename(module_file) else file


def find_class(shelf: SourceShelf, cls: type, namespace: dict[str, Any]) -> tuple[Source, list[ast.ClassDef]] | None:
    """Return where a class without functions stands; several places when they cannot be told apart."""
    source = shelf.module_source(namespace)
    sources = shelf.cells() if source is None else [source]
    for source in sources:
        nodes = source.classes.get(cls.__qualname__)
        if nodes:
            return source, nodes if isinstance(namespace.get("__file__"), str) else nodes[-1:]
    return None
