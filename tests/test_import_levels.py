"""Imports run one way: this list says which, and every module under src/tintype is read to see that it holds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

# Lowest first. A name is a room: a folder or a module directly under src/tintype. A room may import from the levels
# before its own, never from a later one, and from a room on its own level only where SIBLINGS lists it.
LEVELS = [
    ["errors", "records", "settings"],
    ["ops", "path_funcs", "sequences"],
    ["load_funcs", "write_funcs"],
    ["manifest", "recipe", "executors", "code_digest"],
    ["pipelines"],
    ["targets"],
    ["tasks"],
    ["raw"],
    ["interim"],
    ["processed"],
    ["datasets", "report", "rebuilding"],
    ["cli"],
    ["testing"],
]

# (room, the room on its own level that it may import from). An entry may not close a circle: that is checked too.
SIBLINGS = {
    ("settings", "errors"),
    ("report", "rebuilding"),
}

SOURCE_FOLDER = Path(__file__).parents[1] / "src" / "tintype"

LEVEL_OF = {room: number for number, level in enumerate(LEVELS) for room in level}


@dataclass(frozen=True)
class Import:
    """One name that one module imports from the package."""

    module: str
    """Who imports, such as ``tintype.raw.download_files``."""
    imported: str
    """What is imported, such as ``tintype.errors``; always a module."""
    place: str
    """File and line."""
    for_types_only: bool
    """Under ``if TYPE_CHECKING``: never runs, so it closes no circle, but the level counts."""


def name_module(relative_path: Path) -> str:
    """Return the dotted name of a source file; a package and its stub are one module."""
    parts = ["tintype", *relative_path.with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def name_room(module: str) -> str:
    """Return the part after ``tintype``, or an empty name for the package itself."""
    return [*module.split("."), ""][1]


def find_sources(folder: Path) -> dict[Path, str]:
    """Return the text of every module and stub by its path relative to the folder, without the package's own two."""
    paths = sorted(path for pattern in ("*.py", "*.pyi") for path in folder.rglob(pattern))
    return {
        path.relative_to(folder): path.read_text(encoding="utf-8")
        for path in paths
        if path.relative_to(folder) not in (Path("__init__.py"), Path("__init__.pyi"))
    }


