"""CodeDigest, and digest_code: from a class through everything of the user's that its code reaches."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from tintype.code_digest.modules import is_task, is_user_class
from tintype.code_digest.pieces import ClassPart, Notes, Part, Piece, Requirement
from tintype.code_digest.reading import Reader
from tintype.code_digest.resolving import Resolver
from tintype.code_digest.shelf import SourceShelf
from tintype.code_digest.versions import find_unknown, find_versions

DIGEST_LENGTH = 20
"""Hexadecimal digits of a digest."""

_SHELF = SourceShelf()


@dataclass(frozen=True)
class CodeDigest:
    """What the code of a class comes to.

    Examples
    --------
    >>> digest = CodeDigest({"products.Cutouts": "0f3a", "products.clean.trim": "77b1"})
    >>> digest.digest
    '3c543a1e9d028a536899'
    """

    parts: Mapping[str, str]
    """Digest of each class, function and constant that is reached, by name; the version of a tracked distribution."""
    unread: tuple[str, ...] = ()
    """What is reached and could not be read, each with the reason."""

    @property
    def digest(self) -> str:
        """Return one digest over all parts."""
        return _short_digest("".join(f"{name}\0{part}\n" for name, part in sorted(self.parts.items())))


def digest_code(
    cls: type,
    *,
    extra: Iterable[object] = (),
    track_versions: Collection[str] = (),
    ignored: Collection[str] = (),
) -> CodeDigest:
    """Return the digest of a class's code, and of all code and constants of the user that it reaches.

    The user's modules are those outside the standard library, the installed distributions and tintype; a package
    installed in editable mode, a script and a notebook are the user's. Functions and classes count as syntax: layout,
    comments, docstrings, annotations and ``pass`` do not count, names of local variables do. Annotations count in the
    classes that make fields of them, such as dataclasses. What a name leads to counts, not how it was imported.
    Constants count by their value as it is now. Objects count by the statement of a module that makes them, and so
    do absolute paths, and what functions write to while they run. Code of libraries counts by its name.

    A task that the class requires, by a decorator, a class attribute or its method ``requires``, counts by its name:
    what it makes is an input.

    Not seen: names that are made from text (``getattr(module, name)``, ``eval``), code that reads its own docstring,
    modules that are imported for their side effects, what other modules write into a module's constants, and compiled
    code.

    Parameters
    ----------
    cls
        A stage's class, or any other.
    extra
        Functions and values that decide what the class does and that it does not name.
    track_versions
        Distributions (``scikit-image``), or packages (``skimage``), whose installed version counts if they are reached.
    ignored
        Attributes of the class whose plain values, and whose assignments in its body, are counted elsewhere.

    Raises
    ------
    CodeChangedError
        When a source file was changed after it was loaded, so that what runs cannot be read any more.

    Examples
    --------
    With this in ``products.py``::

        from clean import trim

        class Cutouts(ImageStage):
            def process(self, image):
                return trim(image)

    the parts of ``Cutouts`` are ``products.Cutouts``, ``clean.trim``, and what ``trim`` uses in its turn. A class of a
    library has none:

    >>> from fractions import Fraction
    >>> digest_code(Fraction)
    CodeDigest(parts={}, unread=())
    """
    notes = Notes()
    resolver = Resolver(_SHELF, notes)
    walk = _Walk(Reader(resolver, cls, frozenset(ignored)))
    if is_user_class(cls):
        walk.reach(ClassPart(cls))
    pieces = [
        piece for number, value in enumerate(extra) for piece in (*resolver.value(value, f"extra {number}"), ", ")
    ]
    if pieces:
        walk.parts["extra"] = _short_digest(walk.text(pieces))
    walk.finish()
    for name, version in find_versions(track_versions, notes.libraries):
        walk.parts[f"distribution {name}"] = version
    notes.unread.update(f"distribution {name}: it is not installed" for name in find_unknown(track_versions))
    return CodeDigest(dict(sorted(walk.parts.items())), tuple(sorted(notes.unread)))


class _Walk:
    """One walk over everything that is reached, in the order in which the code names it."""

    def __init__(self, reader: Reader) -> None:
        self.parts: dict[str, str] = {}
        self._reader = reader
        self._names: dict[object, str] = {}
        self._n_named: Counter[str] = Counter()
        self._todo: deque[Part] = deque()
        self._required: deque[Part] = deque()
        self._done: set[object] = set()
        self._kept: list[Part] = []

    def reach(self, part: Part) -> str:
        """Return the name of a part, and put it on the list of what is to be read."""
        name = self._name(part)
        if part.key not in self._done:
            self._todo.append(part)
        return name

    def text(self, pieces: Iterable[Piece], *, is_required: bool = False) -> str:
        """Return pieces as text, with the name of each part in its place."""
        texts = []
        for piece in pieces:
            if isinstance(piece, str):
                texts.append(piece)
            elif isinstance(piece, Requirement) or is_required:
                texts.append(f"<{self._require(piece.part if isinstance(piece, Requirement) else piece)}>")
            else:
                texts.append(f"<{self.reach(piece)}>")
        return "".join(texts)

    def finish(self) -> None:
        """Read everything that is reached; what only leads to required tasks last, and those tasks not at all."""
        while self._todo or self._required:
            is_required = not self._todo
            part = (self._required if is_required else self._todo).popleft()
            if part.key not in self._done:
                self._done.add(part.key)
                text = self.text(self._reader.read(part), is_required=is_required)
                self.parts[self._name(part)] = _short_digest(text)

    def _require(self, part: Part) -> str:
        if not (isinstance(part, ClassPart) and is_task(part.cls)):
            self._required.append(part)
        return self._name(part)

    def _name(self, part: Part) -> str:
        """Return a name that no other part has."""
        name = self._names.get(part.key)
        if name is None:
            self._kept.append(part)  # so that no other object gets its identity
            self._n_named[part.name] += 1
            number = self._n_named[part.name]
            name = self._names[part.key] = part.name if number == 1 else f"{part.name}#{number}"
        return name


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_LENGTH]
