"""Behaviour of tintype.code_digest."""

from __future__ import annotations

import importlib
import itertools
import json
import linecache
import os
import shutil
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tintype.code_digest import CodeDigest, digest_code
from tintype.code_digest import running as running_code
from tintype.errors import CodeChangedError

Load = Callable[..., types.ModuleType]

STAGE = """
from tintype.interim import ImageStage

class Cutouts(ImageStage):
    def process(self, image):
        return {call}
"""


def write(folder: Path, text: str = "", **files: str) -> None:
    """Write ``products.py``, and other files by their paths without extension."""
    for name, content in {"products": text, **files}.items():
        file = folder / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(content).lstrip("\n"), encoding="utf-8")


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Return a function that writes modules into a new folder and imports the first of them, as a process would."""
    number = itertools.count()
    before = set(sys.modules)

    def load_modules(text: str, module: str = "products", **files: str) -> types.ModuleType:
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
                del sys.modules[name]
        folder = tmp_path / str(next(number))
        write(folder, text, **files)
        monkeypatch.syspath_prepend(folder)
        return importlib.import_module(module)

    yield load_modules
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def changed(before: CodeDigest, after: CodeDigest) -> set[str]:
    """Return the names of the parts that differ."""
    names = {*before.parts, *after.parts}
    return {name for name in names if before.parts.get(name) != after.parts.get(name)}


PROBES = {
    "from PIL import Image": ("from PIL import Image", "Image.fromarray(image)", set()),
    "math": ("import math", "math.sqrt(image)", set()),
    "import os.path": ("import os.path", "os.path.join(image)", set()),
    "annotated": ("X: int = 3", "image + X", {"X"}),
    "unpacked": ("X, Y = 3, 4", "image + X + Y", {"X", "Y"}),
    "async": ("async def fetch(x):\n    return await fetch(x)", "fetch(image)", {"fetch"}),
    "inside if": ("if True:\n    def trim(x):\n        return x", "trim(image)", {"trim"}),
    "inside try": ("try:\n    import fast\nexcept ImportError:\n    fast = None", "fast", {"fast"}),
    "mutual recursion": ("def a(x):\n    return b(x)\ndef b(x):\n    return a(x)", "a(image)", {"a", "b"}),
    "match": ("def f(x):\n    match x:\n        case [1, *rest]:\n            return rest", "f(image)", {"f"}),
    "type()": ("def crop(self):\n    return 1\nMade = type('Made', (), {'crop': crop})", "Made()", {"Made", "crop"}),
    "os": ("import os", "os.getcwd()", set()),
    "codecs": ("import codecs, io, abc, zlib, stat", "codecs.lookup(image), io, abc, zlib.crc32, stat", set()),
    "eval": ("", "eval('X')", set()),
    "shadowed": ("import math", "[math for math in image]", set()),
    "lambda": ("trim = lambda x: x", "trim(image)", {"trim"}),
    "numpy": ("import numpy as np", "np.clip(image, 0, 1)", set()),
    "decorated": ("import functools\n@functools.lru_cache\ndef f(x):\n    return x", "f(image)", {"f"}),
    "not required": ("import hypothesis", "hypothesis.given(image)", set()),
}


@pytest.mark.parametrize("probe", PROBES, ids=str)
def test_ordinary_code_is_read_without_a_complaint(probe, load):
    text, call, parts = PROBES[probe]
    digest = digest_code(load(text + STAGE.format(call=call)).Cutouts)
    assert set(digest.parts) == {"products.Cutouts"} | {f"products.{part}" for part in parts}
    assert digest.unread == ()


@pytest.mark.parametrize(
    ("statement", "call"),
    [
        ("from .clean import trim", "trim(image)"),
        ("from . import clean", "clean.trim(image)"),
        ("import kit.clean", "kit.clean.trim(image)"),
        ("from .clean import *", "trim(image)"),
        ("from kit.clean import trim as cut", "cut(image)"),
        ("import kit.clean as cleaning", "cleaning.trim(image)"),
        ("", "self.late(image)"),
        ("def local(x):\n    import kit.clean\n    return kit.clean.trim(x)", "local(image)"),
        ("def local(x):\n    from . import clean as c\n    return c.trim(x)", "local(image)"),
    ],
)
def test_a_helper_is_found_however_it_is_imported(statement, call, load):
    late = "\n    def late(self, image):\n        from kit.clean import trim\n        return trim(image)\n"

    def digest(amount: int) -> CodeDigest:
        clean = f"AMOUNT = {amount}\ndef trim(x):\n    return x[AMOUNT:]\n"
        text = statement + STAGE.format(call=call) + late
        return digest_code(
            load("", "kit.products", **{"kit/__init__": "", "kit/products": text, "kit/clean": clean}).Cutouts
        )

    parts = {"kit.products.Cutouts", "kit.clean.trim", "kit.clean.AMOUNT"}
    assert set(digest(1).parts) - {"kit.products.local"} == parts
    assert changed(digest(1), digest(2)) == {"kit.clean.AMOUNT"}


BASE = """
from functools import lru_cache, partial, wraps
import numpy as np
import luigi
from luigi.util import requires
from tintype import raw
from tintype.interim import ImageStage
from clean import trim