def is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def walk_imports(node: ast.AST, for_types_only: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Yield every import at any depth, also inside functions, and whether only type checkers see it."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, for_types_only
    elif isinstance(node, ast.If) and is_type_checking(node.test):
        for statement in node.body:
            yield from walk_imports(statement, for_types_only=True)
        for statement in node.orelse:
            yield from walk_imports(statement, for_types_only)
    else:
        for child in ast.iter_child_nodes(node):
            yield from walk_imports(child, for_types_only)


def read_imports(sources: dict[Path, str]) -> list[Import]:
    """Return what every module imports from the package."""
    modules = {name_module(path) for path in sources}
    imports = []
    for path, text in sources.items():
        module = name_module(path)
        package = module.split(".") if path.stem == "__init__" else module.split(".")[:-1]
        for node, for_types_only in walk_imports(ast.parse(text, str(path))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                base = package[: len(package) - node.level + 1] if node.level else []
                origin = ".".join(base + (node.module.split(".") if node.module else []))
                # `from tintype.ops import resize` may name a module of that package, or something in it.
                names = [
                    name if (name := f"{origin}.{alias.name}") in modules or origin == "tintype" else origin
                    for alias in node.names
                ]
            imports += [
                Import(module, name, f"src/tintype/{path}:{node.lineno}", for_types_only)
                for name in dict.fromkeys(names)
                if name.split(".")[0] == "tintype"
            ]
    return imports


def describe_level(room: str) -> str:
    return f"level {LEVEL_OF[room]} ({', '.join(LEVELS[LEVEL_OF[room]])})"


def find_level_faults(sources: dict[Path, str]) -> list[str]:
    """Return a sentence for every module without a level and every import that runs the wrong way."""
    rooms = {name_room(name_module(path)): path for path in sources}
    faults = [
        f"src/tintype/{path}: the room {room} has no level; add it to LEVELS"
        for room, path in rooms.items()
        if room not in LEVEL_OF
    ]
    for found in read_imports(sources):
        room, imported_room = name_room(found.module), name_room(found.imported)
        if room == imported_room or room not in LEVEL_OF:
            continue
        start = f"{found.place} imports {found.imported}"
        if imported_room not in LEVEL_OF:
            faults.append(f"{start}: inside the library, import from the room that has the name, not from the package")
        elif imported_room == "testing":
            faults.append(f"{start}: {describe_level('testing')} is for tests, nothing in the library imports it")
        elif LEVEL_OF[imported_room] > LEVEL_OF[room]:
            faults.append(f"{start}: {room} is on {describe_level(room)}, below {describe_level(imported_room)}")
        elif LEVEL_OF[imported_room] == LEVEL_OF[room] and (room, imported_room) not in SIBLINGS:
            faults.append(
                f"{start}: both are on {describe_level(room)}, and SIBLINGS does not list ({room}, {imported_room})"
            )
    return faults


def find_circle(sources: dict[Path, str]) -> list[str]:
    """Return the modules of one import circle, the first again at the end; empty when there is none.

    The stub of a package holds what its names load when they are first used, so it counts like its ``__init__``.
    """
    graph: dict[str, set[str]] = {name_module(path): set() for path in sources}
    for found in read_imports(sources):
        if not found.for_types_only and found.imported != found.module:
            graph[found.module].add(found.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # graphlib puts what is imported before who imports it; turned round it reads "a imports b".
        return list(reversed(error.args[1]))
    return []


def test_every_module_has_a_level_and_imports_only_from_lower_ones() -> None:
    sources = find_sources(SOURCE_FOLDER)
    assert sources, f"no modules under {SOURCE_FOLDER}"
    faults = find_level_faults(sources)
    assert not faults, "\n" + "\n".join(faults)


def test_no_modules_import_each_other_in_a_circle() -> None:
    circle = find_circle(find_sources(SOURCE_FOLDER))
    assert not circle, "import circle: " + " imports ".join(circle)


def test_no_room_is_listed_twice_and_siblings_share_a_level() -> None:
    assert len(LEVEL_OF) == sum(len(level) for level in LEVELS)
    assert [pair for pair in SIBLINGS if LEVEL_OF[pair[0]] != LEVEL_OF[pair[1]]] == []


@pytest.mark.parametrize(
    ("path", "text", "fault"),
    [
        (
            "ops/made_up.py",
            "import numpy\nfrom tintype.tasks.stage import Stage",
            (
                "src/tintype/ops/made_up.py:2 imports tintype.tasks.stage: "
                "ops is on level 1 (ops, path_funcs, sequences), below level 6 (tasks)"
            ),
        ),
        ("ops/made_up.py", "import tintype.tasks.stage", "imports tintype.tasks.stage: ops is on level 1"),
        ("ops/made_up.py", "from ..tasks import Stage", "imports tintype.tasks: ops is on level 1"),
        ("ops/__init__.py", "from ..tasks import Stage", "imports tintype.tasks: ops is on level 1"),
        ("ops/__init__.pyi", "from tintype.tasks import Stage", "imports tintype.tasks: ops is on level 1"),
        ("ops/made_up.py", "from tintype import tasks", "imports tintype.tasks: ops is on level 1"),
        ("ops/made_up.py", "from .. import tasks", "imports tintype.tasks: ops is on level 1"),
        (
            "ops/made_up.py",
            "def crop():\n    from tintype.tasks import Stage",
            "made_up.py:2 imports tintype.tasks: ops",
        ),
        ("ops/made_up.py", "if TYPE_CHECKING:\n    from tintype.tasks import Stage", "imports tintype.tasks: ops"),
        ("ops/made_up.py", "from tintype.path_funcs import keep_name", "SIBLINGS does not list (ops, path_funcs)"),
        (
            "ops/made_up.py",
            "from tintype import Pipeline",
            "import from the room that has the name, not from the package",
        ),
        ("cli/made_up.py", "from tintype.testing import make_image", "nothing in the library imports it"),
        ("made_up.py", "", "made_up.py: the room made_up has no level"),
        ("made_up/__init__.py", "", "made_up/__init__.py: the room made_up has no level"),
    ],
)
def test_an_import_that_runs_the_wrong_way_is_named_with_both_levels(path: str, text: str, fault: str) -> None:
    faults = find_level_faults({Path("tasks/__init__.py"): "", Path(path): text})
    assert len(faults) == 1
    assert fault in faults[0]


def test_imports_from_lower_levels_from_the_own_room_and_from_elsewhere_are_fine() -> None:
    text = "import numpy\nimport tintype.errors\nfrom . import geometry\nfrom .. import records"
    assert find_level_faults({Path("ops/geometry.py"): "", Path("ops/tone.py"): text}) == []


@pytest.mark.parametrize(
    "text",
    ["from tintype.ops.tone import gamma", "def crop():\n    from . import tone", "import tintype.ops.tone as tone"],
)
def test_a_circle_inside_a_room_is_found(text: str) -> None:
    sources = {Path("ops/geometry.py"): text, Path("ops/tone.py"): "from .geometry import crop"}
    assert find_level_faults(sources) == []
    circle = find_circle(sources)
    assert len(circle) == 3
    assert set(circle) == {"tintype.ops.geometry", "tintype.ops.tone"}


def test_a_circle_reads_in_the_order_of_the_imports() -> None:
    sources = {
        Path("ops/a.py"): "from . import b",
        Path("ops/b.py"): "from . import c",
        Path("ops/c.py"): "from . import a",
    }
    circle = " ".join(name.split(".")[-1] for name in find_circle(sources))
    assert circle in {"a b c a", "b c a b", "c a b c"}


def test_an_import_for_types_only_closes_no_circle() -> None:
    sources = {
        Path("ops/geometry.py"): "if TYPE_CHECKING:\n    from tintype.ops.tone import Gamma",
        Path("ops/tone.py"): "from tintype.ops.geometry import crop",
    }
    assert find_circle(sources) == []
