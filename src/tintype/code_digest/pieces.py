"""What the text of a part is put together from: plain text, and things that become parts of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from tintype.code_digest.modules import module_name, namespace_of_class


@dataclass(frozen=True, eq=False)
class FunctionPart:
    """A function of the user."""

    function: FunctionType
    known_as: str = ""
    """The name that a module has for it."""
    known_in: dict[str, Any] | None = field(default=None, repr=False)
    """The namespace of that module."""

    @property
    def key(self) -> object:
        """Return what tells it from every other part."""
        return id(self.function)

    @property
    def name(self) -> str:
        """Return its name; others may have the same."""
        own = self.function.__code__.co_qualname
        return (
            f"{module_name(self.function.__globals__)}.{self.known_as if own == '<lambda>' and self.known_as else own}"
        )


@dataclass(frozen=True, eq=False)
class ClassPart:
    """A class of the user."""

    cls: type

    @property
    def key(self) -> object:
        """Return what tells it from every other part."""
        return id(self.cls)

    @property
    def name(self) -> str:
        """Return its name; others may have the same."""
        namespace = namespace_of_class(self.cls)
        return f"{module_name(namespace) if namespace else self.cls.__module__}.{self.cls.__qualname__}"


@dataclass(frozen=True, eq=False)
class NamePart:
    """A name of a module of the user that is bound to anything else: a constant, an object."""

    namespace: dict[str, Any] = field(repr=False)
    bound_name: str

    @property
    def key(self) -> object:
        """Return what tells it from every other part."""
        return id(self.namespace), self.bound_name

    @property
    def name(self) -> str:
        """Return its name; others may have the same."""
        return f"{module_name(self.namespace)}.{self.bound_name}"


Part = FunctionPart | ClassPart | NamePart


@dataclass(frozen=True, eq=False)
class Requirement:
    """A part that is reached from where a task says what it requires."""

    part: Part


Piece = str | Part | Requirement


@dataclass
class Notes:
    """What is seen along the way."""

    unread: set[str] = field(default_factory=set)
    """What is reached and cannot be read, each with the reason."""
    libraries: set[str] = field(default_factory=set)
    """Top-level names of the library packages that are reached."""

    def library(self, name: str) -> str:
        """Note that something of a library is reached, and return what it counts as."""
        self.libraries.add(name.partition(".")[0])
        return f"@{name} "