LIMIT = 3
SIZES = {"small", "large"}
unused_constant = 1

def unused(x):
    return x

def timed(label):
    def decorate(function):
        @wraps(function)
        def inner(*arguments):
            return function(*arguments)
        return inner
    return decorate

@timed("crop")
def crop(image):
    '''Crop.'''
    side = LIMIT
    return image[:side]

def make_scale(factor):
    def scale(image):
        return image * factor
    return scale

double = make_scale(2)
half = partial(crop, side=4)

class Sharpener:
    strength = 5
    def __init__(self, n):
        self.n = n
    def __call__(self, image):
        return image * self.strength

sharpen = Sharpener(7)

@lru_cache
def slow(image):
    return image + 1

class Photos(raw.ImportFolder):
    def label(self, inpath):
        return "cat"

class Mixin:
    def clip(self, image):
        return np.clip(image, 0, 100)

@requires(Photos)
class Cutouts(Mixin, ImageStage):
    '''Cut out.'''

    max_side = luigi.IntParameter(default=448)
    quality = 90
    _margin = 4

    def process(self, image):
        # Cut.
        image = self.clip(crop(trim(image)))
        return sharpen(half(double(slow(image)))) if SIZES else None
"""
CLEAN = """
from deep import THRESHOLD, level

def trim(image):
    return image[level(image) > THRESHOLD]
"""
DEEP = """
THRESHOLD = 250

def level(image, offset=1.5):
    return image.mean() + offset
