"""Which modules are the user's, and what they are called in a digest."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import sysconfig
from functools import lru_cache
from types import FunctionType, ModuleType
from typing import Any

_OWN_PACKAGE = "tintype"
_INSTALLED = frozenset({"site-packages", "dist-packages"})


@lru_cache(maxsize=4096)
def is_library_file(name: str, file: str | None) -> bool:
    """Return whether a module is library code: tintype's, the standard library's, or an installed distribution's.

    Parameters
    ----------
    name
        The module's full name.
    file
        Where it was loaded from; None for what is built into Python or has no file.

    Examples
    --------
    >>> is_library_file("math", None)
    True
    >>> is_library_file("products", "/home/ada/dataset/products.py")
    False
    >>> is_library_file("skimage", "/home/ada/dataset/.venv/lib/python3.12/site-packages/skimage/__init__.py")
    True
    """
    top = name.partition(".")[0]
    if top == _OWN_PACKAGE:
        return True
    if file is None or not os.path.isabs(file):
        return top in sys.stdlib_module_names or top in sys.builtin_module_names
    return not _INSTALLED.isdisjoint(file.split(os.sep)) or file.startswith(_standard_folders())


def is_user_namespace(namespace: dict[str, Any]) -> bool:
    """Return whether a module's namespace belongs to a module of the user, a script and a notebook included."""
    name = namespace.get("__name__")
    if not isinstance(name, str):
        return False
    return not is_library_file(name, _file_of(namespace))


def is_user_module(module: ModuleType) -> bool:
    """Return whether a module is the user's."""
    return is_user_namespace(vars(module))


def is_library_name(top: str) -> bool:
    """Return whether a top-level name, imported or not, is library code; also when there is no such module."""
    module = sys.modules.get(top)
    if module is not None:
        return not is_user_module(module)
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return True
    if spec is None:
        return True
    places: list[str | None] = [spec.origin] if spec.has_location else [*(spec.submodule_search_locations or ()), None]
    return is_library_file(top, places[0])


def module_name(namespace: dict[str, Any]) -> str:
    """Return what a module is called in a digest: a script by its file, so that it is the same when it is imported."""
    name = str(namespace.get("__name__"))
    if name != "__main__":
        return name
    spec, file = namespace.get("__spec__"), namespace.get("__file__")
    if spec is not None and spec.name:
        return str(spec.name)
    return os.path.splitext(os.path.basename(file))[0] if file else name


def namespace_of_class(cls: type) -> dict[str, Any]:
    """Return the namespace of the module that a class was made in; an empty one when the module is gone."""
    module = sys.modules.get(cls.__module__)
    for value in vars(cls).values():
        # Where a module was run and not kept, its functions still know it.
        if isinstance(value, FunctionType) and value.__globals__.get("__name__") == cls.__module__:
            return value.__globals__
    return {} if module is None else vars(module)


def absolute_name(name: str, level: int, namespace: dict[str, Any]) -> str:
    """Return the full name of a module as one module imports it, with `level` dots before it."""
    if not level:
        return name
    package = namespace.get("__package__")
    if package is None:
        own = str(namespace.get("__name__"))
        package = own if "__path__" in namespace else own.rpartition(".")[0]
    base = package.split(".")
    base = base[: len(base) - level + 1]
    return ".".join([*base, name] if name else base)


def is_user_class(cls: type) -> bool:
    """Return whether a class was made in a module of the user."""
    return is_user_namespace(namespace_of_class(cls) or {"__name__": cls.__module__})


def is_user_function(value: object) -> bool:
    """Return whether this is a Python function whose own code stands in a module of the user."""
    if not isinstance(value, FunctionType) or not is_user_namespace(value.__globals__):
        return False
    name, file = str(value.__globals__.get("__name__")), value.__code__.co_filename
    return not (os.path.isabs(file) and is_library_file(name, file))


def is_task(value: object) -> bool:
    """Return whether this is a class of Luigi tasks."""
    return isinstance(value, type) and any(
        base.__module__ == "luigi.task" and base.__name__ == "Task" for base in value.__mro__
    )


def full_name(value: object) -> str:
    """Return the name of a library's class or function, of the type for anything else.

    Private modules are left out of it: they are where a library moves its things to.
    """
    named = value if hasattr(value, "__qualname__") or hasattr(value, "__name__") else type(value)
    name = getattr(named, "__qualname__", None) or getattr(named, "__name__", "")
    module = getattr(named, "__module__", None) or type(named).__module__
    first, *others = str(module).split(".")
    return ".".join([first, *(part for part in others if not part.startswith("_")), str(name)])


def _file_of(namespace: dict[str, Any]) -> str | None:
    file = namespace.get("__file__")
    if isinstance(file, str):
        return os.path.abspath(file) if namespace.get("__name__") == "__main__" else file
    paths = list(namespace.get("__path__", ()))
    return str(paths[0]) if paths else None


@lru_cache(maxsize=1)
def _standard_folders() -> tuple[str, ...]:
    folders = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    folders |= {os.path.realpath(folder) for folder in folders}
    return tuple(folder + os.sep for folder in folders)