"""
CUTOUTS = "products.Cutouts"

NO_CHANGES = {
    "comment": ("# Cut.", "# Cut it\n\n        # out"),
    "docstring": ("'''Crop.'''", "'''Crop an image.'''\n    pass"),
    "no docstring": ("    '''Cut out.'''\n", ""),
    "unused function": ("def unused(x):\n    return x", "def unused(y):\n    return y + 1"),
    "unused constant": ("unused_constant = 1", "unused_constant = 2"),
    "type hints": ("def clip(self, image):", "def clip(self, image: np.ndarray) -> 'np.ndarray':"),
    "typed constant": ("LIMIT = 3", "LIMIT: int = 3"),
    "value written otherwise": ("LIMIT = 3", "LIMIT = 1 + 2"),
    "set order": ('{"small", "large"}', '{"large", "small"}'),
    "quotes": ('timed("crop")', "timed('crop')"),
    "local annotation": ("side = LIMIT", "side: int\n    side: int = LIMIT"),
    "required task's own code": ('return "cat"', 'return "dog"'),
    "for the type checker": ("side = LIMIT", "if TYPE_CHECKING:\n        import x\n    side = LIMIT"),
    "reordered": ("unused_constant = 1", "def level_2(x):\n    return x\n"),
}
CHANGES = {
    "own method": ("np.clip(image, 0, 100)", "np.clip(image, 0, 99)", {"products.Mixin"}),
    "called function": ("image[:side]", "image[side:]", {"products.crop"}),
    "local variable": ("side = LIMIT\n    return image[:side]", "s = LIMIT\n    return image[:s]", {"products.crop"}),
    "constant": ("LIMIT = 3", "LIMIT = 4", {"products.LIMIT"}),
    "type of a constant": ("LIMIT = 3", "LIMIT = 3.0", {"products.LIMIT"}),
    "set": ('"large"}', '"medium"}', {"products.SIZES"}),
    "decorator's argument": ('timed("crop")', 'timed("cut")', {"products.crop"}),
    "decorator": (
        "return function(*arguments)",
        "return None",
        {"products.timed", "products.timed.<locals>.decorate.<locals>.inner"},
    ),
    "closure": ("make_scale(2)", "make_scale(3)", {"products.make_scale.<locals>.scale"}),
    "partial": ("side=4", "side=5", {"products.half"}),
    "callable object": ("Sharpener(7)", "Sharpener(8)", {"products.sharpen"}),
    "class of an object": ("strength = 5", "strength = 6", {"products.Sharpener"}),
    "cached function": ("image + 1", "image + 2", {"products.slow"}),
    "private attribute": ("_margin = 4", "_margin = 5", {CUTOUTS}),
    "attribute": ("quality = 90", "quality = 91", {CUTOUTS}),
    "another library function": ("np.clip", "np.minimum", {"products.Mixin"}),
    "another module": ("image[level(image) > THRESHOLD]", "image[level(image) >= THRESHOLD]", {"clean.trim"}),
    "two modules away": ("image.mean()", "image.max()", {"deep.level"}),
    "default argument": ("offset=1.5", "offset=2.5", {"deep.level"}),
    "constant two modules away": ("THRESHOLD = 250", "THRESHOLD = 251", {"deep.THRESHOLD"}),
}


def digest_edited(load: Load, old: str = "", new: str = "", **arguments: Any) -> CodeDigest:
    """Return the digest of the base modules, with one text in place of another."""
    texts = [text.replace(old, new) if old else text for text in (BASE, CLEAN, DEEP)]
    assert not old or texts != [BASE, CLEAN, DEEP]
    return digest_code(load(texts[0], clean=texts[1], deep=texts[2]).Cutouts, **arguments)


@pytest.mark.parametrize("edit", NO_CHANGES)
def test_an_edit_that_changes_nothing_is_no_change(edit, load):
    assert digest_edited(load, *NO_CHANGES[edit]) == digest_edited(load)


@pytest.mark.parametrize("edit", CHANGES)
def test_an_edit_changes_the_parts_that_it_is_in(edit, load):
    old, new, parts = CHANGES[edit]
    before, after = digest_edited(load), digest_edited(load, old, new)
    assert changed(before, after) == parts
    assert before.digest != after.digest
    assert before.unread == ()


def test_the_parts_are_everything_that_is_reached(load):
    assert set(digest_edited(load).parts) == {
        "clean.trim", "deep.THRESHOLD", "deep.level", "products.Cutouts", "products.LIMIT", "products.Mixin",
        "products.SIZES", "products.Sharpener", "products.crop", "products.half",
        "products.make_scale.<locals>.scale", "products.sharpen", "products.slow", "products.timed",
        "products.timed.<locals>.decorate.<locals>.inner",
    }  # fmt: skip


def test_the_alias_of_an_import_does_not_count_and_what_it_leads_to_does(load):
    def digest(statement: str, call: str) -> CodeDigest:
        return digest_code(load(statement + STAGE.format(call=call)).Cutouts)

    one = digest("from skimage.exposure import equalize_hist", "equalize_hist(image)")
    assert one == digest("from skimage.exposure import equalize_hist as spread", "spread(image)")
    assert one == digest("from skimage import exposure", "exposure.equalize_hist(image)")
    assert one != digest("from skimage.exposure import equalize_adapthist as equalize_hist", "equalize_hist(image)")


def test_functions_that_change_places_are_a_change(load):
    text = "def a(x):\n    return x\ndef b(x):\n    return -x\n"
    one = digest_code(load("from clean import a, b" + STAGE.format(call="a(image)+b(b(image))"), clean=text).Cutouts)
    other = digest_code(
        load("from clean import a as b, b as a" + STAGE.format(call="a(image)+b(b(image))"), clean=text).Cutouts
    )
    assert changed(one, other) == {"products.Cutouts"}


def test_what_is_read_by_name_from_text_is_found_nowhere(load):
    digest = digest_code(load("import clean" + STAGE.format(call="getattr(clean, 'trim')"), clean="trim = 1").Cutouts)
    assert digest.unread == ("clean, used as a whole by products.Cutouts: what is taken from it cannot be told",)


def test_a_task_required_by_any_statement_counts_by_its_name_and_one_yielded_while_building_by_its_code(load):
    text = """
    import luigi
    from tintype.tasks import Stage
    class Above(Stage):
        layer = "raw"
        amount = 1
    def upstream():
        return [cls() for cls in ABOVE]
    ABOVE = [Above]
    class Below(Stage):
        layer = "raw"
        above = Above
        def requires(self):
            return upstream()
        def build(self, staging):
            BODY
    """
    required = digest_code(load(text.replace("BODY", "pass")).Below)
    assert set(required.parts) == {"products.Below", "products.upstream", "products.ABOVE"}
    dynamic = digest_code(load(text.replace("BODY", "yield Above()")).Below)
    assert set(dynamic.parts) == {*required.parts, "products.Above"}


def test_attributes_that_are_counted_elsewhere_can_be_left_out(load):
    def digest(value: int) -> CodeDigest:
        text = STAGE.format(call="image") + f"    max_failure_rate = {value}\n    other = 1\n"
        return digest_code(load(text).Cutouts, ignored={"max_failure_rate", "process"})

    assert digest(1) == digest(2)
    assert "products.Cutouts" in digest(1).parts


def test_a_function_under_an_ignored_name_counts(load):
    def digest(value: int) -> CodeDigest:
        text = f"def f(self, image):\n    return {value}\n" + STAGE.format(call="image") + "    process = f\n"
        return digest_code(load(text).Cutouts, ignored={"process"})

    assert changed(digest(1), digest(2)) == {"products.f"}


def test_what_functions_write_to_while_they_run_is_no_constant(load):
    text = """
    CACHE = {}
    MODEL = None
    SEEN = []
    def look(x):
        global MODEL
        MODEL = MODEL or object()
        SEEN.append(x)
        CACHE[x] = x
        return CACHE
    def remember(function):
        memory = {}
        def inner(x):
            memory[x] = function(x)
            return memory[x]
        return inner
    @remember
    def slow(x, kept={}):
        kept[x] = x
        return x
    class Cutouts:
        _seen = {}
        def process(self, image):
            self._seen[image] = 1
            return look(slow(image))
    """
    cls = load(text).Cutouts
    before = digest_code(cls)
    cls().process(1)
    assert digest_code(cls) == before
    assert before.unread == ()


def test_lambdas_of_one_line_are_told_apart(load):
    text = "a, b, c = (lambda x: x + 1), (lambda x: x + 2), (lambda x: (lambda y: x))\n"
    one = digest_code(load(text + STAGE.format(call="a(image), c")).Cutouts)
    other = digest_code(load(text.replace("+ 2", "+ 3") + STAGE.format(call="a(image), c")).Cutouts)
    assert one == other
    assert set(one.parts) == {"products.Cutouts", "products.a", "products.c"}
    assert changed(one, digest_code(load(text.replace("+ 1", "- 1") + STAGE.format(call="a(image), c")).Cutouts)) == {
        "products.a"
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("dataclass\nclass C:\n    x: int = 3", "dataclass\nclass C:\n    x: int = 4"),
        ("dataclass\nclass C:\n    x: int\n    y: int", "dataclass\nclass C:\n    y: int\n    x: int"),
        ("dataclass\nclass C:\n    x: int", "dataclass\nclass C:\n    x: ClassVar[int]"),
        ("staticmethod\nclass C(Enum):\n    A = 1", "staticmethod\nclass C(Enum):\n    A = 2"),
        ("str\nclass C(NamedTuple):\n    x: int = 1", "str\nclass C(NamedTuple):\n    x: int = 2"),
        ("str\nC = namedtuple('C', 'a b')", "str\nC = namedtuple('C', 'a c')"),
        ("str\nC = Enum('C', 'A B')", "str\nC = Enum('C', 'A D')"),
    ],
)
def test_classes_that_python_writes_are_read_by_their_statements(before, after, load):
    def digest(text: str) -> CodeDigest:
        first, _, rest = text.partition("\n")
        decorator = "@dataclass\n" if first == "dataclass" else ""
        imports = "from dataclasses import dataclass\nfrom typing import *\nfrom enum import Enum\n"
        imports += "from collections import namedtuple\n"
        return digest_code(load(imports + decorator + rest + STAGE.format(call="C")).Cutouts)

    assert changed(digest(before), digest(after)) == {"products.C"}
    assert digest(before).unread == ()


def test_what_is_put_into_a_class_later_counts(load):
    cls = load("def other(self, image):\n    return 1\n" + STAGE.format(call="image")).Cutouts
    before = digest_code(cls)
    cls.process = sys.modules["products"].other
    cls.threshold = 5
    after = digest_code(cls)
    assert changed(before, after) == {"products.Cutouts", "products.other"}


def test_a_method_of_another_module_under_the_same_name_counts(load):
    text = "import clean" + STAGE.format(call="image") + "Cutouts.process = clean.process\n"
    digest = digest_code(load(text, clean="def process(self, image):\n    return 1\n").Cutouts)
    assert set(digest.parts) == {"products.Cutouts", "clean.process"}


def test_constants_count_by_value(load):
    text = "import numpy as np, re, decimal, datetime, pathlib, enum\nclass E(enum.Enum):\n    A = 1\nX = {}\n"
    values = [
        "1", "1.0", "True", "None", "'a'", "b'a'", "[1]", "(1,)", "{1: 2}", "{1}", "np.zeros(3)", "np.ones(3)",
        "np.zeros(3, 'f4')", "np.float32(1)", "re.compile('a')", "re.compile('a', re.I)", "pathlib.Path('a')", "E.A",
        "decimal.Decimal(1)", "datetime.date(2020, 1, 1)", "range(3)", "float('nan')", "10**5000",
    ]  # fmt: skip
    digests = {}
    for value in values:
        digest = digest_code(load(text.replace("{}", value) + STAGE.format(call="X")).Cutouts)
        digests[digest.digest] = value
        assert digest.unread == ()
    assert list(digests.values()) == values


def test_what_cannot_be_read_is_named_with_the_reason(load, tmp_path):
    module = load("made = {}\nexec('def f(x): return x', made)\nf = made['f']\n" + STAGE.format(call="g(image), f"))
    cls = module.Cutouts
    exec("def g(x): return x", vars(module))
    digest = digest_code(cls, extra=[iter([1])])
    assert digest.unread == (
        "extra 0: it counts by its type alone, builtins.list_iterator",
        "products.g: its source is not there",
    )
    del module.g
    assert any(text.startswith("g, used by products.Cutouts") for text in digest_code(cls).unread)


def test_extra_functions_and_values_count(load):
    module = load("def f(x, y):\n    return x\ndef g(x):\n    return x\n" + STAGE.format(call="image"))
    plain = digest_code(module.Cutouts)
    with_extra = digest_code(module.Cutouts, extra=[partial(module.f, y=3), module.g])
    assert changed(plain, with_extra) == {"products.f", "products.g", "extra"}
    assert changed(with_extra, digest_code(module.Cutouts, extra=[partial(module.f, y=4), module.g])) == {"extra"}
    bound = digest_code(module.Cutouts, extra=[module.Cutouts().process])
    assert set(bound.parts) == {"products.Cutouts", "products.Cutouts.process", "extra"}
    assert bound.unread == ()


def test_the_version_of_a_tracked_library_counts_where_it_is_reached(load):
    text = "from skimage.exposure import equalize_hist" + STAGE.format(call="equalize_hist(image)")
    cls = load(text).Cutouts
    by_package = digest_code(cls, track_versions=["skimage", "PIL"])
    assert by_package == digest_code(cls, track_versions=["Scikit_Image"])
    (name,) = changed(digest_code(cls), by_package)
    assert name == "distribution scikit-image"
    assert by_package.parts[name] == importlib.import_module("importlib.metadata").version("scikit-image")
    assert digest_code(cls, track_versions=["no-such"]).unread == ("distribution no-such: it is not installed",)


def test_a_class_of_the_library_has_no_parts():
    from tintype.interim import ResizeImages

    assert digest_code(ResizeImages) == CodeDigest({})


def test_a_file_edited_while_it_runs_is_read_as_it_was_loaded(load):
    module = load("LIMIT = 3\ndef trim(x):\n    return x[LIMIT:]\n" + STAGE.format(call="trim(image)"))
    before = digest_code(module.Cutouts)
    file = Path(str(module.__file__))
    file.write_text("# edited\n" + file.read_text().replace("x[LIMIT:]", "x[:LIMIT]"))
    assert digest_code(module.Cutouts) == before
    importlib.reload(module)
    assert changed(before, digest_code(module.Cutouts)) == {"products.trim"}


def test_a_file_edited_before_it_was_ever_read_is_an_error_unless_what_runs_stands_in_it(load):
    module = load("def trim(x):\n    return x[1:]\n" + STAGE.format(call="trim(image)"))
    same = load("def trim(x):\n    return x[1:]\n" + STAGE.format(call="trim(image)"))
    expected = digest_code(same.Cutouts)
    file = Path(str(module.__file__))
    text = file.read_text()
    sys.modules["products"] = module
    file.write_text("# a comment\n\ndef first():\n    pass\n" + text)
    assert digest_code(module.Cutouts) == expected
    edited = load(text)
    Path(str(edited.__file__)).write_text(text.replace("x[1:]", "x[2:]"))
    with pytest.raises(
        CodeChangedError, match=r"products\.py was changed .* products\.trim .*: start the process again"
    ):
        digest_code(edited.Cutouts)
    Path(str(edited.__file__)).write_text("def trim(x:")
    with pytest.raises(CodeChangedError, match=r"products\.py was changed .* cannot be read: start the process again"):
        digest_code(edited.Cutouts)


def test_what_this_process_did_not_change_is_not_compiled(load, monkeypatch):
    monkeypatch.setattr(running_code, "PROCESS_START_NS", 2**63)
    monkeypatch.setattr("tintype.code_digest.sources.nested_code", None)
    assert digest_code(load(STAGE.format(call="image")).Cutouts).unread == ()


def run_cell(namespace: dict[str, Any], name: str, text: str) -> None:
    """Run a notebook cell as IPython does: its text is where tracebacks look for it."""
    text = textwrap.dedent(text)
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), namespace)


def test_a_class_of_a_notebook_is_read_from_its_newest_cell(monkeypatch):
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(linecache, "cache", dict(linecache.cache))
    cell = "class Empty:\n    op = make({})\n"
    run_cell(vars(main), "/nowhere/ipykernel_1/1.py", "def make(x):\n    return iter([x])\nthing = make(0)")
    run_cell(
        vars(main), "/nowhere/ipykernel_1/2.py", "class Cutouts:\n    def process(self):\n        return Empty, thing"
    )
    run_cell(vars(main), "/nowhere/ipykernel_1/3.py", cell.format(1))
    before = digest_code(main.Cutouts)
    run_cell(vars(main), "/nowhere/ipykernel_1/4.py", cell.format(2))
    assert changed(before, digest_code(main.Cutouts)) == {"__main__.Empty"}
    assert before.unread == ()
    assert set(before.parts) == {"__main__.Cutouts", "__main__.Empty", "__main__.make", "__main__.thing"}


PRINT = """
import json
from tintype.code_digest import digest_code
d = digest_code({})
print(json.dumps([d.digest, d.unread]))
"""


def run_python(folder: Path, *arguments: str, **environment: str) -> Any:
    source = Path(__file__).parents[1] / "src"
    environ = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{source}", **environment}
    command = [sys.executable, "-W", "ignore", *arguments]
    result = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_a_script_has_the_digest_of_the_module_that_it_is(tmp_path):
    write(tmp_path, BASE + "\nif __name__ == '__main__':\n" + textwrap.indent(PRINT.format("Cutouts"), "    "))
    write(tmp_path, (tmp_path / "products.py").read_text(), clean=CLEAN, deep=DEEP)
    imported = run_python(tmp_path, "-c", "import products\n" + PRINT.format("products.Cutouts"))
    assert imported[1] == []
    assert run_python(tmp_path, "products.py") == imported
    assert run_python(tmp_path, "-m", "products") == imported


def test_the_hash_seed_does_not_matter(tmp_path):
    text = BASE.replace('SIZES = {"small", "large"}', 'SIZES = {"a", "b", "c", ("d", frozenset("xyz"))}')
    write(tmp_path, text, clean=CLEAN, deep=DEEP)
    code = "import products\n" + PRINT.format("products.Cutouts")
    digests = [run_python(tmp_path, "-c", code, PYTHONHASHSEED=seed) for seed in ("0", "1", "2")]
    assert digests[0] == digests[1] == digests[2]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_comments_and_blank_lines_never_count(data, load):
    lines = BASE.splitlines()
    for _ in range(data.draw(st.integers(1, 5))):
        line = data.draw(st.sampled_from(["", "# comment", "    # comment", "\t"]))
        lines.insert(data.draw(st.integers(0, len(lines))), line)
    edited = digest_code(load("\n".join(lines), clean=CLEAN, deep=DEEP).Cutouts)
    assert edited == digest_edited(load)


SYNTAX = '''
from __future__ import annotations
import asyncio, math, os.path
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property, partial, singledispatch
from pathlib import Path
from typing import ClassVar, NamedTuple, TYPE_CHECKING
import collections.abc as abc

A, (B, *C) = 1, (2, 3, 4)
D: dict[str, int] = {"a": 1, **{"b": 2}}
PATTERN = __import__("re").compile("x")
TABLE = {frozenset({1, 2}): [None, ..., 1e300, -0.0, 1j, 0xFF, 10**100, "é\\u2028\\U0001fae8", b"\\x00"]}

class Colour(Enum):
    RED = auto()
    GREEN = "g"

@dataclass(frozen=True, slots=True)
class Box(abc.Sized):
    x: int = 1
    y: list[int] = field(default_factory=list)
    kind: ClassVar[str] = "box"
    def __len__(self): return self.x

class Pair(NamedTuple):
    left: int
    right: str = "r"

async def fetch(urls, /, limit=A, *args, key: int = 3, **kwargs):
    async with limit as gate, gate:
        async for url in urls:
            yield await url
    return_ = [x async for x in urls if await x]

def strings(x, w, p, d):
    a = f"{x!r:>{w}.{p}}" f"{x:}{{}}" "tail" f""
    b = f"{x=}" + f"{d['k']:%H:%M}" + f"{ x = !s:>3}" + rf"\\d{x}" + f"plain"
    c = f"""{
        x
    }"""
    return a, b, c, f"{x:{w}}{x:{p}}", f"{'nested'}{f'{x}'}"

def patterns(value):
    match value:
        case Colour.RED | None: return 0
        case {"k": v, **rest} if v: return rest
        case [first, *_, last]: return first, last
        case Box(x=0, y=[]) as box: return box
        case -1.5 | "s" | b"b" | 1 + 2j: return 1
        case _: return None

def statements(n):
    global D
    total = 0
    while (n := n - 1) > 0:
        for i, *rest in enumerate(range(n)):
            if i % 2: continue
            total += i @ n if i else ~i
        else:
            break
    try:
        with open(os.path.join("a", "b")) as file, file: del total
        assert n, "message"
    except* (OSError, ValueError) as group:
        raise RuntimeError from group
    else: pass
    finally: print(*rest, sep="", **{})
    def inner(*a, k=lambda v, /, *, z=1: v[1:2, ..., ::3, *rest]):
        nonlocal n
        n = yield from ({k: v for k, v in a}, {x for x in a if x if n}, *(y for y in a))
    return inner if n < 1 <= 2 is not None not in [] else not n or n and -n ** 2 // 3 << 1

@singledispatch
def dispatch(x): return x

@dispatch.register
def _(x: int): return math.floor(x)

class Meta(type): pass

class Base(metaclass=Meta):
    if TYPE_CHECKING:
        hidden: int
    limit = A
    table = [a for a in range(3)]
    shown: str
    @cached_property
    def size(self): return super().__init__()
    @staticmethod
    def s(): return Path("x")
    @classmethod
    def c(cls, x): return cls.s
    @property
    def p(self): return self._p
    @p.setter
    def p(self, value): self._p: int = value

class Stage(Base, flag=True) if False else Base: pass
'''
SYNTAX = SYNTAX.replace(
    "class Stage(Base, flag=True) if False else Base: pass\n",
    """
made = type("Made", (Base,), {"f": lambda self: A, "n": 3})
half = partial(patterns, value=Colour.GREEN)
one, two, three = (lambda x: x + 1), (lambda x: x + 2), lambda x: (lambda y: y + x)

class Stage(Base):
    def process(self, x):
        from math import floor as down
        return [fetch, strings, patterns, statements, dispatch, made, half, one, two, three, Pair, Box, Colour,
                A, B, C, D, TABLE, PATTERN, down(x), asyncio.run, self.p]
""",
)

BARE = """
import json, sys, types
# The package without its __init__, which needs lazy_loader: this Python has nothing installed.
for name in ("tintype", "tintype.code_digest"):
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = [sys.argv[1] + "/" + name.replace(".", "/")]
from tintype.code_digest.digest import digest_code
import products
d = digest_code(products.Stage)
print(json.dumps([d.digest, dict(d.parts), d.unread]))
"""


def find_pythons() -> list[str]:
    """Return this Python and every other from 3.11 to 3.13 on this machine."""
    found = [sys.executable]
    for version in ("3.11", "3.12", "3.13"):
        places = [Path(file) for file in (shutil.which(f"python{version}"),) if file]
        places += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        for place in places:
            check = [str(place), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            result = subprocess.run(check, capture_output=True, text=True)
            if result.stdout.strip() == version:
                found.append(str(place))
                break
    return found


def test_the_digest_is_the_same_on_every_python(tmp_path):
    write(tmp_path, SYNTAX)
    source = Path(__file__).parents[1] / "src"
    seen = {}
    for python in find_pythons():
        command = [python, "-W", "ignore", "-c", BARE, str(source)]
        environ = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        result = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert result.returncode == 0, result.stderr
        seen[python] = json.loads(result.stdout)
    first = seen[sys.executable]
    assert first[2] == []
    assert len(first[1]) > 15
    for other in seen.values():
        assert other == first
    if len(seen) == 1:
        pytest.skip("no other Python from 3.11 to 3.13 on this machine")


def test_importing_it_loads_nothing_heavy():
    code = "import sys, tintype.code_digest as c; c.digest_code; print({'numpy', 'luigi'}.intersection(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "set()", result.stderr


def test_numpy_values_in_closures_count():
    def make(array):
        class Thing:
            def process(self):
                return array

        return Thing

    one, other = digest_code(make(np.zeros(2))), digest_code(make(np.ones(2)))
    assert len(changed(one, other)) == 1
    assert one == digest_code(make(np.zeros(2)))


def test_what_a_closure_that_holds_state_began_with_counts(load):
    text = """
    def make(start):
        count = start
        def op(image):
            nonlocal count
            count += 1
            return image[count]
        return op
    def elsewhere(start, table):
        table[start] = 1
    def look_up(table):
        def find(image):
            return table[image]
        return find
    op = make(1)
    find = look_up([1, 2])
    """
    text = textwrap.dedent(text) + STAGE.format(call="op(find(image))")
    before = digest_code(load(text).Cutouts)
    assert changed(before, digest_code(load(text.replace("make(1)", "make(2)")).Cutouts)) == {
        "products.make.<locals>.op"
    }
    assert changed(before, digest_code(load(text.replace("[1, 2]", "[1, 3]")).Cutouts)) == {
        "products.look_up.<locals>.find"
    }


def test_objects_with_manners_of_their_own_are_no_trouble(load):
    text = """
    from contextlib import contextmanager
    class Proxy:
        def __getattr__(self, name):
            raise RuntimeError(name)
    class Table(dict):
        pass
    class Node:
        def __init__(self):
            self.me = self
            self.many = [self] * 3
    @contextmanager
    def opened(x):
        yield x + 1
    def make(*held):
        def use():
            return held
        return use
    use = make(Proxy(), Table(a=1))
    loop = make(Node())
    """
    text = textwrap.dedent(text) + STAGE.format(call="(use, opened, loop)")
    before = digest_code(load(text).Cutouts)
    assert before.unread == ("held, held by products.make.<locals>.use: it counts by its type alone, products.Node",)
    assert changed(before, digest_code(load(text.replace("a=1", "a=2")).Cutouts)) == {"products.make.<locals>.use"}
    assert changed(before, digest_code(load(text.replace("x + 1", "x + 2")).Cutouts)) == {"products.opened"}


def test_a_module_that_cannot_be_imported_is_named(load):
    text = "def late(x):\n    import broken\n    return broken.f(x)\n" + STAGE.format(call="late(image)")
    digest = digest_code(load(text, broken="1 / 0").Cutouts)
    assert digest.unread == ("broken, imported by products.late: ZeroDivisionError: division by zero",)


def test_an_edit_of_the_docstring_alone_leaves_the_running_code_readable(load):
    text = 'def trim(x):\n    "One."\n    return x[1:]\n' + STAGE.format(call="trim(image)")
    expected = digest_code(load(text).Cutouts)
    module = load(text)
    Path(str(module.__file__)).write_text(text.replace("One.", "Another."))
    assert digest_code(module.Cutouts) == expected


def test_code_that_is_moved_keeps_its_digest(load):
    text = """
    import os.path
    from pathlib import Path
    HERE = Path(__file__).parent
    MODEL = os.path.join(HERE, "model.xml")
    """
    text = textwrap.dedent(text) + STAGE.format(call="(MODEL, __file__)") + "    _model = HERE / 'own.xml'\n"
    here = digest_code(load(text).Cutouts)
    assert digest_code(load(text).Cutouts) == here  # in another folder
    assert set(here.parts) == {"products.Cutouts", "products.MODEL", "products.HERE"}
    assert changed(here, digest_code(load(text.replace("model.xml", "other.xml")).Cutouts)) == {"products.MODEL"}


def test_functions_that_are_reached_through_a_registry_count(load):
    text = """
    from functools import singledispatch
    OPS = {}
    def register(function):
        OPS[function.__name__] = function
        return function
    @register
    def trim(x):
        return x[1:]
    @singledispatch
    def scale(x):
        return x
    @scale.register
    def _(x: int):
        return x + 1
    @scale.register
    def scale_text(x: str):
        return x * 2
    """
    text = textwrap.dedent(text) + STAGE.format(call="scale(OPS[image])")
    before = digest_code(load(text).Cutouts)
    assert before.unread == ()
    for old, new, part in [("x[1:]", "x[2:]", "trim"), ("x + 1", "x + 2", "_"), ("x * 2", "x * 3", "scale_text")]:
        assert changed(before, digest_code(load(text.replace(old, new)).Cutouts)) == {f"products.{part}"}
